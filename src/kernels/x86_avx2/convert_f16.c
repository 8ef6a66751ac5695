/* SPDX-License-Identifier: Apache-2.0 */
/* With the F16C instructions; tails go through buffers. */
#include "kernels/convert_f16.h"

#include <immintrin.h>
#include <string.h>

static inline void eight_to_f32(const uint16_t *x, float *y)
{
    _mm256_storeu_ps(y, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)x)));
}

static inline void eight_to_f16(const float *x, uint16_t *y)
{
    __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((__m128i *)(void *)y, halves);
}

static void to_f32(const uint16_t *x, float *y, size_t n)
{
    uint16_t from[8] = { 0 };
    float to[8];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        eight_to_f32(x + i, y + i);
    }
    if (i < n) {
        memcpy(from, x + i, (n - i) * sizeof *x);
        eight_to_f32(from, to);
        memcpy(y + i, to, (n - i) * sizeof *y);
    }
}

static void to_f16(const float *x, uint16_t *y, size_t n)
{
    float from[8] = { 0 };
    uint16_t to[8];
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        eight_to_f16(x + i, y + i);
    }
    if (i < n) {
        memcpy(from, x + i, (n - i) * sizeof *x);
        eight_to_f16(from, to);
        memcpy(y + i, to, (n - i) * sizeof *y);
    }
}

static const pith_convert_f16 records[] = { { { "convert_f16__x86_avx2", PITH_EXACT }, to_f32, to_f16 } };

PITH_EXPORT_KERNEL(convert_f16, x86_avx2, records);
