/* SPDX-License-Identifier: Apache-2.0 */
/* What a run takes is known before: the cost report's memory equals what a session then allocates, to the byte. */
#include <stdlib.h>
#include <unistd.h>

#include "base/ctx.h"
#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

static const char net[] =
    "ir 8 ; opset 13 ; graph { input x f32[N,3,16,16]\n"
    "node Relu x -> a\nnode MaxPool a -> b { ints kernel_shape 2 2 }\nnode MatMul b,b -> y\n"
    "node Softmax y -> z { int axis 1 }\noutput z f32[N,3,15,15] }";

/* Runs once and compares what the context holds with the report. */
static void compare(pith_test *test, pith_ctx *ctx, pith_model *model, const pith_shape *shapes, int n_threads)
{
    pith_cost_report report;
    pith_session *session = NULL;
    pith_session_options options = { .n_threads = n_threads };
    pith_tensor inputs[16] = { 0 };
    int n_inputs = pith_model_n_inputs(model);
    TEST_OK(test, pith_model_cost(model, shapes, n_threads, &report));
    TEST_CHECK(test, pith_ctx_memory_bytes(ctx) == report.model_bytes);
    TEST_OK(test, pith_session_create(model, &options, &session));
    for (int i = 0; i < n_inputs; i++) {
        inputs[i] = (pith_tensor){ pith_model_input(model, i)->dtype, shapes[i], NULL };
        inputs[i].data = calloc(1, pith_tensor_bytes(&inputs[i]) + 1);
    }
    TEST_OK(test, pith_session_run(session, inputs, n_inputs));
    TEST_CHECK(test, report.is_complete);
    size_t taken = pith_ctx_memory_bytes(ctx) - report.model_bytes;
    TEST_CHECK_MESSAGE(test, taken == report.session_bytes, "the session took %zu bytes, %zu were predicted", taken,
                       report.session_bytes);
    TEST_CHECK_MESSAGE(test, pith_ctx_memory_peak_bytes(ctx) == report.peak_bytes, "peak %zu, predicted %zu",
                       pith_ctx_memory_peak_bytes(ctx), report.peak_bytes);
    for (int i = 0; i < n_inputs; i++) {
        free(inputs[i].data);
    }
    pith_session_destroy(session);
}

static void check_layers(pith_test *test, pith_model *model, const pith_shape *shape)
{
    const pith_layer *layers = NULL;
    pith_cost_report report;
    pith_shape output;
    int n_layers = 0;
    uint64_t macs = 0, flops = 0;
    TEST_OK(test, pith_model_cost(model, shape, 1, &report));
    TEST_OK(test, pith_model_layers(model, shape, 1, &layers, &n_layers));
    for (int i = 0; i < n_layers; i++) {
        macs += layers[i].macs;
        flops += layers[i].flops;
    }
    TEST_CHECK(test, n_layers == report.n_steps && macs == report.macs && flops == report.flops);
    TEST_OK(test, pith_model_output_shapes(model, shape, 1, &output));
    TEST_CHECK(test, output.rank == 4 && output.dims[0] == 2 && output.dims[2] == 15);
}

static void check_file(pith_test *test, const char *path, const pith_shape *shapes)
{
    pith_ctx *ctx = NULL;
    pith_model *model = NULL;
    pith_test_case(test, "%s", path);
    if (access(path, R_OK) != 0) {
        pith_test_skip(test, "no such file");
        return;
    }
    TEST_CHECK(test, pith_ctx_create(NULL, &ctx) == PITH_OK);
    TEST_OK(test, pith_model_load(ctx, path, NULL, &model));
    compare(test, ctx, model, shapes, 1);
    pith_model_destroy(model);
    pith_ctx_destroy(ctx);
}

void test_report(pith_test *test)
{
    static const pith_shape shape = { 4, { 2, 3, 16, 16 } }, image = { 4, { 1, 3, 224, 224 } };
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        pith_proto proto = { 0 };
        pith_ctx *ctx = NULL;
        pith_model *model = NULL;
        pith_test_case(test, "a small net with %d threads", n_threads);
        TEST_CHECK(test, pith_ctx_create(NULL, &ctx) == PITH_OK && pith_proto_onnx(&proto, net));
        TEST_OK(test, pith_model_load_memory(ctx, proto.data, proto.n_bytes, NULL, &model));
        compare(test, ctx, model, &shape, n_threads);
        check_layers(test, model, &shape);
        pith_model_destroy(model);
        TEST_CHECK(test, pith_ctx_memory_bytes(ctx) == 0);
        pith_ctx_destroy(ctx);
        pith_proto_free(&proto);
    }
    check_file(test, PITH_SOURCE_DIR "/../shared/models/converted_onnx/mobilenet_v2_1.0_224_qat.float.onnx", &image);
}
