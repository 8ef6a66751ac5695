/* SPDX-License-Identifier: Apache-2.0 */
/* The quantised network in QDQ form: every activation by its format, one scale each; weights and biases are
 * insert_weights.c's. Where formats change, the value of one pair is read by the next. */
#include <math.h>

#include "ops/shared_quant.h"
#include "quant/quant.h"

/* ---- activations --------------------------------------------------------------------------- */

static pith_status new_parameters(pith_graph *graph, pithi_activation_format format, pithi_range range,
                                  pith_value **scale_out, pith_value **zero_out)
{
    const pith_shape scalar = { .rank = 0 };
    pith_dtype dtype = format == PITHI_ACTIVATION_U16 ? PITH_DTYPE_U16 : PITH_DTYPE_U8;
    pith_tensor scale, zero;
    int zero_point = 0;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scalar, &scale, scale_out));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &scalar, &zero, zero_out));
    pithi_quant_parameters_as(format, range, scale.data, &zero_point);
    pithi_tensor_set_s64(&zero, 0, zero_point);
    return PITH_OK;
}

static pith_status insert_pair(const pithi_quant *quant, pith_graph *graph, const pithi_quant_tensor *tensor)
{
    pith_value *value = graph->values[tensor->value], *scale = NULL, *zero = NULL, *stand_in = NULL;
    pith_node *before = value->producer ? value->producer->next : graph->first, *q = NULL;
    const pithi_quant_tensor *source = &quant->tensors[tensor->source];
    if (source->format == PITHI_ACTIVATION_F32) {
        return PITH_OK;
    }
    PITH_TRY(new_parameters(graph, source->format, pithi_quant_range_of(quant, tensor), &scale, &zero));
    PITH_TRY(pithi_graph_add_value(graph, NULL, &stand_in));
    stand_in->dtype = value->dtype;
    stand_in->has_shape = value->has_shape;
    stand_in->shape = value->shape;
    pithi_graph_replace_uses(graph, value, stand_in);
    pith_value *q_operands[] = { value, scale, zero };
    PITH_TRY(pithi_insert(graph, before, "quantize_linear", q_operands, 3, &q));
    q->outputs[0]->dtype = zero->constant->dtype;
    PITH_TRY(pithi_arena_format(&graph->arena, &q->name, "%s_QuantizeLinear", value->name));
    pith_value *dq_operands[] = { q->outputs[0], scale, zero };
    const pith_op *dequantize = pithi_op_find("dequantize_linear");
    PITH_CHECK(graph->ctx, dequantize, PITH_STATUS_INTERNAL, "the build lacks dequantize_linear");
    return pithi_graph_insert_node(graph, before, dequantize, "", dq_operands, 3, &stand_in, 1, NULL);
}

/* A constant operand of a sum, product or concatenation, in the format of the result. */
static pith_status insert_constant(pith_graph *graph, pith_node *node, int index, pithi_activation_format format)
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
    PITH_TRY(new_parameters(graph, format, range, &operands[1], &operands[2]));
    pith_dtype dtype = operands[2]->constant->dtype;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &from->shape, &to, &operands[0]));
    double scale = (double)*(const float *)operands[1]->constant->data;
    int64_t zero = pithi_tensor_get_s64(operands[2]->constant, 0);
    for (int64_t i = 0; i < n; i++) {
        pithi_tensor_set_s64(&to, i, pithi_quantize((double)x[i] / scale, zero, dtype));
    }
    PITH_TRY(pithi_quant_insert_dq(graph, node, operands, &result));
    pithi_set_input(node, index, result);
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status insert_constants_of(pith_graph *graph, pith_node *node, pithi_activation_format format)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && node->inputs[i]->constant) {
            PITH_TRY(insert_constant(graph, node, i, format));
        }
    }
    return PITH_OK;
}

static pith_status insert_product(const pithi_quant *quant, pith_graph *graph, pith_node *node, bool is_integer)
{
    float x_scale = 1.0f;
    if (is_integer) {
        x_scale = pithi_quant_scale_of(quant, node->inputs[0]);
    }
    return pithi_quant_insert_weights(quant, graph, node, (double)x_scale, is_integer);
}

/* Of what counts as a function only the bias of a matmul has a constant of more than one element. */
static bool is_row(const pith_node *node)
{
    const pith_tensor *row = pithi_is(node, "add") ? pithi_constant_input(node, 1) : NULL;
    return row && pith_shape_elements(&row->shape) > 1;
}

/* The row behind a matmul with the shift of its bias, in float. */
static pith_status shift_row(const pithi_quant *quant, pith_graph *graph, pith_node *add)
{
    const float *shifts = quant->bias_shifts[add->inputs[0]->producer->index];
    const pith_tensor *row = add->inputs[1]->constant;
    pith_value *value = NULL;
    pith_tensor to;
    if (!shifts) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &row->shape, &to, &value));
    for (int64_t i = 0; i < row->shape.dims[0]; i++) {
        ((float *)to.data)[i] = ((const float *)row->data)[i] + shifts[i];
    }
    pithi_set_input(add, 1, value);
    return PITH_OK;
}

/* That row as s32 with the scale of the sums. */
static pith_status insert_row(const pithi_quant *quant, pith_graph *graph, pith_node *add)
{
    const pith_node *matmul = add->inputs[0]->producer;
    const pith_tensor *row = add->inputs[1]->constant, *scales = pithi_constant_input(matmul->inputs[1]->producer, 1);
    const float x_scale = pithi_quant_scale_of(quant, matmul->inputs[0]);
    pith_value *operands[3] = { 0 }, *result = NULL;
    pith_tensor to, scale;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &row->shape, &to, &operands[0]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &row->shape, &scale, &operands[1]));
    const int64_t n_scales = pith_shape_elements(&scales->shape);
    for (int64_t i = 0; i < row->shape.dims[0]; i++) {
        double product = (double)x_scale * (double)((const float *)scales->data)[n_scales == 1 ? 0 : i];
        double q = nearbyint((double)((const float *)row->data)[i] / product);
        ((float *)scale.data)[i] = (float)product;
        ((int32_t *)to.data)[i] = (int32_t)fmin(fmax(q, -PITHI_QUANT_LARGEST_BIAS), PITHI_QUANT_LARGEST_BIAS);
    }
    PITH_TRY(pithi_quant_insert_dq(graph, add, operands, &result));
    PITH_TRY(pithi_attr_set_int(graph->ctx, result->producer, "axis", 0));
    pithi_set_input(add, 1, result);
    return PITH_OK;
}

/* `formats`: of the results of nodes that compute in integers; F32: they don't. */
static pith_status insert_operands(const pithi_quant *quant, pith_graph *graph, const pithi_activation_format *formats)
{
    for (pith_node *node = graph->first, *next = NULL; node; node = next) {
        next = node->next;
        const pithi_activation_format format = formats[node->index];
        const pithi_quant_role role = quant->roles[node->index];
        bool is_integer = format != PITHI_ACTIVATION_F32;
        if (role == PITHI_QUANT_PRODUCT) {
            PITH_TRY(insert_product(quant, graph, node, is_integer));
        } else if (is_integer && (role == PITHI_QUANT_BINARY || role == PITHI_QUANT_CONCAT)) {
            PITH_TRY(insert_constants_of(graph, node, format));
        } else if (role == PITHI_QUANT_FUNCTION && is_row(node)) {
            PITH_TRY(shift_row(quant, graph, node));
            PITH_TRY(is_integer ? insert_row(quant, graph, node) : PITH_OK);
        } else if (pithi_quant_is_recurrent(quant, node) &&
                   quant->layers[node->index].format.kind == PITHI_WEIGHT_INT) {
            PITH_TRY(pithi_quant_insert_recurrent(graph, node));
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_insert(const pithi_quant *quant, pith_graph *graph)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)quant->n_nodes, sizeof(pithi_activation_format), &block));
    pithi_activation_format *formats = block;
    pithi_quant_number(quant->graph);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        formats[node->index] =
            pithi_quant_is_integer(quant, node) ? pithi_quant_result_format(quant, node) : PITHI_ACTIVATION_F32;
    }
    pithi_quant_number(graph);
    pithi_graph_count_uses(graph);
    pith_status status = insert_operands(quant, graph, formats);
    for (int i = 0; i < quant->n_tensors && status == PITH_OK; i++) {
        status = insert_pair(quant, graph, &quant->tensors[i]);
    }
    pithi_free(quant->ctx, block);
    pithi_graph_count_uses(graph);
    return status;
}
