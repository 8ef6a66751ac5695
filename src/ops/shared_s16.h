/* SPDX-License-Identifier: Apache-2.0 */
/* Products and convolutions (channels-last) with constant weights of 8 bits where x or y has 16 bits.
 *
 * Where no sum can leave s32, whatever x, gemm_s16 multiplies: while the sum of |w| stays within 32768, some 250 full
 * weights, over a thousand usual ones. Else x is split into two planes of bytes, x' = 256 h + l, and multiplied twice
 * in the 8-bit kernels: acc = 256 sum h w + sum l w, each sum in s32, which kernels/s16.h joins and requantises. x of 8
 * bits is multiplied once. */
#ifndef PITH_OPS_SHARED_S16_H
#define PITH_OPS_SHARED_S16_H

#include "kernels/dwconv_s16.h"
#include "ops/shared_s8.h"

/* Everything but x: what both ways, products and depthwise convolutions, are made of. */
typedef struct pithi_s16_task {
    pithi_conv_geometry g;  /* of a matrix product: rows are pixels of an image of one column */
    pithi_s8_source source; /* a_dtype and a_zero are those of x; segment_length is set here */
    const float *scales;    /* of the columns of all groups; copied */
    pith_dtype y_dtype;
    pithi_s8_finish finish;
} pithi_s16_task;

/* Sets use_run and state; leaves use_run false where a sum might not fit, or the image isn't plain. */
pith_status pithi_s16_prepare(pith_prepare *prepare, const pithi_s16_task *task);
void pithi_s16_run(const void *state, const void *x, void *y, const pith_part *part);
/* Rows times columns: m x k by k x n. */
pithi_conv_geometry pithi_s16_matrix(int64_t m, int64_t n, int64_t k);

#endif
