/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/cone.h"

void pithi_cone_prepare(pith_graph *graph)
{
    int index = 0;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = index++;
    }
}

bool pithi_cone_is_elementwise(const pith_node *node)
{
    bool fits = node && node->op && node->op->layout == PITH_LAYOUT_FREE && !(node->op->flags & PITH_OP_RANDOM) &&
                node->n_outputs == 1 && node->n_inputs >= 1 && node->n_inputs <= PITHI_CONE_OPERANDS &&
                node->inputs[0] && node->outputs[0] && !pithi_is(node, "identity") && !pithi_is(node, "cast");
    for (int i = 0; fits && i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        fits = !input || input->dtype == PITH_DTYPE_F32 || (!input->constant && !input->has_shape);
    }
    return fits;
}

static int uses_inside(const pithi_cone *cone, const pith_value *value)
{
    int n_uses = 0;
    for (int i = 0; i < cone->n_nodes; i++) {
        for (int k = 0; k < cone->nodes[i]->n_inputs; k++) {
            n_uses += cone->nodes[i]->inputs[k] == value;
        }
    }
    return n_uses;
}

bool pithi_cone_add(pithi_cone *cone, pith_node *node)
{
    if (cone->n_nodes == PITHI_CONE_NODES) {
        return false;
    }
    cone->nodes[cone->n_nodes++] = node;
    for (int i = 0; i < node->n_inputs; i++) {
        pith_value *input = node->inputs[i];
        bool is_new = input && !input->constant;
        for (int k = 0; k < cone->n_frontier && is_new; k++) {
            is_new = cone->frontier[k] != input;
        }
        if (is_new) {
            cone->frontier[cone->n_frontier++] = input;
        }
    }
    return true;
}

static int order_of(const pith_value *value)
{
    return value->producer ? value->producer->index : -1;
}

bool pithi_cone_expand(pithi_cone *cone, pithi_cone_accepts_fn *accepts)
{
    int latest = 0;
    for (int i = 1; i < cone->n_frontier; i++) {
        latest = order_of(cone->frontier[i]) > order_of(cone->frontier[latest]) ? i : latest;
    }
    const pith_value *value = cone->n_frontier > 0 ? cone->frontier[latest] : NULL;
    if (!value || !value->producer || !accepts(value->producer) || uses_inside(cone, value) != value->n_uses) {
        return false;
    }
    cone->frontier[latest] = cone->frontier[--cone->n_frontier];
    return pithi_cone_add(cone, value->producer);
}

static pith_tensor operand(const pithi_cone *cone, const pith_tensor *root, const pith_tensor *results,
                           const pith_value *value)
{
    if (!value) {
        return (pith_tensor){ 0 };
    }
    for (int i = 0; i < cone->n_nodes && !value->constant; i++) {
        if (cone->nodes[i]->outputs[0] == value) {
            return results[i];
        }
    }
    return value->constant ? *value->constant : *root;
}

static bool evaluate_node(pith_ctx *ctx, pith_node *node, const pith_tensor *inputs, pith_tensor *output,
                          int64_t capacity)
{
    pith_tensor inferred = { 0 };
    pith_infer infer = { .ctx = ctx, .node = node, .attrs = node->attrs, .inputs = inputs, .n_inputs = node->n_inputs,
                         .outputs = &inferred, .n_outputs = 1 };
    if (pithi_op_infer(&infer) != PITH_OK || inferred.dtype != PITH_DTYPE_F32 ||
        pith_shape_elements(&inferred.shape) > capacity) {
        return false;
    }
    output->dtype = inferred.dtype;
    output->shape = inferred.shape;
    return pithi_op_eval(ctx, node, inputs, node->n_inputs, output, 1) == PITH_OK;
}

bool pithi_cone_evaluate(pith_ctx *ctx, const pithi_cone *cone, const pith_tensor *root, pith_tensor *results,
                         int64_t capacity)
{
    for (int i = cone->n_nodes - 1; i >= 0; i--) {
        pith_tensor inputs[PITHI_CONE_OPERANDS] = { 0 };
        for (int k = 0; k < cone->nodes[i]->n_inputs; k++) {
            inputs[k] = operand(cone, root, results, cone->nodes[i]->inputs[k]);
        }
        if (!evaluate_node(ctx, cone->nodes[i], inputs, &results[i], capacity)) {
            pith_ctx_clear_error(ctx); /* then it is simply no such function */
            return false;
        }
    }
    return pith_shape_equal(&results[0].shape, &root->shape);
}
