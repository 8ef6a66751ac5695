/* SPDX-License-Identifier: Apache-2.0 */
/* eye_like: ones on diagonal k (column = row + k) of a matrix of x's shape, zeros elsewhere. ONNX EyeLike. */
#include "ops/sample.h"
#include "ops/shared_onnx.h"

typedef struct eye_like_attrs {
    int64_t dtype, k;
} eye_like_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(eye_like_attrs, dtype, "dtype", 0),
    PITH_ATTR_INT(eye_like_attrs, k, "k", 0),
};

static void ref(const pith_run *run)
{
    const eye_like_attrs *attrs = run->attrs;
    pith_tensor *y = &run->outputs[0];
    int64_t count = pith_shape_elements(&y->shape);
    for (int64_t i = 0; i < count; i++) {
        pithi_tensor_set_s64(y, i, i % y->shape.dims[1] - i / y->shape.dims[1] == attrs->k);
    }
}

static pith_status infer(pith_infer *infer)
{
    const eye_like_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, infer->inputs[0].shape.rank == 2, PITH_STATUS_SHAPE, "the input has rank %d, 2 is needed",
               infer->inputs[0].shape.rank);
    PITH_TRY(pithi_infer_same(infer));
    return attrs->dtype ? pithi_infer_onnx_dtype(infer, "dtype", attrs->dtype, &infer->outputs[0].dtype) : PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "EyeLike", 9, NULL } };
static const char *const samples[] = { "f32[3,4]", "s32[4,3] | k=-1 dtype=11", "u8[2,5] | k=3", "f32[0,2]" };

const pith_op pith_op_eye_like = {
    .head = { "eye_like", 1, PITH_ATTRS(attr_table, eye_like_attrs) },
    .flags = PITH_OP_READS_SHAPE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
