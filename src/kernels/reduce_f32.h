/* SPDX-License-Identifier: Apache-2.0 */
/* Family reduce_f32: sums and extremes of float32.
 *
 *   rows:    result = op over x[0 .. n-1]
 *   columns: y[c]   = op over r of x[r * row_stride + c], c = 0 .. n_columns-1
 *
 * Nothing gives 0 for sums, -infinity for max, +infinity for min. NaN among the elements gives NaN. The bits depend
 * on n (or n_rows) and the elements alone: columns may be split over calls at will. Sums run in blocks of bounded
 * length, so errors grow with the number of blocks. y must not overlap x. Exactness: max and min PITH_EXACT but for NaN
 * payloads and signs of zeros, sums PITH_BOUNDED with k = n / 64 + 70 (rows) and n_rows / 64 + 70 (columns). */
#ifndef PITH_KERNELS_REDUCE_F32_H
#define PITH_KERNELS_REDUCE_F32_H

#include "kernels/kernel.h"

typedef enum pith_reduce {
    PITH_REDUCE_SUM,
    PITH_REDUCE_SUM_ABS,
    PITH_REDUCE_SUM_SQUARE,
    PITH_REDUCE_MAX,
    PITH_REDUCE_MIN,
    PITH_REDUCE_COUNT
} pith_reduce;

typedef float pith_reduce_rows_f32_fn(const float *x, size_t n);
typedef void pith_reduce_columns_f32_fn(const float *x, size_t n_rows, size_t row_stride, float *y, size_t n_columns);

typedef struct pith_reduce_f32 {
    pith_kernel head;
    pith_reduce_rows_f32_fn *rows[PITH_REDUCE_COUNT];
    pith_reduce_columns_f32_fn *columns[PITH_REDUCE_COUNT];
} pith_reduce_f32;

static inline const pith_reduce_f32 *pithi_reduce_f32(int isa_limit)
{
    return pithi_kernel_find("reduce_f32", isa_limit)->records;
}

#endif
