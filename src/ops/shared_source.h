/* SPDX-License-Identifier: Apache-2.0 */
/* For spellings of operators that are several of pith's: they put nodes in front of their own. */
#ifndef PITH_OPS_SHARED_SOURCE_H
#define PITH_OPS_SHARED_SOURCE_H

#include "ops/op.h"

/* Puts `add` nodes in front so that input 0 becomes input 0 + input `other`. `sum` (NULL: a fresh value) is the
 * value that the sum shall be. */
pith_status pithi_source_add_inputs(pith_ctx *ctx, pith_source *source, int other, pith_value *sum);

/* Input `index` passes the unary operator `op` first. */
pith_status pithi_source_unary_input(pith_ctx *ctx, pith_source *source, int index, const pith_op *op,
                                     pith_node **node_out);

#endif
