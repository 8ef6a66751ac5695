/* SPDX-License-Identifier: Apache-2.0 */
/* The two products of FlexAttention; between them stand softmax and the modifiers. Heads of q in groups of equal size
 * share a head of k and v. */
#ifndef PITH_OPS_SHARED_FLEX_H
#define PITH_OPS_SHARED_FLEX_H

#include "ops/op.h"

/* Rows of the result, batch * q heads * q length, in parts. */
pith_status pithi_flex_prepare(pith_prepare *prepare);
/* First and last+1 row of a part; part NULL: all. */
void pithi_flex_rows(const pith_run *run, const pith_part *part, int64_t *begin, int64_t *end);
/* Number of the head of `of` (input 1) that row `row` of input 0 reads. */
int64_t pithi_flex_head(const pith_run *run, int64_t row);
/* Rank 4, one batch, heads that divide; input 1's dimension `its` must equal input 0's dimension `mine`. */
pith_status pithi_infer_flex(pith_infer *infer, int mine, int its);

#endif
