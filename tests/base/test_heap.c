/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of the heap never share a byte, keep what they hold, and leave their place to others when they die. */
#include "base/heap.h"

#include <stdint.h>
#include <string.h>

#include "support/test.h"

enum { N_BLOCKS = 60, N_ROUNDS = 4000 };

typedef struct held {
    unsigned char *block;
    size_t n_bytes;
    unsigned char mark;
} held;

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* First and last bytes of each page tell of overlaps as well as all of them do. */
static bool is_whole(const held *h)
{
    bool whole = h->block[0] == h->mark && h->block[h->n_bytes - 1] == h->mark;
    for (size_t i = 0; whole && i < h->n_bytes; i += 4096) {
        whole = h->block[i] == h->mark;
    }
    return whole;
}

static void take(pith_test *test, pithi_heap *heap, held *h, uint64_t *state)
{
    static const size_t most[] = { 1000, 100 << 10, 1 << 20, 12 << 20 };
    *h = (held){ .n_bytes = 1 + next(state) % most[next(state) % 16 ? next(state) % 3 : 3],
                 .mark = (unsigned char)next(state) };
    h->block = pithi_heap_alloc(heap, h->n_bytes);
    TEST_CHECK(test, h->block && (uintptr_t)h->block % 16 == 0);
    if (h->block) {
        memset(h->block, h->mark, h->n_bytes);
    }
}

static void random_blocks(pith_test *test)
{
    pithi_heap heap = { 0 };
    held blocks[N_BLOCKS] = { 0 };
    uint64_t state = test->seed + 1;
    for (int round = 0; round < N_ROUNDS; round++) {
        held *h = &blocks[next(&state) % N_BLOCKS];
        if (!h->block) {
            take(test, &heap, h, &state);
            continue;
        }
        TEST_CHECK(test, is_whole(h));
        pithi_heap_release(&heap, h->block, h->n_bytes);
        h->block = NULL;
        if (round % 100 == 0) {
            pithi_heap_trim(&heap);
        }
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        if (blocks[i].block) {
            TEST_CHECK(test, is_whole(&blocks[i]));
            pithi_heap_release(&heap, blocks[i].block, blocks[i].n_bytes);
        }
    }
    pithi_heap_deinit(&heap);
    TEST_CHECK(test, heap.regions == NULL);
}

void test_heap(pith_test *test)
{
    enum { N_BYTES = 256 << 10 };
    pith_test_case(test, "random blocks");
    random_blocks(test);

    pith_test_case(test, "empty regions are given back");
    pithi_heap heap = { 0 };
    void *large = pithi_heap_alloc(&heap, 8 * N_BYTES);
    TEST_CHECK(test, large != NULL);
    if (large) {
        pithi_heap_release(&heap, large, 8 * N_BYTES);
    }
    TEST_CHECK(test, heap.regions == NULL);

    pith_test_case(test, "a block takes the place of a dead one");
    void *first = pithi_heap_alloc(&heap, N_BYTES), *second = pithi_heap_alloc(&heap, N_BYTES);
    if (heap.regions) { /* not where a sanitizer wants malloc's blocks */
        pithi_heap_release(&heap, first, N_BYTES);
        first = pithi_heap_alloc(&heap, N_BYTES / 2);
        void *third = pithi_heap_alloc(&heap, N_BYTES / 2);
        TEST_CHECK(test, (char *)third == (char *)first + N_BYTES / 2 && (char *)second == (char *)first + N_BYTES);
        pithi_heap_release(&heap, third, N_BYTES / 2);
        pithi_heap_release(&heap, first, N_BYTES / 2);
    } else {
        pithi_heap_release(&heap, first, N_BYTES);
    }
    pithi_heap_release(&heap, second, N_BYTES);
    pithi_heap_deinit(&heap);
}
