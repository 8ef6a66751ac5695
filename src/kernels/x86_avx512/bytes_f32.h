/* SPDX-License-Identifier: Apache-2.0 */
/* 64 bytes at a time to float32 and back, for kernels on rows of quantised numbers. */
#ifndef PITH_KERNELS_X86_AVX512_BYTES_F32_H
#define PITH_KERNELS_X86_AVX512_BYTES_F32_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BYTES_INLINE static inline __attribute__((always_inline))
#define BYTES_BLOCK  64

/* Numbers (x ^ flip) + base; plain: both are 0. */
typedef struct bytes_reader {
    __m128i flip;
    __m512i base;
} bytes_reader;

BYTES_INLINE bytes_reader bytes_read_as(uint8_t flip, int32_t base)
{
    return (bytes_reader){ _mm_set1_epi8((char)flip), _mm512_set1_epi32(base) };
}

BYTES_INLINE __m512 bytes_read(const uint8_t *x, const bytes_reader *as, const bool is_plain)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)x);
    if (is_plain) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    }
    const __m512i numbers = _mm512_cvtepu8_epi32(_mm_xor_si128(bytes, as->flip));
    return _mm512_cvtepi32_ps(_mm512_add_epi32(numbers, as->base));
}

/* Limits of the result, which decide whether bytes are signed. A NaN becomes low. */
typedef struct bytes_writer {
    __m512 low, high;
    __m512i order;
    bool is_signed;
} bytes_writer;

BYTES_INLINE bytes_writer bytes_write_within(int32_t low, int32_t high)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return (bytes_writer){ _mm512_set1_ps((float)low), _mm512_set1_ps((float)high), order, low < 0 };
}

BYTES_INLINE __m512i bytes_rounded(__m512 value, const bytes_writer *to)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, to->low), to->high));
}

BYTES_INLINE void bytes_write(uint8_t *y, const __m512 values[4], const bytes_writer *to)
{
    const __m512i left = _mm512_packs_epi32(bytes_rounded(values[0], to), bytes_rounded(values[1], to));
    const __m512i right = _mm512_packs_epi32(bytes_rounded(values[2], to), bytes_rounded(values[3], to));
    const __m512i bytes = to->is_signed ? _mm512_packs_epi16(left, right) : _mm512_packus_epi16(left, right);
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(to->order, bytes));
}

#endif
