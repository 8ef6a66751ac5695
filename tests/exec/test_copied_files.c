/* SPDX-License-Identifier: Apache-2.0 */
/* Models that are copied rather than mapped: another process may cut the file off or write it anew at any time. A load
 * gives the model or an error, and a loaded model stays what it was. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

enum { N = 128, N_LOADS = 3000 };

typedef struct shared_file {
    char path[400];
    pith_proto content;
    atomic_bool stops;
} shared_file;

static bool write_whole(const shared_file *file)
{
    int descriptor = open(file->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool is_written = descriptor >= 0;
    for (size_t done = 0; is_written && done < file->content.n_bytes;) {
        size_t n = file->content.n_bytes - done;
        ssize_t written = write(descriptor, (const char *)file->content.data + done, n < 4096 ? n : 4096);
        is_written = written > 0;
        done += is_written ? (size_t)written : 0;
    }
    return descriptor >= 0 && close(descriptor) == 0 && is_written;
}

static void *rewrite(void *user)
{
    shared_file *file = user;
    while (!atomic_load(&file->stops) && write_whole(file)) {
    }
    return NULL;
}

/* y = x w, with w of 64 KiB, all ones. */
static void make(pith_test *test, shared_file *file)
{
    const char *folder = getenv("TMPDIR");
    static char text[N * N * 2 + 400];
    int length = snprintf(text, sizeof text, "ir 8 ; opset 13 ; graph { input x f32[1,%d] ; weight w f32[%d,%d] raw ",
                          N, N, N);
    for (int i = 0; i < N * N; i++) {
        text[length++] = '1';
        text[length++] = ' ';
    }
    snprintf(text + length, sizeof text - (size_t)length, "\nnode MatMul x,w -> y\noutput y f32[1,%d] }", N);
    TEST_CHECK(test, pith_proto_onnx(&file->content, text));
    snprintf(file->path, sizeof file->path, "%s/pith_copied_%ld.onnx", folder ? folder : "/tmp", (long)getpid());
}

static bool runs_right(pith_test *test, pith_model *model)
{
    static const pith_session_options options = { .n_threads = 1 };
    static float x[N];
    pith_session *session = NULL;
    const pith_tensor input = { PITH_DTYPE_F32, { 2, { 1, N } }, x };
    bool is_right = true;
    for (int i = 0; i < N; i++) {
        x[i] = (float)i;
    }
    TEST_OK(test, pith_session_create(model, &options, &session));
    is_right = session && pith_session_run(session, &input, 1) == PITH_OK;
    for (int i = 0; is_right && i < N; i++) {
        is_right = ((const float *)pith_session_output(session, 0)->data)[i] == N * (N - 1) / 2;
    }
    pith_session_destroy(session);
    return is_right;
}

static void test_cut_off_later(pith_test *test, const shared_file *file)
{
    pith_model *model = NULL;
    pith_test_case(test, "the file is emptied after the load");
    TEST_CHECK(test, write_whole(file));
    TEST_OK(test, pith_model_load(test->ctx, file->path, NULL, &model));
    TEST_CHECK(test, truncate(file->path, 0) == 0);
    TEST_CHECK(test, model && runs_right(test, model));
    pith_model_destroy(model);
}

static void test_while_written(pith_test *test, shared_file *file)
{
    pthread_t writer;
    int n_loaded = 0, n_refused = 0;
    pith_test_case(test, "the file is written anew all the time");
    TEST_CHECK(test, pthread_create(&writer, NULL, rewrite, file) == 0);
    for (int i = 0; i < N_LOADS; i++) {
        pith_model *model = NULL;
        pith_status status = pith_model_load(test->ctx, file->path, NULL, &model);
        n_loaded += status == PITH_OK;
        n_refused += status == PITH_STATUS_IO || status == PITH_STATUS_FORMAT;
        TEST_CHECK(test, status != PITH_OK || runs_right(test, model));
        pith_model_destroy(model);
        pith_ctx_clear_error(test->ctx);
    }
    atomic_store(&file->stops, true);
    pthread_join(writer, NULL);
    TEST_CHECK_MESSAGE(test, n_loaded + n_refused == N_LOADS, "%d loaded, %d refused of %d", n_loaded, n_refused,
                       N_LOADS);
}

void test_copied_files(pith_test *test)
{
    shared_file file = { 0 };
    pith_ctx_set_copy_files(test->ctx, 1);
    make(test, &file);
    test_cut_off_later(test, &file);
    test_while_written(test, &file);
    TEST_CHECK(test, remove(file.path) == 0);
    pith_proto_free(&file.content);
}
