/* SPDX-License-Identifier: Apache-2.0 */
/* expand: x repeated along dimensions of size 1 until it has the (both ways broadcast) shape. ONNX Expand. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

static pithi_copy describe(const pith_run *run)
{
    const pith_shape *shape = &run->outputs[0].shape;
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    int64_t from_strides[PITH_MAX_RANK], to_strides[PITH_MAX_RANK];
    pithi_broadcast_strides(&run->inputs[0].shape, shape, from_strides);
    pithi_dense_strides(shape, to_strides);
    for (int i = 0; i < shape->rank; i++) {
        pithi_copy_add(&copy, shape->dims[i], from_strides[i], to_strides[i]);
    }
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

static pith_status infer(pith_infer *infer)
{
    pith_tensor wanted = { .dtype = PITH_DTYPE_F32 };
    PITH_TRY(pithi_infer_ints(infer, 1, wanted.shape.dims, &wanted.shape.rank));
    for (int i = 0; i < wanted.shape.rank; i++) {
        PITH_CHECK(infer->ctx, wanted.shape.dims[i] >= 0, PITH_STATUS_SHAPE,
                   "the shape has the negative dimension %lld", (long long)wanted.shape.dims[i]);
    }
    pith_infer both = *infer;
    const pith_tensor operands[] = { infer->inputs[0], wanted };
    both.inputs = operands;
    both.n_inputs = 2;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return pithi_infer_broadcast(&both, &infer->outputs[0].shape);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "shape", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Expand", 8, NULL } };
static const char *const samples[] = {
    "f32[3,1] s64[3]{2,1,6}", "s8[3,1] s64[2]{3,7}", "bool[] s64[2]{5,9}", "f32[1,60,1] s64[3]{9,60,70}",
    "f64[3,4] s64[1]{1}", "f32[1,4] s64[2]{0,4}",
    "string[3,1] s64[2]{3,5}",
};

const pith_op pith_op_expand = {
    .head = { "expand", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
