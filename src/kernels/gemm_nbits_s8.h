/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_nbits_s8: products of rows that are rounded to 8 bits group by group with weights of few bits, in
 * integers. Weights lie as in gemm_nbits.h, formats INT alone; groups are its groups.
 *
 *   quantize: of a group of a row: m = largest |x[k]|, scale = m / 127, q[k] = round_half_even( x[k] * (127 / m) ),
 *             sum = sum_k q[k]. m < 2^-100: all are 0; m not finite: scale is NaN, q and sum are 0
 *   tile:     acc(g) = sum_{k in g} q[m][k] * code[k][n] - (zero[g][n] + middle) * sum[m][g]       exact, in s32
 *             y = 0, then for each g in turn y = fma( (float)acc(g), a_scale[m][g] * scale[g][n], y )
 *             C[m][n] = clamp( y + bias[n] + residual[m][n] ), every sum rounded
 *
 * Rows come in tiles of R: 1 if there is only one, else PITH_NBITS_S8_ROWS, of which the last ones may be missing
 * (their numbers are anything): q as [tile][k / 4][R][4], scales and sums as [tile][group][R].
 *
 * Of pith_gemm_nbits_tile a_rows, sums and table aren't read, and zeros are s8. A group has at most 65536 values of k.
 * PITH_EXACT, but that NaN clamps to anything. Nothing outside the named elements is read or written. */
#ifndef PITH_KERNELS_GEMM_NBITS_S8_H
#define PITH_KERNELS_GEMM_NBITS_S8_H

#include "kernels/gemm_nbits.h"

#define PITH_NBITS_S8_ROWS 4

typedef struct pith_nbits_s8_rows {
    int8_t *q;
    float *scales;
    int32_t *sums;
} pith_nbits_s8_rows;

typedef struct pith_gemm_nbits_s8 {
    pith_kernel head;
    int nr;       /* panel width */
    bool is_fast; /* faster than gemm_nbits of the same ISA */
    /* Group of n (a multiple of 4) values; q[k] goes to q[k / 4 * step + k % 4]. */
    void (*quantize)(const float *x, size_t n, int8_t *q, size_t step, float *scale, int32_t *sum);
    void (*tile)(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a);
} pith_gemm_nbits_s8;

static inline const pith_gemm_nbits_s8 *pithi_gemm_nbits_s8(int isa_limit)
{
    return pithi_kernel_find("gemm_nbits_s8", isa_limit)->records;
}

static inline int pithi_nbits_s8_rows(int64_t n_rows) { return n_rows == 1 ? 1 : PITH_NBITS_S8_ROWS; }

#endif
