/* SPDX-License-Identifier: Apache-2.0 */
/* A table of 16 floats is two registers; integers are converted, which takes less. */
#include "kernels/x86_avx2/vec_f32.h"

#define NBITS_NAME "gemm_nbits_4x16__x86_avx2"
#define NBITS_WIDE 2
#define NBITS_AHEAD 1024
#define NBITS_TABLE_VECTORS 2

static inline v_i nb_shift(v_i code, int n) { return _mm256_srli_epi32(code, n); }
static inline v_f nb_find16(const v_f *table, v_i code)
{
    const v_f low = _mm256_permutevar8x32_ps(table[0], code), high = _mm256_permutevar8x32_ps(table[1], code);
    return _mm256_blendv_ps(low, high, v_from_bits(vi_shift_left(code, 28)));
}
static inline v_f nb_gather(const float *table, v_i code) { return _mm256_i32gather_ps(table, code, 4); }
static inline v_i nb_load_words(const void *p) { return _mm256_loadu_si256(p); }
static inline v_f nb_from_s8(const int8_t *p)
{
    return v_from_int(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
static inline v_f nb_from_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
static inline v_f nb_from_bf16(const void *p)
{
    return v_from_bits(vi_shift_left(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
static inline v_f nb_from_e4m3(const void *p) /* the exponent's bias is 8 less than that of f16 */
{
    const __m128i wide = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64(p)), 7);
    return _mm256_cvtph_ps(_mm_and_si128(wide, _mm_set1_epi16((short)0xbfff)));
}
static inline v_f nb_from_e5m2(const void *p)
{
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64(p)), 8));
}

#include "kernels/gemm_nbits_body.h"

PITH_EXPORT_KERNEL(gemm_nbits, x86_avx2, records);
