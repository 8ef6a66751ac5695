/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_nbits: what other passes leave to it. */
#ifndef PITH_PASSES_FUSE_NBITS_H
#define PITH_PASSES_FUSE_NBITS_H

#include "passes/rewrite.h"

/* Input 1 of a product of matrices, halves that are large enough to be worth reading as they are. */
bool pithi_nbits_keeps_halves(const pith_node *node, int index);

#endif
