/* SPDX-License-Identifier: Apache-2.0 */
/* For spellings of operators that other runtimes fused with an addition. */
#ifndef PITH_OPS_SHARED_SOURCE_H
#define PITH_OPS_SHARED_SOURCE_H

#include "ops/op.h"

/* Puts `add` nodes in front so that input 0 becomes input 0 + input `other`. `sum` (NULL: a fresh value) is the
 * value that the sum shall be. */
pith_status pithi_source_add_inputs(pith_ctx *ctx, pith_source *source, int other, pith_value *sum);

#endif
