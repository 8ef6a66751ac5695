/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolutions of stride 1 by kernels/winograd_f32.h: a band of tile rows is transformed into scratch, then
 * for each block of output columns come n x n products (one per position of a tile) and the transform back.
 *
 * Which F(m x m), or none, is a matter of estimated cycles; docs/numerics.md has the errors. */
#include <math.h>

#include "ops/shared_conv_f32.h"

#define MIN_CHANNELS 8
#define MAX_BLOCK 96
#define MAX_POSITIONS (PITH_WINOGRAD_F32_MAX_N * PITH_WINOGRAD_F32_MAX_N)
#define MAX_LANES 64 /* of a panel */
#define SMALL_WEIGHTS (2.0 * (double)PITHI_L2_SHARE) /* bytes, transformed: they stay in L2 */
#define LARGE_WEIGHTS (2.0 * SMALL_WEIGHTS)
#define HUGE_WEIGHTS (double)(16 << 20)              /* they come from memory */
#define SOME_TILES 56  /* of a band where weights come from L3, */
#define MANY_TILES 112 /* and where they come from memory */
#define ADVANTAGE_6 0.9 /* F(6x6) loses two bits more than F(4x4): it has to be faster by more than that */

static int64_t tile_size(const pithi_conv_winograd *w) { return 2 * w->kernel->n_pairs; }

static int64_t n_positions(const pithi_conv_winograd *w) { return (tile_size(w) + 2) * (tile_size(w) + 2); }

static bool fits(const pithi_conv_geometry *g)
{
    return pithi_conv_is_3x3(g) && g->in_channels >= MIN_CHANNELS && g->out_channels >= MIN_CHANNELS;
}

/* Distance of positions; the odd line keeps them from meeting in one set of the cache. */
static int64_t position_stride(const pithi_conv_winograd *w, int64_t n_columns)
{
    return w->band_rows * w->tiles_w * n_columns + 16;
}

/* Bytes of transformed weights. */
static double weight_bytes(const pithi_conv_f32 *conv, const pithi_conv_winograd *w)
{
    int64_t nr = conv->gemm->nr, columns = pithi_div_up(conv->g.out_channels, nr) * nr / conv->fold;
    return (double)n_positions(w) * (double)conv->g.in_channels * (double)columns * sizeof(float);
}

/* Bands stay in L2 where the weights do. Larger weights are read again for each band: tiles enough then, that the
 * products with them take longer than reading them does. The transformed input may fill more than L2 for that. */
static int64_t band_height(const pithi_conv_f32 *conv, const pithi_conv_winograd *w, int n_threads)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t row_bytes = w->tiles_w * n_positions(w) * g->in_channels * (int64_t)sizeof(float);
    double bytes = weight_bytes(conv, w);
    int64_t budget = (int64_t)PITHI_L2_SHARE * (bytes > SMALL_WEIGHTS ? 2 : 1);
    int64_t rows = budget / row_bytes, parts = n_threads > 1 ? 2 * n_threads : 1;
    if (bytes > LARGE_WEIGHTS) {
        int64_t tiles = bytes > HUGE_WEIGHTS ? MANY_TILES : SOME_TILES;
        rows = pithi_max_s64(rows, pithi_div_up(tiles, w->tiles_w));
        parts = pithi_div_up(parts, pithi_div_up(g->out_channels, MAX_BLOCK)); /* the others by columns */
    }
    parts = g->batch < n_threads ? parts : 1;
    rows = pithi_max_s64(pithi_min_s64(rows, w->tiles_h / parts), 1);
    return pithi_div_up(w->tiles_h, pithi_div_up(w->tiles_h, rows));
}

static void lay_out(const pithi_conv_f32 *conv, int n_threads, pithi_conv_winograd *w)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t nr = conv->gemm->nr;
    w->tiles_h = pithi_div_up(g->out[1], tile_size(w));
    w->tiles_w = pithi_div_up(g->out[2], tile_size(w));
    w->band_rows = band_height(conv, w, n_threads);
    w->n_bands = pithi_div_up(w->tiles_h, w->band_rows);
    int64_t column_bytes = w->band_rows * w->tiles_w * n_positions(w) * (int64_t)sizeof(float);
    int64_t share = (int64_t)PITHI_L2_SHARE * (weight_bytes(conv, w) > HUGE_WEIGHTS ? 2 : 1);
    int64_t columns = pithi_min_s64(share / column_bytes, MAX_BLOCK) / nr * nr;
    columns = pithi_min_s64(pithi_max_s64(columns, 2 * nr), g->out_channels);
    int64_t n_blocks = pithi_div_up(g->out_channels, columns);
    w->block_columns = pithi_div_up(pithi_div_up(g->out_channels, n_blocks), nr) * nr;
    w->n_blocks = pithi_div_up(g->out_channels, w->block_columns);
    w->v_stride = position_stride(w, g->in_channels);
    w->m_stride = position_stride(w, w->block_columns);
}

/* Vectors of outputs that a product takes, per value of k. */
static double count_panels(const pithi_conv_f32 *conv)
{
    int64_t nr = conv->gemm->nr, n = conv->g.out_channels;
    return (double)pithi_div_up(n, nr) / conv->fold;
}

/* To read weights: what L2 can't keep comes from memory once a run, since all weights together rarely fit L3. */
static double read_cycles(double bytes)
{
    return bytes / (bytes > SMALL_WEIGHTS ? 10 : 40);
}

/* Cycles of a machine with two multiply-adds per cycle. Those of a tile's transforms by a vector of channels fit what
 * layers of 16 to 64 channels took beside their products, image and scratch memory included (`bench/choices.py`). */
static double cost(const pithi_conv_f32 *conv, const pithi_conv_winograd *w)
{
    static const double transforms[PITH_WINOGRAD_F32_MAX_PAIRS][2] = { { 60, 44 }, { 260, 220 }, { 460, 410 } };
    const pithi_conv_geometry *g = &conv->g;
    const double *transform = transforms[w->kernel->n_pairs - 1];
    double panels = count_panels(conv), n_tiles = (double)(w->tiles_h * w->tiles_w);
    double n_c = (double)g->in_channels, products = n_tiles * (double)n_positions(w) * n_c * panels / 2;
    double vectors = (double)pithi_div_up(g->in_channels, conv->gemm->nr);
    double bytes = weight_bytes(conv, w), again = (double)(w->n_bands - 1) * bytes / (bytes > SMALL_WEIGHTS ? 20 : 40);
    double weights = read_cycles(bytes) + again;
    return products + weights + n_tiles * (vectors * transform[0] + panels * transform[1]);
}

static double direct_cost(const pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    double panels = count_panels(conv), n_c = (double)g->in_channels;
    return (double)(g->out[1] * g->out[2]) * 9 * n_c * panels / 2 + read_cycles(9 * n_c * panels * conv->gemm->nr * 4);
}

static void plan_chosen(pithi_conv_f32 *conv, pithi_conv_winograd chosen, int n_threads)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t nr = conv->gemm->nr;
    lay_out(conv, n_threads, &chosen);
    conv->winograd = chosen;
    conv->n_grains = g->batch * chosen.n_bands * chosen.n_blocks;
    conv->packed_floats = (size_t)(pithi_div_up(g->out_channels, nr) * nr * n_positions(&chosen) * g->in_channels);
    conv->scratch_rows =
        pithi_align_up((size_t)(chosen.band_rows * chosen.tiles_w) * sizeof(float *), PITH_ALIGNMENT);
}

/* Names of all ways, and a line with the estimate of each. */
static pith_status explain(pith_prepare *prepare, const pith_kernel_set *set, const double *cycles, double direct)
{
    void *block = NULL;
    pithi_text line = { .ctx = prepare->ctx };
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)set->n_records + 2, sizeof(char *), &block));
    const char **names = block;
    names[0] = "estimate";
    names[1] = "direct";
    pithi_text_add(&line, "cycles estimated: direct %.3g", direct);
    for (int i = 0; i < set->n_records; i++) {
        names[2 + i] = ((const pith_winograd_f32 *)set->records + i)->head.name;
        pithi_text_add(&line, ", %s %.3g", names[2 + i], cycles[i]);
    }
    pithi_text_add(&line, "%s", prepare->choice ? "; chosen by timing" : "");
    pith_status status = line.failed ? PITH_STATUS_NOMEM
                                     : pithi_arena_text(prepare->arena, line.data, line.n_bytes, &prepare->why);
    pithi_text_deinit(&line);
    prepare->choices = names;
    prepare->n_choices = set->n_records + 2;
    return status;
}

pith_status pithi_conv_winograd_plan(pith_prepare *prepare, pithi_conv_f32 *conv, bool *is_used)
{
    const pithi_conv_geometry *g = &conv->g;
    const pith_kernel_set *set = pithi_winograd_f32(prepare->isa_limit);
    double cycles[PITH_WINOGRAD_F32_MAX_PAIRS];
    pithi_conv_winograd chosen = { 0 };
    if (!fits(g)) {
        prepare->why = "direct: Winograd is for 3x3 filters of stride 1 with channels enough";
        return PITH_OK;
    }
    conv->fold = pithi_gemm_f32_fold(conv->gemm, g->out_channels);
    double direct = direct_cost(conv), best = 0.9 * direct;
    bool is_given = prepare->choice > 0 && prepare->choice < set->n_records + 2;
    for (int i = 0; i < set->n_records && i < PITH_COUNT(cycles); i++) {
        pithi_conv_winograd w = { .kernel = (const pith_winograd_f32 *)set->records + i };
        lay_out(conv, 1, &w); /* the choice, and so the bits, must not depend on threads */
        cycles[i] = cost(conv, &w);
        if (is_given ? prepare->choice == i + 2 : cycles[i] < best * (i == 2 ? ADVANTAGE_6 : 1.0)) {
            best = cycles[i];
            chosen = w;
        }
    }
    if (chosen.kernel) {
        plan_chosen(conv, chosen, prepare->n_threads);
    }
    *is_used = chosen.kernel != NULL;
    return explain(prepare, set, cycles, direct);
}

/* Row pointers, transformed input, products. */
size_t pithi_conv_winograd_scratch_bytes(const pithi_conv_f32 *conv)
{
    const pithi_conv_winograd *w = &conv->winograd;
    return conv->scratch_rows + (size_t)(n_positions(w) * (w->v_stride + w->m_stride)) * sizeof(float);
}

/* ---- weights ------------------------------------------------------------------------------ */

/* Floats in front of position 0 of a block: [block][position][panel][channel][nr]. */
static int64_t block_offset(const pithi_conv_f32 *conv, int64_t block)
{
    return block * conv->winograd.block_columns * n_positions(&conv->winograd) * conv->g.in_channels;
}

static int64_t block_width(const pithi_conv_f32 *conv, int64_t block)
{
    int64_t n0 = block * conv->winograd.block_columns;
    return pithi_min_s64(conv->winograd.block_columns, conv->g.out_channels - n0);
}

/* Floats of one position of a block. */
static int64_t position_floats(const pithi_conv_f32 *conv, int64_t block)
{
    int64_t nr = conv->gemm->nr, n_c = conv->g.in_channels, n = block_width(conv, block);
    return pithi_div_up(n, nr) * nr * pithi_div_up(n_c, conv->fold);
}

/* Lanes past the last column are zero. */
static void pack_panel(const pithi_conv_f32 *conv, const float *w, int64_t n0, float *to, int64_t position)
{
    int64_t n_c = conv->g.in_channels, nr = conv->gemm->nr, lanes = pithi_min_s64(nr, conv->g.out_channels - n0);
    int64_t positions = n_positions(&conv->winograd);
    int fold = lanes < nr ? conv->fold : 1;
    for (int64_t p = 0; p < positions && lanes < nr; p++) {
        memset(to + p * position, 0, (size_t)(nr * pithi_div_up(n_c, fold)) * sizeof(float));
    }
    const pith_winograd_f32_rows rows = pithi_winograd_f32_rows(conv->winograd.kernel);
    for (int64_t c = 0; c < n_c; c++) {
        float u[MAX_LANES][MAX_POSITIONS];
        for (int64_t lane = 0; lane < lanes; lane++) {
            float taps[9];
            memcpy(taps, (const char *)w + ((n0 + lane) * n_c + c) * (int64_t)sizeof taps, sizeof taps);
            pithi_winograd_f32_weights(&rows, taps, u[lane]);
        }
        /* Line by line: positions lie a power of two apart, so their lines share a set of the cache. */
        for (int64_t p = 0; p < positions; p++) {
            for (int64_t lane = 0; lane < lanes; lane++) {
                size_t place = fold == 1 ? (size_t)(c * nr + lane) /* as below, without its divisions */
                                         : pithi_gemm_f32_place(conv->gemm, fold, (size_t)n_c, (size_t)c, (size_t)lane);
                to[p * position + (int64_t)place] = u[lane][p];
            }
        }
    }
}

/* Items are panels. */
void pithi_conv_winograd_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end)
{
    int64_t n_c = conv->g.in_channels, nr = conv->gemm->nr, columns = conv->winograd.block_columns;
    for (int64_t panel = begin; panel < end; panel++) {
        int64_t n0 = panel * nr, block = n0 / columns;
        pack_panel(conv, w, n0, packed + block_offset(conv, block) + n0 % columns * n_c,
                   position_floats(conv, block));
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct work {
    const float **rows;
    float *v, *m;
} work;

static work split_scratch(const pithi_conv_f32 *conv, void *scratch)
{
    const pithi_conv_winograd *w = &conv->winograd;
    work s = { .rows = scratch, .v = (float *)(void *)((char *)scratch + conv->scratch_rows) };
    s.m = s.v + n_positions(w) * w->v_stride;
    return s;
}

static void transform_band(const pithi_conv_f32 *conv, const float *image, int64_t first_row, int64_t n_rows,
                           const work *s)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t n_c = g->in_channels;
    pith_winograd_f32_input row = { .x = image, .x_row_stride = (size_t)(g->in[2] * conv->x_pixel),
                                    .x_pixel_stride = (size_t)conv->x_pixel,
                                    .in_h = (int)g->in[1], .in_w = (int)g->in[2],
                                    .x_first = (int)-g->pad[2], .v_stride = (size_t)w->v_stride,
                                    .n_channels = (size_t)n_c, .n_tiles = (int)w->tiles_w };
    for (int64_t i = 0; i < n_rows; i++) {
        row.y_first = (int)(tile_size(w) * (first_row + i) - g->pad[1]);
        row.v = s->v + i * w->tiles_w * n_c;
        w->kernel->input(&row);
    }
    for (int64_t t = 0; t < n_rows * w->tiles_w; t++) {
        s->rows[t] = s->v + t * n_c;
    }
}

static void multiply_block(const pithi_conv_f32 *conv, const float *packed, int64_t block, int64_t n_tiles,
                           const work *s)
{
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t nr = conv->gemm->nr, n_c = conv->g.in_channels, columns = block_width(conv, block);
    for (int64_t p = 0; p < n_positions(w); p++) {
        ptrdiff_t offset = p * w->v_stride;
        pith_gemm_f32_tile tile = {
            .a_rows = s->rows,
            .segment_offsets = &offset,
            .n_segments = 1,
            .segment_length = (size_t)n_c,
            .b = packed + block_offset(conv, block) + p * position_floats(conv, block),
            .b_row_stride = (size_t)nr,
            .b_panel_stride = (size_t)(nr * n_c),
            .c = s->m + p * w->m_stride,
            .c_stride = (size_t)w->block_columns,
            .mr = (int)n_tiles,
            .n_columns = (int)columns,
            .fold = conv->fold,
            .lo = -INFINITY,
            .hi = INFINITY,
        };
        (conv->fold > 1 ? conv->gemm->narrow : conv->gemm->tile)(&tile);
    }
}

static void restore_block(const pithi_conv_f32 *conv, const pithi_conv_operands *o, int64_t image, int64_t first_row,
                          int64_t n_rows, int64_t block, const work *s)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_winograd *w = &conv->winograd;
    const float *residual = pithi_finish_residual(&conv->finish, o->residual);
    int64_t n0 = block * w->block_columns;
    pith_winograd_f32_output row = { .m_stride = (size_t)w->m_stride, .m_tile_stride = (size_t)w->block_columns,
                                     .bias = o->bias ? o->bias + n0 : NULL,
                                     .y_row_stride = (size_t)(g->out[2] * conv->y_pixel),
                                     .y_pixel_stride = (size_t)conv->y_pixel,
                                     .n_channels = (size_t)block_width(conv, block),
                                     .n_tiles = (int)w->tiles_w, .columns = (int)g->out[2],
                                     .lo = conv->finish.lo, .hi = conv->finish.hi };
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t y = tile_size(w) * (first_row + i), at = (image * g->out[1] + y) * g->out[2] * conv->y_pixel + n0;
        row.m = s->m + i * w->tiles_w * w->block_columns;
        row.y = o->y + at;
        row.residual = residual ? residual + at : NULL;
        row.rows = (int)pithi_min_s64(tile_size(w), g->out[1] - y);
        w->kernel->output(&row);
        for (int k = 0; k < row.rows; k++) {
            pithi_conv_finish_row(conv, o, image * g->out[1] + y + k, n0, (int64_t)row.n_channels);
        }
    }
}

void pithi_conv_winograd_run(const pithi_conv_f32 *conv, const pithi_conv_operands *o, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_winograd *w = &conv->winograd;
    work s = split_scratch(conv, part->scratch);
    int64_t begin = 0, end = 0, current = -1;
    pithi_part_range(part, conv->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        int64_t band = grain / w->n_blocks, block = grain % w->n_blocks, image = band / w->n_bands;
        int64_t row = band % w->n_bands * w->band_rows, n_rows = pithi_min_s64(w->band_rows, w->tiles_h - row);
        if (band != current) {
            transform_band(conv, o->x + image * g->in[1] * g->in[2] * conv->x_pixel, row, n_rows, &s);
            current = band;
        }
        multiply_block(conv, o->packed, block, n_rows * w->tiles_w, &s);
        restore_block(conv, o, image, row, n_rows, block, &s);
    }
}
