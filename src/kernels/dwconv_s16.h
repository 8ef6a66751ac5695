/* SPDX-License-Identifier: Apache-2.0 */
/* Family dwconv_s16: depthwise convolution of one channels-last image of 16-bit numbers, requantised.
 *
 *   sum   = bias[c] + sum_ky sum_kx (x[iy][ix][c] - x_zero) * w[ky * kernel_w + kx][c]
 *   y[..] = zero + round_half_even( clamp( (float)sum * scale[c], low - zero, high - zero ) )
 *
 * with iy, ix as in dwconv_f32.h; x may be of bytes; taps outside the image count as zero. w holds weights minus their
 * zero points. The caller sees to it that |sum| stays below 2^31 for all x. Strides are in elements. y is of
 * finish.type. PITH_EXACT.
 *
 * pack brings w, bias and scale to the kernel's order in pack_bytes(task) bytes, 64-byte aligned; it reads kernel
 * sizes, channels, types and x_zero besides. run reads `packed` instead of w, bias and scale, and writes to
 * scratch_bytes(task) bytes of scratch, which depend on the sizes alone. */
#ifndef PITH_KERNELS_DWCONV_S16_H
#define PITH_KERNELS_DWCONV_S16_H

#include "kernels/s16.h"

typedef struct pith_dwconv_s16_task {
    const void *x;         /* [in_h][in_w] pixels of n_channels, which follow each other: uint16_t, or bytes */
    const int16_t *w;      /* [kernel_h * kernel_w][n_channels] */
    const int32_t *bias;   /* n_channels */
    const float *scale;    /* n_channels */
    void *y;               /* row 0, also where y_begin > 0 */
    size_t n_channels;
    int in_h, in_w, out_w, y_begin, y_end;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int32_t x_zero;
    bool x_is_signed, x_is_bytes;
    pith_s16_finish finish;
    const void *packed;
    void *scratch;         /* 64-byte aligned */
} pith_dwconv_s16_task;

typedef struct pith_dwconv_s16 {
    pith_kernel head;
    void (*run)(const pith_dwconv_s16_task *task);
    size_t (*pack_bytes)(const pith_dwconv_s16_task *task);
    void (*pack)(const pith_dwconv_s16_task *task, void *packed);
    size_t (*scratch_bytes)(const pith_dwconv_s16_task *task);
} pith_dwconv_s16;

static inline const pith_dwconv_s16 *pithi_dwconv_s16(int isa_limit)
{
    return pithi_kernel_find("dwconv_s16", isa_limit)->records;
}

#endif
