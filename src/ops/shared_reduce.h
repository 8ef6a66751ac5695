/* SPDX-License-Identifier: Apache-2.0 */
/* What reductions share: axes, shapes, reference, run. */
#ifndef PITH_OPS_SHARED_REDUCE_H
#define PITH_OPS_SHARED_REDUCE_H

#include "ops/op.h"
#include "ops/sample.h"

typedef enum pithi_reduce_kind {
    PITHI_REDUCE_SUM,
    PITHI_REDUCE_MEAN,
    PITHI_REDUCE_MAX,
    PITHI_REDUCE_MIN,
    PITHI_REDUCE_PROD,
    PITHI_REDUCE_L1,         /* sum |x| */
    PITHI_REDUCE_L2,         /* sqrt(sum x^2) */
    PITHI_REDUCE_SUM_SQUARE, /* sum x^2 */
    PITHI_REDUCE_LOG_SUM,    /* ln(sum x) */
    PITHI_REDUCE_LOG_SUM_EXP /* ln(sum e^x), without overflow */
} pithi_reduce_kind;

typedef struct pithi_reduce_attrs {
    int64_t keepdims, noop_with_empty_axes;
} pithi_reduce_attrs;

extern const pith_attr_spec pithi_reduce_attrs_table[2];
extern const pith_operand_spec pithi_reduce_inputs[2], pithi_reduce_inputs_bool[2];

/* Bit i is set where dimension i of `x` is reduced. `axes` (NULL, no elements: all dimensions, or none with noop). */
uint32_t pithi_reduce_mask(const pith_tensor *axes, const pith_shape *x, bool noop_with_empty_axes);

pith_status pithi_reduce_infer(pith_infer *infer);
void pithi_reduce_ref(const pith_run *run, pithi_reduce_kind kind);
/* The same on explicit operands; `y` has the elements of the kept dimensions, in order. */
void pithi_reduce_ref_mask(const pith_tensor *x, uint32_t mask, pithi_reduce_kind kind, pith_tensor *y);
pith_status pithi_reduce_prepare(pith_prepare *prepare, pithi_reduce_kind kind);
pith_status pithi_reduce_prepare_mask(pith_prepare *prepare, uint32_t mask, pithi_reduce_kind kind);
/* Rows of `n` float32, reduced one by one: *state_out is for pithi_reduce_rows(), NULL where there is no kernel. */
pith_status pithi_reduce_rows_prepare(pith_prepare *prepare, pithi_reduce_kind kind, int64_t n, const void **state_out);
void pithi_reduce_rows(const void *state, const float *x, int64_t n_rows, float *y);
void pithi_reduce_run(const pith_run *run, const pith_part *part);
void pithi_reduce_cost(const pith_infer *infer, pith_cost *cost);

/* Rewrites constant axes where the rank stays (keepdims) and channels move from place 1 to the end. */
bool pithi_reduce_to_channels_last(pith_graph *graph, pith_node *node);
/* Where dimension `axis` of [N, C, spatial...] lies in [N, spatial..., C]. */
static inline int64_t pithi_channels_last_axis(int64_t axis, int rank)
{
    axis += axis < 0 ? rank : 0;
    return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1;
}

/* Before opset 13 (sum) or 18 (others) the axes were an attribute. */
pith_status pithi_map_reduce_axes(pith_ctx *ctx, pith_source *source, void *attrs);

#define PITHI_REDUCE_RECORD                                                                        \
    .outputs = pithi_reduce_outputs, .n_outputs = 1, .infer = pithi_reduce_infer,                  \
    .run = pithi_reduce_run, .cost = pithi_reduce_cost, .layout = PITH_LAYOUT_FOLLOWS,             \
    .to_channels_last = pithi_reduce_to_channels_last
extern const pith_operand_spec pithi_reduce_outputs[1];

#endif
