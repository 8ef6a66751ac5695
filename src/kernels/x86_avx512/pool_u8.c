/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/put_s8.h"

/* The largest taps of n < 16 channels. */
static inline void max_tail(const uint8_t *const *taps, size_t n_taps, size_t at, uint8_t *y, uint8_t flip, size_t n)
{
    const __mmask16 mask = (__mmask16)((1u << n) - 1);
    const __m128i sign = _mm_set1_epi8((char)flip);
    __m128i best = _mm_xor_si128(_mm_maskz_loadu_epi8(mask, taps[0] + at), sign);
    uint8_t bytes[16];
    for (size_t t = 1; t < n_taps; t++) {
        best = _mm_max_epu8(best, _mm_xor_si128(_mm_maskz_loadu_epi8(mask, taps[t] + at), sign));
    }
    _mm_storeu_si128((__m128i *)(void *)bytes, _mm_xor_si128(best, sign));
    s8_put(y, bytes, n, 16);
}

#define POOL_NAME "pool_u8__x86_avx512"
#define POOL_LANES 64
#define POOL_MAX(a, b) ((bytes_64)_mm512_max_epu8((__m512i)(a), (__m512i)(b)))
#define POOL_TAIL max_tail
#define POOL_MAX_16(a, b) ((bytes_16)_mm_max_epu8((__m128i)(a), (__m128i)(b)))
#include "kernels/pool_u8_body.h"

PITH_EXPORT_KERNEL(pool_u8, x86_avx512, records);
