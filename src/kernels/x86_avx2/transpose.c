/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of 8x8 32-bit elements in eight registers: pairs of rows are interleaved by 1, then by 2
 * elements, then halves are swapped across the two lanes. */
#include <immintrin.h>

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

static const pith_transpose records[] = {
    { .head = { "transpose_8x8__x86_avx2", PITH_EXACT }, .functions = { NULL, NULL, transpose_x32, NULL } }
};

PITH_EXPORT_KERNEL(transpose, x86_avx2, records);
