/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/norm_u8.h"

#include "kernels/x86_avx512/bytes_f32.h"

/* Of each element its own number of a list, as far as the row goes. */
BYTES_INLINE __m512 list_at(const float *list, size_t i, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)(i + 16 <= n ? 0xffffu : i < n ? (1u << (n - i)) - 1 : 0), list + i);
}

BYTES_INLINE void rows(const pith_norm_u8_row *r, const bool has_slopes, const int step)
{
    const bytes_reader as = bytes_read_as(r->flip, -(int32_t)r->flip - (has_slopes ? r->zero : 0));
    const bytes_writer to = bytes_write_within(r->low, r->high);
    const __m512 mean = _mm512_set1_ps(r->mean), factor = _mm512_set1_ps(r->factor);
    const __m512 slope = _mm512_set1_ps(r->scale[0]);
    const size_t n = r->n;
    uint8_t rest[BYTES_BLOCK] = { 0 };
    for (size_t i = 0; i < n; i += BYTES_BLOCK) {
        const bool is_whole = i + BYTES_BLOCK <= n;
        const uint8_t *x = r->x + i;
        __m512 values[4];
        if (!is_whole) {
            memcpy(rest, x, n - i);
            x = rest;
        }
        for (int k = 0; k < 4; k++) {
            const size_t at = i + 16 * (size_t)k;
            const __m512 v = bytes_read(x + 16 * k, &as, false);
            const __m512 own = step ? list_at(r->scale, at, n) : slope;
            if (has_slopes) {
                const __mmask16 is_negative = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ);
                values[k] = _mm512_add_ps(_mm512_mul_ps(v, _mm512_mask_blend_ps(is_negative, factor, own)), mean);
            } else {
                values[k] = _mm512_mul_ps(_mm512_mul_ps(_mm512_sub_ps(v, mean), factor), own);
                values[k] = _mm512_add_ps(values[k], list_at(r->shift, at, n));
            }
        }
        bytes_write(is_whole ? r->y + i : rest, values, &to);
        if (!is_whole) {
            memcpy(r->y + i, rest, n - i);
        }
    }
}

static void affine(const pith_norm_u8_row *r) { rows(r, false, 1); }

static void slopes(const pith_norm_u8_row *r)
{
    if (r->step) {
        rows(r, true, 1);
    } else {
        rows(r, true, 0);
    }
}

#define NORM_NAME "norm_u8__x86_avx512"
#define NORM_LANES 16
#define NORM_ROWS
#include "kernels/norm_u8_body.h"

PITH_EXPORT_KERNEL(norm_u8, x86_avx512, records);
