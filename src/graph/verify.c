/* SPDX-License-Identifier: Apache-2.0 */
/* Structural invariants, for tests and fuzzers: a failure here is a bug of an importer or a pass. */
#include "graph/graph.h"

static pith_status verify_node(const pith_graph *graph, const pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        PITH_CHECK(graph->ctx, !value || !value->producer || value->producer->index >= 0, PITH_STATUS_INTERNAL,
                   "node '%s' reads '%s' before it is made", node->name, value->name);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        PITH_CHECK(graph->ctx, !node->outputs[i] || node->outputs[i]->producer == node, PITH_STATUS_INTERNAL,
                   "output %d of node '%s' has another producer", i, node->name);
    }
    for (int i = 0; i < node->n_bodies; i++) {
        PITH_TRY(pithi_graph_verify(node->bodies[i]));
    }
    return PITH_OK;
}

pith_status pithi_graph_verify(const pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = -1; /* not yet seen */
    }
    int n_nodes = 0;
    for (pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(verify_node(graph, node));
        node->index = n_nodes++;
    }
    PITH_CHECK(graph->ctx, n_nodes == graph->n_nodes, PITH_STATUS_INTERNAL, "node count is off");
    return PITH_OK;
}
