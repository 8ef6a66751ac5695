/* SPDX-License-Identifier: Apache-2.0 */
/* Pass layout: rewriting the graph to the choice that was made. */
#include "passes/layout.h"

static pith_shape last_shape(const pith_shape *plain)
{
    int64_t perm[PITH_MAX_RANK];
    pithi_layout_perm(plain->rank, true, perm);
    return pithi_permuted_shape(perm, plain);
}

/* ---- who needs what --------------------------------------------------------------------------- */

static void mark_readers(layout *all)
{
    for (size_t i = 0; i < all->n_values; i++) {
        all->values[i].needs_plain = all->values[i].is_visible;
    }
    for (const pith_node *node = all->graph->first; node; node = node->next) {
        const layout_node *info = pithi_layout_node(all, node);
        for (int i = 0; i < node->n_inputs; i++) {
            layout_side side = pithi_layout_of_input(all, node, i);
            layout_value *value = side == LAYOUT_SIDE_NONE ? NULL : pithi_layout_value(all, node->inputs[i]);
            if (value && !pithi_layout_is_last(side, info) && !value->needs_plain) {
                value->needs_plain = true;
                value->plain_reader = node;
            }
        }
    }
}

/* ---- conversions ------------------------------------------------------------------------------ */

/* to = from in the other layout; `reason` becomes the node's name. */
static pith_status insert_conversion(layout *all, pith_node *before, pith_value *from, pith_value *to, bool to_last,
                                     const pith_shape *plain, const char *reason)
{
    int64_t perm[PITH_MAX_RANK];
    pith_node *node = NULL;
    pith_shape shape = to_last ? last_shape(plain) : *plain;
    const pith_op *op = pithi_op_find("transpose");
    PITH_CHECK(all->graph->ctx, op, PITH_STATUS_INTERNAL, "this build lacks the operator 'transpose'");
    PITH_TRY(pithi_graph_insert_node(all->graph, before, op, reason, &from, 1, &to, 1, &node));
    to->dtype = from->dtype;
    to->shape = shape;
    to->has_shape = true;
    all->n_changes++;
    if (pithi_layout_is_view(plain)) {
        return pithi_become_reshape(all->graph, node, from, &shape);
    }
    pithi_layout_perm(plain->rank, to_last, perm);
    return pithi_attr_set_ints(&all->graph->arena, node, "perm", perm, plain->rank);
}

static pith_status last_version(layout *all, pith_node *reader, pith_value *value, pith_value **last_out)
{
    layout_value *info = pithi_layout_value(all, value);
    if (!info->last) {
        const char *reason = NULL;
        PITH_TRY(pithi_arena_format(&all->graph->arena, &reason, "%s: channels-last for %s '%s'", value->name,
                                    reader->source_op, reader->name));
        PITH_TRY(pithi_graph_add_value(all->graph, NULL, &info->last));
        PITH_TRY(insert_conversion(all, reader, info->plain, info->last, true, &info->shape, reason));
    }
    *last_out = info->last;
    return PITH_OK;
}

/* ---- constants -------------------------------------------------------------------------------- */

static void copy_permuted(const pith_tensor *from, const int64_t *perm, const pith_tensor *to)
{
    int64_t strides[PITH_MAX_RANK], stride = 1;
    pith_tensor copy = *to;
    int rank = from->shape.rank;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= from->shape.dims[i];
    }
    for (int64_t i = 0; i < pith_shape_elements(&to->shape); i++) {
        int64_t rest = i, source = 0;
        for (int k = rank - 1; k >= 0; k--) {
            source += rest % to->shape.dims[k] * strides[perm[k]];
            rest /= to->shape.dims[k];
        }
        pithi_tensor_copy_elements(&copy, i, from, source, 1);
    }
}

/* A constant operand of a channels-last node of rank `rank`: its dimensions are aligned at the end as for the
 * broadcast, then permuted. The bytes are shared where only dimensions of size 1 move. */
static pith_status permuted_constant(layout *all, pith_value *value, int rank, pith_value **last_out)
{
    layout_value *info = pithi_layout_value(all, value);
    const pith_tensor *constant = value->constant;
    if (info->last && info->last->shape.rank == rank) {
        *last_out = info->last;
        return PITH_OK;
    }
    pith_tensor aligned = { .dtype = constant->dtype, .data = constant->data, .shape = { .rank = rank } };
    int missing = rank - constant->shape.rank;
    for (int i = 0; i < rank; i++) {
        aligned.shape.dims[i] = i < missing ? 1 : constant->shape.dims[i - missing];
    }
    int64_t perm[PITH_MAX_RANK];
    pithi_layout_perm(rank, true, perm);
    pith_shape shape = pithi_permuted_shape(perm, &aligned.shape);
    if (pithi_perm_moves_nothing(perm, &aligned.shape)) {
        PITH_TRY(pithi_reshaped_constant(all->graph, constant, &shape, &info->last));
    } else {
        pith_tensor copy;
        PITH_TRY(pithi_graph_new_constant(all->graph, NULL, constant->dtype, &shape, &copy, &info->last));
        copy_permuted(&aligned, perm, &copy);
    }
    *last_out = info->last;
    return PITH_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------ */

static pith_status rewire_inputs(layout *all, pith_node *node)
{
    const layout_node *info = pithi_layout_node(all, node);
    for (int i = 0; i < node->n_inputs; i++) {
        layout_side side = pithi_layout_of_input(all, node, i);
        pith_value *input = node->inputs[i];
        if (side == LAYOUT_SIDE_NONE || !pithi_layout_is_last(side, info)) {
            continue; /* plain versions are the values themselves */
        }
        if (!input->constant) {
            PITH_TRY(last_version(all, node, input, &node->inputs[i]));
        } else if (pith_shape_elements(&input->shape) != 1) {
            int rank = info->kind == LAYOUT_FREE ? node->outputs[0]->shape.rank : input->shape.rank;
            PITH_TRY(permuted_constant(all, input, rank, &node->inputs[i]));
        }
    }
    return PITH_OK;
}

/* [N, s..., C] -> [N, s..., g, C/g] -> [N, s..., C/g, g] -> [N, s..., C] */
static pith_status rewrite_shuffle(layout *all, pith_node *node, int part)
{
    const pith_shape *plain = &pithi_layout_value(all, node->outputs[0])->shape;
    pith_shape shape = last_shape(plain);
    int64_t perm[PITH_MAX_RANK] = { 0 };
    int rank = plain->rank;
    if (part == 0) {
        for (int i = 1; i < rank; i++) { /* [N, g, c, s...] to [N, s..., g, c] */
            shape.dims[i] = plain->dims[i < rank - 2 ? i + 2 : i - (rank - 3)];
        }
    }
    if (part != 1) {
        return pithi_become_reshape(all->graph, node, node->inputs[0], &shape);
    }
    for (int i = 0; i < rank; i++) {
        perm[i] = i < rank - 2 ? i : rank - 1 - (i - (rank - 2));
    }
    return pithi_attr_set_ints(&all->graph->arena, node, "perm", perm, rank);
}

static pith_status rewrite_node(layout *all, pith_node *node)
{
    const layout_node *info = pithi_layout_node(all, node);
    if (info->is_last && info->kind == LAYOUT_RESHAPE) {
        pith_shape shape = last_shape(&node->outputs[0]->shape);
        return pithi_become_reshape(all->graph, node, node->inputs[0], &shape);
    }
    return info->is_last && info->kind == LAYOUT_SHUFFLE ? rewrite_shuffle(all, node, info->part) : PITH_OK;
}

/* The model's own transposes: where the channels-last version of the input exists already, it is the
 * result; else the node stays, and its result is that version for all others. */
static pith_status apply_to_last(layout *all, pith_node *node)
{
    layout_value *input = pithi_layout_value(all, node->inputs[0]);
    if (!input->last) {
        input->last = node->outputs[0];
        return PITH_OK;
    }
    all->n_changes++;
    return pithi_become(all->graph, node, "identity", &input->last, 1);
}

/* A value that some reader wants plain keeps its name for that version, behind a transposition. */
static pith_status rewire_output(layout *all, pith_node *node, int index)
{
    pith_value *value = node->outputs[index];
    layout_value *info = pithi_layout_value(all, value);
    if (!info->needs_plain) {
        value->shape = last_shape(&info->shape);
        info->last = value;
        info->plain = NULL;
        return PITH_OK;
    }
    const char *reason = NULL;
    const pith_node *reader = info->plain_reader;
    PITH_TRY(pithi_arena_format(&all->graph->arena, &reason, "%s: plain for %s '%s'", value->name,
                                reader ? reader->source_op : "graph output", reader ? reader->name : value->name));
    PITH_TRY(pithi_graph_add_value(all->graph, NULL, &info->last));
    info->last->dtype = value->dtype;
    info->last->shape = last_shape(&info->shape);
    info->last->has_shape = true;
    info->last->producer = node;
    node->outputs[index] = info->last;
    return insert_conversion(all, node->next, info->last, value, false, &info->shape, reason);
}

static pith_status apply_node(layout *all, pith_node *node)
{
    const layout_node *info = pithi_layout_node(all, node);
    if (info->kind == LAYOUT_TO_LAST) {
        return apply_to_last(all, node);
    }
    if (info->kind == LAYOUT_TO_PLAIN) { /* dead if nobody wants its result plain */
        pithi_layout_value(all, node->outputs[0])->last = node->inputs[0];
        return PITH_OK;
    }
    PITH_TRY(rewire_inputs(all, node));
    PITH_TRY(rewrite_node(all, node));
    for (int i = 0; i < node->n_outputs; i++) {
        if (pithi_layout_is_last(pithi_layout_of_output(all, node, i), info)) {
            PITH_TRY(rewire_output(all, node, i));
        }
    }
    return PITH_OK;
}

pith_status pithi_layout_apply(layout *all)
{
    mark_readers(all);
    for (pith_node *node = all->graph->first, *next; node; node = next) {
        next = node->next; /* conversions go in front of it */
        PITH_TRY(apply_node(all, node));
    }
    return PITH_OK;
}
