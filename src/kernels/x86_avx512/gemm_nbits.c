/* SPDX-License-Identifier: Apache-2.0 */
/* A table of 16 floats is one register, and vpermps reads the low four bits of each lane alone. */
#include "kernels/x86_avx512/vec_f32.h"

#define NBITS_NAME "gemm_nbits_4x32__x86_avx512"
#define NBITS_WIDE 4
#define NBITS_AHEAD 1024
#define NBITS_TABLE_VECTORS 1
#define NBITS_INT_BY_TABLE

static inline v_i nb_shift(v_i code, int n) { return _mm512_srli_epi32(code, (unsigned)n); }
static inline v_f nb_find16(const v_f *table, v_i code) { return _mm512_permutexvar_ps(code, table[0]); }
static inline v_f nb_gather(const float *table, v_i code) { return _mm512_i32gather_ps(code, table, 4); }
static inline v_i nb_load_words(const void *p) { return _mm512_loadu_si512(p); }
static inline v_f nb_from_s8(const int8_t *p)
{
    return v_from_int(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
static inline v_f nb_from_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
static inline v_f nb_from_bf16(const void *p)
{
    return v_from_bits(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
static inline v_f nb_from_e4m3(const void *p) /* the exponent's bias is 8 less than that of f16 */
{
    const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(p)), 7);
    return _mm512_cvtph_ps(_mm256_and_si256(wide, _mm256_set1_epi16((short)0xbfff)));
}
static inline v_f nb_from_e5m2(const void *p)
{
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(p)), 8));
}

#include "kernels/gemm_nbits_body.h"

PITH_EXPORT_KERNEL(gemm_nbits, x86_avx512, records);
