/* SPDX-License-Identifier: Apache-2.0 */
/* A sum of a convolution's or product's result and another value of the same shape is made by that operator, which
 * adds the other value before its activation. So is a sum of several results side by side and a value that a split has
 * cut in the same way (LEDNet, Wang et al. 2019): each convolution adds its piece. */
#include "passes/rewrite.h"

#define BEHIND "residual_behind" /* attribute: the residual is added behind the function */

static bool same_f32(const pith_value *a, const pith_value *b)
{
    return pithi_value_has_dims(a) && pithi_value_has_dims(b) && a->dtype == PITH_DTYPE_F32 &&
           b->dtype == PITH_DTYPE_F32 && pith_shape_equal(&a->shape, &b->shape);
}

/* The node that could add input `1 - operand` of the sum to its result, which is input `operand`: in front of its
 * function, or behind it. */
static pith_node *taker(const pith_node *sum, int operand, bool behind)
{
    const pith_value *value = sum->inputs[operand], *other = sum->inputs[1 - operand];
    pith_node *node = value && value->n_uses == 1 ? value->producer : NULL;
    if (!node || !node->op || node->op->residual_input_plus_1 == 0 || node->outputs[0] != value || value == other) {
        return NULL;
    }
    bool is_free = !pithi_node_input(node, node->op->residual_input_plus_1 - 1) &&
                   (behind ? pithi_has_no_activation(sum) && pithi_attr_field(node, BEHIND, PITH_ATTR_KIND_INT)
                           : pithi_has_no_activation(node));
    return is_free && same_f32(value, other) && same_f32(value, sum->outputs[0]) ? node : NULL;
}

/* The later of two candidates needs no other node to wait. */
static pith_node *choose(const pith_node *sum, bool behind, int *operand_out)
{
    pith_node *first = taker(sum, 0, behind), *second = taker(sum, 1, behind);
    bool take_second = second && (!first || second->index > first->index);
    *operand_out = take_second ? 1 : 0;
    return take_second ? second : first;
}

static pith_status fuse(pith_graph *graph, pith_node *sum, pith_node *node, int operand)
{
    const bool behind = !pithi_has_no_activation(node);
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
    if (behind) {
        *(int64_t *)pithi_attr_field(node, BEHIND, PITH_ATTR_KIND_INT) = 1;
    } else if (from && to) {
        *to = *from;
    }
    pithi_absorb(graph, node, sum);
    return PITH_OK;
}

/* ---- results side by side ------------------------------------------------------------------ */

static int axis_of(const pith_node *node)
{
    const int64_t *axis = pithi_attr_field(node, "axis", PITH_ATTR_KIND_INT);
    return (int)(*axis < 0 ? *axis + node->inputs[0]->shape.rank : *axis);
}

/* Convolutions along one dimension, or of single pixels: others may go Winograd's way, which wants dense pieces. */
static bool take_pieces(const pith_node *join)
{
    bool fits = true;
    for (int i = 0; i < join->n_inputs && fits; i++) {
        const pith_node *node = pithi_sole_producer(join->inputs[i], "conv");
        const pith_value *w = node ? node->inputs[1] : NULL;
        const int64_t *group = w ? pithi_attr_field(node, "group", PITH_ATTR_KIND_INT) : NULL;
        fits = w && w->shape.rank == 4 && (w->shape.dims[2] == 1 || w->shape.dims[3] == 1) && *group == 1 &&
               pithi_has_no_activation(node) && !pithi_node_input(node, node->op->residual_input_plus_1 - 1);
    }
    return fits;
}

/* The split that cuts `whole` into what `join` puts together, all of which can add its piece; or NULL. It stands
 * between both. */
static pith_node *find_cut(const pith_value *whole, const pith_node *join)
{
    const bool is_in_front = !whole->producer || whole->producer->index < join->index;
    for (pith_node *node = is_in_front ? join->previous : NULL; node && node != whole->producer;
         node = node->previous) {
        if (!pithi_is(node, "split") || node->inputs[0] != whole || node->n_outputs != join->n_inputs ||
            axis_of(node) != axis_of(join)) {
            continue;
        }
        int i = 0;
        while (i < join->n_inputs && node->outputs[i] && same_f32(join->inputs[i], node->outputs[i]) &&
               node->index < join->inputs[i]->producer->index) {
            i++;
        }
        if (i == join->n_inputs) {
            return node;
        }
    }
    return NULL;
}

/* A function behind the sum will be part of it after pass fuse_activation. */
static bool waits_for_activation(const pith_graph *graph, const pith_node *sum)
{
    const pith_node *next = pithi_has_no_activation(sum) ? pithi_sole_reader(graph, sum) : NULL;
    return next && next->op && next->op->as_activation;
}

static pith_status fuse_pieces(pith_graph *graph, pith_node *sum, int *n_changes)
{
    for (int operand = 0; operand < 2; operand++) {
        pith_node *join = pithi_sole_producer(sum->inputs[operand], "concat");
        const pith_value *whole = sum->inputs[1 - operand];
        if (!join || !same_f32(join->outputs[0], whole) || !take_pieces(join) || waits_for_activation(graph, sum)) {
            continue;
        }
        pith_node *cut = find_cut(whole, join);
        for (int i = 0; cut && i < join->n_inputs; i++) {
            pith_node *node = join->inputs[i]->producer;
            const int slot = node->op->residual_input_plus_1 - 1;
            PITH_TRY(node->n_inputs <= slot ? pithi_node_resize_inputs(graph, node, slot + 1) : PITH_OK);
            pithi_set_input(node, slot, cut->outputs[i]);
            *pithi_activation_of(node) = *pithi_activation_of(sum);
        }
        if (cut) {
            pithi_absorb(graph, join, sum);
            ++*n_changes;
            return PITH_OK;
        }
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    int index = 0;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = index++;
    }
    for (pith_node *sum = graph->first, *next; sum; sum = next) {
        next = sum->next;
        int operand = 0;
        bool is_sum = pithi_is(sum, "add") && sum->n_inputs == 2 && pithi_node_result(sum);
        pith_node *node = is_sum ? choose(sum, false, &operand) : NULL;
        if (is_sum && !node && stage == PITH_STAGE_SHAPE) { /* by then sums have their functions */
            node = choose(sum, true, &operand);
        }
        if (node) {
            PITH_TRY(fuse(graph, sum, node, operand));
            ++*n_changes;
        } else if (is_sum) {
            PITH_TRY(fuse_pieces(graph, sum, n_changes));
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
