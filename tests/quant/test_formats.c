/* SPDX-License-Identifier: Apache-2.0 */
/* Every format of weights and activations, written as ONNX and read again: weights come back as the numbers they were
 * rounded to, the network computes what the float one does with those, and is as close as the format allows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/export.h"
#include "ops/shared_quant.h"
#include "pith/session.h"
#include "quant/quant.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

enum { N_IN = 4 * 6 * 6 };

static const char network[] =
    "input x f32[1,4,6,6]\n"
    "const w1 f32[6,4,3,3]{-0.4:0.4}\nconst b1 f32[6]{-0.2:0.2}\n"
    "a = conv x w1 b1 | pads=[1,1,1,1]\n"
    "ar = relu a\n"
    "const w2 f32[6,1,3,3]{-0.5:0.5}\n"
    "d = conv ar w2 | pads=[1,1,1,1] group=6\n"
    "s = add d ar\n"
    "f = flatten s\n"
    "const w3 f32[7,216]{-0.2:0.2}\nconst b3 f32[7]{-0.3:0.3}\n"
    "g = gemm f w3 b3 | transB=1\n"
    "const w4 f32[7,5]{-0.6:0.6}\n"
    "y = matmul g w4\n"
    "output y\n";

typedef struct format_case {
    const char *name;
    pithi_activation_format activation;
    pithi_weight_format weights;
    bool is_rounded; /* weights rounded down by the test itself */
    double least_db;
} format_case;

static const format_case cases[] = {
    { "int8", PITHI_ACTIVATION_U8, { .kind = PITHI_WEIGHT_INT }, false, 30.0 },
    { "int8, given integers", PITHI_ACTIVATION_U8, { .kind = PITHI_WEIGHT_INT }, true, 25.0 },
    { "int16 activations", PITHI_ACTIVATION_U16, { .kind = PITHI_WEIGHT_INT }, false, 38.0 },
    { "int4 weights", PITHI_ACTIVATION_U8, { .bits = 4 }, false, 14.0 },
    { "weight-only int8", PITHI_ACTIVATION_F32, { .bits = 8 }, false, 38.0 },
    { "weight-only int8 with zeros", PITHI_ACTIVATION_F32, { .bits = 8, .has_zeros = true }, false, 38.0 },
    { "weight-only int6 in groups of 3", PITHI_ACTIVATION_F32, { .bits = 6, .group = 3 }, false, 28.0 },
    { "weight-only int4 in groups of 3", PITHI_ACTIVATION_F32, { .bits = 4, .group = 3 }, false, 15.0 },
    { "weight-only uint4 in groups of 2", PITHI_ACTIVATION_F32, { .bits = 4, .group = 2, .has_zeros = true }, true,
      10.0 },
    { "weight-only uint3", PITHI_ACTIVATION_F32, { .bits = 3, .has_zeros = true }, false, 6.0 },
    { "weight-only int2", PITHI_ACTIVATION_F32, { .bits = 2, .group = 2 }, false, -3.0 },
    { "weight-only uint2", PITHI_ACTIVATION_F32, { .bits = 2, .has_zeros = true }, false, -3.0 },
    { "palette of 16", PITHI_ACTIVATION_F32, { PITHI_WEIGHT_PALETTE, 4, 0, false }, true, 10.0 },
    { "palette of 64", PITHI_ACTIVATION_F32, { PITHI_WEIGHT_PALETTE, 6, 0, false }, true, 20.0 },
    { "float16 weights", PITHI_ACTIVATION_F32, { PITHI_WEIGHT_F16, 0, 0, false }, false, 60.0 },
    { "bfloat16 weights", PITHI_ACTIVATION_F32, { PITHI_WEIGHT_BF16, 0, 0, false }, false, 45.0 },
    { "float32 weights", PITHI_ACTIVATION_F32, { PITHI_WEIGHT_F32, 0, 0, false }, false, 119.0 },
    { "float16 weights behind u8", PITHI_ACTIVATION_U8, { PITHI_WEIGHT_F16, 0, 0, false }, false, 30.0 },
};

/* ---- the network --------------------------------------------------------------------------- */

/* Rounded down instead of to the nearest; palettes are evenly spaced. */
static void round_down(pith_test *test, pithi_quant *quant, const pith_node *node)
{
    pithi_quant_layer *layer = &quant->layers[node->index];
    pithi_quant_weights weights;
    pithi_quant_weights_of(node, &weights);
    pithi_weight_format format = layer->format;
    if (format.kind == PITHI_WEIGHT_PALETTE) { /* one scale for all, with a zero point */
        format.kind = PITHI_WEIGHT_INT;
        format.has_zeros = true;
    }
    TEST_OK(test, pithi_quant_round_nearest(&weights, &format, NULL, layer->format.kind == PITHI_WEIGHT_PALETTE,
                                            &quant->arena, &layer->rounded));
    int low, high;
    pithi_quant_levels(&format, &low, &high);
    const pithi_quant_scales where = pithi_quant_scales_of(&weights, &format);
    pithi_quant_rows rows = pithi_quant_rows_make(&weights.tensor->shape, &where.shape, where.axis, where.block);
    int16_t *q = (int16_t *)(uintptr_t)layer->rounded.q;
    for (int64_t i = 0; i < rows.total; i++) {
        int64_t k = pithi_quant_scale_at(&rows, i);
        double level = floor((double)((const float *)weights.tensor->data)[i] / (double)layer->rounded.scales[k]);
        q[i] = (int16_t)fmax(level + (layer->rounded.zeros ? layer->rounded.zeros[k] : 0), low);
    }
    if (layer->format.kind == PITHI_WEIGHT_PALETTE) {
        void *codes = NULL;
        TEST_OK(test, pithi_arena_array(&quant->arena, (size_t)high + 1, sizeof(float), &codes));
        for (int c = 0; c <= high; c++) {
            ((float *)codes)[c] = layer->rounded.scales[0] * ((float)(c - layer->rounded.zeros[0]) + 0.5f);
        }
        layer->rounded.scales = codes;
    }
}

static void set_formats(pith_test *test, pithi_quant *quant, const format_case *c)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].range = (pithi_range){ -6.0, 6.0 };
        quant->tensors[i].format = c->activation;
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        if (quant->roles[node->index] == PITHI_QUANT_PRODUCT) {
            quant->layers[node->index].format = c->weights;
            if (c->is_rounded) {
                round_down(test, quant, node);
            }
        }
    }
}

/* What the weights stand for, in place; those rounded to the nearest are within half a step. */
static void replace_weights(pith_test *test, pithi_quant *quant, pith_node *node)
{
    pithi_quant_layer *layer = &quant->layers[node->index];
    pithi_quant_rounded *r = &layer->rounded;
    pithi_quant_weights weights;
    bool is_nearest = !r->q;
    pithi_quant_weights_of(node, &weights);
    if (is_nearest) {
        TEST_OK(test, pithi_quant_round_nearest(&weights, &layer->format, NULL, false, &quant->arena, r));
    }
    float *w = weights.tensor->data;
    const pithi_quant_scales where = pithi_quant_scales_of(&weights, &layer->format);
    pithi_quant_rows rows = pithi_quant_rows_make(&weights.tensor->shape, &where.shape, where.axis, where.block);
    for (int64_t i = 0; i < rows.total; i++) {
        int64_t k = pithi_quant_scale_at(&rows, i);
        bool is_palette = layer->format.kind == PITHI_WEIGHT_PALETTE;
        float held = is_palette ? r->scales[r->q[i]] : r->scales[k] * (float)(r->q[i] - (r->zeros ? r->zeros[k] : 0));
        float limit = is_palette ? 0.0f : r->scales[k] * (r->zeros ? 1.0f : 0.5f); /* the ends of rounded zero points */
        bool is_clipped = layer->format.bits < 8; /* the largest weights may lie outside */
        TEST_CHECK(test, !is_nearest || is_clipped || fabsf(w[i] - held) <= limit * 1.0001f);
        w[i] = held;
    }
}

/* ---- running ------------------------------------------------------------------------------- */

typedef struct outcome {
    float y[5];
} outcome;

static void run_file(pith_test *test, const void *bytes, size_t n_bytes, float *x, outcome *out)
{
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_tensor input = { PITH_DTYPE_F32, { 4, { 1, 4, 6, 6 } }, x };
    memset(out, 0, sizeof *out);
    TEST_OK(test, pith_model_load_memory(test->ctx, bytes, n_bytes, NULL, &model));
    if (model) {
        TEST_OK(test, pith_session_create(model, NULL, &session));
    }
    if (session) {
        TEST_OK(test, pith_session_run(session, &input, 1));
        const pith_tensor *y = pith_session_output(session, 0);
        memcpy(out->y, y->data, pith_tensor_bytes(y));
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
}

static void export_and_run(pith_test *test, pith_graph *graph, const char *name, float *x, outcome *out)
{
    pithi_bytes bytes = { .ctx = test->ctx };
    char path[512];
    TEST_OK(test, pithi_export_onnx(graph, &bytes));
    snprintf(path, sizeof path, "%s/format_%s.onnx", PITH_BINARY_DIR, name);
    for (char *at = strrchr(path, '/'); *at; at++) {
        *at = *at == ' ' || *at == ',' ? '_' : *at;
    }
    pith_test_write_file(test, path, bytes.data, bytes.n_bytes); /* for whoever wants to see what others make of it */
    run_file(test, bytes.data, bytes.n_bytes, x, out);
    pithi_free(test->ctx, bytes.data);
}

static double decibel(const outcome *want, const outcome *got)
{
    double signal = 0.0, noise = 0.0;
    for (int i = 0; i < PITH_COUNT(want->y); i++) {
        signal += pow((double)want->y[i], 2.0);
        noise += pow((double)want->y[i] - (double)got->y[i], 2.0);
    }
    return pithi_quant_decibel(signal, noise);
}

static void check(pith_test *test, const format_case *c)
{
    static const pith_quantize_options options = { 0 };
    pith_graph *graph = pith_test_graph(test, network), *clone = NULL;
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .graph = graph, .arena = { .ctx = test->ctx } };
    outcome plain, quantised, rounded;
    float x[N_IN];
    pith_test_case(test, "%s", c->name);
    for (int i = 0; i < N_IN; i++) {
        x[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    export_and_run(test, graph, "plain", x, &plain);
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_quant_select(&quant));
    set_formats(test, &quant, c);
    TEST_OK(test, pithi_graph_clone(graph, &clone));
    TEST_OK(test, pithi_quant_insert(&quant, clone));
    export_and_run(test, clone, c->name, x, &quantised);
    double db = decibel(&plain, &quantised);
    TEST_CHECK_MESSAGE(test, db >= c->least_db, "%.1f dB, less than %.1f", db, c->least_db);
    pithi_quant_number(graph);
    bool is_integer = c->activation != PITHI_ACTIVATION_F32 && c->weights.kind == PITHI_WEIGHT_INT;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (quant.roles[node->index] == PITHI_QUANT_PRODUCT) {
            TEST_CHECK(test, pithi_quant_is_integer(&quant, node) == is_integer);
        }
    }
    if (c->activation == PITHI_ACTIVATION_F32 && c->weights.kind <= PITHI_WEIGHT_PALETTE) {
        for (pith_node *node = graph->first; node; node = node->next) {
            if (quant.roles[node->index] == PITHI_QUANT_PRODUCT) {
                replace_weights(test, &quant, node);
            }
        }
        export_and_run(test, graph, "rounded", x, &rounded);
        TEST_CHECK(test, decibel(&rounded, &quantised) > 110.0);
    }
    pithi_graph_destroy(clone);
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
}

void test_formats(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        check(test, &cases[i]);
    }
}
