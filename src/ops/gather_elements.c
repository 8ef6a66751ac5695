/* SPDX-License-Identifier: Apache-2.0 */
/* gather_elements: y[p] = x[p with p[axis] replaced by indices[p]]; y has the shape of indices. ONNX
 * GatherElements. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct gather_elements_attrs {
    int64_t axis;
} gather_elements_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(gather_elements_attrs, axis, "axis", 0) };

static void ref(const pith_run *run)
{
    const gather_elements_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *indices = &run->inputs[1];
    const pith_shape *shape = &indices->shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + shape->rank : attrs->axis);
    size_t n_bytes = pith_dtype_bytes(x->dtype);
    int64_t strides[PITH_MAX_RANK];
    pithi_dense_strides(&x->shape, strides);
    int64_t count = pith_shape_elements(shape);
    for (int64_t position = 0; position < count; position++) {
        int64_t rest = position, offset = 0;
        for (int i = shape->rank - 1; i >= 0; i--) {
            int64_t at = i == axis ? pithi_run_index(run, indices, position, x->shape.dims[i]) : rest % shape->dims[i];
            rest /= shape->dims[i];
            offset += at * strides[i];
        }
        memcpy((char *)run->outputs[0].data + (size_t)position * n_bytes,
               (const char *)x->data + (size_t)offset * n_bytes, n_bytes);
    }
}

/* Rows along the last axis: where the offsets of all other axes but `axis` stay the same. */
static void gather_row(const pith_run *run, int64_t row, int axis, const int64_t strides[PITH_MAX_RANK])
{
    const pith_tensor *x = &run->inputs[0], *indices = &run->inputs[1];
    const pith_shape *shape = &indices->shape;
    int last = shape->rank - 1;
    int64_t n = shape->dims[last], rest = row, offset = 0, step = strides[axis], bound = x->shape.dims[axis];
    for (int i = last - 1; i >= 0; i--) {
        offset += i == axis ? 0 : rest % shape->dims[i] * strides[i];
        rest /= shape->dims[i];
    }
    int64_t moves = axis != last; /* the position on the last axis counts, too */
    const uint32_t *from = (const uint32_t *)x->data + offset;
    uint32_t *to = (uint32_t *)run->outputs[0].data + row * n;
    for (int64_t k = 0; k < n; k++) {
        to[k] = from[pithi_run_index_at(run, indices, row * n + k, bound) * step + k * moves];
    }
}

/* Elements of 4 bytes. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const gather_elements_attrs *attrs = run->attrs;
    const pith_shape *shape = &run->inputs[1].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + shape->rank : attrs->axis);
    int64_t begin, end, strides[PITH_MAX_RANK];
    pithi_dense_strides(&run->inputs[0].shape, strides);
    pithi_part_range(part, pithi_dims_product(shape, 0, shape->rank - 1), &begin, &end);
    for (int64_t row = begin; row < end && pith_shape_elements(shape) > 0; row++) {
        gather_row(run, row, axis, strides);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = pith_dtype_bytes(prepare->inputs[0].dtype) == 4;
    prepare->kernel = "rows";
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0]));
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const gather_elements_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *indices = &infer->inputs[1].shape;
    int axis;
    PITH_CHECK(infer->ctx, x->rank == indices->rank, PITH_STATUS_SHAPE, "x has rank %d, but indices rank %d", x->rank,
               indices->rank);
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->rank, &axis));
    bool is_empty = pith_shape_elements(indices) == 0;
    for (int i = 0; i < x->rank; i++) {
        PITH_CHECK(infer->ctx, is_empty || (i == axis ? x->dims[i] > 0 : indices->dims[i] <= x->dims[i]),
                   PITH_STATUS_SHAPE, "indices have %lld elements on axis %d, x has %lld",
                   (long long)indices->dims[i], i, (long long)x->dims[i]);
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = *indices;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "indices", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "GatherElements", 11, NULL } };
static const char *const samples[] = { "f32[3,4] s64[2,4]{-3:3}",
                                       "s8[3,4] s32[3,2]{0:4} | axis=-1",
                                       "f32[90,70] s64[90,70]{0:70} | axis=1",
                                       "s32[3,4,5] s32[2,3,5]{-4:4} | axis=1",
                                       "f32[6,4] s64[5,2]{0:6}",
                                       "f64[0,3] s64[0,2] | axis=1",
                                       "s64[5] s64[3]{4,-5,0}",
    "string[3,4] s64[2,4]{-3:3}",
};

const pith_op pith_op_gather_elements = {
    .head = { "gather_elements", 1, PITH_ATTRS(attr_table, gather_elements_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
