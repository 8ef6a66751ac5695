/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes are widened to 16 bits, whose products vpmaddwd adds in pairs without saturation
 * (vpmaddubsw would saturate). A column's sum is kept in two halves, k = 0, 1 and k = 2, 3 of each
 * group, until the end: 6 rows by 8 columns are 12 accumulators. */
#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8.h"

#define INLINE static inline __attribute__((always_inline))

enum { MR = 6, NR = 8 };

INLINE __m256i lanes_below(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256i load_ints(const int32_t *from, int n)
{
    return n >= NR ? _mm256_loadu_si256((const __m256i *)(const void *)from)
                   : _mm256_maskload_epi32(from, lanes_below(n));
}

INLINE __m256 load_floats(const float *from, int n)
{
    return n >= NR ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, lanes_below(n));
}

INLINE void store_bytes(uint8_t *to, __m256i values, int n)
{
    const __m256i pick =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i bytes = _mm256_shuffle_epi8(values, pick);
    uint32_t low = (uint32_t)_mm256_extract_epi32(bytes, 0),
             high = (uint32_t)_mm256_extract_epi32(bytes, 4);
    uint64_t both = low | (uint64_t)high << 32;
    if (n >= NR) {
        memcpy(to, &both, NR);
    } else {
        memcpy(to, &both, (size_t)n);
    }
}

INLINE void finish_row(const pith_gemm_s8_tile *t, int m, int n0, int n, __m256i sum)
{
    size_t at = (size_t)m * t->c_stride + (size_t)n0;
    sum = _mm256_add_epi32(sum, load_ints(t->bias + n0, n));
    if (t->row_sums) {
        sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(_mm256_set1_epi32(t->row_sums[m]),
                                                       load_ints(t->b_zero + n0, n)));
    }
    if (!t->scale) {
        int32_t *c = (int32_t *)t->c + at;
        _mm256_maskstore_epi32(c, lanes_below(n), sum);
        return;
    }
    __m256 lo = _mm256_set1_ps((float)(t->low - t->zero)),
           hi = _mm256_set1_ps((float)(t->high - t->zero));
    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), load_floats(t->scale + n0, n));
    value = _mm256_min_ps(_mm256_max_ps(value, lo), hi);
    value = _mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    store_bytes((uint8_t *)t->c + at,
                _mm256_add_epi32(_mm256_cvttps_epi32(value), _mm256_set1_epi32(t->zero)), n);
}

INLINE __m256i widen_a(int32_t four, __m128i flip)
{
    return _mm256_cvtepu8_epi16(_mm_xor_si128(_mm_set1_epi32(four), flip));
}

INLINE void block(const pith_gemm_s8_tile *t, const int mr, int m0, int n0)
{
    __m256i acc[MR][2];
    const uint8_t *a[MR];
    const int8_t *b = t->b + (size_t)(n0 / NR) * t->b_panel_stride;
    const size_t length = t->segment_length,
                 whole = t->a_is_padded ? (length + 3) & ~(size_t)3 : length & ~(size_t)3;
    const __m128i flip = _mm_set1_epi8((char)t->a_flip);
    for (int m = 0; m < mr; m++) {
        acc[m][0] = acc[m][1] = _mm256_setzero_si256();
    }
    for (int s = 0; s < t->n_segments; s++) {
        for (int m = 0; m < mr; m++) {
            a[m] = t->a_rows[m0 + m] + t->segment_offsets[s];
        }
        for (size_t k = 0; k < length; k += 4, b += 4 * NR) {
            __m256i b0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
            __m256i b1 =
                _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(b + 16)));
            for (int m = 0; m < mr; m++) {
                int32_t four = 0;
                if (k < whole) {
                    memcpy(&four, a[m] + k, 4);
                } else {
                    for (size_t i = 0; i < (length & 3); i++) {
                        four |= a[m][k + i] << (8 * i);
                    }
                }
                __m256i left = widen_a(four, flip);
                acc[m][0] = _mm256_add_epi32(acc[m][0], _mm256_madd_epi16(left, b0));
                acc[m][1] = _mm256_add_epi32(acc[m][1], _mm256_madd_epi16(left, b1));
            }
        }
    }
    int n = t->n_columns - n0;
    for (int m = 0; m < mr; m++) {
        __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[m][0], acc[m][1]), 0xd8);
        finish_row(t, m0 + m, n0, n, sums);
    }
}

static void tile(const pith_gemm_s8_tile *t)
{
    for (int n0 = 0; n0 < t->n_columns; n0 += NR) {
        int m = 0;
        for (; m + MR <= t->mr; m += MR) {
            block(t, MR, m, n0);
        }
        switch (t->mr - m) {
        case 5: block(t, 5, m, n0); break;
        case 4: block(t, 4, m, n0); break;
        case 3: block(t, 3, m, n0); break;
        case 2: block(t, 2, m, n0); break;
        case 1: block(t, 1, m, n0); break;
        default: break;
        }
    }
}

static int32_t segment_sum(const uint8_t *a, size_t n, uint8_t flip_byte)
{
    const __m256i flip = _mm256_set1_epi8((char)flip_byte);
    __m256i sums = _mm256_setzero_si256();
    size_t k = 0;
    for (; k + 32 <= n; k += 32) {
        __m256i bytes = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(a + k)), flip);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
    }
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    int64_t sum = _mm_extract_epi64(half, 0) + _mm_extract_epi64(half, 1);
    for (; k < n; k++) {
        sum += a[k] ^ flip_byte;
    }
    return (int32_t)sum;
}

static void row_sums(const pith_gemm_s8_tile *t, int32_t *sums)
{
    for (int m = 0; m < t->mr; m++) {
        sums[m] = 0;
        for (int s = 0; s < t->n_segments; s++) {
            sums[m] += segment_sum(t->a_rows[m] + t->segment_offsets[s], t->segment_length, t->a_flip);
        }
    }
}

static const pith_gemm_s8 records[] = { { { "gemm_s8_6x8__x86_avx2", PITH_EXACT }, NR, MR, tile, row_sums } };

PITH_EXPORT_KERNEL(gemm_s8, x86_avx2, records);
