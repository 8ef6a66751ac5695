/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_resize.h"

#include <math.h>

#include "ops/shared_index.h"

static bool has_items(const pith_tensor *inputs, int n_inputs, int index)
{
    return pithi_has_operand(inputs, n_inputs, index) && pith_shape_elements(&inputs[index].shape) > 0;
}

/* A scale that is out / in, rounded to float32, means out / in: with the rounding error positions that are
 * meant to be whole or half would fall to either side. */
static double exact_scale(const pithi_resize_axis *axis)
{
    double ratio = axis->in > 0 ? (double)axis->out / (double)axis->in : axis->scale;
    return (float)ratio == (float)axis->scale ? ratio : axis->scale;
}

/* -1, which infer refuses, for what is no size. */
static int64_t size_of(double size)
{
    return size >= 0.0 && size < 1e15 ? (int64_t)size : -1;
}

/* One scale for all axes, so that the result is at most (not_larger) or at least sizes. */
static void keep_aspect_ratio(const pithi_resize_attrs *attrs, const int *named, int n_named, pithi_resize_axis *axes)
{
    double scale = axes[named[0]].scale;
    for (int i = 1; i < n_named; i++) {
        double other = axes[named[i]].scale;
        scale = attrs->policy == 1 ? fmin(scale, other) : fmax(scale, other);
    }
    for (int i = 0; i < n_named; i++) {
        pithi_resize_axis *axis = &axes[named[i]];
        axis->scale = scale;
        axis->out = size_of(scale * (double)axis->in + 0.5);
    }
}

void pithi_resize_axes(const pithi_resize_attrs *attrs, const pith_tensor *inputs, int n_inputs,
                       pithi_resize_axis axes[PITH_MAX_RANK])
{
    const pith_shape *x = &inputs[0].shape;
    bool has_scales = has_items(inputs, n_inputs, 2);
    bool has_roi = attrs->coordinates == PITHI_RESIZE_TF_CROP && has_items(inputs, n_inputs, 1);
    int named[PITH_MAX_RANK], n_named = attrs->axes.n_items ? attrs->axes.n_items : x->rank;
    for (int i = 0; i < x->rank; i++) {
        axes[i] = (pithi_resize_axis){ x->dims[i], x->dims[i], 1.0, 0.0, 1.0, true };
    }
    for (int i = 0; i < n_named; i++) {
        int64_t item = attrs->axes.n_items ? attrs->axes.items[i] : i;
        named[i] = (int)(item < 0 ? item + x->rank : item);
        pithi_resize_axis *axis = &axes[named[i]];
        if (has_scales) {
            axis->scale = pithi_tensor_get_f64(&inputs[2], i);
            axis->out = size_of(floorf((float)axis->in * (float)axis->scale)); /* float32, as ONNX infers shapes */
            axis->scale = exact_scale(axis);
        } else {
            axis->out = pithi_tensor_get_s64(&inputs[3], i);
            axis->scale = axis->in > 0 ? (double)axis->out / (double)axis->in : 1.0;
        }
        if (has_roi) {
            axis->roi_begin = pithi_tensor_get_f64(&inputs[1], i);
            axis->roi_end = pithi_tensor_get_f64(&inputs[1], i + n_named);
        }
    }
    if (!has_scales && attrs->policy != 0 && n_named > 0) {
        keep_aspect_ratio(attrs, named, n_named, axes);
    }
    for (int i = 0; i < x->rank; i++) {
        axes[i].is_identity = axes[i].in == axes[i].out && fabs(axes[i].scale - 1.0) <= 1e-9 &&
                              axes[i].roi_begin == 0.0 && axes[i].roi_end == 1.0;
    }
}

/* Position of output index i in the input. */
static double source_position(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis, double i)
{
    double in = (double)axis->in, length = axis->scale * in; /* a fraction more than axis->out, maybe */
    bool is_one = fabs(length - 1.0) < 1e-6;
    switch (attrs->coordinates) {
    case PITHI_RESIZE_ALIGN_CORNERS: return is_one ? 0.0 : i * (in - 1.0) / (length - 1.0);
    case PITHI_RESIZE_ASYMMETRIC: return i / axis->scale;
    case PITHI_RESIZE_TF_HALF_PIXEL_FOR_NN: return (i + 0.5) / axis->scale;
    case PITHI_RESIZE_PYTORCH_HALF_PIXEL: return axis->out == 1 ? 0.0 : (i + 0.5) / axis->scale - 0.5;
    case PITHI_RESIZE_HALF_PIXEL_SYMMETRIC:
        return in / 2.0 * (1.0 - (double)axis->out / length) + (i + 0.5) / axis->scale - 0.5;
    case PITHI_RESIZE_TF_CROP: {
        double span = (axis->roi_end - axis->roi_begin) * (in - 1.0);
        return axis->roi_begin * (in - 1.0) + (is_one ? span / 2.0 : i * span / (length - 1.0));
    }
    default: return (i + 0.5) / axis->scale - 0.5;
    }
}

/* Nearest element; positions are rounded to float32 first, as other runtimes compute them, so that a position
 * meant to be whole or half is. */
static int64_t nearest(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis, double position)
{
    double x = (double)(float)position, low = floor(x);
    switch (attrs->nearest_mode) {
    case PITHI_RESIZE_FLOOR: return (int64_t)low;
    case PITHI_RESIZE_CEIL: return (int64_t)ceil(x);
    case PITHI_RESIZE_PREFER_CEIL: return (int64_t)(x - low >= 0.5 ? low + 1.0 : low);
    case PITHI_RESIZE_SIMPLE: return (int64_t)(axis->scale < 1.0 ? ceil(x) : low);
    default: return (int64_t)(x - low > 0.5 ? low + 1.0 : low);
    }
}

static double linear_weight(double x) { return fmax(1.0 - fabs(x), 0.0); }

/* Keys' cubic convolution kernel, a = cubic_coeff_a (R. Keys, IEEE Trans. ASSP 29, 1981). */
static double cubic_weight(double x, double a)
{
    x = fabs(x);
    if (x <= 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    return x < 2.0 ? ((x - 5.0) * x + 8.0) * x * a - 4.0 * a : 0.0;
}

/* Shrinking with antialias stretches the kernel by 1 / scale. */
static double kernel_scale(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis)
{
    return attrs->antialias ? fmin(axis->scale, 1.0) : 1.0;
}

int64_t pithi_resize_index(const pithi_resize_axis *axis, const pithi_resize_taps *taps, int64_t k)
{
    return pithi_max_s64(pithi_min_s64(taps->base + taps->first + k, axis->in - 1), 0);
}

static double raw_weight(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis, const pithi_resize_taps *taps,
                         int64_t k)
{
    int64_t index = taps->base + taps->first + k;
    if (attrs->exclude_outside && (index < 0 || index >= axis->in)) {
        return 0.0;
    }
    double x = ((double)(taps->first + k) - taps->ratio) * kernel_scale(attrs, axis);
    return attrs->mode == PITHI_RESIZE_LINEAR ? linear_weight(x) : cubic_weight(x, (double)attrs->cubic_coeff_a);
}

double pithi_resize_weight(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis,
                           const pithi_resize_taps *taps, int64_t k)
{
    return taps->count == 1 ? 1.0 : raw_weight(attrs, axis, taps, k) / taps->sum;
}

pithi_resize_taps pithi_resize_taps_at(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis, int64_t i)
{
    pithi_resize_taps taps = { .base = i, .count = 1, .sum = 1.0 };
    if (axis->is_identity) {
        return taps;
    }
    double position = source_position(attrs, axis, (double)i);
    taps.is_outside =
        attrs->coordinates == PITHI_RESIZE_TF_CROP && (position < 0.0 || position > (double)(axis->in - 1));
    position = fmax(fmin(position, 1e15), -1e15);
    if (attrs->mode == PITHI_RESIZE_NEAREST) {
        taps.base = nearest(attrs, axis, position);
        return taps;
    }
    double reach = (attrs->mode == PITHI_RESIZE_LINEAR ? 1.0 : 2.0) / kernel_scale(attrs, axis);
    taps.base = (int64_t)ceil(position) - 1; /* the ratio lies in (0, 1] */
    taps.ratio = position - (double)taps.base;
    taps.first = (int64_t)floor(-reach) + 1;
    taps.count = 2 - 2 * taps.first;
    if (attrs->antialias || attrs->exclude_outside) {
        taps.sum = 0.0;
        for (int64_t k = 0; k < taps.count; k++) {
            taps.sum += raw_weight(attrs, axis, &taps, k);
        }
        taps.sum = taps.sum == 0.0 ? 1.0 : taps.sum;
    }
    return taps;
}

double pithi_resize_coarse_weight(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis,
                                  const pithi_resize_taps *taps, int64_t k)
{
    double rest = 1.0;
    for (int64_t i = 0; i < taps->count - 1; i++) {
        double weight = nearbyint(256.0 * pithi_resize_weight(attrs, axis, taps, i)) / 256.0;
        if (i == k) {
            return weight;
        }
        rest -= weight;
    }
    return rest;
}
