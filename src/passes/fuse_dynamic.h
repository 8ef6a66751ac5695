/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamically quantised products, as ONNX Runtime's quantize_dynamic and `pith quantize --dynamic` write them:
 *
 *   q, s, z = DynamicQuantizeLinear(x);  y = Cast(MatMulInteger(q, w, z, w_zero)) * (s * s_w), ConvInteger likewise */
#ifndef PITH_PASSES_FUSE_DYNAMIC_H
#define PITH_PASSES_FUSE_DYNAMIC_H

#include "passes/rewrite.h"

typedef struct pithi_dynamic {
    pith_node *sums;                /* matmul_integer (w a matrix) or conv_integer, w constant */
    pith_value *x, *scale, *factor; /* scale: s; factor: s_w, a constant of one element or one per channel */
    int64_t n_channels;
    int channel_from_end;           /* of w's channels in y, counted from the last dimension */
    bool is_conv;
} pithi_dynamic;

/* `mul` is the last node of one. Use counts must be up to date. */
bool pithi_dynamic_of(const pith_node *mul, pithi_dynamic *dynamic_out);

#endif
