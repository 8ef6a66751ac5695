/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers of ai.onnx.preview.training: inputs R (rate), T (number of updates so far), then for n tensors all values
 * X, all gradients G, and one or two kinds of state; outputs the new values, then the new states. */
#ifndef PITH_OPS_SHARED_OPTIMIZER_H
#define PITH_OPS_SHARED_OPTIMIZER_H

#include <math.h>

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_optimizer {
    double rate;   /* R */
    int64_t count; /* T */
} pithi_optimizer;

/* One element: `in` is X, G and the states; `out` the new X and states. */
typedef void pithi_optimizer_fn(const void *attrs, const pithi_optimizer *o, const double *in, double *out);

void pithi_optimizer_ref(const pith_run *run, int n_states, pithi_optimizer_fn *step);
pith_status pithi_optimizer_infer(pith_infer *infer, int n_states);

extern const pith_operand_spec pithi_optimizer_inputs[3], pithi_optimizer_outputs[1];

#endif
