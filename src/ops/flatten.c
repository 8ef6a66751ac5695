/* SPDX-License-Identifier: Apache-2.0 */
/* flatten: [d_0 .. d_axis-1, d_axis .. d_n-1] as a matrix [product, product]. ONNX Flatten. */
#include "ops/sample.h"
#include "ops/shared_copy.h"

typedef struct flatten_attrs {
    int64_t axis;
} flatten_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(flatten_attrs, axis, "axis", 1) };

static pith_status infer(pith_infer *infer)
{
    const flatten_attrs *attrs = infer->attrs;
    const pith_shape *from = &infer->inputs[0].shape;
    int64_t axis = attrs->axis < 0 ? attrs->axis + from->rank : attrs->axis;
    PITH_CHECK(infer->ctx, axis >= 0 && axis <= from->rank, PITH_STATUS_SHAPE,
               "axis %lld is outside [-%d, %d] of an input of rank %d", (long long)attrs->axis, from->rank, from->rank,
               from->rank);
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = (pith_shape){ 2, { pithi_dims_product(from, 0, (int)axis),
                                                 pithi_dims_product(from, (int)axis, from->rank) } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Flatten", 1, NULL } };
static const char *const samples[] = { "f32[2,3,4]", "s32[2,3,4] | axis=-1", "f32[3] | axis=0", "u8[0,3] | axis=2" };

const pith_op pith_op_flatten = {
    .head = { "flatten", 1, PITH_ATTRS(attr_table, flatten_attrs) },
    .flags = PITH_OP_VIEW,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_copy_same,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
