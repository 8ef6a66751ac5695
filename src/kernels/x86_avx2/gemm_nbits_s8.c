/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of products of codes below 16 fit 16 bits (2 * 15 * 127), so vpmaddubsw saturates none of them; those of bytes
 * don't, and are widened. */
#include "kernels/x86_avx2/nbits_s8.h"

#define NQ_NAME "gemm_nbits_s8_4x8__x86_avx2"

static inline v_i nq_dot(v_i acc, v_i codes, const int8_t *a, int bits)
{
    const v_i four = nq_four(a);
    if (bits < 8) {
        return vi_add(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, four), _mm256_set1_epi16(1)));
    }
    const v_i even = _mm256_and_si256(codes, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(codes, 8);
    const v_i a_even = _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8), a_odd = _mm256_srai_epi16(four, 8);
    return vi_add(acc, vi_add(_mm256_madd_epi16(even, a_even), _mm256_madd_epi16(odd, a_odd)));
}

#include "kernels/gemm_nbits_s8_body.h"

PITH_EXPORT_KERNEL(gemm_nbits_s8, x86_avx2, records);
