/* SPDX-License-Identifier: Apache-2.0 */
/* Family conv_planar_f32: first convolutions of networks. An image of few channels, each a plane of its own as files
 * and cameras give it, becomes a channels-last one without being rearranged.
 *
 *   for oy in y_begin..y_end-1, ox in 0..out_w-1, n in 0..n_columns-1:
 *     y[oy][ox][n] = clamp( bias[n] + sum_ky sum_c sum_kx x[c][oy * stride_h - pad_top + ky]
 *                                                           [ox * stride_w - pad_left + kx] * w(ky, c, kx, n)
 *                           + residual[oy][ox][n] )
 *
 * x outside of the image counts as zero and isn't read; a kernel row that lies outside is left out. w is packed in
 * panels of `nr` columns (columns past the last are zeros):
 *
 *   w[(panel * n_taps + (ky * in_channels + c) * kernel_w + kx) * nr + n % nr]
 *   n_taps = kernel_h * in_channels * kernel_w
 *
 * Taps run upward in one chain of multiply-adds per element, so the bits don't depend on how rows are split over calls.
 * clamp: min(max(v, lo), hi) with NaN kept; -inf, +inf: none. y must not overlap any other operand. All sizes are at
 * least 1, but y_end may be y_begin. Nothing outside the named elements is read or written. Exactness: PITH_BOUNDED
 * with k = n_taps + 2. */
#ifndef PITH_KERNELS_CONV_PLANAR_F32_H
#define PITH_KERNELS_CONV_PLANAR_F32_H

#include <stdint.h>

#include "kernels/kernel.h"

enum { PITH_CONV_PLANAR_MAX_CHANNELS = 4, PITH_CONV_PLANAR_MAX_KERNEL = 7, PITH_CONV_PLANAR_MAX_STRIDE = 2 };

typedef struct pith_conv_planar_f32_task {
    const float *x;        /* [in_channels][in_h][in_w] */
    size_t x_plane_stride, x_row_stride;
    const float *w;
    const float *bias;     /* n_columns or NULL */
    const float *residual; /* strides of y, or NULL */
    float *y;              /* row 0, also where y_begin > 0 */
    size_t y_row_stride, y_pixel_stride;
    int in_channels, in_h, in_w, out_w, n_columns, y_begin, y_end;
    int kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left; /* in_channels, kernel, stride_w: up to the limits */
    float lo, hi;
} pith_conv_planar_f32_task;

typedef struct pith_conv_planar_f32 {
    pith_kernel head;
    int nr; /* panel width */
    void (*run)(const pith_conv_planar_f32_task *task);
} pith_conv_planar_f32;

static inline const pith_conv_planar_f32 *pithi_conv_planar_f32(int isa_limit)
{
    return pithi_kernel_find("conv_planar_f32", isa_limit)->records;
}

#endif
