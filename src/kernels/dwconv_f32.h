/* SPDX-License-Identifier: Apache-2.0 */
/* Family dwconv_f32: depthwise convolution of one channels-last image.
 *
 *   for oy in y_begin..y_end-1, ox in 0..out_w-1, c in 0..n_channels-1:
 *     y[oy][ox][c] = clamp( bias[c] + sum_ky sum_kx x[oy * stride_h - pad_top + ky * dilation_h]
 *                                                    [ox * stride_w - pad_left + kx * dilation_w][c]
 *                                                   * w[ky * kernel_w + kx][c] + residual[oy][ox][c] )
 *
 * x outside the image counts as zero and isn't read; a kernel row that lies outside is left out. Strides are
 * in elements, so a range of channels is done by moving the pointers. Taps run upward in one chain of
 * multiply-adds per element, so the bits don't depend on how rows and channels are split over calls. clamp:
 * min(max(v, lo), hi) with NaN kept; -inf, +inf: none. y must not overlap any other operand. All sizes are at
 * least 1, but y_end may be y_begin. Nothing outside the named elements is read or written. Exactness:
 * PITH_BOUNDED with k = kernel_h * kernel_w + 2. */
#ifndef PITH_KERNELS_DWCONV_F32_H
#define PITH_KERNELS_DWCONV_F32_H

#include "kernels/kernel.h"

typedef struct pith_dwconv_f32_task {
    const float *x;        /* [in_h][in_w] pixels of n_channels */
    size_t x_row_stride, x_pixel_stride;
    const float *w;        /* [kernel_h * kernel_w] rows of n_channels, w_stride apart */
    size_t w_stride;
    const float *bias;     /* n_channels or NULL */
    const float *residual; /* strides of y, or NULL */
    float *y;              /* row 0, also where y_begin > 0 */
    size_t y_row_stride, y_pixel_stride;
    size_t n_channels;
    int in_h, in_w, out_w, y_begin, y_end;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    float lo, hi;
} pith_dwconv_f32_task;

typedef struct pith_dwconv_f32 {
    pith_kernel head;
    void (*run)(const pith_dwconv_f32_task *task);
} pith_dwconv_f32;

static inline const pith_dwconv_f32 *pithi_dwconv_f32(int isa_limit)
{
    return pithi_kernel_find("dwconv_f32", isa_limit)->records;
}

#endif
