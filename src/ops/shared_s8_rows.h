/* SPDX-License-Identifier: Apache-2.0 */
/* Products of float32 rows with constant 8-bit weights in integers. A row x becomes whole numbers of 16 bits by its own
 * largest magnitude m:
 *
 *   top = min(32767, floor((2^31 - 1) / largest sum_k |w[n][k]|)),  q[k] = rne(x[k] * (top / m))
 *   y[n] = y[n] or bias[n], + float(sum_k q[k] w[n][k]) * ((m / top) * scale[n])
 *
 * with the sum exact in s32. A row below 2^-100 counts as zeros, one that isn't finite gives NaN. x is off by half
 * of m / top, and nothing else but the last steps rounds. q + 32768 is two bytes, which meet the weights in gemm_s8:
 * two rows there for one here. */
#ifndef PITH_OPS_SHARED_S8_ROWS_H
#define PITH_OPS_SHARED_S8_ROWS_H

#include "kernels/s16.h"
#include "ops/shared_s8.h"

#define PITHI_S8_ROWS_MOST 32 /* rows at once */

typedef struct pithi_s8_rows {
    pithi_s8_weights weights;
    const pith_s16 *coder;
    const float *scale; /* n */
    int64_t n_k;
    float top;
} pithi_s8_rows;

/* Rows [first, first + n) of all of `weights`, s8 [..., n_k]; `scale` (of all of them) lives as long as the plan. Up to
 * n_rows are multiplied at once (0: many); of a single one, columns are cut at whole strips of gemm_s8.h. */
pith_status pithi_s8_rows_make(pith_prepare *prepare, const pith_tensor *weights, int64_t first, int64_t n,
                               const float *scale, int64_t n_rows, pithi_s8_rows *rows_out);
/* top of the rule above, for all rows of `weights`. */
float pithi_s8_rows_top(const pith_tensor *weights);
/* What encode fills and multiply reads. */
size_t pithi_s8_rows_scratch_bytes(int64_t n_k, int64_t n_rows);
void pithi_s8_rows_encode(const pithi_s8_rows *w, const float *const *x, int n_rows, void *scratch);

/* Columns [first, first + n) (first begins a panel, or a strip) of n_rows rows that have been encoded; y is that of
 * `first`. */
typedef struct pithi_s8_rows_product {
    int64_t first, n;
    int n_rows;
    const float *bias; /* n, or NULL: added to y */
    float *y;
    size_t y_stride;
} pithi_s8_rows_product;
void pithi_s8_rows_multiply(const pithi_s8_rows *w, const pithi_s8_rows_product *product, void *scratch);

#endif
