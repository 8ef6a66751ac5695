/* SPDX-License-Identifier: Apache-2.0 */
/* constant_of_shape: a tensor of the given shape, every element being `value` (f32 0 if absent). ONNX
 * ConstantOfShape. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct constant_of_shape_attrs {
    const pith_tensor *value;
} constant_of_shape_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_TENSOR(constant_of_shape_attrs, value, "value") };

static void ref(const pith_run *run)
{
    const constant_of_shape_attrs *attrs = run->attrs;
    const float zero = 0.0f;
    pith_tensor *y = &run->outputs[0];
    for (int64_t i = 0; pith_dtype_bytes(y->dtype) == 0 && i < pith_shape_elements(&y->shape); i++) {
        pithi_tensor_copy_elements(y, i, attrs->value, 0, 1);
    }
    pithi_fill_items(y->data, attrs->value ? attrs->value->data : &zero, (int64_t)pith_dtype_bytes(y->dtype),
                     pith_shape_elements(&y->shape));
}

static pith_status infer(pith_infer *infer)
{
    const constant_of_shape_attrs *attrs = infer->attrs;
    pith_shape *shape = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, !attrs->value || pith_shape_elements(&attrs->value->shape) == 1, PITH_STATUS_SHAPE,
               "attribute 'value' must hold one element");
    PITH_TRY(pithi_infer_ints(infer, 0, shape->dims, &shape->rank));
    infer->outputs[0].dtype = attrs->value ? attrs->value->dtype : PITH_DTYPE_F32;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "shape", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ConstantOfShape", 9, NULL } };
static const char *const samples[] = { "s64[2]{3,5}", "s64[1]{7} | value=s16[1]{-3}", "s64[0]{} | value=f64[1]{2.5}",
                                       "s64[2]{0,2}",
                                       "s64[1]{5} | value=s4[1]{-3}" };

const pith_op pith_op_constant_of_shape = {
    .head = { "constant_of_shape", 1, PITH_ATTRS(attr_table, constant_of_shape_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
