/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of 8x8 32-bit elements in eight registers: pairs of rows are interleaved by 1, then by 2
 * elements, then halves are swapped across the two lanes. */
#include <immintrin.h>
#include <string.h>

#include "kernels/transpose.h"

#define TILE 8

static inline void transpose_registers(__m256 v[TILE])
{
    __m256 t0 = _mm256_unpacklo_ps(v[0], v[1]), t1 = _mm256_unpackhi_ps(v[0], v[1]);
    __m256 t2 = _mm256_unpacklo_ps(v[2], v[3]), t3 = _mm256_unpackhi_ps(v[2], v[3]);
    __m256 t4 = _mm256_unpacklo_ps(v[4], v[5]), t5 = _mm256_unpackhi_ps(v[4], v[5]);
    __m256 t6 = _mm256_unpacklo_ps(v[6], v[7]), t7 = _mm256_unpackhi_ps(v[6], v[7]);
    __m256 u0 = _mm256_shuffle_ps(t0, t2, 0x44), u1 = _mm256_shuffle_ps(t0, t2, 0xee);
    __m256 u2 = _mm256_shuffle_ps(t1, t3, 0x44), u3 = _mm256_shuffle_ps(t1, t3, 0xee);
    __m256 u4 = _mm256_shuffle_ps(t4, t6, 0x44), u5 = _mm256_shuffle_ps(t4, t6, 0xee);
    __m256 u6 = _mm256_shuffle_ps(t5, t7, 0x44), u7 = _mm256_shuffle_ps(t5, t7, 0xee);
    v[0] = _mm256_permute2f128_ps(u0, u4, 0x20);
    v[1] = _mm256_permute2f128_ps(u1, u5, 0x20);
    v[2] = _mm256_permute2f128_ps(u2, u6, 0x20);
    v[3] = _mm256_permute2f128_ps(u3, u7, 0x20);
    v[4] = _mm256_permute2f128_ps(u0, u4, 0x31);
    v[5] = _mm256_permute2f128_ps(u1, u5, 0x31);
    v[6] = _mm256_permute2f128_ps(u2, u6, 0x31);
    v[7] = _mm256_permute2f128_ps(u3, u7, 0x31);
}

static inline void full_tile(const float *src, int64_t src_stride, float *dst, int64_t dst_stride)
{
    __m256 v[TILE];
    for (int r = 0; r < TILE; r++) {
        v[r] = _mm256_loadu_ps(src + r * src_stride);
    }
    transpose_registers(v);
    for (int c = 0; c < TILE; c++) {
        _mm256_storeu_ps(dst + c * dst_stride, v[c]);
    }
}

/* Up to 8 rows and columns, the rest masked. */
static inline void edge_tile(const float *src, int64_t src_stride, float *dst, int64_t dst_stride, int64_t n_rows,
                             int64_t n_cols)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i load_mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n_cols), lanes);
    __m256i store_mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n_rows), lanes);
    __m256 v[TILE];
    for (int r = 0; r < TILE; r++) {
        v[r] = r < n_rows ? _mm256_maskload_ps(src + r * src_stride, load_mask) : _mm256_setzero_ps();
    }
    transpose_registers(v);
    for (int c = 0; c < TILE; c++) {
        if (c < n_cols) {
            _mm256_maskstore_ps(dst + c * dst_stride, store_mask, v[c]);
        }
    }
}

static void transpose_x32(const void *src_data, int64_t src_stride, void *dst_data, int64_t dst_stride, int64_t n_rows,
                          int64_t n_cols)
{
    for (int64_t c = 0; c < n_cols; c += TILE) {
        int64_t width = n_cols - c < TILE ? n_cols - c : TILE;
        for (int64_t r = 0; r < n_rows; r += TILE) {
            int64_t height = n_rows - r < TILE ? n_rows - r : TILE;
            const float *src = (const float *)src_data + r * src_stride + c;
            float *dst = (float *)dst_data + c * dst_stride + r;
            if (width == TILE && height == TILE) {
                full_tile(src, src_stride, dst, dst_stride);
            } else {
                edge_tile(src, src_stride, dst, dst_stride, height, width);
            }
        }
    }
}

/* ---- bytes ----------------------------------------------------------------------------------- */

#define BYTE_TILE 16

/* The rows of a matrix of 16 registers become its columns: in each round, register i and i + n/2 are interleaved into
 * 2i and 2i + 1, so that after four rounds a byte's register and place have changed roles. */
static inline void interleave(const __m128i *from, __m128i *to, int n)
{
    for (int i = 0; i < n / 2; i++) {
        to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + n / 2]);
        to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + n / 2]);
    }
}

static inline void bytes_16x16(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride)
{
    __m128i a[BYTE_TILE], b[BYTE_TILE];
    for (int r = 0; r < BYTE_TILE; r++) {
        a[r] = _mm_loadu_si128((const __m128i *)(const void *)(src + r * src_stride));
    }
    interleave(a, b, BYTE_TILE);
    interleave(b, a, BYTE_TILE);
    interleave(a, b, BYTE_TILE);
    interleave(b, a, BYTE_TILE);
    for (int c = 0; c < BYTE_TILE; c++) {
        _mm_storeu_si128((__m128i *)(void *)(dst + c * dst_stride), a[c]);
    }
}

/* 8 rows of 8 bytes: the low halves hold the matrix. */
static inline void bytes_8x8(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride)
{
    __m128i rows[8], pairs[4], quads[4];
    for (int r = 0; r < 8; r++) {
        rows[r] = _mm_loadl_epi64((const __m128i *)(const void *)(src + r * src_stride));
    }
    for (int i = 0; i < 4; i++) {
        pairs[i] = _mm_unpacklo_epi8(rows[i], rows[i + 4]);
    }
    interleave(pairs, quads, 4);
    interleave(quads, pairs, 4);
    for (int i = 0; i < 4; i++) {
        _mm_storel_epi64((__m128i *)(void *)(dst + 2 * i * dst_stride), pairs[i]);
        _mm_storel_epi64((__m128i *)(void *)(dst + (2 * i + 1) * dst_stride), _mm_unpackhi_epi64(pairs[i], pairs[i]));
    }
}

/* Whole tiles of 16, or of 8 where either side is shorter; the last ones overlap their neighbours. */
static void byte_tiles(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride, int64_t n_rows,
                       int64_t n_cols)
{
    const int64_t edge = n_rows >= BYTE_TILE && n_cols >= BYTE_TILE ? BYTE_TILE : 8;
    for (int64_t r = 0; r < n_rows; r += edge) {
        int64_t row = r + edge <= n_rows ? r : n_rows - edge;
        for (int64_t c = 0; c < n_cols; c += edge) {
            int64_t col = c + edge <= n_cols ? c : n_cols - edge;
            const uint8_t *from = src + row * src_stride + col;
            uint8_t *to = dst + col * dst_stride + row;
            if (edge == BYTE_TILE) {
                bytes_16x16(from, src_stride, to, dst_stride);
            } else {
                bytes_8x8(from, src_stride, to, dst_stride);
            }
        }
    }
}

/* Three planes to pixels of three bytes: byte i of the result is byte i / 3 of plane i % 3. Returns the
 * columns done. */
static int64_t three_planes(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t n_cols)
{
    enum { Z = 0x80 }; /* nothing of this plane */
    static const uint8_t places[3][3][BYTE_TILE] = { /* of a plane in a block of the result */
        { { 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z, Z, 5 },
          { Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z, 10, Z },
          { Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15, Z, Z } },
        { { Z, 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z, Z },
          { 5, Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z, 10 },
          { Z, Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15, Z } },
        { { Z, Z, 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z },
          { Z, 5, Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z },
          { 10, Z, Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15 } },
    };
    __m128i order[3][3];
    int64_t c = 0;
    memcpy(order, places, sizeof order);
    for (; c + BYTE_TILE <= n_cols; c += BYTE_TILE) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(src + c));
        const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(src + src_stride + c));
        const __m128i z = _mm_loadu_si128((const __m128i *)(const void *)(src + 2 * src_stride + c));
#pragma GCC unroll 3
        for (int block = 0; block < 3; block++) {
            const __m128i pair = _mm_or_si128(_mm_shuffle_epi8(x, order[0][block]),
                                              _mm_shuffle_epi8(y, order[1][block]));
            const __m128i all = _mm_or_si128(pair, _mm_shuffle_epi8(z, order[2][block]));
            _mm_storeu_si128((__m128i *)(void *)(dst + 3 * c + block * BYTE_TILE), all);
        }
    }
    return c;
}

/* Four rows next to each other, as dot products want them. */
static int64_t four_rows(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t n_cols)
{
    int64_t c = 0;
    for (; c + BYTE_TILE <= n_cols; c += BYTE_TILE) {
        __m128i rows[4], mixed[4];
        for (int r = 0; r < 4; r++) {
            rows[r] = _mm_loadu_si128((const __m128i *)(const void *)(src + r * src_stride + c));
        }
        interleave(rows, mixed, 4);
        interleave(mixed, rows, 4);
        for (int r = 0; r < 4; r++) {
            _mm_storeu_si128((__m128i *)(void *)(dst + 4 * c + r * BYTE_TILE), rows[r]);
        }
    }
    return c;
}

static void transpose_x8(const void *src_data, int64_t src_stride, void *dst_data, int64_t dst_stride, int64_t n_rows,
                         int64_t n_cols)
{
    const uint8_t *src = src_data;
    uint8_t *dst = dst_data;
    int64_t done = 0;
    if (n_rows >= 8 && n_cols >= 8) {
        byte_tiles(src, src_stride, dst, dst_stride, n_rows, n_cols);
        return;
    }
    if (n_rows == dst_stride && (n_rows == 3 || n_rows == 4)) {
        done = (n_rows == 3 ? three_planes : four_rows)(src, src_stride, dst, n_cols);
    }
    for (int64_t c = done; c < n_cols; c++) {
        for (int64_t r = 0; r < n_rows; r++) {
            dst[c * dst_stride + r] = src[r * src_stride + c];
        }
    }
}

static const pith_transpose records[] = { { .head = { "transpose_8x8__x86_avx2", PITH_EXACT },
                                            .functions = { transpose_x8, NULL, transpose_x32, NULL } } };

PITH_EXPORT_KERNEL(transpose, x86_avx2, records);
