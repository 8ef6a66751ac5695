/* SPDX-License-Identifier: Apache-2.0 */
/* One channel: 8 columns at a time, picked out of two registers where the source lies in 16 neighbouring elements,
 * else by a gather (slow on many CPUs). Several channels: 8 of a pixel at a time. */
#include <immintrin.h>

#include "kernels/resize_f32.h"

#define WIDTH 8

static inline __m256i lanes_below(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* src[indices] for up to 8 columns; first and last are the indices of the outer ones. */
static inline __m256 pick(const float *src, __m256i indices, __m256i mask, int64_t first, int64_t last)
{
    if (last < first || last - first >= 2 * WIDTH) {
        return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), src, indices, _mm256_castsi256_ps(mask), 4);
    }
    int64_t span = last - first + 1;
    __m256i offsets = _mm256_sub_epi32(indices, _mm256_set1_epi32((int)first));
    __m256 low = _mm256_permutevar8x32_ps(_mm256_maskload_ps(src + first, lanes_below(span)), offsets);
    if (span <= WIDTH) {
        return low;
    }
    __m256 high = _mm256_permutevar8x32_ps(_mm256_maskload_ps(src + first + WIDTH, lanes_below(span - WIDTH)), offsets);
    __m256i is_high = _mm256_cmpgt_epi32(offsets, _mm256_set1_epi32(WIDTH - 1));
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(is_high));
}

static void columns_of_plane(const pith_resize_taps_f32 *taps, const float *src, float *dst)
{
    int64_t n_out = taps->n_out;
    for (int64_t x = 0; x < n_out; x += WIDTH) {
        int64_t n = n_out - x < WIDTH ? n_out - x : WIDTH;
        __m256i mask = lanes_below(n);
        __m256 sum = _mm256_setzero_ps();
        for (int64_t k = 0; k < taps->n_taps; k++) {
            const int32_t *at = taps->indices + k * n_out + x;
            __m256 weights = _mm256_maskload_ps(taps->weights + k * n_out + x, mask);
            __m256 values = pick(src, _mm256_maskload_epi32((const int *)at, mask), mask, at[0], at[n - 1]);
            sum = k == 0 ? _mm256_mul_ps(weights, values) : _mm256_fmadd_ps(weights, values, sum);
        }
        _mm256_maskstore_ps(dst + x, mask, sum);
    }
}

/* n channels of one pixel; all of them or those of the mask. */
static inline __m256 sum_taps(const pith_resize_taps_f32 *taps, const float *src, int64_t n_channels, int64_t x,
                              const __m256i *mask)
{
    __m256 sum = _mm256_setzero_ps();
    for (int64_t k = 0; k < taps->n_taps; k++) {
        const float *from = src + taps->indices[k * taps->n_out + x] * n_channels;
        __m256 values = mask ? _mm256_maskload_ps(from, *mask) : _mm256_loadu_ps(from);
        __m256 weight = _mm256_broadcast_ss(taps->weights + k * taps->n_out + x);
        sum = k == 0 ? _mm256_mul_ps(weight, values) : _mm256_fmadd_ps(weight, values, sum);
    }
    return sum;
}

static void columns(const pith_resize_taps_f32 *taps, const float *src, int64_t n_channels, float *dst)
{
    if (n_channels == 1) {
        columns_of_plane(taps, src, dst);
        return;
    }
    __m256i mask = lanes_below(n_channels % WIDTH);
    for (int64_t x = 0; x < taps->n_out; x++) {
        float *to = dst + x * n_channels;
        int64_t c = 0;
        for (; c + WIDTH <= n_channels; c += WIDTH) {
            _mm256_storeu_ps(to + c, sum_taps(taps, src + c, n_channels, x, NULL));
        }
        if (c < n_channels) {
            _mm256_maskstore_ps(to + c, mask, sum_taps(taps, src + c, n_channels, x, &mask));
        }
    }
}

static void rows(const float *const *src, const float *weights, int64_t n_taps, float *dst, int64_t n)
{
    for (int64_t i = 0; i < n; i += WIDTH) {
        __m256i mask = lanes_below(n - i < WIDTH ? n - i : WIDTH);
        bool is_full = n - i >= WIDTH;
        __m256 sum = _mm256_setzero_ps();
        for (int64_t k = 0; k < n_taps; k++) {
            __m256 values = is_full ? _mm256_loadu_ps(src[k] + i) : _mm256_maskload_ps(src[k] + i, mask);
            __m256 weight = _mm256_broadcast_ss(weights + k);
            sum = k == 0 ? _mm256_mul_ps(weight, values) : _mm256_fmadd_ps(weight, values, sum);
        }
        if (is_full) {
            _mm256_storeu_ps(dst + i, sum);
        } else {
            _mm256_maskstore_ps(dst + i, mask, sum);
        }
    }
}

static const pith_resize_f32 records[] = {
    { .head = { "resize_f32_8__x86_avx2", PITH_BOUNDED }, .columns = columns, .rows = rows }
};

PITH_EXPORT_KERNEL(resize_f32, x86_avx2, records);
