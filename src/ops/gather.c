/* SPDX-License-Identifier: Apache-2.0 */
/* gather: slices of x along `axis`, picked by indices: y has x's shape with `axis` replaced by the shape of
 * indices. Negative indices count from the end. ONNX Gather. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct gather_attrs {
    int64_t axis;
} gather_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(gather_attrs, axis, "axis", 0) };

static void ref(const pith_run *run)
{
    const gather_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *indices = &run->inputs[1];
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    int64_t n_outer = pithi_dims_product(&x->shape, 0, axis), bound = x->shape.dims[axis];
    size_t n_bytes = (size_t)pithi_dims_product(&x->shape, axis + 1, x->shape.rank) * pith_dtype_bytes(x->dtype);
    int64_t n_indices = pith_shape_elements(&indices->shape);
    char *to = run->outputs[0].data;
    for (int64_t i = 0; i < n_outer && n_bytes > 0; i++) {
        for (int64_t k = 0; k < n_indices; k++) {
            int64_t index = pithi_run_index(run, indices, k, bound);
            memcpy(to, (const char *)x->data + (size_t)(i * bound + index) * n_bytes, n_bytes);
            to += n_bytes;
        }
    }
}

/* Rows of a part that lie side by side in y, picked from one outer position of x. */
static void copy_picked(const char *from, const int64_t *indices, char *to, int64_t row_bytes, int64_t count)
{
    if (row_bytes == 4) {
        for (int64_t k = 0; k < count; k++) {
            memcpy(to + 4 * k, from + 4 * indices[k], 4);
        }
    } else if (row_bytes == 8) {
        for (int64_t k = 0; k < count; k++) {
            memcpy(to + 8 * k, from + 8 * indices[k], 8);
        }
    } else {
        for (int64_t k = 0; k < count; k++) {
            memcpy(to + row_bytes * k, from + row_bytes * indices[k], (size_t)row_bytes);
        }
    }
}

/* Rows (outer position, index) of one part. The indices that it needs are checked once, into scratch. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const gather_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *indices = &run->inputs[1];
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    int64_t n_outer = pithi_dims_product(&x->shape, 0, axis), bound = x->shape.dims[axis];
    int64_t row_bytes = pithi_dims_product(&x->shape, axis + 1, x->shape.rank) * (int64_t)pith_dtype_bytes(x->dtype);
    int64_t n_indices = pith_shape_elements(&indices->shape), begin, end;
    int64_t *checked = part->scratch;
    pithi_part_range(part, n_outer * n_indices, &begin, &end);
    if (begin == end || row_bytes == 0) {
        return;
    }
    int64_t first = begin % n_indices;
    for (int64_t k = 0; k < pithi_min_s64(n_indices, end - begin); k++) {
        int64_t position = (first + k) % n_indices;
        checked[position] = pithi_run_index(run, indices, position, bound);
    }
    for (int64_t row = begin; row < end;) {
        int64_t position = row % n_indices, count = pithi_min_s64(n_indices - position, end - row);
        copy_picked((const char *)x->data + row / n_indices * bound * row_bytes, checked + position,
                    (char *)run->outputs[0].data + row * row_bytes, row_bytes, count);
        row += count;
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)pith_shape_elements(&prepare->inputs[1].shape) * sizeof(int64_t);
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0]));
    prepare->kernel = "copy";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const gather_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *indices = &infer->inputs[1].shape;
    pith_shape *y = &infer->outputs[0].shape;
    int axis, rank = x->rank + indices->rank - 1;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->rank, &axis));
    PITH_CHECK(infer->ctx, rank <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", rank, PITH_MAX_RANK);
    PITH_CHECK(infer->ctx, x->dims[axis] > 0 || pith_shape_elements(indices) == 0, PITH_STATUS_SHAPE,
               "axis %d has size 0, so no index is valid", axis);
    y->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != axis) {
            y->dims[y->rank++] = x->dims[i];
            continue;
        }
        for (int k = 0; k < indices->rank; k++) {
            y->dims[y->rank++] = indices->dims[k];
        }
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "indices", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Gather", 1, NULL } };
static const char *const samples[] = {
    "f32[5,4,3] s64[2,2]{0,-1,4,2}",
    "f32[3,5] s64[3]{-5:5} | axis=1",
    "s8[2,6,2] s32[]{0:2} | axis=0",
    "f32[100,90] s64[200]{0:100}",
    "s64[4] s64[]{2}",
    "f32[2,0] s64[3]{0,1,1}",
    "f32[130,8] s32[50]{-8:8} | axis=1",
    "f32[0,2] s64[0]{}",
    "string[3,2] s64[2]{-1,0}",
};

const pith_op pith_op_gather = {
    .head = { "gather", 1, PITH_ATTRS(attr_table, gather_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .unaligned_inputs = 1u << 0,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
