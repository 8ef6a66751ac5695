/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolutions of stride 1 of 8-bit images by kernels/winograd_s8.h: for each block of output columns weights are
 * transformed into scratch, for each band of tiles the input; then come 36 products (one per position of a tile) and
 * the transform back. Weights that are needed for one band alone are transformed a third at a time, which stays in L2.
 *
 * Results have the bits of direct sums; whether it is used is a matter of estimated cycles, and of weights that are
 * small enough (decisions/005). */
#include "ops/shared_gemm.h"
#include "ops/shared_index.h"
#include "ops/shared_s8.h"

enum { PAIRS = 3, POSITIONS = 36, POSITIONS_OF_PAIR = 12, TILE = 4, LANES = PITH_WINOGRAD_S8_CHANNELS };

#define MIN_CHANNELS 8
#define MAX_CHANNELS 4096
#define BLOCK        64 /* columns */
#define WEIGHTS_BYTES ((int64_t)PITHI_L2_SHARE * 7 / 4) /* of a block, a third of those transformed */
#define ADVANTAGE    0.95
#define MANY_TILES   24 /* of a band at least: so many share what is done for each block of weights */
#define BAND_BYTES   ((int64_t)PITHI_L2_SHARE * 7 / 4)

/* ---- plan --------------------------------------------------------------------------------------- */

static bool fits(const pithi_conv_geometry *g)
{
    return pithi_conv_is_3x3(g) && g->in_channels >= MIN_CHANNELS && g->in_channels <= MAX_CHANNELS &&
           g->out_channels >= MIN_CHANNELS;
}

static int64_t n_panels(const pithi_s8_winograd *w) { return pithi_div_up(w->g.out_channels, w->gemm->nr); }

/* Panels of a block. */
static int64_t block_panels(const pithi_s8_winograd *w, int64_t block)
{
    const int64_t panels = w->block_columns / w->gemm->nr;
    return pithi_min_s64(panels, n_panels(w) - block * panels);
}

/* Filters of a block, [panel][c / 2][column][2] as gemm_s16 wants them. */
static size_t block_filters(const pithi_s8_winograd *w, int64_t block)
{
    return pithi_align_up((size_t)block_panels(w, block) * w->panel_bytes / sizeof(int16_t), LANES);
}

static void lay_out(pithi_s8_winograd *w, int n_threads)
{
    const pithi_conv_geometry *g = &w->g;
    const int64_t nr = w->gemm->nr, column_bytes = POSITIONS_OF_PAIR * g->in_channels * (int64_t)sizeof(int16_t);
    const int64_t columns = pithi_min_s64(WEIGHTS_BYTES / column_bytes / nr * nr, BLOCK);
    const int64_t n_blocks = pithi_div_up(g->out_channels, pithi_max_s64(columns, 2 * nr));
    w->tiles_w = pithi_div_up(g->out[2], TILE);
    w->n_tiles = w->tiles_w * pithi_div_up(g->out[1], TILE);
    w->block_columns = pithi_div_up(pithi_div_up(g->out_channels, n_blocks), nr) * nr;
    w->n_blocks = pithi_div_up(g->out_channels, w->block_columns);
    w->v_tile = pithi_align_up((size_t)g->in_channels, PITH_WINOGRAD_S8_CHANNELS);
    const int64_t tile_bytes = POSITIONS * (2 * (int64_t)w->v_tile + 4 * w->block_columns);
    int64_t n_bands = pithi_div_up(w->n_tiles, pithi_max_s64(BAND_BYTES / tile_bytes, MANY_TILES));
    const int64_t others = g->batch * w->n_blocks, most = pithi_div_up(4 * n_threads, others);
    while (n_threads > 1 && others * n_bands % n_threads && n_bands < pithi_min_s64(most, w->n_tiles)) {
        n_bands++; /* as many for every thread */
    }
    w->band = pithi_div_up(w->n_tiles, n_bands);
    w->n_bands = pithi_div_up(w->n_tiles, w->band);
    /* The odd lines keep positions from meeting in one set of the cache. */
    w->v_position = (size_t)w->band * w->v_tile + 32;
    w->m_position = (size_t)(w->band * w->block_columns) + 16;
    w->panel_bytes = pithi_align_up((size_t)g->in_channels, 2) * (size_t)nr * sizeof(int16_t);
    w->scratch_v = pithi_align_up((size_t)w->band * sizeof(void *), PITH_ALIGNMENT);
    w->scratch_m = w->scratch_v + pithi_align_up(POSITIONS * w->v_position * sizeof(int16_t), PITH_ALIGNMENT);
    w->scratch_u = w->scratch_m + pithi_align_up(POSITIONS * w->m_position * sizeof(int32_t), PITH_ALIGNMENT);
    w->u_position = block_filters(w, 0) + LANES;
    w->keeps_weights = g->batch * w->n_bands > 1;
    const size_t kept = w->keeps_weights ? POSITIONS : POSITIONS_OF_PAIR;
    w->scratch_bytes = w->scratch_u + kept * w->u_position * sizeof(int16_t);
}

static double cost(const pithi_s8_winograd *w)
{
    const double n_tiles = (double)w->n_tiles, panels = (double)n_panels(w), n_c = (double)w->g.in_channels;
    const double products = n_tiles * POSITIONS * panels * (n_c / 2 + 8) * (double)w->gemm->cycles / 0.9;
    const double inputs = (double)(w->v_tile / PITH_WINOGRAD_S8_CHANNELS) * (double)w->kernel->input_cycles;
    const double outputs = (double)pithi_div_up(w->g.out_channels, 16) * (double)w->kernel->output_cycles;
    const double n_filters = panels * (double)w->panel_bytes / sizeof(int16_t);
    return products + n_tiles * (inputs * (w->n_bands > 1 ? (double)w->n_blocks : 1.0) + outputs) +
           n_filters / LANES * (double)w->kernel->weights_cycles;
}

static double direct_cost(const pithi_s8_winograd *w, int isa_limit)
{
    const pithi_conv_geometry *g = &w->g;
    const pith_gemm_s8 *gemm = pithi_gemm_s8(isa_limit);
    const double panels = (double)pithi_div_up(g->out_channels, gemm->nr), n_k = 9 * (double)g->in_channels;
    return (double)(g->out[1] * g->out[2]) * panels * (n_k / 4 + 2) * (double)gemm->cycles / 0.95;
}

/* ---- weights ------------------------------------------------------------------------------------ */

typedef struct source {
    const pithi_s8_winograd *winograd;
    const pith_tensor *weights, *zero;
} source;

static int32_t zero_of(const source *s, int64_t n)
{
    const int64_t n_zeros = pith_shape_elements(&s->zero->shape);
    return n_zeros ? (int32_t)pithi_tensor_get_s64(s->zero, n_zeros == 1 ? 0 : n) : 0;
}

static int32_t weight_of(const source *s, int64_t at)
{
    return s->weights->dtype == PITH_DTYPE_U8 ? ((const uint8_t *)s->weights->data)[at]
                                              : ((const int8_t *)s->weights->data)[at];
}

/* False where a sum of some image would be too large. Sums of each column's weights go to `sums`. */
static bool are_small(const source *s, int32_t *sums)
{
    const int64_t n_k = 9 * s->winograd->g.in_channels;
    for (int64_t n = 0; n < s->winograd->g.out_channels; n++) {
        const int32_t zero = zero_of(s, n);
        int32_t sum = 0, magnitude = 0, lowest = 0, highest = 0;
        for (int64_t k = 0; k < n_k; k++) {
            const int32_t weight = weight_of(s, n * n_k + k) - zero;
            sum += weight;
            magnitude += weight < 0 ? -weight : weight;
            lowest = weight < lowest ? weight : lowest;
            highest = weight > highest ? weight : highest;
        }
        if (lowest < INT8_MIN || highest > INT8_MAX || magnitude > PITH_WINOGRAD_S8_MAX_SUM) {
            return false;
        }
        sums[n] = sum;
    }
    return true;
}

/* [block][filter / 32][tap][filter % 32], zeros where there is no filter. */
static void pack(void *user, void *block_out)
{
    const source *s = user;
    const pithi_s8_winograd *w = s->winograd;
    const int64_t nr = w->gemm->nr, n_c = w->g.in_channels, pairs = pithi_div_up(n_c, 2);
    int8_t *to = block_out;
    for (int64_t block = 0; block < w->n_blocks; block++) {
        for (int64_t l = 0; l < (int64_t)block_filters(w, block); l++) {
            const int64_t n = block * w->block_columns + l / (2 * nr * pairs) * nr + l / 2 % nr;
            const int64_t c = l / (2 * nr) % pairs * 2 + l % 2;
            const bool is_there = n < w->g.out_channels && c < n_c;
            int8_t *at = to + l / LANES * (9 * LANES) + l % LANES;
            const int32_t zero = is_there ? zero_of(s, n) : 0;
            for (int64_t t = 0; t < 9; t++, at += LANES) {
                *at = is_there ? (int8_t)(weight_of(s, (n * n_c + c) * 9 + t) - zero) : (int8_t)0;
            }
        }
        to += 9 * block_filters(w, block);
    }
}

static pith_status pack_weights(pith_prepare *prepare, const source *s, pithi_s8_winograd *w)
{
    const int64_t n_zeros = pith_shape_elements(&s->zero->shape);
    const int64_t facts[] = { w->gemm->nr, w->block_columns };
    uint64_t key = pithi_hash(pithi_hash(PITHI_HASH_START, "winograd", 8), facts, sizeof facts);
    size_t n_bytes = 0;
    for (int64_t i = 0; i < n_zeros; i++) {
        const int32_t zero = zero_of(s, i);
        key = pithi_hash(key, &zero, sizeof zero);
    }
    for (int64_t block = 0; block < w->n_blocks; block++) {
        n_bytes += 9 * block_filters(w, block);
    }
    const void *packed = NULL;
    PITH_TRY(pithi_prepare_pack(prepare, s->weights->data, key, n_bytes, pack, (void *)(uintptr_t)s, &packed));
    w->packed = packed;
    return PITH_OK;
}

/* ---- prepare ------------------------------------------------------------------------------------ */

static pith_status explain(pith_prepare *prepare, double direct, double winograd)
{
    static const char *const names[] = { "estimate", "direct", "winograd" };
    pithi_text line = { .ctx = prepare->ctx };
    pithi_text_add(&line, "cycles estimated: direct %.3g, winograd %.3g%s", direct, winograd,
                   prepare->choice ? "; chosen by timing" : "");
    const pith_status status = line.failed ? PITH_STATUS_NOMEM
                                           : pithi_arena_text(prepare->arena, line.data, line.n_bytes, &prepare->why);
    pithi_text_deinit(&line);
    prepare->choices = names;
    prepare->n_choices = PITH_COUNT(names);
    return status;
}

/* Zero points become part of the bias: the kernels' inputs are x ^ flip, of which `zero` stands for 0. */
static pith_status fold(pith_prepare *prepare, const pithi_s8_weights *s8, pithi_s8_winograd *w, const int32_t *sums)
{
    const int32_t zero = (int8_t)(w->pad ^ w->flip);
    void *block = NULL;
    for (int64_t n = 0; n < w->g.out_channels; n++) {
        s8->bias[n] = (int32_t)((uint32_t)s8->bias[n] - (uint32_t)zero * (uint32_t)sums[n]);
    }
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)w->block_columns, sizeof(int32_t), &block));
    w->no_bias = block;
    return PITH_OK;
}

pith_status pithi_s8_winograd_prepare(pith_prepare *prepare, const pithi_conv_geometry *g, const pith_tensor *weights,
                                      const pith_tensor *zero, const pithi_s8_weights *s8, pithi_s8_winograd **out)
{
    pithi_s8_winograd w = { .g = *g, .kernel = pithi_winograd_s8(prepare->isa_limit),
                            .gemm = pithi_gemm_s16(prepare->isa_limit), .flip = s8->a_flip ^ 0x80, .pad = s8->a_pad };
    void *block = NULL;
    if (!fits(g)) {
        prepare->why = "direct: Winograd is for 8 to 4096 channels";
        return PITH_OK;
    }
    lay_out(&w, 1);
    const double direct = direct_cost(&w, prepare->isa_limit), estimate = cost(&w);
    const bool is_given = prepare->choice == 1 || prepare->choice == 2;
    PITH_TRY(explain(prepare, direct, estimate));
    if (is_given ? prepare->choice == 1 : estimate > ADVANTAGE * direct) {
        return PITH_OK;
    }
    const source s = { &w, weights, zero };
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)g->out_channels, sizeof(int32_t), &block));
    if (!are_small(&s, block)) {
        prepare->why = "direct: sums of these weights are too large for Winograd in integers";
        prepare->n_choices = 0;
        return PITH_OK;
    }
    lay_out(&w, prepare->n_threads);
    PITH_TRY(fold(prepare, s8, &w, block));
    PITH_TRY(pack_weights(prepare, &s, &w));
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof w, &block));
    *out = memcpy(block, &w, sizeof w);
    prepare->scratch_bytes = w.scratch_bytes;
    /* Not finer: each part transforms its weights. */
    prepare->max_parts = (int)pithi_min_s64(g->batch * w.n_bands * w.n_blocks, pithi_max_s64(prepare->n_threads, 1));
    return PITH_OK;
}

/* ---- run ---------------------------------------------------------------------------------------- */

/* Tiles first ... first + n - 1 of an image, row by row. */
typedef struct band {
    int64_t image, first, n;
} band;

/* How many tiles from `tile` on are in its row, and in the band. */
static int64_t run_length(const pithi_s8_winograd *w, const band *b, int64_t tile)
{
    return pithi_min_s64(w->tiles_w - tile % w->tiles_w, b->first + b->n - tile);
}

static void transform_band(const pithi_s8_winograd *w, const uint8_t *x, int64_t x_pixel, const band *b, void *scratch)
{
    const pithi_conv_geometry *g = &w->g;
    int16_t *v = (int16_t *)(void *)((char *)scratch + w->scratch_v);
    pith_winograd_s8_input row = { .x = x + b->image * g->in[1] * g->in[2] * x_pixel,
                                   .x_row_stride = (size_t)(g->in[2] * x_pixel), .x_pixel_stride = (size_t)x_pixel,
                                   .in_h = (int)g->in[1], .in_w = (int)g->in[2], .flip = w->flip, .pad = w->pad,
                                   .v_stride = w->v_position, .v_tile_stride = w->v_tile,
                                   .n_channels = (size_t)g->in_channels };
    for (int64_t tile = b->first, n; tile < b->first + b->n; tile += n) {
        n = run_length(w, b, tile);
        row.y_first = (int)(tile / w->tiles_w * TILE - g->pad[1]);
        row.x_first = (int)(tile % w->tiles_w * TILE - g->pad[2]);
        row.v = v + (size_t)(tile - b->first) * w->v_tile;
        row.n_tiles = (int)n;
        w->kernel->input(&row);
    }
    for (int64_t i = 0; i < b->n; i++) {
        ((const int16_t **)scratch)[i] = v + (size_t)i * w->v_tile;
    }
}

/* Where a block's weights of a pair of rows of positions are. */
static int16_t *weights_of_pair(const pithi_s8_winograd *w, int pair, void *scratch)
{
    int16_t *u = (int16_t *)(void *)((char *)scratch + w->scratch_u);
    return u + (w->keeps_weights ? (size_t)(POSITIONS_OF_PAIR * pair) * w->u_position : 0);
}

/* The weights of a block as they lie in memory; of the one behind the last: those of the last. */
static const int8_t *packed_weights(const pithi_s8_winograd *w, int64_t block)
{
    return w->packed + (size_t)pithi_min_s64(block, w->n_blocks - 1) * 9 * block_filters(w, 0);
}

static void fetch_weights(const pithi_s8_winograd *w, int64_t block)
{
    const int8_t *packed = packed_weights(w, block);
    for (size_t i = 0; i < 9 * block_filters(w, block); i += 64) {
        __builtin_prefetch(packed + i, 0, 2);
    }
}

static void transform_weights(const pithi_s8_winograd *w, int64_t block, int pair, void *scratch)
{
    const pith_winograd_s8_weights task = { .g = packed_weights(w, block), .pair = pair,
                                            .n = block_filters(w, block), .u = weights_of_pair(w, pair, scratch),
                                            .u_stride = w->u_position };
    w->kernel->weights(&task);
}

static void multiply(const pithi_s8_winograd *w, int64_t block, const band *b, int pair, void *scratch)
{
    const int16_t *u = weights_of_pair(w, pair, scratch);
    const size_t share = 9 * block_filters(w, 0) / POSITIONS_OF_PAIR; /* of what is fetched for the next block */
    int32_t *m = (int32_t *)(void *)((char *)scratch + w->scratch_m);
    for (int i = 0; i < POSITIONS_OF_PAIR; i++) {
        const size_t p = (size_t)(6 * PITH_WINOGRAD_S8_ROW(pair, i / 6) + i % 6);
        const ptrdiff_t offset = (ptrdiff_t)(p * w->v_position * sizeof(int16_t));
        const pith_gemm_s8_tile tile = {
            .a_rows = scratch,
            .segment_offsets = &offset,
            .n_segments = 1,
            .segment_length = (size_t)w->g.in_channels * sizeof(int16_t),
            .a_is_padded = true,
            .b = (const int8_t *)(u + (size_t)i * w->u_position),
            .b_panel_stride = w->panel_bytes,
            .b_next = pair == PAIRS - 1 ? packed_weights(w, block + 1) + (size_t)i * share
                                        : (const int8_t *)(u + (size_t)(i + 1) % POSITIONS_OF_PAIR * w->u_position),
            .bias = w->no_bias,
            .c = m + p * w->m_position,
            .c_stride = (size_t)w->block_columns,
            .mr = (int)b->n,
            .n_columns = (int)block_panels(w, block) * w->gemm->nr,
        };
        w->gemm->tile(&tile);
    }
}

static void restore_block(const pithi_s8_winograd *w, const pithi_s8_weights *s8, uint8_t *y, int64_t y_pixel,
                          int64_t block, const band *b, const void *scratch)
{
    const pithi_conv_geometry *g = &w->g;
    const int64_t n0 = block * w->block_columns;
    const int32_t *m = (const int32_t *)(const void *)((const char *)scratch + w->scratch_m);
    pith_winograd_s8_output row = { .m_stride = w->m_position, .m_tile_stride = (size_t)w->block_columns,
                                    .bias = s8->bias + n0, .scale = s8->scale + n0, .zero = s8->finish.zero,
                                    .low = s8->finish.low, .high = s8->finish.high,
                                    .y_row_stride = (size_t)(g->out[2] * y_pixel), .y_pixel_stride = (size_t)y_pixel,
                                    .n_channels = (size_t)pithi_min_s64(w->block_columns, g->out_channels - n0) };
    for (int64_t tile = b->first, n; tile < b->first + b->n; tile += n) {
        n = run_length(w, b, tile);
        const int64_t top = tile / w->tiles_w * TILE, left = tile % w->tiles_w * TILE;
        row.m = m + (tile - b->first) * w->block_columns;
        row.y = y + ((b->image * g->out[1] + top) * g->out[2] + left) * y_pixel + n0;
        row.rows = (int)pithi_min_s64(TILE, g->out[1] - top);
        row.columns = (int)pithi_min_s64(TILE * n, g->out[2] - left);
        row.n_tiles = (int)n;
        w->kernel->output(&row);
    }
}

/* Of each block all bands in turn. */
void pithi_s8_winograd_run(const pithi_s8_winograd *w, const pithi_s8_weights *s8, const pithi_s8_images *images,
                           const pith_part *part)
{
    const int64_t n_bands = w->g.batch * w->n_bands;
    int64_t begin = 0, end = 0;
    pithi_part_range(part, n_bands * w->n_blocks, &begin, &end);
    int64_t in_block = part->follows ? (begin - 1) / n_bands : -1, in_band = part->follows ? (begin - 1) % n_bands : -1;
    for (int64_t i = begin; i < end; i++) {
        const int64_t block = i / n_bands, at = i % n_bands, first = at % w->n_bands * w->band;
        const band b = { at / w->n_bands, first, pithi_min_s64(w->band, w->n_tiles - first) };
        if (block != in_block && (at != in_band || i == begin)) {
            fetch_weights(w, block);
        }
        if (at != in_band) {
            transform_band(w, images->x, images->x_pixel, &b, part->scratch);
        }
        for (int pair = 0; pair < PAIRS; pair++) {
            if (block != in_block || !w->keeps_weights) {
                transform_weights(w, block, pair, part->scratch);
            }
            multiply(w, block, &b, pair, part->scratch);
        }
        restore_block(w, s8, images->y, images->y_pixel, block, &b, part->scratch);
        in_block = block;
        in_band = at;
    }
}
