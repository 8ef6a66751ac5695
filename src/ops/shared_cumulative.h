/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums and products along an axis (a second operand), from the end if reverse, without the element itself if
 * exclusive. */
#ifndef PITH_OPS_SHARED_CUMULATIVE_H
#define PITH_OPS_SHARED_CUMULATIVE_H

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_cumulative_attrs {
    int64_t exclusive, reverse;
} pithi_cumulative_attrs;

extern const pith_attr_spec pithi_cumulative_attrs_table[2];
extern const pith_operand_spec pithi_cumulative_inputs[2], pithi_cumulative_outputs[1];

pith_status pithi_cumulative_infer(pith_infer *infer);
void pithi_cumulative_ref(const pith_run *run, bool is_product);
/* In parts: blocks of lines that lie side by side. */
pith_status pithi_cumulative_prepare(pith_prepare *prepare);
void pithi_cumulative_run(const pith_run *run, const pith_part *part, bool is_product);

#define PITHI_CUMULATIVE_RECORD                                                                    \
    .flags = PITH_OP_INPLACE, .inputs = pithi_cumulative_inputs, .n_inputs = 2,                    \
    .outputs = pithi_cumulative_outputs, .n_outputs = 1, .infer = pithi_cumulative_infer,   \
    .prepare = pithi_cumulative_prepare

#endif
