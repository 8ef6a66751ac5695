/* SPDX-License-Identifier: Apache-2.0 */
/* vbinary_f32 under every ISA against plain C: all forms, sizes, guard zones, results on top of operands, specials. */
#include <math.h>

#include "kernels/vbinary_f32.h"
#include "support/float_vectors.h"

static float wanted(pith_vbinary kind, float a, float b)
{
    switch (kind) {
    case PITH_VBINARY_ADD: return a + b;
    case PITH_VBINARY_SUB: return a - b;
    case PITH_VBINARY_MUL: return a * b;
    case PITH_VBINARY_DIV: return a / b;
    case PITH_VBINARY_MIN: return isnan(a) || isnan(b) ? NAN : fminf(a, b);
    case PITH_VBINARY_MAX: return isnan(a) || isnan(b) ? NAN : fmaxf(a, b);
    default: return a < 0.0f ? a * b : a;
    }
}

/* on_operand: 0 a result of its own, 1 on a, 2 on b. */
static void check_call(pith_test *test, pith_vbinary_f32_fn *fn, int kind, int form, size_t n, int on_operand)
{
    const size_t n_a = form == PITH_VBINARY_SV && n ? 1 : n, n_b = form == PITH_VBINARY_VS && n ? 1 : n;
    pith_test_floats a = pith_test_floats_random(test, n_a, n % 2, -4, 4, true);
    pith_test_floats b = pith_test_floats_random(test, n_b, n % 2, -4, 4, true);
    pith_test_floats y = pith_test_floats_new(n, n % 2), results = pith_test_floats_new(n, false);
    float *to = on_operand == 1 && n_a == n ? a.data : on_operand == 2 && n_b == n ? b.data : y.data;
    for (size_t i = 0; i < n; i++) {
        results.data[i] = wanted((pith_vbinary)kind, a.data[n_a == n ? i : 0], b.data[n_b == n ? i : 0]);
    }
    fn(a.data, b.data, to, n);
    for (size_t i = 0; i < n; i++) {
        TEST_CHECK_MESSAGE(test, pith_test_same_float(to[i], results.data[i]),
                           "kind %d form %d n %zu element %zu: %g, wanted %g", kind,
                           form, n, i, (double)to[i], (double)results.data[i]);
    }
    pith_test_floats_free(&a);
    pith_test_floats_free(&b);
    pith_test_floats_free(&y);
    pith_test_floats_free(&results);
}

static void check(pith_test *test, const void *records, const char *isa)
{
    const pith_vbinary_f32 *kernel = records;
    (void)isa;
    for (int kind = 0; kind < PITH_VBINARY_COUNT; kind++) {
        for (int form = 0; form < PITH_VBINARY_FORM_COUNT; form++) {
            for (size_t n = 0; n <= 67; n++) {
                check_call(test, kernel->functions[kind][form], kind, form, n, (int)(n % 3));
            }
            check_call(test, kernel->functions[kind][form], kind, form, 1031, 0);
        }
    }
}

void test_vbinary_f32(pith_test *test)
{
    pith_test_each_isa(test, "vbinary_f32", check);
}
