/* SPDX-License-Identifier: Apache-2.0 */
/* Which values share bytes (views, in-place results), and how long each block of bytes lives. */
#include "plan/plan.h"

typedef struct live {
    pith_graph *graph;
    const pithi_plan_options *options;
    pithi_liveness *out;
    pithi_window *windows; /* by value index; NULL: all values are kept apart */
    int *last_use; /* by value index: last step that reads the value's block through any view */
    int n_steps;
} live;

static void number_all(live *l)
{
    for (size_t i = 0; i < l->graph->n_values; i++) {
        l->graph->values[i]->index = (int)i;
    }
    for (pith_node *node = l->graph->first; node; node = node->next) {
        node->index = l->n_steps++;
    }
}

static bool is_kept_output(const live *l, const pith_value *value)
{
    for (int i = 0; i < l->options->n_kept_outputs; i++) {
        if (l->graph->outputs[i] == value) {
            return true;
        }
    }
    return false;
}

static void extend(int *last, int step) { *last = *last > step ? *last : step; }

/* A use of a window is a use of the whole. */
static void extend_wholes(live *l)
{
    for (size_t i = 0; l->windows && i < l->graph->n_values; i++) {
        if (l->windows[i].whole) {
            extend(&l->last_use[l->windows[i].whole->index], l->last_use[i]);
        }
    }
}

/* Walks backwards, so that a block's last use is known before its producer is reached: a use of a view is
 * a use of what it views. */
static void find_last_uses(live *l)
{
    for (size_t i = 0; i < l->graph->n_values; i++) {
        l->last_use[i] = -1;
    }
    for (size_t i = 0; i < l->graph->n_outputs; i++) {
        l->last_use[l->graph->outputs[i]->index] = l->n_steps;
    }
    for (const pith_node *node = l->graph->last; node; node = node->previous) {
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i]) {
                extend(&l->last_use[node->inputs[i]->index], node->index);
            }
        }
        const pith_value *viewed = pithi_plan_viewed(node);
        if (viewed && node->outputs[0]) {
            extend(&l->last_use[viewed->index], l->last_use[node->outputs[0]->index]);
        }
    }
    extend_wholes(l);
}

/* True if no other operand of the node lies in the same block, but for the same value in front where elements are taken
 * one by one: operators of more than two operands take one after the other, and what scatters, normalises rows or the
 * like reads others of operand 1 after its first result. */
static bool is_alone(const live *l, const pith_node *node, int input, int block)
{
    const int n_free = (node->op->flags & PITH_OP_INPLACE_ANY) || node->op->layout == PITH_LAYOUT_FREE ? 2 : 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *other = node->inputs[i];
        if (i == input || !other || (other == node->inputs[input] && i < n_free)) {
            continue;
        }
        const pithi_storage *storage = &l->out->storage[other->index];
        if (storage->place == PITHI_AT_ARENA && storage->block == block) {
            return false;
        }
    }
    return true;
}

/* Block of the input that output 0 may overwrite, or -1. */
static int inplace_block(const live *l, const pith_node *node)
{
    bool any = (node->op->flags & PITH_OP_INPLACE_ANY) != 0;
    if (!(any || (node->op->flags & PITH_OP_INPLACE)) || l->options->keep_all_values) {
        return -1;
    }
    for (int i = 0; i < (any ? node->n_inputs : 1); i++) {
        const pith_value *input = node->inputs[i];
        const pithi_storage *storage = input ? &l->out->storage[input->index] : NULL;
        if (!storage || storage->place != PITHI_AT_ARENA || storage->first || storage->stride) {
            continue;
        }
        const pithi_block *block = &l->out->blocks[storage->block];
        size_t n_bytes = pithi_plan_bytes(node->outputs[0]);
        const bool same_items = pith_dtype_bytes(input->dtype) == pith_dtype_bytes(node->outputs[0]->dtype);
        if (same_items && block->last_step == node->index &&
            block->n_bytes == n_bytes && pithi_plan_bytes(input) == n_bytes &&
            is_alone(l, node, i, storage->block)) {
            return storage->block;
        }
    }
    return -1;
}

static void new_block(live *l, const pith_value *value, int step)
{
    int last = l->options->keep_all_values ? l->n_steps : l->last_use[value->index];
    l->out->blocks[l->out->n_blocks] = (pithi_block){ pithi_plan_bytes(value), 0, step, last > step ? last : step };
    l->out->storage[value->index] = (pithi_storage){ .place = PITHI_AT_ARENA, .block = l->out->n_blocks++ };
}

/* True if the value is a window, or a whole whose pieces have been made: they have their places. */
static bool place_window(live *l, const pith_value *value, int step)
{
    const pithi_window *window = l->windows ? &l->windows[value->index] : NULL;
    if (!window || !window->whole) {
        return l->out->storage[value->index].place != PITHI_AT_NOWHERE;
    }
    pithi_storage *whole = &l->out->storage[window->whole->index];
    if (whole->place == PITHI_AT_NOWHERE) {
        new_block(l, window->whole, step);
    }
    pithi_storage *storage = &l->out->storage[value->index];
    *storage = *whole;
    storage->first += window->first;
    storage->stride = window->stride;
    return true;
}

static void place_outputs(live *l, const pith_node *node)
{
    const pith_value *viewed = pithi_plan_viewed(node);
    for (int i = 0; i < node->n_outputs; i++) {
        pith_value *value = node->outputs[i];
        if (!value || place_window(l, value, node->index)) {
            continue;
        }
        const pithi_storage *from = i == 0 && viewed ? &l->out->storage[viewed->index] : NULL;
        if (from &&
            !(from->place == PITHI_AT_INPUT && l->last_use[value->index] == l->n_steps && is_kept_output(l, value))) {
            l->out->storage[value->index] = *from;
            continue;
        }
        int block = i == 0 ? inplace_block(l, node) : -1;
        if (block >= 0) {
            l->out->storage[value->index] = (pithi_storage){ .place = PITHI_AT_ARENA, .block = block };
            int last = l->last_use[value->index];
            l->out->blocks[block].last_step = last > node->index ? last : node->index;
        } else {
            new_block(l, value, node->index);
        }
    }
}

pith_status pithi_plan_liveness(pith_graph *graph, const pithi_plan_options *options, int n_spare_blocks,
                                pithi_arena *arena, pithi_liveness *liveness)
{
    live l = { .graph = graph, .options = options, .out = liveness };
    void *storage = NULL, *blocks = NULL, *last_use = NULL;
    size_t n_blocks = 0;

    PITH_CHECK(graph->ctx, pithi_add_size(graph->n_values, (size_t)n_spare_blocks, &n_blocks), PITH_STATUS_LIMIT,
               "too many values");
    PITH_TRY(pithi_arena_array(arena, graph->n_values, sizeof(pithi_storage), &storage));
    PITH_TRY(pithi_arena_array(arena, n_blocks, sizeof(pithi_block), &blocks));
    PITH_TRY(pithi_arena_array(arena, graph->n_values, sizeof(int), &last_use));
    *liveness = (pithi_liveness){ storage, blocks, 0 };
    l.last_use = last_use;
    number_all(&l);
    if (!options->keep_all_values) {
        PITH_TRY(pithi_plan_windows(graph, arena, &l.windows));
    }
    find_last_uses(&l);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        liveness->storage[graph->inputs[i]->index] = (pithi_storage){ .place = PITHI_AT_INPUT, .input = (int)i };
    }
    for (size_t i = 0; i < graph->n_values; i++) { /* an input whose value is fixed counts as constant */
        const pith_value *value = graph->values[i];
        if (value->constant) {
            liveness->storage[i] = (pithi_storage){ .place = PITHI_AT_CONSTANT, .constant = value->constant };
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        place_outputs(&l, node);
    }
    return PITH_OK;
}
