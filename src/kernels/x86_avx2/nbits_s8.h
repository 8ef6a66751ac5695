/* SPDX-License-Identifier: Apache-2.0 */
/* Words of gemm_nbits_s8_body.h for 256 bits, all but nq_dot. */
#ifndef PITH_KERNELS_AVX2_NBITS_S8_H
#define PITH_KERNELS_AVX2_NBITS_S8_H

#include <string.h>

#include "kernels/x86_avx2/vec_f32.h"

#define NQ_ROW_PANELS 2
#define NQ_PANELS 1

static inline v_i nq_shift(v_i word, int n) { return _mm256_srli_epi32(word, n); }
static inline v_i nq_load(const void *p) { return _mm256_loadu_si256(p); }
static inline v_i nq_load_s8(const int8_t *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline v_i nq_multiply(v_i a, v_i b) { return _mm256_mullo_epi32(a, b); }
static inline v_i nq_four(const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return vi_set(four);
}
static inline void nq_store_s8(int8_t *p, v_i a)
{
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}

#endif
