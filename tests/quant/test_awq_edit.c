/* SPDX-License-Identifier: Apache-2.0 */
/* AWQ's factors in whole networks: the float function stays as it is, and networks of more products than are looked at
 * in one run come out no worse than short ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "quant/moments.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/awq_edit_test.onnx"

enum { N_SAMPLES = 4, N_IN = 8 * 6 * 6 };

static float data[N_SAMPLES * N_IN];

static pith_status read_image(void *user, int index, pith_tensor *inputs)
{
    (void)user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 8, 6, 6 } }, data + index * N_IN };
    return PITH_OK;
}

static pith_status read_rows(void *user, int index, pith_tensor *inputs)
{
    (void)user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 3, { 1, 36, 8 } }, data + index * N_IN };
    return PITH_OK;
}

/* ---- samples ------------------------------------------------------------------------------- */

static pith_status read_counted(void *user, int index, pith_tensor *inputs)
{
    ((int *)user)[index]++;
    return read_rows(NULL, index % N_SAMPLES, inputs);
}

/* Those that judge a method don't teach it. */
static void test_samples(pith_test *test)
{
    enum { N = 40 };
    int counts[N] = { 0 };
    static const pith_quantize_options options = { .n_threads = 1 };
    const pith_samples samples = { read_counted, counts, N };
    pithi_quant_work work = { .limit = INFINITY };
    pithi_moments product = { 0 };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .work = &work,
                          .arena = { .ctx = test->ctx },
                          .graph = pith_test_graph(test, "input x f32[1,36,8]\nconst w f32[8,5]\n"
                                                         "y = matmul x w\noutput y\n") };
    pith_test_case(test, "moments come from samples that don't measure");
    TEST_OK(test, pithi_quant_learn_types(&quant, quant.graph));
    TEST_OK(test, pithi_quant_select(&quant));
    TEST_OK(test, pithi_quant_calibrate(&quant));
    TEST_CHECK(test, pithi_moments_of(quant.graph->first, &product));
    memset(counts, 0, sizeof counts);
    TEST_OK(test, pithi_moments_collect(&quant, &product, 1, &quant.arena));
    for (int k = 0; k < quant.n_held; k++) {
        TEST_CHECK(test, counts[pithi_quant_held_sample(&quant, k)] == 0);
    }
    TEST_CHECK_MESSAGE(test, product.n_seen == 36 * (N - quant.n_held), "%d rows", (int)product.n_seen);
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(quant.graph);
}

/* ---- one edit ------------------------------------------------------------------------------ */

static void edit(pith_test *test, pithi_quant *quant)
{
    pithi_arena arena = { .ctx = test->ctx };
    pithi_moments product = { 0 };
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        TEST_CHECK(test, pithi_is(node, "matmul") == pithi_moments_of(node, &product));
    }
    const pith_tensor *w = product.weights.tensor;
    TEST_OK(test, pithi_moments_collect(quant, &product, 1, &arena));
    TEST_OK(test, pithi_awq_edit(quant, &product, 1, &(pithi_weight_format){ .bits = 3 }));
    TEST_CHECK_MESSAGE(test, w != product.weights.tensor, "nothing is scaled");
    pithi_arena_deinit(&arena);
}

/* A normalisation takes the division into its scale and bias, or a mul does. */
static void test_norms(pith_test *test)
{
    static const char *const makers[] = {
        "const b f32[8]{-1:1}\nn = layer_normalization x s b | axis=-1\n",
        "n = layer_normalization x s | axis=-1\n",
        "const b f32[1]{0.7}\nn = layer_normalization x s b | axis=-1\n",
    };
    static const pith_quantize_options options = { .n_threads = 1 };
    static const pith_samples samples = { read_rows, NULL, N_SAMPLES };
    for (int i = 0; i < PITH_COUNT(makers); i++) {
        char text[400];
        pithi_quant_work work = { .limit = INFINITY };
        pith_tensor x, before = { 0 }, after = { 0 };
        snprintf(text, sizeof text,
                 "input x f32[1,36,8]\nconst s f32[8]{1,1,1,40,1,1,0.5,1}\n%sconst w f32[8,5]{-1:1}\n"
                 "y = matmul n w\noutput y\n", makers[i]);
        pith_test_case(test, "an input made by %s", makers[i]);
        pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .work = &work,
                              .graph = pith_test_graph(test, text), .arena = { .ctx = test->ctx } };
        read_rows(NULL, 0, &x);
        if (quant.graph) {
            TEST_OK(test, pithi_quant_learn_types(&quant, quant.graph));
            TEST_OK(test, pithi_quant_select(&quant));
            TEST_OK(test, pithi_quant_calibrate(&quant));
            TEST_CHECK(test, pith_test_interpret(test, quant.graph, &x, &before));
            edit(test, &quant);
            TEST_CHECK(test, pith_test_interpret(test, quant.graph, &x, &after));
        }
        for (int64_t k = 0; before.data && after.data && k < pith_shape_elements(&before.shape); k++) {
            const float a = ((const float *)before.data)[k], b = ((const float *)after.data)[k];
            TEST_CHECK_MESSAGE(test, fabsf(a - b) < 1e-4f * (1.0f + fabsf(a)), "%g becomes %g", (double)a, (double)b);
        }
        free(before.data);
        free(after.data);
        pithi_arena_deinit(&quant.arena);
        pithi_graph_destroy(quant.graph);
    }
}

/* ---- many products ------------------------------------------------------------------------- */

/* AWQ may lose a little to nearest rounding, but not the network. */
static void test_many(pith_test *test)
{
    enum { N_LAYERS = 30 };
    static char text[8192];
    static const pith_samples samples = { read_image, NULL, N_SAMPLES };
    const pith_quantize_options options = { .weights = "int8", .weight_method = PITH_WEIGHT_AWQ, .n_threads = 1 };
    pith_quantize_report *report = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    int n_tried = 0;
    pith_test_case(test, "more products than are looked at together");
    int at = snprintf(text, sizeof text, "input r0 f32[1,8,6,6]\n");
    for (int i = 1; i <= N_LAYERS; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "const w%d f32[8,8,1,1]{-0.85:0.85}\nc%d = conv r%d w%d\nr%d = relu c%d\n",
                       i, i, i - 1, i, i, i);
    }
    snprintf(text + at, sizeof text - (size_t)at, "output r%d\n", N_LAYERS);
    pith_graph *graph = pith_test_graph(test, text);
    if (graph && pith_test_save_onnx(test, graph, PATH)) {
        TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
    }
    for (int i = 0; report && i < report->n_stages; i++) {
        const pith_quantize_stage *stage = &report->stages[i];
        if (pithi_same_text(stage->name, "awq")) {
            TEST_CHECK_MESSAGE(test, stage->after_db > stage->before_db - 6.0, "%.1f dB, with AWQ %.1f dB",
                               stage->before_db, stage->after_db);
            n_tried++;
        }
    }
    TEST_CHECK(test, n_tried == 1);
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    pithi_graph_destroy(graph);
}

void test_awq_edit(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    test_samples(test);
    test_norms(test);
    test_many(test);
}
