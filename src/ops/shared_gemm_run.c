/* SPDX-License-Identifier: Apache-2.0 */
/* Float32 matrix products on kernels/gemm_f32.h.
 *
 * b is packed: while preparing where it is constant, else in a phase of its own, unless there are so few rows
 * that packing would cost more than it gives. a is read where it lies; a transposed one is rearranged
 * in the first phase. A single row with a large transposed b is bound by reading it: dot products with the rows of b
 * where they lie are as fast, so weights of classifiers need no copy. */
#include "kernels/transpose.h"
#include "ops/shared_gemm.h"
#include "ops/shared_gemm_product.h"

#define MIN_ROWS_TO_PACK 12
#define MIN_DOT_BYTES ((int64_t)16 << 20) /* smaller ones may stay in a cache, where panels are up to 3 % faster */
#define MIN_DOT_K 256
#define DOTS_AT_ONCE 64

typedef struct product {
    pithi_product_geometry g;
    const pith_gemm_f32 *gemm;
    pith_transpose_fn *transpose;
    pithi_finish finish;
    float alpha, beta;
    int64_t *a_index, *b_index;   /* matrix of each batch */
    int64_t n_a, n_b;             /* matrices of the inputs */
    bool packs_b, arranges_a, expands_c, has_c_rows, has_c_matrix;
    bool is_dots;                 /* b is read as it is, row by row */
    const float *packed_b, *expanded_c; /* made in prepare; NULL: in shared memory, or not at all */
    size_t shared_a, shared_b, shared_c;
    size_t packed_floats;         /* of one matrix; halves for kernels/gemm_f16.h */
    int64_t strip; /* panels whose rows lie side by side: of a single row's large b, so that it is one stream */
    pithi_grid grid;
    int64_t n_grains;
    int64_t c_rows;               /* of expanded c: 1, or all rows of the output */
    bool arranges;
} product;

/* ---- packing ------------------------------------------------------------------------------ */

static int64_t panels_of_b(const product *p) { return pithi_div_up(p->g.n, p->gemm->nr); }

/* Panel `panel` of matrix b [k][n] (trans_b: [n][k]), times alpha, to where it lies in the packed matrix. */
static void pack_panel(const product *p, const float *b, int64_t panel, float *packed)
{
    const int64_t nr = p->gemm->nr, n0 = panel * nr, k = p->g.k, first = panel / p->strip * p->strip;
    const int64_t width = pithi_min_s64(p->strip, panels_of_b(p) - first) * nr;
    const size_t lanes = (size_t)pithi_min_s64(nr, p->g.n - n0);
    packed += first * nr * k + (panel - first) * nr;
    for (int64_t i = 0; i < k && (int64_t)lanes < nr; i++) {
        memset(packed + i * width, 0, (size_t)nr * sizeof(float));
    }
    if (p->g.trans_b) {
        p->transpose(b + n0 * k, k, packed, width, (int64_t)lanes, k);
    } else {
        for (int64_t i = 0; i < k; i++) {
            memcpy(packed + i * width, (const char *)b + (i * p->g.n + n0) * (int64_t)sizeof *b, lanes * sizeof *b);
        }
    }
    for (int64_t i = 0; i < k && p->alpha != 1.0f; i++) {
        for (int64_t lane = 0; lane < nr; lane++) {
            packed[i * width + lane] *= p->alpha;
        }
    }
}

/* Items are panels of all matrices. */
static void pack_b(const product *p, const float *b, float *packed, int64_t begin, int64_t end)
{
    const int64_t n_panels = panels_of_b(p);
    for (int64_t i = begin; i < end; i++) {
        const int64_t matrix = i / n_panels;
        pack_panel(p, b + matrix * p->g.k * p->g.n, i % n_panels, packed + (size_t)matrix * p->packed_floats);
    }
}

typedef struct pack_job {
    const product *product;
    const float *b;
} pack_job;

static void pack_all(void *user, void *block)
{
    const pack_job *job = user;
    pack_b(job->product, job->b, block, 0, job->product->n_b * panels_of_b(job->product));
}

/* beta c, broadcast to [c_rows][n]. */
static void expand_c(const product *p, const pith_tensor *c, const pith_shape *y, float *expanded)
{
    pith_shape all = *y;
    int64_t strides[PITH_MAX_RANK];
    const float *from = c->data;
    pithi_broadcast_strides(&c->shape, &all, strides);
    for (int64_t i = 0; i < p->c_rows * p->g.n; i++) {
        int64_t at = 0, rest = i;
        for (int d = all.rank - 1; d >= 0; d--) {
            at += rest % all.dims[d] * strides[d];
            rest /= all.dims[d];
        }
        expanded[i] = p->beta * from[at];
    }
}

/* ---- prepare ------------------------------------------------------------------------------ */

static pith_status index_batches(pithi_arena *arena, product *p)
{
    const pithi_product_geometry *g = &p->g;
    void *a = NULL, *b = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)g->n_batches, sizeof(int64_t), &a));
    PITH_TRY(pithi_arena_array(arena, (size_t)g->n_batches, sizeof(int64_t), &b));
    p->a_index = a;
    p->b_index = b;
    for (int64_t i = 0; i < g->n_batches; i++) {
        int64_t rest = i;
        for (int d = g->batch.rank - 1; d >= 0; d--) {
            p->a_index[i] += rest % g->batch.dims[d] * g->a_steps[d];
            p->b_index[i] += rest % g->batch.dims[d] * g->b_steps[d];
            rest /= g->batch.dims[d];
        }
    }
    return PITH_OK;
}

/* One b for all batches makes them rows of one product. */
static void flatten_batches(product *p)
{
    pithi_product_geometry *g = &p->g;
    if (p->n_b == 1 && !g->trans_a && g->n_batches > 0) {
        g->m *= g->n_batches;
        g->n_batches = 1;
        g->batch.rank = 0;
        p->n_a = 1;
    }
}

static size_t add_block(size_t *total, int64_t n_floats)
{
    size_t at = *total;
    *total += pithi_align_up((size_t)n_floats * sizeof(float), PITH_ALIGNMENT);
    return at;
}

/* c as the kernel can take it (a row, or the whole matrix) or expanded to that. */
static pith_status prepare_c(pith_prepare *prepare, product *p)
{
    const pith_tensor *c = prepare->n_inputs > 2 && prepare->inputs[2].dtype ? &prepare->inputs[2] : NULL;
    const pith_shape *y = &prepare->outputs[0].shape;
    void *block = NULL;
    if (!c) {
        return PITH_OK;
    }
    int64_t n_elements = pith_shape_elements(&c->shape), n_rows = p->g.n_batches * p->g.m;
    bool is_row = n_elements == 1 || c->shape.rank == 0 ||
                  (n_elements == c->shape.dims[c->shape.rank - 1] && !p->g.b_is_vector);
    p->c_rows = is_row ? 1 : n_rows;
    p->has_c_rows = is_row;
    p->has_c_matrix = !is_row;
    p->expands_c = p->beta != 1.0f || n_elements != p->c_rows * p->g.n;
    if (p->expands_c && c->data) {
        PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(p->c_rows * p->g.n), sizeof(float), &block));
        expand_c(p, c, y, block);
        p->expanded_c = block;
    } else if (p->expands_c) {
        p->shared_c = add_block(&prepare->shared_bytes, p->c_rows * p->g.n);
        p->arranges = true;
    }
    return PITH_OK;
}

static bool suits_dots(const pith_prepare *prepare, const product *p)
{
    const pithi_product_geometry *g = &p->g;
    const bool has_residual = prepare->n_inputs > 3 && prepare->inputs[3].dtype;
    return g->trans_b && g->m == 1 && p->alpha == 1.0f && !prepare->is_exact && !has_residual && g->k >= MIN_DOT_K &&
           g->n * g->k * (int64_t)sizeof(float) >= MIN_DOT_BYTES && pithi_is_aligned(&prepare->inputs[1]);
}

static pith_status prepare_operands(pith_prepare *prepare, product *p)
{
    const pithi_product_geometry *g = &p->g;
    p->packed_floats = pithi_gemm_f32_packed_size(p->gemm, (size_t)g->k, (size_t)g->n);
    const bool is_half = pithi_gemm_is_half(p->gemm);
    const bool is_streamed = g->m == 1 && !is_half && p->packed_floats * sizeof(float) > PITHI_L2_SHARE;
    p->strip = prepare->inputs[1].data && is_streamed ? PITHI_ROW_PANELS : 1;
    p->is_dots = !is_half && suits_dots(prepare, p);
    p->packs_b = !p->is_dots && (g->trans_b || p->alpha != 1.0f || g->m >= MIN_ROWS_TO_PACK);
    if (p->is_dots) {
        return prepare_c(prepare, p); /* a single row is never rearranged */
    }
    if (prepare->inputs[1].data) {
        int64_t facts[] = { g->trans_b, g->n, g->k, p->n_b, p->strip };
        uint64_t key = pithi_hash(PITHI_HASH_START, p->gemm->head.name, strlen(p->gemm->head.name));
        key = pithi_hash(pithi_hash(key, facts, sizeof facts), &p->alpha, sizeof p->alpha);
        pack_job job = { p, prepare->inputs[1].data };
        const pithi_gemm_weights weights = { job.b, (size_t)p->n_b * p->packed_floats, pack_all, &job };
        PITH_TRY(pithi_gemm_pack(prepare, p->gemm, &weights, key, &p->packed_b));
        p->packs_b = true;
    } else if (p->packs_b) {
        p->shared_b = add_block(&prepare->shared_bytes, p->n_b * (int64_t)p->packed_floats);
        p->arranges = true;
    }
    p->arranges_a = g->trans_a && g->m > 1;
    if (p->arranges_a) {
        p->shared_a = add_block(&prepare->shared_bytes, p->n_a * g->m * g->k);
        p->arranges = true;
    }
    return prepare_c(prepare, p);
}

static int64_t count_matrices(const pith_shape *shape, int64_t per_matrix)
{
    return per_matrix ? pith_shape_elements(shape) / per_matrix : 0;
}

pith_status pithi_product_prepare(pith_prepare *prepare)
{
    const pithi_product_attrs *attrs = prepare->attrs;
    const pith_tensor *a = &prepare->inputs[0], *b = &prepare->inputs[1];
    pithi_finish finish;
    void *block = NULL;
    if (a->dtype != PITH_DTYPE_F32 || !pithi_finish_make(&attrs->activation, prepare->isa_limit, &finish)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(product), &block));
    product *p = block;
    PITH_TRY(pithi_product_geometry_of(prepare->ctx, attrs, &a->shape, &b->shape, &p->g));
    p->gemm = pithi_gemm_f16_choose(prepare, b->data, p->g.k, p->g.n);
    p->gemm = p->gemm ? p->gemm : pithi_gemm_f32(prepare->isa_limit);
    p->transpose = pithi_transpose_find(prepare->isa_limit, 2);
    p->finish = finish;
    if (attrs->residual_behind) {
        pithi_finish_add_behind(&p->finish, prepare->isa_limit);
    }
    p->alpha = attrs->alpha;
    p->beta = attrs->beta;
    p->n_a = count_matrices(&a->shape, p->g.m * p->g.k);
    p->n_b = count_matrices(&b->shape, p->g.k * p->g.n);
    flatten_batches(p);
    PITH_TRY(index_batches(prepare->arena, p));
    PITH_TRY(prepare_operands(prepare, p));
    p->grid = pithi_gemm_f32_cut(p->gemm, p->g.m, p->g.k, p->g.k, p->g.n, pithi_max_s64(p->g.n_batches, 1),
                                 prepare->n_threads);
    p->n_grains = p->g.n_batches * p->grid.n_bands * p->grid.n_blocks;
    prepare->use_run = true;
    prepare->state = p;
    prepare->n_phases = p->arranges ? 2 : 1;
    prepare->max_parts = (int)pithi_min_s64(pithi_max_s64(p->n_grains, 1), 1 << 20);
    prepare->scratch_bytes = (size_t)pithi_div_up(p->g.m, pithi_max_s64(p->grid.n_bands, 1)) * sizeof(float *);
    prepare->kernel = p->gemm->head.name;
    return PITH_OK;
}

/* ---- run ---------------------------------------------------------------------------------- */

static float *shared_floats(const pith_run *run, size_t offset)
{
    return (float *)(void *)((char *)run->shared + offset);
}

static void arrange(const pith_run *run, const product *p, const pith_part *part)
{
    int64_t begin = 0, end = 0, size = p->g.m * p->g.k;
    if (p->packs_b && !p->packed_b) {
        pithi_part_range(part, p->n_b * panels_of_b(p), &begin, &end);
        pack_b(p, run->inputs[1].data, shared_floats(run, p->shared_b), begin, end);
    }
    if (p->arranges_a) { /* items: blocks of 16 rows of a transposed matrix */
        int64_t n_blocks = pithi_div_up(p->g.m, 16);
        pithi_part_range(part, p->n_a * n_blocks, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            int64_t m = i % n_blocks * 16, matrix = i / n_blocks * size;
            p->transpose((const float *)run->inputs[0].data + matrix + m, p->g.m,
                         shared_floats(run, p->shared_a) + matrix + m * p->g.k, p->g.k, p->g.k,
                         pithi_min_s64(16, p->g.m - m));
        }
    }
    if (p->expands_c && !p->expanded_c && part->index == 0) {
        expand_c(p, &run->inputs[2], &run->outputs[0].shape, shared_floats(run, p->shared_c));
    }
}

static const float *find_c(const pith_run *run, const product *p)
{
    if (!p->has_c_rows && !p->has_c_matrix) {
        return NULL;
    }
    return !p->expands_c ? run->inputs[2].data : p->expanded_c ? p->expanded_c : shared_floats(run, p->shared_c);
}

/* c under the sums, for the rare product that has both c and a residual. */
static void copy_rows(const float *c, const pith_gemm_f32_tile *tile)
{
    for (int m = 0; m < tile->mr; m++) {
        memcpy(tile->c + (size_t)m * tile->c_stride, c + (size_t)m * tile->c_stride,
               (size_t)tile->n_columns * sizeof(float));
    }
}

/* A row's columns, strip by strip. */
static void run_strips(const product *p, const pith_gemm_f32_tile *row)
{
    const int width = (int)p->strip * p->gemm->nr;
    for (int n0 = 0; n0 < row->n_columns; n0 += width) {
        pith_gemm_f32_tile tile = *row;
        tile.n_columns = row->n_columns - n0 < width ? row->n_columns - n0 : width;
        tile.b += n0 * p->g.k;
        tile.b_row_stride = (size_t)pithi_align_up((size_t)tile.n_columns, row->b_row_stride);
        tile.b_panel_stride = row->b_row_stride;
        tile.bias += tile.bias ? n0 : 0;
        tile.residual += tile.residual ? n0 : 0;
        tile.c += n0;
        pithi_gemm_f32_block(p->gemm, &tile, &p->finish);
    }
}

/* Rows [m0, m0 + rows) by columns [n0, ...) of one batch. */
static void run_grain(const pith_run *run, const product *p, int64_t grain, const float **pointers)
{
    const pithi_product_geometry *g = &p->g;
    static const ptrdiff_t no_offset = 0;
    const pithi_grid *grid = &p->grid;
    int64_t block = grain % grid->n_blocks, at = grain / grid->n_blocks, band = at % grid->n_bands;
    int64_t n0 = pithi_grid_column(grid, block), m0 = g->m * band / grid->n_bands, batch = at / grid->n_bands;
    int64_t rows = g->m * (band + 1) / grid->n_bands - m0, row = batch * g->m + m0;
    const float *a = p->arranges_a ? shared_floats(run, p->shared_a) : run->inputs[0].data;
    const float *b = p->packed_b ? p->packed_b : p->packs_b ? shared_floats(run, p->shared_b) : run->inputs[1].data;
    const float *c = find_c(run, p), *residual = run->n_inputs > 3 ? run->inputs[3].data : NULL;
    for (int64_t i = 0; i < rows; i++) {
        pointers[i] = a + (p->a_index[batch] * g->m + m0 + i) * g->k;
    }
    b = p->packs_b ? pithi_gemm_f32_at(p->gemm, b, (size_t)(p->b_index[batch] * (int64_t)p->packed_floats + n0 * g->k))
                   : b + p->b_index[batch] * g->k * g->n + n0;
    size_t nr = (size_t)p->gemm->nr, n = (size_t)g->n;
    pith_gemm_f32_tile tile = {
        .a_rows = pointers,
        .segment_offsets = &no_offset,
        .n_segments = g->k > 0,
        .segment_length = (size_t)g->k,
        .b = b,
        .b_row_stride = p->packs_b ? nr : n,
        .b_panel_stride = p->packs_b ? nr * (size_t)g->k : nr,
        .bias = p->has_c_rows ? c + n0 : NULL,
        .residual_stride = n,
        .c = (float *)run->outputs[0].data + row * g->n + n0,
        .c_stride = n,
        .mr = (int)rows,
        .n_columns = (int)(pithi_grid_column(grid, block + 1) - n0),
    };
    tile.residual = residual ? residual + row * g->n + n0 : NULL;
    if (p->has_c_matrix && !residual) {
        tile.residual = c + row * g->n + n0;
    } else if (p->has_c_matrix) {
        copy_rows(c + row * g->n + n0, &tile);
        tile.accumulate = 1;
    }
    if (p->strip > 1) {
        run_strips(p, &tile);
    } else {
        pithi_gemm_f32_block(p->gemm, &tile, &p->finish);
    }
}

/* Columns of one batch as rows of b times a; what is a row for c is a column for the kernel. */
static void run_dots(const pith_run *run, const product *p, int64_t grain)
{
    const pithi_product_geometry *g = &p->g;
    const int64_t block = grain % p->grid.n_blocks, batch = grain / p->grid.n_blocks;
    const int64_t end = pithi_grid_column(&p->grid, block + 1);
    const float *b = (const float *)run->inputs[1].data + p->b_index[batch] * g->k * g->n, *c = find_c(run, p);
    const float *rows[DOTS_AT_ONCE];
    const ptrdiff_t no_offset = 0;
    c = c && p->has_c_matrix ? c + batch * g->n : c;
    for (int64_t n0 = pithi_grid_column(&p->grid, block); n0 < end; n0 += DOTS_AT_ONCE) {
        const pith_gemm_f32_tile tile = {
            .a_rows = rows, .segment_offsets = &no_offset, .n_segments = 1, .segment_length = (size_t)g->k,
            .b = (const float *)run->inputs[0].data + p->a_index[batch] * g->k, .b_panel_stride = (size_t)g->k,
            .residual = c ? c + n0 : NULL, .residual_stride = 1,
            .c = (float *)run->outputs[0].data + batch * g->n + n0, .c_stride = 1,
            .mr = (int)pithi_min_s64(DOTS_AT_ONCE, end - n0), .n_columns = 1,
        };
        for (int i = 0; i < tile.mr; i++) {
            rows[i] = b + (n0 + i) * g->k;
        }
        pithi_gemm_f32_few(p->gemm, &tile, &p->finish);
    }
}

void pithi_product_run(const pith_run *run, const pith_part *part)
{
    const product *p = run->state;
    int64_t begin = 0, end = 0;
    if (p->arranges && part->phase == 0) {
        arrange(run, p, part);
        return;
    }
    pithi_part_range(part, p->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        if (p->is_dots) {
            run_dots(run, p, grain);
        } else {
            run_grain(run, p, grain, part->scratch);
        }
    }
}
