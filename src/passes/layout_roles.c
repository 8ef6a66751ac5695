/* SPDX-License-Identifier: Apache-2.0 */
/* Pass layout: which nodes can lie on either side, and which of their operands carry a layout. */
#include "passes/layout.h"

static bool carries(const layout *all, const pith_value *value)
{
    const layout_value *info = pithi_layout_value(all, value);
    return info && info->carries;
}

static int rank_of(const pith_value *value)
{
    return value->shape.rank;
}

/* ---- elementwise ------------------------------------------------------------------------------ */

static bool has_one_element(const pith_value *value)
{
    return pithi_value_has_dims(value) && pith_shape_elements(&value->shape) == 1;
}

/* Constants are permuted and single elements fit everywhere; anything else of lower rank would have to be
 * reshaped for the broadcast first. */
static bool is_free(const layout *all, const pith_node *node)
{
    if (!node->outputs[0] || !carries(all, node->outputs[0])) {
        return false;
    }
    int rank = rank_of(node->outputs[0]);
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        bool fits = !input || (input->constant && rank_of(input) <= rank) || has_one_element(input) ||
                    (carries(all, input) && rank_of(input) == rank);
        if (!fits) {
            return false;
        }
    }
    for (int i = 1; i < node->n_outputs; i++) {
        if (node->outputs[i] && (!carries(all, node->outputs[i]) || rank_of(node->outputs[i]) != rank)) {
            return false;
        }
    }
    return true;
}

/* ---- operators with to_channels_last() ---------------------------------------------------------- */

static bool is_rewritable(const layout *all, const pith_node *node)
{
    const int64_t *is_last = pithi_attr_field(node, "channels_last", PITH_ATTR_KIND_INT);
    if (is_last && *is_last) { /* the pass has been here before */
        return false;
    }
    for (int i = 0; i < node->n_inputs; i++) { /* an outer graph's value has no versions here */
        if (node->inputs[i] && !node->inputs[i]->constant && !pithi_layout_value(all, node->inputs[i])) {
            return false;
        }
    }
    return node->op->to_channels_last && !node->inputs[0]->constant && carries(all, node->inputs[0]) &&
           node->outputs[0] && carries(all, node->outputs[0]) && rank_of(node->inputs[0]) == rank_of(node->outputs[0]);
}

/* The rule of op.h. */
static bool operator_input_carries(const layout *all, const pith_node *node, int index)
{
    const pith_value *input = node->inputs[index];
    if (index == 0) {
        return true;
    }
    if (node->op->layout == PITH_LAYOUT_LAST) {
        return index == node->op->residual_input_plus_1 - 1;
    }
    return carries(all, input) && rank_of(input) == rank_of(node->inputs[0]);
}

/* ---- transposes and reshapes ------------------------------------------------------------------- */

static layout_kind transpose_kind(const layout *all, const pith_node *node)
{
    int64_t perm[PITH_MAX_RANK], wanted[PITH_MAX_RANK];
    int rank = 0;
    if (!carries(all, node->inputs[0]) || !pithi_transpose_perm(node, perm, &rank)) {
        return LAYOUT_FIXED;
    }
    pithi_layout_perm(rank, true, wanted);
    if (memcmp(perm, wanted, (size_t)rank * sizeof *perm) == 0) {
        return LAYOUT_TO_LAST;
    }
    pithi_layout_perm(rank, false, wanted);
    return memcmp(perm, wanted, (size_t)rank * sizeof *perm) == 0 ? LAYOUT_TO_PLAIN : LAYOUT_FIXED;
}

/* [N, C, spatial...] to [N, C, other spatial...] reads the same in channels-last. */
static bool keeps_channels(const layout *all, const pith_node *node)
{
    if (!carries(all, node->inputs[0]) || !carries(all, node->outputs[0])) {
        return false;
    }
    const pith_shape *from = &node->inputs[0]->shape, *to = &node->outputs[0]->shape;
    return node->n_outputs == 1 && node->inputs[0]->dtype == node->outputs[0]->dtype && from->dims[0] == to->dims[0] &&
           from->dims[1] == to->dims[1] && pith_shape_elements(from) > 0;
}

/* x [N, C, s...] -> [N, g, C/g, s...] -> [N, C/g, g, s...] -> [N, C, s...], the shuffle of grouped
 * convolutions (Zhang et al. 2018). Returns the last of the three nodes. */
static pith_node *shuffle_end(const layout *all, const pith_node *first)
{
    const pith_value *grouped = first->outputs[0];
    pith_node *middle = first->next, *last = middle ? middle->next : NULL;
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    bool is_chain = grouped && last && pithi_is(middle, "transpose") && middle->inputs[0] == grouped &&
                    grouped->n_uses == 1 && pithi_is(last, "reshape") && pithi_node_result(middle) &&
                    last->inputs[0] == middle->outputs[0] && middle->outputs[0]->n_uses == 1;
    if (!is_chain || !carries(all, first->inputs[0]) || !carries(all, last->outputs[0]) ||
        !pithi_value_has_dims(grouped) || !pithi_transpose_perm(middle, perm, &rank)) {
        return NULL;
    }
    const pith_shape *x = &first->inputs[0]->shape, *g = &grouped->shape;
    bool fits = pith_shape_equal(x, &last->outputs[0]->shape) && g->rank == x->rank + 1 && rank == g->rank &&
                x->dims[0] == g->dims[0] && perm[0] == 0 && perm[1] == 2 && perm[2] == 1 && pith_shape_elements(x) > 0;
    for (int i = 2; i < x->rank && fits; i++) {
        fits = x->dims[i] == g->dims[i + 1] && perm[i + 1] == i + 1;
    }
    return fits ? last : NULL;
}

/* ---- all nodes --------------------------------------------------------------------------------- */

static layout_kind kind_of(const layout *all, const pith_node *node)
{
    if (!node->op || node->n_bodies > 0 || node->n_inputs < 1 || node->n_outputs < 1 || !node->inputs[0] ||
        !node->outputs[0]) {
        return LAYOUT_FIXED;
    }
    if (pithi_is(node, "transpose")) {
        return transpose_kind(all, node);
    }
    if (node->op->flags & PITH_OP_VIEW && node->op->layout == PITH_LAYOUT_FIXED) {
        return keeps_channels(all, node) ? LAYOUT_RESHAPE : LAYOUT_FIXED;
    }
    switch (node->op->layout) {
    case PITH_LAYOUT_FREE: return is_free(all, node) ? LAYOUT_FREE : LAYOUT_FIXED;
    case PITH_LAYOUT_FOLLOWS:
    case PITH_LAYOUT_LAST: return is_rewritable(all, node) ? LAYOUT_OPERATOR : LAYOUT_FIXED;
    case PITH_LAYOUT_FIXED: break;
    }
    return LAYOUT_FIXED;
}

void pithi_layout_classify(layout *all)
{
    pithi_graph_count_uses(all->graph);
    for (pith_node *node = all->graph->first; node; node = node->next) {
        pith_node *end = pithi_is(node, "reshape") ? shuffle_end(all, node) : NULL;
        if (end) {
            for (int part = 0; part < 3; part++, node = part < 3 ? node->next : node) {
                *pithi_layout_node(all, node) = (layout_node){ .kind = LAYOUT_SHUFFLE, .part = part };
            }
        } else {
            pithi_layout_node(all, node)->kind = kind_of(all, node);
        }
    }
}

/* ---- operands ---------------------------------------------------------------------------------- */

layout_side pithi_layout_of_input(const layout *all, const pith_node *node, int index)
{
    const pith_value *input = node->inputs[index];
    const layout_node *info = pithi_layout_node(all, node);
    if (!input || !pithi_layout_value(all, input)) { /* absent, or made by to_channels_last() */
        return LAYOUT_SIDE_NONE;
    }
    switch (info->kind) {
    case LAYOUT_FIXED:
    case LAYOUT_TO_PLAIN: return LAYOUT_SIDE_PLAIN;
    case LAYOUT_TO_LAST: return LAYOUT_SIDE_LAST;
    case LAYOUT_FREE: /* constants and lone elements of lower rank are seen to apart */
        return input->constant || rank_of(input) == rank_of(node->outputs[0]) ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_PLAIN;
    case LAYOUT_RESHAPE: return index == 0 ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_PLAIN;
    case LAYOUT_SHUFFLE: return index > 0 ? LAYOUT_SIDE_PLAIN : info->part == 0 ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_NONE;
    case LAYOUT_OPERATOR: return operator_input_carries(all, node, index) ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_PLAIN;
    case LAYOUT_CONVERTED: return operator_input_carries(all, node, index) ? LAYOUT_SIDE_LAST : LAYOUT_SIDE_PLAIN;
    }
    return LAYOUT_SIDE_PLAIN;
}

layout_side pithi_layout_of_output(const layout *all, const pith_node *node, int index)
{
    const layout_node *info = pithi_layout_node(all, node);
    if (!node->outputs[index] || !carries(all, node->outputs[index])) {
        return LAYOUT_SIDE_NONE;
    }
    bool follows = node->outputs[0] && rank_of(node->outputs[index]) == rank_of(node->outputs[0]);
    switch (info->kind) {
    case LAYOUT_FIXED:
    case LAYOUT_TO_LAST: return LAYOUT_SIDE_PLAIN;
    case LAYOUT_TO_PLAIN: return LAYOUT_SIDE_LAST;
    case LAYOUT_FREE:
    case LAYOUT_RESHAPE: return LAYOUT_SIDE_CHOICE;
    case LAYOUT_SHUFFLE: return info->part == 2 ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_NONE;
    case LAYOUT_OPERATOR: return follows ? LAYOUT_SIDE_CHOICE : LAYOUT_SIDE_PLAIN;
    case LAYOUT_CONVERTED: return follows ? LAYOUT_SIDE_LAST : LAYOUT_SIDE_PLAIN;
    }
    return LAYOUT_SIDE_PLAIN;
}
