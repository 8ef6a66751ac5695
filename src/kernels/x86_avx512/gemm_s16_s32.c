/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/gemm_s16_s32.h"

#include <immintrin.h>
#include <string.h>

typedef __m512i vi;
#define VI_LANES 16
#define VI_VECTORS 4

static inline vi vi_zero(void) { return _mm512_setzero_si512(); }
static inline vi vi_load(const int16_t *p) { return _mm512_loadu_si512(p); }
static inline vi vi_add_pairs(vi sum, vi a, vi b) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)); }

static inline vi vi_pair(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

static inline void vi_store_first(int32_t *p, vi v, int64_t n)
{
    if (n >= VI_LANES) {
        _mm512_storeu_si512(p, v);
    } else if (n > 0) {
        _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1u), v);
    }
}

#include "kernels/gemm_s16_s32_body.h"

static const pith_gemm_s16_s32 records[] = { { .head = { "gemm_s16_s32_4x64__x86_avx512", PITH_EXACT }, .run = run } };

PITH_EXPORT_KERNEL(gemm_s16_s32, x86_avx512, records);
