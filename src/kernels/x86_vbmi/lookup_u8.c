/* SPDX-License-Identifier: Apache-2.0 */
/* The table lies in four registers; vpermi2b takes a byte out of two of them by seven bits of the index, the eighth
 * chooses between the pairs. */
#include <immintrin.h>

#include "kernels/lookup_u8.h"

enum { LANES = 64 };

static void run(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n)
{
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + LANES);
    const __m512i t2 = _mm512_loadu_si512(table + 2 * LANES), t3 = _mm512_loadu_si512(table + 3 * LANES);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512i index = _mm512_loadu_si512(x + i);
        __m512i low = _mm512_permutex2var_epi8(t0, index, t1), high = _mm512_permutex2var_epi8(t2, index, t3);
        _mm512_storeu_si512(y + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high));
    }
    for (; i < n; i++) {
        y[i] = table[x[i]];
    }
}

static const pith_lookup_u8 records[] = { { { "lookup_u8__x86_vbmi", PITH_EXACT }, run } };

PITH_EXPORT_KERNEL(lookup_u8, x86_vbmi, records);
