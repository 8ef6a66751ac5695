/* SPDX-License-Identifier: Apache-2.0 */
/* What softmax, log_softmax and hardmax share. */
#ifndef PITH_OPS_SHARED_SOFTMAX_H
#define PITH_OPS_SHARED_SOFTMAX_H

#include "ops/op.h"
#include "ops/sample.h"

typedef enum pithi_softmax_kind { PITHI_SOFTMAX, PITHI_LOG_SOFTMAX, PITHI_HARDMAX } pithi_softmax_kind;

/* flatten: the meaning before opset 13, one group of all elements from `axis` on. */
typedef struct pithi_softmax_attrs {
    int64_t axis, flatten;
} pithi_softmax_attrs;

extern const pith_attr_spec pithi_softmax_attrs_table[2];

/* A tensor as [n_outer][n_axis][n_inner]; the groups run along n_axis. */
typedef struct pithi_softmax_extent {
    int64_t n_outer, n_axis, n_inner;
} pithi_softmax_extent;

pithi_softmax_extent pithi_softmax_extent_of(const pith_shape *x, const pithi_softmax_attrs *attrs);

pith_status pithi_softmax_infer(pith_infer *infer);
void pithi_softmax_ref(const pith_run *run, pithi_softmax_kind kind);
/* The reference on this part's groups, for a kind without a kernel. */
void pithi_softmax_ref_part(const pith_run *run, const pith_part *part, pithi_softmax_kind kind);
pith_status pithi_softmax_prepare(pith_prepare *prepare, pithi_softmax_kind kind);
void pithi_softmax_run(const pith_run *run, const pith_part *part);
void pithi_softmax_cost(const pith_infer *infer, pith_cost *cost);
bool pithi_softmax_to_channels_last(pith_graph *graph, pith_node *node);
pith_status pithi_softmax_to_source(pith_ctx *ctx, const pith_node *node, pith_source *source);
pith_status pithi_map_softmax_flatten(pith_ctx *ctx, pith_source *source, void *attrs);

#define PITHI_SOFTMAX_RECORD                                                                       \
    .flags = PITH_OP_INPLACE, .inputs = pithi_x_float, .n_inputs = 1, .outputs = pithi_y_float,    \
    .n_outputs = 1, .infer = pithi_softmax_infer, .cost = pithi_softmax_cost,                      \
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_softmax_to_channels_last

#endif
