/* SPDX-License-Identifier: Apache-2.0 */
/* A sum of a convolution's or product's result and another value of the same shape is made by that operator, which
 * adds the other value before its activation. */
#include "passes/rewrite.h"

static bool same_f32(const pith_value *a, const pith_value *b)
{
    return pithi_value_has_dims(a) && pithi_value_has_dims(b) && a->dtype == PITH_DTYPE_F32 &&
           b->dtype == PITH_DTYPE_F32 && pith_shape_equal(&a->shape, &b->shape);
}

/* The node that could add input `1 - operand` of the sum to its result, which is input `operand`. */
static pith_node *taker(const pith_node *sum, int operand)
{
    const pith_value *value = sum->inputs[operand], *other = sum->inputs[1 - operand];
    pith_node *node = value && value->n_uses == 1 ? value->producer : NULL;
    if (!node || !node->op || node->op->residual_input_plus_1 == 0 || node->outputs[0] != value || value == other) {
        return NULL;
    }
    bool is_free = pithi_has_no_activation(node) && !pithi_node_input(node, node->op->residual_input_plus_1 - 1);
    return is_free && same_f32(value, other) && same_f32(value, sum->outputs[0]) ? node : NULL;
}

/* The later of two candidates needs no other node to wait. */
static pith_node *choose(const pith_node *sum, int *operand_out)
{
    pith_node *first = taker(sum, 0), *second = taker(sum, 1);
    bool take_second = second && (!first || second->index > first->index);
    *operand_out = take_second ? 1 : 0;
    return take_second ? second : first;
}

static pith_status fuse(pith_graph *graph, pith_node *sum, pith_node *node, int operand)
{
    int slot = node->op->residual_input_plus_1 - 1;
    pith_value *residual = sum->inputs[1 - operand];
    if (node->n_inputs <= slot) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, slot + 1));
    }
    if (residual->producer && residual->producer->index > node->index) {
        node->index = sum->index; /* only the sum reads the node's result, so it may wait until there */
        pithi_graph_move_node(graph, node, sum);
    }
    pithi_set_input(node, slot, residual);
    const pith_activation *from = pithi_activation_of(sum);
    pith_activation *to = pithi_activation_of(node);
    if (from && to) {
        *to = *from;
    }
    pithi_absorb(graph, node, sum);
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    int index = 0;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = index++;
    }
    for (pith_node *sum = graph->first, *next; sum; sum = next) {
        next = sum->next;
        int operand = 0;
        bool is_sum = pithi_is(sum, "add") && sum->n_inputs == 2 && pithi_node_result(sum);
        pith_node *node = is_sum ? choose(sum, &operand) : NULL;
        if (node) {
            PITH_TRY(fuse(graph, sum, node, operand));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_residual = {
    .name = "fuse_residual",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "adds shortcuts inside of the operator before the sum",
    .run = run,
};
