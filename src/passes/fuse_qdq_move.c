/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: data movement is the same on quantised values, so dq goes behind it and q in front
 * of it. What is moved has then a quarter of the bytes, and dq and q meet the operators that they
 * belong to. */
#include "passes/fuse_qdq.h"

/* Operators that move elements of input 0 to output 0; the flag: they may also repeat them. */
static const struct {
    const char *name;
    bool may_repeat;
} movers[] = {
    { "reshape", false },        { "transpose", false }, { "flatten", false },
    { "squeeze", false },        { "unsqueeze", false }, { "identity", false },
    { "slice", false },          { "gather", false },    { "depth_to_space", false },
    { "space_to_depth", false }, { "expand", true },     { "tile", true },
};

static bool moves(const pith_node *node, bool with_repeats)
{
    for (int i = 0; i < PITH_COUNT(movers); i++) {
        if (pithi_is(node, movers[i].name)) {
            return (with_repeats || !movers[i].may_repeat) && node->n_outputs == 1 &&
                   node->inputs[0];
        }
    }
    return false;
}

/* Where the axis of scales lies behind the node; -1: the node doesn't keep it. */
static int64_t axis_behind(const pith_node *node, const pithi_qdq *dq)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    if (dq->is_single) {
        return 1;
    }
    if (!pithi_is(node, "transpose") || !pithi_transpose_perm(node, perm, &rank)) {
        return -1;
    }
    int64_t axis = dq->axis < 0 ? dq->axis + rank : dq->axis;
    for (int i = 0; i < rank; i++) {
        if (perm[i] == axis) {
            return i;
        }
    }
    return -1;
}

/* node(dq(x)) becomes dq(node(x)). */
static pith_status move_dq(pith_graph *graph, pith_node *node, const pithi_qdq *dq, int64_t axis)
{
    pith_value *result = node->outputs[0], *moved = NULL;
    pith_node *fresh = NULL;
    PITH_TRY(pithi_graph_add_value(graph, NULL, &moved));
    moved->dtype = dq->dtype;
    moved->producer = node;
    node->outputs[0] = moved;
    result->producer = NULL;
    pithi_set_input(node, 0, dq->value);
    pith_value *inputs[] = { moved, dq->scale, dq->zero };
    int n_inputs = dq->zero ? 3 : 2;
    PITH_TRY(pithi_graph_insert_node(graph, node->next, dq->node->op, dq->node->name, inputs,
                                     n_inputs, &result, 1, &fresh));
    for (int i = 0; i < n_inputs; i++) {
        inputs[i]->n_uses++;
    }
    return pithi_attr_set_int(graph->ctx, fresh, "axis", axis);
}

/* q(node(x)) becomes node(q(x)); the value between them stays between them. */
static void move_q(pith_graph *graph, const pithi_qdq *q, pith_node *node)
{
    pith_value *between = node->outputs[0], *x = node->inputs[0];
    pithi_graph_move_node(graph, q->node, node);
    q->node->inputs[0] = x;
    q->node->outputs[0] = between;
    between->producer = q->node;
    between->dtype = q->dtype;
    between->shape = x->shape;
    between->has_shape = x->has_shape;
    node->inputs[0] = between;
    node->outputs[0] = q->value;
    q->value->producer = node;
}

static pith_status move_all_dq(pith_graph *graph, int *n_changes)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        pithi_qdq dq;
        if (!moves(node, false) || !pithi_qdq_behind(node->inputs[0], &dq)) {
            continue;
        }
        int64_t axis = axis_behind(node, &dq);
        if (axis >= 0) {
            PITH_TRY(move_dq(graph, node, &dq, axis));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

static void move_all_q(pith_graph *graph, int *n_changes)
{
    for (pith_node *node = graph->last; node; node = node->previous) {
        pithi_qdq q;
        if (!pithi_qdq_of(node, &q)) {
            continue;
        }
        pith_node *mover = node->inputs[0]->producer;
        while (moves(mover, true) && mover->outputs[0]->n_uses == 1) {
            pith_node *next = mover->inputs[0]->producer;
            move_q(graph, &q, mover);
            ++*n_changes;
            mover = next;
            q.value = node->outputs[0];
        }
    }
}

pith_status pithi_qdq_move(pith_graph *graph, int *n_changes)
{
    pithi_graph_count_uses(graph);
    PITH_TRY(move_all_dq(graph, n_changes));
    move_all_q(graph, n_changes);
    return PITH_OK;
}
