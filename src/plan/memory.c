/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets in one arena. Blocks are placed one after the other at the lowest gap that is free during their
 * whole life, by falling life area and by falling size (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep
 * Neural Net Inference", greedy by size). While the arena is larger than what is alive at once, blocks that stick out
 * gain weight in their order and all are placed anew: those that were in the way come later then. The smallest wins. */
#include <stdlib.h>

#include "plan/plan.h"

#define MAX_PAIRS ((size_t)1 << 22)  /* of blocks alive together, for which this is done */
#define MAX_VISITS ((size_t)1 << 21) /* of pairs while looking for a better order: some 10 ms */
#define MAX_ROUNDS 60

typedef struct placement {
    size_t n_bytes, offset; /* both multiples of PITH_ALIGNMENT */
    double weights[2];      /* of two orders that are improved in turns */
    double weight;          /* of the order under way: larger goes first */
    int first_step, last_step, block;
    bool is_placed;
    size_t first_neighbour, n_neighbours; /* those alive at the same time */
} placement;

typedef struct span {
    size_t begin, end;
} span;

typedef struct packing {
    pithi_arena memory;
    placement *items; /* blocks that have bytes, by first step */
    int n_items;
    int *neighbours;
    size_t n_pairs;
    placement **order;  /* by weight */
    span *spans;
    size_t bound;
} packing;

static int by_birth(const void *a, const void *b)
{
    const placement *x = a, *y = b;
    return x->first_step != y->first_step ? (x->first_step < y->first_step ? -1 : 1) : x->block - y->block;
}

static int by_weight(const void *a, const void *b)
{
    const placement *x = *(const placement *const *)a, *y = *(const placement *const *)b;
    return x->weight != y->weight ? (x->weight > y->weight ? -1 : 1) : x->block - y->block;
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void add_neighbour(packing *p, placement *item, int neighbour)
{
    if (p->neighbours) {
        p->neighbours[item->first_neighbour + item->n_neighbours] = neighbour;
    }
    item->n_neighbours++;
}

/* Walks through time. Without p->neighbours it only counts, up to MAX_PAIRS. `alive` has room for all. */
static void meet(packing *p, int *alive)
{
    int n_alive = 0;
    p->n_pairs = 0;
    for (int i = 0; i < p->n_items && p->n_pairs <= MAX_PAIRS; i++) {
        int n_left = 0;
        for (int k = 0; k < n_alive; k++) {
            if (p->items[alive[k]].last_step >= p->items[i].first_step) {
                add_neighbour(p, &p->items[i], alive[k]);
                add_neighbour(p, &p->items[alive[k]], i);
                alive[n_left++] = alive[k];
            }
        }
        p->n_pairs += (size_t)n_left;
        alive[n_left] = i;
        n_alive = n_left + 1;
    }
}

/* Leaves the neighbours out if there are too many. */
static pith_status find_neighbours(packing *p)
{
    void *alive = NULL, *neighbours = NULL;
    size_t first = 0;
    PITH_TRY(pithi_arena_array(&p->memory, (size_t)p->n_items, sizeof(int), &alive));
    meet(p, alive);
    if (p->n_pairs > MAX_PAIRS) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&p->memory, 2 * p->n_pairs, sizeof(int), &neighbours));
    p->neighbours = neighbours;
    for (int i = 0; i < p->n_items; i++) {
        p->items[i].first_neighbour = first;
        first += p->items[i].n_neighbours;
        p->items[i].n_neighbours = 0;
    }
    meet(p, alive);
    return PITH_OK;
}

static size_t lowest_gap(const packing *p, const placement *item)
{
    size_t candidate = 0;
    size_t n = 0;
    for (size_t i = 0; i < item->n_neighbours; i++) {
        const placement *other = &p->items[p->neighbours[item->first_neighbour + i]];
        if (other->is_placed) {
            p->spans[n++] = (span){ other->offset, other->offset + other->n_bytes };
        }
    }
    qsort(p->spans, n, sizeof *p->spans, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (p->spans[i].begin >= candidate && p->spans[i].begin - candidate >= item->n_bytes) {
            break;
        }
        candidate = p->spans[i].end > candidate ? p->spans[i].end : candidate;
    }
    return candidate;
}

static size_t place_all(packing *p)
{
    size_t arena_bytes = 0;
    for (int i = 0; i < p->n_items; i++) {
        p->items[i].is_placed = false;
        p->order[i] = &p->items[i];
    }
    qsort(p->order, (size_t)p->n_items, sizeof *p->order, by_weight);
    for (int i = 0; i < p->n_items; i++) {
        placement *item = p->order[i];
        item->offset = lowest_gap(p, item);
        item->is_placed = true;
        arena_bytes = item->offset + item->n_bytes > arena_bytes ? item->offset + item->n_bytes : arena_bytes;
    }
    return arena_bytes;
}

static void weigh(packing *p)
{
    for (int i = 0; i < p->n_items; i++) {
        placement *item = &p->items[i];
        item->weights[1] = (double)item->n_bytes;
        item->weights[0] = item->weights[1] * (double)(item->last_step - item->first_step + 1);
    }
}

static size_t place_in(packing *p, int order)
{
    for (int i = 0; i < p->n_items; i++) {
        p->items[i].weight = p->items[i].weights[order];
    }
    size_t arena_bytes = place_all(p);
    for (int i = 0; i < p->n_items; i++) {
        if (p->items[i].offset + p->items[i].n_bytes > p->bound) {
            p->items[i].weights[order] *= 2.0;
        }
    }
    return arena_bytes;
}

static size_t place_best(packing *p, pithi_block *blocks)
{
    size_t best = SIZE_MAX, visits = 0;
    weigh(p);
    for (int round = 0; round < MAX_ROUNDS && best > p->bound && visits <= MAX_VISITS; round++) {
        size_t arena_bytes = place_in(p, round % 2);
        for (int i = 0; i < p->n_items && arena_bytes < best; i++) {
            blocks[p->items[i].block].offset = p->items[i].offset;
        }
        best = arena_bytes < best ? arena_bytes : best;
        visits += p->n_pairs + (size_t)p->n_items;
    }
    return best;
}

static pith_status create_items(packing *p, const pithi_block *blocks, int n_blocks)
{
    void *items = NULL, *order = NULL, *spans = NULL;
    for (int i = 0; i < n_blocks; i++) {
        p->n_items += blocks[i].n_bytes > 0;
    }
    PITH_TRY(pithi_arena_array(&p->memory, (size_t)p->n_items, sizeof(placement), &items));
    PITH_TRY(pithi_arena_array(&p->memory, (size_t)p->n_items, sizeof(placement *), &order));
    PITH_TRY(pithi_arena_array(&p->memory, (size_t)p->n_items, sizeof(span), &spans));
    p->items = items;
    p->order = order;
    p->spans = spans;
    placement *item = p->items;
    for (int i = 0; i < n_blocks; i++) {
        if (blocks[i].n_bytes > 0) {
            *item++ = (placement){ .n_bytes = pithi_align_up(blocks[i].n_bytes, PITH_ALIGNMENT), .block = i,
                                   .first_step = blocks[i].first_step, .last_step = blocks[i].last_step };
        }
    }
    qsort(p->items, (size_t)p->n_items, sizeof *p->items, by_birth);
    return find_neighbours(p);
}

/* ---- very many blocks ---------------------------------------------------------------------- */

/* Placing by weight compares blocks with all that live at the same time. With more than MAX_PAIRS they are placed in
 * the order of their lives instead: sizes are rounded up to powers of two, and a block that dies leaves its place to
 * the next of its size. Takes n steps, and at most twice the bytes that are alive of each size at its worst. */
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

/* Most bytes alive at one step, and the same of whole units of PITH_ALIGNMENT. */
static pith_status most_alive(pith_ctx *ctx, const pithi_block *blocks, int n_blocks, int n_steps, size_t *most_out,
                              size_t *most_aligned_out)
{
    void *memory = NULL;
    PITH_TRY(pithi_alloc_array(ctx, 2 * ((size_t)n_steps + 1), sizeof(int64_t), &memory));
    int64_t *change = memory, *aligned = change + n_steps + 1;
    for (int i = 0; i < n_blocks; i++) {
        int64_t n_bytes = (int64_t)blocks[i].n_bytes, n_aligned = (int64_t)pithi_align_up(blocks[i].n_bytes,
                                                                                          PITH_ALIGNMENT);
        change[blocks[i].first_step] += n_bytes;
        change[blocks[i].last_step + 1] -= n_bytes;
        aligned[blocks[i].first_step] += n_aligned;
        aligned[blocks[i].last_step + 1] -= n_aligned;
    }
    int64_t alive = 0, most = 0, alive_aligned = 0, most_aligned = 0;
    for (int step = 0; step < n_steps; step++) {
        alive += change[step];
        alive_aligned += aligned[step];
        most = pithi_max_s64(most, alive);
        most_aligned = pithi_max_s64(most_aligned, alive_aligned);
    }
    pithi_free(ctx, memory);
    *most_out = (size_t)most;
    *most_aligned_out = (size_t)most_aligned;
    return PITH_OK;
}

/* What all blocks take side by side: the arena where all live at once. */
static pith_status sum_blocks(pith_ctx *ctx, const pithi_block *blocks, int n_blocks, size_t *total_out)
{
    size_t total = 0;
    for (int i = 0; i < n_blocks; i++) {
        PITH_CHECK(ctx, pithi_add_size(total, blocks[i].n_bytes + PITH_ALIGNMENT, &total) && total < SIZE_MAX / 2,
                   PITH_STATUS_LIMIT, "activations together overflow a size");
    }
    *total_out = 0;
    for (int i = 0; i < n_blocks; i++) {
        *total_out += pithi_align_up(blocks[i].n_bytes, PITH_ALIGNMENT);
    }
    return PITH_OK;
}

static void place_side_by_side(pithi_block *blocks, int n_blocks)
{
    size_t offset = 0;
    for (int i = 0; i < n_blocks; i++) {
        blocks[i].offset = offset;
        offset += pithi_align_up(blocks[i].n_bytes, PITH_ALIGNMENT);
    }
}

pith_status pithi_plan_assign_offsets(pith_ctx *ctx, pithi_block *blocks, int n_blocks, int n_steps,
                                      size_t *arena_bytes_out, size_t *lower_bound_out)
{
    packing p = { .memory = { .ctx = ctx } };
    pith_status status = PITH_OK;
    size_t total = 0;
    PITH_TRY_GOTO(sum_blocks(ctx, blocks, n_blocks, &total), done);
    PITH_TRY_GOTO(most_alive(ctx, blocks, n_blocks, n_steps, lower_bound_out, &p.bound), done);
    *arena_bytes_out = total;
    if (total == p.bound) {
        place_side_by_side(blocks, n_blocks);
        goto done;
    }
    PITH_TRY_GOTO(create_items(&p, blocks, n_blocks), done);
    if (p.neighbours) {
        *arena_bytes_out = place_best(&p, blocks);
    } else {
        PITH_TRY_GOTO(place_many(ctx, blocks, n_blocks, n_steps, arena_bytes_out), done);
        *arena_bytes_out = pithi_align_up(*arena_bytes_out, PITH_ALIGNMENT);
    }
done:
    pithi_arena_deinit(&p.memory);
    return status;
}
