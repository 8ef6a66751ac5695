/* SPDX-License-Identifier: Apache-2.0 */
/* How 8-bit products are cut: whole, without gaps, and into shares that are worth the same. */
#include "ops/shared_s8.h"
#include "support/test.h"

typedef struct product {
    int64_t n_rows, row_pixels, unit, n_k, n, pixel_bytes;
} product;

static pithi_s8_cut cut_of(const product *p, int n_threads)
{
    const pithi_s8_extent extent = { .n_rows = p->n_rows, .row_pixels = p->row_pixels, .unit = p->unit,
                                     .most_rows = 65536 / p->n_k + 1, .most_rows_l2 = 262144 / p->n_k,
                                     .pixel_bytes = p->pixel_bytes, .n_k = p->n_k, .n = p->n, .n_others = 1 };
    return pithi_s8_cut_make(pithi_gemm_s8(-1), &extent, n_threads);
}

/* Results of the grains [begin, end). */
static int64_t results(const pithi_s8_cut *cut, int64_t begin, int64_t end)
{
    int64_t n = 0;
    for (int64_t i = begin; i < end; i++) {
        const int64_t band = i / cut->grid.n_blocks, block = i % cut->grid.n_blocks;
        n += (pithi_s8_cut_row(cut, band + 1) - pithi_s8_cut_row(cut, band)) *
             (pithi_grid_column(&cut->grid, block + 1) - pithi_grid_column(&cut->grid, block));
    }
    return n;
}

static void check_shares(pith_test *test, const product *p, int n_threads)
{
    const pithi_s8_cut cut = cut_of(p, n_threads);
    const int64_t n_grains = cut.grid.n_bands * cut.grid.n_blocks, all = p->n_rows * p->n;
    TEST_CHECK(test, results(&cut, 0, n_grains) == all);
    for (int64_t i = 0; i < cut.grid.n_bands; i++) {
        const int64_t n = pithi_s8_cut_row(&cut, i + 1) - pithi_s8_cut_row(&cut, i);
        TEST_CHECK(test, n > 0 && n <= cut.band);
    }
    for (int64_t i = 0; i < cut.grid.n_blocks; i++) {
        const int64_t n = pithi_grid_column(&cut.grid, i + 1) - pithi_grid_column(&cut.grid, i);
        TEST_CHECK(test, n > 0 && n <= cut.block);
    }
    for (int i = 0; i < n_threads && n_threads == 2; i++) {
        const int64_t share = results(&cut, n_grains * i / n_threads, n_grains * (i + 1) / n_threads);
        TEST_CHECK_MESSAGE(test, (double)share < 0.54 * (double)all, "thread %d has %.2f of %lld rows, %lld columns", i,
                           (double)share / (double)all, (long long)p->n_rows, (long long)p->n);
    }
}

void test_s8_cut(pith_test *test)
{
    static const product products[] = {
        { 3136, 1, 6, 64, 256, 320 }, { 784, 1, 6, 512, 128, 640 }, { 196, 1, 6, 1024, 256, 1280 },
        { 196, 1, 6, 256, 1024, 1280 }, { 49, 1, 6, 2048, 512, 2560 }, { 49, 1, 6, 960, 320, 1280 },
        { 7, 7, 1, 4608, 512, 1024 }, { 28, 28, 1, 1152, 128, 256 }, { 197, 1, 6, 192, 576, 768 },
        { 128, 1, 6, 1024, 256, 1280 }, { 8, 8, 1, 576, 64, 128 }, { 16, 1, 6, 2304, 128, 384 },
    };
    for (int i = 0; i < PITH_COUNT(products); i++) {
        pith_test_case(test, "%lld rows, %lld columns", (long long)products[i].n_rows, (long long)products[i].n);
        for (int n_threads = 1; n_threads < 9; n_threads++) {
            check_shares(test, &products[i], n_threads);
        }
    }
    pith_test_case(test, "weights that outweigh rows are read by one thread each");
    TEST_CHECK(test, cut_of(&products[4], 2).grid.n_bands == 1 && cut_of(&products[6], 2).grid.n_bands == 1);
    pith_test_case(test, "nothing");
    const pithi_s8_cut none = cut_of(&(product){ 0, 1, 6, 64, 64, 128 }, 2);
    TEST_CHECK(test, none.grid.n_bands * none.grid.n_blocks == 0);
}
