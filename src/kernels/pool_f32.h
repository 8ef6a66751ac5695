/* SPDX-License-Identifier: Apache-2.0 */
/* Family pool_f32: maxima and sums of pooling windows, kind 0 max, kind 1 sum.
 *
 *   pixel: y[c] = op over t of taps[t][c], c = 0 .. n_channels-1; the sum times `factor`. Channels-last:
 *          taps are the pixels of one window, n_taps >= 1.
 *   run:   n_pixels windows as above: of window i taps[t] + i * x_step give y + i * n_channels.
 *   row:   y[i] = y[i] op x[i * stride], i = 0 .. n-1. Channels-first: one tap of n neighbouring windows.
 *
 * NaN goes through max. y must not overlap the inputs. Results don't depend on an element's place or n; taps are
 * taken in order. Exactness: max PITH_EXACT but for NaN payloads and signs of zeros, sums as well without fused
 * multiply-add, which isn't used. */
#ifndef PITH_KERNELS_POOL_F32_H
#define PITH_KERNELS_POOL_F32_H

#include "kernels/kernel.h"

typedef enum pith_pool { PITH_POOL_MAX, PITH_POOL_SUM, PITH_POOL_COUNT } pith_pool;

typedef void pith_pool_pixel_fn(const float *const *taps, size_t n_taps, float *y, size_t n_channels, float factor);
typedef void pith_pool_run_fn(const float *const *taps, size_t n_taps, size_t x_step, float *y, size_t n_channels,
                              size_t n_pixels, float factor);
typedef void pith_pool_row_fn(const float *x, ptrdiff_t stride, float *y, size_t n);

typedef struct pith_pool_f32 {
    pith_kernel head;
    pith_pool_pixel_fn *pixel[PITH_POOL_COUNT];
    pith_pool_run_fn *run[PITH_POOL_COUNT];
    pith_pool_row_fn *row[PITH_POOL_COUNT];
} pith_pool_f32;

static inline const pith_pool_f32 *pithi_pool_f32(int isa_limit)
{
    return pithi_kernel_find("pool_f32", isa_limit)->records;
}

#endif
