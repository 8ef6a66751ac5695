/* SPDX-License-Identifier: Apache-2.0 */
/* Pass layout: the choice as a minimum cut. Source side: plain; sink side: channels-last. */
#include "passes/layout.h"

/* A transposition costs its bytes, and something for being one more step. A mere renaming of dimensions costs
 * next to nothing, but is not wanted without need. */
#define STEP_BYTES 512
#define VIEW_BYTES 1
/* An operator that is left plain works around it: convolutions transpose both operands inside, others leave
 * their fast path. */
#define PLAIN_PENALTY 3

static int64_t bytes_of(const pith_value *value)
{
    return pith_shape_elements(&value->shape) * (int64_t)pith_dtype_bytes(value->dtype);
}

static int64_t price_of_crossing(const layout *all, const pith_value *value)
{
    bool is_view = pithi_layout_is_view(&pithi_layout_value(all, value)->shape);
    return is_view ? VIEW_BYTES : bytes_of(value) + STEP_BYTES;
}

static int64_t price_of_staying_plain(const pith_node *node)
{
    int64_t n_bytes = bytes_of(node->inputs[0]) + bytes_of(node->outputs[0]) + STEP_BYTES;
    return node->op->layout == PITH_LAYOUT_LAST ? PLAIN_PENALTY * n_bytes : 0;
}

static int vertex_of(layout_side side, const layout_node *node)
{
    return side == LAYOUT_SIDE_PLAIN ? PITHI_CUT_SOURCE : side == LAYOUT_SIDE_LAST ? PITHI_CUT_SINK : node->vertex;
}

static pith_status add_nodes(layout *all, pithi_cut *cut)
{
    for (pith_node *node = all->graph->first; node; node = node->next) {
        layout_node *info = pithi_layout_node(all, node);
        if (info->kind == LAYOUT_SHUFFLE && info->part > 0) {
            info->vertex = info[-1].vertex;
        } else {
            PITH_TRY(pithi_cut_add_vertex(cut, &info->vertex));
        }
        if (info->kind == LAYOUT_OPERATOR) {
            PITH_TRY(pithi_cut_add_edge(cut, info->vertex, PITHI_CUT_SINK, price_of_staying_plain(node), 0));
        }
        for (int i = 0; i < node->n_outputs; i++) {
            layout_side side = pithi_layout_of_output(all, node, i);
            if (side != LAYOUT_SIDE_NONE) {
                pithi_layout_value(all, node->outputs[i])->producer = vertex_of(side, info);
            }
        }
    }
    return PITH_OK;
}

/* The two auxiliary vertices of a value let all its consumers share one transposition: `up` is on the sink side
 * as soon as one consumer is, `down` on the source side as soon as one consumer is. */
static pith_status add_auxiliaries(const layout *all, pithi_cut *cut, const pith_value *value, layout_value *info)
{
    int64_t price = price_of_crossing(all, value);
    PITH_TRY(pithi_cut_add_vertex(cut, &info->vertex_up));
    PITH_TRY(pithi_cut_add_edge(cut, info->producer, info->vertex_up, price, 0));
    PITH_TRY(pithi_cut_add_vertex(cut, &info->vertex_down));
    return pithi_cut_add_edge(cut, info->vertex_down, info->producer, price, 0);
}

static pith_status add_use(const layout *all, pithi_cut *cut, const pith_value *value, int consumer)
{
    layout_value *info = pithi_layout_value(all, value);
    if (value->n_uses == 1 && !info->is_visible) {
        int64_t price = price_of_crossing(all, value);
        return pithi_cut_add_edge(cut, info->producer, consumer, price, price);
    }
    if (!info->vertex_up) {
        PITH_TRY(add_auxiliaries(all, cut, value, info));
    }
    PITH_TRY(pithi_cut_add_edge(cut, info->vertex_up, consumer, PITHI_CUT_INFINITE, 0));
    return pithi_cut_add_edge(cut, consumer, info->vertex_down, PITHI_CUT_INFINITE, 0);
}

static pith_status add_values(layout *all, pithi_cut *cut)
{
    for (pith_node *node = all->graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            layout_side side = pithi_layout_of_input(all, node, i);
            const layout_value *info = side == LAYOUT_SIDE_NONE ? NULL : pithi_layout_value(all, node->inputs[i]);
            if (info && info->carries && !node->inputs[i]->constant) {
                PITH_TRY(add_use(all, cut, node->inputs[i], vertex_of(side, pithi_layout_node(all, node))));
            }
        }
    }
    for (size_t i = 0; i < all->n_values; i++) {
        const pith_value *value = all->graph->values[i];
        if (all->values[i].is_visible && all->values[i].carries && !value->constant) {
            PITH_TRY(add_use(all, cut, value, PITHI_CUT_SOURCE));
        }
    }
    return PITH_OK;
}

static pith_status solve(layout *all, pithi_cut *cut)
{
    for (size_t i = 0; i < all->n_values; i++) {
        layout_value *info = &all->values[i];
        info->producer = PITHI_CUT_SOURCE; /* graph inputs */
        info->vertex_up = info->vertex_down = 0;
    }
    PITH_TRY(add_nodes(all, cut));
    PITH_TRY(add_values(all, cut));
    PITH_TRY(pithi_cut_solve(cut));
    for (size_t i = 0; i < all->n_nodes; i++) {
        all->nodes[i].is_last = cut->on_sink_side[all->nodes[i].vertex];
    }
    return PITH_OK;
}

/* Rewrites the operators that were chosen; true if one of them could not be and is fixed from now on. */
static bool convert(layout *all)
{
    bool has_failed = false;
    for (pith_node *node = all->graph->first; node; node = node->next) {
        layout_node *info = pithi_layout_node(all, node);
        if (info->kind == LAYOUT_OPERATOR && info->is_last) {
            bool converted = node->op->to_channels_last(all->graph, node);
            info->kind = converted ? LAYOUT_CONVERTED : LAYOUT_FIXED;
            all->n_changes += converted;
            has_failed |= !converted;
        }
    }
    return has_failed;
}

pith_status pithi_layout_choose(layout *all)
{
    bool again = true;
    while (again) { /* each further round fixes at least one node */
        pithi_cut cut = { .ctx = all->graph->ctx };
        pith_status status = solve(all, &cut);
        pithi_cut_deinit(&cut);
        PITH_TRY(status);
        again = convert(all);
    }
    return PITH_OK;
}
