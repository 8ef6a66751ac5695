/* SPDX-License-Identifier: Apache-2.0 */
/* Global pooling: reductions over all spatial dimensions of [N, C, spatial...], or of [N, spatial..., C] where
 * attribute channels_last is set. */
#ifndef PITH_OPS_SHARED_GLOBAL_POOL_H
#define PITH_OPS_SHARED_GLOBAL_POOL_H

#include "ops/shared_reduce.h"

typedef struct pithi_global_pool_attrs {
    int64_t channels_last, p; /* p: of global_lp_pool */
} pithi_global_pool_attrs;

extern const pith_attr_spec pithi_global_pool_attrs_table[1];
extern const pith_operand_spec pithi_global_pool_x[1], pithi_global_pool_y[1];

pith_status pithi_global_pool_infer(pith_infer *infer);
void pithi_global_pool_ref(const pith_run *run, pithi_reduce_kind kind);
pith_status pithi_global_pool_prepare(pith_prepare *prepare, pithi_reduce_kind kind);
bool pithi_global_pool_to_channels_last(pith_graph *graph, pith_node *node);

#define PITHI_GLOBAL_POOL_RECORD                                                                   \
    .inputs = pithi_global_pool_x, .n_inputs = 1, .outputs = pithi_global_pool_y, .n_outputs = 1,  \
    .infer = pithi_global_pool_infer, .run = pithi_reduce_run, .cost = pithi_reduce_cost,          \
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_global_pool_to_channels_last

#endif
