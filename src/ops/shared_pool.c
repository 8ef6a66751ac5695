/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_pool.h"

#include <math.h>

#include "kernels/pool_f32.h"
#include "ops/shared_unary.h"

const char *const pithi_auto_pad_names[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL };

/* ---- geometry ----------------------------------------------------------------------------- */

static int64_t item_or(const pith_ints *ints, int index, int64_t otherwise)
{
    return ints->n_items > 0 ? ints->items[index] : otherwise;
}

/* Output size and padding of one dimension, ONNX AveragePool's formulas. */
static void fit_dimension(const pithi_pool_attrs *attrs, pithi_pool_geometry *g, int i)
{
    const int64_t extent = (g->kernel[i] - 1) * g->dilations[i] + 1, stride = g->strides[i];
    if (attrs->auto_pad == PITHI_PAD_SAME_UPPER || attrs->auto_pad == PITHI_PAD_SAME_LOWER) {
        g->out[i] = pithi_div_up(g->in[i], stride);
        int64_t total = pithi_max_s64(0, (g->out[i] - 1) * stride + extent - g->in[i]);
        int64_t smaller = total / 2, larger = total - smaller;
        g->pad_begin[i] = attrs->auto_pad == PITHI_PAD_SAME_UPPER ? smaller : larger;
        g->pad_end[i] = total - g->pad_begin[i];
        return;
    }
    const bool is_explicit = attrs->auto_pad == PITHI_PAD_NOTSET;
    g->pad_begin[i] = is_explicit ? item_or(&attrs->pads, i, 0) : 0;
    g->pad_end[i] = is_explicit ? item_or(&attrs->pads, g->n_spatial + i, 0) : 0;
    const int64_t room = g->in[i] + g->pad_begin[i] + g->pad_end[i] - extent;
    if (room < 0) { /* rounding up, a window that sticks out by less than a stride counts */
        g->out[i] = attrs->ceil_mode && is_explicit && room > -stride && g->in[i] > 0;
    } else if (attrs->ceil_mode && is_explicit) {
        g->out[i] = pithi_div_up(room, stride) + 1;
        g->out[i] -= (g->out[i] - 1) * stride >= g->in[i] + g->pad_begin[i]; /* would start in the right padding */
    } else {
        g->out[i] = room / stride + 1;
    }
}

void pithi_pool_geometry_of(const pithi_pool_attrs *attrs, const pith_shape *x, pithi_pool_geometry *g)
{
    *g = (pithi_pool_geometry){ .n_spatial = x->rank - 2, .is_last = attrs->channels_last != 0, .n_batch = x->dims[0],
                                .n_in = 1, .n_out = 1, .n_taps = 1 };
    g->n_channels = x->dims[g->is_last ? x->rank - 1 : 1];
    for (int i = 0; i < g->n_spatial; i++) {
        g->in[i] = x->dims[g->is_last ? 1 + i : 2 + i];
        g->kernel[i] = attrs->kernel_shape.items[i];
        g->strides[i] = item_or(&attrs->strides, i, 1);
        g->dilations[i] = item_or(&attrs->dilations, i, 1);
        fit_dimension(attrs, g, i);
        g->n_in *= g->in[i];
        g->n_taps *= g->kernel[i];
        g->n_out = (int64_t)((uint64_t)g->n_out * (uint64_t)g->out[i]); /* absurd pads: refused by the caller */
    }
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_list(pith_infer *infer, const char *name, const pith_ints *ints, int wanted, int64_t least)
{
    PITH_CHECK(infer->ctx, ints->n_items == wanted || ints->n_items == 0, PITH_STATUS_SHAPE,
               "attribute '%s' has %d items, the input needs %d", name, ints->n_items, wanted);
    for (int i = 0; i < ints->n_items; i++) {
        PITH_CHECK(infer->ctx, ints->items[i] >= least && ints->items[i] < INT32_MAX, PITH_STATUS_FORMAT,
                   "attribute '%s' has item %lld; it must be at least %lld", name, (long long)ints->items[i],
                   (long long)least);
    }
    return PITH_OK;
}

static pith_status check_attrs(pith_infer *infer, int n_spatial)
{
    const pithi_pool_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->kernel_shape.n_items == n_spatial, PITH_STATUS_SHAPE,
               "attribute 'kernel_shape' has %d items, the input has %d spatial dimensions",
               attrs->kernel_shape.n_items, n_spatial);
    PITH_TRY(check_list(infer, "kernel_shape", &attrs->kernel_shape, n_spatial, 1));
    PITH_TRY(check_list(infer, "strides", &attrs->strides, n_spatial, 1));
    PITH_TRY(check_list(infer, "dilations", &attrs->dilations, n_spatial, 1));
    PITH_TRY(check_list(infer, "pads", &attrs->pads, 2 * n_spatial, 0));
    int64_t n_taps = 1;
    for (int i = 0; i < n_spatial; i++) {
        bool fits = !__builtin_mul_overflow(n_taps, attrs->kernel_shape.items[i], &n_taps) && n_taps < INT32_MAX;
        PITH_CHECK(infer->ctx, fits, PITH_STATUS_LIMIT, "a pooling window of more than 2^31 elements");
    }
    return PITH_OK;
}

pith_status pithi_pool_infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    pithi_pool_geometry g;
    PITH_CHECK(infer->ctx, x->rank >= 3, PITH_STATUS_SHAPE, "pooling needs an input of rank 3 or more, not %d",
               x->rank);
    PITH_TRY(check_attrs(infer, x->rank - 2));
    pithi_pool_geometry_of(infer->attrs, x, &g);
    for (int i = 0; i < g.n_spatial; i++) {
        PITH_CHECK(infer->ctx, g.out[i] > 0 || g.in[i] == 0, PITH_STATUS_SHAPE,
                   "spatial dimension %d: a window of %lld elements is larger than the padded input, which has %lld", i,
                   (long long)g.kernel[i], (long long)(g.in[i] + g.pad_begin[i] + g.pad_end[i]));
    }
    for (int k = 0; k < infer->n_outputs; k++) {
        pith_tensor *y = &infer->outputs[k];
        y->dtype = k == 0 ? infer->inputs[0].dtype : PITH_DTYPE_S64;
        y->shape = *x;
        for (int i = 0; i < g.n_spatial; i++) {
            y->shape.dims[g.is_last ? 1 + i : 2 + i] = g.out[i];
        }
    }
    return PITH_OK;
}

void pithi_pool_cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_pool_geometry g;
    pithi_pool_geometry_of(infer->attrs, &infer->inputs[0].shape, &g);
    cost->flops = (uint64_t)g.n_batch * (uint64_t)g.n_channels * (uint64_t)g.n_out * (uint64_t)g.n_taps;
}

bool pithi_pool_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_pool_attrs *attrs = node->attrs;
    if (node->n_outputs > 1 && node->outputs[1]) {
        return false;
    }
    attrs->channels_last = 1;
    return true;
}

/* ---- reference ---------------------------------------------------------------------------- */

typedef struct window {
    double sum, max;
    int64_t n_inside, n_padded; /* taps in the input, taps in input and padding */
    int64_t max_index;          /* spatial, in storage order */
} window;

/* Element index of channel c at spatial index `at` of `n_spatial` points. */
static int64_t element(const pithi_pool_geometry *g, int64_t batch, int64_t c, int64_t at, int64_t n_points)
{
    return g->is_last ? (batch * n_points + at) * g->n_channels + c : (batch * g->n_channels + c) * n_points + at;
}

/* Splits a row-major index into coordinates. */
static void coordinates(int64_t index, const int64_t *dims, int n_dims, int64_t *at)
{
    for (int i = n_dims - 1; i >= 0; i--) {
        at[i] = index % dims[i];
        index /= dims[i];
    }
}

/* Where a tap lies: 2 in the input, 1 in the padding, 0 beyond (ceil_mode). */
static int locate(const pithi_pool_geometry *g, const int64_t *out_at, int64_t tap, int64_t *in_at)
{
    int64_t tap_at[PITHI_MAX_SPATIAL];
    int place = 2;
    coordinates(tap, g->kernel, g->n_spatial, tap_at);
    for (int i = 0; i < g->n_spatial; i++) {
        in_at[i] = out_at[i] * g->strides[i] - g->pad_begin[i] + tap_at[i] * g->dilations[i];
        if (in_at[i] >= g->in[i] + g->pad_end[i]) {
            return 0;
        }
        place = in_at[i] < 0 || in_at[i] >= g->in[i] ? 1 : place;
    }
    return place;
}

static int64_t spatial_index(const pithi_pool_geometry *g, const int64_t *at, bool column_major)
{
    int64_t index = 0;
    for (int k = 0; k < g->n_spatial; k++) {
        int i = column_major ? g->n_spatial - 1 - k : k;
        index = index * g->in[i] + at[i];
    }
    return index;
}

static window visit(const pith_run *run, const pithi_pool_geometry *g, int64_t batch, int64_t c, int64_t out_index)
{
    const pithi_pool_attrs *attrs = run->attrs;
    window w = { .max = -INFINITY };
    int64_t out_at[PITHI_MAX_SPATIAL], in_at[PITHI_MAX_SPATIAL];
    coordinates(out_index, g->out, g->n_spatial, out_at);
    for (int64_t tap = 0; tap < g->n_taps; tap++) {
        int place = locate(g, out_at, tap, in_at);
        w.n_padded += place > 0;
        if (place < 2) {
            continue;
        }
        const int64_t at = element(g, batch, c, spatial_index(g, in_at, false), g->n_in);
        const double value = pithi_tensor_get_f64(&run->inputs[0], at);
        if (w.n_inside == 0 || value > w.max || (isnan(value) && !isnan(w.max))) {
            w.max = value;
            w.max_index = spatial_index(g, in_at, attrs->storage_order != 0);
        }
        w.n_inside++;
        w.sum += attrs->p > 0 ? pow(fabs(value), (double)attrs->p) : value;
    }
    return w;
}

static double window_result(const pithi_pool_attrs *attrs, const window *w, pithi_pool_kind kind)
{
    if (kind == PITHI_POOL_MAX) {
        return w->max;
    }
    if (kind == PITHI_POOL_LP) {
        return pow(w->sum, 1.0 / (double)attrs->p);
    }
    return w->sum / (double)(attrs->count_include_pad ? w->n_padded : w->n_inside);
}

void pithi_pool_ref(const pith_run *run, pithi_pool_kind kind)
{
    pithi_pool_geometry g;
    pithi_pool_geometry_of(run->attrs, &run->inputs[0].shape, &g);
    pith_tensor *indices = run->n_outputs > 1 && run->outputs[1].data ? &run->outputs[1] : NULL;
    for (int64_t plane = 0; plane < g.n_batch * g.n_channels; plane++) {
        const int64_t batch = plane / g.n_channels, c = plane % g.n_channels;
        for (int64_t at = 0; at < g.n_out; at++) {
            window w = visit(run, &g, batch, c, at);
            const int64_t to = element(&g, batch, c, at, g.n_out);
            if (run->outputs[0].data) {
                pithi_tensor_set_f64(&run->outputs[0], to, window_result(run->attrs, &w, kind));
            }
            if (indices) {
                pithi_tensor_set_s64(indices, to, plane * g.n_in + w.max_index);
            }
        }
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct pool_state {
    pithi_pool_geometry g;
    bool counts_padding;
    bool is_separable; /* channels-last, two dimensions: columns of the window in phase 0, rows in phase 1 */
    pith_pool kind;
    const pith_pool_f32 *kernel;
    int64_t inner_begin[PITHI_MAX_SPATIAL], inner_end[PITHI_MAX_SPATIAL]; /* windows that lie wholly in the input */
    int64_t *tap_offsets; /* elements from a window's first tap; channels-last */
} pool_state;

/* Taps of output coordinate `at` in dimension i that lie in the input: *begin to *end - 1. Returns how many lie in
 * input or padding. */
static int64_t tap_range(const pithi_pool_geometry *g, int i, int64_t at, int64_t *begin, int64_t *end)
{
    const int64_t start = at * g->strides[i] - g->pad_begin[i], dilation = g->dilations[i];
    const int64_t n_padded = pithi_div_up(pithi_max_s64(0, g->in[i] + g->pad_end[i] - start), dilation);
    *begin = pithi_min_s64(g->kernel[i], start < 0 ? pithi_div_up(-start, dilation) : 0);
    *end = pithi_min_s64(g->kernel[i], pithi_div_up(pithi_max_s64(0, g->in[i] - start), dilation));
    *end = pithi_max_s64(*begin, *end);
    return pithi_min_s64(g->kernel[i], n_padded);
}

/* Large windows cost kernel_h + kernel_w instead of kernel_h * kernel_w, at the price of an intermediate image. Every
 * window must reach into the input. */
static bool is_separable(const pithi_pool_geometry *g)
{
    const int64_t least_taps = 20;
    if (!g->is_last || g->n_spatial != 2 || g->n_taps < least_taps || g->kernel[0] < 2 ||
        g->in[0] * g->kernel[1] + g->out[0] * g->kernel[0] > g->out[0] * g->n_taps / 2) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        for (int64_t at = 0; at < g->out[i]; at++) {
            int64_t begin, end;
            (void)tap_range(g, i, at, &begin, &end);
            if (begin >= end) {
                return false;
            }
        }
    }
    return true;
}

/* Tables for windows without padding. */
static pith_status prepare_inner(pool_state *state, pithi_arena *arena)
{
    const pithi_pool_geometry *g = &state->g;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)g->n_taps, sizeof *state->tap_offsets, &block));
    state->tap_offsets = block;
    for (int64_t tap = 0; tap < g->n_taps; tap++) {
        int64_t at[PITHI_MAX_SPATIAL], index = 0;
        coordinates(tap, g->kernel, g->n_spatial, at);
        for (int i = 0; i < g->n_spatial; i++) {
            index = index * g->in[i] + at[i] * g->dilations[i];
        }
        state->tap_offsets[tap] = index * g->n_channels;
    }
    for (int i = 0; i < g->n_spatial; i++) {
        const int64_t extent = (g->kernel[i] - 1) * g->dilations[i] + 1;
        const int64_t last = g->in[i] + g->pad_begin[i] - extent; /* of the starts, counted from the padding */
        state->inner_begin[i] = pithi_div_up(g->pad_begin[i], g->strides[i]);
        state->inner_end[i] = last < 0 ? 0 : last / g->strides[i] + 1;
    }
    return PITH_OK;
}

pith_status pithi_pool_prepare(pith_prepare *prepare, pithi_pool_kind kind)
{
    const pithi_pool_attrs *attrs = prepare->attrs;
    const pith_pool_f32 *kernel = pithi_pool_f32(prepare->isa_limit);
    const bool wants_indices = prepare->n_outputs > 1 && prepare->outputs[1].dtype != PITH_DTYPE_NONE;
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || wants_indices || kind == PITHI_POOL_LP ||
        pith_shape_elements(&prepare->outputs[0].shape) == 0) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pool_state), &block));
    pool_state *state = block;
    pithi_pool_geometry_of(attrs, &prepare->inputs[0].shape, &state->g);
    state->counts_padding = attrs->count_include_pad != 0;
    state->kind = kind == PITHI_POOL_MAX ? PITH_POOL_MAX : PITH_POOL_SUM;
    state->kernel = kernel;
    const pithi_pool_geometry *g = &state->g;
    state->is_separable = is_separable(g);
    if (g->is_last) {
        PITH_TRY(prepare_inner(state, prepare->arena));
    }
    const int64_t n_units = g->n_batch * (g->is_last ? g->n_out : g->n_channels);
    if (state->is_separable) {
        prepare->n_phases = 2;
        prepare->shared_bytes = (size_t)(g->n_batch * g->in[0] * g->out[1] * g->n_channels) * sizeof(float);
    }
    prepare->state = state;
    prepare->scratch_bytes = g->is_last ? (size_t)g->n_taps * sizeof(float *)
                                        : (size_t)g->in[g->n_spatial - 1] * sizeof(float);
    prepare->max_parts = (int)pithi_min_s64(n_units,
                                            pithi_element_parts(g->n_batch * g->n_channels * g->n_out * g->n_taps));
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

/* Elements that a mean over the window at out_at is taken of. */
static int64_t divisor_at(const pool_state *state, const int64_t *out_at)
{
    int64_t n_padded = 1, n_taps = 1;
    for (int i = 0; i < state->g.n_spatial; i++) {
        int64_t begin, end;
        n_padded *= tap_range(&state->g, i, out_at[i], &begin, &end);
        n_taps *= end - begin;
    }
    return state->counts_padding ? n_padded : n_taps;
}

/* Pointers to the pixels of the window at out_at, in the image at x; returns how many, and what to divide by. */
static int64_t window_taps(const pool_state *state, const int64_t *out_at, const float *x, const float **taps,
                           int64_t *divisor)
{
    const pithi_pool_geometry *g = &state->g;
    int64_t begin[PITHI_MAX_SPATIAL], end[PITHI_MAX_SPATIAL], tap_at[PITHI_MAX_SPATIAL];
    int64_t n_padded = 1, n_taps = 1, count = 0;
    for (int i = 0; i < g->n_spatial; i++) {
        n_padded *= tap_range(g, i, out_at[i], &begin[i], &end[i]);
        n_taps *= end[i] - begin[i];
        tap_at[i] = begin[i];
    }
    *divisor = state->counts_padding ? n_padded : n_taps;
    while (count < n_taps) {
        int64_t index = 0;
        for (int i = 0; i < g->n_spatial; i++) {
            index = index * g->in[i] + out_at[i] * g->strides[i] - g->pad_begin[i] + tap_at[i] * g->dilations[i];
        }
        taps[count++] = x + index * g->n_channels;
        for (int i = g->n_spatial - 1; i >= 0 && ++tap_at[i] == end[i]; i--) {
            tap_at[i] = begin[i];
        }
    }
    return n_taps;
}

/* The same without looking at borders; false if the window has padding. */
static bool inner_taps(const pool_state *state, const int64_t *out_at, const float *x, const float **taps)
{
    const pithi_pool_geometry *g = &state->g;
    int64_t index = 0;
    for (int i = 0; i < g->n_spatial; i++) {
        if (out_at[i] < state->inner_begin[i] || out_at[i] >= state->inner_end[i]) {
            return false;
        }
        index = index * g->in[i] + out_at[i] * g->strides[i] - g->pad_begin[i];
    }
    const float *first = x + index * g->n_channels;
    for (int64_t tap = 0; tap < g->n_taps; tap++) {
        taps[tap] = first + state->tap_offsets[tap];
    }
    return true;
}

static float empty_window(const pool_state *state)
{
    return state->kind == PITH_POOL_MAX ? -INFINITY : state->counts_padding ? 0.0f : NAN;
}

/* A window at the border, some or all of whose taps lie in the padding. */
static void run_border(const pool_state *state, const int64_t *out_at, const float *image, const float **taps, float *y)
{
    const size_t n_channels = (size_t)state->g.n_channels;
    int64_t divisor, n_taps = window_taps(state, out_at, image, taps, &divisor);
    if (n_taps > 0) {
        state->kernel->pixel[state->kind](taps, (size_t)n_taps, y, n_channels, 1.0f / (float)divisor);
    }
    for (size_t c = 0; c < n_channels && n_taps == 0; c++) {
        y[c] = empty_window(state);
    }
}

static void run_last(const pool_state *state, const float *x, float *y, const pith_part *part)
{
    const pithi_pool_geometry *g = &state->g;
    const int last = g->n_spatial - 1;
    const size_t step = (size_t)(g->strides[last] * g->n_channels);
    const float **taps = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, g->n_batch * g->n_out, &begin, &end);
    for (int64_t pixel = begin, run; pixel < end; pixel += run) {
        int64_t out_at[PITHI_MAX_SPATIAL];
        coordinates(pixel % g->n_out, g->out, g->n_spatial, out_at);
        const float *image = x + pixel / g->n_out * g->n_in * g->n_channels;
        float *to = y + pixel * g->n_channels;
        if (!inner_taps(state, out_at, image, taps)) {
            run_border(state, out_at, image, taps, to);
            run = 1;
            continue;
        }
        run = pithi_min_s64(state->inner_end[last] - out_at[last], end - pixel);
        state->kernel->run[state->kind](taps, (size_t)g->n_taps, step, to, (size_t)g->n_channels, (size_t)run,
                                        1.0f / (float)g->n_taps);
    }
}

/* Takes one tap of the last dimension for all windows of a row in which it lies in the input. */
static void take_row_tap(const pool_state *state, const float *x, int64_t tap, float *y)
{
    const pithi_pool_geometry *g = &state->g;
    const int last = g->n_spatial - 1;
    const int64_t stride = g->strides[last], start = tap * g->dilations[last] - g->pad_begin[last];
    const int64_t from = start < 0 ? pithi_div_up(-start, stride) : 0;
    const int64_t to = pithi_min_s64(g->out[last], pithi_div_up(pithi_max_s64(0, g->in[last] - start), stride));
    if (from < to) {
        state->kernel->row[state->kind](x + start + from * stride, (ptrdiff_t)stride, y + from, (size_t)(to - from));
    }
}

static void set_start(const pool_state *state, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = state->kind == PITH_POOL_MAX ? -INFINITY : 0.0f;
    }
}

/* One output row, all outer dimensions fixed at out_at: the rows of the window are first taken together as they lie
 * in memory (`column`, as long as an input row), then their neighbours. */
static void run_row(const pool_state *state, const float *plane, const int64_t *out_at, float *column, float *y)
{
    const pithi_pool_geometry *g = &state->g;
    const int last = g->n_spatial - 1;
    int64_t begin[PITHI_MAX_SPATIAL], end[PITHI_MAX_SPATIAL], tap_at[PITHI_MAX_SPATIAL], n_padded = 1, n_rows = 1;
    for (int i = 0; i < last; i++) {
        n_padded *= tap_range(g, i, out_at[i], &begin[i], &end[i]);
        n_rows *= end[i] - begin[i];
        tap_at[i] = begin[i];
    }
    set_start(state, column, g->in[last]);
    set_start(state, y, g->out[last]);
    for (int64_t row = 0; row < n_rows; row++) {
        int64_t index = 0;
        for (int i = 0; i < last; i++) {
            index = index * g->in[i] + out_at[i] * g->strides[i] - g->pad_begin[i] + tap_at[i] * g->dilations[i];
        }
        state->kernel->row[state->kind](plane + index * g->in[last], 1, column, (size_t)g->in[last]);
        for (int i = last - 1; i >= 0 && ++tap_at[i] == end[i]; i--) {
            tap_at[i] = begin[i];
        }
    }
    for (int64_t tap = 0; tap < g->kernel[last] && n_rows > 0; tap++) {
        take_row_tap(state, column, tap, y);
    }
    for (int64_t i = 0; i < g->out[last] && state->kind == PITH_POOL_SUM; i++) {
        int64_t n_padded_taps = tap_range(g, last, i, &begin[last], &end[last]);
        y[i] /= (float)(state->counts_padding ? n_padded * n_padded_taps : n_rows * (end[last] - begin[last]));
    }
}

static void run_first(const pool_state *state, const float *x, float *y, const pith_part *part)
{
    const pithi_pool_geometry *g = &state->g;
    const int64_t row_length = g->out[g->n_spatial - 1], n_rows = g->n_out / row_length;
    int64_t begin, end;
    pithi_part_range(part, g->n_batch * g->n_channels, &begin, &end);
    for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t row = 0; row < n_rows; row++) {
            int64_t out_at[PITHI_MAX_SPATIAL];
            coordinates(row, g->out, g->n_spatial - 1, out_at);
            run_row(state, x + plane * g->n_in, out_at, part->scratch, y + plane * g->n_out + row * row_length);
        }
    }
}

/* Pointers to the taps of one dimension of a separable window; neighbours on the line are `step` elements apart. */
static int64_t line_taps(const pool_state *state, int dim, int64_t at, const float *line, int64_t step,
                         const float **taps)
{
    const pithi_pool_geometry *g = &state->g;
    int64_t begin, end, count = 0;
    (void)tap_range(g, dim, at, &begin, &end);
    for (int64_t tap = begin; tap < end; tap++) {
        taps[count++] = line + (at * g->strides[dim] - g->pad_begin[dim] + tap * g->dilations[dim]) * step;
    }
    return count;
}

static void run_separable(const pool_state *state, const float *x, float *between, float *y, const pith_part *part)
{
    const pithi_pool_geometry *g = &state->g;
    const int64_t n_channels = g->n_channels, row = g->out[1] * n_channels;
    const int64_t n_lines = part->phase == 0 ? g->in[0] : g->out[0];
    pith_pool_pixel_fn *pixel = state->kernel->pixel[state->kind];
    const float **taps = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, g->n_batch * n_lines * g->out[1], &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t column = i % g->out[1], line = i / g->out[1] % n_lines, batch = i / g->out[1] / n_lines;
        if (part->phase == 0) {
            const float *from = x + (batch * g->in[0] + line) * g->in[1] * n_channels;
            const int64_t n_taps = line_taps(state, 1, column, from, n_channels, taps);
            pixel(taps, (size_t)n_taps, between + i * n_channels, (size_t)n_channels, 1.0f);
        } else {
            const float *from = between + batch * g->in[0] * row + column * n_channels;
            const int64_t n_taps = line_taps(state, 0, line, from, row, taps), at[2] = { line, column };
            pixel(taps, (size_t)n_taps, y + i * n_channels, (size_t)n_channels, 1.0f / (float)divisor_at(state, at));
        }
    }
}

void pithi_pool_run(const pith_run *run, const pith_part *part)
{
    const pool_state *state = run->state;
    if (state->is_separable) {
        run_separable(state, run->inputs[0].data, run->shared, run->outputs[0].data, part);
    } else if (state->g.is_last) {
        run_last(state, run->inputs[0].data, run->outputs[0].data, part);
    } else {
        run_first(state, run->inputs[0].data, run->outputs[0].data, part);
    }
}
