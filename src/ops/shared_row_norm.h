/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation over all dimensions from an axis on, shared by layer_normalization and rms_normalization. */
#ifndef PITH_OPS_SHARED_ROW_NORM_H
#define PITH_OPS_SHARED_ROW_NORM_H

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_row_norm_attrs {
    int64_t axis, stash_type;
    float epsilon;
} pithi_row_norm_attrs;

extern const pith_attr_spec pithi_row_norm_attrs_table[3];

/* inputs x, scale, bias (optional); outputs y, and if wanted mean and 1 / sqrt(variance + epsilon) of each row.
 * Without centring the mean is taken as 0. */
pith_status pithi_row_norm_infer(pith_infer *infer);
void pithi_row_norm_ref(const pith_run *run, bool is_centred);
pith_status pithi_row_norm_prepare(pith_prepare *prepare, bool is_centred);
void pithi_row_norm_run(const pith_run *run, const pith_part *part);
void pithi_row_norm_cost(const pith_infer *infer, pith_cost *cost);

/* com.microsoft Skip...: input 1 (and input `bias`, if any) is added to input 0 first; output 3 is that sum. */
pith_status pithi_map_skip_norm(pith_ctx *ctx, pith_source *source, int bias);

#endif
