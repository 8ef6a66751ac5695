/* SPDX-License-Identifier: Apache-2.0 */
/* max_roi_pool: each region [image, x1, y1, x2, y2] of x as a small grid of maxima; corners are scaled and rounded, and
 * the far ones belong to the region (Girshick, Fast R-CNN, 2015). ONNX MaxRoiPool. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct max_roi_pool_attrs {
    pith_ints pooled_shape;
    float spatial_scale;
} max_roi_pool_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_REQUIRED_INTS(max_roi_pool_attrs, pooled_shape, "pooled_shape"),
    PITH_ATTR_FLOAT(max_roi_pool_attrs, spatial_scale, "spatial_scale", 1.0),
};

/* Rows (axis 0) or columns (1) of cell `cell` of a region: [*begin, *end). */
static void cell_range(const pith_run *run, int64_t roi, int axis, int64_t cell, int64_t *begin, int64_t *end)
{
    const max_roi_pool_attrs *attrs = run->attrs;
    const pith_tensor *rois = &run->inputs[1];
    int64_t dim = run->inputs[0].shape.dims[2 + axis];
    double scale = (double)attrs->spatial_scale, limit = 1e9;
    double low = round(pithi_tensor_get_f64(rois, roi * 5 + 2 - axis) * scale);
    double high = round(pithi_tensor_get_f64(rois, roi * 5 + 4 - axis) * scale);
    double size = fmax(high - low + 1.0, 1.0) / (double)attrs->pooled_shape.items[axis];
    double first = fmax(fmin(low + floor((double)cell * size), limit), -limit);
    double last = fmax(fmin(low + ceil((double)(cell + 1) * size), limit), -limit);
    *begin = pithi_min_s64(pithi_max_s64((int64_t)first, 0), dim);
    *end = pithi_min_s64(pithi_max_s64((int64_t)last, 0), dim);
}

/* An empty cell gives 0. */
static double highest(const pith_run *run, int64_t plane, const int64_t begin[2], const int64_t end[2])
{
    const pith_shape *x = &run->inputs[0].shape;
    bool is_empty = begin[0] >= end[0] || begin[1] >= end[1];
    double best = is_empty ? 0.0 : -INFINITY;
    for (int64_t row = begin[0]; row < end[0]; row++) {
        for (int64_t column = begin[1]; column < end[1]; column++) {
            double value = pithi_tensor_get_f64(&run->inputs[0], (plane * x->dims[2] + row) * x->dims[3] + column);
            best = value > best || isnan(value) ? value : best;
        }
    }
    return best;
}

static void ref(const pith_run *run)
{
    const pith_shape *x = &run->inputs[0].shape, *y = &run->outputs[0].shape;
    int64_t count = pith_shape_elements(y);
    for (int64_t i = 0; i < count; i++) {
        int64_t column = i % y->dims[3], row = i / y->dims[3] % y->dims[2];
        int64_t channel = i / y->dims[3] / y->dims[2] % x->dims[1], roi = i / y->dims[3] / y->dims[2] / x->dims[1];
        int64_t image = pithi_run_index(run, &run->inputs[1], roi * 5, x->dims[0]), begin[2], end[2];
        cell_range(run, roi, 0, row, &begin[0], &end[0]);
        cell_range(run, roi, 1, column, &begin[1], &end[1]);
        pithi_tensor_set_f64(&run->outputs[0], i, highest(run, image * x->dims[1] + channel, begin, end));
    }
}

static pith_status infer(pith_infer *infer)
{
    const max_roi_pool_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *rois = &infer->inputs[1].shape;
    const pith_ints *pooled = &attrs->pooled_shape;
    PITH_CHECK(infer->ctx, x->rank == 4 && rois->rank == 2 && rois->dims[1] == 5, PITH_STATUS_SHAPE,
               "x must be [N, C, H, W] and rois [R, 5]");
    PITH_CHECK(infer->ctx, pooled->n_items == 2 && pooled->items[0] > 0 && pooled->items[1] > 0, PITH_STATUS_ARG,
               "pooled_shape must be two positive sizes");
    PITH_CHECK(infer->ctx, rois->dims[0] == 0 || pith_shape_elements(x) > 0, PITH_STATUS_SHAPE, "x has no elements");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = (pith_shape){ 4, { rois->dims[0], x->dims[1], pooled->items[0], pooled->items[1] } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT, PITH_ONE },
    { "rois", PITH_DTYPES_FLOAT, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "MaxRoiPool", 1, NULL } };
static const char *const samples[] = {
    "f32[2,3,9,8] f32[2,5]{1,0,1,5,7.5,0,-2,3,9,10} | pooled_shape=[3,2]",
    "f32[1,2,6,6] f32[1,5]{0,4,4,1,1} | pooled_shape=[2,2] spatial_scale=0.5",
    "f16[1,2,6,6] f16[0,5] | pooled_shape=[1,1]",
};

const pith_op pith_op_max_roi_pool = {
    .head = { "max_roi_pool", 1, PITH_ATTRS(attr_table, max_roi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
