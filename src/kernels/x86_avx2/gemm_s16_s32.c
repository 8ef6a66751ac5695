/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/gemm_s16_s32.h"

#include <immintrin.h>
#include <string.h>

typedef __m256i vi;
#define VI_LANES 8
#define VI_VECTORS 2

static inline vi vi_zero(void) { return _mm256_setzero_si256(); }
static inline vi vi_load(const int16_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }

static inline vi vi_pair(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
}

static inline void vi_store_first(int32_t *p, vi v, int64_t n)
{
    if (n >= VI_LANES) {
        _mm256_storeu_si256((__m256i *)(void *)p, v);
    } else if (n > 0) {
        __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        _mm256_maskstore_epi32(p, mask, v);
    }
}

#include "kernels/gemm_s16_s32_body.h"

static const pith_gemm_s16_s32 records[] = { { .head = { "gemm_s16_s32_4x16__x86_avx2", PITH_EXACT }, .run = run } };

PITH_EXPORT_KERNEL(gemm_s16_s32, x86_avx2, records);
