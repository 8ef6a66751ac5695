/* SPDX-License-Identifier: Apache-2.0 */
/* Unsigned bytes without a base, as sums have them, need neither the flip nor the addition. */
#include "kernels/qadd_s8.h"

#include "kernels/x86_avx512/bytes_f32.h"

BYTES_INLINE __m512 single(const uint8_t *x, uint8_t flip, int32_t base)
{
    return _mm512_set1_ps((float)((int32_t)(uint8_t)(*x ^ flip) + base));
}

/* Of the elements from i on: those of the row, or a copy of the last ones with room behind. */
BYTES_INLINE const uint8_t *block_of(const uint8_t *x, size_t i, size_t n, uint8_t *copy)
{
    if (i + BYTES_BLOCK <= n) {
        return x + i;
    }
    memcpy(copy, x + i, n - i);
    return copy;
}

BYTES_INLINE void loop(const pith_qadd_s8_row *r, const int a_step, const int b_step, const bool is_product,
                       const bool is_plain)
{
    const bytes_reader a_as = bytes_read_as(r->a_flip, r->a_base), b_as = bytes_read_as(r->b_flip, r->b_base);
    const bytes_writer to = bytes_write_within(r->low, r->high);
    const __m512 a_scale = _mm512_set1_ps(r->a_scale), b_scale = _mm512_set1_ps(r->b_scale);
    const __m512 offset = _mm512_set1_ps(r->offset);
    const __m512 all_a = single(r->a, r->a_flip, r->a_base), all_b = single(r->b, r->b_flip, r->b_base);
    const size_t n = r->n;
    uint8_t rest[3][BYTES_BLOCK] = { { 0 } };
    for (size_t i = 0; i < n; i += BYTES_BLOCK) {
        const uint8_t *x = a_step ? block_of(r->a, i, n, rest[0]) : r->a;
        const uint8_t *z = b_step ? block_of(r->b, i, n, rest[1]) : r->b;
        __m512 values[4];
        for (int k = 0; k < 4; k++) {
            const __m512 a = a_step ? bytes_read(x + 16 * k, &a_as, is_plain) : all_a;
            const __m512 b = b_step ? bytes_read(z + 16 * k, &b_as, is_plain) : all_b;
            values[k] = is_product ? _mm512_add_ps(_mm512_mul_ps(_mm512_mul_ps(a, b), a_scale), offset)
                                   : _mm512_fmadd_ps(a, a_scale, _mm512_fmadd_ps(b, b_scale, offset));
        }
        if (i + BYTES_BLOCK <= n) {
            bytes_write(r->y + i, values, &to);
        } else {
            bytes_write(rest[2], values, &to);
            memcpy(r->y + i, rest[2], n - i);
        }
    }
}

BYTES_INLINE void any_steps(const pith_qadd_s8_row *r, const bool is_product, const bool is_plain)
{
    if (r->a_step && r->b_step) {
        loop(r, 1, 1, is_product, is_plain);
    } else if (r->a_step) {
        loop(r, 1, 0, is_product, is_plain);
    } else {
        loop(r, 0, r->b_step, is_product, is_plain);
    }
}

static void sum(const pith_qadd_s8_row *r)
{
    if ((r->a_flip | r->b_flip | r->a_base | r->b_base) == 0) {
        any_steps(r, false, true);
    } else {
        any_steps(r, false, false);
    }
}

static void product(const pith_qadd_s8_row *r) { any_steps(r, true, false); }

static const pith_qadd_s8 records[] = { { { "qadd_s8__x86_avx512", PITH_EXACT }, sum, product } };

PITH_EXPORT_KERNEL(qadd_s8, x86_avx512, records);
