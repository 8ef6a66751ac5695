/* SPDX-License-Identifier: Apache-2.0 */
/* The ONNX backend tests: thousands of models with inputs and outputs that the standard's own reference computed.
 * These suites lie in the build folder: that of the newest `onnx` wheel with models of all older opsets
 * (tools/make_onnx_suite.py), an older one, and ONNX Runtime's own operators (tools/unpack_suite.sh). Every case is
 * listed with its result in onnx_suite_results.tsv of the build folder (suite, group, case, result, reason), from which
 * tools/report_onnx_suite.py makes the report. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pith/pith.h"
#include "platform/platform.h"
#include "support/tensor_file.h"
#include "support/test.h"
#if PITH_TEST_HAS_CLI
#include "cli/codec.h"
#endif

#define RTOL 1e-3 /* of cases without a file `tolerance`: the defaults of onnx.backend.test.runner */
#define ATOL 1e-7
#define RTOL_BF16 0x1p-6 /* the runner's, at least, for outputs in bfloat16 */
#define MAX_OPERANDS 32
#define NEWEST "onnx_suite"
#define OLDER "onnx_suite_old"
#define CONTRIB "onnx_suite_contrib"
#define ML "onnx_suite_ml"

/* Cases whose expected result can't be told from the standard: what is compared then, and why. */
static const struct {
    const char *name;
    bool shapes_only;   /* compare dtypes and shapes; else `atol` */
    double atol;
    const char *reason;
} loose[] = {
    { "test_bernoulli", true, 0, "random numbers are each runtime's own: dtype and shape compared" },
    { "test_dft_inverse", false, 2e-6, "stored sums are off the exact ones by up to 1.5e-6: atol 2e-6" },
};

/* Cases of the older suite that ONNX has corrected since. Where the newest suite is at hand, its case of this name must
 * have another model or other outputs; it is run like all others. */
static const struct {
    const char *name, *reason;
} corrected[] = {
    { "test_attention_3d_gqa", "query heads that share a key head are neighbours" },
    { "test_attention_4d_gqa", "query heads that share a key head are neighbours" },
    { "qk_matmul_bias", "numbers of qk_matmul_output_mode" },
    { "qk_matmul_softcap", "numbers of qk_matmul_output_mode; the soft cap comes before the bias" },
    { "test_l2normalization_axis_0", "a norm of 0 gives 0, not NaN" },
    { "test_adam_multiple", "the model lacks epsilon = 0.01, which its outputs were computed with" },
    { "test_qlinearmatmul_2D_int8", "sums saturate instead of wrapping round" },
    { "test_qlinearmatmul_3D_int8", "sums saturate instead of wrapping round" },
};

typedef struct suite_run {
    pith_test *test;
    FILE *results; /* or NULL */
    const char *suite, *group, *name;
    double rtol, atol;
    const char *note; /* why the comparison was looser, or NULL */
    bool shapes_only;
    char problem[300]; /* first thing that was wrong; "" */
    char lacks[300];   /* what pith lacks for the case; "" */
} suite_run;

static bool exists(const char *path)
{
    return access(path, R_OK) == 0;
}

static bool is_older(const suite_run *run)
{
    return strcmp(run->suite, OLDER) == 0;
}

static void set_problem(suite_run *run, const char *place, const char *message)
{
    if (!run->problem[0]) {
        snprintf(run->problem, sizeof run->problem, "%.60s: %.220s", place, message);
    }
    pith_ctx_clear_error(run->test->ctx);
}

static void case_path(const suite_run *run, const char *suite, const char *file, char path[600])
{
    snprintf(path, 600, PITH_BINARY_DIR "/%s/%s/%s/%s", suite, run->group, run->name, file);
}

/* Fills rtol, atol and what is special about the case. */
static void read_tolerance(suite_run *run)
{
    char path[600];
    run->rtol = RTOL;
    run->atol = ATOL;
    case_path(run, run->suite, "tolerance", path);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%lf %lf", &run->rtol, &run->atol) != 2) {
        set_problem(run, path, "no two numbers");
    }
    if (file) {
        fclose(file);
    }
    for (int i = 0; i < PITH_COUNT(loose); i++) {
        if (strncmp(run->name, loose[i].name, strlen(loose[i].name)) == 0) {
            run->note = loose[i].reason;
            run->shapes_only = loose[i].shapes_only;
            run->atol = fmax(run->atol, loose[i].atol);
        }
    }
}

/* input_0.pb, input_1.pb, ... or output_K.pb; the number read. */
static int read_operands(suite_run *run, pith_graph *arena, const pith_model *model, const char *folder,
                         const char *kind, pith_tensor operands[MAX_OPERANDS])
{
    bool is_input = strcmp(kind, "input") == 0;
    int n_known = !model ? 0 : is_input ? pith_model_n_inputs(model) : pith_model_n_outputs(model);
    for (int i = 0; i < MAX_OPERANDS; i++) {
        char path[600];
        snprintf(path, sizeof path, "%.500s/%s_%d.pb", folder, kind, i);
        if (!exists(path)) {
            return i;
        }
        const pith_value_info *info =
            i >= n_known ? NULL : is_input ? pith_model_input(model, i) : pith_model_output(model, i);
        pith_status status = pith_value_file_read_pb(arena, path, info ? info->type : NULL, &operands[i]);
        if (status == PITH_STATUS_UNSUPPORTED) {
            snprintf(run->lacks, sizeof run->lacks, "%s", pith_ctx_error(run->test->ctx));
        } else if (status != PITH_OK) {
            set_problem(run, path, pith_ctx_error(run->test->ctx));
        }
    }
    return MAX_OPERANDS;
}

static bool output_is_close(const suite_run *run, const pith_tensor *output, const pith_tensor *wanted,
                            char message[300])
{
    if (!output) {
        snprintf(message, 300, "there is no such output");
        return false;
    }
    if (run->shapes_only) {
        snprintf(message, 300, "dtype or shape differs");
        return output->dtype == wanted->dtype && pith_shape_equal(&output->shape, &wanted->shape);
    }
    double rtol = wanted->dtype == PITH_DTYPE_BF16 ? fmax(run->rtol, RTOL_BF16) : run->rtol;
    return pith_tensor_close(output, wanted, rtol, run->atol, message, 300);
}

static void compare_outputs(suite_run *run, pith_session *session, const pith_tensor *wanted, int n_outputs)
{
    for (int i = 0; i < n_outputs; i++) {
        char message[300], place[40];
        snprintf(place, sizeof place, "output %d", i);
        if (!output_is_close(run, pith_session_output(session, i), &wanted[i], message)) {
            set_problem(run, place, message);
        }
    }
}

static void run_data_set(suite_run *run, pith_model *model, pith_graph *arena, const char *folder)
{
    pith_tensor inputs[MAX_OPERANDS], outputs[MAX_OPERANDS];
    pith_session *session = NULL;
    pith_ctx *ctx = run->test->ctx;
    pith_session_options options = { .n_threads = run->test->n_threads, .keep_denormals = 1 };
    int n_inputs = read_operands(run, arena, model, folder, "input", inputs);
    int n_outputs = read_operands(run, arena, model, folder, "output", outputs);
    if (run->lacks[0] || run->problem[0]) {
        return;
    }
    if (n_outputs == 0 || n_outputs != pith_model_n_outputs(model)) {
        set_problem(run, "model", "number of outputs");
        return;
    }
    pith_status status = pith_session_create(model, &options, &session);
    if (status == PITH_OK) {
        status = pith_session_run(session, inputs, n_inputs);
    }
    if (status == PITH_STATUS_UNSUPPORTED) { /* a value that the operator doesn't take */
        snprintf(run->lacks, sizeof run->lacks, "%s", pith_ctx_error(ctx));
    } else if (status != PITH_OK) {
        set_problem(run, "run", pith_ctx_error(ctx));
    } else {
        compare_outputs(run, session, outputs, n_outputs);
    }
    pith_session_destroy(session);
}

static void run_data_sets(suite_run *run, pith_model *model)
{
    for (int i = 0; i < 100; i++) {
        char path[600], folder[40];
        pith_graph *arena = NULL;
        snprintf(folder, sizeof folder, "test_data_set_%d", i);
        case_path(run, run->suite, folder, path);
        if (!exists(path)) {
            if (i == 0) {
                set_problem(run, path, "no such folder");
            }
            return;
        }
        if (pithi_graph_create(run->test->ctx, &arena) == PITH_OK) {
            run_data_set(run, model, arena, path);
        }
        pithi_graph_destroy(arena);
    }
}

static void load_and_run(suite_run *run)
{
    pith_model *model = NULL;
    char path[600];
    case_path(run, run->suite, "model.onnx", path);
    pith_status status = pith_model_load(run->test->ctx, path, NULL, &model);
    if (status == PITH_STATUS_UNSUPPORTED) {
        snprintf(run->lacks, sizeof run->lacks, "%s", pith_ctx_error(run->test->ctx));
    } else if (status != PITH_OK) {
        set_problem(run, "load", pith_ctx_error(run->test->ctx));
    } else if (pith_model_n_unsupported(model) > 0) {
        const pith_unsupported *what = pith_model_unsupported(model, 0);
        snprintf(run->lacks, sizeof run->lacks, "%.60s: %.200s", what->op, what->reason);
    } else {
        run_data_sets(run, model);
    }
    pith_model_destroy(model);
}

static bool files_differ(pith_ctx *ctx, const char *path_a, const char *path_b)
{
    pithi_file a = { 0 }, b = { 0 };
    bool same = pithi_file_map(ctx, path_a, &a) == PITH_OK && pithi_file_map(ctx, path_b, &b) == PITH_OK &&
                a.n_bytes == b.n_bytes && memcmp(a.data, b.data, a.n_bytes) == 0;
    pithi_file_unmap(&a);
    pithi_file_unmap(&b);
    return !same;
}

/* True if the newest suite has another model or wants other outputs, or isn't at hand. */
static bool differs_from_newest(const suite_run *older)
{
    char old_path[600], new_path[600], message[300];
    pith_tensor a[MAX_OPERANDS], b[MAX_OPERANDS];
    suite_run run = *older;
    pith_graph *arena = NULL;
    bool differs = true;
    case_path(&run, OLDER, "model.onnx", old_path);
    case_path(&run, NEWEST, "model.onnx", new_path);
    if (!exists(new_path) || files_differ(run.test->ctx, old_path, new_path) ||
        pithi_graph_create(run.test->ctx, &arena) != PITH_OK) {
        return true;
    }
    case_path(&run, OLDER, "test_data_set_0", old_path);
    case_path(&run, NEWEST, "test_data_set_0", new_path);
    int n = read_operands(&run, arena, NULL, old_path, "output", a);
    if (n == read_operands(&run, arena, NULL, new_path, "output", b)) {
        differs = false;
        for (int i = 0; i < n; i++) {
            differs = differs || !pith_tensor_close(&a[i], &b[i], run.rtol, run.atol, message, sizeof message);
        }
    }
    pithi_graph_destroy(arena);
    return differs;
}

/* Why the failing case of the older suite says nothing, or NULL. */
static const char *correction(const suite_run *run)
{
    for (int i = 0; i < PITH_COUNT(corrected) && is_older(run); i++) {
        if (strstr(run->name, corrected[i].name) && differs_from_newest(run)) {
            return corrected[i].reason;
        }
    }
    return NULL;
}

static void report(suite_run *run)
{
    const char *reason = run->note ? run->note : "", *result = "passed";
    char text[400];
    if (run->problem[0] && correction(run)) {
        result = "superseded";
        snprintf(text, sizeof text, "ONNX has corrected this case since: %s", correction(run));
        reason = text;
        pith_test_skip(run->test, "%s", text);
    } else if (run->problem[0]) {
        result = "failed";
        reason = run->problem;
        TEST_CHECK_MESSAGE(run->test, false, "%s", run->problem);
    } else if (run->lacks[0]) {
        result = "lacking";
        reason = run->lacks;
        TEST_CHECK_MESSAGE(run->test, false, "pith lacks it: %s", run->lacks);
    }
    if (run->results) {
        fprintf(run->results, "%s\t%s\t%s\t%s\t%s\n", run->suite, run->group, run->name, result, reason);
    }
    pith_ctx_clear_error(run->test->ctx);
}

static void test_case(suite_run run)
{
    char path[600];
    case_path(&run, run.suite, "model.onnx", path);
    if (!exists(path) || (run.test->only_case && !strstr(run.name, run.test->only_case))) {
        return;
    }
    pith_test_case(run.test, "%s/%s/%s", is_older(&run) ? "older" : "newest", run.group, run.name);
    read_tolerance(&run);
    load_and_run(&run);
    report(&run);
}

static void test_suite(suite_run run)
{
    static const char *const groups[] = { "node", "simple", "pytorch-converted", "pytorch-operator", "real",
                                           "contrib", "versions", "ml" };
    for (int g = 0; g < PITH_COUNT(groups); g++) {
        struct dirent **entries = NULL;
        char folder[400];
        run.group = groups[g];
        snprintf(folder, sizeof folder, PITH_BINARY_DIR "/%s/%s", run.suite, run.group);
        int n_entries = scandir(folder, &entries, NULL, alphasort);
        for (int i = 0; i < n_entries; i++) {
            run.name = entries[i]->d_name;
            if (strncmp(run.name, "test_", 5) == 0) {
                test_case(run);
            }
            free(entries[i]);
        }
        free(entries);
    }
}

void test_onnx_suite(pith_test *test)
{
    static const char *const suites[] = { NEWEST, OLDER, CONTRIB, ML };
    suite_run run = { .test = test };
#if PITH_TEST_HAS_CLI
    cli_codecs_set(test->ctx); /* ImageDecoder */
#endif
    if (!test->only_case) {
        run.results = fopen(PITH_BINARY_DIR "/onnx_suite_results.tsv", "w");
    }
    for (int i = 0; i < PITH_COUNT(suites); i++) {
        char path[400];
        run.suite = suites[i];
        snprintf(path, sizeof path, PITH_BINARY_DIR "/%s/complete", run.suite);
        if (exists(path)) {
            test_suite(run);
        } else {
            pith_test_case(test, "%s", run.suite);
            pith_test_skip(test, "not in the build folder (see tools/make_onnx_suite.py, tools/unpack_suite.sh)");
        }
    }
    if (run.results) {
        fclose(run.results);
    }
}
