/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that are linear in their first input (conv, conv_transpose, gemm, matmul): a factor and an offset per
 * output channel behind them can be folded into their weights and bias; of matmul_nbits the offset alone. */
#ifndef PITH_PASSES_LINEAR_H
#define PITH_PASSES_LINEAR_H

#include "passes/rewrite.h"

enum { PITHI_LINEAR_WEIGHTS = 1, PITHI_LINEAR_BIAS = 2 };

typedef struct pithi_linear {
    pith_node *node;
    int64_t n_channels;   /* of the output */
    int channel_from_end; /* where they stand in the output, counted from the last dimension */
    int rank;             /* of the output, -1: unknown */
    bool is_product;      /* gemm, matmul */
} pithi_linear;

/* The linear operator that makes `value` for one reader only, with no activation and no residual added yet, all in
 * float32. False if there is none. Use counts must be up to date. */
bool pithi_linear_behind(const pith_value *value, pithi_linear *linear_out);
/* The constant holds one element, or one per output channel, and does not widen the output. */
bool pithi_linear_is_channel_constant(const pithi_linear *linear, const pith_tensor *constant);
/* Its element for a channel. */
double pithi_channel_item(const pith_tensor *constant, int64_t channel);
/* Bias absent, or a channel constant. */
bool pithi_linear_takes_offset(const pithi_linear *linear);
/* Also weights are constant. */
bool pithi_linear_takes_factor(const pithi_linear *linear);
/* y becomes factor[channel] * y + offset[channel]; factors NULL: only the offset. */
pith_status pithi_linear_scale(pith_graph *graph, const pithi_linear *linear, const double *factors,
                               const double *offsets);
/* gemm, matmul: y becomes factor * y, in the attributes. */
pith_status pithi_linear_scale_all(pith_ctx *ctx, const pithi_linear *linear, double factor);

#endif
