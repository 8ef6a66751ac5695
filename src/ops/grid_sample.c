/* SPDX-License-Identifier: Apache-2.0 */
/* grid_sample: y[n, c, p] = x[n, c] at the position grid[n, p] (last dimension first, -1 and 1 are the borders), by
 * nearest element, linear or cubic interpolation. ONNX GridSample. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct grid_sample_attrs {
    int64_t mode, padding_mode, align_corners;
} grid_sample_attrs;

enum { MODE_LINEAR, MODE_NEAREST, MODE_CUBIC, MODE_BILINEAR, MODE_BICUBIC }; /* the last two: names before opset 20 */
enum { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };
static const char *const modes[] = { "linear", "nearest", "cubic", "bilinear", "bicubic", NULL };
static const char *const padding_modes[] = { "zeros", "border", "reflection", NULL };
static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(grid_sample_attrs, mode, "mode", MODE_LINEAR, modes),
    PITH_ATTR_CHOICE(grid_sample_attrs, padding_mode, "padding_mode", PADDING_ZEROS, padding_modes),
    PITH_ATTR_INT(grid_sample_attrs, align_corners, "align_corners", 0),
};

#define MAX_SPATIAL 3
#define MAX_TAPS 4
#define CUBIC_A (-0.75)

/* Taps of one axis; index -1 stands for a zero. */
typedef struct sample_taps {
    int n;
    int64_t index[MAX_TAPS];
    double weight[MAX_TAPS];
} sample_taps;

/* Folds x into [low, high] as between two mirrors. */
static double reflect(double x, double low, double high)
{
    double span = high - low;
    if (span <= 0.0) {
        return low;
    }
    double offset = fmod(fabs(x - low), 2.0 * span);
    return low + (offset > span ? 2.0 * span - offset : offset);
}

static double into_image(const grid_sample_attrs *attrs, double x, int64_t dim)
{
    double low = attrs->align_corners ? 0.0 : -0.5, high = (double)dim - 1.0 - low;
    if (attrs->padding_mode == PADDING_BORDER) {
        return fmin(fmax(x, 0.0), (double)(dim - 1));
    }
    return attrs->padding_mode == PADDING_REFLECTION && (x < low || x > high) ? reflect(x, low, high) : x;
}

static int64_t index_of(const grid_sample_attrs *attrs, double x, int64_t dim)
{
    if (!(x >= 0.0 && x <= (double)(dim - 1)) && attrs->padding_mode == PADDING_ZEROS) {
        return -1;
    }
    double inside = fmin(fmax(into_image(attrs, x, dim), 0.0), (double)(dim - 1));
    return (int64_t)inside;
}

static double cubic_weight(double x)
{
    x = fabs(x);
    return x <= 1.0 ? ((CUBIC_A + 2.0) * x - (CUBIC_A + 3.0)) * x * x + 1.0
                    : ((CUBIC_A * x - 5.0 * CUBIC_A) * x + 8.0 * CUBIC_A) * x - 4.0 * CUBIC_A;
}

static sample_taps taps_of(const grid_sample_attrs *attrs, double position, int64_t dim)
{
    double x = attrs->align_corners ? (position + 1.0) / 2.0 * (double)(dim - 1)
                                    : ((position + 1.0) * (double)dim - 1.0) / 2.0;
    sample_taps taps = { .n = 1, .weight = { 1.0 } };
    int64_t mode = attrs->mode == MODE_BILINEAR ? MODE_LINEAR : attrs->mode == MODE_BICUBIC ? MODE_CUBIC : attrs->mode;
    x = isnan(x) ? -1.0 : fmin(fmax(x, -1e9), 1e9);
    if (mode == MODE_NEAREST) {
        taps.index[0] = index_of(attrs, nearbyint(x), dim);
        return taps;
    }
    x = mode == MODE_LINEAR ? into_image(attrs, x, dim) : x;
    double base = floor(x) - (mode == MODE_CUBIC ? 1.0 : 0.0);
    taps.n = mode == MODE_CUBIC ? 4 : 2;
    for (int k = 0; k < taps.n; k++) {
        taps.index[k] = index_of(attrs, base + k, dim);
        taps.weight[k] = mode == MODE_CUBIC ? cubic_weight(base + k - x) : 1.0 - fabs(base + k - x);
    }
    return taps;
}

/* All combinations of the axes' taps that lie in the image: offsets into a plane and weights. */
static int combine_taps(const sample_taps *axes, const int64_t *dims, int n_axes, int64_t *offsets, double *weights)
{
    int n = 1;
    offsets[0] = 0;
    weights[0] = 1.0;
    for (int i = 0; i < n_axes; i++) {
        for (int k = n * axes[i].n - 1; k >= 0; k--) {
            int from = k / axes[i].n, tap = k % axes[i].n;
            bool is_zero = offsets[from] < 0 || axes[i].index[tap] < 0;
            weights[k] = weights[from] * axes[i].weight[tap];
            offsets[k] = is_zero ? -1 : offsets[from] * dims[i] + axes[i].index[tap];
        }
        n *= axes[i].n;
    }
    int n_inside = 0;
    for (int k = 0; k < n; k++) {
        if (offsets[k] >= 0) {
            offsets[n_inside] = offsets[k];
            weights[n_inside++] = weights[k];
        }
    }
    return n_inside;
}

/* One point of every channel: x and y begin with the first channel's plane and point. */
typedef struct channels_f32 {
    const float *x;
    int64_t plane_size;
    float *y;
    int64_t n_points, n_channels;
} channels_f32;

static void sample_channels_f32(const channels_f32 *channels, const int64_t *offsets, const double *weights, int n)
{
    const float *x = channels->x;
    for (int64_t c = 0; c < channels->n_channels; c++, x += channels->plane_size) {
        double sum = 0.0;
        for (int k = 0; k < n; k++) {
            sum += weights[k] * (double)x[offsets[k]];
        }
        channels->y[c * channels->n_points] = (float)sum;
    }
}

/* Any dtype; complex numbers by parts. */
static void sample_point(const pith_tensor *x, int64_t plane, const int64_t *offsets, const double *weights, int n,
                         pith_tensor *y, int64_t to)
{
    const pith_tensor from = pithi_tensor_parts(x);
    pith_tensor result = pithi_tensor_parts(y);
    const int64_t n_parts = from.dtype == x->dtype ? 1 : 2;
    for (int64_t part = 0; part < n_parts; part++) {
        double sum = 0.0;
        for (int k = 0; k < n; k++) {
            sum += weights[k] * pithi_tensor_get_f64(&from, (plane + offsets[k]) * n_parts + part);
        }
        pithi_tensor_set_f64(&result, to * n_parts + part, sum);
    }
}

/* Positions `begin` to `end` of all batches, every channel. */
static void sample_range(const pith_run *run, int64_t begin, int64_t end)
{
    const pith_tensor *x = &run->inputs[0];
    int n_axes = x->shape.rank - 2;
    int64_t n_channels = x->shape.dims[1], n_points = pithi_dims_product(&run->outputs[0].shape, 2, x->shape.rank);
    int64_t plane_size = pithi_dims_product(&x->shape, 2, x->shape.rank);
    for (int64_t point = begin; point < end; point++) {
        sample_taps axes[MAX_SPATIAL];
        int64_t offsets[64];
        double weights[64];
        for (int i = 0; i < n_axes; i++) {
            double position = pithi_tensor_get_f64(&run->inputs[1], point * n_axes + n_axes - 1 - i);
            axes[i] = taps_of(run->attrs, position, x->shape.dims[2 + i]);
        }
        int n = combine_taps(axes, &x->shape.dims[2], n_axes, offsets, weights);
        int64_t plane = point / n_points * n_channels, to = plane * n_points + point % n_points;
        if (x->dtype == PITH_DTYPE_F32) {
            const channels_f32 channels = { (const float *)x->data + plane * plane_size, plane_size,
                                            (float *)run->outputs[0].data + to, n_points, n_channels };
            sample_channels_f32(&channels, offsets, weights, n);
            continue;
        }
        for (int64_t c = 0; c < n_channels; c++) {
            sample_point(x, (plane + c) * plane_size, offsets, weights, n, &run->outputs[0], to + c * n_points);
        }
    }
}

static int64_t count_points(const pith_run *run)
{
    const pith_shape *y = &run->outputs[0].shape;
    return y->dims[0] * pithi_dims_product(y, 2, y->rank);
}

static void ref(const pith_run *run)
{
    sample_range(run, 0, count_points(run));
}

static void run_part(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_points(run), &begin, &end);
    sample_range(run, begin, end);
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_shape *y = &prepare->outputs[0].shape;
    int64_t n_points = y->dims[0] * pithi_dims_product(y, 2, y->rank);
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_points / 64, 1024), 1);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape, *grid = &infer->inputs[1].shape;
    int n_axes = x->rank - 2;
    PITH_CHECK(infer->ctx, n_axes >= 1 && n_axes <= MAX_SPATIAL, PITH_STATUS_UNSUPPORTED,
               "x has rank %d; pith samples images of 1 to %d dimensions, ranks 3 to %d", x->rank, MAX_SPATIAL,
               MAX_SPATIAL + 2);
    PITH_CHECK(infer->ctx, grid->rank == x->rank && grid->dims[0] == x->dims[0] && grid->dims[grid->rank - 1] == n_axes,
               PITH_STATUS_SHAPE, "the grid must be [%lld, output sizes, %d]", (long long)x->dims[0], n_axes);
    PITH_CHECK(infer->ctx, pithi_dims_product(x, 2, x->rank) > 0 || pith_shape_elements(grid) == 0, PITH_STATUS_SHAPE,
               "x has no elements");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = *x;
    for (int i = 0; i < n_axes; i++) {
        infer->outputs[0].shape.dims[2 + i] = grid->dims[1 + i];
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY | PITH_DTYPES_COMPLEX, PITH_ONE },
                                            { "grid", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY | PITH_DTYPES_COMPLEX, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "GridSample", 16, NULL } };
static const char *const samples[] = { "c64[1,2,4,5] f32[1,3,3,2]{-1:1}",
    "f32[2,3,5,4] f32[2,3,7,2]{-1.2:1.2}",
    "f32[1,2,5,4] f32[1,3,4,2]{-3:3} | mode=cubic padding_mode=reflection align_corners=1",
    "f32[1,2,3,4,5] f32[1,2,3,2,3]{-1.5:1.5} | mode=nearest padding_mode=border",
    "f32[1,1,6] f32[1,9,1]{-2:2} | padding_mode=reflection",
    "f32[1,1,4,4] f32[1,20,20,2]{-1.1:1.1} | mode=bicubic",
    "f32[1,2,3,3] f32[1,0,4,2]",
};

const pith_op pith_op_grid_sample = {
    .head = { "grid_sample", 1, PITH_ATTRS(attr_table, grid_sample_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
