/* SPDX-License-Identifier: Apache-2.0 */
/* pool_u8 of every ISA against plain loops: all short numbers of channels, several taps, operands at inaccessible
 * pages. */
#include <math.h>

#include "kernels/pool_u8.h"
#include "support/test.h"

#define N_TAPS 5

static int value_of(uint8_t byte, uint8_t flip) { return (byte ^ flip) - flip; }

static void fill(pith_test *test, pith_guarded *block, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)block->data)[i] = (uint8_t)pith_test_random(test);
    }
}

static void check_max(pith_test *test, const pith_pool_u8 *kernel, size_t n_channels, uint8_t flip)
{
    const size_t n_pixels = 3, step = n_channels, n = (N_TAPS + n_pixels - 1) * n_channels;
    pith_guarded x = pith_guarded_alloc(n, flip != 0), y = pith_guarded_alloc(n_pixels * n_channels, flip == 0);
    const uint8_t *taps[N_TAPS], *to = y.data;
    size_t n_wrong = 0;
    fill(test, &x, n);
    for (size_t t = 0; t < N_TAPS; t++) {
        taps[t] = (const uint8_t *)x.data + t * n_channels;
    }
    kernel->max(taps, N_TAPS, step, y.data, n_channels, n_pixels, flip);
    for (size_t i = 0; i < n_pixels * n_channels; i++) {
        int largest = -1000;
        for (size_t t = 0; t < N_TAPS; t++) {
            int value = value_of(taps[t][i], flip);
            largest = value > largest ? value : largest;
        }
        n_wrong += largest != value_of(to[i], flip);
    }
    TEST_CHECK_MESSAGE(test, n_wrong == 0, "max of %zu channels: %zu wrong", n_channels, n_wrong);
    pith_guarded_free(&x);
    pith_guarded_free(&y);
}

static void check_mean(pith_test *test, const pith_pool_u8 *kernel, size_t n_channels, uint8_t flip)
{
    const pith_pool_u8_mean mean = { .x_scale = 0.037f, .y_scale = 0.021f, .divisor = 7.0f, .x_zero = flip ? -3 : 120,
                                     .y_zero = flip ? 5 : 100, .low = flip ? -128 : 0, .high = flip ? 127 : 255 };
    pith_guarded x = pith_guarded_alloc(N_TAPS * n_channels, flip != 0), y = pith_guarded_alloc(n_channels, flip == 0);
    const uint8_t *taps[N_TAPS], *to = y.data;
    size_t n_wrong = 0;
    fill(test, &x, N_TAPS * n_channels);
    for (size_t t = 0; t < N_TAPS; t++) {
        taps[t] = (const uint8_t *)x.data + t * n_channels;
    }
    kernel->mean(taps, N_TAPS, y.data, n_channels, &mean, flip);
    for (size_t c = 0; c < n_channels; c++) {
        float sum = 0.0f;
        for (size_t t = 0; t < N_TAPS; t++) {
            sum += (float)(value_of(taps[t][c], flip) - mean.x_zero) * mean.x_scale;
        }
        double wanted = nearbyint((double)(sum / mean.divisor / mean.y_scale + (float)mean.y_zero));
        wanted = fmin(fmax(wanted, mean.low), mean.high);
        n_wrong += value_of(to[c], flip) != (int)wanted;
    }
    TEST_CHECK_MESSAGE(test, n_wrong == 0, "mean of %zu channels: %zu wrong", n_channels, n_wrong);
    pith_guarded_free(&x);
    pith_guarded_free(&y);
}

static void check_sums(pith_test *test, const pith_pool_u8 *kernel, size_t n_channels, size_t n_pixels, uint8_t flip)
{
    pith_guarded x = pith_guarded_alloc(n_pixels * n_channels, flip != 0);
    pith_guarded sums = pith_guarded_alloc(n_channels * sizeof(int32_t), flip == 0);
    int32_t *to = sums.data;
    size_t n_wrong = 0;
    fill(test, &x, n_pixels * n_channels);
    if (n_pixels > 300) {
        memset(x.data, flip ? 0x7f : 0xff, n_pixels * n_channels); /* the largest sums */
    }
    for (size_t c = 0; c < n_channels; c++) {
        to[c] = (int32_t)c;
    }
    kernel->sums(x.data, n_pixels, n_channels, to, n_channels, flip);
    for (size_t c = 0; c < n_channels; c++) {
        int32_t wanted = (int32_t)c;
        for (size_t p = 0; p < n_pixels; p++) {
            wanted += value_of(((const uint8_t *)x.data)[p * n_channels + c], flip);
        }
        n_wrong += wanted != to[c];
    }
    TEST_CHECK_MESSAGE(test, n_wrong == 0, "sums of %zu pixels of %zu channels: %zu wrong", n_pixels, n_channels,
                       n_wrong);
    pith_guarded_free(&x);
    pith_guarded_free(&sums);
}

void test_pool_u8(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("pool_u8", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_pool_u8 *kernel = set->records;
        pith_test_case(test, "%s", kernel->head.name);
        for (size_t n = 1; n < 150; n++) {
            const uint8_t flip = (uint8_t)(n % 2 ? 0x80 : 0);
            check_max(test, kernel, n, flip);
            check_mean(test, kernel, n, flip);
            check_sums(test, kernel, n, n % 5 ? n % 7 : 600, flip);
        }
    }
}
