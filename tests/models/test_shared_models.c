/* SPDX-License-Identifier: Apache-2.0 */
/* Real networks, kept beside the checkout (../shared/models): compared with outputs that ONNX Runtime gave, or run on
 * random inputs where nothing is stored. Files are read with the tool's code. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "support/promises.h"
#include "support/tensor_file.h"
#include "support/test.h"

#define FOLDER PITH_SOURCE_DIR "/../shared/models"

#if PITH_TEST_HAS_CLI
#include "cli/compare_case.h"

#define RTOL 1e-4
#define RELATIVE_ATOL 1e-5 /* of the largest element: sums cancel */
#define LEAST_ATOL 1e-6
#define QUANTISED_COSINE 0.999
#ifdef NDEBUG
#define MAX_MACS UINT64_MAX
#define MAX_THREADS_MACS 100000000u /* with many threads on few cores */
#else
#define MAX_MACS 30000000u /* references and sanitizers take their time */
#define MAX_THREADS_MACS 3000000u
#endif

/* Models that magnify rounding: what ONNX Runtime without its optimisations is away from ONNX Runtime with them. */
static const struct {
    const char *path;
    double atol;
} sensitive[] = {
    { "/basic_pitch/nmp.onnx", 1.1e-4 }, /* a logarithm of spectral power near zero */
};

static double tolerance_of(const char *path, double largest_wanted)
{
    double atol = fmax(largest_wanted * RELATIVE_ATOL, LEAST_ATOL);
    for (int i = 0; i < PITH_COUNT(sensitive); i++) {
        atol = strstr(path, sensitive[i].path) ? fmax(atol, sensitive[i].atol) : atol;
    }
    return atol;
}

static double largest(const pith_tensor *tensor, int64_t *at)
{
    double most = 0;
    *at = 0;
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        double value = fabs(pithi_tensor_get_f64(tensor, i));
        if (value > most) {
            most = value;
            *at = i;
        }
    }
    return most;
}

/* For a model of which ONNX Runtime leaves a part in float (operands that two operators share) and pith doesn't:
 * where a sum lies next to a tie the two round differently, and the flips travel. Same answer and same direction is
 * what both can promise. */
static void check_quantised(pith_test *test, const pith_tensor *output, const pith_tensor *wanted, const char *name)
{
    double product = 0, norm = 0, norm_wanted = 0;
    int64_t at = 0, at_wanted = 0;
    TEST_CHECK(test, output->dtype == wanted->dtype && pith_shape_equal(&output->shape, &wanted->shape));
    for (int64_t i = 0; i < pith_shape_elements(&wanted->shape) && !test->case_failed; i++) {
        double a = pithi_tensor_get_f64(output, i), b = pithi_tensor_get_f64(wanted, i);
        product += a * b;
        norm += a * a;
        norm_wanted += b * b;
    }
    double cosine = product / sqrt(norm * norm_wanted);
    largest(output, &at);
    largest(wanted, &at_wanted);
    TEST_CHECK_MESSAGE(test, cosine >= QUANTISED_COSINE, "output '%s': cosine %.6f", name, cosine);
    TEST_CHECK_MESSAGE(test, at == at_wanted, "output '%s': largest element is %lld, not %lld", name, (long long)at,
                       (long long)at_wanted);
}

static void check_output(pith_test *test, const cli_net *net, int index, const cli_tensors *wanted)
{
    const char *name = pith_model_output(net->model, index)->name;
    const cli_tensor *stored = cli_tensors_find(wanted, name);
    const pith_tensor *output = pith_session_output(net->session, index);
    int64_t unused = 0;
    char message[300];
    TEST_CHECK_MESSAGE(test, stored && output, "there is no '%s' to compare", name);
    if (!stored || !output) {
        return;
    }
    if (strstr(net->path, "/tf2_mobilenet_v2_1.0_224_ptq.qdq.")) {
        check_quantised(test, output, &stored->view, name);
        return;
    }
    double atol = tolerance_of(net->path, largest(&stored->view, &unused));
    TEST_CHECK_MESSAGE(test, pith_tensor_close(output, &stored->view, RTOL, atol, message, sizeof message),
                       "output '%s': %s", name, message);
}

static const int many_threads[] = { 1, 3, 16, 0 }, few_threads[] = { 1, 2, 0 };

static void run_on(pith_test *test, cli_net *net, const cli_tensors *inputs, const cli_tensors *wanted)
{
    pith_tensor views[CLI_MAX_INPUTS];
    pith_shape shapes[CLI_MAX_INPUTS];
    pith_cost_report report = { 0 };
    int n_inputs = pith_model_n_inputs(net->model);
    TEST_CHECK_MESSAGE(test, cli_order_inputs(net, inputs, views) == PITH_OK, "%s", cli_error());
    for (int i = 0; i < n_inputs && !test->case_failed; i++) {
        shapes[i] = views[i].shape;
    }
    if (test->case_failed || (pith_model_cost(net->model, shapes, 1, &report) == PITH_OK && report.macs > MAX_MACS)) {
        if (!test->case_failed) {
            pith_test_skip(test, "%llu multiplications are too many for a debug build",
                           (unsigned long long)report.macs);
        }
        return;
    }
    pith_ctx_clear_error(net->ctx);
    pith_status status = pith_session_run(net->session, views, n_inputs);
    TEST_CHECK_MESSAGE(test, status == PITH_OK, "%s", pith_ctx_error(net->ctx));
    for (int i = 0; i < pith_model_n_outputs(net->model) && wanted && !test->case_failed; i++) {
        check_output(test, net, i, wanted);
    }
    pith_test_arena(test, net->model, shapes);
    pith_test_threads(test, net->model, views, n_inputs, report.macs <= MAX_THREADS_MACS ? many_threads : few_threads);
}

static void run_on_random(pith_test *test, cli_net *net)
{
    static const cli_words none = { 0 };
    cli_shapes shapes;
    cli_tensors inputs = { 0 };
    TEST_CHECK_MESSAGE(test, cli_net_choose_shapes(net, &none, NULL, &shapes) == PITH_OK, "%s", cli_error());
    if (!test->case_failed) {
        TEST_CHECK(test, cli_net_random_inputs(net, &shapes, test->seed, &inputs) == PITH_OK);
        run_on(test, net, &inputs, NULL);
    }
    cli_tensors_free(&inputs);
}

/* NAME.io.npz beside NAME.onnx, or test_data_set_* folders beside model.onnx. */
static pith_status find_cases(const cli_net *net, const char *folder, cli_cases *cases)
{
    char path[900];
    snprintf(path, sizeof path, "%.*s.io.npz", (int)(strlen(net->path) - strlen(".onnx")), net->path);
    if (cli_is_file(path)) {
        CLI_TRY(cli_cases_from_npz(path, cases));
        return cli_cases_match_names(net, cases);
    }
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    return cli_is_folder(path) ? cli_cases_from_folder(net, folder, cases) : PITH_OK;
}

static void test_model(pith_test *test, const char *folder, const char *name)
{
    const cli_net_options options = { .isa = test->isa, .n_threads = 2 };
    char path[900];
    cli_net net = { 0 };
    cli_cases cases = { 0 };
    cli_clear_error();
    snprintf(path, sizeof path, "%s/%s", folder, name);
    pith_test_case(test, "%s/%s", strrchr(folder, '/') + 1, name);
    bool is_ready = cli_net_open(path, &options, &net) == PITH_OK && cli_net_start(&net, &options) == PITH_OK &&
                    find_cases(&net, folder, &cases) == PITH_OK;
    TEST_CHECK_MESSAGE(test, is_ready, "%s", cli_error());
    for (int i = 0; i < cases.n && test->case_open; i++) {
        run_on(test, &net, &cases.items[i].inputs, &cases.items[i].wanted);
    }
    if (is_ready && cases.n == 0) {
        run_on_random(test, &net);
    }
    cli_cases_free(&cases);
    cli_net_close(&net);
    cli_clear_error();
}

static void test_folder(pith_test *test, const char *folder)
{
    struct dirent **files = NULL;
    int n_files = scandir(folder, &files, NULL, alphasort);
    for (int i = 0; i < n_files; i++) {
        if (cli_ends_with(files[i]->d_name, ".onnx")) {
            test_model(test, folder, files[i]->d_name);
        }
        free(files[i]);
    }
    free(files);
}
#endif

void test_shared_models(pith_test *test)
{
    struct dirent **folders = NULL;
    int n_folders = scandir(FOLDER, &folders, NULL, alphasort);
    if (n_folders < 0 || !PITH_TEST_HAS_CLI) {
        pith_test_case(test, "real networks");
        pith_test_skip(test, n_folders < 0 ? "no " FOLDER : "the tool, which reads npz files, is not built");
    }
    for (int i = 0; i < n_folders; i++) {
#if PITH_TEST_HAS_CLI
        char folder[600];
        snprintf(folder, sizeof folder, "%s/%s", FOLDER, folders[i]->d_name);
        if (folders[i]->d_name[0] != '.') {
            test_folder(test, folder);
        }
#endif
        free(folders[i]);
    }
    free(folders);
}
