/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of weights for gemm_s8, and plain products. */
#include "ops/shared_s8.h"

#include "ops/shared_gemm.h"
#include "ops/shared_index.h"

/* ---- packing ------------------------------------------------------------------------------------
 */

typedef struct pack_job {
    const pithi_s8_source *source;
    const pithi_s8_weights *weights;
} pack_job;

/* Unsigned weights are brought to signed ones: w - 128. */
static int32_t shift_of(pith_dtype dtype) { return dtype == PITH_DTYPE_U8 ? -128 : 0; }

static int32_t weight_at(const pithi_s8_source *s, int64_t group, int64_t n, int64_t k)
{
    int64_t at = group * s->group_stride + n * s->n_stride + k % s->n_channels * s->c_stride +
                 k / s->n_channels * s->t_stride;
    int32_t value = s->weights->dtype == PITH_DTYPE_U8 ? ((const uint8_t *)s->weights->data)[at]
                                                       : ((const int8_t *)s->weights->data)[at];
    return value + shift_of(s->weights->dtype);
}

/* `step` bytes from four k to the next ones. */
static void pack_panel(const pack_job *job, int64_t group, int64_t panel, int8_t *to, int64_t step)
{
    const pithi_s8_source *s = job->source;
    int64_t n_k = s->n_channels * s->n_taps, nr = job->weights->kernel->nr;
    for (int64_t first = 0; first < n_k; first += s->segment_length) {
        for (int64_t k = 0; k < s->segment_length; k += 4, to += step) {
            for (int64_t i = 0; i < 4 * nr; i++) {
                int64_t n = panel * nr + i / 4, at = k + i % 4;
                bool is_there = n < s->n && at < s->segment_length;
                to[i] = is_there ? (int8_t)weight_at(s, group, n, first + at) : 0;
            }
        }
    }
}

static void pack_all(void *user, void *block)
{
    const pack_job *job = user;
    const pithi_s8_weights *w = job->weights;
    const int64_t nr = w->kernel->nr, n_panels = pithi_div_up(job->source->n, nr);
    const int64_t strip = w->in_strips ? w->kernel->strip : 1, n_in_strips = job->source->n / nr / strip * strip;
    for (int64_t i = 0; i < job->source->n_groups * n_panels; i++) {
        const int64_t group = i / n_panels, panel = i % n_panels, step = panel < n_in_strips ? strip : 1;
        int8_t *to = (int8_t *)block + (size_t)(i - panel % step) * w->panel_bytes + panel % step * 4 * nr;
        pack_panel(job, group, panel, to, step * 4 * nr);
    }
}

/* ---- folding ------------------------------------------------------------------------------------
 */

static void fold_column(const pithi_s8_source *s, pithi_s8_weights *w, int64_t group, int64_t n)
{
    int64_t column = group * s->n + n, n_k = s->n_channels * s->n_taps, sum = 0;
    int64_t n_zeros = s->zero ? pith_shape_elements(&s->zero->shape) : 0;
    int64_t b_zero = n_zeros ? pithi_tensor_get_s64(s->zero, n_zeros == 1 ? 0 : column) : 0;
    int64_t a_zero = s->a_zero + (s->a_dtype == PITH_DTYPE_S8 ? 128 : 0);
    b_zero += shift_of(s->weights->dtype);
    for (int64_t k = 0; k < n_k; k++) {
        sum += weight_at(s, group, n, k);
    }
    int64_t bias = s->bias ? pithi_tensor_get_s64(s->bias, column) : 0;
    bias += n_k * a_zero * b_zero - a_zero * sum;
    w->bias[column] = (int32_t)(uint32_t)(uint64_t)bias;
    w->b_zero[column] = (int32_t)b_zero;
    w->has_b_zero = w->has_b_zero || b_zero != 0;
}

pith_status pithi_s8_weights_make(pith_prepare *prepare, const pithi_s8_source *source,
                                  bool with_scale, pithi_s8_weights *w)
{
    const pithi_s8_source *s = source;
    size_t n_columns = (size_t)(s->n_groups * s->n), n_panels;
    void *block = NULL;
    const void *packed = NULL;
    *w = (pithi_s8_weights){ .kernel = pithi_gemm_s8(prepare->isa_limit),
                             .a_flip = s->a_dtype == PITH_DTYPE_S8 ? 0x80 : 0,
                             .a_pad = (uint8_t)s->a_zero };
    w->in_strips = s->n_rows > 0 && s->n_rows <= PITH_GEMM_S8_STRIP_ROWS && w->kernel->strip > 1;
    size_t n_segments = (size_t)(s->n_channels * s->n_taps / pithi_max_s64(s->segment_length, 1));
    n_panels = (size_t)pithi_div_up(s->n, w->kernel->nr);
    w->panel_bytes = pithi_gemm_s8_panel_bytes(w->kernel, n_segments, (size_t)s->segment_length);
    w->group_bytes = n_panels * w->panel_bytes;
    PITH_TRY(pithi_arena_array(prepare->arena, n_columns, sizeof(int32_t), &block));
    w->bias = block;
    PITH_TRY(pithi_arena_array(prepare->arena, n_columns, sizeof(int32_t), &block));
    w->b_zero = block;
    if (with_scale) {
        PITH_TRY(pithi_arena_array(prepare->arena, n_columns, sizeof(float), &block));
        w->scale = block;
    }
    for (size_t i = 0; i < n_columns; i++) {
        fold_column(s, w, (int64_t)i / s->n, (int64_t)i % s->n);
    }
    int64_t facts[] = { s->n_groups, s->n,        s->n_channels, s->n_taps,        s->group_stride,
                        s->n_stride, s->c_stride, s->t_stride,   s->segment_length, w->in_strips };
    const char *name = w->kernel->head.name;
    uint64_t key =
        pithi_hash(pithi_hash(PITHI_HASH_START, name, strlen(name)), facts, sizeof facts);
    pack_job job = { s, w };
    PITH_TRY(pithi_prepare_pack(prepare, s->weights->data, key,
                                (size_t)s->n_groups * w->group_bytes, pack_all, &job, &packed));
    w->packed = packed;
    return PITH_OK;
}

void pithi_s8_fill_tile(const pithi_s8_weights *w, int64_t group, int64_t n_per_group, int64_t n0,
                        int64_t n, pith_gemm_s8_tile *tile)
{
    int64_t column = group * n_per_group + n0;
    tile->a_flip = w->a_flip;
    tile->b =
        w->packed + (size_t)group * w->group_bytes + (size_t)(n0 / w->kernel->nr) * w->panel_bytes;
    tile->b_panel_stride = w->panel_bytes;
    tile->b_in_strips = w->in_strips;
    tile->bias = w->bias + column;
    tile->b_zero = w->b_zero + column;
    tile->scale = w->scale ? w->scale + column : NULL;
    tile->zero = w->finish.zero;
    tile->low = w->finish.low;
    tile->high = w->finish.high;
    tile->n_columns = (int)n;
}

/* ---- cutting ------------------------------------------------------------------------------------
 */

#define LEAST_ROWS  48 /* of a band that there need not be: each reads all weights */
#define LEAST_FEW   16 /* where else some threads had nothing to do, and weights are few */
#define FEW_WEIGHTS 65536

/* Rows are cut unless the weights are larger than what rows read and write. */
pithi_s8_cut pithi_s8_cut_make(const pith_gemm_s8 *kernel, const pithi_s8_extent *e, int n_threads)
{
    const int64_t n_pixels = e->n_rows * e->row_pixels, n_units = pithi_div_up(e->n_rows, e->unit);
    const int64_t n_weights = e->n_k * e->n;
    const bool by_columns = n_weights > FEW_WEIGHTS && n_weights > n_pixels * e->pixel_bytes * 3 / 2;
    int64_t wanted = n_threads > 1 ? pithi_div_up(4 * n_threads, pithi_max_s64(e->n_others, 1)) : 1;
    wanted = pithi_max_s64(pithi_min_s64(wanted, n_pixels * n_weights / (4 * PITHI_PART_MACS)), 1);
    const int64_t most_rows = by_columns ? pithi_max_s64(e->most_rows, e->most_rows_l2) : e->most_rows;
    int64_t bands = pithi_div_up(e->n_rows, pithi_max_s64(most_rows, 1));
    if (!by_columns) {
        bands = pithi_max_s64(bands, pithi_min_s64(wanted, n_pixels / LEAST_ROWS));
        if (bands < n_threads && n_weights <= FEW_WEIGHTS) {
            bands = pithi_max_s64(bands, pithi_min_s64(pithi_min_s64(wanted, n_threads), n_pixels / LEAST_FEW));
        }
    }
    bands = pithi_even_count(bands, e->n_others > 1 ? 1 : n_threads);
    bands = pithi_max_s64(pithi_min_s64(bands, n_units), 1);
    int64_t unit = 4 * kernel->nr, n_column_units = pithi_div_up(e->n, unit);
    int64_t enough = bands >= n_threads ? pithi_min_s64(wanted, 2 * n_threads) : wanted;
    int64_t blocks = pithi_min_s64(pithi_div_up(enough, bands), n_column_units);
    if (bands == 1 && e->n_others == 1 && wanted > 1) {
        const bool is_uneven = n_column_units < 4 * n_threads && n_column_units % n_threads != 0 &&
                               n_pixels > PITH_GEMM_S8_STRIP_ROWS;
        unit = is_uneven ? kernel->nr : unit;
        blocks = is_uneven ? pithi_min_s64(n_threads, pithi_div_up(e->n, unit)) : pithi_even_count(blocks, n_threads);
    }
    blocks = pithi_max_s64(pithi_min_s64(blocks, pithi_div_up(e->n, unit)), e->n > 0);
    bands = e->n_rows > 0 ? bands : 0;
    return (pithi_s8_cut){ .grid = { .n_bands = bands, .n_blocks = blocks, .n = e->n, .unit = unit },
                           .n_rows = e->n_rows, .unit = e->unit,
                           .band = bands ? pithi_min_s64(pithi_div_up(n_units, bands) * e->unit, e->n_rows) : 0,
                           .block = blocks ? pithi_div_up(pithi_div_up(e->n, unit), blocks) * unit : 0 };
}

/* ---- plain products -----------------------------------------------------------------------------
 */

#define BAND_BYTES 32768 /* of a, per band */

static const ptrdiff_t no_offset = 0;

static size_t rows_bytes(int64_t n)
{
    return pithi_align_up((size_t)n * sizeof(void *), PITH_ALIGNMENT);
}

void pithi_s8_gemm_cut(pith_prepare *prepare, pithi_s8_gemm *gemm)
{
    const int64_t mr = gemm->weights.kernel->mr_max, k = pithi_max_s64(gemm->k, 1);
    const pithi_s8_extent extent = { .n_rows = gemm->m, .row_pixels = 1, .unit = mr,
                                     .most_rows = pithi_max_s64(BAND_BYTES / k / mr, 1) * mr,
                                     .most_rows_l2 = (int64_t)pithi_l2_share() / k,
                                     .pixel_bytes = gemm->k + gemm->n, .n_k = gemm->k, .n = gemm->n, .n_others = 1 };
    gemm->cut = pithi_s8_cut_make(gemm->weights.kernel, &extent, prepare->n_threads);
    const int64_t n_grains = gemm->cut.grid.n_bands * gemm->cut.grid.n_blocks;
    gemm->tile = (pith_gemm_s8_tile){ .segment_offsets = &no_offset,
                                      .n_segments = gemm->k > 0,
                                      .segment_length = (size_t)pithi_max_s64(gemm->k, 1),
                                      .c_stride = (size_t)gemm->n };
    pithi_s8_fill_tile(&gemm->weights, 0, gemm->n, 0, gemm->n, &gemm->tile);
    prepare->use_run = true;
    prepare->scratch_bytes = rows_bytes(gemm->cut.band) + (size_t)gemm->cut.band * sizeof(int32_t);
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_grains, 1024), 1);
    prepare->kernel = gemm->weights.kernel->head.name;
}

void pithi_s8_gemm_run(const pithi_s8_gemm *gemm, const uint8_t *a, void *c, const pith_part *part)
{
    const pithi_grid *grid = &gemm->cut.grid;
    int64_t begin, end;
    const uint8_t **rows = part->scratch;
    int32_t *sums = (int32_t *)(void *)((char *)part->scratch + rows_bytes(gemm->cut.band));
    size_t item_bytes = gemm->weights.scale ? 1 : sizeof(int32_t);
    pithi_part_range(part, grid->n_bands * grid->n_blocks, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t band = grid->n_blocks == 1 ? i : i / grid->n_blocks, block = i - band * grid->n_blocks;
        const int64_t row = grid->n_bands == 1 ? 0 : pithi_s8_cut_row(&gemm->cut, band);
        const int64_t n_rows = (grid->n_bands == 1 ? gemm->m : pithi_s8_cut_row(&gemm->cut, band + 1)) - row;
        const int64_t n0 = grid->n_blocks == 1 ? 0 : pithi_grid_column(grid, block);
        for (int64_t m = 0; m < n_rows; m++) {
            rows[m] = a + (row + m) * gemm->k;
        }
        pith_gemm_s8_tile tile = gemm->tile;
        tile.a_rows = rows;
        tile.mr = (int)n_rows;
        tile.c = (char *)c + (size_t)(row * gemm->n + n0) * item_bytes;
        if (grid->n_blocks > 1) {
            pithi_s8_fill_tile(&gemm->weights, 0, gemm->n, n0, pithi_grid_column(grid, block + 1) - n0, &tile);
        }
        if (gemm->weights.has_b_zero) {
            gemm->weights.kernel->row_sums(&tile, sums);
            tile.row_sums = sums;
        }
        gemm->weights.kernel->tile(&tile);
    }
}
