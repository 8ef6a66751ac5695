/* SPDX-License-Identifier: Apache-2.0 */
/* Family softmax_f32: y = e^(x - max) / sum e^(x - max), or its logarithm (x - max) - ln(sum), over
 *
 *   row:     x[0 .. n-1]
 *   columns: x[k * stride + c], k = 0 .. n_axis-1, for each c = 0 .. n_columns-1
 *
 * y has x's layout and may be x, else must not overlap it. NaN in a group makes all of it NaN, as do infinity or
 * nothing but -infinity; -infinity among finite values gives 0. Columns may be split over calls at will. Exactness:
 * PITH_BOUNDED, relative error of y at most (n / 2 + 5 + |x - max|) 2^-23, since x - max is rounded (logarithm: the
 * same of 1 + |y|, absolute). */
#ifndef PITH_KERNELS_SOFTMAX_F32_H
#define PITH_KERNELS_SOFTMAX_F32_H

#include "kernels/kernel.h"

typedef void pith_softmax_row_fn(const float *x, float *y, size_t n);
typedef void pith_softmax_columns_fn(const float *x, float *y, size_t n_axis, size_t stride, size_t n_columns);

typedef struct pith_softmax_f32 {
    pith_kernel head;
    pith_softmax_row_fn *row, *log_row;
    pith_softmax_columns_fn *columns, *log_columns;
} pith_softmax_f32;

static inline const pith_softmax_f32 *pithi_softmax_f32(int isa_limit)
{
    return pithi_kernel_find("softmax_f32", isa_limit)->records;
}

#endif
