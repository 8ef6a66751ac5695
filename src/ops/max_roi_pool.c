/* SPDX-License-Identifier: Apache-2.0 */
/* max_roi_pool: largest value in each bin of regions of interest (Girshick, Fast R-CNN, 2015). ONNX MaxRoiPool.
 * rois are [n, 5]: batch index, x1, y1, x2, y2; corners are rounded to pixels, both inside; empty bins give 0. */
#include <math.h>

#include "ops/sample.h"

typedef struct max_roi_pool_attrs {
    pith_ints pooled_shape;
    float spatial_scale;
} max_roi_pool_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_REQUIRED_INTS(max_roi_pool_attrs, pooled_shape, "pooled_shape"),
    PITH_ATTR_FLOAT(max_roi_pool_attrs, spatial_scale, "spatial_scale", 1.0),
};

/* Pixels [range[0], range[1]) of bin `bin` of n between two corners in the scale of x. */
static void find_bin(double corner_1, double corner_2, int64_t bin, int64_t n, int64_t size, int64_t range[2])
{
    double first = round(corner_1), length = fmax(round(corner_2) - first + 1.0, 1.0) / (double)n;
    double from = fmin(fmax(floor((double)bin * length) + first, 0.0), (double)size);
    double to = fmin(fmax(ceil((double)(bin + 1) * length) + first, 0.0), (double)size);
    range[0] = from > 0.0 ? (int64_t)from : 0; /* NaN: an empty bin */
    range[1] = to > 0.0 ? (int64_t)to : 0;
}

static double largest_in(const pith_tensor *x, int64_t plane, const int64_t rows[2], const int64_t columns[2])
{
    double largest = rows[0] < rows[1] && columns[0] < columns[1] ? -INFINITY : 0.0;
    for (int64_t i = rows[0]; i < rows[1]; i++) {
        for (int64_t k = columns[0]; k < columns[1]; k++) {
            double value = pithi_tensor_get_f64(x, plane + i * x->shape.dims[3] + k);
            largest = value > largest || isnan(value) ? value : largest;
        }
    }
    return largest;
}

static void pool_region(const pith_run *run, int64_t roi)
{
    const max_roi_pool_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *rois = &run->inputs[1];
    int64_t n_rows = attrs->pooled_shape.items[0], n_columns = attrs->pooled_shape.items[1];
    double corners[5], scale = (double)attrs->spatial_scale;
    for (int i = 0; i < 5; i++) {
        corners[i] = pithi_tensor_get_f64(rois, 5 * roi + i) * (i > 0 ? scale : 1.0);
    }
    if (!(corners[0] >= 0.0 && corners[0] < (double)x->shape.dims[0])) {
        pithi_run_fault(run, "roi %lld has batch index %g, but must lie in 0..%lld", (long long)roi, corners[0],
                        (long long)x->shape.dims[0] - 1);
        corners[0] = 0.0;
    }
    for (int64_t i = 0; i < x->shape.dims[1] * n_rows * n_columns; i++) {
        int64_t plane =
            ((int64_t)corners[0] * x->shape.dims[1] + i / (n_rows * n_columns)) * x->shape.dims[2] * x->shape.dims[3];
        int64_t rows[2], columns[2];
        find_bin(corners[2], corners[4], i / n_columns % n_rows, n_rows, x->shape.dims[2], rows);
        find_bin(corners[1], corners[3], i % n_columns, n_columns, x->shape.dims[3], columns);
        pithi_tensor_set_f64(&run->outputs[0], roi * x->shape.dims[1] * n_rows * n_columns + i,
                             largest_in(x, plane, rows, columns));
    }
}

static void ref(const pith_run *run)
{
    for (int64_t roi = 0; roi < run->outputs[0].shape.dims[0]; roi++) {
        pool_region(run, roi);
    }
}

static pith_status infer(pith_infer *infer)
{
    const max_roi_pool_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *rois = &infer->inputs[1].shape;
    PITH_CHECK(infer->ctx, x->rank == 4 && rois->rank == 2 && rois->dims[1] == 5, PITH_STATUS_SHAPE,
               "input must be [N,C,H,W] and rois [n,5]");
    PITH_CHECK(infer->ctx,
               attrs->pooled_shape.n_items == 2 && attrs->pooled_shape.items[0] > 0 && attrs->pooled_shape.items[1] > 0,
               PITH_STATUS_FORMAT, "pooled_shape must be two sizes above 0");
    PITH_CHECK(infer->ctx, rois->dims[0] == 0 || x->dims[0] > 0, PITH_STATUS_SHAPE, "the input is empty");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = (pith_shape){
        .rank = 4, .dims = { rois->dims[0], x->dims[1], attrs->pooled_shape.items[0], attrs->pooled_shape.items[1] }
    };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "rois", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "MaxRoiPool", 1, NULL } };
static const char *const samples[] = {
    "f32[2,3,10,12] f32[3,5]{0,0,0,9,9,1,3,2,11,8,1,-2,-2,20,5} | pooled_shape=[3,2]",
    "f32[1,2,9,7] f32[2,5]{0,1,1,10,12,0,9,9,9,9} | pooled_shape=[2,4] spatial_scale=0.5",
    "f64[1,2,9,7] f64[0,5] | pooled_shape=[1,1]",
};

const pith_op pith_op_max_roi_pool = {
    .head = { "max_roi_pool", 1, PITH_ATTRS(table, max_roi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
