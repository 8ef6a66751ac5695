/* SPDX-License-Identifier: Apache-2.0 */
/* The "light" models of the ONNX backend tests: AlexNet to VGG-19 as real networks are built, with weights made by
 * ConstantOfShape, and outputs of the standard's reference for the input arange(n) / n. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "pith/pith.h"
#include "support/tensor_file.h"
#include "support/test.h"

#define FOLDER PITH_BINARY_DIR "/onnx_suite_old/light"
#define RTOL 1e-3 /* the tolerances of onnx.backend.test.runner */
#define ATOL 1e-7

/* The runner's dummy input; open dimensions are 1. */
static pith_status make_input(pith_graph *arena, const pith_value_info *info, pith_tensor *input)
{
    size_t n_bytes = 0;
    *input = (pith_tensor){ .dtype = info->dtype, .shape = info->shape };
    for (int i = 0; i < info->shape.rank; i++) {
        input->shape.dims[i] = info->shape.dims[i] < 0 ? 1 : info->shape.dims[i];
    }
    PITH_TRY(pithi_shape_check(arena->ctx, &input->shape, input->dtype, &n_bytes));
    PITH_TRY(pithi_arena_alloc(&arena->arena, n_bytes, &input->data));
    int64_t n_elements = pith_shape_elements(&input->shape);
    for (int64_t i = 0; i < n_elements; i++) {
        pithi_tensor_set_f64(input, i, (double)i / (double)n_elements);
    }
    return PITH_OK;
}

static void run_and_compare(pith_test *test, pith_model *model, pith_graph *arena, const char *output_path)
{
    pith_session *session = NULL;
    pith_tensor input = { 0 }, wanted = { 0 };
    char message[300] = "there is no output";
    TEST_CHECK(test, pith_model_n_inputs(model) == 1 && pith_model_n_outputs(model) == 1);
    TEST_OK(test, make_input(arena, pith_model_input(model, 0), &input));
    TEST_OK(test, pith_tensor_file_read_pb(arena, output_path, &wanted));
    TEST_OK(test, pith_session_create(model, NULL, &session));
    if (!test->case_failed) {
        TEST_OK(test, pith_session_run(session, &input, 1));
        const pith_tensor *output = pith_session_output(session, 0);
        bool is_close = output && pith_tensor_close(output, &wanted, RTOL, ATOL, message, sizeof message);
        TEST_CHECK_MESSAGE(test, is_close, "%s", message);
    }
    pith_session_destroy(session);
}

static void test_model(pith_test *test, const char *name)
{
    char path[600], output_path[600];
    int n_stem = (int)(strlen(name) - strlen(".onnx"));
    pith_model *model = NULL;
    pith_graph *arena = NULL;
    pith_test_case(test, "%s", name);
#ifndef NDEBUG
    pith_test_skip(test, "too slow for a debug build");
    return;
#endif
    snprintf(path, sizeof path, "%s/%s", FOLDER, name);
    snprintf(output_path, sizeof output_path, "%s/%.*s_output_0.pb", FOLDER, n_stem, name);
    TEST_OK(test, pithi_graph_create(test->ctx, &arena));
    TEST_OK(test, pith_model_load(test->ctx, path, NULL, &model));
    if (model && arena) {
        run_and_compare(test, model, arena, output_path);
    }
    pith_model_destroy(model);
    pithi_graph_destroy(arena);
}

void test_onnx_light(pith_test *test)
{
    struct dirent **files = NULL;
    int n_files = scandir(FOLDER, &files, NULL, alphasort);
    if (n_files < 0) {
        pith_test_case(test, "light models");
        pith_test_skip(test, "no %s (see tools/unpack_suite.sh)", FOLDER);
    }
    for (int i = 0; i < n_files; i++) {
        if (strstr(files[i]->d_name, ".onnx")) {
            test_model(test, files[i]->d_name);
        }
        free(files[i]);
    }
    free(files);
}
