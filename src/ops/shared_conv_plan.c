/* SPDX-License-Identifier: Apache-2.0 */
/* Decides how a float32 convolution runs: variants, gathering, bands, grains, packed weights. */
#include "ops/shared_conv_f32.h"

#define SMALL_PLANE 64  /* pixels */
#define WHOLE_PANELS 16 /* a multiple of all panels' widths in float32 */

static int64_t product3(const int64_t sizes[3]) { return sizes[0] * sizes[1] * sizes[2]; }

/* ---- variants ----------------------------------------------------------------------------- */

static pith_status make_axis(pithi_arena *arena, const pithi_conv_geometry *g, int d, int64_t residue,
                             pithi_conv_axis *axis)
{
    int64_t step = g->is_transposed ? g->stride[d] : 1;
    void *offset = NULL, *k = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)g->kernel[d], sizeof(int64_t), &offset));
    PITH_TRY(pithi_arena_array(arena, (size_t)g->kernel[d], sizeof(int64_t), &k));
    *axis = (pithi_conv_axis){ .out_first = residue, .out_step = step, .in_step = g->is_transposed ? 1 : g->stride[d],
                               .n_out = residue < g->out[d] ? pithi_div_up(g->out[d] - residue, step) : 0,
                               .offset = offset, .k = k };
    for (int64_t i = 0; i < g->kernel[d]; i++) {
        /* Transposed: output o meets input (o + pad - k * dilation) / stride; the largest k is the first. */
        int64_t tap = g->is_transposed ? g->kernel[d] - 1 - i : i;
        int64_t position = g->is_transposed ? residue + g->pad[d] - tap * g->dilation[d]
                                            : tap * g->dilation[d] - g->pad[d];
        if (position % step == 0) {
            axis->offset[axis->n_taps] = position / step;
            axis->k[axis->n_taps++] = tap;
        }
    }
    axis->in_first = axis->n_taps ? axis->offset[0] : 0;
    for (int t = 0; t < axis->n_taps; t++) {
        axis->offset[t] -= axis->in_first;
        axis->span = axis->offset[t] + 1;
    }
    return PITH_OK;
}

static bool leaves_image(const pithi_conv_axis *axis, int64_t size)
{
    return axis->in_first < 0 || axis->in_first + (axis->n_out - 1) * axis->in_step + axis->span > size;
}

/* Narrow groups are gathered too, since then a kernel row's taps are neighbours; so are windows where the order of sums
 * depends on that. */
static bool wants_gather(const pithi_conv_f32 *conv, const pithi_conv_variant *v)
{
    const pithi_conv_geometry *g = &conv->g;
    if (v->n_taps == 0) {
        return false;
    }
    if (conv->x_pixel != g->in_channels && v->axis[2]->n_taps > 1 && (conv->fold > 1 || conv->has_few_outputs)) {
        return true;
    }
    if (g->group > 1 && v->axis[2]->n_taps > 1 && g->in_channels / g->group < 32) {
        return true;
    }
    return leaves_image(v->axis[0], g->in[0]) || leaves_image(v->axis[1], g->in[1]) ||
           leaves_image(v->axis[2], g->in[2]);
}

static int64_t fit(int64_t bytes_each, int64_t least, int64_t most)
{
    int64_t count = (int64_t)pithi_l2_share() / pithi_max_s64(bytes_each, 1);
    return pithi_min_s64(pithi_max_s64(count, least), most);
}

/* Bands and column blocks. Gathered bands are whole rows. */
static void cut_variant(const pithi_conv_f32 *conv, pithi_conv_variant *v, int n_threads)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_axis *depth = v->axis[0], *rows = v->axis[1], *columns = v->axis[2];
    int64_t in_channels = g->in_channels / g->group, out_channels = g->out_channels / g->group;
    int64_t plane = rows->n_out * columns->n_out, n_k = v->n_taps * in_channels;
    int64_t n_others = pithi_max_s64(g->batch * g->group * conv->n_variants, 1);
    int64_t row_floats = in_channels * columns->in_step * rows->in_step;
    n_others *= v->gathers ? pithi_max_s64(depth->n_out, 1) : 1;
    v->grid = pithi_gemm_f32_cut(conv->gemm, v->gathers ? plane : plane * depth->n_out, n_k, row_floats, out_channels,
                                 n_others, n_threads);
    v->bands_per_image = v->grid.n_bands;
    if (v->gathers) {
        int64_t width = (columns->n_out - 1) * columns->in_step + columns->span;
        int64_t row_bytes = depth->span * width * in_channels * (int64_t)sizeof(float) * rows->in_step;
        int64_t least = pithi_div_up(rows->n_out, fit(row_bytes, 1, pithi_max_s64(rows->n_out, 1)));
        int64_t bands = pithi_even_count(pithi_max_s64(v->grid.n_bands, least), n_others > 1 ? 1 : n_threads);
        bands = pithi_min_s64(bands, rows->n_out);
        int64_t height = pithi_max_s64(pithi_div_up(rows->n_out, pithi_max_s64(bands, 1)), 1);
        v->gathered[0] = depth->span;
        v->gathered[1] = (height - 1) * rows->in_step + rows->span;
        v->gathered[2] = width;
        v->grid.n_bands = bands;
        v->bands_per_image = columns->n_out ? depth->n_out * bands : 0;
    }
}

static pith_status make_segments(pithi_arena *arena, const pithi_conv_f32 *conv, pithi_conv_variant *v)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_axis *x = v->axis[2];
    int64_t in_channels = g->in_channels / g->group;
    int64_t pixel = v->gathers ? in_channels : conv->x_pixel;
    int64_t row = pixel * (v->gathers ? v->gathered[2] : g->in[2]);
    int64_t slice = row * (v->gathers ? v->gathered[1] : g->in[1]);
    bool merges = pixel == in_channels && x->span == x->n_taps;
    void *offsets = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)v->n_taps, sizeof(ptrdiff_t), &offsets));
    v->segment_offsets = offsets;
    v->segment_length = (size_t)(merges ? x->n_taps * in_channels : in_channels);
    for (int i = 0; i < v->axis[0]->n_taps; i++) {
        for (int j = 0; j < v->axis[1]->n_taps; j++) {
            for (int k = 0; k < (merges ? (x->n_taps > 0) : x->n_taps); k++) {
                v->segment_offsets[v->n_segments++] =
                    v->axis[0]->offset[i] * slice + v->axis[1]->offset[j] * row + x->offset[k] * pixel;
            }
        }
    }
    if (v->segment_length == 0) { /* no input channels at all: only the bias is left */
        v->n_segments = 0;
    }
    return PITH_OK;
}

/* Floats of a group. */
static size_t packed_size(const pithi_conv_f32 *conv, const pithi_conv_variant *v)
{
    size_t n_k = (size_t)v->n_segments * v->segment_length, fold = (size_t)conv->fold, nr = (size_t)conv->gemm->nr;
    size_t n = (size_t)(conv->g.out_channels / conv->g.group);
    if (conv->has_few_outputs) {
        return n_k * n;
    }
    return fold > 1 ? (size_t)v->n_segments * ((v->segment_length + fold - 1) / fold) * nr
                    : pithi_gemm_f32_packed_size(conv->gemm, n_k, n);
}

/* Of a band. */
static int64_t most_pixels(const pithi_conv_variant *v)
{
    int64_t n_rows = v->axis[1]->n_out, n_columns = v->axis[2]->n_out, bands = pithi_max_s64(v->grid.n_bands, 1);
    return v->gathers ? pithi_div_up(n_rows, bands) * n_columns
                      : pithi_div_up(n_rows * n_columns * v->axis[0]->n_out, bands);
}

static pith_status make_variants(pith_prepare *prepare, pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    pithi_conv_axis *axes[3];
    int64_t counts[3];
    void *block = NULL;
    for (int d = 0; d < 3; d++) {
        counts[d] = g->is_transposed ? g->stride[d] : 1;
        PITH_TRY(pithi_arena_array(prepare->arena, (size_t)counts[d], sizeof(pithi_conv_axis), &block));
        axes[d] = block;
        for (int64_t i = 0; i < counts[d]; i++) {
            PITH_TRY(make_axis(prepare->arena, g, d, i, &axes[d][i]));
        }
    }
    conv->n_variants = (int)product3(counts);
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)conv->n_variants, sizeof(pithi_conv_variant), &block));
    conv->variants = block;
    for (int i = 0; i < conv->n_variants; i++) {
        pithi_conv_variant *v = &conv->variants[i];
        v->axis[0] = &axes[0][i / (counts[1] * counts[2])];
        v->axis[1] = &axes[1][i / counts[2] % counts[1]];
        v->axis[2] = &axes[2][i % counts[2]];
        v->n_taps = (int64_t)v->axis[0]->n_taps * v->axis[1]->n_taps * v->axis[2]->n_taps;
        v->gathers = wants_gather(conv, v);
        cut_variant(conv, v, prepare->n_threads);
        PITH_TRY(make_segments(prepare->arena, conv, v));
        v->packed_offset = conv->packed_floats;
        v->packed_per_group = packed_size(conv, v);
        conv->packed_floats += (size_t)g->group * v->packed_per_group;
        v->first_grain = conv->n_grains;
        v->n_grains = g->batch * g->group * v->bands_per_image * v->grid.n_blocks;
        conv->n_grains += v->n_grains;
        size_t rows_bytes = pithi_align_up((size_t)most_pixels(v) * sizeof(float *), PITH_ALIGNMENT);
        conv->scratch_rows = rows_bytes > conv->scratch_rows ? rows_bytes : conv->scratch_rows;
    }
    return PITH_OK;
}

/* ---- depthwise ---------------------------------------------------------------------------- */

static bool is_depthwise(const pithi_conv_geometry *g)
{
    return !g->is_transposed && pithi_conv_is_depthwise(g) && g->kernel[0] == 1 && g->stride[0] == 1 &&
           g->in[0] == g->out[0];
}

/* Of rows, so that threads keep to theirs; small images of many channels as products before and behind are cut. */
static void cut_depthwise(pithi_conv_f32 *conv, int n_threads)
{
    pithi_conv_geometry *g = &conv->g;
    g->batch *= g->in[0];
    g->in[0] = g->out[0] = 1;
    int64_t row_bytes = g->in[2] * g->in_channels * (int64_t)sizeof(float) * g->stride[1];
    int64_t macs = g->out[1] * g->out[2] * g->in_channels * g->kernel[1] * g->kernel[2];
    int64_t wanted = n_threads > 1 ? pithi_div_up(4 * n_threads, pithi_max_s64(g->batch, 1)) : 1;
    wanted = pithi_max_s64(pithi_min_s64(wanted, macs / PITHI_PART_MACS), 1);
    bool by_channels = g->out[1] * g->out[2] < SMALL_PLANE;
    int64_t n_bands = pithi_div_up(g->out[1], fit(row_bytes, 4, pithi_max_s64(g->out[1], 1)));
    n_bands = pithi_max_s64(n_bands, by_channels ? 1 : pithi_min_s64(wanted, g->out[1] / 3));
    conv->row_bands = pithi_even_count(n_bands, n_threads);
    int64_t enough = n_bands >= n_threads ? pithi_min_s64(wanted, 2 * n_threads) : wanted;
    int64_t n_blocks = pithi_div_up(enough, pithi_max_s64(n_bands, 1));
    conv->depthwise_blocks = pithi_min_s64(n_blocks, pithi_div_up(g->in_channels, 4 * PITHI_DEPTHWISE_UNIT));
    conv->n_grains = g->out[2] ? g->batch * conv->row_bands * conv->depthwise_blocks : 0;
    conv->packed_floats = (size_t)(g->in_channels * g->kernel[1] * g->kernel[2]);
}

/* ---- weights ------------------------------------------------------------------------------ */

/* Columns of a panel: few outputs are packed one by one. */
static int64_t panel_width(const pithi_conv_f32 *conv)
{
    return conv->has_few_outputs ? 1 : conv->planar ? conv->planar->nr : conv->gemm->nr;
}

static int64_t panels_per_group(const pithi_conv_f32 *conv)
{
    return pithi_div_up(conv->g.out_channels / conv->g.group, panel_width(conv));
}

int64_t pithi_conv_f32_pack_items(const pithi_conv_f32 *conv)
{
    if (conv->winograd.kernel || conv->planar) {
        return panels_per_group(conv);
    }
    return conv->depthwise ? conv->g.in_channels : conv->n_variants * conv->g.group * panels_per_group(conv);
}

/* Weights of a panel: element (channel c, lane) of a tap is w[c * c_stride + lane_offset[lane]]. */
typedef struct panel_weights {
    int64_t n_c, c_stride, n_lanes;
    int64_t lane_offset[64];
} panel_weights;

/* Merged columns count as outputs: n is column * n_m + output. */
static panel_weights find_weights(const pithi_conv_f32 *conv, int64_t n0)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_taps = product3(g->kernel) * conv->merged, n_all = g->out_channels / g->group, n_m = n_all / conv->merged;
    panel_weights w = { .n_c = g->in_channels / g->group, .c_stride = g->is_transposed ? n_m * n_taps : n_taps,
                        .n_lanes = pithi_min_s64(panel_width(conv), n_all - n0) };
    for (int64_t lane = 0; lane < w.n_lanes; lane++) {
        int64_t n = n0 + lane;
        w.lane_offset[lane] = n % n_m * (g->is_transposed ? n_taps : w.n_c * n_taps) + n / n_m;
    }
    return w;
}

/* Rows of a panel's width, one per channel. */
static void pack_tap(const pithi_conv_f32 *conv, const panel_weights *p, const float *from, float *to)
{
    int64_t nr = panel_width(conv), last = p->n_lanes - 1;
    int64_t stride = last > 0 ? p->lane_offset[1] - p->lane_offset[0] : 0;
    bool is_even = p->lane_offset[last] == p->lane_offset[0] + last * stride; /* offsets rise column by column */
    if (p->c_stride == 1 && is_even && conv->merged == 1) {
        conv->transpose(from + p->lane_offset[0], stride, to, nr, p->n_lanes, p->n_c);
        return;
    }
    for (int64_t c = 0; c < p->n_c; c++, from += p->c_stride, to += nr) {
        for (int64_t lane = 0; lane < p->n_lanes; lane++) {
            to[lane] = pithi_load_f32(from + p->lane_offset[lane]);
        }
    }
}

/* Several neighbours of k share a row: narrow products, so few weights. */
static void pack_folded_tap(const pithi_conv_f32 *conv, const pithi_conv_variant *v, const panel_weights *p,
                            const float *from, int64_t k, float *to)
{
    for (int64_t c = 0; c < p->n_c; c++) {
        for (int64_t lane = 0; lane < p->n_lanes; lane++) {
            size_t at = pithi_gemm_f32_place(conv->gemm, conv->fold, v->segment_length, (size_t)(k + c), (size_t)lane);
            to[at] = pithi_load_f32(from + c * p->c_stride + p->lane_offset[lane]);
        }
    }
}

static void pack_panel(const pithi_conv_f32 *conv, const pithi_conv_variant *v, int64_t group, int64_t panel,
                       const float *w, float *packed)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_axis *rows = v->axis[1], *columns = v->axis[2];
    int64_t nr = panel_width(conv), n0 = panel * nr;
    const panel_weights p = find_weights(conv, n0);
    int64_t n_k = v->n_taps * p.n_c, group_floats = product3(g->kernel) * p.n_c * (g->out_channels / g->group);
    float *to = packed + v->packed_offset + (size_t)group * v->packed_per_group + (size_t)(n0 * n_k);
    if (p.n_lanes < nr) {
        size_t rest = v->packed_per_group - (size_t)(n0 * n_k);
        memset(to, 0, rest * sizeof(float));
    }
    for (int64_t t = 0; t < v->n_taps; t++) {
        int64_t i = t / (rows->n_taps * columns->n_taps), j = t / columns->n_taps % rows->n_taps;
        int64_t tap = (v->axis[0]->k[i] * g->kernel[1] + rows->k[j]) * g->kernel[2] * conv->merged +
                      columns->k[t % columns->n_taps];
        const float *from = w + group * group_floats + tap;
        if (conv->fold == 1 || nr == 1) {
            pack_tap(conv, &p, from, to + t * p.n_c * nr);
        } else {
            pack_folded_tap(conv, v, &p, from, t * p.n_c, to);
        }
    }
}

void pithi_conv_f32_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end)
{
    if (conv->depthwise) {
        int64_t n_taps = product3(conv->g.kernel), n_channels = conv->g.in_channels;
        for (int64_t c = begin; c < end; c++) {
            for (int64_t t = 0; t < n_taps; t++) {
                packed[t * n_channels + c] = pithi_load_f32(w + c * n_taps + t);
            }
        }
        return;
    }
    if (conv->winograd.kernel) {
        pithi_conv_winograd_pack(conv, w, packed, begin, end);
        return;
    }
    if (conv->planar) {
        pithi_conv_planar_pack(conv, w, packed, begin, end);
        return;
    }
    int64_t n_panels = panels_per_group(conv);
    for (int64_t i = begin; i < end; i++) {
        const pithi_conv_variant *v = &conv->variants[i / (conv->g.group * n_panels)];
        pack_panel(conv, v, i / n_panels % conv->g.group, i % n_panels, w, packed);
    }
}

static const char *kernel_name(const pithi_conv_f32 *conv)
{
    return conv->depthwise         ? conv->depthwise->head.name
           : conv->planar          ? conv->planar->head.name
           : conv->winograd.kernel ? conv->winograd.kernel->head.name
                                   : conv->gemm->head.name;
}

typedef struct pack_job {
    const pithi_conv_f32 *conv;
    const float *w;
} pack_job;

static void pack_all(void *user, void *block)
{
    const pack_job *job = user;
    pithi_conv_f32_pack(job->conv, job->w, block, 0, pithi_conv_f32_pack_items(job->conv));
}

/* The packed order depends on everything that decides which weight comes when. */
static pith_status pack_constant(pith_prepare *prepare, pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t facts[] = { g->is_transposed, g->group, g->in_channels, g->out_channels, g->kernel[0], g->kernel[1],
                        g->kernel[2], g->is_transposed ? g->stride[0] : 0, g->is_transposed ? g->stride[1] : 0,
                        g->is_transposed ? g->stride[2] : 0, g->is_transposed ? g->pad[0] : 0,
                        g->is_transposed ? g->pad[1] : 0, g->is_transposed ? g->pad[2] : 0,
                        g->is_transposed ? g->dilation[0] : 0, g->is_transposed ? g->dilation[1] : 0,
                        g->is_transposed ? g->dilation[2] : 0, conv->winograd.block_columns, conv->has_few_outputs,
                        conv->fold, conv->merged,
                        conv->fold > 1 && conv->n_variants ? (int64_t)conv->variants[0].segment_length : 0 };
    const char *name = kernel_name(conv);
    uint64_t key = pithi_hash(pithi_hash(PITHI_HASH_START, name, strlen(name)), facts, sizeof facts);
    pack_job job = { conv, prepare->inputs[1].data };
    const pithi_gemm_weights weights = { job.w, conv->packed_floats, pack_all, &job };
    return pithi_gemm_pack(prepare, conv->gemm, &weights, key, &conv->packed);
}

/* ---- prepare ------------------------------------------------------------------------------ */

static size_t add_block(size_t *total, size_t n_floats)
{
    size_t at = *total;
    *total += pithi_align_up(n_floats * sizeof(float), PITH_ALIGNMENT);
    return at;
}

static void plan_phases(pith_prepare *prepare, pithi_conv_f32 *conv)
{
    size_t y_floats = (size_t)pith_shape_elements(&prepare->outputs[0].shape);
    bool packs = conv->packed == NULL;
    if (packs) {
        conv->shared_packed = add_block(&prepare->shared_bytes, conv->packed_floats);
    }
    if (conv->is_channels_first) {
        conv->shared_x = add_block(&prepare->shared_bytes, (size_t)pith_shape_elements(&prepare->inputs[0].shape));
        conv->shared_y = add_block(&prepare->shared_bytes, y_floats);
        conv->shared_residual = conv->has_residual ? add_block(&prepare->shared_bytes, y_floats) : 0;
    }
    if (packs || conv->is_channels_first) {
        conv->phases[conv->n_phases++] = PITHI_CONV_ARRANGE;
    }
    conv->phases[conv->n_phases++] = PITHI_CONV_MAIN;
    if (conv->is_channels_first) {
        conv->phases[conv->n_phases++] = PITHI_CONV_RESTORE;
    }
}

/* A 1x1 convolution is one product over all pixels of all images. */
static void flatten_pointwise(pithi_conv_geometry *g)
{
    for (int d = 0; d < 3; d++) {
        if (g->kernel[d] != 1 || g->stride[d] != 1 || g->pad[d] != 0 || g->in[d] != g->out[d]) {
            return;
        }
    }
    g->in[2] = g->out[2] = g->batch * product3(g->in);
    g->batch = g->in[0] = g->in[1] = g->out[0] = g->out[1] = 1;
}

static size_t gathered_bytes(const pithi_conv_f32 *conv)
{
    size_t most = 0;
    for (int i = 0; i < conv->n_variants; i++) {
        const pithi_conv_variant *v = &conv->variants[i];
        int64_t floats = v->gathers ? product3(v->gathered) * (conv->g.in_channels / conv->g.group) : 0;
        most = (size_t)floats * sizeof(float) > most ? (size_t)floats * sizeof(float) : most;
    }
    return most;
}

static bool is_same_in_both_layouts(const pithi_conv_geometry *g)
{
    return (g->in_channels == 1 || product3(g->in) == 1) && (g->out_channels == 1 || product3(g->out) == 1);
}

/* Filters of a single channel stay away from sums lane by lane: what follows them is often a logarithm, which shows any
 * other rounding (basic_pitch: 3e-4). */
static bool wants_few(const pithi_conv_geometry *g)
{
    int64_t in_channels = g->in_channels / g->group, n_taps = product3(g->kernel);
    return in_channels >= 16 && pithi_gemm_f32_wants_few(g->out_channels / g->group, n_taps * in_channels);
}

/* A transposed convolution whose kernel columns don't overlap puts them side by side: output pixel (y, x * stride + k)
 * is "channel group" k of pixel (y, x). Then columns are more output channels, and outputs in a row are neighbours. */
static pith_status merge_columns(pith_prepare *prepare, pithi_conv_f32 *conv)
{
    pithi_conv_geometry *g = &conv->g;
    const pith_tensor *bias = prepare->n_inputs > 2 ? &prepare->inputs[2] : NULL;
    bool has_bias = bias && bias->dtype != PITH_DTYPE_NONE;
    int64_t columns = g->stride[2], n = g->out_channels;
    bool is_window = conv->y_pixel != n && !conv->is_channels_first;
    if ((is_window && n % conv->gemm->nr != 0) || !g->is_transposed || g->group > 1 || columns < 2 ||
        g->kernel[2] != columns || g->dilation[2] != 1 || g->pad[2] != 0 ||
        g->out[2] != g->in[2] * columns || (has_bias && !bias->data)) {
        return PITH_OK;
    }
    if (has_bias) {
        void *block = NULL;
        PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n * columns), sizeof(float), &block));
        float *merged = block;
        for (int64_t i = 0; i < n * columns; i++) {
            merged[i] = ((const float *)bias->data)[i % n];
        }
        conv->merged_bias = merged;
    }
    conv->merged = columns;
    conv->y_pixel *= columns;
    conv->residual_pixel *= columns;
    conv->y_run = is_window ? n : n * columns;
    g->out_channels = n * columns;
    g->kernel[2] = g->stride[2] = g->dilation[2] = 1;
    g->out[2] = g->in[2];
    return PITH_OK;
}

static void set_strides(const pith_prepare *prepare, pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    const int64_t *strides = conv->is_channels_first ? NULL : prepare->strides;
    conv->x_pixel = pithi_stride(strides, 0, g->in_channels);
    conv->y_pixel = conv->y_step = pithi_stride(strides, prepare->n_inputs, g->out_channels);
    conv->residual_pixel = conv->has_residual ? pithi_stride(strides, 3, g->out_channels) : 0;
    conv->y_run = g->out_channels;
}

/* Winograd's transforms of weights are for constant ones: in a run they would cost too much. */
static pith_status try_winograd(pith_prepare *prepare, pithi_conv_f32 *conv, bool *is_used)
{
    *is_used = false;
    prepare->why = conv->depthwise           ? "depthwise: no sum over channels that Winograd or products could share"
                   : conv->planar            ? "few channels in planes, read where they lie"
                   : prepare->is_exact       ? "exact: sums in their plain order, so no Winograd"
                   : !prepare->inputs[1].data ? "weights are not constant: Winograd would transform them in each run"
                                              : NULL;
    return prepare->why ? PITH_OK : pithi_conv_winograd_plan(prepare, conv, is_used);
}

/* The reason against Winograd stays in front of that for or against float16. */
static pith_status choose_product(pith_prepare *prepare, pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    const char *direct = prepare->why;
    if (g->is_transposed) {
        prepare->why = prepare->allows_float16 ? "float32: transposed convolutions have no float16 products" : direct;
    } else {
        const pith_gemm_f32 *half = pithi_gemm_f16_choose(
            prepare, prepare->inputs[1].data, pithi_conv_taps(g) * (g->in_channels / g->group),
            g->out_channels / g->group);
        conv->gemm = half ? half : conv->gemm;
    }
    return direct && prepare->why != direct
               ? pithi_arena_format(prepare->arena, &prepare->why, "%s; %s", direct, prepare->why)
               : PITH_OK;
}

/* Kernels take residuals with y's strides, but products any. */
static bool is_product(const pithi_conv_geometry *g)
{
    return g->group == 1 && !g->reads_planes &&
           (pithi_conv_taps(g) == 1 || (!g->is_transposed && !pithi_conv_is_3x3(g)));
}

bool pithi_conv_f32_takes_window(const pith_node *node, int index)
{
    enum { X, W, RESIDUAL = 3 };
    const pithi_conv_attrs *attrs = node->attrs;
    const pith_value *slope = node->n_inputs > PITHI_CONV_SLOPE ? node->inputs[PITHI_CONV_SLOPE] : NULL;
    const bool has_residual = node->n_inputs > RESIDUAL && node->inputs[RESIDUAL], is_y = index == node->n_inputs;
    const bool is_transposed = !pithi_same_text(node->op->head.name, "conv");
    const pith_shape *w = &node->inputs[W]->shape;
    pithi_conv_geometry g;
    pithi_finish finish;
    return (index == X ? !attrs->reads_planes : is_y || index == RESIDUAL) && attrs->channels_last &&
           node->inputs[X]->dtype == PITH_DTYPE_F32 && (!slope || slope->constant) &&
           pithi_conv_geometry_of(NULL, attrs, &node->inputs[X]->shape, w, is_transposed, &g) == PITH_OK &&
           pithi_conv_is_reasonable(&g) && pithi_finish_make(&attrs->activation, 0, &finish) &&
           (!(is_y && is_transposed) || g.out_channels % WHOLE_PANELS == 0) &&
           (index == X || !has_residual || (attrs->residual_behind && !is_transposed) || is_product(&g));
}

pith_status pithi_conv_f32_prepare(pith_prepare *prepare, bool is_transposed)
{
    const pithi_conv_attrs *attrs = prepare->attrs;
    pithi_finish finish;
    void *block = NULL;
    bool is_winograd;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_conv_f32), &block));
    pithi_conv_f32 *conv = block;
    PITH_TRY(pithi_conv_geometry_of(prepare->ctx, attrs, &prepare->inputs[0].shape, &prepare->inputs[1].shape,
                                    is_transposed, &conv->g));
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || !pithi_conv_is_reasonable(&conv->g) ||
        (conv->g.reads_planes && !pithi_conv_takes_planes(&conv->g)) ||
        !pithi_finish_make(&attrs->activation, prepare->isa_limit, &finish)) {
        return PITH_OK;
    }
    conv->gemm = pithi_gemm_f32(prepare->isa_limit);
    conv->transpose = pithi_transpose_find(prepare->isa_limit, 2);
    if (prepare->n_inputs > PITHI_CONV_SLOPE && prepare->inputs[PITHI_CONV_SLOPE].dtype != PITH_DTYPE_NONE) {
        const pith_tensor *slopes = &prepare->inputs[PITHI_CONV_SLOPE];
        if (!slopes->data) {
            return PITH_OK;
        }
        PITH_TRY(pithi_finish_add_slopes(prepare->arena, slopes->data, conv->g.out_channels, prepare->isa_limit,
                                         &finish));
    }
    conv->finish = finish;
    conv->merged = conv->fold = 1;
    conv->is_channels_first = !attrs->channels_last && !is_same_in_both_layouts(&conv->g);
    conv->has_residual = prepare->n_inputs > 3 && prepare->inputs[3].dtype != PITH_DTYPE_NONE;
    if (attrs->residual_behind) {
        pithi_finish_add_behind(&conv->finish, prepare->isa_limit);
    }
    set_strides(prepare, conv);
    if (is_depthwise(&conv->g) && !conv->g.reads_planes) {
        conv->depthwise = pithi_dwconv_f32(prepare->isa_limit);
        cut_depthwise(conv, prepare->n_threads);
    }
    if (conv->g.reads_planes) {
        pithi_conv_planar_plan(prepare, conv);
    }
    PITH_TRY(try_winograd(prepare, conv, &is_winograd));
    if (!conv->depthwise && !conv->planar && !is_winograd) {
        flatten_pointwise(&conv->g);
        PITH_TRY(choose_product(prepare, conv));
        PITH_TRY(merge_columns(prepare, conv));
        conv->has_few_outputs = !prepare->is_exact && conv->gemm->few && wants_few(&conv->g);
        conv->fold = prepare->is_exact ? 1 : pithi_gemm_f32_fold(conv->gemm, conv->g.out_channels / conv->g.group);
        PITH_TRY(make_variants(prepare, conv));
    }
    if (prepare->inputs[1].data) {
        PITH_TRY(pack_constant(prepare, conv));
    }
    plan_phases(prepare, conv);
    prepare->use_run = true;
    prepare->state = conv;
    prepare->n_phases = conv->n_phases;
    prepare->max_parts = (int)pithi_min_s64(pithi_max_s64(conv->n_grains, 1), 1 << 20);
    prepare->scratch_bytes = conv->winograd.kernel ? pithi_conv_winograd_scratch_bytes(conv)
                                                   : conv->scratch_rows + gathered_bytes(conv);
    prepare->kernel = kernel_name(conv);
    return PITH_OK;
}
