/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights that outlive a process: read back as they were written, found by constant and key, and refused as a
 * whole where the file is of another model or damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/graph.h"
#include "ops/op.h"
#include "platform/platform.h"
#include "support/graph_text.h"

enum { N_BYTES = 1000 };

typedef struct filler {
    int n_calls;
} filler;

static void fill(void *user, void *block)
{
    ((filler *)user)->n_calls++;
    for (int i = 0; i < N_BYTES; i++) {
        ((unsigned char *)block)[i] = (unsigned char)(i * 7);
    }
}

/* Packs the weights of the first node of `graph` under two keys; returns how often something had to be filled. */
static int pack_twice(pith_test *test, const pith_graph *graph, const char *path, uint64_t identity)
{
    const pith_node *node = graph->first;
    pithi_pack_cache *cache = NULL;
    pith_tensor inputs[2] = { { .dtype = PITH_DTYPE_F32 }, *node->inputs[1]->constant };
    filler counter = { 0 };
    pithi_arena arena = { .ctx = test->ctx };
    TEST_OK(test, pithi_pack_cache_create(test->ctx, &cache));
    TEST_OK(test, pithi_pack_cache_open(cache, path, identity));
    pith_prepare prepare = { .ctx = test->ctx, .node = node, .inputs = inputs, .n_inputs = 2, .arena = &arena,
                             .packs = cache, .isa_limit = -1 };
    for (uint64_t key = 1; key <= 2; key++) {
        const void *block = NULL;
        TEST_OK(test, pithi_prepare_pack(&prepare, inputs[1].data, key, N_BYTES, fill, &counter, &block));
        for (int i = 0; block && i < N_BYTES; i++) {
            TEST_CHECK(test, ((const unsigned char *)block)[i] == (unsigned char)(i * 7));
        }
        TEST_CHECK(test, (uintptr_t)block % PITH_ALIGNMENT == 0);
    }
    pithi_pack_cache_store(cache);
    pithi_pack_cache_destroy(cache);
    pithi_arena_deinit(&arena);
    return counter.n_calls;
}

/* No change of head or table is taken for sound; changed blocks would only be other numbers. */
static void check_damage(pith_test *test, const char *path)
{
    pithi_file whole = { 0 };
    TEST_OK(test, pithi_file_map(test->ctx, path, &whole));
    size_t n_bytes = whole.n_bytes, n_table = 32 + 2 * 32;
    unsigned char *copy = malloc(n_bytes);
    memcpy(copy, whole.data, n_bytes);
    pithi_file_unmap(&whole);
    for (int i = 0; i < 300; i++) {
        size_t at = pith_test_random(test) % n_table, keep = i % 3 ? n_bytes : pith_test_random(test) % n_bytes;
        pithi_pack_cache *cache = NULL;
        copy[at] ^= 0x40;
        TEST_OK(test, pithi_file_write(test->ctx, path, copy, keep));
        TEST_OK(test, pithi_pack_cache_create(test->ctx, &cache));
        TEST_OK(test, pithi_pack_cache_open(cache, path, 5));
        pithi_pack_cache_destroy(cache);
        copy[at] ^= 0x40;
    }
    copy[40] ^= 1;
    TEST_OK(test, pithi_file_write(test->ctx, path, copy, n_bytes));
    free(copy);
}

void test_pack_store(pith_test *test)
{
    char folder[] = "/tmp/pith_packs_XXXXXX", path[64];
    pith_graph *graph = pith_test_graph(test, "input x f32[2,3]\nconst w f32[3,40]{1,2,3}\ny = matmul x w\noutput y\n");
    TEST_CHECK(test, graph && mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.pack", folder);
    pith_test_case(test, "packed once, then found");
    TEST_CHECK(test, pack_twice(test, graph, path, 5) == 2);
    TEST_CHECK(test, pack_twice(test, graph, path, 5) == 0);
    pith_test_case(test, "of another model");
    TEST_CHECK(test, pack_twice(test, graph, path, 6) == 2);
    TEST_CHECK(test, pack_twice(test, graph, path, 6) == 0);
    TEST_CHECK(test, pack_twice(test, graph, path, 5) == 2);
    pith_test_case(test, "damaged");
    check_damage(test, path);
    TEST_CHECK(test, pack_twice(test, graph, path, 5) == 2);
    TEST_CHECK(test, pack_twice(test, graph, path, 5) == 0);
    pith_test_case(test, "a folder that isn't there");
    TEST_CHECK(test, pack_twice(test, graph, "/nonexistent/folder/w.pack", 5) == 2);
    unlink(path);
    rmdir(folder);
    pithi_graph_destroy(graph);
}
