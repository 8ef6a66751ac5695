/* SPDX-License-Identifier: Apache-2.0 */
/* qadd_s8 in plain C, once per ISA: where the ISA has fused multiply-adds, compilers vectorise fmaf. Included with
 * QADD_NAME, the record's name. */
#include <math.h>

#include "kernels/qadd_s8.h"

/* See dwconv_s8_body.h. */
static inline int32_t round_small(float value)
{
    union {
        float f;
        int32_t i;
    } bits = { .f = value + 12582912.0f };
    return bits.i - 0x4b400000;
}

static inline __attribute__((always_inline)) void loop(const pith_qadd_s8_row *r, const int a_step, const int b_step,
                                                       const bool is_product)
{
    const float lo = (float)r->low, hi = (float)r->high;
    const uint8_t a_flip = r->a_flip, b_flip = r->b_flip;
    const int32_t a_base = r->a_base, b_base = r->b_base;
    const float a_scale = r->a_scale, b_scale = r->b_scale, offset = r->offset;
    const uint8_t *restrict from_a = r->a, *restrict from_b = r->b;
    uint8_t *restrict y = r->y;
    const size_t n = r->n; /* y may alias *r for all that the compiler knows */
    for (size_t i = 0; i < n; i++) {
        const int32_t a = (int32_t)(uint8_t)(from_a[a_step ? i : 0] ^ a_flip) + a_base;
        const int32_t b = (int32_t)(uint8_t)(from_b[b_step ? i : 0] ^ b_flip) + b_base;
        float value = is_product ? (float)(a * b) * a_scale + offset
                                 : fmaf((float)a, a_scale, fmaf((float)b, b_scale, offset));
        value = value > lo ? value : lo;
        value = value < hi ? value : hi;
        y[i] = (uint8_t)round_small(value);
    }
}

static inline __attribute__((always_inline)) void any_steps(const pith_qadd_s8_row *r, const bool is_product)
{
    if (r->a_step && r->b_step) {
        loop(r, 1, 1, is_product);
    } else if (r->a_step) {
        loop(r, 1, 0, is_product);
    } else {
        loop(r, 0, r->b_step, is_product);
    }
}

static void sum(const pith_qadd_s8_row *r) { any_steps(r, false); }
static void product(const pith_qadd_s8_row *r) { any_steps(r, true); }

static const pith_qadd_s8 records[] = { { { QADD_NAME, PITH_EXACT }, sum, product } };
