/* SPDX-License-Identifier: Apache-2.0 */
/* Products of plain matrices through the kernel of the operators. */
#ifndef PITH_QUANT_PRODUCT_H
#define PITH_QUANT_PRODUCT_H

#include <math.h>

#include "kernels/gemm_f32.h"

/* c[m][n] = a[m][k] b[k][n] + bias[n] (NULL: 0) */
static inline void pithi_quant_multiply(const pith_gemm_f32 *kernel, const float *a, const float *b, const float *bias,
                                        const int64_t sizes[3], float *c)
{
    enum { AT_ONCE = 16 };
    const int64_t m = sizes[0], k = sizes[1], n = sizes[2];
    const ptrdiff_t offsets[1] = { 0 };
    for (int64_t first = 0; first < m; first += AT_ONCE) {
        const float *rows[AT_ONCE];
        int mr = (int)(m - first < AT_ONCE ? m - first : AT_ONCE);
        for (int i = 0; i < mr; i++) {
            rows[i] = a + (first + i) * k;
        }
        const pith_gemm_f32_tile tile = {
            .a_rows = rows, .segment_offsets = offsets, .n_segments = 1, .segment_length = (size_t)k,
            .b = b, .b_row_stride = (size_t)n, .b_panel_stride = (size_t)kernel->nr, .bias = bias,
            .c = c + first * n, .c_stride = (size_t)n, .mr = mr, .n_columns = (int)n, .fold = 1,
            .lo = -INFINITY, .hi = INFINITY,
        };
        kernel->tile(&tile);
    }
}

#endif
