/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes whose inputs are all constant are evaluated once, with the operator's reference. */
#include "passes/rewrite.h"

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    return pithi_graph_fold(graph, n_changes);
}

const pith_pass pithi_pass_fold_constants = {
    .name = "fold_constants",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "evaluates what depends on constants only",
    .run = run,
};
