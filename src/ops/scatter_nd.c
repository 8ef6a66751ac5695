/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_nd: y = x, then the slice of y that each last row of indices names takes the slice of updates, or is
 * reduced with it. ONNX ScatterND. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_scatter.h"

typedef struct scatter_nd_attrs {
    int64_t reduction;
} scatter_nd_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(scatter_nd_attrs, reduction, "reduction", 0, pithi_scatter_reductions),
};

/* One after the other: the last update of several of one slice wins. */
static void scatter(const pith_run *run)
{
    const scatter_nd_attrs *attrs = run->attrs;
    const pith_tensor *indices = &run->inputs[1];
    const pith_shape *x = &run->inputs[0].shape;
    int k = (int)indices->shape.dims[indices->shape.rank - 1];
    int64_t n_rows = pithi_dims_product(&indices->shape, 0, indices->shape.rank - 1);
    int64_t size = pithi_dims_product(x, k, x->rank);
    int64_t strides[PITH_MAX_RANK];
    pithi_dense_strides(x, strides);
    for (int64_t row = 0; row < n_rows && size > 0; row++) {
        int64_t offset = 0;
        for (int i = 0; i < k; i++) {
            offset += pithi_run_index_at(run, indices, row * k + i, x->dims[i]) * strides[i];
        }
        pithi_scatter(&run->outputs[0], offset, &run->inputs[2], row * size, size, attrs->reduction);
    }
}

static void ref(const pith_run *run)
{
    pithi_copy_same(run);
    scatter(run);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    if (part->phase == 0) {
        pithi_copy_same_part(run, part);
    } else if (part->index == 0) {
        scatter(run);
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape, *indices = &infer->inputs[1].shape;
    PITH_TRY(pithi_scatter_check(infer, ((const scatter_nd_attrs *)infer->attrs)->reduction));
    PITH_CHECK(infer->ctx, infer->inputs[2].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
               "updates are %s, but x is %s", pith_dtype_name(infer->inputs[2].dtype),
               pith_dtype_name(infer->inputs[0].dtype));
    PITH_CHECK(infer->ctx, x->rank > 0 && indices->rank > 0, PITH_STATUS_SHAPE, "x and indices need rank 1 or more");
    int64_t k = indices->dims[indices->rank - 1];
    PITH_CHECK(infer->ctx, k <= x->rank, PITH_STATUS_SHAPE, "%lld indices for %d dimensions", (long long)k, x->rank);
    pith_shape wanted = { 0 };
    for (int i = 0; i < indices->rank - 1; i++) {
        wanted.dims[wanted.rank++] = indices->dims[i];
    }
    for (int i = (int)k; i < x->rank && wanted.rank < PITH_MAX_RANK; i++) {
        wanted.dims[wanted.rank++] = x->dims[i];
    }
    char text[PITHI_SHAPE_TEXT_BYTES], other[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, pith_shape_equal(&wanted, &infer->inputs[2].shape), PITH_STATUS_SHAPE,
               "updates have shape %s, but %s is needed", pithi_shape_text(&infer->inputs[2].shape, text),
               pithi_shape_text(&wanted, other));
    PITH_CHECK(infer->ctx, pith_shape_elements(&wanted) == 0 || pith_shape_elements(x) > 0, PITH_STATUS_SHAPE,
               "x has no elements, so no index is valid");
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_MOVED, PITH_ONE },
    { "indices", PITH_DTYPES_INDEX, PITH_ONE },
    { "updates", PITH_DTYPES_MOVED, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ScatterND", 11, NULL } };
static const char *const samples[] = {
    "f32[4,3] s64[2,1]{-1,0} f32[2,3]",
    "s8[2,3,2] s64[3,2]{0,1,1,2,0,1} s8[3,2] | reduction=add",
    "f32[6] s64[2,1]{1,1} f32[2] | reduction=min",
    "f64[3] s64[0,1] f64[0]",
    "f32[90,400] s32[70,1]{-90:90} f32[70,400] | reduction=mul",
    "bool[2,2] s64[1,2]{1,0} bool[1]",
    "string[4,3] s64[2,1]{-1,0} string[2,3]",
};

const pith_op pith_op_scatter_nd = {
    .head = { "scatter_nd", 1, PITH_ATTRS(attr_table, scatter_nd_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_scatter_prepare, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
