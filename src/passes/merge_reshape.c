/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of nodes that only rename dimensions (reshape, squeeze, unsqueeze, flatten, transposes of
 * dimensions of size 1) becomes one reshape from where the chain begins. */
#include "passes/rewrite.h"

static bool is_view(const pith_node *node)
{
    return node && node->op && node->op->flags & PITH_OP_VIEW && node->n_outputs == 1 && node->n_inputs > 0 &&
           node->inputs[0] && pithi_value_has_dims(node->inputs[0]) && pithi_value_has_dims(node->outputs[0]) &&
           node->inputs[0]->dtype == node->outputs[0]->dtype;
}

/* A transpose that leaves every element where it is. */
static bool is_idle_transpose(const pith_node *node)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    return pithi_is(node, "transpose") && pithi_node_result(node) && pithi_value_has_dims(node->inputs[0]) &&
           pithi_transpose_perm(node, perm, &rank) && pithi_perm_moves_nothing(perm, &node->inputs[0]->shape);
}

/* Axes of size other than 1, in order. */
static int true_axes(const pith_shape *shape, int *axes)
{
    int count = 0;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] != 1) {
            axes[count++] = i;
        }
    }
    return count;
}

static bool has_true_dims(const pith_shape *shape, const pith_shape *of, const int *axes, int count)
{
    bool same = shape->rank == count;
    for (int i = 0; i < count && same; i++) {
        same = shape->dims[i] == of->dims[axes[i]];
    }
    return same;
}

/* A transpose between two views that only add and drop dimensions of size 1 is one of fewer dimensions: *perm of
 * the value in front of all three. */
static pith_value *inner_transpose(const pith_node *last, int64_t *perm)
{
    const pith_node *middle = is_view(last) ? last->inputs[0]->producer : NULL;
    const pith_node *first = pithi_is(middle, "transpose") && middle->inputs[0] ? middle->inputs[0]->producer : NULL;
    int64_t outer[PITH_MAX_RANK];
    int axes[PITH_MAX_RANK], moved[PITH_MAX_RANK], rank = 0;
    if (!is_view(first) || !pithi_transpose_perm(middle, outer, &rank)) {
        return NULL;
    }
    pith_value *x = first->inputs[0];
    const pith_shape *from = &middle->inputs[0]->shape, *to = &middle->outputs[0]->shape;
    int count = true_axes(from, axes);
    if (count < 2 || !has_true_dims(&x->shape, from, axes, count) || true_axes(to, moved) != count ||
        !has_true_dims(&last->outputs[0]->shape, to, moved, count)) {
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) {
            perm[i] = outer[moved[i]] == axes[k] ? k : perm[i];
        }
    }
    return x;
}

static pith_status simplify_transpose(pith_graph *graph, pith_node *node, int *n_changes)
{
    int64_t perm[PITH_MAX_RANK] = { 0 };
    pith_value *x = inner_transpose(node, perm);
    if (!x) {
        return PITH_OK;
    }
    ++*n_changes;
    PITH_TRY(pithi_become(graph, node, "transpose", &x, 1));
    return pithi_attr_set_ints(&graph->arena, node, "perm", perm, x->shape.rank);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (is_idle_transpose(node)) {
            PITH_TRY(pithi_become_reshape(graph, node, node->inputs[0], &node->outputs[0]->shape));
            ++*n_changes;
        }
        if (is_view(node) && is_view(node->inputs[0]->producer)) {
            pith_value *root = node->inputs[0]->producer->inputs[0];
            PITH_TRY(pithi_become_reshape(graph, node, root, &node->outputs[0]->shape));
            ++*n_changes;
        }
        PITH_TRY(simplify_transpose(graph, node, n_changes));
    }
    return PITH_OK;
}

const pith_pass pithi_pass_merge_reshape = {
    .name = "merge_reshape",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "makes one reshape of a chain of views",
    .run = run,
};
