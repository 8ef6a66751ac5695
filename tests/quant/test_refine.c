/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges chosen one by one: a better mean over samples isn't bought with a few that are clipped. */
#include <math.h>
#include <stdlib.h>

#include "pith/quantize.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/refine_test.onnx"

enum { N_SAMPLES = 32, N_IN = 3 * 8 * 8, N_TRIALS = 6 };

static const char text[] = "input x f32[1,3,8,8]\n"
                           "const w1 f32[8,3,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.2:0.2}\n"
                           "a = conv x w1 b1 | pads=[1,1,1,1]\n"
                           "ar = relu a\n"
                           "const w2 f32[8,8,3,3]{-0.3:0.3}\n"
                           "b = conv ar w2 | pads=[1,1,1,1]\n"
                           "c = add b a\n"
                           "cr = relu c\n"
                           "const w3 f32[8,8,3,3]{-0.3:0.3}\n"
                           "d = conv cr w3 | pads=[1,1,1,1]\n"
                           "e = add d b\n"
                           "f = flatten e\n"
                           "const w4 f32[512,10]{-0.2:0.2}\n"
                           "y = matmul f w4\n"
                           "output y\n";

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 8, 8 } }, (float *)user + index * N_IN };
    return PITH_OK;
}

/* A few samples are larger than the others. */
static void fill(float *data, uint32_t state)
{
    for (int i = 0; i < N_SAMPLES * N_IN; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = ((i / N_IN) % 8 == 3 ? 2.0f : 1.0f) * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
}

/* Of all samples together. */
static double sqnr_without(pith_test *test, float *data, const char *without)
{
    const pith_quantize_options options = { .n_threads = 1, .no_timing = 1, .no_mix = 1, .without = without };
    const pith_samples samples = { .read = read_sample, .user = data, .n_samples = N_SAMPLES };
    void *bytes = NULL;
    size_t n_bytes = 0;
    double sqnr_db = NAN;
    pith_quantize_report *report = NULL;
    TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
    if (report) {
        sqnr_db = report->sqnr_db;
    }
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    return sqnr_db;
}

void test_refine(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, text);
    float *data = malloc(N_SAMPLES * N_IN * sizeof(float));
    const bool ok = graph && data && pith_test_save_onnx(test, graph, PATH);
    int n_better = 0;
    pithi_graph_destroy(graph);
    pith_test_case(test, "few large samples");
    TEST_CHECK(test, ok);
    for (uint32_t trial = 1; ok && trial <= N_TRIALS; trial++) {
        fill(data, 10u + trial);
        const double before = sqnr_without(test, data, "bias-correction,rounding,refinement");
        const double after = sqnr_without(test, data, "bias-correction,rounding");
        TEST_CHECK(test, after >= before);
        n_better += after > before;
    }
    TEST_CHECK(test, n_better > 0);
    free(data);
}
