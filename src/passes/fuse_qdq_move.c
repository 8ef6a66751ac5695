/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: data movement is the same on quantised values, so dq goes behind it and q in front
 * of it. What is moved has then a quarter of the bytes, and dq and q meet the operators that they
 * belong to. */
#include "passes/fuse_qdq.h"

static bool moves(const pith_node *node, bool with_repeats)
{
    const pithi_qdq_role role = pithi_qdq_role_of(node);
    return (role == PITHI_QDQ_MOVE || (with_repeats && role == PITHI_QDQ_REPEAT)) && node->inputs[0];
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

/* The float output number `index` of the node becomes dq of an 8-bit one. */
static pith_status put_dq_behind(pith_graph *graph, pith_node *node, int index, const pithi_qdq *dq, int64_t axis)
{
    pith_value *result = node->outputs[index], *moved = NULL;
    pith_node *fresh = NULL;
    PITH_TRY(pithi_graph_add_value(graph, NULL, &moved));
    moved->dtype = dq->dtype;
    moved->producer = node;
    node->outputs[index] = moved;
    result->producer = NULL;
    pith_value *inputs[] = { moved, dq->scale, dq->zero };
    int n_inputs = dq->zero ? 3 : 2;
    PITH_TRY(pithi_graph_insert_node(graph, node->next, dq->node->op, dq->node->name, inputs, n_inputs, &result, 1,
                                     &fresh));
    for (int i = 0; i < n_inputs; i++) {
        inputs[i]->n_uses++;
    }
    return pithi_attr_set_int(graph->ctx, fresh, "axis", axis);
}

/* node(dq(x)) becomes dq(node(x)). */
static pith_status move_dq(pith_graph *graph, pith_node *node, pithi_qdq *dq, int64_t axis)
{
    if (pithi_is(node, "pad")) { /* zeros are the zero point now */
        PITH_TRY(pithi_qdq_need_zero(graph, dq));
        if (node->n_inputs < 3) {
            PITH_TRY(pithi_node_resize_inputs(graph, node, 3));
        }
        pithi_set_input(node, 2, dq->zero);
    }
    pithi_set_input(node, 0, dq->value);
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            PITH_TRY(put_dq_behind(graph, node, i, dq, axis));
        }
    }
    return PITH_OK;
}

/* Only movement that computes nothing may end in float numbers, or those of another scale. */
static bool may_move_dq(const pith_graph *graph, const pith_node *node, const pithi_qdq *dq)
{
    pithi_qdq q;
    bool is_activation = dq->dtype != PITH_DTYPE_S32;
    if (pithi_is(node, "max_pool") || pithi_is(node, "resize") || pithi_is(node, "pad")) {
        if (!is_activation || !dq->is_single) {
            return false;
        }
    }
    if (pithi_qdq_rounds(node) && pithi_is_16bit(dq->dtype)) {
        return false; /* means of bytes alone are integers */
    }
    return !pithi_qdq_rounds(node) ||
           (pithi_qdq_of(pithi_graph_only_consumer(graph, node->outputs[0]), &q) && pithi_qdq_same(dq, &q));
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
        if (!moves(node, false) || !pithi_qdq_behind(node->inputs[0], &dq) || !may_move_dq(graph, node, &dq)) {
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
        while (moves(mover, true) && mover->n_outputs == 1 && mover->outputs[0]->n_uses == 1 &&
               !pithi_is(mover, "pad") && !pithi_qdq_rounds(mover)) {
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
