/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_vnni/vec_s8.h"

#define WINO_N 32
typedef uint16_t wino_words __attribute__((vector_size(64)));
typedef uint32_t wino_sums __attribute__((vector_size(64)));
typedef int32_t wino_ints __attribute__((vector_size(64)));

S8_WORD wino_words wino_load(const uint8_t *from, int n, uint8_t flip)
{
    const __m256i bytes = n == WINO_N ? _mm256_loadu_si256((const __m256i *)(const void *)from)
                                      : _mm256_maskz_loadu_epi8((1u << n) - 1, from);
    return (wino_words)_mm512_cvtepi8_epi16(_mm256_xor_si256(bytes, _mm256_set1_epi8((char)flip)));
}

#include "kernels/winograd_s8_body.h"

static const pith_winograd_s8 records[] = {
    { { "winograd_s8_4x4__x86_vnni", PITH_EXACT }, 110.0f, 80.0f, 120.0f, input, weights, output }
};

PITH_EXPORT_KERNEL(winograd_s8, x86_vnni, records);
