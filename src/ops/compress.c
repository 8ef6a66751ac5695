/* SPDX-License-Identifier: Apache-2.0 */
/* compress: the slices of x along `axis` (of flattened x without it) whose condition is true; a condition that
 * is shorter than the axis leaves out the rest. ONNX Compress. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

#define NO_AXIS (-1000) /* flattened */

typedef struct compress_attrs {
    int64_t axis;
} compress_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(compress_attrs, axis, "axis", NO_AXIS) };

static void ref(const pith_run *run)
{
    const compress_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *condition = &run->inputs[1];
    bool is_flat = attrs->axis == NO_AXIS;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    int64_t n_outer = is_flat ? 1 : pithi_dims_product(&x->shape, 0, axis);
    int64_t dim = is_flat ? pith_shape_elements(&x->shape) : x->shape.dims[axis];
    int64_t inner = is_flat ? 1 : pithi_dims_product(&x->shape, axis + 1, x->shape.rank);
    size_t n_bytes = (size_t)inner * pith_dtype_bytes(x->dtype);
    int64_t n_conditions = pithi_min_s64(pith_shape_elements(&condition->shape), dim);
    char *to = run->outputs[0].data;
    for (int64_t outer = 0; outer < n_outer && n_bytes > 0; outer++) {
        for (int64_t i = 0; i < n_conditions; i++) {
            if (pithi_tensor_get_s64(condition, i)) {
                memcpy(to, (const char *)x->data + (size_t)(outer * dim + i) * n_bytes, n_bytes);
                to += n_bytes;
            }
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const compress_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0], *condition = &infer->inputs[1];
    pith_shape *y = &infer->outputs[0].shape;
    int axis = 0;
    PITH_CHECK(infer->ctx, condition->shape.rank == 1, PITH_STATUS_SHAPE, "the condition has rank %d, 1 is needed",
               condition->shape.rank);
    if (attrs->axis != NO_AXIS) {
        PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->shape.rank, &axis));
    }
    if (!pithi_has_value(condition)) {
        return pithi_infer_need_value(infer, 1);
    }
    *y = attrs->axis == NO_AXIS ? (pith_shape){ 1, { pith_shape_elements(&x->shape) } } : x->shape;
    int64_t n_kept = 0, n_conditions = pithi_min_s64(condition->shape.dims[0], y->dims[axis]);
    for (int64_t i = 0; i < n_conditions; i++) {
        n_kept += pithi_tensor_get_s64(condition, i) != 0;
    }
    y->dims[axis] = n_kept;
    infer->outputs[0].dtype = x->dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "condition", PITH_DTYPES_BOOL, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Compress", 9, NULL } };
static const char *const samples[] = { "f32[3,4] bool[3]{1,0,1} | axis=0", "s8[3,4] bool[2]{0,1} | axis=-1",
                                       "f32[2,3] bool[5]{0,1,1,0,1}", "f32[2,0] bool[2]{1,1} | axis=0",
    "string[3,4] bool[3]{1,0,1} | axis=0",
};

const pith_op pith_op_compress = {
    .head = { "compress", 1, PITH_ATTRS(attr_table, compress_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
