/* SPDX-License-Identifier: Apache-2.0 */
/* Family dwconv_s8: depthwise convolution of one channels-last image of bytes, requantised.
 *
 *   sum     = bias[c] + sum_ky sum_kx ((x[iy][ix][c] ^ x_flip) - x_zero) * w[ky * kernel_w + kx][c]
 *   y[..]   = zero + round_half_even( clamp( (float)sum * scale[c], low - zero, high - zero ) )
 *
 * with iy, ix as in dwconv_f32.h; taps outside the image count as zero and aren't read. w holds weights minus their
 * zero points, so 16 bits. x_zero counts after the flip. Strides are in elements. Arithmetic as in gemm_s8.h:
 * PITH_EXACT.
 *
 * Kernels may have a faster way with packed weights: pack_bytes(task) bytes, 64-byte aligned, that pack(task, packed)
 * fills from w, bias, scale, x_zero, kernel and strides; of the rest of the task it reads nothing. `packed` of the task
 * then says so; w, bias and scale are not read any more. */
#ifndef PITH_KERNELS_DWCONV_S8_H
#define PITH_KERNELS_DWCONV_S8_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_dwconv_s8_task {
    const uint8_t *x;      /* [in_h][in_w] pixels of n_channels */
    size_t x_row_stride, x_pixel_stride;
    const int16_t *w;      /* [kernel_h * kernel_w] rows of n_channels, w_stride apart */
    size_t w_stride;
    const int32_t *bias;   /* n_channels */
    const float *scale;    /* n_channels */
    uint8_t *y;            /* row 0, also where y_begin > 0 */
    size_t y_row_stride, y_pixel_stride;
    size_t n_channels;
    int in_h, in_w, out_w, y_begin, y_end;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    uint8_t x_flip;        /* 0 or 0x80 */
    int32_t x_zero, zero, low, high;
    const void *packed; /* or NULL */
} pith_dwconv_s8_task;

typedef struct pith_dwconv_s8 {
    pith_kernel head;
    void (*run)(const pith_dwconv_s8_task *task);
    size_t (*pack_bytes)(const pith_dwconv_s8_task *task); /* 0: nothing to gain; NULL: never is */
    void (*pack)(const pith_dwconv_s8_task *task, void *packed);
} pith_dwconv_s8;

static inline const pith_dwconv_s8 *pithi_dwconv_s8(int isa_limit)
{
    return pithi_kernel_find("dwconv_s8", isa_limit)->records;
}

#endif
