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
        __m512 high = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd),
               high2 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
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

/* Three planes into pixels of three channels and back: 16 pixels are three registers either way. The tables say for
 * each lane of a result which element of 48 it takes; two at a time can be asked of two registers. */
static inline __m512i table_of(int result, bool is_merge)
{
    int32_t lanes[TILE];
    for (int i = 0; i < TILE; i++) {
        int at = result * TILE + i; /* merge: pixel at / 3 of plane at % 3; split: element 3 i + result */
        lanes[i] = is_merge ? at % 3 * TILE + at / 3 : 3 * i + result;
    }
    return _mm512_loadu_si512(lanes);
}

static inline __m512 pick_of_48(const __m512 v[3], __m512i table)
{
    __m512 low = _mm512_permutex2var_ps(v[0], table, v[1]); /* right where the table is below 32 */
    __mmask16 is_high = _mm512_cmpge_epi32_mask(table, _mm512_set1_epi32(2 * TILE));
    return _mm512_mask_permutexvar_ps(low, is_high, table, v[2]);
}

/* n pixels; plane_stride between the planes. */
static void transpose_3(const float *src, float *dst, int64_t plane_stride, int64_t n, bool is_merge)
{
    const __m512i tables[3] = { table_of(0, is_merge), table_of(1, is_merge), table_of(2, is_merge) };
    int64_t from_step = is_merge ? plane_stride : TILE, to_step = is_merge ? TILE : plane_stride;
    for (int64_t i = 0; i + TILE <= n; i += TILE) {
        const float *from = src + (is_merge ? i : 3 * i);
        float *to = dst + (is_merge ? 3 * i : i);
        const __m512 v[3] = { _mm512_loadu_ps(from), _mm512_loadu_ps(from + from_step),
                              _mm512_loadu_ps(from + 2 * from_step) };
        for (int k = 0; k < 3; k++) {
            _mm512_storeu_ps(to + k * to_step, pick_of_48(v, tables[k]));
        }
    }
}

/* Lane i of result k of two vectors: merged it is lane (16 k + i) / 2 of vector i % 2, split it is element 2 i + k. */
static const int32_t merged_2[2][TILE] = { { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 },
                                           { 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 } };
static const int32_t split_2[2][TILE] = { { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30 },
                                          { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 } };

/* Two planes into pixels of two channels (halves of shuffled channels, factor-2 pixel shuffles) and back. */
static inline void transpose_2(const float *src, float *dst, int64_t plane_stride, int64_t n, bool is_merge)
{
    const __m512i first = _mm512_loadu_si512(is_merge ? merged_2[0] : split_2[0]);
    const __m512i second = _mm512_loadu_si512(is_merge ? merged_2[1] : split_2[1]);
    int64_t from_step = is_merge ? plane_stride : TILE, to_step = is_merge ? TILE : plane_stride;
    for (int64_t i = 0; i < n; i += TILE) {
        const float *from = src + (is_merge ? i : 2 * i);
        float *to = dst + (is_merge ? 2 * i : i);
        if (n - i >= TILE) {
            const __m512 a = _mm512_loadu_ps(from), b = _mm512_loadu_ps(from + from_step);
            _mm512_storeu_ps(to, _mm512_permutex2var_ps(a, first, b));
            _mm512_storeu_ps(to + to_step, _mm512_permutex2var_ps(a, second, b));
            continue;
        }
        const __mmask16 plane = (__mmask16)((1u << (n - i)) - 1);
        const __mmask32 pixels = (__mmask32)(((uint64_t)1 << 2 * (n - i)) - 1);
        const __mmask16 low = (__mmask16)pixels, high = (__mmask16)(pixels >> TILE);
        const __m512 a = _mm512_maskz_loadu_ps(is_merge ? plane : low, from);
        const __m512 b = _mm512_maskz_loadu_ps(is_merge ? plane : high, from + from_step);
        _mm512_mask_storeu_ps(to, is_merge ? low : plane, _mm512_permutex2var_ps(a, first, b));
        _mm512_mask_storeu_ps(to + to_step, is_merge ? high : plane, _mm512_permutex2var_ps(a, second, b));
    }
}

static void turns(const void *src, int64_t second, int64_t src_stride, void *dst, int64_t dst_stride, int64_t n_rows,
                  int64_t count)
{
    for (int64_t r = 0; r < n_rows; r++) {
        transpose_2((const float *)src + r * src_stride, (float *)dst + r * dst_stride, second, count, true);
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
    if ((n_rows == 2 && dst_stride == 2) || (n_cols == 2 && src_stride == 2)) {
        bool is_merge = n_rows == 2 && dst_stride == 2;
        transpose_2(src_data, dst_data, is_merge ? src_stride : dst_stride, is_merge ? n_cols : n_rows, is_merge);
        return;
    }
    if (n_rows <= NARROW || n_cols <= NARROW) {
        bool is_merge = n_rows == 3 && dst_stride == 3, is_split = n_cols == 3 && src_stride == 3;
        int64_t done = 0;
        if (is_merge || is_split) {
            done = (is_merge ? n_cols : n_rows) / TILE * TILE;
            transpose_3(src_data, dst_data, is_merge ? src_stride : dst_stride, done, is_merge);
        }
        transpose_narrow((const float *)src_data + (is_merge ? done : 3 * done), src_stride,
                         (float *)dst_data + (is_merge ? 3 * done : done), dst_stride,
                         is_merge ? n_rows : n_rows - done, is_merge ? n_cols - done : n_cols);
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
    { .head = { "transpose_16x16__x86_avx512", PITH_EXACT }, .functions = { NULL, NULL, transpose_x32, NULL },
      .turns = turns }
};

PITH_EXPORT_KERNEL(transpose, x86_avx512, records);
