/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights: shared for what lives as long as the model, the plan's own for what dies with it. */
#include "ops/op.h"
#include "support/test.h"

static void count_fill(void *user, void *block)
{
    ++*(int *)user;
    memset(block, 1, 16);
}

void test_pack_cache(pith_test *test)
{
    static const float weights[4] = { 1, 2, 3, 4 };
    pithi_pack_cache *cache = NULL;
    pithi_arena plan = { .ctx = test->ctx }, constants = { .ctx = test->ctx };
    const void *first = NULL, *second = NULL;
    void *own = NULL;
    int n_fills = 0;
    pith_test_case(test, "weights of the model are packed once, those of a plan for each plan");
    TEST_OK(test, pithi_pack_cache_create(test->ctx, &cache));
    TEST_OK(test, pithi_arena_alloc(&constants, 16, &own));
    pith_prepare prepare = { .ctx = test->ctx, .arena = &plan, .packs = cache, .plan_constants = &constants };
    TEST_OK(test, pithi_prepare_pack(&prepare, weights, 7, 16, count_fill, &n_fills, &first));
    TEST_OK(test, pithi_prepare_pack(&prepare, weights, 7, 16, count_fill, &n_fills, &second));
    TEST_CHECK(test, first == second && n_fills == 1 && pithi_pack_cache_bytes(cache) == 16);
    TEST_OK(test, pithi_prepare_pack(&prepare, own, 7, 16, count_fill, &n_fills, &first));
    TEST_OK(test, pithi_prepare_pack(&prepare, own, 7, 16, count_fill, &n_fills, &second));
    TEST_CHECK(test, first != second && n_fills == 3 && pithi_pack_cache_bytes(cache) == 16);
    TEST_CHECK(test, pithi_arena_owns(&plan, first) && pithi_arena_owns(&plan, second));
    TEST_CHECK(test, pithi_arena_owns(&constants, own) && !pithi_arena_owns(&constants, weights));
    pithi_pack_cache_destroy(cache);
    pithi_arena_deinit(&plan);
    pithi_arena_deinit(&constants);
}
