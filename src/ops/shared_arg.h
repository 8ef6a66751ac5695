/* SPDX-License-Identifier: Apache-2.0 */
/* Index of the largest or smallest element along an axis. */
#ifndef PITH_OPS_SHARED_ARG_H
#define PITH_OPS_SHARED_ARG_H

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_arg_attrs {
    int64_t axis, keepdims, select_last_index;
} pithi_arg_attrs;

extern const pith_attr_spec pithi_arg_attrs_table[3];
extern const pith_operand_spec pithi_arg_inputs[1], pithi_arg_outputs[1];

pith_status pithi_arg_infer(pith_infer *infer);
/* sign 1: largest, -1: smallest. The first NaN wins over everything, as in numpy. */
void pithi_arg_ref(const pith_run *run, int sign);
pith_status pithi_arg_prepare(pith_prepare *prepare);
void pithi_arg_run(const pith_run *run, const pith_part *part, int sign);
void pithi_arg_cost(const pith_infer *infer, pith_cost *cost);
bool pithi_arg_to_channels_last(pith_graph *graph, pith_node *node);

#define PITHI_ARG_RECORD                                                                           \
    .inputs = pithi_arg_inputs, .n_inputs = 1, .outputs = pithi_arg_outputs, .n_outputs = 1,       \
    .infer = pithi_arg_infer, .prepare = pithi_arg_prepare, .cost = pithi_arg_cost,                \
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_arg_to_channels_last

#endif
