/* SPDX-License-Identifier: Apache-2.0 */
/* Precision where it costs next to nothing: results are gathered as floats, so that scores keep a scale beside boxes;
 * functions of functions are one table; 16 bits where they are possible, with room beyond what was seen. */
#include <math.h>
#include <stdlib.h>

#include "pith/session.h"
#include "quant/mix.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/widen_test.onnx"

enum { N_SAMPLES = 24, N_IN = 3 * 10 * 10, N_BOXES = 4, N_SCORES = 3, N_CELLS = 100 };

static const char heads[] = "input x f32[1,3,10,10]\n"
                            "const w1 f32[64,3,3,3]{-0.4:0.4}\nconst b1 f32[64]{-0.2:0.2}\n"
                            "a = conv x w1 b1 | pads=[1,1,1,1]\n"
                            "g = sigmoid a\n"
                            "m = mul a g\n"
                            "const w2 f32[4,64,1,1]{-32:32}\n"
                            "boxes = conv m w2\n"
                            "const w3 f32[3,64,1,1]{-0.7:0.7}\n"
                            "c = conv m w3\n"
                            "scores = sigmoid c\n"
                            "y = concat boxes scores | axis=1\n"
                            "output y\n";

static const char classes[] = "input x f32[1,3,10,10]\n"
                              "const w1 f32[16,3,3,3]{-0.4:0.4}\nconst b1 f32[16]{-0.2:0.2}\n"
                              "a = conv x w1 b1 | pads=[1,1,1,1]\n"
                              "ar = relu a\n"
                              "const w2 f32[32,16,3,3]{-0.2:0.2}\n"
                              "d = conv ar w2 | pads=[1,1,1,1] strides=[2,2]\n"
                              "t = softmax d | axis=1\n"
                              "const w3 f32[16,32,1,1]{-0.5:0.5}\n"
                              "v = conv t w3\n"
                              "f = flatten v\n"
                              "const w4 f32[400,10]{-0.6:0.6}\nconst b4 f32[10]{-0.3:0.3}\n"
                              "y = gemm f w4 b4\n"
                              "output y\n";

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    float *samples = user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 10, 10 } }, samples + index * N_IN };
    return PITH_OK;
}

/* Noise over signal of some channels of the output, all samples together. */
static double noise_of_channels(pith_test *test, const void *bytes, size_t n_bytes, const pith_samples *samples,
                                int64_t begin, int64_t end)
{
    pith_model *models[2] = { 0 };
    pith_session *sessions[2] = { 0 };
    double signal = 0.0, noise = 0.0;
    TEST_OK(test, pith_model_load(test->ctx, PATH, NULL, &models[0]));
    TEST_OK(test, pith_model_load_memory(test->ctx, bytes, n_bytes, NULL, &models[1]));
    for (int i = 0; i < 2 && models[i]; i++) {
        TEST_OK(test, pith_session_create(models[i], NULL, &sessions[i]));
    }
    for (int k = 0; k < samples->n_samples && sessions[0] && sessions[1]; k++) {
        pith_tensor input;
        TEST_OK(test, samples->read(samples->user, k, &input));
        TEST_OK(test, pith_session_run(sessions[0], &input, 1));
        TEST_OK(test, pith_session_run(sessions[1], &input, 1));
        const float *want = pith_session_output(sessions[0], 0)->data, *got = pith_session_output(sessions[1], 0)->data;
        for (int64_t i = begin * N_CELLS; i < end * N_CELLS; i++) {
            signal += (double)want[i] * (double)want[i];
            noise += (double)(want[i] - got[i]) * (double)(want[i] - got[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        pith_session_destroy(sessions[i]);
        pith_model_destroy(models[i]);
    }
    return signal > 0.0 ? noise / signal : 1.0;
}

static bool save(pith_test *test, const char *text)
{
    pith_graph *graph = pith_test_graph(test, text);
    bool ok = graph && pith_test_save_onnx(test, graph, PATH);
    pithi_graph_destroy(graph);
    return ok;
}

typedef struct quantized {
    void *bytes;
    size_t n_bytes;
    pith_quantize_report *report; /* NULL if it failed */
} quantized;

static quantized quantize(pith_test *test, const pith_samples *samples, const pith_quantize_options *options)
{
    quantized made = { 0 };
    TEST_OK(test, pith_quantize(test->ctx, PATH, options, samples, &made.bytes, &made.n_bytes, &made.report));
    return made;
}

static void forget(pith_test *test, const quantized *made)
{
    pith_free_bytes(test->ctx, made->bytes);
    pith_quantize_report_destroy(made->report);
}

static bool has_tensor(const pith_quantize_report *report, const char *name)
{
    for (int i = 0; i < report->n_tensors; i++) {
        if (strcmp(report->tensors[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void test_heads(pith_test *test, const pith_samples *samples)
{
    double scores[2] = { 1.0, 1.0 };
    pith_test_case(test, "scores beside boxes, and sigmoid inside of a table");
    if (!save(test, heads)) {
        return;
    }
    for (int k = 0; k < 2; k++) {
        const pith_quantize_options options = { .n_threads = 1, .no_timing = 1, .no_mix = k };
        const quantized made = quantize(test, samples, &options);
        if (made.report) {
            scores[k] = noise_of_channels(test, made.bytes, made.n_bytes, samples, N_BOXES, N_BOXES + N_SCORES);
            TEST_CHECK(test, has_tensor(made.report, "a") && has_tensor(made.report, "m"));
            TEST_CHECK(test, !has_tensor(made.report, "g"));
            TEST_CHECK(test, has_tensor(made.report, "y") == (k == 1));
        }
        forget(test, &made);
    }
    TEST_CHECK_MESSAGE(test, scores[0] < 1e-3 && scores[0] < 0.01 * scores[1],
                       "noise of scores %.3g, in one scale %.3g", scores[0], scores[1]);
}

static bool is_wide_result(const pith_quantize_report *report)
{
    for (int i = 0; i < report->n_layers; i++) {
        if (strcmp(report->layers[i].op, "Gemm") == 0 && strcmp(report->layers[i].activations, "int16") == 0) {
            return true;
        }
    }
    return false;
}

/* 65535 steps over half as much again as was seen. */
static bool is_wide_tensor(const pith_quantize_report *report, const char *name)
{
    for (int i = 0; i < report->n_tensors; i++) {
        const pith_quantized_tensor *tensor = &report->tensors[i];
        if (strcmp(tensor->name, name) == 0) {
            const double step = 1.5 * (double)(tensor->high - tensor->low) / 65535.0;
            return fabs((double)tensor->scale / step - 1.0) < 1e-4 && tensor->sqnr_db > 70.0;
        }
    }
    return false;
}

static void test_result(pith_test *test, const pith_samples *samples)
{
    pith_test_nearness nearness[2] = { { 0 } };
    pith_test_case(test, "a result that costs nothing has 16 bits, unless the stage is left out");
    if (!save(test, classes)) {
        return;
    }
    enum { N_OTHERS = 10 * N_SAMPLES }; /* of two dozen, one more or less agrees by chance */
    float *data = malloc(N_OTHERS * N_IN * sizeof(float));
    const pith_samples others = { read_sample, data, data ? N_OTHERS : 0 };
    for (int i = 0; i < others.n_samples * N_IN; i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    for (int k = 0; k < 2; k++) {
        const pith_quantize_options options = { .n_threads = 1, .no_timing = 1, .without = k ? "widening" : NULL };
        const quantized made = quantize(test, samples, &options);
        if (made.report) {
            nearness[k] = pith_test_compare_models(test, PATH, made.bytes, made.n_bytes, &others);
            TEST_CHECK(test, is_wide_result(made.report) == (k == 0));
            TEST_CHECK(test, is_wide_tensor(made.report, "y") == (k == 0));
        }
        forget(test, &made);
    }
    TEST_CHECK_MESSAGE(test, nearness[0].sqnr_db > nearness[1].sqnr_db, "%.2f dB, without 16 bits %.2f dB",
                       nearness[0].sqnr_db, nearness[1].sqnr_db);
    free(data);
}

/* What the first layers make has a heavy tail, which neither scales nor channels can help; most of the work is
 * behind. */
static const char tails[] = "input x f32[1,3,10,10]\n"
                            "const w1 f32[4,3,1,1]{-1:1}\n"
                            "a = conv x w1\n"
                            "p = mul a a\n"
                            "q = mul p p\n"
                            "r = mul q q\n"
                            "const w2 f32[32,4,3,3]{-0.5:0.5}\n"
                            "b = conv r w2 | pads=[1,1,1,1]\n"
                            "const w3 f32[64,32,3,3]{-0.1:0.1}\nconst b3 f32[64]{-0.1:0.1}\n"
                            "c = conv b w3 b3 | pads=[1,1,1,1]\n"
                            "cr = relu c\n"
                            "const w4 f32[64,64,3,3]{-0.1:0.1}\n"
                            "d = conv cr w4 | pads=[1,1,1,1]\n"
                            "dr = relu d\n"
                            "const w5 f32[16,64,1,1]{-0.2:0.2}\n"
                            "e = conv dr w5\n"
                            "f = flatten e\n"
                            "const w6 f32[1600,10]{-0.1:0.1}\nconst b6 f32[10]{-0.3:0.3}\n"
                            "y = gemm f w6 b6\n"
                            "output y\n";

static void test_decisions(pith_test *test, const pith_samples *samples)
{
    pith_test_nearness nearness[2] = { { 0 } };
    pith_test_case(test, "where classes change, some of the time that integers save is spent");
    test->random = 1; /* the same network for every seed: with some others the choice hangs on the last bits */
    if (!save(test, tails)) {
        return;
    }
    enum { N_OTHERS = 10 * N_SAMPLES }; /* of two dozen, one more or less agrees by chance */
    float *data = malloc(N_OTHERS * N_IN * sizeof(float));
    const pith_samples others = { read_sample, data, data ? N_OTHERS : 0 };
    for (int i = 0; i < others.n_samples * N_IN; i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    for (int k = 0; k < 2; k++) {
        const pith_quantize_options options = { .n_threads = 1, .no_timing = 1, .without = k ? "widening" : NULL };
        const quantized made = quantize(test, samples, &options);
        if (made.report) {
            nearness[k] = pith_test_compare_models(test, PATH, made.bytes, made.n_bytes, &others);
            TEST_CHECK(test, made.report->n_float_nodes < made.report->n_nodes / 2);
        }
        forget(test, &made);
    }
    TEST_CHECK_MESSAGE(test,
                       nearness[0].sqnr_db > nearness[1].sqnr_db + 3.0 && nearness[0].n_agree >= nearness[1].n_agree,
                       "%.2f dB, %d agree, without the stage %.2f dB, %d", nearness[0].sqnr_db, nearness[0].n_agree,
                       nearness[1].sqnr_db, nearness[1].n_agree);
    free(data);
}

static int tensor_named(const pithi_quant *quant, const char *name)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        if (strcmp(quant->graph->values[quant->tensors[i].value]->name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Softmax has no way of 16 bits. */
static void test_possible(pith_test *test)
{
    static const pith_quantize_options options = { 0 };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .graph = pith_test_graph(test, classes),
                          .arena = { .ctx = test->ctx } };
    pithi_quant_mix mix;
    pith_test_case(test, "16 bits where they are possible, with room");
    TEST_OK(test, pithi_graph_infer(quant.graph));
    TEST_OK(test, pithi_quant_select(&quant));
    const int ar = tensor_named(&quant, "ar"), d = tensor_named(&quant, "d"), y = tensor_named(&quant, "y");
    if (ar >= 0 && d >= 0 && y >= 0) {
        TEST_CHECK(test, pithi_quant_may_widen(&quant, ar) && pithi_quant_may_widen(&quant, y));
        TEST_CHECK(test, !pithi_quant_may_widen(&quant, d));
        TEST_OK(test, pithi_quant_mix_create(&quant, &mix));
        mix.wide[ar] = 1;
        quant.plain = quant.layers;
        quant.plain_shifts = quant.bias_shifts;
        quant.tensors[ar].histogram.high = 4.0;
        quant.tensors[ar].range = (pithi_range){ 0.0, 2.0 };
        TEST_CHECK(test, pithi_quant_range_of(&quant, &quant.tensors[ar]).high == 2.0);
        pithi_quant_mix_apply(&quant, &mix);
        TEST_CHECK(test, quant.tensors[ar].format == PITHI_ACTIVATION_U16);
        TEST_CHECK(test, quant.tensors[y].format == PITHI_ACTIVATION_U8);
        TEST_CHECK(test, pithi_quant_range_of(&quant, &quant.tensors[ar]).high > 4.0);
    } else {
        TEST_CHECK(test, false);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(quant.graph);
}

void test_widen(pith_test *test)
{
    float *data = malloc(N_SAMPLES * N_IN * sizeof(float));
    const pith_samples samples = { read_sample, data, N_SAMPLES };
    for (int i = 0; data && i < N_SAMPLES * N_IN; i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    if (data) {
        test_heads(test, &samples);
        test_result(test, &samples);
        test_decisions(test, &samples);
        test_possible(test);
    }
    free(data);
}
