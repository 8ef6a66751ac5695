/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* The largest taps of n < 64 channels. */
static inline void max_tail(const uint8_t *const *taps, size_t n_taps, size_t at, uint8_t *y, uint8_t flip, size_t n)
{
    const __mmask64 mask = ((__mmask64)1 << n) - 1;
    const __m512i sign = _mm512_set1_epi8((char)flip);
    __m512i best = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, taps[0] + at), sign);
    for (size_t t = 1; t < n_taps; t++) {
        best = _mm512_max_epu8(best, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, taps[t] + at), sign));
    }
    _mm512_mask_storeu_epi8(y, mask, _mm512_xor_si512(best, sign));
}

#define POOL_NAME "pool_u8__x86_avx512"
#define POOL_LANES 64
#define POOL_MAX(a, b) ((bytes_64)_mm512_max_epu8((__m512i)(a), (__m512i)(b)))
#define POOL_TAIL max_tail
#include "kernels/pool_u8_body.h"

PITH_EXPORT_KERNEL(pool_u8, x86_avx512, records);
