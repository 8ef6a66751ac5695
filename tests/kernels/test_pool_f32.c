/* SPDX-License-Identifier: Apache-2.0 */
/* pool_f32 under every ISA, bit for bit against plain C: pixels and strided rows, sizes, guard zones, NaN. */
#include <math.h>

#include "kernels/pool_f32.h"
#include "support/float_vectors.h"

#define MAX_TAPS 9

static float take(int kind, float acc, float x)
{
    return kind == PITH_POOL_SUM ? acc + x : isnan(acc) || isnan(x) ? NAN : fmaxf(acc, x);
}

static void check_pixel(pith_test *test, const pith_pool_f32 *kernel, int kind, size_t n_taps, size_t n)
{
    pith_test_floats taps[MAX_TAPS], y = pith_test_floats_new(n, n % 2);
    const float *pointers[MAX_TAPS];
    const float factor = 1.0f / (float)n_taps;
    for (size_t t = 0; t < n_taps; t++) {
        taps[t] = pith_test_floats_random(test, n, n % 2, -4, 4, t % 3 == 0);
        pointers[t] = taps[t].data;
    }
    kernel->pixel[kind](pointers, n_taps, y.data, n, factor);
    for (size_t c = 0; c < n; c++) {
        float wanted = taps[0].data[c];
        for (size_t t = 1; t < n_taps; t++) {
            wanted = take(kind, wanted, taps[t].data[c]);
        }
        wanted = kind == PITH_POOL_SUM ? wanted * factor : wanted;
        TEST_CHECK_MESSAGE(test, pith_test_same_float(y.data[c], wanted),
                           "pixel kind %d, %zu taps, channel %zu of %zu: %g, wanted %g",
                           kind, n_taps, c, n, (double)y.data[c], (double)wanted);
    }
    for (size_t t = 0; t < n_taps; t++) {
        pith_test_floats_free(&taps[t]);
    }
    pith_test_floats_free(&y);
}

/* Neighbouring windows at once, the same bits as one by one. */
static void check_run(pith_test *test, const pith_pool_f32 *kernel, int kind, size_t n_taps, size_t n)
{
    const size_t n_pixels = 1 + n % 5, step = n + n % 3;
    pith_test_floats x = pith_test_floats_random(test, (n_pixels + n_taps) * step + n, n % 2, -4, 4, true);
    pith_test_floats y = pith_test_floats_new(n_pixels * n, n % 2), wanted = pith_test_floats_new(n, false);
    const float *taps[MAX_TAPS], *moved[MAX_TAPS];
    for (size_t t = 0; t < n_taps; t++) {
        taps[t] = x.data + t * step;
    }
    kernel->run[kind](taps, n_taps, step, y.data, n, n_pixels, 0.5f);
    for (size_t i = 0; i < n_pixels; i++) {
        for (size_t t = 0; t < n_taps; t++) {
            moved[t] = taps[t] + i * step;
        }
        kernel->pixel[kind](moved, n_taps, wanted.data, n, 0.5f);
        for (size_t c = 0; c < n; c++) {
            TEST_CHECK(test, pith_test_same_float(y.data[i * n + c], wanted.data[c]));
        }
    }
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
    pith_test_floats_free(&wanted);
}

static void check_row(pith_test *test, const pith_pool_f32 *kernel, int kind, size_t stride, size_t n)
{
    const size_t n_x = n ? (n - 1) * stride + 1 : 0;
    pith_test_floats x = pith_test_floats_random(test, n_x, n % 2, -4, 4, true);
    pith_test_floats y = pith_test_floats_random(test, n, n % 2, -4, 4, true), wanted = pith_test_floats_new(n, false);
    for (size_t i = 0; i < n; i++) {
        wanted.data[i] = take(kind, y.data[i], x.data[i * stride]);
    }
    kernel->row[kind](x.data, (ptrdiff_t)stride, y.data, n);
    for (size_t i = 0; i < n; i++) {
        TEST_CHECK_MESSAGE(test, pith_test_same_float(y.data[i], wanted.data[i]),
                           "row kind %d stride %zu element %zu of %zu: %g, wanted %g",
                           kind, stride, i, n, (double)y.data[i], (double)wanted.data[i]);
    }
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
    pith_test_floats_free(&wanted);
}

static void check(pith_test *test, const void *records, const char *isa)
{
    (void)isa;
    for (int kind = 0; kind < PITH_POOL_COUNT; kind++) {
        for (size_t n = 0; n <= 67; n++) {
            check_pixel(test, records, kind, 1 + n % MAX_TAPS, n);
            check_run(test, records, kind, 1 + n % MAX_TAPS, n);
            check_row(test, records, kind, 1 + n % 3, n);
        }
        check_pixel(test, records, kind, 4, 300);
        check_row(test, records, kind, 2, 300);
    }
}

void test_pool_f32(pith_test *test)
{
    pith_test_each_isa(test, "pool_f32", check);
}
