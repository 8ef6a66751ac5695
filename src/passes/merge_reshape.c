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
    return pithi_is(node, "transpose") && pithi_value_has_dims(node->inputs[0]) &&
           pithi_transpose_perm(node, perm, &rank) && pithi_perm_moves_nothing(perm, &node->inputs[0]->shape);
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
    }
    return PITH_OK;
}

const pith_pass pithi_pass_merge_reshape = {
    "merge_reshape", PITH_STAGE_MODEL | PITH_STAGE_SHAPE, "makes one reshape of a chain of views", run,
};
