/* SPDX-License-Identifier: Apache-2.0 */
/* vpdpwssd adds two products of 16-bit numbers to a 32-bit sum, without saturation. */
#include <immintrin.h>

#define s8_dot s8_dot_bytes
#include "kernels/x86_vnni/vec_s8.h"
#undef s8_dot

S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

S8_WORD s8_v s8_signs(bool flips) { return _mm512_set1_epi16(flips ? (short)0x8000 : (short)0); }

S8_WORD s8_v s8_finish_word(s8_v sums, s8_f scale, const pith_gemm_s8_tile *t)
{
    s8_f value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale);
    value = _mm512_max_ps(value, _mm512_set1_ps((float)(t->low - t->zero))); /* of a NaN the second */
    value = _mm512_min_ps(value, _mm512_set1_ps((float)(t->high - t->zero)));
    return _mm512_add_epi32(_mm512_cvtps_epi32(value), _mm512_set1_epi32(t->zero));
}

S8_WORD void s8_store_words(void *to, s8_v v, int n, bool is_wide)
{
    if (!is_wide) {
        _mm512_mask_cvtepi32_storeu_epi8(to, s8_mask(n), v);
    } else if (n >= S8_NR) {
        _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(v));
    } else {
        _mm512_mask_cvtepi32_storeu_epi16(to, s8_mask(n), v);
    }
}

#define S8_NV 4
#define S8_HEIGHTS { 12, 12, 8, 6 }
#define S8_EACH_BLOCK(X)                                                                                               \
    X(1, 1) X(2, 1) X(4, 1) X(8, 1) X(12, 1) X(1, 2) X(2, 2) X(4, 2) X(8, 2) X(10, 2) X(12, 2) X(1, 3) X(2, 3) X(4, 3) \
    X(7, 3) X(8, 3) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)
#define S8_WIDE
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s16 records[] = { { { "gemm_s16_6x64__x86_vnni", PITH_EXACT }, S8_NR, 0.5f, tile } };

PITH_EXPORT_KERNEL(gemm_s16, x86_vnni, records);
