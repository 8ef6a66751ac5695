/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic quantisation: products of matrices whose activations are quantised when they are known. In ONNX's words:
 *
 *   q, s, z = DynamicQuantizeLinear(x);  y = Cast(MatMulInteger(q, w, z)) * (s * s_w) [+ bias]
 *
 * Weights are s8 with a scale per output channel; no calibration data is needed. */
#include "quant/nbits.h"

/* Rows of the weights tensor are those of k: what MatMulInteger reads. */
static pith_status new_weights(pith_graph *graph, const pithi_quant_weights *weights,
                               const pithi_quant_rounded *rounded, pith_value **value_out)
{
    const pith_shape *from = &weights->tensor->shape;
    const int64_t n = weights->n_out, k = from->dims[weights->in_axis];
    const pith_shape shape = { 2, { k, n } };
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S8, &shape, &to, value_out));
    for (int64_t i = 0; i < k * n; i++) {
        const int64_t at = weights->out_axis == 0 ? i % n * k + i / n : i;
        ((int8_t *)to.data)[i] = (int8_t)rounded->q[at];
    }
    return PITH_OK;
}

static pith_status insert_mul(pith_graph *graph, pith_node *before, pith_value *a, pith_value *b, pith_value **y_out)
{
    pith_node *mul = NULL;
    PITH_TRY(pithi_insert(graph, before, "mul", (pith_value *[]){ a, b }, 2, &mul));
    mul->name = "";
    mul->outputs[0]->dtype = PITH_DTYPE_F32;
    *y_out = mul->outputs[0];
    return PITH_OK;
}

/* q, s and z of a value, made once in front of its first reader. */
static pith_status insert_quantize(pith_graph *graph, pith_node *before, pith_value *x, pith_value *outputs[3])
{
    static const pith_dtype dtypes[] = { PITH_DTYPE_U8, PITH_DTYPE_F32, PITH_DTYPE_U8 };
    const pith_op *op = pithi_op_find("dynamic_quantize_linear");
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "this build lacks dynamic_quantize_linear");
    for (int i = 0; i < 3; i++) {
        PITH_TRY(pithi_graph_add_value(graph, NULL, &outputs[i]));
        outputs[i]->dtype = dtypes[i];
    }
    return pithi_graph_insert_node(graph, before, op, "", &x, 1, outputs, 3, NULL);
}

static pith_status rewrite(pithi_quant *quant, pith_node *node, pith_value *const quantised[3])
{
    static const pithi_weight_format format = { .kind = PITHI_WEIGHT_INT };
    pith_graph *graph = quant->graph;
    pithi_quant_weights weights;
    pithi_quant_rounded rounded;
    pith_value *w = NULL, *scale = NULL, *product = NULL, *scaled = NULL, *bias = pithi_node_input(node, 2);
    pith_node *sums = NULL, *cast = NULL;
    pith_tensor scales;
    pithi_quant_weights_of(node, &weights);
    PITH_TRY(pithi_quant_round_nearest(&weights, &format, NULL, false, &quant->arena, &rounded));
    PITH_TRY(new_weights(graph, &weights, &rounded, &w));
    const pith_shape list = { 1, { weights.n_out } };
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &list, &scales, &scale));
    memcpy(scales.data, rounded.scales, (size_t)weights.n_out * sizeof(float));
    pith_value *operands[] = { quantised[0], w, quantised[2] };
    PITH_TRY(pithi_insert(graph, node, "matmul_integer", operands, 3, &sums));
    sums->name = "";
    sums->outputs[0]->dtype = PITH_DTYPE_S32;
    PITH_TRY(pithi_insert(graph, node, "cast", sums->outputs, 1, &cast));
    int64_t *to = pithi_attr_field(cast, "to", PITH_ATTR_KIND_CHOICE);
    PITH_CHECK(graph->ctx, to, PITH_STATUS_INTERNAL, "the operator cast has no attribute 'to'");
    *to = PITH_DTYPE_F32;
    cast->name = "";
    cast->outputs[0]->dtype = PITH_DTYPE_F32;
    PITH_TRY(insert_mul(graph, node, quantised[1], scale, &product));
    if (!bias) {
        return pithi_become(graph, node, "mul", (pith_value *[]){ cast->outputs[0], product }, 2);
    }
    PITH_TRY(insert_mul(graph, node, cast->outputs[0], product, &scaled));
    return pithi_become(graph, node, "add", (pith_value *[]){ scaled, bias }, 2);
}

/* Readers of one value share its quantisation. */
static pith_status rewrite_readers(pithi_quant *quant, pith_node *first, int *n_rewritten)
{
    pith_value *x = first->inputs[0], *quantised[3];
    PITH_TRY(insert_quantize(quant->graph, first, x, quantised));
    for (pith_node *node = first; node; node = node->next) {
        pithi_quant_weights weights;
        const bool is_product = pithi_is(node, "matmul") || pithi_is(node, "gemm");
        if (is_product && node->inputs[0] == x && quant->roles[node->index] == PITHI_QUANT_PRODUCT &&
            pithi_quant_weights_of(node, &weights)) {
            PITH_TRY(rewrite(quant, node, quantised));
            ++*n_rewritten;
        }
    }
    return PITH_OK;
}

/* The network is as it shall be written: no node of it has anything left to be quantised. */
static pith_status leave_all(pithi_quant *quant)
{
    pith_graph *graph = quant->graph;
    void *roles = NULL, *layers = NULL, *shifts = NULL, *tensor_of = NULL;
    pithi_graph_count_uses(graph);
    pithi_quant_number(graph);
    quant->n_nodes = graph->n_nodes;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof *quant->roles, &roles));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof *quant->layers, &layers));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof *quant->bias_shifts, &shifts));
    PITH_TRY(pithi_arena_array(&quant->arena, graph->n_values, sizeof *quant->tensor_of, &tensor_of));
    quant->roles = roles;
    quant->layers = layers;
    quant->bias_shifts = shifts;
    quant->tensor_of = tensor_of;
    pithi_quant_forget_tensors(quant);
    return PITH_OK;
}

pith_status pithi_quant_dynamic(pithi_quant *quant, pith_quantize_report *report)
{
    int n_rewritten = 0;
    pithi_quant_forget_tensors(quant);
    PITH_TRY(pithi_quant_calibrate(quant)); /* for what the result is compared with */
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        pithi_quant_weights weights;
        if ((pithi_is(node, "matmul") || pithi_is(node, "gemm")) &&
            quant->roles[node->index] == PITHI_QUANT_PRODUCT && pithi_quant_weights_of(node, &weights)) {
            report->float_bytes += pith_tensor_bytes(weights.tensor);
            report->quantized_bytes += (size_t)(pith_shape_elements(&weights.tensor->shape)) +
                                       (size_t)weights.n_out * sizeof(float);
            PITH_TRY(rewrite_readers(quant, node, &n_rewritten));
        }
    }
    PITH_CHECK(quant->ctx, n_rewritten > 0, PITH_STATUS_UNSUPPORTED,
               "nothing to quantise dynamically: the network has no product of matrices with constant float32 weights");
    return leave_all(quant);
}
