/* SPDX-License-Identifier: Apache-2.0 */
/* The quantised network in QDQ form: activations u8 with one scale, weights s8 with one scale per output channel and
 * zero point 0, biases s32 with the scale of the sums. */
#include <math.h>

#include "quant/quant.h"

#define WEIGHT_LEVELS 127.0 /* -128 stays unused: negation must be exact */
#define SMALLEST_SCALE 1e-12
#define LARGEST_BIAS 1073741824.0 /* 2^30: sums need the other half of s32 */

/* ---- constants ----------------------------------------------------------------------------- */

static pith_status new_scale(pith_graph *graph, int64_t n, float **items_out, pith_value **value_out)
{
    const pith_shape shape = { .rank = n > 0, .dims = { n } };
    pith_tensor tensor;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &tensor, value_out));
    *items_out = tensor.data;
    return PITH_OK;
}

static pith_status new_zeros(pith_graph *graph, pith_dtype dtype, int64_t n, pith_value **value_out)
{
    const pith_shape shape = { .rank = n > 0, .dims = { n } };
    pith_tensor tensor;
    return pithi_graph_new_constant(graph, NULL, dtype, &shape, &tensor, value_out);
}

/* dequantize_linear(value, scale, zero) in front of `before`. */
static pith_status insert_dq(pith_graph *graph, pith_node *before, pith_value *const operands[3], int64_t axis,
                             pith_value **result_out)
{
    pith_node *dq = NULL;
    PITH_TRY(pithi_insert(graph, before, "dequantize_linear", operands, 3, &dq));
    dq->name = "";
    dq->outputs[0]->dtype = PITH_DTYPE_F32;
    *result_out = dq->outputs[0];
    return axis >= 0 ? pithi_attr_set_int(graph->ctx, dq, "axis", axis) : PITH_OK;
}

/* ---- activations --------------------------------------------------------------------------- */

static pith_status new_parameters(pith_graph *graph, pithi_range range, pith_value **scale_out, pith_value **zero_out)
{
    float *scale = NULL;
    int zero = 0;
    PITH_TRY(new_scale(graph, 0, &scale, scale_out));
    PITH_TRY(new_zeros(graph, PITH_DTYPE_U8, 0, zero_out));
    pithi_quant_parameters(range, scale, &zero);
    *(uint8_t *)(*zero_out)->constant->data = (uint8_t)zero;
    return PITH_OK;
}

static pith_status insert_pair(const pithi_quant *quant, pith_graph *graph, const pithi_quant_tensor *tensor)
{
    pith_value *value = graph->values[tensor->value], *scale = NULL, *zero = NULL, *stand_in = NULL;
    pith_node *before = value->producer ? value->producer->next : graph->first, *q = NULL;
    PITH_TRY(new_parameters(graph, quant->tensors[tensor->source].range, &scale, &zero));
    PITH_TRY(pithi_graph_add_value(graph, NULL, &stand_in));
    stand_in->dtype = value->dtype;
    stand_in->has_shape = value->has_shape;
    stand_in->shape = value->shape;
    pithi_graph_replace_uses(graph, value, stand_in);
    pith_value *q_operands[] = { value, scale, zero };
    PITH_TRY(pithi_insert(graph, before, "quantize_linear", q_operands, 3, &q));
    q->outputs[0]->dtype = PITH_DTYPE_U8;
    PITH_TRY(pithi_arena_format(&graph->arena, &q->name, "%s_QuantizeLinear", value->name));
    pith_value *dq_operands[] = { q->outputs[0], scale, zero };
    const pith_op *dequantize = pithi_op_find("dequantize_linear");
    PITH_CHECK(graph->ctx, dequantize, PITH_STATUS_INTERNAL, "the build lacks dequantize_linear");
    return pithi_graph_insert_node(graph, before, dequantize, "", dq_operands, 3, &stand_in, 1, NULL);
}

/* A constant operand of a sum, product or concatenation. */
static pith_status insert_constant(pith_graph *graph, pith_node *node, int index)
{
    const pith_tensor *from = node->inputs[index]->constant;
    const float *x = from->data;
    int64_t n = pith_shape_elements(&from->shape);
    pith_value *operands[3] = { 0 }, *result = NULL;
    pithi_range range = { 0.0, 0.0 };
    pith_tensor to;
    for (int64_t i = 0; i < n; i++) {
        range.low = fmin(range.low, (double)x[i]);
        range.high = fmax(range.high, (double)x[i]);
    }
    PITH_TRY(new_parameters(graph, range, &operands[1], &operands[2]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_U8, &from->shape, &to, &operands[0]));
    double scale = (double)*(const float *)operands[1]->constant->data;
    int zero = *(const uint8_t *)operands[2]->constant->data;
    for (int64_t i = 0; i < n; i++) {
        ((uint8_t *)to.data)[i] = (uint8_t)fmin(fmax(nearbyint((double)x[i] / scale) + zero, 0.0), 255.0);
    }
    PITH_TRY(insert_dq(graph, node, operands, -1, &result));
    pithi_set_input(node, index, result);
    return PITH_OK;
}

/* ---- weights and biases -------------------------------------------------------------------- */

/* Channel of element i. */
static int64_t channel_of(const pith_shape *shape, int axis, int64_t i)
{
    int64_t inner = 1;
    for (int k = axis + 1; k < shape->rank; k++) {
        inner *= shape->dims[k];
    }
    return i / inner % shape->dims[axis];
}

static double bias_at(const pithi_quant *quant, const pith_node *node, int64_t channel)
{
    const pith_tensor *bias = pithi_is(node, "matmul") ? NULL : pithi_constant_input(node, 2);
    const float *shifts = quant->bias_shifts[node->index];
    return (bias ? (double)((const float *)bias->data)[channel] : 0.0) + (shifts ? (double)shifts[channel] : 0.0);
}

/* The scale that holds the channel's largest weight; larger where its bias would overflow. */
static void choose_scales(const pithi_quant *quant, const pith_node *node, const pithi_quant_weights *weights,
                          double x_scale, float *scales)
{
    const float *w = weights->tensor->data;
    float all = 0.0f;
    memset(scales, 0, (size_t)weights->n_out * sizeof(float));
    for (int64_t i = 0; i < pith_shape_elements(&weights->tensor->shape); i++) {
        float *largest = &scales[channel_of(&weights->tensor->shape, weights->out_axis, i)];
        *largest = fmaxf(*largest, fabsf(w[i]));
        all = fmaxf(all, fabsf(w[i]));
    }
    for (int64_t c = 0; c < weights->n_out; c++) {
        double largest = quant->options->per_tensor_weights ? (double)all : (double)scales[c];
        double for_bias = fabs(bias_at(quant, node, c)) / (x_scale * LARGEST_BIAS);
        scales[c] = (float)fmax(fmax(largest / WEIGHT_LEVELS, for_bias), SMALLEST_SCALE);
    }
}

static pith_status insert_weights(pith_graph *graph, pith_node *node, const pithi_quant_weights *weights,
                                  pith_value *scale)
{
    const pith_shape *shape = &weights->tensor->shape;
    const float *scales = scale->constant->data, *w = weights->tensor->data;
    pith_value *operands[3] = { NULL, scale, NULL }, *result = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S8, shape, &to, &operands[0]));
    for (int64_t i = 0; i < pith_shape_elements(shape); i++) {
        double q = nearbyint((double)w[i] / (double)scales[channel_of(shape, weights->out_axis, i)]);
        ((int8_t *)to.data)[i] = (int8_t)fmin(fmax(q, -WEIGHT_LEVELS), WEIGHT_LEVELS);
    }
    PITH_TRY(new_zeros(graph, PITH_DTYPE_S8, weights->n_out, &operands[2]));
    PITH_TRY(insert_dq(graph, node, operands, weights->out_axis, &result));
    pithi_set_input(node, 1, result);
    return PITH_OK;
}

static pith_status insert_bias(const pithi_quant *quant, pith_graph *graph, pith_node *node,
                               const pithi_quant_weights *weights, const float *weight_scales, double x_scale)
{
    const pith_shape shape = { 1, { weights->n_out } };
    pith_value *operands[3] = { 0 }, *result = NULL;
    float *scales = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &shape, &to, &operands[0]));
    PITH_TRY(new_scale(graph, weights->n_out, &scales, &operands[1]));
    for (int64_t c = 0; c < weights->n_out; c++) {
        scales[c] = (float)(x_scale * (double)weight_scales[c]);
        double q = nearbyint(bias_at(quant, node, c) / (x_scale * (double)weight_scales[c]));
        ((int32_t *)to.data)[c] = (int32_t)fmin(fmax(q, -LARGEST_BIAS), LARGEST_BIAS);
    }
    PITH_TRY(new_zeros(graph, PITH_DTYPE_S32, weights->n_out, &operands[2]));
    PITH_TRY(insert_dq(graph, node, operands, 0, &result));
    if (node->n_inputs < 3) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, 3));
    }
    pithi_set_input(node, 2, result);
    return PITH_OK;
}

/* `input` is the number of the value that the node read before pairs were inserted. */
static pith_status insert_product(const pithi_quant *quant, pith_graph *graph, pith_node *node, int input)
{
    pithi_quant_weights weights;
    pith_value *scale = NULL;
    float *scales = NULL, x_scale = 0.0f;
    int zero = 0;
    const pithi_quant_tensor *tensor = &quant->tensors[quant->tensor_of[input]];
    pithi_quant_parameters(quant->tensors[tensor->source].range, &x_scale, &zero);
    pithi_quant_weights_of(node, &weights);
    PITH_TRY(new_scale(graph, weights.n_out, &scales, &scale));
    choose_scales(quant, node, &weights, (double)x_scale, scales);
    bool has_bias = !pithi_is(node, "matmul") && (pithi_constant_input(node, 2) || quant->bias_shifts[node->index]);
    if (has_bias) {
        PITH_TRY(insert_bias(quant, graph, node, &weights, scales, (double)x_scale));
    }
    return insert_weights(graph, node, &weights, scale);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status insert_constants_of(pith_graph *graph, pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && node->inputs[i]->constant) {
            PITH_TRY(insert_constant(graph, node, i));
        }
    }
    return PITH_OK;
}

static pith_status insert_operands(const pithi_quant *quant, pith_graph *graph)
{
    for (pith_node *node = graph->first, *next = NULL; node; node = next) {
        next = node->next;
        switch (quant->roles[node->index]) {
        case PITHI_QUANT_PRODUCT:
            PITH_TRY(insert_product(quant, graph, node, node->inputs[0]->index));
            break;
        case PITHI_QUANT_BINARY:
        case PITHI_QUANT_CONCAT: PITH_TRY(insert_constants_of(graph, node)); break;
        default: break;
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_insert(const pithi_quant *quant, pith_graph *graph)
{
    pithi_quant_number(graph);
    pithi_graph_count_uses(graph);
    PITH_TRY(insert_operands(quant, graph));
    for (int i = 0; i < quant->n_tensors; i++) {
        PITH_TRY(insert_pair(quant, graph, &quant->tensors[i]));
    }
    pithi_graph_count_uses(graph);
    return PITH_OK;
}
