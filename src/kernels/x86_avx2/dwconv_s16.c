/* SPDX-License-Identifier: Apache-2.0 */
/* vpmaddwd: sums of two products of 16-bit numbers; they don't overflow, since weights have 9 bits. */
#include <immintrin.h>

#include "kernels/dwconv_s16.h"

#define DWCONV_NAME "dwconv_s16__x86_avx2"
#define S16_LANES 16
#define S16_WORD static inline __attribute__((always_inline))

typedef __m256i s16_v;

S16_WORD s16_v s16_load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }
S16_WORD s16_v s16_load_bytes(const void *from)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from));
}
S16_WORD void s16_store(void *to, s16_v v) { _mm256_storeu_si256((__m256i *)to, v); }
S16_WORD s16_v s16_set(int16_t number) { return _mm256_set1_epi16(number); }
S16_WORD s16_v s16_xor(s16_v a, s16_v b) { return _mm256_xor_si256(a, b); }
S16_WORD s16_v s16_zip_low(s16_v a, s16_v b) { return _mm256_unpacklo_epi16(a, b); }
S16_WORD s16_v s16_zip_high(s16_v a, s16_v b) { return _mm256_unpackhi_epi16(a, b); }
S16_WORD s16_v s16_dot(s16_v acc, s16_v a, s16_v b) { return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)); }

S16_WORD s16_v s16_round(s16_v sums, const float *scale, const pith_s16_finish *f)
{
    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(scale));
    value = _mm256_max_ps(value, _mm256_set1_ps((float)(f->low - f->zero))); /* of a NaN the second */
    value = _mm256_min_ps(value, _mm256_set1_ps((float)(f->high - f->zero)));
    value = _mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_add_epi32(_mm256_cvtps_epi32(value), _mm256_set1_epi32(f->zero));
}

/* The low 16 bits of each, signed or not. */
S16_WORD s16_v s16_join(s16_v low, s16_v high)
{
    const __m256i mask = _mm256_set1_epi32(0xffff);
    return _mm256_packus_epi32(_mm256_and_si256(low, mask), _mm256_and_si256(high, mask));
}

S16_WORD void s16_narrow(void *to, s16_v v)
{
    const __m256i bytes = _mm256_and_si256(v, _mm256_set1_epi16(0xff));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(bytes, bytes), 0x08);
    _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(packed));
}

#include "kernels/dwconv_s16_body.h"

PITH_EXPORT_KERNEL(dwconv_s16, x86_avx2, records);
