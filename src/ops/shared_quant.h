/* SPDX-License-Identifier: Apache-2.0 */
/* Scales and zero points: one for all, one for each index of an axis, or one for each block along an axis. */
#ifndef PITH_OPS_SHARED_QUANT_H
#define PITH_OPS_SHARED_QUANT_H

#include "ops/op.h"

typedef enum pithi_quant_kind { PITHI_QUANT_SINGLE, PITHI_QUANT_PER_AXIS, PITHI_QUANT_BLOCKED } pithi_quant_kind;

/* How x is cut into rows along which the scale is constant (step 0) or moves with the element (step 1). */
typedef struct pithi_quant_rows {
    int64_t count, length, total; /* the last row may be shorter */
    int64_t step;
    int64_t inner, dim, block;    /* elements behind the axis, size of the axis, elements per scale on it */
    pithi_quant_kind kind;
} pithi_quant_rows;

/* Checks shapes of scale (input `scale_index`) and zero point (the input behind it) against input 0. */
pith_status pithi_infer_quant(pith_infer *infer, int scale_index, int64_t axis, int64_t block_size);

/* `axis` as in the attribute; block_size 0: none. */
pithi_quant_rows pithi_quant_rows_make(const pith_shape *x, const pith_shape *scale, int64_t axis, int64_t block_size);
/* Index of the scale of element `position` of x. */
int64_t pithi_quant_scale_at(const pithi_quant_rows *rows, int64_t position);

/* round_half_even(value) + zero_point, saturated to the integer dtype; NaN gives the lowest value. */
int64_t pithi_quantize(double value, int64_t zero_point, pith_dtype dtype);
void pithi_quant_range(pith_dtype dtype, int64_t *low_out, int64_t *high_out);

#endif
