/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes are widened to 16 bits, whose products vpmaddwd adds in pairs without saturation (vpmaddubsw would saturate).
 * A column's sum is kept in two halves, k = 0, 1 and k = 2, 3 of each group, until the end: 6 rows by 8 columns are 12
 * accumulators. */
#include "kernels/x86_avx2/vec_s8.h"

typedef __m256i s8_a;
typedef struct s8_b {
    __m256i low, high; /* columns 0 to 3, 4 to 7 */
} s8_b, s8_acc;

S8_WORD __m256i widen(const int8_t *from)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
}

S8_WORD s8_b s8_load_b(const int8_t *from) { return (s8_b){ widen(from), widen(from + 16) }; }

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm256_cvtepu8_epi16(_mm_xor_si128(_mm_set1_epi32(four), _mm256_castsi256_si128(flip)));
}

S8_WORD s8_acc s8_start(s8_v bias)
{
    (void)bias;
    return (s8_acc){ _mm256_setzero_si256(), _mm256_setzero_si256() };
}

S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b)
{
    return (s8_acc){ _mm256_add_epi32(acc.low, _mm256_madd_epi16(a, b.low)),
                     _mm256_add_epi32(acc.high, _mm256_madd_epi16(a, b.high)) };
}

S8_WORD s8_v s8_end(s8_acc acc, s8_v bias)
{
    return _mm256_add_epi32(_mm256_permute4x64_epi64(_mm256_hadd_epi32(acc.low, acc.high), 0xd8), bias);
}

#define S8_NV 1
#define S8_HEIGHTS { 6 }
#define S8_EACH_BLOCK(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_6x8__x86_avx2", PITH_EXACT }, S8_NR, 6, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_avx2, records);
