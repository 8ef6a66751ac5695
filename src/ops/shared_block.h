/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of b x b pixels against groups of b * b channels: depth_to_space and space_to_depth. */
#ifndef PITH_OPS_SHARED_BLOCK_H
#define PITH_OPS_SHARED_BLOCK_H

#include "ops/shared_copy.h"

typedef struct pithi_block_attrs {
    int64_t blocksize, mode;
    int64_t channels_last; /* pith's own: operands are [N, H, W, C] */
} pithi_block_attrs;

/* How a pixel's place in its block stands in the channel: slowest (DCR, c = (row b + column) C + channel) or
 * fastest (CRD, c = channel b b + row b + column). */
enum { PITHI_BLOCK_DCR, PITHI_BLOCK_CRD };
extern const char *const pithi_block_modes[];
extern const pith_attr_spec pithi_block_attr_table[3];

/* Adds the dimensions of the copy between the wide tensor [N, C, H b, W b] and the deep one [N, b b C, H, W]. */
void pithi_block_copy(pithi_copy *copy, const pithi_block_attrs *attrs, const pith_shape *wide, bool to_wide);
/* Shape of the other tensor from input 0. */
pith_status pithi_infer_block(pith_infer *infer, bool to_wide);
bool pithi_block_to_channels_last(pith_graph *graph, pith_node *node);

#endif
