/* SPDX-License-Identifier: Apache-2.0 */
/* affine_grid: sampling positions theta * (x, y, 1) of a regular grid over [-1, 1], for grid_sample. theta is
 * [N, 2, 3] or [N, 3, 4], size (N, C, H, W) or (N, C, D, H, W). ONNX AffineGrid. */
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct affine_grid_attrs {
    int64_t align_corners;
} affine_grid_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_INT(affine_grid_attrs, align_corners, "align_corners", 0) };

/* Position of item i of n: corners at -1 and 1, or the outer edges of the corner items. */
static double position(int64_t i, int64_t n, bool align_corners)
{
    if (align_corners) {
        return n > 1 ? -1.0 + 2.0 * (double)i / (double)(n - 1) : -1.0;
    }
    return -1.0 + (2.0 * (double)i + 1.0) / (double)n;
}

static void ref(const pith_run *run)
{
    bool align_corners = ((const affine_grid_attrs *)run->attrs)->align_corners != 0;
    const pith_shape *shape = &run->outputs[0].shape;
    int n_axes = shape->rank - 2;
    int64_t count = pith_shape_elements(shape) / n_axes, points = 1;
    for (int axis = 1; axis <= n_axes; axis++) {
        points *= shape->dims[axis];
    }
    for (int64_t i = 0; i < count; i++) {
        double at[3]; /* x, y, z: the last axis first */
        int64_t rest = i % points, theta = i / points * n_axes * (n_axes + 1);
        for (int axis = n_axes; axis >= 1; axis--) {
            at[n_axes - axis] = position(rest % shape->dims[axis], shape->dims[axis], align_corners);
            rest /= shape->dims[axis];
        }
        for (int row = 0; row < n_axes; row++, theta += n_axes + 1) {
            double sum = pithi_tensor_get_f64(&run->inputs[0], theta + n_axes);
            for (int k = 0; k < n_axes; k++) {
                sum += pithi_tensor_get_f64(&run->inputs[0], theta + k) * at[k];
            }
            pithi_tensor_set_f64(&run->outputs[0], i * n_axes + row, sum);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *theta = &infer->inputs[0].shape;
    int64_t size[PITH_MAX_RANK];
    int n_items = 0, n_axes = theta->rank == 3 ? (int)theta->dims[1] : 0;
    PITH_CHECK(infer->ctx, (n_axes == 2 || n_axes == 3) && theta->dims[2] == n_axes + 1, PITH_STATUS_SHAPE,
               "theta must be [N, 2, 3] or [N, 3, 4]");
    PITH_TRY(pithi_infer_ints(infer, 1, size, &n_items));
    PITH_CHECK(infer->ctx, n_items == n_axes + 2 && size[0] == theta->dims[0], PITH_STATUS_SHAPE,
               "size has %d items for batch %lld, theta needs %d for batch %lld", n_items,
               n_items ? (long long)size[0] : -1LL, n_axes + 2, (long long)theta->dims[0]);
    pith_shape *shape = &infer->outputs[0].shape;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    shape->rank = n_axes + 2;
    shape->dims[0] = size[0];
    memcpy(shape->dims + 1, size + 2, (size_t)n_axes * sizeof *size);
    shape->dims[n_axes + 1] = n_axes;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "theta", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "size", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_operand_spec outputs[] = { { "grid", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "AffineGrid", 20, NULL } };
static const char *const samples[] = {
    "f32[2,2,3] s64[4]{2,3,5,6}",
    "f32[2,2,3] s64[4]{2,3,5,1} | align_corners=1",
    "f32[1,3,4] s64[5]{1,2,2,3,4} | align_corners=1",
    "f64[0,2,3] s64[4]{0,3,5,6}",
};

const pith_op pith_op_affine_grid = {
    .head = { "affine_grid", 1, PITH_ATTRS(table, affine_grid_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
