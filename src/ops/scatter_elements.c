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

/* The row of indices along their last axis, whose first element lies at `offset` but for the axis. */
static void scatter_row(const pith_run *run, int64_t row, int64_t offset, int axis, int64_t step)
{
    const scatter_elements_attrs *attrs = run->attrs;
    const pith_tensor *indices = &run->inputs[1];
    const int last = indices->shape.rank - 1;
    const int64_t n = indices->shape.dims[last], moves = axis != last, bound = run->inputs[0].shape.dims[axis];
    for (int64_t k = 0; k < n; k++) {
        const int64_t index = pithi_run_index_at(run, indices, row * n + k, bound);
        pithi_scatter(&run->outputs[0], offset + index * step + k * moves, &run->inputs[2], row * n + k, 1,
                      attrs->reduction);
    }
}

/* What lies in front of the axis is apart in y, too; behind it, the last update of several of one element wins. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const scatter_elements_attrs *attrs = run->attrs;
    const pith_shape *shape = &run->inputs[1].shape;
    const int last = shape->rank - 1, axis = (int)(attrs->axis < 0 ? attrs->axis + shape->rank : attrs->axis);
    const int64_t n_outer = pithi_dims_product(shape, 0, axis), n_rows = pithi_dims_product(shape, 0, last);
    int64_t begin, end, strides[PITH_MAX_RANK];
    if (part->phase == 0) {
        pithi_copy_same_part(run, part);
        return;
    }
    if (pith_shape_elements(shape) == 0) {
        return;
    }
    pithi_dense_strides(&run->inputs[0].shape, strides);
    pithi_part_range(part, axis == last ? n_rows : n_outer, &begin, &end);
    const int64_t rows_each = axis == last ? 1 : n_rows / n_outer;
    for (int64_t row = begin * rows_each; row < end * rows_each; row++) {
        int64_t rest = row, offset = 0;
        for (int i = last - 1; i >= 0; i--) {
            offset += i == axis ? 0 : rest % shape->dims[i] * strides[i];
            rest /= shape->dims[i];
        }
        scatter_row(run, row, offset, axis, strides[axis]);
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
    "f32[90,300] s64[80,300]{-90:90} f32[80,300] | reduction=add", "s32[60,300] s32[50,90]{0:300} s32[50,90] | axis=1",
    "f32[5,40,70] s64[4,200,60]{0:40} f32[4,200,60] | axis=1 reduction=min",
    "s64[4] s64[2]{2,2} s64[2] | reduction=mul",
    "string[3,4] s64[2,3]{-3:3} string[2,3]",
};

const pith_op pith_op_scatter_elements = {
    .head = { "scatter_elements", 1, PITH_ATTRS(attr_table, scatter_elements_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_scatter_prepare, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
