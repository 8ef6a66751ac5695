/* SPDX-License-Identifier: Apache-2.0 */
/* How scatter_elements and scatter_nd join an update with what is there. */
#ifndef PITH_OPS_SHARED_SCATTER_H
#define PITH_OPS_SHARED_SCATTER_H

#include "ops/op.h"

enum { PITHI_SCATTER_NONE, PITHI_SCATTER_ADD, PITHI_SCATTER_MUL, PITHI_SCATTER_MAX, PITHI_SCATTER_MIN };
extern const char *const pithi_scatter_reductions[];

/* Fails for dtypes that can be copied, but not reduced. */
pith_status pithi_scatter_check(pith_infer *infer, int64_t reduction);
/* In two phases: copying x in parts, then scattering. */
pith_status pithi_scatter_prepare(pith_prepare *prepare);
/* y[to + i] = reduction(y[to + i], updates[from + i]) for 0 <= i < count. */
void pithi_scatter(pith_tensor *y, int64_t to, const pith_tensor *updates, int64_t from, int64_t count,
                   int64_t reduction);

#endif
