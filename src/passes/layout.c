/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses for all values at once which lie channels-last, where convolutions and pools are fast, and leaves
 * transposes only where the two worlds meet (docs/decisions/001-channels-last.md).
 *
 * The choice is a minimum cut: nodes that can do both are vertices, a value that crosses costs its bytes once,
 * however many consumers read it on the other side. Transposes that the model brings along cost nothing if
 * their two ends lie right, so a channels-last network that was exported channels-first loses them. Each
 * transpose that remains has a node name that says for whom it stands there. */
#include "passes/layout.h"

static pith_status init(layout *all)
{
    pith_graph *graph = all->graph;
    void *nodes = NULL, *values = NULL;
    int index = 0;
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = index++;
    }
    all->n_nodes = (size_t)index;
    all->n_values = graph->n_values;
    PITH_TRY(pithi_alloc_array(graph->ctx, all->n_nodes + 1, sizeof *all->nodes, &nodes));
    all->nodes = nodes;
    PITH_TRY(pithi_alloc_array(graph->ctx, all->n_values + 1, sizeof *all->values, &values));
    all->values = values;
    for (size_t i = 0; i < all->n_values; i++) {
        pith_value *value = graph->values[i];
        value->index = (int)i;
        all->values[i].shape = value->shape;
        /* Elements of less than a byte are slow to transpose, those of 6 bits can't be. */
        all->values[i].carries = pithi_value_has_dims(value) && value->shape.rank >= 3 && value->shape.rank <= 5 &&
                                 pith_dtype_bytes(value->dtype) > 0;
        all->values[i].plain = value;
    }
    return PITH_OK;
}

static void mark_captured(const layout *all, const pith_graph *body)
{
    for (const pith_node *node = body->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            layout_value *value = node->inputs[i] ? pithi_layout_value(all, node->inputs[i]) : NULL;
            if (value) {
                value->is_visible = true;
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            mark_captured(all, node->bodies[i]);
        }
    }
    for (size_t i = 0; i < body->n_outputs; i++) {
        layout_value *value = pithi_layout_value(all, body->outputs[i]);
        if (value) {
            value->is_visible = true;
        }
    }
}

static void mark_visible(const layout *all)
{
    for (const pith_node *node = all->graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            mark_captured(all, node->bodies[i]);
        }
    }
    for (size_t i = 0; i < all->graph->n_outputs; i++) {
        layout_value *value = pithi_layout_value(all, all->graph->outputs[i]);
        if (value) {
            value->is_visible = true;
        }
    }
}

static bool has_reason(const layout *all)
{
    for (size_t i = 0; i < all->n_nodes; i++) {
        if (all->nodes[i].kind == LAYOUT_OPERATOR) {
            return true;
        }
    }
    return false;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    layout all = { .graph = graph };
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(init(&all), done);
    mark_visible(&all);
    pithi_layout_classify(&all);
    if (has_reason(&all)) {
        PITH_TRY_GOTO(pithi_layout_choose(&all), done);
        PITH_TRY_GOTO(pithi_layout_apply(&all), done);
    }
    *n_changes += all.n_changes;
done:
    pithi_free(graph->ctx, all.nodes);
    pithi_free(graph->ctx, all.values);
    return status;
}

/* ---- shared by the parts ---------------------------------------------------------------------- */

layout_node *pithi_layout_node(const layout *all, const pith_node *node)
{
    return &all->nodes[node->index];
}

layout_value *pithi_layout_value(const layout *all, const pith_value *value)
{
    bool known = value && value->index >= 0 && (size_t)value->index < all->n_values &&
                 all->graph->values[value->index] == value;
    return known ? &all->values[value->index] : NULL;
}

void pithi_layout_perm(int rank, bool to_last, int64_t perm[PITH_MAX_RANK])
{
    for (int i = 0; i < rank; i++) {
        perm[i] = to_last ? i + 1 : i - 1;
    }
    perm[0] = 0;
    perm[to_last ? rank - 1 : 1] = to_last ? 1 : rank - 1;
}

bool pithi_layout_is_view(const pith_shape *plain)
{
    int64_t perm[PITH_MAX_RANK];
    pithi_layout_perm(plain->rank, true, perm);
    return pithi_perm_moves_nothing(perm, plain);
}

const pith_pass pithi_pass_layout = {
    .name = "layout",
    .stages = PITH_STAGE_SHAPE,
    .help = "chooses which values lie channels-last, and puts transposes at the seams",
    .run = run,
};
