/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolutions of stride 1 by kernels/winograd_f32.h: a band of tile rows is transformed into scratch, then
 * for each block of output columns come 16 products (one per position of a tile) and the transform back.
 *
 * F(2x2) only: 2.25 times fewer multiplications with the error of a direct sum times about 3. Larger tiles
 * would save more, but lose three to four bits. */
#include <math.h>

#include "ops/shared_conv_f32.h"

#define N_POSITIONS 16
#define MIN_CHANNELS 32 /* below, the transforms cost what the products save */
#define MIN_TILES 36 /* below, reading 16/9 of the weights costs more than the products */
#define MAX_BLOCK 96

bool pithi_conv_winograd_fits(const pithi_conv_geometry *g)
{
    int64_t n_tiles = pithi_div_up(g->out[1], 2) * pithi_div_up(g->out[2], 2);
    return !g->is_transposed && g->group == 1 && g->kernel[0] == 1 && g->in[0] == 1 && g->pad[0] == 0 &&
           g->out[0] == 1 && g->kernel[1] == 3 && g->kernel[2] == 3 && g->stride[1] == 1 && g->stride[2] == 1 &&
           g->dilation[1] == 1 && g->dilation[2] == 1 && g->in_channels >= MIN_CHANNELS &&
           g->out_channels >= MIN_CHANNELS && n_tiles >= MIN_TILES;
}

/* Distance of positions; the odd line keeps them from meeting in one set of the cache. */
static int64_t position_stride(const pithi_conv_winograd *w, int64_t n_columns)
{
    return w->band_rows * w->tiles_w * n_columns + 16;
}

void pithi_conv_winograd_plan(pithi_conv_f32 *conv, int isa_limit)
{
    const pithi_conv_geometry *g = &conv->g;
    pithi_conv_winograd *w = &conv->winograd;
    int64_t nr = conv->gemm->nr;
    w->kernel = pithi_winograd_f32(isa_limit);
    w->tiles_h = pithi_div_up(g->out[1], 2);
    w->tiles_w = pithi_div_up(g->out[2], 2);
    int64_t row_bytes = w->tiles_w * N_POSITIONS * g->in_channels * (int64_t)sizeof(float);
    /* Weights beyond L2 are read again for each band, so bands are higher then. */
    bool has_small_weights = g->in_channels * g->out_channels * N_POSITIONS <= (int64_t)PITHI_L2_SHARE / 2;
    int64_t budget = (int64_t)PITHI_L2_SHARE * (has_small_weights ? 1 : 2);
    int64_t rows = pithi_max_s64(budget / row_bytes, 1);
    w->band_rows = pithi_div_up(w->tiles_h, pithi_div_up(w->tiles_h, pithi_min_s64(rows, w->tiles_h)));
    w->n_bands = pithi_div_up(w->tiles_h, w->band_rows);
    int64_t column_bytes = w->band_rows * w->tiles_w * N_POSITIONS * (int64_t)sizeof(float);
    int64_t columns = pithi_min_s64((int64_t)PITHI_L2_SHARE / column_bytes, MAX_BLOCK) / nr * nr;
    columns = pithi_min_s64(pithi_max_s64(columns, 2 * nr), g->out_channels);
    int64_t n_blocks = pithi_div_up(g->out_channels, columns);
    w->block_columns = pithi_div_up(pithi_div_up(g->out_channels, n_blocks), nr) * nr;
    w->n_blocks = pithi_div_up(g->out_channels, w->block_columns);
    w->v_stride = position_stride(w, g->in_channels);
    w->m_stride = position_stride(w, w->block_columns);
    conv->n_grains = g->batch * w->n_bands * w->n_blocks;
    conv->packed_floats = (size_t)(pithi_div_up(g->out_channels, nr) * nr * N_POSITIONS * g->in_channels);
    conv->scratch_rows = pithi_align_up((size_t)(w->band_rows * w->tiles_w) * sizeof(float *), PITH_ALIGNMENT);
}

/* Row pointers, transformed input, products, one pixel of zeros. */
size_t pithi_conv_winograd_scratch_bytes(const pithi_conv_f32 *conv)
{
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t floats = N_POSITIONS * (w->v_stride + w->m_stride) + conv->g.in_channels;
    return conv->scratch_rows + (size_t)floats * sizeof(float);
}

/* ---- weights ------------------------------------------------------------------------------ */

/* u = G g Gt in double, rounded once. */
static void transform_weights(const float g[9], float u[N_POSITIONS])
{
    double t[4][3];
    for (int j = 0; j < 3; j++) {
        double top = (double)g[j], middle = (double)g[3 + j], bottom = (double)g[6 + j];
        t[0][j] = top;
        t[1][j] = 0.5 * (top + middle + bottom);
        t[2][j] = 0.5 * (top - middle + bottom);
        t[3][j] = bottom;
    }
    for (int i = 0; i < 4; i++) {
        u[4 * i] = (float)t[i][0];
        u[4 * i + 1] = (float)(0.5 * (t[i][0] + t[i][1] + t[i][2]));
        u[4 * i + 2] = (float)(0.5 * (t[i][0] - t[i][1] + t[i][2]));
        u[4 * i + 3] = (float)t[i][2];
    }
}

/* Floats in front of position 0 of a block: [block][position][panel][channel][nr]. */
static int64_t block_offset(const pithi_conv_f32 *conv, int64_t block)
{
    return block * conv->winograd.block_columns * N_POSITIONS * conv->g.in_channels;
}

static int64_t block_width(const pithi_conv_f32 *conv, int64_t block)
{
    int64_t n0 = block * conv->winograd.block_columns;
    return pithi_min_s64(conv->winograd.block_columns, conv->g.out_channels - n0);
}

/* Lanes past the last column are zero. */
static void pack_panel(const pithi_conv_f32 *conv, const float *w, int64_t n0, float *to, int64_t position)
{
    int64_t n_c = conv->g.in_channels, nr = conv->gemm->nr, lanes = pithi_min_s64(nr, conv->g.out_channels - n0);
    for (int64_t p = 0; p < N_POSITIONS && lanes < nr; p++) {
        memset(to + p * position, 0, (size_t)(nr * n_c) * sizeof(float));
    }
    for (int64_t lane = 0; lane < lanes; lane++) {
        for (int64_t c = 0; c < n_c; c++) {
            float u[N_POSITIONS];
            transform_weights(w + ((n0 + lane) * n_c + c) * 9, u);
            for (int64_t p = 0; p < N_POSITIONS; p++) {
                to[p * position + c * nr + lane] = u[p];
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
                   pithi_div_up(block_width(conv, block), nr) * nr * n_c);
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct work {
    const float **rows;
    float *v, *m, *zeros;
} work;

static work split_scratch(const pithi_conv_f32 *conv, void *scratch)
{
    const pithi_conv_winograd *w = &conv->winograd;
    work s = { .rows = scratch, .v = (float *)(void *)((char *)scratch + conv->scratch_rows) };
    s.m = s.v + N_POSITIONS * w->v_stride;
    s.zeros = s.m + N_POSITIONS * w->m_stride;
    return s;
}

/* The 4x4 input pixels of a tile; those outside are zeros. */
static void find_pixels(const pithi_conv_geometry *g, const float *image, int64_t ty, int64_t tx, const float *zeros,
                        const float *pixels[N_POSITIONS])
{
    int64_t y = 2 * ty - g->pad[1], x = 2 * tx - g->pad[2];
    for (int p = 0; p < N_POSITIONS; p++) {
        int64_t iy = y + p / 4, ix = x + p % 4;
        bool is_inside = iy >= 0 && iy < g->in[1] && ix >= 0 && ix < g->in[2];
        pixels[p] = is_inside ? image + (iy * g->in[2] + ix) * g->in_channels : zeros;
    }
}

static void transform_band(const pithi_conv_f32 *conv, const float *image, int64_t first_row, int64_t n_tiles,
                           const work *s)
{
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t n_c = conv->g.in_channels;
    const float *pixels[N_POSITIONS];
    for (int64_t t = 0; t < n_tiles; t++) {
        find_pixels(&conv->g, image, first_row + t / w->tiles_w, t % w->tiles_w, s->zeros, pixels);
        w->kernel->input(pixels, s->v + t * n_c, (size_t)w->v_stride, (size_t)n_c);
        s->rows[t] = s->v + t * n_c;
    }
}

static void multiply_block(const pithi_conv_f32 *conv, const float *packed, int64_t block, int64_t n_tiles,
                           const work *s)
{
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t nr = conv->gemm->nr, n_c = conv->g.in_channels, columns = block_width(conv, block);
    for (int64_t p = 0; p < N_POSITIONS; p++) {
        ptrdiff_t offset = p * w->v_stride;
        pith_gemm_f32_tile tile = {
            .a_rows = s->rows,
            .segment_offsets = &offset,
            .n_segments = 1,
            .segment_length = (size_t)n_c,
            .b = packed + block_offset(conv, block) + p * pithi_div_up(columns, nr) * nr * n_c,
            .b_row_stride = (size_t)nr,
            .b_panel_stride = (size_t)(nr * n_c),
            .c = s->m + p * w->m_stride,
            .c_stride = (size_t)w->block_columns,
            .mr = (int)n_tiles,
            .n_columns = (int)columns,
            .lo = -INFINITY,
            .hi = INFINITY,
        };
        conv->gemm->tile(&tile);
    }
}

static void restore_block(const pithi_conv_f32 *conv, const pithi_conv_operands *o, int64_t image, int64_t first_row,
                          int64_t n_tiles, int64_t block, const work *s)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_winograd *w = &conv->winograd;
    int64_t n0 = block * w->block_columns;
    pith_winograd_f32_output tile = { .m_stride = (size_t)w->m_stride,
                                      .bias = o->bias ? o->bias + n0 : NULL,
                                      .n = (size_t)block_width(conv, block),
                                      .lo = conv->finish.lo,
                                      .hi = conv->finish.hi };
    for (int64_t t = 0; t < n_tiles; t++) {
        tile.m = s->m + t * w->block_columns;
        for (int i = 0; i < 4; i++) {
            int64_t y = 2 * (first_row + t / w->tiles_w) + i / 2, x = 2 * (t % w->tiles_w) + i % 2;
            int64_t at = ((image * g->out[1] + y) * g->out[2] + x) * g->out_channels + n0;
            bool is_inside = y < g->out[1] && x < g->out[2];
            tile.y[i] = is_inside ? o->y + at : NULL;
            tile.residual[i] = is_inside && o->residual ? o->residual + at : NULL;
        }
        w->kernel->output(&tile);
        for (int i = 0; i < 4 && conv->finish.function; i++) {
            if (tile.y[i]) {
                conv->finish.function(tile.y[i], tile.y[i], tile.n, conv->finish.alpha, conv->finish.beta);
            }
        }
    }
}

void pithi_conv_winograd_run(const pithi_conv_f32 *conv, const pithi_conv_operands *o, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_winograd *w = &conv->winograd;
    work s = split_scratch(conv, part->scratch);
    int64_t begin = 0, end = 0, current = -1;
    memset(s.zeros, 0, (size_t)g->in_channels * sizeof(float));
    pithi_part_range(part, conv->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        int64_t band = grain / w->n_blocks, block = grain % w->n_blocks, image = band / w->n_bands;
        int64_t row = band % w->n_bands * w->band_rows;
        int64_t n_tiles = pithi_min_s64(w->band_rows, w->tiles_h - row) * w->tiles_w;
        if (band != current) {
            transform_band(conv, o->x + image * g->in[1] * g->in[2] * g->in_channels, row, n_tiles, &s);
            current = band;
        }
        multiply_block(conv, o->packed, block, n_tiles, &s);
        restore_block(conv, o, image, row, n_tiles, block, &s);
    }
}
