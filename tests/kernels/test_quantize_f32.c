/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_f32 of every ISA against its formula with rint() in libm: NaN, infinities, halves, every zero point;
 * operands that end or begin at inaccessible pages. */
#include <math.h>

#include "kernels/quantize_f32.h"
#include "support/test.h"

#define N_CASES 200
#define MAX_N 100

static double formula(float x, float scale, int zero, int low, int high)
{
    double value = rint((double)(x / scale));
    value = isnan(value) || value < low - zero ? low - zero : value > high - zero ? high - zero : value;
    return value + zero;
}

typedef struct quantize_case {
    pith_guarded x, scale, zero, y;
    int64_t n, step;
    bool is_signed, has_zero;
    int low, high;
} quantize_case;

static int zero_at(const quantize_case *c, int64_t i)
{
    int64_t k = c->step ? i : 0;
    if (!c->has_zero) {
        return 0;
    }
    return c->is_signed ? ((int8_t *)c->zero.data)[k] : ((uint8_t *)c->zero.data)[k];
}

static void make_case(pith_test *test, quantize_case *c)
{
    static const float specials[] = { NAN, INFINITY, -INFINITY, 1e30f, -1e30f, -0.0f, 2.5f, 3.5f, -2.5f };
    *c = (quantize_case){ .n = (int64_t)(pith_test_random(test) % MAX_N), .step = (int64_t)(pith_test_random(test) % 2),
                          .is_signed = pith_test_random(test) & 1, .has_zero = pith_test_random(test) % 4 != 0 };
    c->low = c->is_signed ? -128 : 0;
    c->high = c->is_signed ? 127 : 255;
    size_t n = (size_t)c->n, n_scales = c->step ? n : 1;
    c->x = pith_guarded_alloc(n * sizeof(float), pith_test_random(test) & 1);
    c->scale = pith_guarded_alloc(n_scales * sizeof(float), pith_test_random(test) & 1);
    c->zero = pith_guarded_alloc(n_scales, pith_test_random(test) & 1);
    c->y = pith_guarded_alloc(n, pith_test_random(test) & 1);
    for (size_t i = 0; i < n_scales; i++) {
        ((float *)c->scale.data)[i] = pith_test_random(test) % 2 ? 1.0f : (float)pith_test_uniform(test, 0.01, 2.0);
        ((uint8_t *)c->zero.data)[i] = (uint8_t)pith_test_random(test);
    }
    for (size_t i = 0; i < n; i++) {
        bool is_special = pith_test_random(test) % 8 == 0;
        ((float *)c->x.data)[i] =
            is_special ? specials[pith_test_random(test) % 9] : (float)pith_test_uniform(test, -300.0, 300.0);
    }
}

static void check_quantize(pith_test *test, const pith_quantize_f32 *kernel, const quantize_case *c)
{
    const void *zero = c->has_zero ? c->zero.data : NULL;
    if (c->is_signed) {
        kernel->quantize_s8(c->x.data, c->scale.data, zero, c->step, c->y.data, c->n);
    } else {
        kernel->quantize_u8(c->x.data, c->scale.data, zero, c->step, c->y.data, c->n);
    }
    for (int64_t i = 0; i < c->n; i++) {
        float x = ((float *)c->x.data)[i], scale = ((float *)c->scale.data)[c->step ? i : 0];
        int got = c->is_signed ? ((int8_t *)c->y.data)[i] : ((uint8_t *)c->y.data)[i];
        double wanted = formula(x, scale, zero_at(c, i), c->low, c->high);
        TEST_CHECK_MESSAGE(test, got == wanted, "%g / %g + %d gives %d, not %g", (double)x, (double)scale,
                           zero_at(c, i), got, wanted);
    }
}

/* The integers that check_quantize() left, back into x. */
static void check_dequantize(pith_test *test, const pith_quantize_f32 *kernel, const quantize_case *c)
{
    const void *zero = c->has_zero ? c->zero.data : NULL;
    if (c->is_signed) {
        kernel->dequantize_s8(c->y.data, c->scale.data, zero, c->step, c->x.data, c->n);
    } else {
        kernel->dequantize_u8(c->y.data, c->scale.data, zero, c->step, c->x.data, c->n);
    }
    for (int64_t i = 0; i < c->n; i++) {
        int q = c->is_signed ? ((int8_t *)c->y.data)[i] : ((uint8_t *)c->y.data)[i];
        float wanted = (float)(q - zero_at(c, i)) * ((float *)c->scale.data)[c->step ? i : 0];
        float got = ((float *)c->x.data)[i];
        TEST_CHECK_MESSAGE(test, memcmp(&got, &wanted, sizeof got) == 0, "%d - %d gives %g, not %g", q, zero_at(c, i),
                           (double)got, (double)wanted);
    }
}

void test_quantize_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("quantize_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_quantize_f32 *kernel = set->records;
        pith_test_case(test, "%s", kernel->head.name);
        for (int i = 0; i < N_CASES; i++) {
            quantize_case c;
            make_case(test, &c);
            check_quantize(test, kernel, &c);
            check_dequantize(test, kernel, &c);
            pith_guarded_free(&c.x);
            pith_guarded_free(&c.scale);
            pith_guarded_free(&c.zero);
            pith_guarded_free(&c.y);
        }
    }
}
