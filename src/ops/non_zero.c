/* SPDX-License-Identifier: Apache-2.0 */
/* non_zero: indices of elements that aren't zero, [rank, count], in row-major order. ONNX NonZero. */
#include "ops/sample.h"
#include "ops/shared_index.h"

static bool is_set(const pith_tensor *x, int64_t i)
{
    if (x->dtype == PITH_DTYPE_STRING) { /* as numpy has it */
        return ((const pith_string *)x->data)[i].n_bytes > 0;
    }
    if (PITH_DTYPES(x->dtype) & PITH_DTYPES_COMPLEX) {
        const pith_tensor parts = pithi_tensor_parts(x);
        return pithi_tensor_get_f64(&parts, 2 * i) != 0.0 || pithi_tensor_get_f64(&parts, 2 * i + 1) != 0.0;
    }
    return pithi_dtype_is_float(x->dtype) ? pithi_tensor_get_f64(x, i) != 0.0 : pithi_tensor_get_s64(x, i) != 0;
}

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    int64_t *to = run->outputs[0].data;
    int64_t n_found = run->outputs[0].shape.dims[1], count = pith_shape_elements(&x->shape);
    for (int64_t i = 0, column = 0; i < count && column < n_found; i++) {
        if (!is_set(x, i)) {
            continue;
        }
        int64_t rest = i;
        for (int k = x->shape.rank - 1; k >= 0; k--) {
            to[k * n_found + column] = rest % x->shape.dims[k];
            rest /= x->shape.dims[k];
        }
        column++;
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *x = &infer->inputs[0];
    int64_t count = pith_shape_elements(&x->shape), n_found = 0;
    if (!pithi_has_value(x)) {
        return pithi_infer_need_value(infer, 0);
    }
    for (int64_t i = 0; i < count; i++) {
        n_found += is_set(x, i);
    }
    infer->outputs[0].dtype = PITH_DTYPE_S64;
    infer->outputs[0].shape = (pith_shape){ 2, { x->shape.rank, n_found } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "NonZero", 9, NULL } };
static const char *const samples[] = { "f32[2,3]{0,1.5,0,-1,0,0.25}", "bool[4,5]", "s64[3]{0,0,0}", "f32[0,2]",
                                       "s32[]{4}", "c64[3]", "string[2,3]" };

const pith_op pith_op_non_zero = {
    .head = { "non_zero", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
