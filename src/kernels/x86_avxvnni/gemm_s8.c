/* SPDX-License-Identifier: Apache-2.0 */
/* vpdpbusd in 256 bits: 12 accumulators, 2 vectors of B and a broadcast of A in 16 registers. */
#include "kernels/x86_avx2/vec_s8.h"

typedef __m256i s8_a, s8_b, s8_acc;

S8_WORD s8_b s8_load_b(const int8_t *from) { return s8_load(from); }
S8_WORD s8_acc s8_start(s8_v bias) { return bias; }
S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }
S8_WORD s8_v s8_end(s8_acc acc, s8_v bias) { return (void)bias, acc; }

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_xor_si256(_mm256_set1_epi32(four), flip);
}

#define S8_NV 2
#define S8_HEIGHTS { 12, 6 }
#define S8_EACH_BLOCK(X)                                                                                               \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(6, 1) X(8, 1) X(10, 1) X(12, 1)                                                  \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_6x16__x86_avxvnni", PITH_EXACT }, S8_NR, 6, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_avxvnni, records);
