/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of elements between dtypes, shared by cast and cast_like. */
#ifndef PITH_OPS_SHARED_CAST_H
#define PITH_OPS_SHARED_CAST_H

#include "ops/op.h"
#include "ops/sample.h"

extern const pith_operand_spec pithi_x_any[1], pithi_y_any[1];

/* outputs[0] = inputs[0] in the dtype of outputs[0]. */
void pithi_cast_ref(const pith_run *run);
pith_status pithi_cast_prepare(pith_prepare *prepare);
void pithi_cast_run(const pith_run *run, const pith_part *part);

/* `saturate` and `round_mode` speak of 8-bit floats, which pith doesn't have. */
pith_status pithi_map_cast_rounding(pith_ctx *ctx, pith_source *source, void *attrs);

#endif
