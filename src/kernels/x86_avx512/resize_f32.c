/* SPDX-License-Identifier: Apache-2.0 */
/* One channel: 16 columns at a time, picked out of up to four registers where the source lies in 64 neighbouring
 * elements, else by a gather (slow on many CPUs). Several channels: 16 of a pixel at a time. */
#include <immintrin.h>

#include "kernels/resize_f32.h"

#define WIDTH 16

static inline __mmask16 lanes_below(int64_t n)
{
    return (__mmask16)(n >= WIDTH ? 0xffffu : (1u << n) - 1u);
}

/* Elements src[0 .. n-1] at `offsets` below 32; others come out as anything. */
static inline __m512 pick_of_32(const float *src, int64_t n, __m512i offsets)
{
    __m512 low = _mm512_maskz_loadu_ps(lanes_below(n), src);
    if (n <= WIDTH) {
        return _mm512_permutexvar_ps(offsets, low);
    }
    return _mm512_permutex2var_ps(low, offsets, _mm512_maskz_loadu_ps(lanes_below(n - WIDTH), src + WIDTH));
}

/* src[indices] for up to 16 columns; first and last are the indices of the outer ones. */
static inline __m512 pick(const float *src, __m512i indices, __mmask16 mask, int64_t first, int64_t last)
{
    if (last < first || last - first >= 4 * WIDTH) {
        return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, indices, src, 4);
    }
    int64_t span = last - first + 1;
    __m512i offsets = _mm512_sub_epi32(indices, _mm512_set1_epi32((int)first));
    __m512 low = pick_of_32(src + first, span, offsets);
    if (span <= 2 * WIDTH) {
        return low;
    }
    __m512 high = pick_of_32(src + first + 2 * WIDTH, span - 2 * WIDTH, offsets); /* reads offsets modulo 32 */
    return _mm512_mask_blend_ps(_mm512_cmpge_epi32_mask(offsets, _mm512_set1_epi32(2 * WIDTH)), low, high);
}

static void columns_of_plane(const pith_resize_taps_f32 *taps, const float *src, float *dst)
{
    int64_t n_out = taps->n_out;
    for (int64_t x = 0; x < n_out; x += WIDTH) {
        __mmask16 mask = lanes_below(n_out - x);
        int64_t n = n_out - x < WIDTH ? n_out - x : WIDTH;
        __m512 sum = _mm512_setzero_ps();
        for (int64_t k = 0; k < taps->n_taps; k++) {
            const int32_t *at = taps->indices + k * n_out + x;
            __m512 weights = _mm512_maskz_loadu_ps(mask, taps->weights + k * n_out + x);
            __m512 values = pick(src, _mm512_maskz_loadu_epi32(mask, at), mask, at[0], at[n - 1]);
            sum = k == 0 ? _mm512_mul_ps(weights, values) : _mm512_fmadd_ps(weights, values, sum);
        }
        _mm512_mask_storeu_ps(dst + x, mask, sum);
    }
}

static void columns(const pith_resize_taps_f32 *taps, const float *src, int64_t n_channels, float *dst)
{
    if (n_channels == 1) {
        columns_of_plane(taps, src, dst);
        return;
    }
    for (int64_t x = 0; x < taps->n_out; x++) {
        for (int64_t c = 0; c < n_channels; c += WIDTH) {
            __mmask16 mask = lanes_below(n_channels - c);
            __m512 sum = _mm512_setzero_ps();
            for (int64_t k = 0; k < taps->n_taps; k++) {
                const float *from = src + taps->indices[k * taps->n_out + x] * n_channels + c;
                __m512 weight = _mm512_set1_ps(taps->weights[k * taps->n_out + x]);
                __m512 values = _mm512_maskz_loadu_ps(mask, from);
                sum = k == 0 ? _mm512_mul_ps(weight, values) : _mm512_fmadd_ps(weight, values, sum);
            }
            _mm512_mask_storeu_ps(dst + x * n_channels + c, mask, sum);
        }
    }
}

/* Four vectors at a time: one after the other waits for its sum. */
static inline int64_t sum_blocks(const float *const *src, const float *weights, const int64_t n_taps, float *dst,
                                 int64_t n)
{
    enum { VECTORS = 4 };
    int64_t at = 0;
    for (; at + VECTORS * WIDTH <= n; at += VECTORS * WIDTH) {
        __m512 sums[VECTORS];
        for (int i = 0; i < VECTORS; i++) {
            sums[i] = _mm512_mul_ps(_mm512_set1_ps(weights[0]), _mm512_loadu_ps(src[0] + at + i * WIDTH));
        }
        for (int64_t k = 1; k < n_taps; k++) {
            const __m512 weight = _mm512_set1_ps(weights[k]);
            for (int i = 0; i < VECTORS; i++) {
                sums[i] = _mm512_fmadd_ps(weight, _mm512_loadu_ps(src[k] + at + i * WIDTH), sums[i]);
            }
        }
        for (int i = 0; i < VECTORS; i++) {
            _mm512_storeu_ps(dst + at + i * WIDTH, sums[i]);
        }
    }
    return at;
}

static void rows(const float *const *src, const float *weights, int64_t n_taps, float *dst, int64_t n)
{
    int64_t i = n_taps == 2 ? sum_blocks(src, weights, 2, dst, n) : sum_blocks(src, weights, n_taps, dst, n);
    for (; i < n; i += WIDTH) {
        __mmask16 mask = lanes_below(n - i);
        __m512 sum = _mm512_mul_ps(_mm512_set1_ps(weights[0]), _mm512_maskz_loadu_ps(mask, src[0] + i));
        for (int64_t k = 1; k < n_taps; k++) {
            sum = _mm512_fmadd_ps(_mm512_set1_ps(weights[k]), _mm512_maskz_loadu_ps(mask, src[k] + i), sum);
        }
        _mm512_mask_storeu_ps(dst + i, mask, sum);
    }
}

static const pith_resize_f32 records[] = {
    { .head = { "resize_f32_16__x86_avx512", PITH_BOUNDED }, .columns = columns, .rows = rows }
};

PITH_EXPORT_KERNEL(resize_f32, x86_avx512, records);
