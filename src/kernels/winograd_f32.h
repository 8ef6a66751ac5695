/* SPDX-License-Identifier: Apache-2.0 */
/* Family winograd_f32: the transforms around the products of a 3x3 convolution of stride 1 as F(2x2, 3x3) of Lavin
 * and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015: 16 multiplications for 4 outputs
 * instead of 36. A tile is 4x4 input pixels and gives 2x2 output pixels:
 *
 *   Y = At [ (G g Gt) . (Bt d B) ] A      with . element by element, summed over input channels by gemm_f32
 *
 *        | 1  0 -1  0 |       |  1    0    0  |        | 1  1  1  0 |
 *   Bt = | 0  1  1  0 |   G = | 1/2  1/2  1/2 |   At = | 0  1 -1 -1 |
 *        | 0 -1  1  0 |       | 1/2 -1/2  1/2 |
 *        | 0  1  0 -1 |       |  0    0    1  |
 *
 * input:  v[p * v_stride + c] = (Bt d B)[p / 4][p % 4] with d[i * 4 + j] the pixels' channels, c < n.
 * output: y[i * 2 + j][c] = clamp( (At m A)[i][j] + bias[c] + residual[i * 2 + j][c] ) with m[p * m_stride + c]; a NULL
 *         pixel of y is left out. clamp: min(max(v, lo), hi) with NaN kept; -inf, +inf: none.
 *
 * Only additions, so any infinity may become NaN in its whole tile. n is at least 1; nothing outside of the
 * named elements is read or written. Exactness: PITH_BOUNDED with k = 8 on the sum of absolute terms. */
#ifndef PITH_KERNELS_WINOGRAD_F32_H
#define PITH_KERNELS_WINOGRAD_F32_H

#include "kernels/kernel.h"

typedef struct pith_winograd_f32_output {
    const float *m;
    size_t m_stride;
    const float *bias;        /* n or NULL */
    const float *residual[4]; /* n each; all NULL: none */
    float *y[4];
    size_t n;
    float lo, hi;
} pith_winograd_f32_output;

typedef struct pith_winograd_f32 {
    pith_kernel head;
    void (*input)(const float *const d[16], float *v, size_t v_stride, size_t n);
    void (*output)(const pith_winograd_f32_output *tile);
} pith_winograd_f32;

static inline const pith_winograd_f32 *pithi_winograd_f32(int isa_limit)
{
    return pithi_kernel_find("winograd_f32", isa_limit)->records;
}

#endif
