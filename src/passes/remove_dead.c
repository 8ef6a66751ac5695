/* SPDX-License-Identifier: Apache-2.0 */
/* Removes nodes whose results nobody reads, and optional outputs that nobody reads. */
#include "passes/rewrite.h"

static bool is_wanted(const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && node->outputs[i]->n_uses > 0) {
            return true;
        }
    }
    return false;
}

static int drop_optional_outputs(pith_node *node)
{
    int n_dropped = 0;
    for (int i = 1; node->op && i < node->n_outputs && i < node->op->n_outputs; i++) {
        if (node->outputs[i] && node->outputs[i]->n_uses == 0 && node->op->outputs[i].arity == PITH_OPTIONAL) {
            node->outputs[i]->producer = NULL;
            node->outputs[i] = NULL;
            n_dropped++;
        }
    }
    return n_dropped;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->last, *previous; node; node = previous) {
        previous = node->previous;
        if (is_wanted(node)) {
            *n_changes += drop_optional_outputs(node);
            continue;
        }
        bool had_bodies = node->n_bodies > 0;
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i]) {
                node->inputs[i]->n_uses--;
            }
        }
        pithi_graph_remove_node(graph, node);
        if (had_bodies) {
            pithi_graph_count_uses(graph); /* what the bodies captured is read less often now */
        }
        ++*n_changes;
    }
    return PITH_OK;
}

const pith_pass pithi_pass_remove_dead = {
    .name = "remove_dead",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "removes nodes whose results nobody reads",
    .run = run,
};
