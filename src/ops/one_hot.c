/* SPDX-License-Identifier: Apache-2.0 */
/* one_hot: a new axis of size depth, in which index i holds values[1] and all others values[0]. An index outside
 * [-depth, depth) gives values[0] everywhere. ONNX OneHot. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct one_hot_attrs {
    int64_t axis;
} one_hot_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(one_hot_attrs, axis, "axis", -1) };

/* Indices in front of the axis of this part. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const one_hot_attrs *attrs = run->attrs;
    const pith_tensor *indices = &run->inputs[0], *values = &run->inputs[2];
    const pith_shape *y = &run->outputs[0].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + y->rank : attrs->axis);
    int64_t depth = y->dims[axis], inner = pithi_dims_product(y, axis + 1, y->rank);
    int64_t n_bytes = (int64_t)pith_dtype_bytes(values->dtype), begin, end;
    char *to = run->outputs[0].data;
    pithi_part_range(part, pithi_dims_product(y, 0, axis), &begin, &end);
    pithi_fill_items(to + begin * depth * inner * n_bytes, values->data, n_bytes, (end - begin) * depth * inner);
    for (int64_t i = begin * inner; i < end * inner; i++) {
        int64_t index = pithi_tensor_get_s64(indices, i);
        index += index < 0 ? depth : 0;
        if (index >= 0 && index < depth) {
            int64_t at = (i / inner * depth + index) * inner + i % inner;
            memcpy(to + at * n_bytes, (const char *)values->data + n_bytes, (size_t)n_bytes);
        }
    }
}

static void ref(const pith_run *run) { run_part(run, &(pith_part){ .count = 1 }); }

static pith_status infer(pith_infer *infer)
{
    const one_hot_attrs *attrs = infer->attrs;
    const pith_shape *indices = &infer->inputs[0].shape;
    pith_shape *y = &infer->outputs[0].shape;
    int64_t depth = 0;
    int axis;
    PITH_CHECK(infer->ctx, indices->rank < PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", indices->rank + 1, PITH_MAX_RANK);
    PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[2].shape) == 2, PITH_STATUS_SHAPE,
               "values must be [off, on]");
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, indices->rank + 1, &axis));
    PITH_TRY(pithi_infer_int(infer, 1, &depth));
    PITH_CHECK(infer->ctx, depth >= 0, PITH_STATUS_SHAPE, "depth is %lld", (long long)depth);
    y->rank = indices->rank + 1;
    for (int i = 0; i < y->rank; i++) {
        y->dims[i] = i == axis ? depth : indices->dims[i < axis ? i : i - 1];
    }
    infer->outputs[0].dtype = infer->inputs[2].dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "indices", PITH_DTYPES_NUMBER, PITH_ONE },
    { "depth", PITH_DTYPES_NUMBER, PITH_ONE },
    { "values", PITH_DTYPES_MOVED, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "OneHot", 9, NULL } };
static const char *const samples[] = { "s64[2,3]{-6:9} s64[]{5} f32[2]{0,1}",
                                       "f32[4]{0,2,-1,7} f32[1]{4} s8[2]{3,9} | axis=0",
                                       "s32[] s32[]{3} bool[2]{0,1}",
                                       "s64[0,2] s64[]{3} f32[2]{0,1} | axis=1" };

const pith_op pith_op_one_hot = {
    .head = { "one_hot", 1, PITH_ATTRS(attr_table, one_hot_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_copy_prepare_parts, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
