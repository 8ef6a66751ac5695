/* SPDX-License-Identifier: Apache-2.0 */
/* convert_f16 under every ISA: all halves, floats around every rounding boundary, sizes, guard zones; against the
 * scalar conversions of graph/float16.h. */
#include <math.h>

#include "graph/float16.h"
#include "kernels/convert_f16.h"
#include "platform/platform.h"
#include "support/float_vectors.h"

#define N_HALVES 65536

static bool is_nan_half(uint16_t half) { return (half & 0x7fffu) > 0x7c00u; }

/* flushes: while denormal floats count as zero, as in a run; halves are none of them. */
static void check_halves(pith_test *test, const pith_convert_f16 *kernel, bool flushes)
{
    static uint16_t halves[N_HALVES], back[N_HALVES];
    static float floats[N_HALVES];
    for (int i = 0; i < N_HALVES; i++) {
        halves[i] = (uint16_t)i;
    }
    const uint32_t former = flushes ? pithi_denormals_off() : 0;
    kernel->to_f32(halves, floats, N_HALVES);
    kernel->to_f16(floats, back, N_HALVES);
    if (flushes) {
        pithi_denormals_restore(former);
    }
    for (int i = 0; i < N_HALVES; i++) {
        const float wanted = pithi_f16_to_f32(halves[i]);
        TEST_CHECK_MESSAGE(test, isnan(wanted) ? isnan(floats[i]) : memcmp(&wanted, &floats[i], sizeof wanted) == 0,
                           "half %04x gives %a, wanted %a", i, (double)floats[i], (double)wanted);
        TEST_CHECK_MESSAGE(test, back[i] == halves[i] || (is_nan_half(back[i]) && is_nan_half(halves[i])),
                           "half %04x comes back as %04x", i, back[i]);
    }
}

/* Halfway between a half and the next, and one float to either side. */
static void check_boundaries(pith_test *test, const pith_convert_f16 *kernel)
{
    for (int i = 0; i < N_HALVES; i++) {
        const float low = pithi_f16_to_f32((uint16_t)i), high = pithi_f16_to_f32((uint16_t)(i + 1));
        const float middle = isinf(high) ? copysignf(65520.0f, low) : 0.5f * (low + high);
        const float x[4] = { middle, nextafterf(middle, -INFINITY), nextafterf(middle, INFINITY), low * 3.0f };
        uint16_t y[4];
        kernel->to_f16(x, y, 4);
        for (int k = 0; k < 4; k++) {
            const uint16_t wanted = pithi_f64_to_f16((double)x[k]);
            TEST_CHECK_MESSAGE(test, y[k] == wanted || isnan(x[k]), "%a gives %04x, wanted %04x", (double)x[k], y[k],
                               wanted);
        }
    }
}

static void check_sizes(pith_test *test, const pith_convert_f16 *kernel)
{
    for (size_t n = 0; n <= 40; n++) {
        pith_test_floats x = pith_test_floats_random(test, n, n % 2, -9, 9, true), z = pith_test_floats_new(n, n % 2);
        pith_guarded y = pith_guarded_alloc(n * sizeof(uint16_t), n % 2);
        kernel->to_f16(x.data, y.data, n);
        kernel->to_f32(y.data, z.data, n);
        for (size_t i = 0; i < n; i++) {
            const float wanted = pithi_f16_to_f32(pithi_f64_to_f16((double)x.data[i]));
            TEST_CHECK(test, pith_test_same_float(z.data[i], wanted));
        }
        pith_test_floats_free(&x);
        pith_test_floats_free(&z);
        pith_guarded_free(&y);
    }
}

static void check(pith_test *test, const void *records, const char *isa)
{
    (void)isa;
    check_halves(test, records, false);
    check_halves(test, records, true);
    check_boundaries(test, records);
    check_sizes(test, records);
}

void test_convert_f16(pith_test *test)
{
    pith_test_each_isa(test, "convert_f16", check);
}
