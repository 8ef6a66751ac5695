/* SPDX-License-Identifier: Apache-2.0 */
/* Whole networks through pith_quantize(): the outputs stay close, a channel that was scaled on purpose is balanced, the
 * file is what the importer reads, errors name what is wrong. */
#include <stdlib.h>

#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/quantize_test.onnx"

enum { N_SAMPLES = 16, N_ELEMENTS = 3 * 12 * 12 };

/* Convolutions, depthwise as well, a shortcut, a concatenation, tables, a product. */
static const char network[] =
    "input x f32[1,3,12,12]\n"
    "const w1 f32[8,3,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.2:0.2}\n"
    "a = conv x w1 b1 | pads=[1,1,1,1] strides=[2,2]\n"
    "ar = relu a\n"
    "const w2 f32[8,1,3,3]{-0.5:0.5}\nconst b2 f32[8]{-0.2:0.2}\n"
    "d = conv ar w2 b2 | pads=[1,1,1,1] group=8\n"
    "dr = relu d\n"
    "const w3 f32[8,8,1,1]{-0.5:0.5}\n"
    "e = conv dr w3\n"
    "s = add e ar\n"
    "t = sigmoid s\n"
    "c = concat t dr | axis=1\n"
    "g = global_average_pool c\n"
    "f = flatten g\n"
    "const w4 f32[16,5]{-0.6:0.6}\nconst b4 f32[5]{-0.3:0.3}\n"
    "y = gemm f w4 b4\n"
    "output y\n";

typedef struct source {
    float samples[N_SAMPLES][N_ELEMENTS];
} source;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    source *s = user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 12, 12 } }, s->samples[index] };
    return PITH_OK;
}

static source *make_source(pith_test *test)
{
    source *s = calloc(1, sizeof *s);
    for (int i = 0; s && i < N_SAMPLES; i++) {
        for (int k = 0; k < N_ELEMENTS; k++) {
            s->samples[i][k] = (float)pith_test_uniform(test, -1.0, 1.0);
        }
    }
    return s;
}

/* Divides output channel `channel` of weights `out` and their bias, multiplies input channel of `in`: the same
 * function. */
static void unbalance(pith_graph *graph, int channel, float factor)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        float *w = value->constant ? value->constant->data : NULL;
        int64_t per_channel = w ? pith_shape_elements(&value->shape) / 8 : 0;
        bool is_first = pithi_same_text(value->name, "w2") || pithi_same_text(value->name, "b2");
        for (int64_t k = 0; is_first && k < per_channel; k++) {
            w[channel * per_channel + k] *= factor;
        }
        for (int64_t k = 0; pithi_same_text(value->name, "w3") && k < 8; k++) {
            w[k * 8 + channel] /= factor;
        }
    }
}

static void compare_outputs(pith_test *test, const void *bytes, size_t n_bytes, const pith_samples *samples,
                            double least_db)
{
    double db = pith_test_compare_models(test, PATH, bytes, n_bytes, samples).sqnr_db;
    TEST_CHECK_MESSAGE(test, db >= least_db, "%.1f dB, less than %.1f", db, least_db);
}

static void check(pith_test *test, const pith_quantize_options *options, float factor, double least_db)
{
    source *s = make_source(test);
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    pith_graph *graph = pith_test_graph(test, network);
    pith_quantize_report *report = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (graph && s) {
        unbalance(graph, 3, factor);
        TEST_CHECK(test, pith_test_save_onnx(test, graph, PATH));
        TEST_OK(test, pith_quantize(test->ctx, PATH, options, &samples, &bytes, &n_bytes, &report));
    }
    if (bytes) {
        TEST_CHECK(test, report->n_integer_nodes == report->n_nodes && report->n_float_nodes == 0);
        TEST_CHECK(test, report->float_bytes == 4 * report->quantized_bytes);
        compare_outputs(test, bytes, n_bytes, &samples, least_db);
    }
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    pithi_graph_destroy(graph);
    free(s);
}

/* Weights alone, in every format and by every method. */
static void test_weights(pith_test *test)
{
    static const struct {
        const char *weights;
        pith_weight_method method;
        double least_db;
    } cases[] = {
        { "int8", PITH_WEIGHT_NEAREST, 35.0 },       { "int6:asym", PITH_WEIGHT_NEAREST, 25.0 },
        { "int4", PITH_WEIGHT_NEAREST, 10.0 },       { "int4:group=4,asym", PITH_WEIGHT_GPTQ, 15.0 },
        { "int4:group=3", PITH_WEIGHT_AWQ, 10.0 },   { "int3", PITH_WEIGHT_GPTQ, 4.0 },
        { "palette6", PITH_WEIGHT_NEAREST, 18.0 },   { "palette4", PITH_WEIGHT_NEAREST, 10.0 },
        { "float16", PITH_WEIGHT_NEAREST, 60.0 },    { "bfloat16", PITH_WEIGHT_NEAREST, 45.0 },
        { "float8e4m3", PITH_WEIGHT_NEAREST, 20.0 }, { "float8e5m2", PITH_WEIGHT_NEAREST, 14.0 },
        { NULL, PITH_WEIGHT_NEAREST, 35.0 }, /* dynamic */
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        const pith_quantize_options options = { .weights = cases[i].weights, .weight_method = cases[i].method,
                                                .n_threads = 1, .dynamic = !cases[i].weights };
        source *s = make_source(test);
        const pith_samples samples = { read_sample, s, N_SAMPLES };
        pith_graph *graph = NULL;
        pith_quantize_report *report = NULL;
        void *bytes = NULL;
        size_t n_bytes = 0;
        const char *name = cases[i].weights ? cases[i].weights : "dynamic";
        pith_test_case(test, "weights %s, method %d", name, (int)cases[i].method);
        graph = pith_test_graph(test, network);
        if (graph && pith_test_save_onnx(test, graph, PATH)) {
            TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
        }
        if (bytes) {
            TEST_CHECK(test, report->n_integer_nodes == 0 && report->quantized_bytes < report->float_bytes);
            compare_outputs(test, bytes, n_bytes, &samples, cases[i].least_db);
        }
        pith_free_bytes(test->ctx, bytes);
        pith_quantize_report_destroy(report);
        pithi_graph_destroy(graph);
        free(s);
    }
}

static void test_errors(pith_test *test)
{
    source *s = make_source(test);
    const pith_samples samples = { read_sample, s, N_SAMPLES }, none = { read_sample, s, 0 };
    const pith_quantize_options all_float = { .keep_float = "Conv,Gemm" };
    const pith_quantize_options bad = { .clip_fraction = 0.7 };
    void *bytes = NULL;
    size_t n_bytes = 0;
    pith_test_case(test, "errors");
    TEST_STATUS(test, pith_quantize(test->ctx, PATH, NULL, &none, &bytes, &n_bytes, NULL), PITH_STATUS_ARG,
                "no calibration samples");
    TEST_STATUS(test, pith_quantize(test->ctx, PATH, &bad, &samples, &bytes, &n_bytes, NULL), PITH_STATUS_ARG,
                "clip_fraction 0.7");
    TEST_STATUS(test, pith_quantize(test->ctx, "nowhere.onnx", NULL, &samples, &bytes, &n_bytes, NULL), PITH_STATUS_IO,
                "nowhere.onnx");
    TEST_STATUS(test, pith_quantize(test->ctx, PATH, &all_float, &samples, &bytes, &n_bytes, NULL),
                PITH_STATUS_UNSUPPORTED, "nothing to quantise");
    free(s);
}

/* Nodes that simplifying makes are named as in the report. */
static void test_kept(pith_test *test)
{
    static const char swish[] = "input x f32[1,3,12,12]\nconst w f32[8,3,3,3]{-0.4:0.4}\na = conv x w\n"
                                "g = hard_sigmoid a | alpha=0.16666667 beta=0.5\nh = mul a g\n"
                                "const v f32[4,8,1,1]{-0.5:0.5}\ny = conv h v\noutput y\n";
    static const char *const names[] = { "hard_swish", "Mul", "hard_swosh" };
    source *s = make_source(test);
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    pith_graph *graph = pith_test_graph(test, swish);
    pith_test_case(test, "nodes kept in float by the names before and after simplifying");
    for (int i = 0; i < PITH_COUNT(names) && graph && pith_test_save_onnx(test, graph, PATH); i++) {
        const pith_quantize_options options = { .keep_float = names[i], .n_threads = 1, .no_mix = 1, .no_timing = 1 };
        void *bytes = NULL;
        size_t n_bytes = 0;
        const pith_status status = pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, NULL);
        TEST_CHECK_MESSAGE(test, (status == PITH_OK) == (i < 2), "%s: %s", names[i], pith_ctx_error(test->ctx));
        pith_ctx_clear_error(test->ctx);
        pith_free_bytes(test->ctx, bytes);
    }
    pithi_graph_destroy(graph);
    free(s);
}

void test_quantize(pith_test *test)
{
    for (int k = 0; k < PITH_OBSERVER_COUNT; k++) {
        const pith_quantize_options options = { .observer = (pith_observer)k, .n_threads = 1, .no_mix = 1,
                                                .no_timing = 1 };
        pith_test_case(test, "observer %s", pith_observer_name((pith_observer)k));
        check(test, &options, 1.0f, 25.0);
    }
    const pith_quantize_options per_tensor = { .per_tensor_weights = 1, .n_threads = 1, .no_mix = 1, .no_timing = 1 };
    pith_test_case(test, "a channel 1000 times as large as the others, one scale for each weight tensor");
    check(test, &per_tensor, 1000.0f, 25.0);
    test_weights(test);
    test_errors(test);
    test_kept(test);
}
