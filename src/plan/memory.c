/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in one arena. Blocks are placed one after the other at the lowest gap that is free during their
 * whole life; two orders are tried, by size and by life area (Pisarchyk and Lee 2020, "Efficient
 * Memory Management for Deep Neural Net Inference", greedy by size), and the smaller arena wins. */
#include <stdlib.h>

#include "plan/plan.h"

typedef struct placement {
    const pithi_block *block;
    size_t offset;
    int index;
    uint64_t weight; /* larger goes first */
} placement;

static int by_weight(const void *a, const void *b)
{
    const placement *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->index - y->index;
}

static bool live_together(const pithi_block *a, const pithi_block *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

/* Lowest offset for `item` among the `n_placed` blocks of `sorted` (by rising offset). */
static size_t lowest_gap(const placement *item, const placement *const *sorted, int n_placed)
{
    size_t candidate = 0;
    for (int i = 0; i < n_placed; i++) {
        const placement *other = sorted[i];
        if (!live_together(item->block, other->block)) {
            continue;
        }
        if (other->offset >= candidate && other->offset - candidate >= item->block->n_bytes) {
            break;
        }
        size_t end = pithi_align_up(other->offset + other->block->n_bytes, PITH_ALIGNMENT);
        candidate = end > candidate ? end : candidate;
    }
    return candidate;
}

static size_t place_all(placement *items, int n_items, const placement **sorted)
{
    size_t arena_bytes = 0;
    qsort(items, (size_t)n_items, sizeof *items, by_weight);
    for (int i = 0; i < n_items; i++) {
        items[i].offset = lowest_gap(&items[i], sorted, i);
        size_t end = items[i].offset + items[i].block->n_bytes;
        arena_bytes = end > arena_bytes ? end : arena_bytes;
        int at = i;
        for (; at > 0 && sorted[at - 1]->offset > items[i].offset; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = &items[i];
    }
    return arena_bytes;
}

/* ---- very many blocks ---------------------------------------------------------------------- */

/* Placing by weight compares every block with all before it. Beyond MANY_BLOCKS they are placed in the order of their
 * lives instead: sizes are rounded up to powers of two, and a block that dies leaves its place to the next of its
 * size. Takes n steps, and at most twice the bytes that are alive of each size at its worst. */
#define MANY_BLOCKS 16384
#define N_CLASSES 64

typedef struct chain {
    int *first; /* by step, -1: none */
    int *next;  /* by block */
} chain;

static int class_of(size_t n_bytes)
{
    int class = 6; /* 64 bytes */
    while (class < N_CLASSES - 1 && (size_t)1 << class < n_bytes) {
        class++;
    }
    return class;
}

static size_t place_in_order(pithi_block *blocks, int n_steps, const chain *born, chain *dying, int *free_next)
{
    int free_first[N_CLASSES];
    size_t arena_bytes = 0;
    for (int i = 0; i < N_CLASSES; i++) {
        free_first[i] = -1;
    }
    for (int step = 0; step < n_steps; step++) {
        for (int i = born->first[step]; i >= 0; i = born->next[i]) {
            int class = class_of(blocks[i].n_bytes), reused = free_first[class];
            blocks[i].offset = reused >= 0 ? blocks[reused].offset : arena_bytes;
            free_first[class] = reused >= 0 ? free_next[reused] : -1;
            arena_bytes += reused >= 0 ? 0 : (size_t)1 << class;
        }
        for (int i = dying->first[step]; i >= 0; i = dying->next[i]) {
            int class = class_of(blocks[i].n_bytes);
            free_next[i] = free_first[class];
            free_first[class] = i;
        }
    }
    return arena_bytes;
}

static pith_status place_many(pith_ctx *ctx, pithi_block *blocks, int n_blocks, int n_steps, size_t *arena_bytes_out)
{
    void *memory = NULL;
    size_t n_steps_all = (size_t)n_steps, n = (size_t)n_blocks;
    PITH_TRY(pithi_alloc_array(ctx, 2 * n_steps_all + 3 * n, sizeof(int), &memory));
    int *ints = memory;
    chain born = { ints, ints + 2 * n_steps_all }, dying = { ints + n_steps_all, born.next + n };
    for (size_t i = 0; i < 2 * n_steps_all; i++) {
        ints[i] = -1;
    }
    for (int i = n_blocks - 1; i >= 0; i--) {
        born.next[i] = born.first[blocks[i].first_step];
        born.first[blocks[i].first_step] = i;
        int last = blocks[i].last_step < n_steps ? blocks[i].last_step : n_steps - 1;
        dying.next[i] = dying.first[last];
        dying.first[last] = i;
    }
    *arena_bytes_out = place_in_order(blocks, n_steps, &born, &dying, dying.next + n);
    pithi_free(ctx, memory);
    return PITH_OK;
}

/* ---- all ----------------------------------------------------------------------------------- */

static void weigh(placement *items, const pithi_block *blocks, int n_blocks, bool by_area)
{
    for (int i = 0; i < n_blocks; i++) {
        uint64_t life = (uint64_t)(blocks[i].last_step - blocks[i].first_step + 1);
        items[i] = (placement){ &blocks[i], 0, i, by_area ? blocks[i].n_bytes * life : blocks[i].n_bytes };
    }
}

static pith_status most_alive(pith_ctx *ctx, const pithi_block *blocks, int n_blocks, int n_steps, size_t *most_out)
{
    void *memory = NULL;
    PITH_TRY(pithi_alloc_array(ctx, (size_t)n_steps + 1, sizeof(int64_t), &memory));
    int64_t *change = memory;
    for (int i = 0; i < n_blocks; i++) {
        change[blocks[i].first_step] += (int64_t)blocks[i].n_bytes;
        change[blocks[i].last_step + 1] -= (int64_t)blocks[i].n_bytes;
    }
    int64_t alive = 0, most = 0;
    for (int step = 0; step < n_steps; step++) {
        alive += change[step];
        most = pithi_max_s64(most, alive);
    }
    pithi_free(ctx, memory);
    *most_out = (size_t)most;
    return PITH_OK;
}

static pith_status check_total(pith_ctx *ctx, const pithi_block *blocks, int n_blocks)
{
    size_t total = 0;
    for (int i = 0; i < n_blocks; i++) {
        PITH_CHECK(ctx, pithi_add_size(total, blocks[i].n_bytes + PITH_ALIGNMENT, &total) && total < SIZE_MAX / 2,
                   PITH_STATUS_LIMIT, "activations together overflow a size");
    }
    return PITH_OK;
}

pith_status pithi_plan_assign_offsets(pith_ctx *ctx, pithi_block *blocks, int n_blocks, int n_steps,
                                      size_t *arena_bytes_out, size_t *lower_bound_out)
{
    void *items = NULL, *sorted = NULL;
    pith_status status = PITH_OK;
    size_t best = SIZE_MAX;

    PITH_TRY_GOTO(check_total(ctx, blocks, n_blocks), done);
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_blocks, sizeof(placement), &items), done);
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_blocks, sizeof(placement *), &sorted), done);
    PITH_TRY_GOTO(most_alive(ctx, blocks, n_blocks, n_steps, lower_bound_out), done);
    if (n_blocks > MANY_BLOCKS) {
        PITH_TRY_GOTO(place_many(ctx, blocks, n_blocks, n_steps, &best), done);
    }
    for (int by_area = 0; by_area < 2 && best > *lower_bound_out && n_blocks <= MANY_BLOCKS; by_area++) {
        weigh(items, blocks, n_blocks, by_area);
        size_t arena_bytes = place_all(items, n_blocks, sorted);
        for (int i = 0; i < n_blocks && arena_bytes < best; i++) {
            const placement *item = (const placement *)items + i;
            blocks[item->index].offset = item->offset;
        }
        best = arena_bytes < best ? arena_bytes : best;
    }
    *arena_bytes_out = n_blocks ? pithi_align_up(best, PITH_ALIGNMENT) : 0;
done:
    pithi_free(ctx, items);
    pithi_free(ctx, sorted);
    return status;
}
