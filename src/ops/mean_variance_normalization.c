/* SPDX-License-Identifier: Apache-2.0 */
/* mean_variance_normalization: y = (x - mean) / (standard deviation + 1e-9), statistics over `axes` (without: 0, 2 and
 * 3). ONNX MeanVarianceNormalization. */
#include <math.h>

#include "ops/shared_unary.h"

typedef struct mvn_attrs {
    pith_ints axes;
} mvn_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_INTS(mvn_attrs, axes, "axes") };

static const int64_t default_axes[] = { 0, 2, 3 };

static pith_ints axes_of(const void *attrs)
{
    const mvn_attrs *a = attrs;
    return a->axes.n_items > 0 ? a->axes : (pith_ints){ default_axes, PITH_COUNT(default_axes) };
}

/* Offset of the index-th point of the dimensions whose reduced flag is `is_reduced`. */
static int64_t point(const pith_shape *x, const bool *reduced, int64_t index, bool is_reduced)
{
    int64_t offset = 0, stride = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        if (reduced[i] == is_reduced) {
            offset += index % x->dims[i] * stride;
            index /= x->dims[i];
        }
        stride *= x->dims[i];
    }
    return offset;
}

static void one_group(const pith_run *run, const bool *reduced, int64_t base, int64_t n)
{
    const pith_tensor *x = &run->inputs[0];
    double sum = 0.0, squares = 0.0;
    for (int64_t k = 0; k < n; k++) {
        sum += pithi_tensor_get_f64(x, base + point(&x->shape, reduced, k, true));
    }
    const double mean = sum / (double)n;
    for (int64_t k = 0; k < n; k++) {
        const double centred = pithi_tensor_get_f64(x, base + point(&x->shape, reduced, k, true)) - mean;
        squares += centred * centred;
    }
    const double deviation = sqrt(squares / (double)n) + 1e-9;
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = base + point(&x->shape, reduced, k, true);
        pithi_tensor_set_f64(&run->outputs[0], at, (pithi_tensor_get_f64(x, at) - mean) / deviation);
    }
}

/* Elements of a group. */
static int64_t find_reduced(const pith_run *run, bool reduced[PITH_MAX_RANK])
{
    const pith_shape *x = &run->inputs[0].shape;
    const pith_ints axes = axes_of(run->attrs);
    int64_t n = 1;
    memset(reduced, 0, PITH_MAX_RANK * sizeof *reduced);
    for (int i = 0; i < axes.n_items; i++) {
        reduced[axes.items[i] < 0 ? axes.items[i] + x->rank : axes.items[i]] = true;
    }
    for (int i = 0; i < x->rank; i++) {
        n *= reduced[i] ? x->dims[i] : 1;
    }
    return n;
}

static void ref(const pith_run *run)
{
    const pith_shape *x = &run->inputs[0].shape;
    bool reduced[PITH_MAX_RANK];
    const int64_t n = find_reduced(run, reduced);
    for (int64_t group = 0; n > 0 && group < pith_shape_elements(x) / n; group++) {
        one_group(run, reduced, point(x, reduced, group, false), n);
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

/* A group of float32 lies in runs of `length` elements, the first of each where point() says. */
static void one_group_f32(const pith_run *run, const bool *reduced, int64_t base, int64_t n, int64_t length)
{
    const pith_shape *shape = &run->inputs[0].shape;
    const float *x = (const float *)run->inputs[0].data + base;
    float *y = (float *)run->outputs[0].data + base;
    double sum = 0.0, squares = 0.0;
    for (int64_t k = 0; k < n; k += length) {
        const float *from = x + point(shape, reduced, k, true);
        for (int64_t i = 0; i < length; i++) {
            sum += (double)from[i];
        }
    }
    const double mean = sum / (double)n;
    for (int64_t k = 0; k < n; k += length) {
        const float *from = x + point(shape, reduced, k, true);
        for (int64_t i = 0; i < length; i++) {
            squares += ((double)from[i] - mean) * ((double)from[i] - mean);
        }
    }
    const double deviation = sqrt(squares / (double)n) + 1e-9;
    for (int64_t k = 0; k < n; k += length) {
        const int64_t at = point(shape, reduced, k, true);
        for (int64_t i = 0; i < length; i++) {
            y[at + i] = (float)(((double)x[at + i] - mean) / deviation);
        }
    }
}

/* Groups of this part. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const pith_shape *x = &run->inputs[0].shape;
    bool reduced[PITH_MAX_RANK];
    int64_t begin, end, length = 1;
    const int64_t n = find_reduced(run, reduced);
    for (int i = x->rank - 1; i >= 0 && reduced[i]; i--) {
        length *= x->dims[i];
    }
    pithi_part_range(part, n > 0 ? pith_shape_elements(x) / n : 0, &begin, &end);
    for (int64_t group = begin; group < end; group++) {
        const int64_t base = point(x, reduced, group, false);
        if (run->inputs[0].dtype == PITH_DTYPE_F32) {
            one_group_f32(run, reduced, base, n, length);
        } else {
            one_group(run, reduced, base, n);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_ints axes = axes_of(infer->attrs);
    for (int i = 0; i < axes.n_items; i++) {
        int axis = 0;
        PITH_TRY(pithi_infer_axis(infer, axes.items[i], infer->inputs[0].shape.rank, &axis));
    }
    return pithi_infer_same(infer);
}

static const pith_spelling spellings[] = { { "onnx", "", "MeanVarianceNormalization", 9, NULL } };
static const char *const samples[] = { "f32[2,3,4,5]", "f32[3,7] | axes=[-1]", "f32[3,5,9,70]",
                                       "f16[2,3,4] | axes=[0,2]",
                                       "f32[0,2] | axes=[1]" };

const pith_op pith_op_mean_variance_normalization = {
    .head = { "mean_variance_normalization", 1, PITH_ATTRS(attrs_table, mvn_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_x_float, .n_inputs = 1,
    .outputs = pithi_y_float, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
