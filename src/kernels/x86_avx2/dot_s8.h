/* SPDX-License-Identifier: Apache-2.0 */
/* Products of four bytes without VNNI: those at even and those at odd places are widened to 16 bits, whose products
 * vpmaddwd adds in pairs without saturation (vpmaddubsw would saturate). */
#ifndef PITH_KERNELS_X86_AVX2_DOT_S8_H
#define PITH_KERNELS_X86_AVX2_DOT_S8_H

#include "kernels/x86_avx2/vec_s8.h"

typedef struct s8_halves {
    __m256i even, odd;
} s8_a, s8_b;
typedef __m256i s8_acc;

S8_WORD s8_b s8_load_b(const int8_t *from)
{
    const __m256i b = s8_load(from);
    return (s8_b){ _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), _mm256_srai_epi16(b, 8) };
}

S8_WORD s8_a s8_as_a(s8_v bytes)
{
    return (s8_a){ _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8) };
}

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return s8_as_a(s8_xor(_mm256_set1_epi32(four), flip));
}

S8_WORD s8_acc s8_start(s8_v bias) { return bias; }

S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a.even, b.even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a.odd, b.odd));
}

S8_WORD s8_v s8_end(s8_acc acc, s8_v bias) { return (void)bias, acc; }

#endif
