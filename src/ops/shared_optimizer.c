/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_optimizer.h"

#define MAX_STATES 2

void pithi_optimizer_ref(const pith_run *run, int n_states, pithi_optimizer_fn *step)
{
    const pithi_optimizer o = { pithi_tensor_get_f64(&run->inputs[0], 0), pithi_tensor_get_s64(&run->inputs[1], 0) };
    const int n = (run->n_inputs - 2) / (2 + n_states);
    for (int tensor = 0; tensor < n; tensor++) {
        const int64_t count = pith_shape_elements(&run->inputs[2 + tensor].shape);
        for (int64_t i = 0; i < count; i++) {
            double in[2 + MAX_STATES], out[1 + MAX_STATES];
            for (int k = 0; k < 2 + n_states; k++) {
                in[k] = pithi_tensor_get_f64(&run->inputs[2 + k * n + tensor], i);
            }
            step(run->attrs, &o, in, out);
            for (int k = 0; k < 1 + n_states; k++) {
                if (run->outputs[k * n + tensor].dtype != PITH_DTYPE_NONE) {
                    pithi_tensor_set_f64(&run->outputs[k * n + tensor], i, out[k]);
                }
            }
        }
    }
}

pith_status pithi_optimizer_infer(pith_infer *infer, int n_states)
{
    const int n = (infer->n_inputs - 2) / (2 + n_states);
    PITH_CHECK(infer->ctx, n > 0 && infer->n_inputs == 2 + n * (2 + n_states) && infer->n_outputs == n * (1 + n_states),
               PITH_STATUS_FORMAT, "there are %d inputs and %d outputs; n tensors need 2 + %d n and %d n",
               infer->n_inputs, infer->n_outputs, 2 + n_states, 1 + n_states);
    for (int i = 0; i < 2; i++) {
        PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[i].shape) == 1, PITH_STATUS_SHAPE,
                   "input %d ('%s') must be one number", i, i ? "t" : "r");
    }
    for (int i = 0; i < infer->n_inputs - 2; i++) {
        const pith_tensor *x = &infer->inputs[2 + i % n];
        PITH_CHECK(infer->ctx, pith_shape_equal(&x->shape, &infer->inputs[2 + i].shape) &&
                   x->dtype == infer->inputs[2 + i].dtype, PITH_STATUS_SHAPE,
                   "input %d has another shape or dtype than the tensor that it is for, input %d", 2 + i, 2 + i % n);
    }
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = infer->inputs[2 + i % n].dtype;
        infer->outputs[i].shape = infer->inputs[2 + i % n].shape;
    }
    return PITH_OK;
}

#define FLOATS (PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES(PITH_DTYPE_F64))
const pith_operand_spec pithi_optimizer_inputs[3] = { { "r", FLOATS, PITH_ONE },
                                                      { "t", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE },
                                                      { "tensors", FLOATS, PITH_VARIADIC } };
const pith_operand_spec pithi_optimizer_outputs[1] = { { "updated", FLOATS, PITH_VARIADIC } };
