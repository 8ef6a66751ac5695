/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_avx2/vec_s8.h"

#define WINO_N 16
typedef uint16_t wino_words __attribute__((vector_size(32)));
typedef uint32_t wino_sums __attribute__((vector_size(32)));
typedef int32_t wino_ints __attribute__((vector_size(32)));

S8_WORD wino_words wino_load(const uint8_t *from, int n, uint8_t flip)
{
    uint8_t bytes[WINO_N] = { 0 };
    if (n < WINO_N) {
        memcpy(bytes, from, (size_t)n);
        from = bytes;
    }
    const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)from);
    return (wino_words)_mm256_cvtepi8_epi16(_mm_xor_si128(all, _mm_set1_epi8((char)flip)));
}

#include "kernels/winograd_s8_body.h"

static const pith_winograd_s8 records[] = {
    { { "winograd_s8_4x4__x86_avx2", PITH_EXACT }, 220.0f, 160.0f, 240.0f, input, weights, output }
};

PITH_EXPORT_KERNEL(winograd_s8, x86_avx2, records);
