/* SPDX-License-Identifier: Apache-2.0 */
/* Resampling along one axis, as ONNX Resize defines it: where output index i lies in the input, and the weights
 * of the input elements around it. Axes are independent of each other (the weights multiply). */
#ifndef PITH_OPS_SHARED_RESIZE_H
#define PITH_OPS_SHARED_RESIZE_H

#include "ops/op.h"

typedef struct pithi_resize_attrs {
    int64_t mode, nearest_mode, coordinates, antialias, exclude_outside, policy;
    float cubic_coeff_a, extrapolation_value;
    pith_ints axes;
} pithi_resize_attrs;

enum { PITHI_RESIZE_NEAREST, PITHI_RESIZE_LINEAR, PITHI_RESIZE_CUBIC };
enum {
    PITHI_RESIZE_PREFER_FLOOR,
    PITHI_RESIZE_PREFER_CEIL,
    PITHI_RESIZE_FLOOR,
    PITHI_RESIZE_CEIL,
    PITHI_RESIZE_SIMPLE
};
enum {
    PITHI_RESIZE_HALF_PIXEL, PITHI_RESIZE_HALF_PIXEL_SYMMETRIC, PITHI_RESIZE_PYTORCH_HALF_PIXEL,
    PITHI_RESIZE_ALIGN_CORNERS, PITHI_RESIZE_ASYMMETRIC, PITHI_RESIZE_TF_HALF_PIXEL_FOR_NN, PITHI_RESIZE_TF_CROP
};

typedef struct pithi_resize_axis {
    int64_t in, out;
    double scale, roi_begin, roi_end;
    bool is_identity; /* y has the elements of x */
} pithi_resize_axis;

/* The input elements that output index i reads: base + k for first <= k < first + count, each index clamped
 * to the axis, with weights weigh(k) / sum. */
typedef struct pithi_resize_taps {
    int64_t base, first, count;
    double ratio, sum;
    bool is_outside; /* the whole output element is the extrapolation value */
} pithi_resize_taps;

/* From attributes and inputs (x, roi, scales, sizes) with known values; shapes are checked by infer. */
void pithi_resize_axes(const pithi_resize_attrs *attrs, const pith_tensor *inputs, int n_inputs,
                       pithi_resize_axis axes[PITH_MAX_RANK]);
pithi_resize_taps pithi_resize_taps_at(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis, int64_t i);
/* Weight of tap k (0 <= k < count). */
double pithi_resize_weight(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis,
                           const pithi_resize_taps *taps, int64_t k);
/* 8-bit numbers are interpolated with weights that are multiples of 1/256 (all but the last tap's rounded to the
 * nearest even, the last one takes the rest): along two axes every sum is then exact in float32, on every machine.
 * Not with antialias, whose taps are many. */
static inline bool pithi_resize_is_coarse(const pithi_resize_attrs *attrs, pith_dtype dtype)
{
    bool is_8bit = dtype == PITH_DTYPE_U8 || dtype == PITH_DTYPE_S8;
    return is_8bit && attrs->mode == PITHI_RESIZE_LINEAR && !attrs->antialias;
}
double pithi_resize_coarse_weight(const pithi_resize_attrs *attrs, const pithi_resize_axis *axis,
                                  const pithi_resize_taps *taps, int64_t k);
/* Clamped index of tap k. */
int64_t pithi_resize_index(const pithi_resize_axis *axis, const pithi_resize_taps *taps, int64_t k);

#endif
