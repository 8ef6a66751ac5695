/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation of groups of channels of [N, C, ...], shared by instance_normalization (one channel each) and
 * group_normalization. Scale and shift have one value per channel, or per group. */
#ifndef PITH_OPS_SHARED_GROUP_NORM_H
#define PITH_OPS_SHARED_GROUP_NORM_H

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_group_norm {
    int64_t n_groups;
    float epsilon;
    bool is_per_group; /* scale and shift */
} pithi_group_norm;

pith_status pithi_group_norm_infer(pith_infer *infer, const pithi_group_norm *norm);
void pithi_group_norm_ref(const pith_run *run, const pithi_group_norm *norm);
pith_status pithi_group_norm_prepare(pith_prepare *prepare, const pithi_group_norm *norm);
void pithi_group_norm_run(const pith_run *run, const pith_part *part);
void pithi_group_norm_cost(const pith_infer *infer, pith_cost *cost);

extern const pith_operand_spec pithi_group_norm_inputs[3], pithi_group_norm_outputs[1];

#define PITHI_GROUP_NORM_RECORD                                                                    \
    .flags = PITH_OP_INPLACE, .inputs = pithi_group_norm_inputs, .n_inputs = 3,                    \
    .outputs = pithi_group_norm_outputs, .n_outputs = 1, .cost = pithi_group_norm_cost

#endif
