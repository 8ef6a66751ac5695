/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_s16_s32: rows of integers times a packed matrix,
 *
 *   y[r y_stride + j] = sum over p < n_pairs of  a[r a_stride + 2 p] b[p][j][0] + a[r a_stride + 2 p + 1]
 * b[p][j][1]
 *
 * for r < n_rows, j < n_columns, modulo 2^32. b is packed as [n_pairs][n_padded][2]: two neighbouring rows of
 * the matrix side by side, as multiply-add instructions want them; n_padded is n_columns rounded up to
 * PITH_GEMM_S16_COLUMNS, what is added holds zeros. Products of a pair must not overflow s32 (bytes minus zero
 * points are far from it). a_stride is even, a 4-byte aligned. Exactness: PITH_EXACT. */
#ifndef PITH_KERNELS_GEMM_S16_S32_H
#define PITH_KERNELS_GEMM_S16_S32_H

#include <stdint.h>

#include "kernels/kernel.h"

#define PITH_GEMM_S16_COLUMNS 16

typedef struct pith_gemm_s16_task {
    const int16_t *a, *b;
    int32_t *y;
    int64_t a_stride, y_stride;
    int64_t n_rows, n_columns, n_padded, n_pairs;
} pith_gemm_s16_task;

typedef struct pith_gemm_s16_s32 {
    pith_kernel head;
    void (*run)(const pith_gemm_s16_task *task);
} pith_gemm_s16_s32;

/* The record for an ISA limit; never NULL. */
static inline const pith_gemm_s16_s32 *pithi_gemm_s16_s32(int isa_limit)
{
    return pithi_kernel_find("gemm_s16_s32", isa_limit)->records;
}

#endif
