/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets: blocks that live together never overlap, the arena is never below the bound nor above the sum, and on
 * tiny cases it is close to the optimum found by trying every order of placement. */
#include <stdlib.h>

#include "plan/plan.h"
#include "support/test.h"

#define MAX_BLOCKS 64
#define N_STEPS 12

static int random_blocks(pith_test *test, pithi_block *blocks, int n_most)
{
    int n_blocks = 1 + (int)(pith_test_random(test) % (uint64_t)n_most);
    for (int i = 0; i < n_blocks; i++) {
        int first = (int)(pith_test_random(test) % N_STEPS), length = (int)(pith_test_random(test) % 4);
        int last = first + length < N_STEPS ? first + length : N_STEPS - 1;
        blocks[i] = (pithi_block){ (pith_test_random(test) % 40) * PITH_ALIGNMENT, 0, first, last };
    }
    return n_blocks;
}

static bool together(const pithi_block *a, const pithi_block *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

static bool overlap(const pithi_block *a, const pithi_block *b)
{
    return a->offset < b->offset + b->n_bytes && b->offset < a->offset + a->n_bytes;
}

static void check_placement(pith_test *test, const pithi_block *blocks, int n_blocks, size_t arena_bytes, size_t bound)
{
    size_t sum = 0;
    for (int i = 0; i < n_blocks; i++) {
        sum += blocks[i].n_bytes;
        TEST_CHECK(test, blocks[i].offset % PITH_ALIGNMENT == 0);
        TEST_CHECK(test, blocks[i].offset + blocks[i].n_bytes <= arena_bytes);
        for (int k = 0; k < i; k++) {
            TEST_CHECK(test, !together(&blocks[i], &blocks[k]) || !overlap(&blocks[i], &blocks[k]));
        }
    }
    TEST_CHECK(test, arena_bytes >= bound && arena_bytes <= sum + PITH_ALIGNMENT);
}

/* Smallest arena over all orders of first-fit placement of blocks[n_placed..]. */
static size_t best_by_force(pithi_block *blocks, int n_blocks, int n_placed, size_t arena_bytes)
{
    if (n_placed == n_blocks) {
        return arena_bytes;
    }
    size_t best = SIZE_MAX;
    for (int i = n_placed; i < n_blocks; i++) {
        pithi_block chosen = blocks[i];
        blocks[i] = blocks[n_placed];
        chosen.offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int k = 0; k < n_placed; k++) {
                if (together(&chosen, &blocks[k]) && overlap(&chosen, &blocks[k]) && chosen.n_bytes) {
                    chosen.offset = blocks[k].offset + blocks[k].n_bytes;
                    moved = true;
                }
            }
        }
        pithi_block saved = blocks[n_placed];
        blocks[n_placed] = chosen;
        size_t end = chosen.offset + chosen.n_bytes;
        size_t found = best_by_force(blocks, n_blocks, n_placed + 1, end > arena_bytes ? end : arena_bytes);
        best = found < best ? found : best;
        blocks[n_placed] = saved;
        blocks[i] = chosen;
    }
    return best;
}

/* Beyond some number of blocks offsets come from another algorithm: the same rules, checked where blocks are born. */
static void check_many(pith_test *test, int longest, size_t most_times_bound)
{
    enum { N_MANY = 40000 };
    pithi_block *blocks = calloc(N_MANY, sizeof *blocks);
    size_t arena_bytes = 0, bound = 0;
    for (int i = 0; i < N_MANY; i++) {
        size_t n_bytes = (size_t)(pith_test_random(test) % 300);
        blocks[i] = (pithi_block){ n_bytes, 0, i, i + (int)(pith_test_random(test) % (uint64_t)longest) };
    }
    TEST_OK(test, pithi_plan_assign_offsets(test->ctx, blocks, N_MANY, N_MANY + longest, &arena_bytes, &bound));
    TEST_CHECK(test, arena_bytes >= bound && arena_bytes <= most_times_bound * bound);
    for (int i = 0; i < N_MANY; i++) {
        TEST_CHECK(test, blocks[i].offset % PITH_ALIGNMENT == 0 && blocks[i].offset + blocks[i].n_bytes <= arena_bytes);
        for (int k = i > longest ? i - longest : 0; k < i; k++) {
            TEST_CHECK(test, !together(&blocks[i], &blocks[k]) || !overlap(&blocks[i], &blocks[k]));
        }
    }
    free(blocks);
}

void test_memory(pith_test *test)
{
    pithi_block blocks[MAX_BLOCKS];
    size_t arena_bytes = 0, bound = 0;
    for (int round = 0; round < 200; round++) {
        pith_test_case(test, "random blocks %d", round);
        int n_blocks = random_blocks(test, blocks, MAX_BLOCKS);
        TEST_OK(test, pithi_plan_assign_offsets(test->ctx, blocks, n_blocks, N_STEPS, &arena_bytes, &bound));
        check_placement(test, blocks, n_blocks, arena_bytes, bound);
    }
    pith_test_case(test, "many blocks of short life");
    check_many(test, 30, 2);
    pith_test_case(test, "too many blocks alive at once to compare them");
    check_many(test, 300, 4);
    pith_test_case(test, "tiny cases are within 5 %% of the optimum in total");
    size_t total = 0, optimum = 0;
    for (int round = 0; round < 100; round++) {
        int n_blocks = random_blocks(test, blocks, 6);
        TEST_OK(test, pithi_plan_assign_offsets(test->ctx, blocks, n_blocks, N_STEPS, &arena_bytes, &bound));
        total += arena_bytes;
        size_t best = best_by_force(blocks, n_blocks, 0, 0);
        TEST_CHECK(test, best >= bound && best <= arena_bytes);
        optimum += best;
    }
    TEST_CHECK_MESSAGE(test, total <= optimum + optimum / 20, "%zu against %zu", total, optimum);
}
