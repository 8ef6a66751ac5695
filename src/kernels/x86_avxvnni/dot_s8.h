/* SPDX-License-Identifier: Apache-2.0 */
/* Products of four bytes by vpdpbusd in 256 bits. */
#ifndef PITH_KERNELS_X86_AVXVNNI_DOT_S8_H
#define PITH_KERNELS_X86_AVXVNNI_DOT_S8_H

#include "kernels/x86_avx2/vec_s8.h"

typedef __m256i s8_a, s8_b, s8_acc;

S8_WORD s8_b s8_load_b(const int8_t *from) { return s8_load(from); }
S8_WORD s8_a s8_as_a(s8_v bytes) { return bytes; }
S8_WORD s8_acc s8_start(s8_v bias) { return bias; }
S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }
S8_WORD s8_v s8_end(s8_acc acc, s8_v bias) { return (void)bias, acc; }

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_xor_si256(_mm256_set1_epi32(four), flip);
}

#endif
