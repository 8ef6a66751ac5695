/* SPDX-License-Identifier: Apache-2.0 */
/* sum_to: x summed over the dimensions along which `like` would be broadcast to it; the gradient of broadcasting. */
#include "ops/sample.h"

static void ref(const pith_run *run)
{
    const pith_shape *from = &run->inputs[0].shape, *to = &run->outputs[0].shape;
    int64_t strides[PITH_MAX_RANK] = { 0 }, stride = 1, n_summed = 1;
    bool is_summed[PITH_MAX_RANK] = { false };
    for (int k = from->rank - 1; k >= 0; k--) {
        const int d = k - (from->rank - to->rank);
        is_summed[k] = d < 0 || (to->dims[d] == 1 && from->dims[k] != 1);
        n_summed *= is_summed[k] ? from->dims[k] : 1;
        strides[k] = stride;
        stride *= from->dims[k];
    }
    for (int64_t i = 0; i < pith_shape_elements(to); i++) {
        double sum = 0.0;
        for (int64_t r = 0; r < n_summed; r++) {
            int64_t at = 0, rest = i, rest_summed = r;
            for (int k = from->rank - 1; k >= 0; k--) {
                int64_t *left = is_summed[k] ? &rest_summed : &rest;
                at += *left % from->dims[k] * strides[k];
                *left /= from->dims[k];
            }
            sum += pithi_tensor_get_f64(&run->inputs[0], at);
        }
        pithi_tensor_set_f64(&run->outputs[0], i, sum);
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape, *like = &infer->inputs[1].shape;
    bool fits = like->rank <= x->rank;
    for (int i = 0; fits && i < like->rank; i++) {
        const int64_t dim = like->dims[i];
        fits = dim == 1 || dim == x->dims[x->rank - like->rank + i];
    }
    PITH_CHECK(infer->ctx, fits, PITH_STATUS_SHAPE, "the second shape can't be broadcast to the first");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = *like;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "like", PITH_DTYPES_ANY, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const char *const samples[] = { "f32[2,3,4] f32[3,1]", "f64[5] f32[]", "f32[2,3] f32[2,3]",
                                       "f32[0,3] f32[1,3]" };

const pith_op pith_op_sum_to = {
    .head = { "sum_to", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
