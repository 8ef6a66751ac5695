/* SPDX-License-Identifier: Apache-2.0 */
/* The ONNX backend tests: thousands of one-node models with inputs and outputs that the standard's own reference
 * computed. tools/unpack_suite.sh lays them into the build folder. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pith/pith.h"
#include "support/tensor_file.h"
#include "support/test.h"

#define RTOL 1e-3 /* the tolerances of onnx.backend.test.runner */
#define ATOL 1e-7
#define MAX_OPERANDS 32

/* Cases whose stored outputs are less exact than the tolerances. */
static const struct {
    const char *name;
    double atol;
} inexact[] = {
    { "node/test_dft_inverse", 2e-6 }, /* off the exact sums by up to 1.5e-6; zeros are stored as 1.9e-7 */
    { "node/test_dft_inverse_opset19", 2e-6 },
};

/* Cases whose outputs were stored with sums that wrap round, where the operator saturates (onnxruntime does, too). */
static const char *const wrapped[] = { "test_qlinearmatmul_2D_int8", "test_qlinearmatmul_3D_int8" };

static bool is_wrapped(const char *name)
{
    return strncmp(name, wrapped[0], strlen(wrapped[0])) == 0 || strncmp(name, wrapped[1], strlen(wrapped[1])) == 0;
}

/* Cases whose stored outputs ONNX has corrected since (errata of Attention in onnx 1.23: query heads that share
 * a key head are neighbours; the soft cap comes before the bias; numbers of qk_matmul_output_mode; and
 * LpNormalization, where a norm of 0 now gives 0, not NaN). */
static const char *const superseded[] = { "test_attention_3d_gqa", "test_attention_4d_gqa", "qk_matmul_bias",
                                          "qk_matmul_softcap", "test_l2normalization_axis_0" };

static bool is_superseded(const char *name)
{
    bool is_named = false;
    for (int i = 0; i < PITH_COUNT(superseded); i++) {
        is_named = is_named || strstr(name, superseded[i]);
    }
    return is_named && !strstr(name, "_expanded");
}

/* Operators that pith lacks, with the number of cases that need them. */
typedef struct missing {
    char op[80];
    int n_cases;
} missing;

typedef struct node_suite {
    pith_test *test;
    const char *folder;
    missing missing[400];
    int n_missing;
} node_suite;

static void count_missing(node_suite *suite, const pith_unsupported *what)
{
    int at = 0;
    while (at < suite->n_missing && strcmp(suite->missing[at].op, what->op) != 0) {
        at++;
    }
    if (at < PITH_COUNT(suite->missing)) {
        snprintf(suite->missing[at].op, sizeof suite->missing[at].op, "%.79s", what->op);
        suite->missing[at].n_cases++;
        suite->n_missing += at == suite->n_missing;
    }
    suite->test->case_open = false; /* one line for all of them, in the end */
    suite->test->n_skipped++;
}

static bool exists(const char *path)
{
    return access(path, R_OK) == 0;
}

/* input_0.pb, input_1.pb, ... or output_K.pb; the number read. */
static int read_operands(pith_test *test, pith_graph *arena, const char *folder, const char *kind,
                         pith_tensor operands[MAX_OPERANDS])
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, kind, i);
        if (!exists(path)) {
            return i;
        }
        TEST_OK(test, pith_tensor_file_read_pb(arena, path, &operands[i]));
    }
    return MAX_OPERANDS;
}

static double tolerance_of(const pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(inexact); i++) {
        if (strcmp(inexact[i].name, test->case_name) == 0) {
            return inexact[i].atol;
        }
    }
    return ATOL;
}

/* Random numbers are each runtime's own: only dtype and shape can be compared. */
static bool is_random(const pith_test *test)
{
    return strstr(test->case_name, "test_bernoulli") != NULL;
}

static void run_data_set(pith_test *test, pith_model *model, pith_graph *arena, const char *folder)
{
    pith_tensor inputs[MAX_OPERANDS], outputs[MAX_OPERANDS];
    pith_session *session = NULL;
    pith_session_options options = { .n_threads = 1, .keep_denormals = 1 };
    int n_inputs = read_operands(test, arena, folder, "input", inputs);
    int n_outputs = read_operands(test, arena, folder, "output", outputs);
    TEST_CHECK(test, n_outputs > 0 && n_outputs == pith_model_n_outputs(model));
    TEST_OK(test, pith_session_create(model, &options, &session));
    pith_status status = session ? pith_session_run(session, inputs, n_inputs) : PITH_STATUS_STATE;
    if (status == PITH_STATUS_UNSUPPORTED) { /* a value that the operator doesn't take */
        pith_test_skip(test, "%s", pith_ctx_error(test->ctx));
        pith_ctx_clear_error(test->ctx);
    } else {
        TEST_CHECK_MESSAGE(test, status == PITH_OK, "run: %s", pith_ctx_error(test->ctx));
    }
    for (int i = 0; i < n_outputs && status == PITH_OK && !test->case_failed; i++) {
        char message[300] = "there is no such output";
        const pith_tensor *output = pith_session_output(session, i);
        if (output && is_random(test)) {
            TEST_CHECK(test, output->dtype == outputs[i].dtype && pith_shape_equal(&output->shape, &outputs[i].shape));
            continue;
        }
        bool is_close =
            output && pith_tensor_close(output, &outputs[i], RTOL, tolerance_of(test), message, sizeof message);
        TEST_CHECK_MESSAGE(test, is_close, "output %d: %s", i, message);
    }
    pith_session_destroy(session);
}

static void run_case(node_suite *suite, const char *folder, pith_model *model)
{
    for (int i = 0; i < 100; i++) {
        char path[500];
        pith_graph *arena = NULL;
        snprintf(path, sizeof path, "%s/test_data_set_%d", folder, i);
        if (!exists(path)) {
            TEST_CHECK(suite->test, i > 0);
            return;
        }
        TEST_OK(suite->test, pithi_graph_create(suite->test->ctx, &arena));
        run_data_set(suite->test, model, arena, path);
        pithi_graph_destroy(arena);
    }
}

static void test_case(node_suite *suite, const char *group, const char *name)
{
    pith_test *test = suite->test;
    pith_model *model = NULL;
    char folder[400], path[500];
    snprintf(folder, sizeof folder, "%s/%s/%s", suite->folder, group, name);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (!exists(path)) {
        return;
    }
    pith_test_case(test, "%s/%s", group, name);
    if (is_superseded(name)) {
        pith_test_skip(test, "ONNX has corrected the outputs of this case since");
        return;
    }
    if (is_wrapped(name)) {
        pith_test_skip(test, "the stored output wraps round instead of saturating");
        return;
    }
    pith_status status = pith_model_load(test->ctx, path, NULL, &model);
    TEST_CHECK_MESSAGE(test, status == PITH_OK || status == PITH_STATUS_UNSUPPORTED, "load: %s",
                       pith_ctx_error(test->ctx));
    if (model && pith_model_n_unsupported(model) > 0) {
        count_missing(suite, pith_model_unsupported(model, 0));
    } else if (model) {
        run_case(suite, folder, model);
    } else {
        pith_unsupported unknown = { .op = "(types of graph outputs)" };
        count_missing(suite, &unknown);
    }
    pith_model_destroy(model);
}

static void test_group(node_suite *suite, const char *group)
{
    struct dirent **entries = NULL;
    char folder[400];
    snprintf(folder, sizeof folder, "%s/%s", suite->folder, group);
    int n_entries = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n_entries; i++) {
        if (strncmp(entries[i]->d_name, "test_", 5) == 0) {
            test_case(suite, group, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

void test_onnx_node(pith_test *test)
{
    static const char *const groups[] = { "node", "simple", "pytorch-converted", "pytorch-operator" };
    static node_suite suite;
    suite = (node_suite){ .test = test, .folder = PITH_BINARY_DIR "/onnx_suite" };
    if (!exists(PITH_BINARY_DIR "/onnx_suite/complete")) {
        pith_test_case(test, "ONNX backend tests");
        pith_test_skip(test, "no %s (see tools/unpack_suite.sh)", suite.folder);
        return;
    }
    for (int i = 0; i < PITH_COUNT(groups); i++) {
        test_group(&suite, groups[i]);
    }
    for (int i = 0; i < suite.n_missing; i++) {
        printf("%s%s %d", i ? ", " : "skipped models/onnx_node: cases by missing operator: ", suite.missing[i].op,
               suite.missing[i].n_cases);
    }
    printf("%s", suite.n_missing ? "\n" : "");
}
