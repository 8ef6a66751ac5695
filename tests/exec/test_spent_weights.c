/* SPDX-License-Identifier: Apache-2.0 */
/* Folded weights are given back once the first plan has packed them; a second plan reads the file again. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exec/internal.h"
#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

enum { N = 128, MOST_ROWS = 3 };

/* y = 2 (x w), w[i][j] = (i + 3 j) % 7: the factor goes into the weights. */
static int weight(int i, int j) { return (i + 3 * j) % 7; }

static bool write_model(const char *path)
{
    static char text[N * N * 2 + 400];
    pith_proto content = { 0 };
    int length = snprintf(text, sizeof text,
                          "ir 8 ; opset 13 ; graph { input x f32[R,%d] ; weight two f32[1] raw 2\n"
                          "weight w f32[%d,%d] raw ", N, N, N);
    for (int i = 0; i < N * N; i++) {
        text[length++] = (char)('0' + weight(i / N, i % N));
        text[length++] = ' ';
    }
    snprintf(text + length, sizeof text - (size_t)length,
             "\nnode MatMul x,w -> z\nnode Mul z,two -> y\noutput y f32[R,%d] }", N);
    bool is_made = pith_proto_onnx(&content, text);
    FILE *file = fopen(path, "wb");
    is_made = file && fwrite(content.data, 1, content.n_bytes, file) == content.n_bytes && is_made;
    is_made = file && fclose(file) == 0 && is_made;
    pith_proto_free(&content);
    return is_made;
}

static pith_status run_rows(pith_test *test, pith_session *session, int n_rows)
{
    static float x[MOST_ROWS * N];
    const pith_tensor input = { PITH_DTYPE_F32, { 2, { n_rows, N } }, x };
    for (int i = 0; i < n_rows * N; i++) {
        x[i] = (float)(i % 11 - 5);
    }
    pith_status status = pith_session_run(session, &input, 1);
    for (int i = 0; status == PITH_OK && i < n_rows * N; i++) {
        int sum = 0;
        for (int k = 0; k < N; k++) {
            sum += ((i / N * N + k) % 11 - 5) * weight(k, i % N);
        }
        TEST_CHECK(test, ((const float *)pith_session_output(session, 0)->data)[i] == (float)(2 * sum));
    }
    return status;
}

void test_spent_weights(pith_test *test)
{
    static const pith_session_options options = { .n_threads = 1 };
    const char *folder = getenv("TMPDIR");
    char path[400];
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_test_case(test, "weights come back for another shape");
    snprintf(path, sizeof path, "%s/pith_spent_%ld.onnx", folder ? folder : "/tmp", (long)getpid());
    TEST_CHECK(test, write_model(path));
    TEST_OK(test, pith_model_load(test->ctx, path, NULL, &model));
    TEST_OK(test, pith_session_create(model, &options, &session));
    if (session) {
        TEST_OK(test, run_rows(test, session, 1));
        TEST_CHECK(test, model->program.has_spent);
        TEST_OK(test, run_rows(test, session, 1));
        TEST_CHECK(test, model->program.has_spent);
        TEST_OK(test, run_rows(test, session, MOST_ROWS));
        TEST_CHECK(test, !model->program.has_spent);
        TEST_OK(test, run_rows(test, session, 1));
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
    TEST_CHECK(test, remove(path) == 0);
}
