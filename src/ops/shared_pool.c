/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_pool.h"

#include <math.h>

#include "ops/shared_quant.h"
#include "ops/shared_unary.h"

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
    pithi_pool_ref_part(run, &(pith_part){ .count = 1 }, kind);
}

void pithi_pool_ref_part(const pith_run *run, const pith_part *part, pithi_pool_kind kind)
{
    pithi_pool_geometry g;
    int64_t begin, end;
    pithi_pool_geometry_of(run->attrs, &run->inputs[0].shape, &g);
    pith_tensor *indices = run->n_outputs > 1 && run->outputs[1].data ? &run->outputs[1] : NULL;
    pithi_part_range(part, g.n_batch * g.n_channels, &begin, &end);
    for (int64_t plane = begin; plane < end; plane++) {
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
    const pith_pool_u8 *bytes; /* of 8-bit images, NULL of float32 ones */
    const pith_s16 *words;     /* of 16-bit images */
    pith_s16_type y_type;
    int64_t item_bytes, y_item_bytes;
    int64_t x_pixel, y_pixel;  /* elements between pixels of channels-last images */
    uint16_t flip;
    pith_pool_u8_mean mean;    /* of averages of integers */
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

/* Some window lies in the padding alone. */
static bool has_empty_window(const pithi_pool_geometry *g)
{
    for (int i = 0; i < g->n_spatial; i++) {
        for (int64_t at = 0; at < g->out[i]; at++) {
            int64_t begin, end;
            (void)tap_range(g, i, at, &begin, &end);
            if (begin >= end) {
                return true;
            }
        }
    }
    return false;
}

/* Large windows cost kernel_h + kernel_w instead of kernel_h * kernel_w, at the price of an intermediate image. Every
 * window must reach into the input. */
static bool is_separable(const pithi_pool_geometry *g)
{
    const int64_t least_taps = 20;
    return g->is_last && g->n_spatial == 2 && g->n_taps >= least_taps && g->kernel[0] >= 2 &&
           g->in[0] * g->kernel[1] + g->out[0] * g->kernel[0] <= g->out[0] * g->n_taps / 2 && !has_empty_window(g);
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
        state->tap_offsets[tap] = index * state->x_pixel;
    }
    for (int i = 0; i < g->n_spatial; i++) {
        const int64_t extent = (g->kernel[i] - 1) * g->dilations[i] + 1;
        const int64_t last = g->in[i] + g->pad_begin[i] - extent; /* of the starts, counted from the padding */
        state->inner_begin[i] = pithi_div_up(g->pad_begin[i], g->strides[i]);
        state->inner_end[i] = last < 0 ? 0 : last / g->strides[i] + 1;
    }
    return PITH_OK;
}

static pith_status prepare_windows(pith_prepare *prepare, const pool_state *description)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pool_state), &block));
    pool_state *state = block;
    *state = *description;
    const pithi_pool_geometry *g = &state->g;
    state->x_pixel = pithi_stride(prepare->strides, 0, g->n_channels);
    state->y_pixel = pithi_stride(prepare->strides, prepare->n_inputs, g->n_channels);
    if (g->is_last) {
        PITH_TRY(prepare_inner(state, prepare->arena));
    }
    const int64_t n_units = g->n_batch * (g->is_last ? g->n_out : g->n_channels);
    if (state->is_separable) {
        prepare->n_phases = 2;
        prepare->shared_bytes = (size_t)(g->n_batch * g->in[0] * g->out[1] * g->n_channels * state->item_bytes);
    }
    prepare->state = state;
    prepare->scratch_bytes = g->is_last ? (size_t)g->n_taps * sizeof(char *)
                                        : (size_t)g->in[g->n_spatial - 1] * sizeof(float);
    prepare->max_parts = (int)pithi_min_s64(n_units,
                                            pithi_element_parts(g->n_batch * g->n_channels * g->n_out * g->n_taps));
    prepare->kernel = state->words   ? state->words->head.name
                      : state->bytes ? state->bytes->head.name
                                     : state->kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

static void set_integers(const pith_prepare *prepare, pool_state *state)
{
    const pith_dtype dtype = prepare->inputs[0].dtype;
    if (pithi_is_8bit(dtype)) {
        state->bytes = pithi_pool_u8(prepare->isa_limit);
        state->flip = dtype == PITH_DTYPE_S8 ? 0x80 : 0;
    } else {
        state->words = pithi_s16(prepare->isa_limit);
        state->flip = dtype == PITH_DTYPE_S16 ? 0x8000 : 0;
        state->y_type = pithi_s16_type(prepare->outputs[0].dtype);
    }
}

pith_status pithi_pool_prepare(pith_prepare *prepare, pithi_pool_kind kind)
{
    const pithi_pool_attrs *attrs = prepare->attrs;
    const pith_dtype dtype = prepare->inputs[0].dtype;
    const bool wants_indices = prepare->n_outputs > 1 && prepare->outputs[1].dtype != PITH_DTYPE_NONE;
    const bool is_integer = pithi_is_8bit(dtype) || pithi_is_16bit(dtype);
    if ((dtype != PITH_DTYPE_F32 && !is_integer) || wants_indices || kind == PITHI_POOL_LP ||
        pith_shape_elements(&prepare->outputs[0].shape) == 0) {
        return PITH_OK;
    }
    pool_state state = { .counts_padding = attrs->count_include_pad != 0,
                         .kind = kind == PITHI_POOL_MAX ? PITH_POOL_MAX : PITH_POOL_SUM,
                         .kernel = pithi_pool_f32(prepare->isa_limit),
                         .item_bytes = (int64_t)pith_dtype_bytes(dtype),
                         .y_item_bytes = (int64_t)pith_dtype_bytes(dtype) };
    pithi_pool_geometry_of(attrs, &prepare->inputs[0].shape, &state.g);
    state.is_separable = is_separable(&state.g);
    if (dtype != PITH_DTYPE_F32) {
        set_integers(prepare, &state);
        if (!state.g.is_last || kind != PITHI_POOL_MAX || has_empty_window(&state.g)) {
            return PITH_OK;
        }
    }
    return prepare_windows(prepare, &state);
}

bool pithi_pool_takes_window(const pith_node *node, int index)
{
    const pithi_pool_attrs *attrs = node->attrs;
    const pith_dtype dtype = node->inputs[0]->dtype;
    pithi_pool_geometry g;
    if (!attrs->channels_last || (node->n_outputs > 1 && node->outputs[1]) ||
        pith_shape_elements(&node->outputs[0]->shape) == 0) {
        return false;
    }
    pithi_pool_geometry_of(attrs, &node->inputs[0]->shape, &g);
    bool is_max = pithi_same_text(node->op->head.name, "max_pool");
    return (index == 0 || index == node->n_inputs) &&
           (dtype == PITH_DTYPE_F32 || (is_max && pithi_is_8bit(dtype) && !has_empty_window(&g)));
}

pith_status pithi_pool_prepare_mean(pith_prepare *prepare, const pith_pool_u8_mean *mean)
{
    const pithi_pool_attrs *attrs = prepare->attrs;
    pool_state state = { .counts_padding = attrs->count_include_pad != 0,
                         .kind = PITH_POOL_SUM,
                         .item_bytes = (int64_t)pith_dtype_bytes(prepare->inputs[0].dtype),
                         .y_item_bytes = (int64_t)pith_dtype_bytes(prepare->outputs[0].dtype),
                         .mean = *mean };
    set_integers(prepare, &state);
    pithi_pool_geometry_of(attrs, &prepare->inputs[0].shape, &state.g);
    const bool sums_fit = pithi_is_8bit(prepare->inputs[0].dtype) || state.g.n_taps < 32768; /* s32 */
    bool fits = state.g.is_last && pith_shape_elements(&prepare->outputs[0].shape) > 0 && !has_empty_window(&state.g);
    return fits && sums_fit ? prepare_windows(prepare, &state) : PITH_OK;
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
static int64_t window_taps(const pool_state *state, const int64_t *out_at, const char *x, const char **taps,
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
        taps[count++] = x + index * state->x_pixel * state->item_bytes;
        for (int i = g->n_spatial - 1; i >= 0 && ++tap_at[i] == end[i]; i--) {
            tap_at[i] = begin[i];
        }
    }
    return n_taps;
}

/* The same without looking at borders; false if the window has padding. */
static bool inner_taps(const pool_state *state, const int64_t *out_at, const char *x, const char **taps)
{
    const pithi_pool_geometry *g = &state->g;
    int64_t index = 0;
    for (int i = 0; i < g->n_spatial; i++) {
        if (out_at[i] < state->inner_begin[i] || out_at[i] >= state->inner_end[i]) {
            return false;
        }
        index = index * g->in[i] + out_at[i] * g->strides[i] - g->pad_begin[i];
    }
    const char *first = x + index * state->x_pixel * state->item_bytes;
    for (int64_t tap = 0; tap < g->n_taps; tap++) {
        taps[tap] = first + state->tap_offsets[tap] * state->item_bytes;
    }
    return true;
}

static float empty_window(const pool_state *state)
{
    return state->kind == PITH_POOL_MAX ? -INFINITY : state->counts_padding ? 0.0f : NAN;
}

/* One window of 16-bit numbers: sums are exact, so that their order doesn't matter. */
static void average_words(const pool_state *state, const void *taps, int64_t n_taps, char *y, int64_t divisor)
{
    enum { BLOCK = 64 };
    const pith_pool_u8_mean *mean = &state->mean;
    const int64_t n_channels = state->g.n_channels;
    float scale[BLOCK];
    for (int c = 0; c < BLOCK; c++) {
        scale[c] = mean->x_scale / (mean->y_scale * (float)divisor);
    }
    for (int64_t at = 0; at < n_channels; at += BLOCK) {
        const int64_t n = pithi_min_s64(n_channels - at, BLOCK);
        int32_t sums[BLOCK];
        for (int c = 0; c < BLOCK; c++) {
            sums[c] = (int32_t)(-(mean->x_zero + state->flip) * n_taps);
        }
        state->words->add(taps, (size_t)n_taps, (size_t)at, sums, (size_t)n, state->flip);
        const pith_s16_join join = { .low = sums, .scale = scale, .y = y + at * state->y_item_bytes, .n_rows = 1,
                                     .n_columns = (int)n,
                                     .finish = { mean->y_zero, mean->low, mean->high, state->y_type } };
        state->words->join(&join);
    }
}

static void run_words(const pool_state *state, const char **taps, int64_t n_taps, int64_t step, char *y,
                      int64_t n_pixels, int64_t divisor)
{
    const int64_t n_channels = state->g.n_channels;
    const void *list = taps;
    for (int64_t i = 0; i < n_pixels; i++, y += n_channels * state->y_item_bytes) {
        if (state->kind == PITH_POOL_MAX) {
            state->words->max(list, (size_t)n_taps, (uint16_t *)(void *)y, (size_t)n_channels, state->flip);
        } else {
            average_words(state, list, n_taps, y, divisor);
        }
        for (int64_t t = 0; t < n_taps && i + 1 < n_pixels; t++) {
            taps[t] += step * state->item_bytes;
        }
    }
}

/* `n_pixels` windows next to each other: those behind the first have their taps `step` elements further on. Moves
 * the taps of averages of integers. */
static void run_windows(const pool_state *state, const char **taps, int64_t n_taps, int64_t step, void *y,
                        int64_t n_pixels, int64_t divisor)
{
    const size_t n_channels = (size_t)state->g.n_channels;
    const void *list = taps;
    if (state->words) {
        run_words(state, taps, n_taps, step, y, n_pixels, divisor);
        return;
    }
    if (!state->bytes) {
        state->kernel->run[state->kind](list, (size_t)n_taps, (size_t)step, y, n_channels, (size_t)n_pixels,
                                        1.0f / (float)divisor);
        return;
    }
    if (state->kind == PITH_POOL_MAX) {
        state->bytes->max(list, (size_t)n_taps, (size_t)step, y, n_channels, (size_t)n_pixels, (uint8_t)state->flip);
        return;
    }
    pith_pool_u8_mean mean = state->mean;
    mean.divisor = (float)divisor;
    for (int64_t i = 0; i < n_pixels; i++) {
        state->bytes->mean(list, (size_t)n_taps, (uint8_t *)y + (size_t)i * n_channels, n_channels, &mean,
                           (uint8_t)state->flip);
        for (int64_t t = 0; t < n_taps && i + 1 < n_pixels; t++) {
            taps[t] += step;
        }
    }
}

/* A window at the border, some or all of whose taps lie in the padding (all: of floats only). */
static void run_border(const pool_state *state, const int64_t *out_at, const char *image, const char **taps, void *y)
{
    int64_t divisor, n_taps = window_taps(state, out_at, image, taps, &divisor);
    if (n_taps > 0) {
        run_windows(state, taps, n_taps, 0, y, 1, divisor);
        return;
    }
    for (int64_t c = 0; c < state->g.n_channels; c++) {
        ((float *)y)[c] = empty_window(state);
    }
}

static void run_last(const pool_state *state, const char *x, char *y, const pith_part *part)
{
    const pithi_pool_geometry *g = &state->g;
    const int last = g->n_spatial - 1;
    const int64_t pixel_bytes = state->x_pixel * state->item_bytes;
    const char **taps = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, g->n_batch * g->n_out, &begin, &end);
    for (int64_t pixel = begin, run; pixel < end; pixel += run) {
        int64_t out_at[PITHI_MAX_SPATIAL];
        coordinates(pixel % g->n_out, g->out, g->n_spatial, out_at);
        const char *image = x + pixel / g->n_out * g->n_in * pixel_bytes;
        char *to = y + pixel * state->y_pixel * state->y_item_bytes;
        if (!inner_taps(state, out_at, image, taps)) {
            run_border(state, out_at, image, taps, to);
            run = 1;
            continue;
        }
        run = pithi_min_s64(state->inner_end[last] - out_at[last], end - pixel);
        const int64_t step = g->strides[last] * state->x_pixel;
        const int64_t group = state->y_pixel == g->n_channels ? run : 1; /* kernels write neighbouring pixels */
        for (int64_t i = 0; i < run; i += group, to += state->y_pixel * state->y_item_bytes) {
            run_windows(state, taps, g->n_taps, step, to, group, g->n_taps);
            for (int64_t t = 0; t < g->n_taps && group == 1; t++) {
                taps[t] += step * state->item_bytes;
            }
        }
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

/* Pointers to the taps of one dimension of a separable window; neighbours on the line are `step` bytes apart. */
static int64_t line_taps(const pool_state *state, int dim, int64_t at, const char *line, int64_t step,
                         const char **taps)
{
    const pithi_pool_geometry *g = &state->g;
    int64_t begin, end, count = 0;
    (void)tap_range(g, dim, at, &begin, &end);
    for (int64_t tap = begin; tap < end; tap++) {
        taps[count++] = line + (at * g->strides[dim] - g->pad_begin[dim] + tap * g->dilations[dim]) * step;
    }
    return count;
}

static void run_separable(const pool_state *state, const char *x, char *between, char *y, const pith_part *part)
{
    const pithi_pool_geometry *g = &state->g;
    const int64_t pixel = g->n_channels * state->item_bytes, row = g->out[1] * pixel;
    const int64_t x_pixel = state->x_pixel * state->item_bytes;
    const int64_t n_lines = part->phase == 0 ? g->in[0] : g->out[0];
    const char **taps = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, g->n_batch * n_lines * g->out[1], &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t column = i % g->out[1], line = i / g->out[1] % n_lines, batch = i / g->out[1] / n_lines;
        if (part->phase == 0) {
            const char *from = x + (batch * g->in[0] + line) * g->in[1] * x_pixel;
            const int64_t n_taps = line_taps(state, 1, column, from, x_pixel, taps);
            run_windows(state, taps, n_taps, 0, between + i * pixel, 1, 1);
        } else {
            const char *from = between + batch * g->in[0] * row + column * pixel;
            const int64_t n_taps = line_taps(state, 0, line, from, row, taps), at[2] = { line, column };
            run_windows(state, taps, n_taps, 0, y + i * state->y_pixel * state->item_bytes, 1, divisor_at(state, at));
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
