/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: why nodes that touch quantised tensors stay float. What is noted here is what reports show, so it is
 * taken from the graph that the pass leaves, not from what somebody meant it to do. */
#include "passes/fuse_qdq.h"

const char *pithi_qdq_refusal_text(pithi_qdq_refusal refusal)
{
    static const char *const texts[PITHI_QDQ_REFUSALS] = {
        "nothing around it is quantised in the file",
        "the operator (with these attributes) has no integer form",
        "none of its operands is quantised in the file",
        "one of its operands isn't quantised in the file",
        "an operand's scale isn't one constant, or its type has no integer kernels",
        "its weights are float32 in the file",
        "its weights have no integer kernels: groups, more than 8 bits, or scales along another axis",
        "its bias isn't a constant in units of the sums",
        "its result isn't quantised in the file",
        "its float result is read by others as well, or is an output",
        "no integer kernel takes these types, scales or shapes together",
    };
    return texts[refusal];
}

/* Who reads a value: a q, and another node. */
typedef struct readers {
    const pith_node *q, *other;
} readers;

#define MOST_LINKS 8 /* functions between an operator and its q: an operator takes in one or two */

static pith_status find_readers(const pith_graph *graph, readers **all_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(graph->ctx, graph->n_values + 1, sizeof(readers), &block));
    readers *all = block;
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)i;
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            const pith_value *value = node->inputs[i];
            const size_t at = value && value->index >= 0 ? (size_t)value->index : graph->n_values;
            if (at < graph->n_values && graph->values[at] == value) { /* not of an outer graph */
                *(pithi_is(node, "quantize_linear") ? &all[at].q : &all[at].other) = node;
            }
        }
    }
    *all_out = all;
    return PITH_OK;
}

/* The q that rounds a value, behind limits and functions that its operator would take in. */
static const pith_node *rounding_behind(const readers *all, const pith_value *value, bool *is_shared)
{
    for (int i = 0; i < MOST_LINKS; i++) {
        const readers *found = &all[value->index];
        const pith_node *next = found->other;
        *is_shared = value->n_uses != 1;
        if (found->q || !next || *is_shared || !(pithi_qdq_is_function(next) && pithi_qdq_argument(next) >= 0)) {
            return found->q;
        }
        value = next->outputs[0];
    }
    return NULL;
}

static bool is_quantised(const pith_value *value) { return value && pithi_is(value->producer, "dequantize_linear"); }

static pithi_qdq_refusal judge_operands(const pith_node *node, pithi_qdq_role role)
{
    pithi_qdq dq;
    int n = 0, n_quantised = 0, n_odd = 0;
    const int last = role == PITHI_QDQ_BINARY || role == PITHI_QDQ_CONCAT ? node->n_inputs : 1;
    for (int i = 0; i < last; i++) {
        const pith_value *input = node->inputs[i];
        if (input && (!input->constant || role == PITHI_QDQ_BINARY)) {
            n++;
            n_quantised += is_quantised(input);
            n_odd += is_quantised(input) && !pithi_qdq_activation(input, &dq);
        }
    }
    return n_odd > 0            ? PITHI_QDQ_ODD_OPERAND
           : n_quantised == n   ? PITHI_QDQ_NOT_MET
           : n_quantised == 0   ? PITHI_QDQ_NO_OPERAND
                                : PITHI_QDQ_FLOAT_OPERAND;
}

static pithi_qdq_refusal judge_weights(const pith_node *node)
{
    const pith_value *weights = pithi_node_input(node, 1), *bias = pithi_node_input(node, 2);
    const bool is_gemm = pithi_is(node, "gemm");
    const int axis = pithi_is(node, "conv") || (is_gemm && pithi_attr_int(node, "transB")) ? 0 : 1;
    pithi_qdq x, w;
    pith_value *integer_bias = NULL;
    if (!weights || !is_quantised(weights)) {
        return PITHI_QDQ_FLOAT_WEIGHTS;
    }
    if (!pithi_constant_input(weights->producer, 0)) {
        return PITHI_QDQ_NOT_MET; /* of two activations */
    }
    if (!pithi_qdq_weights(weights, 0, axis, &w)) {
        return PITHI_QDQ_ODD_WEIGHTS;
    }
    const bool fits = !bias || !pithi_qdq_activation(node->inputs[0], &x) ||
                      pithi_qdq_bias(node->inputs[2], &x, &w, w.value->constant->shape.dims[axis], &integer_bias);
    return fits ? PITHI_QDQ_NOT_MET : PITHI_QDQ_ODD_BIAS;
}

static pithi_qdq_refusal judge(const readers *all, const pith_node *node)
{
    const pithi_qdq_role role = pithi_qdq_role_of(node);
    bool is_shared = false, touches = false;
    const pith_node *q = rounding_behind(all, node->outputs[0], &is_shared);
    for (int i = 0; i < node->n_inputs; i++) {
        touches = touches || is_quantised(node->inputs[i]);
    }
    if (!touches && !q) {
        return (pithi_qdq_refusal)node->refusal;
    }
    if (role == PITHI_QDQ_NONE) {
        return PITHI_QDQ_NO_OPERATOR;
    }
    pithi_qdq_refusal found = judge_operands(node, role);
    found = found == PITHI_QDQ_NOT_MET && role == PITHI_QDQ_PRODUCT ? judge_weights(node) : found;
    if (found != PITHI_QDQ_NOT_MET) {
        return found;
    }
    return !q          ? (is_shared ? PITHI_QDQ_SHARED_RESULT : PITHI_QDQ_FLOAT_RESULT)
           : is_shared ? PITHI_QDQ_SHARED_RESULT
                       : PITHI_QDQ_NO_KERNEL;
}

pith_status pithi_qdq_note_refusals(pith_graph *graph)
{
    readers *all = NULL;
    PITH_TRY(find_readers(graph, &all));
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        const bool is_float = node->op && node->n_outputs > 0 && node->outputs[0] &&
                              pithi_dtype_is_float(node->outputs[0]->dtype) && node->n_bodies == 0 &&
                              !pithi_is(node, "dequantize_linear");
        if (is_float) {
            const pithi_qdq_refusal found = judge(all, node);
            /* Weights may have been spread to floats since the first look. */
            const bool is_known = node->refusal != PITHI_QDQ_NOT_MET && found == PITHI_QDQ_FLOAT_WEIGHTS;
            node->refusal = (uint8_t)(is_known ? node->refusal : (int)found);
        }
    }
    pithi_free(graph->ctx, all);
    return PITH_OK;
}
