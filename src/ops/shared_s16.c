/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "ops/shared_s16.h"

#include "kernels/gemm_s16.h"
#include "ops/shared_gemm.h"
#include "ops/shared_index.h"

#define GATHER_BYTES 65536 /* of a band's input */
#define SLACK        64    /* bytes behind a plane: the kernel may read three of them */

enum { ROWS = 48, COLUMNS = 64 }; /* of sums at a time */

typedef struct s16_state {
    pithi_conv_geometry g;
    pithi_s8_weights weights;
    const int32_t *bias_high; /* NULL: x has 8 bits */
    const pith_gemm_s16 *words; /* multiplies 16 bits at once; NULL: planes of bytes */
    bool is_direct;             /* of words: rows of x are read where they lie */
    const pith_s16 *kernel;
    pith_s16_finish finish;
    uint16_t flip, pad; /* of x; what stands for the number 0, behind the flip */
    int n_segments;
    size_t segment_length;
    ptrdiff_t *offsets;                              /* of segments in the high plane, then in the low one */
    int64_t band, n_bands, block, n_blocks, columns; /* output rows; columns of the product; of a gathered row */
    size_t plane_bytes, scratch_sums, scratch_planes;
    const pith_dwconv_s16 *depthwise; /* NULL: products */
    pith_dwconv_s16_task task;
} s16_state;

pithi_conv_geometry pithi_s16_matrix(int64_t m, int64_t n, int64_t k)
{
    return (pithi_conv_geometry){ .channels_last = true, .n_spatial = 2, .batch = 1, .group = 1, .in_channels = k,
                                  .out_channels = n, .in = { 1, m, 1 }, .out = { 1, m, 1 }, .kernel = { 1, 1, 1 },
                                  .stride = { 1, 1, 1 }, .dilation = { 1, 1, 1 } };
}

/* ---- weights ---------------------------------------------------------------------------------- */

typedef struct column_facts {
    int64_t sum, magnitude, bias; /* of weights minus their zero point */
} column_facts;

static int64_t zero_at(const pithi_s8_source *s, int64_t column)
{
    const int64_t n_zeros = s->zero ? pith_shape_elements(&s->zero->shape) : 0;
    return n_zeros ? pithi_tensor_get_s64(s->zero, n_zeros == 1 ? 0 : column) : 0;
}

/* Less its zero point; k runs over taps, and over channels within a tap. */
static int64_t weight_at(const pithi_s8_source *s, int64_t group, int64_t n, int64_t k)
{
    const int64_t at = group * s->group_stride + n * s->n_stride + k % s->n_channels * s->c_stride +
                       k / s->n_channels * s->t_stride;
    return pithi_tensor_get_s64(s->weights, at) - zero_at(s, group * s->n + n);
}

static column_facts facts_of(const pithi_s8_source *s, int64_t column)
{
    column_facts facts = { .bias = s->bias ? pithi_tensor_get_s64(s->bias, column) : 0 };
    for (int64_t k = 0; k < s->n_channels * s->n_taps; k++) {
        const int64_t w = weight_at(s, column / s->n, column % s->n, k);
        facts.sum += w;
        facts.magnitude += w < 0 ? -w : w;
    }
    return facts;
}

/* A sum of products stays exact in s32: planes of bytes, or numbers of 16 bits. */
static bool fits(const column_facts *facts, int64_t largest, int64_t bias)
{
    return largest * facts->magnitude + (bias < 0 ? -bias : bias) <= INT32_MAX;
}

typedef struct pack_job {
    const pithi_s8_source *source;
    int nr;
} pack_job;

/* [group][panel][segment][pair][nr][2] */
static void pack_words(void *user, void *block)
{
    const pack_job *job = user;
    const pithi_s8_source *s = job->source;
    const int64_t n_k = s->n_channels * s->n_taps, n_panels = pithi_div_up(s->n, job->nr);
    int16_t *to = block;
    for (int64_t panel = 0; panel < s->n_groups * n_panels; panel++) {
        for (int64_t first = 0; first < n_k; first += s->segment_length) {
            for (int64_t i = 0; i < pithi_div_up(s->segment_length, 2) * 2 * job->nr; i++) {
                const int64_t n = panel % n_panels * job->nr + i / 2 % job->nr, k = i / (2 * job->nr) * 2 + i % 2;
                const bool is_there = n < s->n && k < s->segment_length;
                *to++ = is_there ? (int16_t)weight_at(s, panel / n_panels, n, first + k) : (int16_t)0;
            }
        }
    }
}

static bool fit_words(const pithi_s8_source *s)
{
    bool fit = true;
    for (int64_t i = 0; i < s->n_groups * s->n && fit; i++) {
        const column_facts facts = facts_of(s, i);
        fit = fits(&facts, 65535, facts.bias);
    }
    return fit;
}

/* Numbers are signed there, x - 32768 of unsigned ones: the rest of x - x_zero is in the bias. */
static pith_status make_words(pith_prepare *prepare, const pithi_s16_task *task, s16_state *s)
{
    pithi_s8_source source = task->source;
    const int64_t n_columns = source.n_groups * source.n;
    const size_t n_segments = (size_t)s->n_segments, nr = (size_t)s->words->nr;
    const void *packed = NULL;
    void *block = NULL;
    source.segment_length = (int64_t)s->segment_length / 2;
    pithi_s8_weights *w = &s->weights;
    *w = (pithi_s8_weights){ .a_flip = s->flip ? 0 : 0x80,
                             .panel_bytes = n_segments * ((s->segment_length + 3) / 4) * 4 * nr };
    w->group_bytes = (size_t)pithi_div_up(source.n, s->words->nr) * w->panel_bytes;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n_columns, sizeof(int32_t) + sizeof(float), &block));
    w->bias = block;
    w->scale = (float *)(w->bias + n_columns);
    memcpy(w->scale, task->scales, (size_t)n_columns * sizeof(float));
    for (int64_t i = 0; i < n_columns; i++) {
        const column_facts facts = facts_of(&task->source, i);
        const int64_t shift = (s->flip ? 0 : 32768) - source.a_zero;
        w->bias[i] = (int32_t)(uint32_t)(uint64_t)(facts.bias + shift * facts.sum);
    }
    const int64_t key[] = { source.n_groups,     source.n,        source.n_channels, source.n_taps,
                            source.group_stride, source.n_stride, source.c_stride,   source.t_stride,
                            source.segment_length };
    const char *name = s->words->head.name;
    uint64_t hash = pithi_hash(pithi_hash(PITHI_HASH_START, name, strlen(name)), key, sizeof key);
    for (int64_t i = 0; i < n_columns; i++) { /* packed weights are less their zero points */
        const int64_t zero = zero_at(&source, i);
        hash = pithi_hash(hash, &zero, sizeof zero);
    }
    pack_job job = { &source, s->words->nr };
    PITH_TRY(pithi_prepare_pack(prepare, source.weights->data, hash, (size_t)source.n_groups * w->group_bytes,
                                pack_words, &job, &packed));
    w->packed = packed;
    return PITH_OK;
}

/* The constant of a column, bias - x_zero * sum w, is shared out as 256 * high + low. */
static pith_status make_weights(pith_prepare *prepare, const pithi_s16_task *task, s16_state *s, bool *fits_out)
{
    pithi_s8_source source = task->source;
    const int64_t n_columns = source.n_groups * source.n;
    const bool is_wide = pithi_is_16bit(source.a_dtype);
    void *block = NULL;
    source.segment_length = (int64_t)s->segment_length;
    if (is_wide) {
        source.a_dtype = PITH_DTYPE_U8;
        source.a_zero = 0;
        source.bias = NULL;
    }
    PITH_TRY(pithi_s8_weights_make(prepare, &source, true, &s->weights));
    memcpy(s->weights.scale, task->scales, (size_t)n_columns * sizeof(float));
    *fits_out = true;
    if (!is_wide) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n_columns, sizeof(int32_t), &block));
    int32_t *high = block;
    for (int64_t i = 0; i < n_columns; i++) {
        const column_facts facts = facts_of(&task->source, i);
        const int64_t constant = facts.bias - s->pad * facts.sum, low = constant & 255, rest = (constant - low) / 256;
        *fits_out = *fits_out && fits(&facts, 255, rest) && fits(&facts, 255, low);
        high[i] = (int32_t)rest;
        s->weights.bias[i] = (int32_t)low;
    }
    s->bias_high = high;
    return PITH_OK;
}

static pith_status make_segments(pith_prepare *prepare, s16_state *s)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t n = g->in_channels / g->group * (s->words ? 2 : 1); /* bytes */
    const bool merges = g->dilation[2] == 1;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(2 * pithi_conv_taps(g)), sizeof(ptrdiff_t), &block));
    s->offsets = block;
    s->segment_length = (size_t)(merges ? g->kernel[2] * n : n);
    for (int64_t i = 0; i < g->kernel[1]; i++) {
        for (int64_t k = 0; k < (merges ? 1 : g->kernel[2]); k++) {
            s->offsets[s->n_segments++] = (i * g->dilation[1] * s->columns + k * g->dilation[2]) * n;
        }
    }
    for (int i = 0; i < s->n_segments; i++) {
        s->offsets[s->n_segments + i] = s->offsets[i] + (ptrdiff_t)s->plane_bytes;
    }
    return PITH_OK;
}

/* ---- bands ------------------------------------------------------------------------------------ */

/* A product of matrices: no window, no borders. */
static bool is_flat(const pithi_conv_geometry *g)
{
    return pithi_conv_taps(g) == 1 && g->stride[1] == 1 && g->stride[2] == 1 && g->out[1] == g->in[1] &&
           g->out[2] == g->in[2];
}

static int64_t gathered_rows(const pithi_conv_geometry *g, int64_t n_rows)
{
    return (n_rows - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
}

/* Bands fit the cache; bands and blocks of columns are as many as there is work for. */
static void cut(const pith_prepare *prepare, s16_state *s)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t n_channels = g->in_channels / g->group, n = g->out_channels / g->group;
    const double macs = (double)(g->out[1] * g->out[2]) * (double)n * (double)n_channels * (double)pithi_conv_taps(g);
    int64_t wanted = prepare->n_threads > 1 ? pithi_div_up(4 * prepare->n_threads, g->batch * g->group) : 1;
    wanted = pithi_max_s64((int64_t)fmin((double)wanted, macs / (2.0 * PITHI_PART_MACS)), 1);
    s->columns = (g->out[2] - 1) * g->stride[2] + (g->kernel[2] - 1) * g->dilation[2] + 1;
    const int64_t row_bytes = 2 * s->columns * n_channels * g->stride[1];
    s->band = pithi_min_s64(GATHER_BYTES / pithi_max_s64(row_bytes, 1), pithi_div_up(g->out[1], wanted));
    s->band = pithi_max_s64(s->band, 1);
    if (s->band > ROWS && g->out[2] == 1) {
        s->band = s->band / ROWS * ROWS;
    }
    s->n_bands = pithi_div_up(g->out[1], s->band);
    s->block = pithi_div_up(pithi_div_up(n, pithi_div_up(wanted, s->n_bands)), COLUMNS) * COLUMNS;
    s->n_blocks = pithi_div_up(n, s->block);
    s->plane_bytes = (size_t)pithi_align_up((size_t)(gathered_rows(g, s->band) * s->columns * n_channels) + SLACK, 64);
}

static pith_status prepare_products(pith_prepare *prepare, const pithi_s16_task *task, s16_state *s)
{
    bool fits_s32 = false;
    if (is_flat(&s->g)) { /* bands of pixels, not of rows */
        s->g.in[1] = s->g.out[1] = s->g.in[1] * s->g.in[2];
        s->g.in[2] = s->g.out[2] = 1;
        if (s->g.group == 1) {
            s->g.in[1] = s->g.out[1] = s->g.out[1] * s->g.batch;
            s->g.batch = 1;
        }
    }
    const pithi_conv_geometry *g = &s->g;
    if (pithi_is_16bit(task->source.a_dtype) && fit_words(&task->source)) {
        s->words = pithi_gemm_s16(prepare->isa_limit);
        s->is_direct = g->group == 1 && g->in[2] == 1 && is_flat(g);
        fits_s32 = true;
    }
    cut(prepare, s);
    PITH_TRY(make_segments(prepare, s));
    PITH_TRY(s->words ? make_words(prepare, task, s) : make_weights(prepare, task, s, &fits_s32));
    s->scratch_sums = pithi_align_up((size_t)(s->band * g->out[2]) * (sizeof(void *) + 2 * sizeof(int32_t)), 64);
    s->scratch_planes = s->scratch_sums + 2 * (size_t)(ROWS * COLUMNS) * sizeof(int32_t);
    prepare->scratch_bytes = s->scratch_planes + 2 * s->plane_bytes;
    const int64_t n_grains = g->batch * g->group * s->n_bands * s->n_blocks;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_grains, 1024), 1);
    prepare->kernel = s->words ? s->words->head.name : s->weights.kernel->head.name;
    prepare->use_run = fits_s32;
    return PITH_OK;
}

/* ---- depthwise -------------------------------------------------------------------------------- */

static void describe_depthwise(const pithi_s16_task *task, s16_state *s)
{
    const pithi_conv_geometry *g = &s->g;
    s->task = (pith_dwconv_s16_task){ .n_channels = (size_t)g->in_channels,
                                      .in_h = (int)g->in[1],
                                      .in_w = (int)g->in[2],
                                      .out_w = (int)g->out[2],
                                      .kernel_h = (int)g->kernel[1],
                                      .kernel_w = (int)g->kernel[2],
                                      .stride_h = (int)g->stride[1],
                                      .stride_w = (int)g->stride[2],
                                      .dilation_h = (int)g->dilation[1],
                                      .dilation_w = (int)g->dilation[2],
                                      .pad_top = (int)g->pad[1],
                                      .pad_left = (int)g->pad[2],
                                      .x_zero = task->source.a_zero,
                                      .x_is_signed = task->source.a_dtype == PITH_DTYPE_S16 ||
                                                     task->source.a_dtype == PITH_DTYPE_S8,
                                      .x_is_bytes = pithi_is_8bit(task->source.a_dtype),
                                      .scale = task->scales,
                                      .finish = s->finish };
}

static pith_status prepare_depthwise(pith_prepare *prepare, const pithi_s16_task *task, s16_state *s)
{
    const pithi_s8_source *from = &task->source;
    const size_t n = (size_t)s->g.in_channels, n_taps = (size_t)pithi_conv_taps(&s->g);
    void *block = NULL;
    bool fits_s32 = true;
    describe_depthwise(task, s);
    PITH_TRY(pithi_arena_array(prepare->arena, n * n_taps, sizeof(int16_t), &block));
    int16_t *w = block;
    PITH_TRY(pithi_arena_array(prepare->arena, n, sizeof(int32_t), &block));
    int32_t *bias = block;
    for (size_t c = 0; c < n; c++) {
        const column_facts facts = facts_of(from, (int64_t)c);
        for (size_t t = 0; t < n_taps; t++) {
            const int64_t at = (int64_t)c * from->group_stride + (int64_t)t * from->t_stride;
            w[t * n + c] = (int16_t)(pithi_tensor_get_s64(from->weights, at) - zero_at(from, (int64_t)c));
        }
        bias[c] = (int32_t)facts.bias;
        fits_s32 = fits_s32 && fits(&facts, 65535, facts.bias);
    }
    s->task.w = w;
    s->task.bias = bias;
    PITH_TRY(pithi_arena_alloc(prepare->arena, s->depthwise->pack_bytes(&s->task), &block));
    s->depthwise->pack(&s->task, block);
    s->task.packed = block;
    const int64_t macs = s->g.out[1] * s->g.out[2] * s->g.in_channels * (int64_t)n_taps;
    s->n_bands = pithi_min_s64(pithi_min_s64(4 * prepare->n_threads, s->g.out[1]), macs / PITHI_PART_MACS);
    s->n_bands = pithi_max_s64(s->n_bands, 1);
    prepare->max_parts = (int)pithi_min_s64(s->g.batch * s->n_bands, 1024);
    prepare->scratch_bytes = s->depthwise->scratch_bytes(&s->task);
    prepare->kernel = s->depthwise->head.name;
    prepare->use_run = fits_s32;
    return PITH_OK;
}

pith_status pithi_s16_prepare(pith_prepare *prepare, const pithi_s16_task *task)
{
    const pithi_conv_geometry *g = &task->g;
    const bool is_wide = pithi_is_16bit(task->source.a_dtype);
    void *block = NULL;
    if (!pithi_conv_is_reasonable(g) || !g->channels_last || g->in[0] != 1 || g->out[0] != 1 || g->kernel[0] != 1 ||
        g->in_channels <= 0 || pith_shape_elements(&prepare->outputs[0].shape) == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(s16_state), &block));
    s16_state *s = block;
    *s = (s16_state){ .g = *g,
                      .kernel = pithi_s16(prepare->isa_limit),
                      .finish = { task->finish.zero, task->finish.low, task->finish.high,
                                  pithi_s16_type(task->y_dtype) },
                      .flip = task->source.a_dtype == PITH_DTYPE_S16 ? 0x8000 : 0 };
    s->pad = is_wide ? (uint16_t)((uint16_t)task->source.a_zero ^ s->flip) : (uint8_t)task->source.a_zero;
    prepare->state = s;
    if (pithi_conv_is_depthwise(g)) {
        s->depthwise = pithi_dwconv_s16(prepare->isa_limit);
        return prepare_depthwise(prepare, task, s);
    }
    return prepare_products(prepare, task, s);
}

/* ---- run -------------------------------------------------------------------------------------- */

/* n numbers of x from element `at` to element `index` of the planes, or words; at < 0: padding. */
static void take(const s16_state *s, const void *x, int64_t at, uint8_t *planes, int64_t index, int64_t n)
{
    uint8_t *to = planes + index * (s->words ? 2 : 1);
    if (s->words && at >= 0) {
        memcpy(to, (const uint16_t *)x + at, (size_t)n * sizeof(uint16_t));
    } else if (s->words) {
        for (int64_t i = 0; i < n; i++) {
            ((uint16_t *)(void *)to)[i] = s->pad ^ s->flip;
        }
    } else if (at < 0) {
        memset(to, s->bias_high ? s->pad >> 8 : s->pad, (size_t)n);
        if (s->bias_high) {
            memset(to + s->plane_bytes, s->pad & 255, (size_t)n);
        }
    } else if (s->bias_high) {
        s->kernel->split((const uint16_t *)x + at, s->flip, to, to + s->plane_bytes, (size_t)n);
    } else {
        memcpy(to, (const uint8_t *)x + at, (size_t)n);
    }
}

/* One row of a band from column -pad of the image, to element `index`; row < 0: outside. */
static void take_row(const s16_state *s, const void *x, int64_t row, int64_t group, uint8_t *planes, int64_t index)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t first = -g->pad[2], n = g->in_channels / g->group, count = s->columns;
    const int64_t begin = row < 0 ? count : pithi_min_s64(pithi_max_s64(-first, 0), count);
    const int64_t end = row < 0 ? count : pithi_max_s64(pithi_min_s64(count, g->in[2] - first), begin);
    const int64_t at = (row + first + begin) * g->in_channels + group * n;
    if (begin > 0) {
        take(s, x, -1, planes, index, begin * n);
    }
    if (g->group == 1 && end > begin) {
        take(s, x, at, planes, index + begin * n, (end - begin) * n);
    }
    for (int64_t i = begin; i < end && g->group > 1; i++) {
        take(s, x, at + (i - begin) * g->in_channels, planes, index + i * n, n);
    }
    if (count > end) {
        take(s, x, -1, planes, index + end * n, (count - end) * n);
    }
}

static void gather(const s16_state *s, const void *x, int64_t image, int64_t group, int64_t out_row, int64_t n_rows,
                   uint8_t *to)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t n = g->in_channels / g->group, image_row = image * g->in[1];
    int64_t y = out_row * g->stride[1] - g->pad[1];
    if (g->in[2] == 1 && g->group == 1 && is_flat(g)) {
        take(s, x, (image_row + y) * n, to, 0, n_rows * n); /* rows of a matrix */
        return;
    }
    for (int64_t i = 0; i < gathered_rows(g, n_rows); i++, y++) {
        const bool is_inside = y >= 0 && y < g->in[1];
        take_row(s, x, is_inside ? (image_row + y) * g->in[2] : -1, group, to, i * s->columns * n);
    }
}

/* Gathers a band and sets its pixels' row pointers; returns how many. */
static int64_t start_band(const s16_state *s, const void *x, int64_t image, int64_t group, int64_t band, char *scratch)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t n = g->in_channels / g->group, first = band * s->band;
    const int64_t n_rows = pithi_min_s64(s->band, g->out[1] - first);
    const uint8_t **rows = (const uint8_t **)(void *)scratch;
    uint8_t *planes = (uint8_t *)scratch + s->scratch_planes;
    const int64_t item = s->words ? 2 : 1;
    for (int64_t i = 0; i < n_rows && s->is_direct; i++) {
        rows[i] = (const uint8_t *)x + ((image * g->in[1] + first + i) * n) * item;
    }
    if (s->is_direct) {
        return n_rows;
    }
    gather(s, x, image, group, first, n_rows, planes);
    for (int64_t i = 0; i < n_rows; i++) {
        for (int64_t k = 0; k < g->out[2]; k++) {
            *rows++ = planes + (i * g->stride[1] * s->columns + k * g->stride[2]) * n * item;
        }
    }
    return n_rows * g->out[2];
}

/* A few columns of a band: to y, whose rows are those of all output channels. */
static void run_columns(const s16_state *s, int64_t group, int64_t n0, int64_t n, char *scratch, int64_t n_pixels,
                        char *y)
{
    const int64_t per_group = s->g.out_channels / s->g.group, column = group * per_group + n0;
    const uint8_t *const *rows = (const uint8_t *const *)(void *)scratch;
    const int64_t most = s->band * s->g.out[2];
    const int32_t *row_sums = (const int32_t *)(const void *)(scratch + (size_t)most * sizeof(void *));
    const size_t item = pith_s16_bytes(s->finish.type);
    int32_t *sums = (int32_t *)(void *)(scratch + s->scratch_sums);
    pith_gemm_s8_tile tile = { .n_segments = s->n_segments, .segment_length = s->segment_length,
                               .a_is_padded = true, .c_stride = (size_t)n };
    pith_s16_join join = { .high = s->bias_high ? sums + ROWS * COLUMNS : NULL, .low = sums, .step = (size_t)n,
                           .scale = s->weights.scale + column, .y_step = (size_t)s->g.out_channels,
                           .n_columns = (int)n, .finish = s->finish };
    pithi_s8_fill_tile(&s->weights, group, per_group, n0, n, &tile);
    tile.scale = NULL;
    for (int64_t i = 0; i < n_pixels; i += ROWS, y += (size_t)(ROWS * s->g.out_channels) * item) {
        tile.mr = join.n_rows = (int)pithi_min_s64(ROWS, n_pixels - i);
        tile.a_rows = rows + i;
        for (int plane = 0; plane < (s->bias_high ? 2 : 1); plane++) { /* high, then low; bytes alone are low ones */
            const bool is_high = s->bias_high && plane == 0;
            tile.segment_offsets = s->offsets + (plane ? s->n_segments : 0);
            tile.bias = (is_high ? s->bias_high : s->weights.bias) + column;
            tile.row_sums = s->weights.has_b_zero ? row_sums + plane * most + i : NULL;
            tile.c = is_high ? sums + ROWS * COLUMNS : sums;
            s->weights.kernel->tile(&tile);
        }
        join.y = y;
        s->kernel->join(&join);
    }
}

/* All columns of a block at once. */
static void run_words(const s16_state *s, int64_t group, int64_t n0, int64_t n, char *scratch, int64_t n_pixels,
                      char *y)
{
    const int64_t per_group = s->g.out_channels / s->g.group, column = group * per_group + n0;
    const pith_gemm_s8_tile tile = {
        .a_rows = (const uint8_t *const *)(void *)scratch, .segment_offsets = s->offsets,
        .n_segments = s->n_segments, .segment_length = s->segment_length, .a_flip = s->weights.a_flip,
        .a_is_padded = !s->is_direct,
        .b = s->weights.packed + (size_t)group * s->weights.group_bytes +
             (size_t)(n0 / s->words->nr) * s->weights.panel_bytes,
        .b_panel_stride = s->weights.panel_bytes, .bias = s->weights.bias + column, .scale = s->weights.scale + column,
        .zero = s->finish.zero, .low = s->finish.low, .high = s->finish.high, .c = y,
        .c_stride = (size_t)s->g.out_channels, .mr = (int)n_pixels, .n_columns = (int)n,
        .c_is_wide = s->finish.type >= PITH_S16_U16,
    };
    s->words->tile(&tile);
}

/* Sums of the rows of both planes, for weights with zero points. */
static void sum_rows(const s16_state *s, char *scratch, int64_t n_pixels)
{
    const int64_t most = s->band * s->g.out[2];
    int32_t *sums = (int32_t *)(void *)(scratch + (size_t)most * sizeof(void *));
    pith_gemm_s8_tile tile = { .a_rows = (const uint8_t *const *)(void *)scratch, .segment_offsets = s->offsets,
                               .n_segments = s->n_segments, .segment_length = s->segment_length,
                               .a_flip = s->weights.a_flip, .mr = (int)n_pixels };
    s->weights.kernel->row_sums(&tile, sums);
    if (s->bias_high) {
        tile.segment_offsets = s->offsets + s->n_segments;
        s->weights.kernel->row_sums(&tile, sums + most);
    }
}

static void run_products(const s16_state *s, const void *x, char *y, const pith_part *part)
{
    const pithi_conv_geometry *g = &s->g;
    const int64_t n = g->out_channels / g->group, n_out = g->out[1] * g->out[2];
    const size_t item = pith_s16_bytes(s->finish.type);
    int64_t begin, end, n_pixels = 0, current = -1;
    pithi_part_range(part, g->batch * g->group * s->n_bands * s->n_blocks, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i / s->n_blocks, band = at % s->n_bands, group = at / s->n_bands % g->group;
        const int64_t image = at / s->n_bands / g->group, pixel = image * n_out + band * s->band * g->out[2];
        if (at != current) {
            n_pixels = start_band(s, x, image, group, band, part->scratch);
            if (s->weights.has_b_zero) {
                sum_rows(s, part->scratch, n_pixels);
            }
            current = at;
        }
        const int64_t first = i % s->n_blocks * s->block, last = pithi_min_s64(first + s->block, n);
        if (s->words) {
            run_words(s, group, first, last - first, part->scratch, n_pixels,
                      y + (size_t)(pixel * g->out_channels + group * n + first) * item);
        }
        for (int64_t n0 = first; n0 < last && !s->words; n0 += COLUMNS) {
            run_columns(s, group, n0, pithi_min_s64(COLUMNS, last - n0), part->scratch, n_pixels,
                        y + (size_t)(pixel * g->out_channels + group * n + n0) * item);
        }
    }
}

static void run_depthwise(const s16_state *s, const void *x, char *y, const pith_part *part)
{
    const pithi_conv_geometry *g = &s->g;
    const size_t item = pith_s16_bytes(s->finish.type);
    int64_t begin, end;
    pithi_part_range(part, g->batch * s->n_bands, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t image = i / s->n_bands, band = i % s->n_bands;
        pith_dwconv_s16_task task = s->task;
        task.x = (const char *)x + image * g->in[1] * g->in[2] * g->in_channels * (s->task.x_is_bytes ? 1 : 2);
        task.y = y + (size_t)(image * g->out[1] * g->out[2] * g->in_channels) * item;
        task.y_begin = (int)(g->out[1] * band / s->n_bands);
        task.y_end = (int)(g->out[1] * (band + 1) / s->n_bands);
        task.scratch = part->scratch;
        s->depthwise->run(&task);
    }
}

void pithi_s16_run(const void *state, const void *x, void *y, const pith_part *part)
{
    const s16_state *s = state;
    if (s->depthwise) {
        run_depthwise(s, x, y, part);
    } else {
        run_products(s, x, y, part);
    }
}
