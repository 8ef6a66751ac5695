/* SPDX-License-Identifier: Apache-2.0 */
/* vpdpwssd adds two products of 16-bit numbers to a 32-bit sum, without saturation. */
#include <immintrin.h>

#include "kernels/dwconv_s16.h"

#define DWCONV_NAME "dwconv_s16__x86_vnni"
#define S16_LANES 32
#define S16_WORD static inline __attribute__((always_inline))

typedef __m512i s16_v;

S16_WORD s16_v s16_load(const void *from) { return _mm512_loadu_si512(from); }
S16_WORD s16_v s16_load_bytes(const void *from)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)from));
}
S16_WORD void s16_store(void *to, s16_v v) { _mm512_storeu_si512(to, v); }
S16_WORD s16_v s16_set(int16_t number) { return _mm512_set1_epi16(number); }
S16_WORD s16_v s16_xor(s16_v a, s16_v b) { return _mm512_xor_si512(a, b); }
S16_WORD s16_v s16_zip_low(s16_v a, s16_v b) { return _mm512_unpacklo_epi16(a, b); }
S16_WORD s16_v s16_zip_high(s16_v a, s16_v b) { return _mm512_unpackhi_epi16(a, b); }
/* As text: see s8_dot of vec_s8.h. */
S16_WORD s16_v s16_dot(s16_v acc, s16_v a, s16_v b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

S16_WORD s16_v s16_round(s16_v sums, const float *scale, const pith_s16_finish *f)
{
    __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(scale));
    value = _mm512_max_ps(value, _mm512_set1_ps((float)(f->low - f->zero))); /* of a NaN the second */
    value = _mm512_min_ps(value, _mm512_set1_ps((float)(f->high - f->zero)));
    return _mm512_add_epi32(_mm512_cvtps_epi32(value), _mm512_set1_epi32(f->zero));
}

/* The low 16 bits of each, signed or not. */
S16_WORD s16_v s16_join(s16_v low, s16_v high)
{
    const __m512i mask = _mm512_set1_epi32(0xffff);
    return _mm512_packus_epi32(_mm512_and_si512(low, mask), _mm512_and_si512(high, mask));
}

S16_WORD void s16_narrow(void *to, s16_v v) { _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi16_epi8(v)); }

#include "kernels/dwconv_s16_body.h"

PITH_EXPORT_KERNEL(dwconv_s16, x86_vnni, records);
