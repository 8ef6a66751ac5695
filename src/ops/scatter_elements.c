/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_elements: y = x, then y[p with p[axis] replaced by indices[p]] takes updates[p], or is reduced with it.
 * ONNX ScatterElements, and Scatter that came before it. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_scatter.h"

typedef struct scatter_elements_attrs {
    int64_t axis, reduction;
} scatter_elements_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(scatter_elements_attrs, axis, "axis", 0),
    PITH_ATTR_CHOICE(scatter_elements_attrs, reduction, "reduction", 0, pithi_scatter_reductions),
};

static void ref(const pith_run *run)
{
    const scatter_elements_attrs *attrs = run->attrs;
    const pith_tensor *indices = &run->inputs[1];
    const pith_shape *shape = &indices->shape, *x = &run->inputs[0].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    int64_t strides[PITH_MAX_RANK];
    pithi_copy_same(run);
    pithi_dense_strides(x, strides);
    int64_t count = pith_shape_elements(shape);
    for (int64_t position = 0; position < count; position++) {
        int64_t rest = position, offset = 0;
        for (int i = shape->rank - 1; i >= 0; i--) {
            int64_t at = i == axis ? pithi_run_index(run, indices, position, x->dims[i]) : rest % shape->dims[i];
            rest /= shape->dims[i];
            offset += at * strides[i];
        }
        pithi_scatter(&run->outputs[0], offset, &run->inputs[2], position, 1, attrs->reduction);
    }
}

static pith_status infer(pith_infer *infer)
{
    const scatter_elements_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *indices = &infer->inputs[1].shape;
    int axis;
    PITH_TRY(pithi_scatter_check(infer, ((const scatter_elements_attrs *)infer->attrs)->reduction));
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->rank, &axis));
    PITH_CHECK(infer->ctx, infer->inputs[2].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
               "updates are %s, but x is %s", pith_dtype_name(infer->inputs[2].dtype),
               pith_dtype_name(infer->inputs[0].dtype));
    PITH_CHECK(infer->ctx, x->rank == indices->rank && pith_shape_equal(indices, &infer->inputs[2].shape),
               PITH_STATUS_SHAPE, "indices and updates must have one shape, of x's rank %d", x->rank);
    bool is_empty = pith_shape_elements(indices) == 0;
    for (int i = 0; i < x->rank; i++) {
        PITH_CHECK(infer->ctx, is_empty || (i == axis ? x->dims[i] > 0 : indices->dims[i] <= x->dims[i]),
                   PITH_STATUS_SHAPE, "indices have %lld elements on axis %d, x has %lld",
                   (long long)indices->dims[i], i, (long long)x->dims[i]);
    }
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_MOVED, PITH_ONE },
    { "indices", PITH_DTYPES_INDEX, PITH_ONE },
    { "updates", PITH_DTYPES_MOVED, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ScatterElements", 11, NULL },
                                           { "onnx", "", "Scatter", 9, NULL } };
static const char *const samples[] = {
    "f32[3,4] s64[2,3]{-3:3} f32[2,3]",
    "s8[3,4] s32[3,2]{0:4} s8[3,2] | axis=-1 reduction=max",
    "f32[5] s64[4]{1,1,-1,1} f32[4] | reduction=add",
    "f32[2,3] s64[2,0] f32[2,0]",
    "s64[4] s64[2]{2,2} s64[2] | reduction=mul",
    "string[3,4] s64[2,3]{-3:3} string[2,3]",
};

const pith_op pith_op_scatter_elements = {
    .head = { "scatter_elements", 1, PITH_ATTRS(attr_table, scatter_elements_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
