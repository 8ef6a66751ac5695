/* SPDX-License-Identifier: Apache-2.0 */
/* resize: resamples x along some axes by nearest element, linear or cubic interpolation, with or without
 * antialias. ONNX Resize, and Upsample that came before it. The mathematics stand in shared_resize. */
#include <math.h>

#include "kernels/quantize_f32.h"
#include "kernels/resize_f32.h"
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_resize.h"

static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
static const char *const nearest_modes[] = {
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple", NULL
};
static const char *const coordinates[] = { "half_pixel",         "half_pixel_symmetric",
                                           "pytorch_half_pixel", "align_corners",
                                           "asymmetric",         "tf_half_pixel_for_nn",
                                           "tf_crop_and_resize", NULL };
static const char *const policies[] = { "stretch", "not_larger", "not_smaller", NULL };

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(pithi_resize_attrs, mode, "mode", PITHI_RESIZE_NEAREST, modes),
    PITH_ATTR_CHOICE(pithi_resize_attrs, nearest_mode, "nearest_mode", PITHI_RESIZE_PREFER_FLOOR,
                     nearest_modes),
    PITH_ATTR_CHOICE(pithi_resize_attrs, coordinates, "coordinate_transformation_mode", PITHI_RESIZE_HALF_PIXEL,
                     coordinates),
    PITH_ATTR_CHOICE(pithi_resize_attrs, policy, "keep_aspect_ratio_policy", 0, policies),
    PITH_ATTR_INT(pithi_resize_attrs, antialias, "antialias", 0),
    PITH_ATTR_INT(pithi_resize_attrs, exclude_outside, "exclude_outside", 0),
    PITH_ATTR_FLOAT(pithi_resize_attrs, cubic_coeff_a, "cubic_coeff_a", -0.75),
    PITH_ATTR_FLOAT(pithi_resize_attrs, extrapolation_value, "extrapolation_value", 0.0),
    PITH_ATTR_INTS(pithi_resize_attrs, axes, "axes"),
};

/* ---- reference ---------------------------------------------------------------------------- */

/* Result of an interpolation into the dtype: integers are rounded to the nearest even and saturated. */
static void store(pith_tensor *y, int64_t position, double value)
{
    if (pithi_dtype_is_integer(y->dtype) && pith_dtype_bytes(y->dtype) < 8) {
        bool is_unsigned = y->dtype == PITH_DTYPE_U8 || y->dtype == PITH_DTYPE_U16 || y->dtype == PITH_DTYPE_U32;
        double span = ldexp(1.0, 8 * (int)pith_dtype_bytes(y->dtype)), low = is_unsigned ? 0.0 : -span / 2.0;
        value = fmin(fmax(nearbyint(value), low), low + span - 1.0);
    }
    pithi_tensor_set_f64(y, position, value);
}

/* Weighted sum over all combinations of the axes' taps, of part 0 or 1 of complex numbers. */
static double interpolate(const pith_run *run, const pithi_resize_axis *axes, const pithi_resize_taps *taps, int part)
{
    const pith_tensor *x = &run->inputs[0];
    const pith_tensor parts = pithi_tensor_parts(x);
    const int64_t n_parts = parts.dtype == x->dtype ? 1 : 2;
    const bool is_coarse = pithi_resize_is_coarse(run->attrs, x->dtype);
    int64_t tap[PITH_MAX_RANK] = { 0 };
    double sum = 0.0;
    for (bool is_done = false; !is_done;) {
        double weight = 1.0;
        int64_t offset = 0;
        for (int i = 0; i < x->shape.rank; i++) {
            weight *= is_coarse ? pithi_resize_coarse_weight(run->attrs, &axes[i], &taps[i], tap[i])
                                : pithi_resize_weight(run->attrs, &axes[i], &taps[i], tap[i]);
            offset = offset * axes[i].in + pithi_resize_index(&axes[i], &taps[i], tap[i]);
        }
        sum += weight != 0.0 ? weight * pithi_tensor_get_f64(&parts, offset * n_parts + part) : 0.0;
        is_done = true;
        for (int i = x->shape.rank - 1; i >= 0 && is_done; i--) {
            tap[i] = tap[i] + 1 < taps[i].count ? tap[i] + 1 : 0;
            is_done = tap[i] == 0;
        }
    }
    return sum;
}

static void ref(const pith_run *run)
{
    const pithi_resize_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    pith_tensor parts = pithi_tensor_parts(y);
    const int n_parts = parts.dtype == y->dtype ? 1 : 2;
    pithi_resize_axis axes[PITH_MAX_RANK];
    pithi_resize_taps taps[PITH_MAX_RANK];
    pithi_resize_axes(attrs, run->inputs, run->n_inputs, axes);
    int64_t count = pith_shape_elements(&y->shape);
    for (int64_t position = 0; position < count; position++) {
        int64_t rest = position, offset = 0, stride = 1;
        bool is_outside = false;
        for (int i = x->shape.rank - 1; i >= 0; i--) {
            taps[i] = pithi_resize_taps_at(attrs, &axes[i], rest % axes[i].out);
            rest /= axes[i].out;
            offset += pithi_resize_index(&axes[i], &taps[i], 0) * stride;
            stride *= axes[i].in;
            is_outside = is_outside || taps[i].is_outside;
        }
        if (is_outside) {
            for (int part = 0; part < n_parts; part++) {
                store(&parts, position * n_parts + part, part ? 0.0 : (double)attrs->extrapolation_value);
            }
        } else if (attrs->mode == PITHI_RESIZE_NEAREST) {
            pithi_tensor_copy_elements(y, position, x, offset, 1);
        } else {
            for (int part = 0; part < n_parts; part++) {
                store(&parts, position * n_parts + part, interpolate(run, axes, taps, part));
            }
        }
    }
}

/* ---- rows --------------------------------------------------------------------------------- */

/* Taps of every index of one axis, in the order that the kernels read. */
typedef struct tap_table {
    int64_t in;
    pith_resize_taps_f32 taps;
    const bool *is_outside; /* [out] */
} tap_table;

/* x is [outer, rows, columns, inner]; at most the two middle dimensions change. In volumes the rows of all planes count
 * as rows, with the taps of both axes combined. */
typedef struct resize_state {
    int64_t outer, item_bytes, inner, x_pixel, y_pixel; /* pixels: items between columns, for mode nearest */
    tap_table y, x;
    int64_t plane_rows, row_taps; /* rows of a plane of x, taps along them; the other taps are planes */
    const pith_resize_f32 *kernel;
    const pith_quantize_f32 *bytes; /* of interpolated 8-bit numbers, to floats and back; else NULL */
    bool is_signed;
} resize_state;

/* Rows of x that are already resized along the columns: a worker's scratch. A row waits in the slot that its
 * number in the plane modulo the number of taps names, its plane's likewise: taps are neighbours, so no two of a sum
 * share a slot. */
typedef struct row_cache {
    float *data;
    float *source, *result; /* of bytes: a row of x and one of y as floats */
    int64_t *held; /* row of x (all images) in each slot, -1: none */
    const float **sources;
    float *weights;
} row_cache;

static size_t cache_bytes(const resize_state *state)
{
    size_t n_taps = (size_t)state->y.taps.n_taps, row = (size_t)(state->x.taps.n_out * state->inner);
    size_t n_floats = state->bytes ? row + (size_t)(state->x.in * state->inner) : 0;
    return n_taps * (row * sizeof(float) + sizeof(int64_t) + sizeof(float *) + sizeof(float)) +
           n_floats * sizeof(float);
}

static row_cache open_cache(const resize_state *state, void *scratch)
{
    int64_t n_taps = state->y.taps.n_taps, row = state->x.taps.n_out * state->inner;
    row_cache cache = { .held = scratch };
    cache.sources = (const float **)(void *)(cache.held + n_taps);
    cache.weights = (float *)(void *)(cache.sources + n_taps);
    cache.data = cache.weights + n_taps;
    cache.result = cache.data + n_taps * row;
    cache.source = cache.result + row;
    for (int64_t k = 0; n_taps > 1 && k < n_taps; k++) { /* rows that nobody keeps need no scratch, and have none */
        cache.held[k] = -1;
    }
    return cache;
}

/* Row `row` of x (all images), resized along the columns. */
static void resize_columns(const pith_run *run, const resize_state *state, int64_t row, row_cache *cache, float *to)
{
    const int64_t n = state->x.in * state->inner;
    const float one = 1.0f, *from = state->bytes ? cache->source : (const float *)run->inputs[0].data + row * n;
    const void *bytes = (const char *)run->inputs[0].data + row * n;
    if (state->bytes && state->is_signed) {
        state->bytes->dequantize_s8(bytes, &one, NULL, 0, cache->source, n);
    } else if (state->bytes) {
        state->bytes->dequantize_u8(bytes, &one, NULL, 0, cache->source, n);
    }
    state->kernel->columns(&state->x.taps, from, state->inner, to);
}

/* Row `index` of the image that begins at row `first`. 64-bit divisions would take as long as half of a row. */
static const float *resized_row(const pith_run *run, const resize_state *state, int64_t first, int32_t index,
                                row_cache *cache)
{
    const uint32_t i = (uint32_t)index, rows = (uint32_t)state->plane_rows, taps = (uint32_t)state->row_taps;
    const uint32_t n_planes = (uint32_t)(state->y.taps.n_taps / state->row_taps);
    const uint32_t slot = (n_planes > 1 ? i / rows % n_planes * taps : 0) + i % rows % taps;
    const int64_t row = first + index;
    float *to = cache->data + slot * state->x.taps.n_out * state->inner;
    if (cache->held[slot] != row) {
        resize_columns(run, state, row, cache, to);
        cache->held[slot] = row;
    }
    return to;
}

static void fill_outside(const resize_state *state, int64_t row, float value, float *to)
{
    int64_t length = state->x.taps.n_out * state->inner;
    for (int64_t i = 0; i < length; i++) {
        to[i] = state->y.is_outside[row] || state->x.is_outside[i / state->inner] ? value : to[i];
    }
}

static void store_bytes(const pith_run *run, const resize_state *state, int64_t row, const float *from)
{
    const int64_t n = state->x.taps.n_out * state->inner;
    const float one = 1.0f;
    void *to = (char *)run->outputs[0].data + row * n;
    if (state->is_signed) {
        state->bytes->quantize_s8(from, &one, NULL, 0, to, n);
    } else {
        state->bytes->quantize_u8(from, &one, NULL, 0, to, n);
    }
}

static void interpolate_rows(const pith_run *run, const resize_state *state, int64_t begin, int64_t end, void *scratch)
{
    const pithi_resize_attrs *attrs = run->attrs;
    const pith_resize_taps_f32 *taps = &state->y.taps;
    const int64_t n = state->x.taps.n_out * state->inner;
    row_cache cache = open_cache(state, scratch);
    int64_t first_row = begin / taps->n_out * state->y.in, y = begin % taps->n_out;
    for (int64_t row = begin; row < end; row++) {
        float *to = state->bytes ? cache.result : (float *)run->outputs[0].data + row * n;
        if (taps->n_taps == 1) {
            resize_columns(run, state, first_row + taps->indices[y], &cache, to);
        } else {
            for (int64_t k = 0; k < taps->n_taps; k++) {
                cache.sources[k] = resized_row(run, state, first_row, taps->indices[k * taps->n_out + y], &cache);
                cache.weights[k] = taps->weights[k * taps->n_out + y];
            }
            state->kernel->rows(cache.sources, cache.weights, taps->n_taps, to, n);
        }
        if (attrs->coordinates == PITHI_RESIZE_TF_CROP) {
            fill_outside(state, y, attrs->extrapolation_value, to);
        }
        if (state->bytes) {
            store_bytes(run, state, row, to);
        }
        y = y + 1 < taps->n_out ? y + 1 : 0;
        first_row += y == 0 ? state->y.in : 0;
    }
}

/* ---- nearest ------------------------------------------------------------------------------ */

static void copy_columns(const resize_state *state, const char *from, char *to)
{
    const int32_t *indices = state->x.taps.indices;
    const int64_t n_bytes = state->inner * state->item_bytes, from_step = state->x_pixel * state->item_bytes;
    const int64_t to_step = state->y_pixel * state->item_bytes;
    for (int64_t column = 0; column < state->x.taps.n_out; column++, to += to_step) {
        if (n_bytes == 4) {
            memcpy(to, from + indices[column] * from_step, 4);
        } else {
            memcpy(to, from + indices[column] * from_step, (size_t)n_bytes);
        }
    }
}

static void pick_rows(const pith_run *run, const resize_state *state, int64_t begin, int64_t end)
{
    const pithi_resize_attrs *attrs = run->attrs;
    const int32_t *indices = state->y.taps.indices;
    bool is_crop = attrs->coordinates == PITHI_RESIZE_TF_CROP;
    int64_t from_bytes = state->x.in * state->x_pixel * state->item_bytes;
    int64_t to_bytes = state->x.taps.n_out * state->y_pixel * state->item_bytes;
    for (int64_t row = begin; row < end; row++) {
        int64_t first_row = row / state->y.taps.n_out * state->y.in, y = row % state->y.taps.n_out;
        char *to = (char *)run->outputs[0].data + row * to_bytes;
        if (y > 0 && row > begin && indices[y] == indices[y - 1] && !is_crop && state->y_pixel == state->inner) {
            memcpy(to, to - to_bytes, (size_t)to_bytes);
        } else {
            copy_columns(state, (const char *)run->inputs[0].data + (first_row + indices[y]) * from_bytes, to);
        }
        if (is_crop) {
            fill_outside(state, y, attrs->extrapolation_value, (float *)(void *)to);
        }
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const pithi_resize_attrs *attrs = run->attrs;
    const resize_state *state = run->state;
    int64_t begin, end;
    pithi_part_range(part, state->outer * state->y.taps.n_out, &begin, &end);
    if (attrs->mode == PITHI_RESIZE_NEAREST) {
        pick_rows(run, state, begin, end);
    } else {
        interpolate_rows(run, state, begin, end, part->scratch);
    }
}

/* ---- prepare ------------------------------------------------------------------------------ */

static pith_status fill_table(pith_prepare *prepare, const pithi_resize_axis *axis, tap_table *table)
{
    const pithi_resize_attrs *attrs = prepare->attrs;
    const bool is_coarse = pithi_resize_is_coarse(attrs, prepare->inputs[0].dtype);
    int64_t n_out = axis->out, n_taps = pithi_resize_taps_at(attrs, axis, 0).count;
    void *block = NULL, *weight_block = NULL, *outside_block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_out * n_taps), sizeof(int32_t), &block));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_out * n_taps), sizeof(float), &weight_block));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n_out, sizeof(bool), &outside_block));
    int32_t *indices = block;
    float *weights = weight_block;
    bool *is_outside = outside_block;
    for (int64_t i = 0; i < n_out; i++) {
        pithi_resize_taps taps = pithi_resize_taps_at(attrs, axis, i);
        is_outside[i] = taps.is_outside;
        for (int64_t k = 0; k < n_taps; k++) {
            indices[k * n_out + i] = (int32_t)pithi_resize_index(axis, &taps, k);
            weights[k * n_out + i] = (float)(is_coarse ? pithi_resize_coarse_weight(attrs, axis, &taps, k)
                                                       : pithi_resize_weight(attrs, axis, &taps, k));
        }
    }
    *table = (tap_table){ axis->in, { indices, weights, n_taps, n_out }, is_outside };
    return PITH_OK;
}

/* Rows of all planes: the taps of planes and of rows in a plane, each with each. */
static pith_status combine_tables(pith_prepare *prepare, const tap_table *z, const tap_table *y, tap_table *rows)
{
    int64_t n_out = z->taps.n_out * y->taps.n_out, n_taps = z->taps.n_taps * y->taps.n_taps;
    void *block = NULL, *weight_block = NULL, *outside_block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_out * n_taps), sizeof(int32_t), &block));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_out * n_taps), sizeof(float), &weight_block));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n_out, sizeof(bool), &outside_block));
    int32_t *indices = block;
    float *weights = weight_block;
    bool *is_outside = outside_block;
    for (int64_t i = 0; i < n_out; i++) {
        int64_t plane = i / y->taps.n_out, row = i % y->taps.n_out;
        is_outside[i] = z->is_outside[plane] || y->is_outside[row];
        for (int64_t k = 0; k < n_taps; k++) {
            int64_t z_at = k / y->taps.n_taps * z->taps.n_out + plane, y_at = k % y->taps.n_taps * y->taps.n_out + row;
            indices[k * n_out + i] = (int32_t)(z->taps.indices[z_at] * y->in + y->taps.indices[y_at]);
            weights[k * n_out + i] = z->taps.weights[z_at] * y->taps.weights[y_at];
        }
    }
    *rows = (tap_table){ z->in * y->in, { indices, weights, n_taps, n_out }, is_outside };
    return PITH_OK;
}

static bool has_fast_path(const pith_prepare *prepare)
{
    const pithi_resize_attrs *attrs = prepare->attrs;
    const pith_dtype dtype = prepare->inputs[0].dtype;
    bool is_f32 = dtype == PITH_DTYPE_F32;
    bool can_be_other = attrs->mode == PITHI_RESIZE_NEAREST || pithi_resize_is_coarse(attrs, dtype);
    for (int i = 1; i < prepare->n_inputs; i++) {
        bool is_read = i != 1 || attrs->coordinates == PITHI_RESIZE_TF_CROP;
        if (is_read && pithi_has_operand(prepare->inputs, prepare->n_inputs, i) &&
            !pithi_has_value(&prepare->inputs[i])) {
            return false;
        }
    }
    return pith_shape_elements(&prepare->outputs[0].shape) > 0 &&
           (is_f32 || (can_be_other && attrs->coordinates != PITHI_RESIZE_TF_CROP));
}

/* Tables for the axes first .. last, at most three of them. */
static pith_status fill_tables(pith_prepare *prepare, const pithi_resize_axis *axes, int first, int last,
                               resize_state *state)
{
    const pithi_resize_axis one = { 1, 1, 1.0, 0.0, 1.0, true };
    tap_table y, z;
    PITH_TRY(fill_table(prepare, last >= 0 ? &axes[last] : &one, &state->x));
    PITH_TRY(fill_table(prepare, first < last ? &axes[last - 1] : &one, &y));
    state->plane_rows = y.in;
    state->row_taps = y.taps.n_taps;
    state->y = y;
    if (first + 2 != last) {
        return PITH_OK;
    }
    PITH_TRY(fill_table(prepare, &axes[first], &z));
    return combine_tables(prepare, &z, &y, &state->y);
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_shape *shape = &prepare->inputs[0].shape;
    pithi_resize_axis axes[PITH_MAX_RANK];
    int first = shape->rank, last = -1;
    if (!has_fast_path(prepare)) {
        return PITH_OK;
    }
    pithi_resize_axes(prepare->attrs, prepare->inputs, prepare->n_inputs, axes);
    for (int i = 0; i < shape->rank; i++) {
        first = !axes[i].is_identity && i < first ? i : first;
        last = !axes[i].is_identity ? i : last;
    }
    first = last < 0 ? 0 : first; /* the same size: a copy, as of one pixel */
    const bool is_coarse = pithi_resize_is_coarse(prepare->attrs, prepare->inputs[0].dtype);
    if (last - first > (is_coarse ? 1 : 2) || pithi_dims_product(shape, first, last + 1) > INT32_MAX) {
        return PITH_OK; /* more than three neighbouring axes: the reference does */
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(resize_state), &block));
    resize_state *state = block;
    state->outer = pithi_dims_product(shape, 0, first);
    state->inner = pithi_dims_product(shape, last + 1, shape->rank);
    state->x_pixel = pithi_stride(prepare->strides, 0, state->inner);
    state->y_pixel = pithi_stride(prepare->strides, prepare->n_inputs, state->inner);
    state->item_bytes = (int64_t)pith_dtype_bytes(prepare->inputs[0].dtype);
    PITH_TRY(fill_tables(prepare, axes, first, last, state));
    prepare->use_run = true;
    prepare->state = state;
    state->kernel = pithi_resize_f32(prepare->isa_limit);
    state->bytes = is_coarse ? pithi_quantize_f32(prepare->isa_limit) : NULL;
    state->is_signed = prepare->inputs[0].dtype == PITH_DTYPE_S8;
    prepare->scratch_bytes = state->y.taps.n_taps > 1 || is_coarse ? cache_bytes(state) : 0;
    prepare->max_parts = (int)pithi_min_s64(pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0])),
                                            state->outer * state->y.taps.n_out);
    prepare->kernel = state->kernel->head.name;
    return PITH_OK;
}

/* Mode nearest on images whose channels stay as they are. */
static bool takes_window(const pith_node *node, int index)
{
    const pithi_resize_attrs *attrs = node->attrs;
    const pith_shape *shape = &node->inputs[0]->shape;
    pith_tensor inputs[4] = { { .dtype = node->inputs[0]->dtype, .shape = *shape } };
    pithi_resize_axis axes[PITH_MAX_RANK];
    for (int i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i] && !node->inputs[i]->constant) {
            return false;
        }
        inputs[i] = node->inputs[i] ? *node->inputs[i]->constant : (pith_tensor){ .dtype = PITH_DTYPE_NONE };
    }
    pithi_resize_axes(attrs, inputs, node->n_inputs, axes);
    return (index == 0 || index == node->n_inputs) && attrs->mode == PITHI_RESIZE_NEAREST &&
           attrs->coordinates != PITHI_RESIZE_TF_CROP && (shape->rank == 3 || shape->rank == 4) &&
           pith_shape_elements(shape) <= INT32_MAX && pith_shape_elements(&node->outputs[0]->shape) > 0 &&
           axes[shape->rank - 1].is_identity && !axes[shape->rank - 2].is_identity;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_list(pith_infer *infer, int index, int n_wanted)
{
    const pith_tensor *list = &infer->inputs[index];
    PITH_CHECK(infer->ctx, pith_shape_elements(&list->shape) == n_wanted, PITH_STATUS_SHAPE,
               "input %d has %lld items, but %d are needed", index,
               (long long)pith_shape_elements(&list->shape), n_wanted);
    return list->data ? PITH_OK : pithi_infer_need_value(infer, index);
}

static pith_status infer(pith_infer *infer)
{
    const pithi_resize_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    int named[PITH_MAX_RANK], n_named;
    bool given[4] = { false };
    for (int i = 1; i < 4; i++) {
        given[i] = pithi_has_operand(infer->inputs, infer->n_inputs, i) &&
                   pith_shape_elements(&infer->inputs[i].shape) > 0;
    }
    PITH_TRY(pithi_infer_axes_attr(infer, &attrs->axes, x->rank, x->rank, named, &n_named));
    PITH_CHECK(infer->ctx, given[2] != given[3] || n_named == 0, PITH_STATUS_FORMAT,
               "%s of 'scales' and 'sizes' given, exactly one is needed", given[2] ? "both" : "none");
    PITH_CHECK(infer->ctx, infer->inputs[0].dtype != PITH_DTYPE_STRING || attrs->mode == PITHI_RESIZE_NEAREST,
               PITH_STATUS_DTYPE, "strings can't be interpolated; mode nearest can move them");
    PITH_CHECK(infer->ctx, !attrs->antialias || attrs->mode != PITHI_RESIZE_NEAREST, PITH_STATUS_UNSUPPORTED,
               "antialias has no meaning for mode nearest");
    if (n_named > 0) {
        PITH_TRY(check_list(infer, given[2] ? 2 : 3, n_named));
    }
    if (attrs->coordinates == PITHI_RESIZE_TF_CROP) {
        PITH_CHECK(infer->ctx, given[1], PITH_STATUS_FORMAT, "tf_crop_and_resize needs input 'roi'");
        PITH_TRY(check_list(infer, 1, 2 * n_named));
    }
    pithi_resize_axis axes[PITH_MAX_RANK];
    pithi_resize_axes(attrs, infer->inputs, infer->n_inputs, axes);
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape.rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        PITH_CHECK(infer->ctx, axes[i].scale >= 0.0 && axes[i].out >= 0 && (axes[i].in > 0 || axes[i].out == 0),
                   PITH_STATUS_SHAPE, "axis %d can't be resized from %lld to %lld (scale %g)", i, (long long)axes[i].in,
                   (long long)axes[i].out, axes[i].scale);
        infer->outputs[0].shape.dims[i] = axes[i].out;
    }
    return PITH_OK;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    pithi_resize_attrs *attrs = node->attrs;
    int rank = node->inputs[0]->shape.rank;
    return pithi_axes_attr_channels_last(graph, &attrs->axes, rank, rank);
}

/* ---- spellings ---------------------------------------------------------------------------- */

/* Upsample, and Resize of opset 10: scales are input 1, positions are i / scale. */
static pith_status map_10(pith_ctx *ctx, pith_source *source, void *attrs)
{
    pithi_resize_attrs *resize = attrs;
    PITH_CHECK(ctx, source->n_inputs == 2, PITH_STATUS_FORMAT, "%d inputs given, %s of opset %lld has 2",
               source->n_inputs, source->type, (long long)source->opset);
    source->inputs[2] = source->inputs[1];
    source->inputs[1] = NULL;
    source->n_inputs = 3;
    resize->coordinates = PITHI_RESIZE_ASYMMETRIC;
    resize->nearest_mode = PITHI_RESIZE_SIMPLE;
    return PITH_OK;
}

static pith_status add_scales(pith_source *source, const float *scales, int n_scales)
{
    pith_tensor tensor;
    pith_shape shape = { 1, { n_scales } };
    PITH_TRY(pithi_graph_new_constant(source->graph, NULL, PITH_DTYPE_F32, &shape, &tensor, &source->inputs[1]));
    memcpy(tensor.data, scales, (size_t)n_scales * sizeof *scales);
    source->n_inputs = 2;
    return PITH_OK;
}

static pith_status map_upsample_7(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *scales = pithi_source_attr(source, "scales");
    PITH_CHECK(ctx, scales && scales->kind == PITH_SOURCE_FLOATS && source->n_inputs == 1 && scales->n_items > 0,
               PITH_STATUS_FORMAT, "attribute 'scales' must be a list of floats");
    PITH_TRY(add_scales(source, scales->floats, scales->n_items));
    return map_10(ctx, source, attrs);
}

static pith_status map_upsample_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *height = pithi_source_attr(source, "height_scale");
    const pith_source_attr *width = pithi_source_attr(source, "width_scale");
    pith_source_attr *mode = pithi_source_attr(source, "mode");
    PITH_CHECK(ctx, height && width && source->n_inputs == 1, PITH_STATUS_FORMAT,
               "attributes 'height_scale' and 'width_scale' are needed");
    if (mode && mode->kind == PITH_SOURCE_STRING) {
        bool is_linear = pithi_same_text(mode->s, "bilinear");
        PITH_CHECK(ctx, is_linear || pithi_same_text(mode->s, "nearest"), PITH_STATUS_UNSUPPORTED, "mode '%s'",
                   mode->s);
        ((pithi_resize_attrs *)attrs)->mode = is_linear ? PITHI_RESIZE_LINEAR : PITHI_RESIZE_NEAREST;
    }
    const float scales[] = { 1.0f, 1.0f, height->f, width->f };
    PITH_TRY(add_scales(source, scales, PITH_COUNT(scales)));
    return map_10(ctx, source, attrs);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_MOVED, PITH_ONE },
    { "roi", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "scales", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },
    { "sizes", PITH_DTYPES_INDEX, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Resize", 10, map_10 },
    { "onnx", "", "Resize", 11, NULL },
    { "onnx", "", "Upsample", 1, map_upsample_1 },
    { "onnx", "", "Upsample", 7, map_upsample_7 },
    { "onnx", "", "Upsample", 9, map_10 },
};
static const char *const samples[] = {
    "c64[1,2,4,5] - f32[4]{1,1,2,1.5} | mode=linear", "c128[2,3] - f32[2]{2,2}",
    "f32[1,2,3,5] - f32[4]{1,1,2,2}", "f32[1,5,7,6] - - s64[2]{9,4} | axes=[1,2] mode=linear",
    "f32[2,3,4,5] - - s64[4]{2,3,7,9} | mode=linear coordinate_transformation_mode=align_corners",
    "f32[1,1,5,7] - f32[4]{1,1,0.6,1.7} | mode=cubic exclude_outside=1",
    "s8[1,4,3,2] - f32[2]{2,3} | axes=[1,2] nearest_mode=floor",
    "f32[1,9,8,3] - - s64[2]{4,3} | axes=[1,2] mode=linear antialias=1",
    "f32[1,1,9,8] - f32[2]{0.4,0.7} | axes=[2,-1] mode=cubic antialias=1",
    "f32[1,1,4,5] f32[4]{0.2,-0.1,0.9,0.8} - s64[2]{3,5} | axes=[2,3] mode=linear "
    "coordinate_transformation_mode=tf_crop_and_resize "
    "extrapolation_value=7",
    "f32[1,40,40,12] - f32[2]{2,2} | axes=[1,2] coordinate_transformation_mode=asymmetric nearest_mode=floor",
    "u8[1,2,3,3] - f32[4]{1,1,2,1.5} | mode=linear coordinate_transformation_mode=half_pixel_symmetric",
    "f32[3,4,5] - - s64[3]{5,6,4} | mode=linear coordinate_transformation_mode=pytorch_half_pixel",
    "f32[1,1,6,8] - - s64[2]{5,5} | axes=[2,3] keep_aspect_ratio_policy=not_larger",
    "f32[2,0,4] - f32[3]{1,2,2}", "f32[2,3] - f32[2]{1,1}", "u8[3,40]{0:256} - - s64[1]{17} | axes=[1] mode=linear",
    "f64[1,1,4,4] - f32[4]{1,1,1,2} | nearest_mode=ceil coordinate_transformation_mode=tf_half_pixel_for_nn",
    "f32[1,2,3,4,5] - - s64[3]{5,7,9} | axes=[2,3,4] mode=linear",
    "f32[1,4,5,6,3] - - s64[3]{7,3,9} | axes=[1,2,3] mode=cubic",
    "s8[1,5,7,9]{-128:128} - - s64[2]{13,17} | axes=[1,2] mode=linear",
    "u8[2,9,8,3]{0:256} - - s64[2]{5,11} | axes=[1,2] mode=linear coordinate_transformation_mode=align_corners",
    "u8[9,8,3]{0:256} - - s64[1]{19} | axes=[1] mode=linear", "s8[1,3,4,5,2] - f32[3]{2,1.5,2} | axes=[1,2,3]",
    "f32[1,2,9,8,7] - - s64[3]{4,3,3} | axes=[2,3,4] mode=linear antialias=1",
};

const pith_op pith_op_resize = {
    .head = { "resize", 1, PITH_ATTRS(attr_table, pithi_resize_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .takes_window = takes_window,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
