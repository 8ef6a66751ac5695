/* SPDX-License-Identifier: Apache-2.0 */
/* roi_align: each region of an image as a small grid, every cell the average (or maximum) of bilinear samples
 * inside of it (He et al., Mask R-CNN, 2017). ONNX RoiAlign, whose maximum is over the weighted corners. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"

#define MAX_SAMPLES 1024 /* along one axis of a cell: bounds the work that a hostile region asks for */

typedef struct roi_align_attrs {
    int64_t mode, coordinates, output_height, output_width, sampling_ratio;
    float spatial_scale;
} roi_align_attrs;

enum { MODE_AVERAGE, MODE_MAX };
enum { HALF_PIXEL, OUTPUT_HALF_PIXEL };
static const char *const modes[] = { "avg", "max", NULL };
static const char *const coordinates[] = { "half_pixel", "output_half_pixel", NULL };
static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(roi_align_attrs, mode, "mode", MODE_AVERAGE, modes),
    PITH_ATTR_CHOICE(roi_align_attrs, coordinates, "coordinate_transformation_mode", HALF_PIXEL, coordinates),
    PITH_ATTR_INT(roi_align_attrs, output_height, "output_height", 1),
    PITH_ATTR_INT(roi_align_attrs, output_width, "output_width", 1),
    PITH_ATTR_INT(roi_align_attrs, sampling_ratio, "sampling_ratio", 0),
    PITH_ATTR_FLOAT(roi_align_attrs, spatial_scale, "spatial_scale", 1.0),
};

/* One axis of a region: samples lie at start + (cell + (i + 1/2) / n_samples) * cell_size. */
typedef struct roi_axis {
    double start, cell_size;
    int64_t n_samples, dim;
} roi_axis;

static roi_axis axis_of(const pith_run *run, int64_t roi, int axis)
{
    const roi_align_attrs *attrs = run->attrs;
    double offset = attrs->coordinates == HALF_PIXEL ? 0.5 : 0.0, scale = (double)attrs->spatial_scale;
    double begin = pithi_tensor_get_f64(&run->inputs[1], roi * 4 + 1 - axis) * scale - offset;
    double end = pithi_tensor_get_f64(&run->inputs[1], roi * 4 + 3 - axis) * scale - offset;
    double length = attrs->coordinates == HALF_PIXEL ? end - begin : fmax(end - begin, 1.0);
    roi_axis result = { .start = begin, .dim = run->inputs[0].shape.dims[2 + axis] };
    result.cell_size = length / (double)(axis == 0 ? attrs->output_height : attrs->output_width);
    double n_samples = attrs->sampling_ratio > 0 ? (double)attrs->sampling_ratio : ceil(result.cell_size);
    if (n_samples > MAX_SAMPLES) {
        pithi_run_fault(run, "a cell of region %lld is %g wide, pith takes up to %d", (long long)roi, result.cell_size,
                        MAX_SAMPLES);
        n_samples = 1;
    }
    result.n_samples = n_samples > 0.0 ? (int64_t)n_samples : 0;
    return result;
}

typedef struct roi_taps {
    int64_t index[2];
    double weight[2];
    bool is_outside;
} roi_taps;

static roi_taps taps_of(const roi_axis *axis, int64_t cell, int64_t sample)
{
    double at = axis->start + ((double)cell + ((double)sample + 0.5) / (double)axis->n_samples) * axis->cell_size;
    roi_taps taps = { .is_outside = !(at >= -1.0 && at <= (double)axis->dim) };
    at = taps.is_outside ? 0.0 : fmin(fmax(at, 0.0), (double)(axis->dim - 1));
    taps.index[0] = (int64_t)at;
    taps.index[1] = pithi_min_s64(taps.index[0] + 1, axis->dim - 1);
    taps.weight[1] = taps.is_outside ? 0.0 : at - (double)taps.index[0];
    taps.weight[0] = taps.is_outside ? 0.0 : 1.0 - taps.weight[1];
    return taps;
}

/* Adds one sample to the sums (or takes it into the maxima) of all channels. */
static void take_sample(const pith_run *run, int64_t image, const roi_taps *y, const roi_taps *x, double *sums)
{
    const roi_align_attrs *attrs = run->attrs;
    const pith_tensor *images = &run->inputs[0];
    int64_t n_channels = images->shape.dims[1], width = images->shape.dims[3], size = images->shape.dims[2] * width;
    for (int k = 0; k < 4; k++) {
        double weight = y->weight[k / 2] * x->weight[k % 2];
        int64_t at = image * n_channels * size + y->index[k / 2] * width + x->index[k % 2];
        bool is_f32 = images->dtype == PITH_DTYPE_F32;
        for (int64_t c = 0; c < n_channels; c++, at += size) {
            double value = is_f32 ? (double)((const float *)images->data)[at] : pithi_tensor_get_f64(images, at);
            value = weight == 0.0 ? 0.0 : weight * value; /* nothing outside, be it infinite */
            sums[c] = attrs->mode == MODE_AVERAGE ? sums[c] + value : value > sums[c] ? value : sums[c];
        }
    }
}

/* Cells `begin` to `end` of all regions, every channel; sums: one for each channel. */
static void pool_range(const pith_run *run, int64_t begin, int64_t end, double *sums)
{
    const roi_align_attrs *attrs = run->attrs;
    int64_t n_channels = run->inputs[0].shape.dims[1], n_cells = attrs->output_height * attrs->output_width;
    for (int64_t i = begin; i < end; i++) {
        int64_t roi = i / n_cells, cell = i % n_cells;
        int64_t image = pithi_run_index(run, &run->inputs[2], roi, run->inputs[0].shape.dims[0]);
        const roi_axis axes[2] = { axis_of(run, roi, 0), axis_of(run, roi, 1) };
        int64_t n_samples = axes[0].n_samples * axes[1].n_samples;
        for (int64_t c = 0; c < n_channels; c++) {
            sums[c] = attrs->mode == MODE_MAX && n_samples > 0 ? -INFINITY : 0.0;
        }
        for (int64_t k = 0; k < n_samples; k++) {
            roi_taps y = taps_of(&axes[0], cell / attrs->output_width, k / axes[1].n_samples);
            roi_taps x = taps_of(&axes[1], cell % attrs->output_width, k % axes[1].n_samples);
            y.weight[0] *= !x.is_outside, y.weight[1] *= !x.is_outside;
            take_sample(run, image, &y, &x, sums);
        }
        double divisor = attrs->mode == MODE_AVERAGE ? (double)pithi_max_s64(n_samples, 1) : 1.0;
        for (int64_t c = 0; c < n_channels; c++) {
            pithi_tensor_set_f64(&run->outputs[0], (roi * n_channels + c) * n_cells + cell, sums[c] / divisor);
        }
    }
}

static int64_t count_cells(const pith_shape *y)
{
    return y->dims[0] * y->dims[2] * y->dims[3];
}

static size_t ref_bytes(const pith_run *run)
{
    return (size_t)run->inputs[0].shape.dims[1] * sizeof(double);
}

static void ref(const pith_run *run)
{
    pool_range(run, 0, count_cells(&run->outputs[0].shape), run->shared);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_cells(&run->outputs[0].shape), &begin, &end);
    pool_range(run, begin, end, part->scratch);
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)prepare->inputs[0].shape.dims[1] * sizeof(double);
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(count_cells(&prepare->outputs[0].shape), 1024), 1);
    prepare->kernel = "channels";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const roi_align_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *rois = &infer->inputs[1].shape, *batches = &infer->inputs[2].shape;
    PITH_CHECK(infer->ctx, x->rank == 4 && rois->rank == 2 && rois->dims[1] == 4 && batches->rank == 1 &&
                               batches->dims[0] == rois->dims[0],
               PITH_STATUS_SHAPE, "x must be [N, C, H, W], rois [R, 4] and batch_indices [R]");
    PITH_CHECK(infer->ctx, rois->dims[0] == 0 || pith_shape_elements(x) > 0, PITH_STATUS_SHAPE, "x has no elements");
    PITH_CHECK(infer->ctx, attrs->sampling_ratio <= MAX_SAMPLES, PITH_STATUS_LIMIT,
               "sampling_ratio %lld is above %d", (long long)attrs->sampling_ratio, MAX_SAMPLES);
    PITH_CHECK(infer->ctx, attrs->output_height > 0 && attrs->output_width > 0 && attrs->sampling_ratio >= 0,
               PITH_STATUS_ARG, "output_height and output_width must be positive, sampling_ratio not negative");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape =
        (pith_shape){ 4, { rois->dims[0], x->dims[1], attrs->output_height, attrs->output_width } };
    return PITH_OK;
}

/* Before opset 16 coordinates had no half-pixel shift. */
static pith_status map_10(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)source;
    ((roi_align_attrs *)attrs)->coordinates = OUTPUT_HALF_PIXEL;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT, PITH_ONE },
    { "rois", PITH_DTYPES_FLOAT, PITH_ONE },
    { "batch_indices", PITH_DTYPES_INDEX, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RoiAlign", 10, map_10 },
                                           { "onnx", "", "RoiAlign", 16, NULL } };
static const char *const samples[] = {
    "f32[2,3,9,8] f32[2,4]{0,1,5,7.5,-2,3,9,10} s64[2]{1,0} | output_height=3 output_width=2 sampling_ratio=2",
    "f32[1,2,6,6] f32[1,4]{0,0,10,11} s64[1]{0} | mode=max output_height=2 output_width=2 spatial_scale=0.5",
    "f32[1,5,6,6] f32[1,4]{1,1,4,4} s64[1]{0} | output_height=5 coordinate_transformation_mode=output_half_pixel",
    "f32[1,2,6,6] f32[0,4] s64[0]",
};

const pith_op pith_op_roi_align = {
    .head = { "roi_align", 1, PITH_ATTRS(attr_table, roi_align_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .ref_bytes = ref_bytes,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
