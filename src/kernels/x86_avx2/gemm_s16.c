/* SPDX-License-Identifier: Apache-2.0 */
/* vpmaddwd: sums of two products of 16-bit numbers, which fit, since weights have 9 bits. 8 accumulators. */
#include "kernels/x86_avx2/vec_s8.h"

typedef __m256i s8_a, s8_b, s8_acc;

S8_WORD s8_b s8_load_b(const int8_t *from) { return s8_load(from); }
S8_WORD s8_acc s8_start(s8_v bias) { return bias; }
S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b) { return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)); }
S8_WORD s8_v s8_end(s8_acc acc, s8_v bias) { return (void)bias, acc; }

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t two;
    memcpy(&two, from, sizeof two);
    return s8_xor(_mm256_set1_epi32(two), flip);
}

S8_WORD s8_v s8_signs(bool flips) { return _mm256_set1_epi16(flips ? (short)0x8000 : (short)0); }

S8_WORD s8_v s8_finish_word(s8_v sums, s8_f scale, const pith_gemm_s8_tile *t)
{
    s8_f value = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale);
    value = _mm256_max_ps(value, _mm256_set1_ps((float)(t->low - t->zero))); /* of a NaN the second */
    value = _mm256_min_ps(value, _mm256_set1_ps((float)(t->high - t->zero)));
    value = _mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_add_epi32(_mm256_cvtps_epi32(value), _mm256_set1_epi32(t->zero));
}

S8_WORD void s8_store_words(void *to, s8_v v, int n, bool is_wide)
{
    int32_t results[S8_NR];
    s8_store(results, v);
    for (int i = 0; i < S8_NR && i < n; i++) {
        if (is_wide) {
            ((uint16_t *)to)[i] = (uint16_t)results[i];
        } else {
            ((uint8_t *)to)[i] = (uint8_t)results[i];
        }
    }
}

#define S8_NV 2
#define S8_HEIGHTS { 8, 4 }
#define S8_EACH_BLOCK(X) X(1, 1) X(2, 1) X(4, 1) X(8, 1) X(1, 2) X(2, 2) X(4, 2)
#define S8_WIDE
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s16 records[] = { { { "gemm_s16_4x16__x86_avx2", PITH_EXACT }, S8_NR, 0.58f, tile } };

PITH_EXPORT_KERNEL(gemm_s16, x86_avx2, records);
