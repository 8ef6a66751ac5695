/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_concat: quantised tensors side by side along an axis, each brought to the scale and zero point of y first.
 * com.microsoft QLinearConcat: inputs y_scale, y_zero_point, then x, x_scale, x_zero_point of each tensor. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_quant.h"

typedef struct concat_attrs {
    int64_t axis;
} concat_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_REQUIRED_INT(concat_attrs, axis, "axis") };

enum { FIRST = 2, EACH = 3 };

/* table[byte of x] = byte of y. */
static void fill_table(const pith_tensor *x, pithi_quant_pair y, pith_dtype dtype, uint8_t table[256])
{
    const pithi_quant_pair from = pithi_quant_pair_of(&x[1], &x[2]);
    bool is_same = from.scale == y.scale && from.zero == y.zero;
    for (int i = 0; i < 256; i++) {
        int32_t number = x->dtype == PITH_DTYPE_S8 ? (int8_t)i : i;
        float value = from.scale * (float)(number - from.zero) / y.scale;
        table[i] = is_same ? (uint8_t)i : (uint8_t)pithi_quantize((double)value, y.zero, dtype);
    }
}

static void ref(const pith_run *run)
{
    const pith_shape *shape = &run->outputs[0].shape;
    const concat_attrs *attrs = run->attrs;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + shape->rank : attrs->axis);
    int64_t outer = pithi_dims_product(shape, 0, axis), row = pithi_dims_product(shape, axis, shape->rank), at = 0;
    for (int i = FIRST; i + 2 < run->n_inputs; i += EACH) {
        uint8_t table[256];
        int64_t length = pithi_dims_product(&run->inputs[i].shape, axis, shape->rank);
        const uint8_t *x = run->inputs[i].data;
        fill_table(&run->inputs[i], pithi_quant_pair_of(&run->inputs[0], &run->inputs[1]), run->outputs[0].dtype,
                   table);
        for (int64_t k = 0; k < outer * length; k++) {
            ((uint8_t *)run->outputs[0].data)[k / length * row + at + k % length] = table[x[k]];
        }
        at += length;
    }
}

static pith_status infer(pith_infer *infer)
{
    const concat_attrs *attrs = infer->attrs;
    int axis = 0;
    PITH_CHECK(infer->ctx, infer->n_inputs >= FIRST + EACH && (infer->n_inputs - FIRST) % EACH == 0, PITH_STATUS_FORMAT,
               "%d inputs: a scale and a zero point, then three for each tensor are needed", infer->n_inputs);
    const pith_tensor *first = &infer->inputs[FIRST];
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, first->shape.rank, &axis));
    PITH_TRY(pithi_infer_quant_pair(infer, 0, PITH_DTYPE_NONE));
    pith_dtype dtype = infer->inputs[1].dtype;
    infer->outputs[0].dtype = dtype;
    infer->outputs[0].shape = first->shape;
    infer->outputs[0].shape.dims[axis] = 0;
    for (int i = FIRST; i < infer->n_inputs; i += EACH) {
        pith_shape shape = infer->inputs[i].shape;
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == dtype && infer->inputs[i + 1].dtype == PITH_DTYPE_F32 &&
                                   (dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_U8),
                   PITH_STATUS_DTYPE, "input %d: tensors must be 8-bit like the result, scales float32", i);
        PITH_TRY(pithi_infer_quant_pair(infer, i + 1, dtype));
        int64_t size = shape.rank == first->shape.rank ? shape.dims[axis] : 0;
        PITH_CHECK(infer->ctx, !__builtin_add_overflow(infer->outputs[0].shape.dims[axis], size,
                                                       &infer->outputs[0].shape.dims[axis]),
                   PITH_STATUS_LIMIT, "the sizes along axis %d add up to more than 2^63", axis);
        shape.dims[axis] = first->shape.dims[axis];
        PITH_CHECK(infer->ctx, pith_shape_equal(&shape, &first->shape), PITH_STATUS_SHAPE,
                   "input %d must have the shape of input %d but for axis %d", i, FIRST, axis);
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8BIT, PITH_ONE },
    { "tensors", PITH_DTYPES_8BIT | PITH_DTYPES(PITH_DTYPE_F32), PITH_VARIADIC },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_8BIT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearConcat", 1, NULL } };
static const char *const samples[] = {
    "f32[]{0.05} u8[]{3} u8[2,3,4]{0:256} f32[]{0.02} u8[]{100} u8[2,2,4]{0:256} f32[]{0.05} u8[]{3} | axis=1",
    "f32[]{0.5} s8[]{3} s8[5]{-128:128} f32[]{0.3} s8[]{-9} | axis=-1",
    "f32[]{0.5} s8[]{3} s8[0,2]{-128:128} f32[]{0.3} s8[]{-9} s8[3,2]{-128:128} f32[]{0.9} s8[]{-9} | axis=0",
};

const pith_op pith_op_qlinear_concat = {
    .head = { "qlinear_concat", 1, PITH_ATTRS(attr_table, concat_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
