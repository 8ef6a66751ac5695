/* SPDX-License-Identifier: Apache-2.0 */
/* A unary function that is the only reader of a result is applied by the node that makes the result, while the
 * numbers are still in registers. */
#include "passes/rewrite.h"

/* Kernels apply activations to float32 only. Where shapes are unknown yet, so are dtypes, but constant
 * float32 operands tell. */
static bool makes_f32(const pith_node *node)
{
    if (node->outputs[0]->has_shape) {
        return node->outputs[0]->dtype == PITH_DTYPE_F32;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_tensor *constant = pithi_constant_input(node, i);
        if (constant) {
            return constant->dtype == PITH_DTYPE_F32;
        }
    }
    return false;
}

static bool reads_one_value(const pith_node *node)
{
    for (int i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            return false;
        }
    }
    return node->n_inputs > 0 && node->inputs[0] && node->n_outputs == 1 && node->outputs[0];
}

static bool fuse(pith_graph *graph, pith_node *node)
{
    pith_activation wanted = { 0 };
    if (!node->op || !node->op->as_activation || !reads_one_value(node)) {
        return false;
    }
    const pith_value *value = node->inputs[0];
    pith_node *producer = value->n_uses == 1 ? value->producer : NULL;
    pith_activation *activation = producer && producer->outputs[0] == value ? pithi_activation_of(producer) : NULL;
    if (!activation || activation->kind != 0 || !makes_f32(producer) ||
        !node->op->as_activation(node->attrs, &wanted)) {
        return false;
    }
    *activation = wanted;
    pithi_absorb(graph, producer, node);
    return true;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        *n_changes += fuse(graph, node);
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_activation = {
    .name = "fuse_activation",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "applies unary functions inside of the node before them",
    .run = run,
};
