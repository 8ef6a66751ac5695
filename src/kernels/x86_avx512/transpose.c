/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of 16x16 32-bit elements in sixteen registers: rows are interleaved by 1 and 2 elements inside the
 * 128-bit lanes, then lanes are exchanged. Masks take care of the edges; narrow matrices (images of few
 * channels) take tiles of 8x8. */
#include <immintrin.h>

#include "kernels/transpose.h"

#define TILE 16
#define NARROW 8

static inline void transpose_16(__m512 v[TILE])
{
    __m512 t[TILE];
    for (int i = 0; i < TILE; i += 4) { /* 4x4 blocks inside of each lane */
        __m512 a = _mm512_unpacklo_ps(v[i], v[i + 1]), b = _mm512_unpackhi_ps(v[i], v[i + 1]);
        __m512 c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) { /* column 4 lane + i from lane `lane` of the four groups */
        __m512 low = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), low2 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        __m512 high = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd), high2 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        v[i] = _mm512_shuffle_f32x4(low, low2, 0x88);
        v[i + 4] = _mm512_shuffle_f32x4(high, high2, 0x88);
        v[i + 8] = _mm512_shuffle_f32x4(low, low2, 0xdd);
        v[i + 12] = _mm512_shuffle_f32x4(high, high2, 0xdd);
    }
}

static inline void full_tile(const float *src, int64_t src_stride, float *dst, int64_t dst_stride)
{
    __m512 v[TILE];
    for (int r = 0; r < TILE; r++) {
        v[r] = _mm512_loadu_ps(src + r * src_stride);
    }
    transpose_16(v);
    for (int c = 0; c < TILE; c++) {
        _mm512_storeu_ps(dst + c * dst_stride, v[c]);
    }
}

static inline void edge_tile(const float *src, int64_t src_stride, float *dst, int64_t dst_stride, int64_t n_rows,
                             int64_t n_cols)
{
    __mmask16 load_mask = (__mmask16)((1u << n_cols) - 1), store_mask = (__mmask16)((1u << n_rows) - 1);
    __m512 v[TILE];
    for (int r = 0; r < TILE; r++) {
        v[r] = r < n_rows ? _mm512_maskz_loadu_ps(load_mask, src + r * src_stride) : _mm512_setzero_ps();
    }
    transpose_16(v);
    for (int c = 0; c < TILE; c++) {
        if (c < n_cols) {
            _mm512_mask_storeu_ps(dst + c * dst_stride, store_mask, v[c]);
        }
    }
}

static inline void transpose_8(__m256 v[NARROW])
{
    __m256 t[NARROW];
    for (int i = 0; i < NARROW; i += 4) {
        __m256 a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
        __m256 c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}

/* Up to 8 rows and columns. */
static inline void narrow_tile(const float *src, int64_t src_stride, float *dst, int64_t dst_stride, int64_t n_rows,
                               int64_t n_cols)
{
    __mmask8 load_mask = (__mmask8)((1u << n_cols) - 1), store_mask = (__mmask8)((1u << n_rows) - 1);
    __m256 v[NARROW];
    for (int r = 0; r < NARROW; r++) {
        v[r] = r < n_rows ? _mm256_maskz_loadu_ps(load_mask, src + r * src_stride) : _mm256_setzero_ps();
    }
    transpose_8(v);
    for (int c = 0; c < NARROW; c++) {
        if (c < n_cols) {
            _mm256_mask_storeu_ps(dst + c * dst_stride, store_mask, v[c]);
        }
    }
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void transpose_narrow(const float *src, int64_t src_stride, float *dst, int64_t dst_stride, int64_t n_rows,
                             int64_t n_cols)
{
    for (int64_t c = 0; c < n_cols; c += NARROW) {
        for (int64_t r = 0; r < n_rows; r += NARROW) {
            narrow_tile(src + r * src_stride + c, src_stride, dst + c * dst_stride + r, dst_stride,
                        smaller(n_rows - r, NARROW), smaller(n_cols - c, NARROW));
        }
    }
}

static void transpose_x32(const void *src_data, int64_t src_stride, void *dst_data, int64_t dst_stride, int64_t n_rows,
                          int64_t n_cols)
{
    if (n_rows <= NARROW || n_cols <= NARROW) {
        transpose_narrow(src_data, src_stride, dst_data, dst_stride, n_rows, n_cols);
        return;
    }
    for (int64_t c = 0; c < n_cols; c += TILE) {
        int64_t width = smaller(n_cols - c, TILE);
        for (int64_t r = 0; r < n_rows; r += TILE) {
            int64_t height = smaller(n_rows - r, TILE);
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

static const pith_transpose records[] = {
    { .head = { "transpose_16x16__x86_avx512", PITH_EXACT }, .functions = { NULL, NULL, transpose_x32, NULL } }
};

PITH_EXPORT_KERNEL(transpose, x86_avx512, records);
