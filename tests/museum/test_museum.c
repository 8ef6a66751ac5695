/* SPDX-License-Identifier: Apache-2.0 */
/* The museum of bad inputs: what pith says of every file is what expected.tsv wants. A line has the file, the status,
 * and parts that the message must have: where, the value, the rule or the way out. Every file of the folder must have
 * a line, and afterwards all memory must be back. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ctx.h"
#include "platform/platform.h"
#include "pith/pith.h"
#include "support/test.h"

#define FOLDER PITH_SOURCE_DIR "/tests/museum"
#define MAX_FIELDS 8
#define MAX_MS 2000 /* for any file, also under sanitizers */

/* Loads, plans and runs with zeros; what fails first has left its message in the context. */
static pith_status use(pith_ctx *ctx, const char *path)
{
    static const pith_session_options options = { .n_threads = 1 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_tensor inputs[4] = { 0 };
    pith_status status = pith_model_load(ctx, path, NULL, &model);
    if (status == PITH_OK) {
        status = pith_session_create(model, &options, &session);
    }
    for (int i = 0; status == PITH_OK && i < pith_model_n_inputs(model) && i < 4; i++) {
        const pith_value_info *info = pith_model_input(model, i);
        inputs[i] = (pith_tensor){ info->dtype, info->shape, NULL };
        inputs[i].data = calloc(1, pith_tensor_bytes(&inputs[i]) + 8);
    }
    if (status == PITH_OK) {
        status = pith_session_run(session, inputs, pith_model_n_inputs(model));
    }
    for (int i = 0; i < 4; i++) {
        free(inputs[i].data);
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
    return status;
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static void check_line(pith_test *test, char *fields[MAX_FIELDS], int n_fields)
{
    char path[900];
    pith_ctx *ctx = NULL;
    snprintf(path, sizeof path, "%s/files/%s.onnx", FOLDER, fields[0]);
    TEST_CHECK(test, pith_ctx_create(NULL, &ctx) == PITH_OK);
    ctx->limits.max_memory_bytes = 64 << 20;
    ctx->limits.max_iterations = 1000;
    uint64_t start = pithi_clock_ns();
    pith_status status = use(ctx, path);
    uint64_t n_ms = (pithi_clock_ns() - start) / 1000000u;
    TEST_CHECK_MESSAGE(test, pithi_same_text(pith_status_name(status), fields[1]), "%s: status '%s', wanted '%s': %s",
                       fields[0], pith_status_name(status), fields[1], pith_ctx_error(ctx));
    for (int i = 2; i < n_fields; i++) {
        TEST_CHECK_MESSAGE(test, strstr(pith_ctx_error(ctx), fields[i]) != NULL, "%s: no '%s' in: %s", fields[0],
                           fields[i], pith_ctx_error(ctx));
    }
    TEST_CHECK_MESSAGE(test, is_printable(pith_ctx_error(ctx)), "%s: control characters in the message", fields[0]);
    TEST_CHECK_MESSAGE(test, n_ms < MAX_MS, "%s took %llu ms", fields[0], (unsigned long long)n_ms);
    TEST_CHECK(test, pith_ctx_memory_bytes(ctx) == 0);
    pith_ctx_destroy(ctx);
}

static int split(char *line, char *fields[MAX_FIELDS])
{
    int count = 0;
    for (char *at = line; at && count < MAX_FIELDS;) {
        char *tab = strchr(at, '\t');
        fields[count++] = at;
        if (tab) {
            *tab = '\0';
        }
        at = tab ? tab + 1 : NULL;
    }
    return count;
}

static int is_model(const struct dirent *entry) { return strstr(entry->d_name, ".onnx") != NULL; }

void test_museum(pith_test *test)
{
    char line[1000];
    int n_lines = 0;
    FILE *file = fopen(FOLDER "/expected.tsv", "r");
    TEST_CHECK(test, file);
    while (file && fgets(line, sizeof line, file)) {
        char *fields[MAX_FIELDS];
        line[strcspn(line, "\n")] = '\0';
        if (*line && *line != '#') {
            int n_fields = split(line, fields);
            pith_test_case(test, "%s", fields[0]);
            TEST_CHECK_MESSAGE(test, n_fields >= 4, "%s: a line has file, status and two parts of the message", line);
            check_line(test, fields, n_fields);
            n_lines++;
        }
    }
    if (file) {
        fclose(file);
    }
    struct dirent **entries = NULL;
    int n_files = scandir(FOLDER "/files", &entries, is_model, alphasort);
    for (int i = 0; i < n_files; i++) {
        free(entries[i]);
    }
    free(entries);
    pith_test_case(test, "every file has a line");
    TEST_CHECK_MESSAGE(test, n_files == n_lines && n_files >= 100, "%d files, %d lines", n_files, n_lines);
}
