/* SPDX-License-Identifier: Apache-2.0 */
/* Weights and biases of products in the words of ONNX: integers behind dequantize_linear (with blocks for groups),
 * halves behind a cast, palettes as a gather of the codebook; biases of integer products s32 with the scale of the
 * sums. */
#include <math.h>

#include "ops/shared_quant.h"
#include "quant/quant.h"

/* ---- nodes --------------------------------------------------------------------------------- */

pith_status pithi_quant_insert_dq(pith_graph *graph, pith_node *before, pith_value *const operands[3],
                                  pith_value **result_out)
{
    pith_node *dq = NULL;
    PITH_TRY(pithi_insert(graph, before, "dequantize_linear", operands, operands[2] ? 3 : 2, &dq));
    dq->name = "";
    dq->outputs[0]->dtype = PITH_DTYPE_F32;
    *result_out = dq->outputs[0];
    return PITH_OK;
}

static pith_status insert_cast(pith_graph *graph, pith_node *before, pith_value *from, pith_dtype to,
                               pith_value **result_out)
{
    pith_node *cast = NULL;
    PITH_TRY(pithi_insert(graph, before, "cast", &from, 1, &cast));
    int64_t *field = pithi_attr_field(cast, "to", PITH_ATTR_KIND_CHOICE);
    PITH_CHECK(graph->ctx, field, PITH_STATUS_INTERNAL, "the operator cast has no attribute 'to'");
    *field = to;
    cast->name = "";
    cast->outputs[0]->dtype = to;
    *result_out = cast->outputs[0];
    return PITH_OK;
}

/* ---- biases -------------------------------------------------------------------------------- */

static bool has_bias(const pithi_quant *quant, const pith_node *node)
{
    return !pithi_is(node, "matmul") && (pithi_constant_input(node, 2) || quant->bias_shifts[node->index]);
}

/* `bias` may be NULL; shifts are added. */
static double bias_at(const pithi_quant *quant, const pith_node *node, const pith_tensor *bias, int64_t channel)
{
    const float *shifts = quant->bias_shifts[node->index];
    return (bias ? (double)((const float *)bias->data)[channel] : 0.0) + (shifts ? (double)shifts[channel] : 0.0);
}

static pith_status set_bias(pith_graph *graph, pith_node *node, pith_value *bias)
{
    if (node->n_inputs < 3) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, 3));
    }
    pithi_set_input(node, 2, bias);
    return PITH_OK;
}

static pith_status insert_bias(const pithi_quant *quant, pith_graph *graph, pith_node *node, int64_t n_out,
                               const float *weight_scales, double x_scale)
{
    const pith_shape shape = { 1, { n_out } };
    pith_value *operands[3] = { 0 }, *result = NULL;
    const pith_tensor *bias = pithi_constant_input(node, 2);
    pith_tensor to, scales, zeros;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &shape, &to, &operands[0]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &scales, &operands[1]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &shape, &zeros, &operands[2]));
    for (int64_t c = 0; c < n_out; c++) {
        double scale = x_scale * (double)weight_scales[c], q = nearbyint(bias_at(quant, node, bias, c) / scale);
        ((float *)scales.data)[c] = (float)scale;
        ((int32_t *)to.data)[c] = (int32_t)fmin(fmax(q, -PITHI_QUANT_LARGEST_BIAS), PITHI_QUANT_LARGEST_BIAS);
    }
    PITH_TRY(pithi_quant_insert_dq(graph, node, operands, &result));
    PITH_TRY(pithi_attr_set_int(graph->ctx, result->producer, "axis", 0));
    return set_bias(graph, node, result);
}

/* A bias that stays float takes its shift. */
static pith_status shift_bias(const pithi_quant *quant, pith_graph *graph, pith_node *node, int64_t n_out)
{
    const pith_shape shape = { 1, { n_out } };
    pith_value *bias = NULL;
    pith_tensor to;
    if (!has_bias(quant, node) || !quant->bias_shifts[node->index]) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &bias));
    for (int64_t c = 0; c < n_out; c++) {
        ((float *)to.data)[c] = (float)bias_at(quant, node, pithi_constant_input(node, 2), c);
    }
    return set_bias(graph, node, bias);
}

/* ---- weights ------------------------------------------------------------------------------- */

/* The dtype that holds integers of so many bits. */
static pith_dtype container(const pithi_weight_format *format)
{
    static const pith_dtype dtypes[2][3] = { { PITH_DTYPE_S2, PITH_DTYPE_S4, PITH_DTYPE_S8 },
                                             { PITH_DTYPE_U2, PITH_DTYPE_U4, PITH_DTYPE_U8 } };
    const int bits = format->bits ? format->bits : 8;
    return dtypes[format->has_zeros || format->kind == PITHI_WEIGHT_PALETTE][bits <= 2 ? 0 : bits <= 4 ? 1 : 2];
}

static pith_status new_integers(pith_graph *graph, pith_dtype dtype, const pith_shape *shape, const int16_t *items,
                                pith_value **value_out)
{
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, shape, &to, value_out));
    for (int64_t i = 0; items && i < pith_shape_elements(shape); i++) {
        pithi_tensor_set_s64(&to, i, items[i]);
    }
    return PITH_OK;
}

static pith_status new_floats(pith_graph *graph, const pith_shape *shape, const float *items, pith_value **value_out)
{
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, shape, &to, value_out));
    memcpy(to.data, items, pith_tensor_bytes(&to));
    return PITH_OK;
}

pith_status pithi_quant_insert_integers(pith_graph *graph, pith_node *node, int index,
                                        const pithi_quant_weights *weights, const pithi_weight_format *format,
                                        const pithi_quant_rounded *rounded)
{
    const pithi_quant_scales where = pithi_quant_scales_of(weights, format);
    const pith_dtype dtype = container(format);
    pith_value *operands[3] = { 0 }, *result = NULL;
    PITH_TRY(new_integers(graph, dtype, &weights->tensor->shape, rounded->q, &operands[0]));
    PITH_TRY(new_floats(graph, &where.shape, rounded->scales, &operands[1]));
    PITH_TRY(new_integers(graph, dtype, &where.shape, rounded->zeros, &operands[2]));
    PITH_TRY(pithi_quant_insert_dq(graph, node, operands, &result));
    PITH_TRY(pithi_attr_set_int(graph->ctx, result->producer, "axis", where.axis));
    if (where.block > 0) {
        PITH_TRY(pithi_attr_set_int(graph->ctx, result->producer, "block_size", where.block));
    }
    pithi_set_input(node, index, result);
    return PITH_OK;
}

static pith_status insert_palette(pith_graph *graph, pith_node *node, const pithi_quant_weights *weights,
                                  const pithi_weight_format *format, const pithi_quant_rounded *rounded)
{
    const pith_shape shape = { 1, { (int64_t)1 << (format->bits ? format->bits : 8) } };
    pith_value *operands[2] = { 0 }, *indices = NULL;
    pith_node *gather = NULL;
    PITH_CHECK(graph->ctx, rounded->q, PITH_STATUS_INTERNAL, "node '%s': a palette without its codebook", node->name);
    PITH_TRY(new_floats(graph, &shape, rounded->scales, &operands[0]));
    PITH_TRY(new_integers(graph, container(format), &weights->tensor->shape, rounded->q, &indices));
    PITH_TRY(insert_cast(graph, node, indices, PITH_DTYPE_S32, &operands[1]));
    PITH_TRY(pithi_insert(graph, node, "gather", operands, 2, &gather));
    gather->name = "";
    gather->outputs[0]->dtype = PITH_DTYPE_F32;
    pithi_set_input(node, 1, gather->outputs[0]);
    return PITH_OK;
}

static pith_status insert_halves(pith_graph *graph, pith_node *node, const pith_tensor *from, pith_dtype dtype)
{
    pith_value *halves = NULL, *result = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &from->shape, &to, &halves));
    for (int64_t i = 0; i < pith_shape_elements(&from->shape); i++) {
        pithi_tensor_set_f64(&to, i, (double)((const float *)from->data)[i]);
    }
    PITH_TRY(insert_cast(graph, node, halves, PITH_DTYPE_F32, &result));
    pithi_set_input(node, 1, result);
    return PITH_OK;
}

/* The largest weight of a channel becomes the largest number of the type. */
static pith_status insert_float8(pith_graph *graph, pith_node *node, const pithi_quant_weights *weights,
                                 pithi_weight_kind kind)
{
    const pithi_weight_format whole = { .kind = PITHI_WEIGHT_INT };
    const pithi_quant_scales where = pithi_quant_scales_of(weights, &whole);
    const pithi_quant_rows rows =
        pithi_quant_rows_make(&weights->tensor->shape, &where.shape, where.axis, where.block);
    const pith_dtype dtype = kind == PITHI_WEIGHT_F8E4M3 ? PITH_DTYPE_F8E4M3FN : PITH_DTYPE_F8E5M2;
    const float largest = kind == PITHI_WEIGHT_F8E4M3 ? 448.0f : 57344.0f, *w = weights->tensor->data;
    pith_value *operands[3] = { 0 }, *result = NULL;
    pith_tensor to, scales;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &weights->tensor->shape, &to, &operands[0]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &where.shape, &scales, &operands[1]));
    float *scale = scales.data;
    for (int64_t i = 0; i < rows.total; i++) {
        float *own = &scale[pithi_quant_scale_at(&rows, i)];
        *own = fmaxf(*own, fabsf(w[i]) / largest);
    }
    for (int64_t i = 0; i < rows.total; i++) {
        const float own = scale[pithi_quant_scale_at(&rows, i)];
        pithi_tensor_set_f64(&to, i, own > 0.0f ? (double)w[i] / (double)own : 0.0);
    }
    PITH_TRY(pithi_quant_insert_dq(graph, node, operands, &result));
    pithi_set_input(node, 1, result);
    return pithi_attr_set_int(graph->ctx, result->producer, "axis", where.axis);
}

/* Scales below which a channel's bias would overflow. */
static pith_status least_scales_of(const pithi_quant *quant, const pith_graph *graph, const pith_node *node,
                                   int64_t n_out, double x_scale, pithi_arena *arena, const float **scales_out)
{
    const pith_tensor *bias = pithi_quant_bias_of(quant, graph, node);
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)n_out, sizeof(float), &block));
    for (int64_t c = 0; c < n_out; c++) {
        ((float *)block)[c] = (float)(fabs(bias_at(quant, node, bias, c)) / (x_scale * PITHI_QUANT_LARGEST_BIAS));
    }
    *scales_out = block;
    return PITH_OK;
}

/* Channels whose integers were rounded for a coarser input (16 bits have a finer scale), so that their bias has no room
 * now, are rounded to the nearest. */
static pith_status make_room(const pithi_quant_weights *weights, const pithi_weight_format *format, const float *least,
                             bool is_per_tensor, pithi_arena *arena, pithi_quant_rounded *rounded)
{
    const pithi_quant_scales where = pithi_quant_scales_of(weights, format);
    const pithi_quant_rows rows =
        pithi_quant_rows_make(&weights->tensor->shape, &where.shape, where.axis, where.block);
    const pithi_quant_rounded before = *rounded;
    bool has_room = true;
    for (int64_t c = 0; c < weights->n_out; c++) {
        has_room = has_room && before.scales[c] >= least[c];
    }
    if (has_room) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_round_nearest(weights, format, least, is_per_tensor, arena, rounded));
    int16_t *q = (int16_t *)(uintptr_t)rounded->q, *zeros = (int16_t *)(uintptr_t)rounded->zeros;
    float *scales = (float *)(uintptr_t)rounded->scales;
    for (int64_t i = 0; i < rows.total; i++) {
        const int64_t c = pithi_quant_scale_at(&rows, i);
        q[i] = before.scales[c] >= least[c] ? before.q[i] : q[i];
    }
    for (int64_t c = 0; c < weights->n_out; c++) {
        const bool keeps = before.scales[c] >= least[c];
        scales[c] = keeps ? before.scales[c] : scales[c];
        if (zeros && keeps) {
            zeros[c] = before.zeros ? before.zeros[c] : 0;
        }
    }
    return PITH_OK;
}

static pith_status insert_rounded(const pithi_quant *quant, pith_graph *graph, pith_node *node, double x_scale,
                                  bool is_integer, pithi_arena *arena)
{
    const pithi_quant_layer *layer = &quant->layers[node->index];
    pithi_quant_rounded rounded = layer->rounded;
    pithi_quant_weights weights;
    const float *least = NULL;
    pithi_quant_weights_of(node, &weights);
    if (layer->format.kind == PITHI_WEIGHT_PALETTE) {
        PITH_TRY(shift_bias(quant, graph, node, weights.n_out));
        return insert_palette(graph, node, &weights, &layer->format, &rounded);
    }
    if (is_integer) {
        PITH_TRY(least_scales_of(quant, graph, node, weights.n_out, x_scale, arena, &least));
    }
    const bool is_per_tensor = quant->options->per_tensor_weights;
    if (!rounded.q) {
        PITH_TRY(pithi_quant_round_nearest(&weights, &layer->format, least, is_per_tensor, arena, &rounded));
    } else if (least) {
        PITH_TRY(make_room(&weights, &layer->format, least, is_per_tensor, arena, &rounded));
    }
    if (is_integer && has_bias(quant, node)) {
        PITH_TRY(insert_bias(quant, graph, node, weights.n_out, rounded.scales, x_scale));
    } else {
        PITH_TRY(shift_bias(quant, graph, node, weights.n_out));
    }
    return pithi_quant_insert_integers(graph, node, 1, &weights, &layer->format, &rounded);
}

pith_status pithi_quant_insert_recurrent(pith_graph *graph, pith_node *node)
{
    const pithi_weight_format format = { .kind = PITHI_WEIGHT_INT };
    pithi_arena arena = { .ctx = graph->ctx };
    pith_status status = PITH_OK;
    for (int i = 0; i < 2; i++) {
        const pithi_quant_weights weights = pithi_quant_recurrent_weights(node, i);
        pithi_quant_rounded rounded;
        PITH_TRY_GOTO(pithi_quant_round_nearest(&weights, &format, NULL, false, &arena, &rounded), done);
        PITH_TRY_GOTO(pithi_quant_insert_integers(graph, node, 1 + i, &weights, &format, &rounded), done);
    }
done:
    pithi_arena_deinit(&arena);
    return status;
}

pith_status pithi_quant_insert_weights(const pithi_quant *quant, pith_graph *graph, pith_node *node, double x_scale,
                                       bool is_integer)
{
    const pithi_weight_kind kind = quant->layers[node->index].format.kind;
    pithi_arena arena = { .ctx = quant->ctx };
    pithi_quant_weights weights;
    pith_status status = PITH_OK;
    pithi_quant_weights_of(node, &weights);
    if (kind == PITHI_WEIGHT_INT || kind == PITHI_WEIGHT_PALETTE) {
        status = insert_rounded(quant, graph, node, x_scale, is_integer, &arena);
        pithi_arena_deinit(&arena);
        return status;
    }
    PITH_TRY(shift_bias(quant, graph, node, weights.n_out));
    if (kind == PITHI_WEIGHT_F32) {
        return PITH_OK;
    }
    if (kind == PITHI_WEIGHT_F8E4M3 || kind == PITHI_WEIGHT_F8E5M2) {
        return insert_float8(graph, node, &weights, kind);
    }
    return insert_halves(graph, node, weights.tensor, kind == PITHI_WEIGHT_F16 ? PITH_DTYPE_F16 : PITH_DTYPE_BF16);
}
