/* SPDX-License-Identifier: Apache-2.0 */
/* What passes fuse_separable and fuse_pool share. */
#ifndef PITH_PASSES_SEPARABLE_H
#define PITH_PASSES_SEPARABLE_H

#include "ops/separable_conv.h"
#include "passes/rewrite.h"

/* The images of the value are too large to stay in L2. */
bool pithi_is_large_image(const pith_value *value);
/* A depthwise convolution of which bands of a few rows fit into L2. */
bool pithi_runs_in_bands(const pith_node *node);
/* `last` becomes a separable_conv of all three; `expand` may be NULL, `depthwise` be `last`. */
pith_status pithi_fuse_separable(pith_graph *graph, pith_node *expand, pith_node *depthwise, pith_node *last);

#endif
