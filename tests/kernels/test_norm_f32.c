/* SPDX-License-Identifier: Apache-2.0 */
/* norm_f32 under every ISA against double: sizes, guard zones, in place, absent scale and shift. */
#include <float.h>
#include <math.h>

#include "kernels/norm_f32.h"
#include "support/float_vectors.h"

static void check_centred(pith_test *test, const pith_norm_f32 *kernel, size_t n)
{
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, 90, 110, false);
    const float mean = 99.5f;
    float sum = NAN, squares = NAN;
    double wanted_sum = 0.0, wanted_squares = 0.0, magnitude = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double centred = (double)x.data[i] - (double)mean;
        wanted_sum += centred;
        magnitude += fabs(centred);
        wanted_squares += centred * centred;
    }
    kernel->centred(x.data, n, mean, &sum, &squares);
    const double k = ((double)n / 64 + 70) * (double)FLT_EPSILON;
    TEST_CHECK_MESSAGE(test, fabs((double)sum - wanted_sum) <= k * magnitude, "sum of %zu: %g, wanted %g", n,
                       (double)sum, wanted_sum);
    TEST_CHECK_MESSAGE(test, fabs((double)squares - wanted_squares) <= k * wanted_squares,
                       "squares of %zu: %g, wanted %g", n,
                       (double)squares, wanted_squares);
    pith_test_floats_free(&x);
}

static void check_affine(pith_test *test, const pith_norm_f32 *kernel, size_t n, bool has_scale, bool has_shift)
{
    const pith_norm_line line = { 0.75f, 1.5f, -0.125f };
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, -4, 4, false), y = pith_test_floats_new(n, n % 2);
    pith_test_floats scale = pith_test_floats_random(test, n, n % 2, -4, 4, false);
    pith_test_floats shift = pith_test_floats_random(test, n, n % 2, -4, 4, false);
    kernel->affine(x.data, y.data, n, &line, has_scale ? scale.data : NULL, has_shift ? shift.data : NULL);
    for (size_t i = 0; i < n; i++) {
        const double s = has_scale ? (double)scale.data[i] : 1.0, b = has_shift ? (double)shift.data[i] : 0.0;
        const double wanted = (((double)x.data[i] - 0.75) * 1.5 - 0.125) * s + b;
        const double bound = 3 * (double)FLT_EPSILON * (8.0 * fabs(s) + fabs(b));
        TEST_CHECK_MESSAGE(test, fabs((double)y.data[i] - wanted) <= bound, "affine n %zu element %zu: %g, wanted %g",
                           n, i,
                           (double)y.data[i], wanted);
    }
    kernel->affine(x.data, scale.data, n, &line, NULL, NULL);
    kernel->affine_single(x.data, y.data, n, &line);
    TEST_CHECK(test, n == 0 || memcmp(y.data, scale.data, n * sizeof(float)) == 0); /* times 1 plus 0 */
    kernel->affine_single(x.data, x.data, n, &line);
    TEST_CHECK(test, n == 0 || memcmp(y.data, x.data, n * sizeof(float)) == 0);
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
    pith_test_floats_free(&scale);
    pith_test_floats_free(&shift);
}

static void check(pith_test *test, const void *records, const char *isa)
{
    (void)isa;
    for (size_t n = 0; n <= 67; n++) {
        check_centred(test, records, n);
        check_affine(test, records, n, n % 2, n % 3 == 0);
    }
    check_centred(test, records, 20011);
    check_affine(test, records, 1031, true, true);
}

void test_norm_f32(pith_test *test)
{
    pith_test_each_isa(test, "norm_f32", check);
}
