/* SPDX-License-Identifier: Apache-2.0 */
/* Batched products of 8-bit matrices. */
#include "ops/shared_gemm.h"
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s16.h"

#define PART_MACS 200000 /* some microseconds */

static pithi_int_product operands_of(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(run->inputs, run->n_inputs, run->outputs, is_qlinear);
    const pithi_int_matmul_attrs *attrs = run->attrs;
    if (is_qlinear) {
        product.limits = attrs->limits;
    } else {
        product.activation = &attrs->activation;
    }
    return product;
}

static pith_status geometry_of(pith_ctx *ctx, const pithi_int_product *product, const void *attrs, bool is_qlinear,
                               pithi_product_geometry *geometry)
{
    const pithi_product_attrs plain = { .alpha = 1.0f, .beta = 1.0f,
                                        .trans_b = is_qlinear && ((const pithi_int_matmul_attrs *)attrs)->trans_b };
    return pithi_product_geometry_of(ctx, &plain, &product->a->shape, &product->b->shape, geometry);
}

/* Numbers of the matrices of a and b that batch `batch` multiplies. */
static void find_matrices(const pithi_product_geometry *g, int64_t batch, int64_t *a_out, int64_t *b_out)
{
    *a_out = *b_out = 0;
    for (int i = g->batch.rank - 1; i >= 0; i--) {
        *a_out += batch % g->batch.dims[i] * g->a_steps[i];
        *b_out += batch % g->batch.dims[i] * g->b_steps[i];
        batch /= g->batch.dims[i];
    }
}

pith_status pithi_int_matmul_infer(pith_infer *infer, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(infer->inputs, infer->n_inputs, infer->outputs, is_qlinear);
    pithi_product_geometry g;
    PITH_TRY(geometry_of(infer->ctx, &product, infer->attrs, is_qlinear, &g));
    PITH_CHECK(infer->ctx, !product.bias || (product.b->shape.rank == 2 && pithi_dtype_is_integer(product.a->dtype) &&
                                              pithi_dtype_is_integer(product.b->dtype)),
               PITH_STATUS_SHAPE, "a bias needs integers and one matrix b, not one of rank %d", product.b->shape.rank);
    pith_shape shape = g.batch;
    if (!g.a_is_vector) {
        shape.dims[shape.rank++] = g.m;
    }
    if (!g.b_is_vector) {
        shape.dims[shape.rank++] = g.n;
    }
    infer->outputs[0].shape = shape;
    PITH_CHECK(infer->ctx, !product.a_factor || product.b->shape.rank == 2, PITH_STATUS_FORMAT,
               "with factors b must be one matrix, not of rank %d", product.b->shape.rank);
    return pithi_int_check(infer, &product, g.m, g.n);
}

static bool has_floats(const pithi_int_product *product)
{
    return pithi_dtype_is_float(product->a->dtype) || pithi_dtype_is_float(product->b->dtype) ||
           (pithi_dtype_is_float(product->y->dtype) && !product->a_factor);
}

static double zero_f64(const pith_tensor *zero, int64_t index)
{
    const int64_t count = zero ? pith_shape_elements(&zero->shape) : 0;
    return count ? pithi_tensor_get_f64(zero, index % count) : 0.0; /* one list may serve all batches */
}

static int64_t place_in_b(const pithi_product_geometry *g, int64_t matrix, int64_t k, int64_t column)
{
    return matrix * g->k * g->n + (g->trans_b ? column * g->k + k : k * g->n + column);
}

/* Floats of 8 bits among the operands: summed in double, rounded once. */
static void ref_floats(const pithi_int_product *product, const pithi_product_geometry *g)
{
    for (int64_t i = 0; i < g->n_batches * g->m * g->n; i++) {
        int64_t row = i / g->n % g->m, column = i % g->n, a, b;
        double sum = 0.0;
        find_matrices(g, i / g->n / g->m, &a, &b);
        row += a * g->m;
        for (int64_t k = 0; k < g->k; k++) {
            double left = pithi_tensor_get_f64(product->a, row * g->k + k);
            double right = pithi_tensor_get_f64(product->b, place_in_b(g, b, k, column));
            sum += (left - zero_f64(product->a_zero, row)) * (right - zero_f64(product->b_zero, b * g->n + column));
        }
        const double value = sum * (double)pithi_int_scale(product, row, b * g->n + column);
        const double zero = zero_f64(product->y_zero, row);
        if (pithi_dtype_is_float(product->y->dtype)) {
            pithi_tensor_set_f64(product->y, i, value + zero);
        } else {
            pithi_tensor_set_s64(product->y, i, pithi_quantize(value, (int64_t)zero, product->y->dtype));
        }
    }
}

void pithi_int_matmul_ref(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product = operands_of(run, is_qlinear);
    pithi_product_geometry g;
    if (geometry_of(NULL, &product, run->attrs, is_qlinear, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    if (has_floats(&product)) {
        ref_floats(&product, &g);
        return;
    }
    for (int64_t i = 0; i < g.n_batches * g.m * g.n; i++) {
        int64_t row = i / g.n % g.m, column = i % g.n, a, b;
        find_matrices(&g, i / g.n / g.m, &a, &b);
        int64_t sum = 0;
        for (int64_t k = 0; k < g.k; k++) {
            int64_t left = pithi_tensor_get_s64(product.a, (a * g.m + row) * g.k + k);
            int64_t right = pithi_tensor_get_s64(product.b, place_in_b(&g, b, k, column));
            sum += (left - pithi_int_zero(product.a_zero, a * g.m + row)) *
                   (right - pithi_int_zero(product.b_zero, b * g.n + column));
        }
        pithi_int_finish(&product, i, a * g.m + row, b * g.n + column, sum);
    }
}

/* ---- b, or numbers beside it, known only in a run ------------------------------------------------------- */

#define BAND_ROWS    48
#define BLOCK_PANELS 8

/* Phase 0 packs b where it isn't constant, and makes what tiles want of each column; phase 1 multiplies. */
typedef struct matmul_state {
    pithi_product_geometry g;
    const pith_gemm_s8 *kernel;
    const int8_t *packed; /* [n_matrices][n_panels], then the columns' sums; NULL: b comes late */
    int64_t n_matrices, n_panels, n_bands, n_blocks;
    size_t panel_bytes, packed_bytes; /* packed_bytes without the sums */
    const pith_s16 *rows; /* makes floats of sums */
    pithi_finish finish;
    bool is_s8; /* all but a is known: `s8` does it */
    pithi_s8_gemm s8;
} matmul_state;

/* Numbers of the columns of all matrices. */
typedef struct late_columns {
    const int8_t *packed;
    const int32_t *sums;
    int32_t *bias, *b_zero;
    float *scale; /* NULL: sums are wanted */
} late_columns;

static late_columns columns_of(const matmul_state *state, const pithi_int_product *p, void *shared)
{
    const size_t count = (size_t)(state->n_matrices * state->g.n), start = state->packed ? 0 : state->packed_bytes;
    int32_t *numbers = (int32_t *)(void *)((char *)shared + start);
    late_columns columns = { .packed = state->packed ? state->packed : shared, .b_zero = numbers,
                             .bias = numbers + count };
    columns.scale = p->y_scale || p->a_factor ? (float *)(numbers + 2 * count) : NULL;
    columns.sums = state->packed ? (const int32_t *)(const void *)(state->packed + state->packed_bytes)
                                 : numbers + 3 * count;
    return columns;
}

static void pack_panel(const pith_tensor *b, const matmul_state *state, int64_t unit, int8_t *packed, int32_t *sums)
{
    const int64_t nr = state->kernel->nr, n0 = unit % state->n_panels * nr, matrix = unit / state->n_panels;
    const pithi_product_geometry *g = &state->g;
    const pith_gemm_s8_columns columns = {
        .b = (const uint8_t *)b->data + matrix * g->k * g->n + n0 * (g->trans_b ? g->k : 1),
        .k_stride = g->trans_b ? 1 : g->n,
        .n_stride = g->trans_b ? g->k : 1,
        .n_k = (size_t)g->k,
        .n_columns = (int)pithi_min_s64(nr, g->n - n0),
        .b_flip = b->dtype == PITH_DTYPE_U8 ? 0x80 : 0,
        .packed = packed + (size_t)unit * state->panel_bytes,
        .sums = sums + matrix * g->n + n0,
    };
    state->kernel->pack(&columns);
}

typedef struct pack_request {
    const pith_tensor *b;
    const matmul_state *state;
} pack_request;

static void pack_all(void *user, void *block)
{
    const pack_request *request = user;
    const matmul_state *state = request->state;
    for (int64_t unit = 0; unit < state->n_matrices * state->n_panels; unit++) {
        pack_panel(request->b, state, unit, block, (int32_t *)(void *)((char *)block + state->packed_bytes));
    }
}

static bool is_single(const pith_tensor *list) { return !list || pith_shape_elements(&list->shape) == 1; }

/* Scales of columns from `begin` on; plain lists without a look at each. */
static void fold_scales(const pithi_int_product *p, int64_t row, int64_t begin, int64_t end, float *to)
{
    if (p->a_factor) {
        pithi_int_fold_factors(p, begin, end, to);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        to[i - begin] = pithi_int_scale(p, row, i);
    }
}

/* What tiles of rows like `row` want of columns, counted over all matrices. */
static void fold_columns(const pithi_int_product *p, const matmul_state *state, int64_t row, int64_t begin, int64_t end,
                         const int32_t *sums, late_columns *to)
{
    const int32_t a_zero = pithi_int_zero(p->a_zero, row) + (p->a->dtype == PITH_DTYPE_S8 ? 128 : 0);
    const int32_t shift = p->b->dtype == PITH_DTYPE_U8 ? 128 : 0, zero = pithi_int_zero(p->b_zero, 0) - shift;
    const bool has_one_zero = is_single(p->b_zero);
    for (int64_t i = begin; i < end; i++) {
        const int32_t b_zero = has_one_zero ? zero : pithi_int_zero(p->b_zero, i) - shift;
        to->bias[i - begin] =
            (int32_t)((uint32_t)(state->g.k * a_zero * b_zero) - (uint32_t)a_zero * (uint32_t)sums[i]);
        to->b_zero[i - begin] = b_zero;
    }
    if (to->scale) {
        fold_scales(p, row, begin, end, to->scale);
    }
}

static void start_columns(const pithi_int_product *p, const matmul_state *state, void *shared, const pith_part *part)
{
    late_columns all = columns_of(state, p, shared);
    const int64_t n = state->g.n, nr = state->kernel->nr;
    int64_t begin, end;
    pithi_part_range(part, state->n_matrices * state->n_panels, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        if (!state->packed) {
            pack_panel(p->b, state, unit, (int8_t *)shared, (int32_t *)all.sums);
        }
        const int64_t first = unit / state->n_panels * n, n0 = unit % state->n_panels * nr;
        late_columns some = { .bias = all.bias + first + n0, .b_zero = all.b_zero + first + n0,
                              .scale = all.scale ? all.scale + first + n0 : NULL };
        fold_columns(p, state, 0, first + n0, first + pithi_min_s64(n0 + nr, n), all.sums, &some);
    }
}

/* All rows of a have the same scales and zero points. */
static bool has_like_rows(const pithi_int_product *p)
{
    return is_single(p->a_zero) && is_single(p->a_scale) && is_single(p->y_scale) && is_single(p->y_zero);
}

typedef struct late_block {
    int64_t a_row, b_matrix, position; /* first row of a and matrix of b, over all batches; element of y */
    int64_t n_rows, n0, n;
} late_block;

/* The tile's sums through a buffer. */
static void make_floats(const pithi_int_product *p, const matmul_state *state, pith_gemm_s8_tile *tile,
                        const late_block *block, int32_t *sums)
{
    const size_t n = (size_t)state->g.n, n_rows = (size_t)block->n_rows, n_columns = (size_t)block->n;
    const pith_s16_floats floats = {
        .sums = sums, .row_sums = tile->row_sums, .b_zero = tile->b_zero, .scale = tile->scale,
        .bias = p->offset ? (const float *)p->offset->data + block->n0 : NULL,
        .residual = p->residual ? (const float *)p->residual->data + block->position : NULL,
        .y = (float *)p->y->data + block->position, .y_step = n, .n_rows = (int)n_rows, .n_columns = (int)n_columns,
        .lo = state->finish.lo, .hi = state->finish.hi,
    };
    tile->scale = NULL;
    tile->row_sums = NULL;
    tile->c = sums;
    tile->c_stride = (size_t)block->n;
    state->kernel->tile(tile);
    state->rows->floats(&floats);
    pithi_finish_apply(&state->finish, floats.y, n_rows, n, n_columns, 0);
}

static void run_block(const pithi_int_product *p, const matmul_state *state, const late_columns *columns,
                      const late_block *block, void *scratch)
{
    static const ptrdiff_t no_offset = 0;
    const uint8_t *rows[BAND_ROWS];
    int32_t sums[BAND_ROWS];
    const pithi_product_geometry *g = &state->g;
    const int64_t first = block->b_matrix * g->n + block->n0, panel = block->n0 / state->kernel->nr;
    const pithi_limits limits = pithi_limits_in(&p->limits, p->y_scale ? p->y->dtype : PITH_DTYPE_S8);
    late_columns own = { .bias = columns->bias + first, .b_zero = columns->b_zero + first,
                         .scale = columns->scale ? columns->scale + first : NULL };
    if (!has_like_rows(p)) { /* a row on its own */
        own = (late_columns){ .bias = scratch, .b_zero = (int32_t *)scratch + block->n };
        own.scale = columns->scale ? (float *)scratch + 2 * block->n : NULL;
        fold_columns(p, state, block->a_row, first, first + block->n, columns->sums, &own);
    }
    for (int64_t m = 0; m < block->n_rows; m++) {
        rows[m] = (const uint8_t *)p->a->data + (block->a_row + m) * g->k;
    }
    pith_gemm_s8_tile tile = {
        .a_rows = rows, .segment_offsets = &no_offset, .n_segments = 1, .segment_length = (size_t)g->k,
        .a_flip = p->a->dtype == PITH_DTYPE_S8 ? 0x80 : 0,
        .b = columns->packed + (size_t)(block->b_matrix * state->n_panels + panel) * state->panel_bytes,
        .b_panel_stride = state->panel_bytes, .bias = own.bias, .b_zero = own.b_zero, .scale = own.scale,
        .zero = pithi_int_zero(p->y_zero, block->a_row), .low = (int32_t)limits.low, .high = (int32_t)limits.high,
        .c = (char *)p->y->data + (size_t)block->position * (p->y_scale ? 1 : sizeof(int32_t)),
        .c_stride = (size_t)g->n, .mr = (int)block->n_rows, .n_columns = (int)block->n,
    };
    if (p->b->dtype == PITH_DTYPE_U8 || p->b_zero) {
        state->kernel->row_sums(&tile, sums);
        tile.row_sums = sums;
    }
    if (p->a_factor) {
        make_floats(p, state, &tile, block, (int32_t *)scratch + 3 * BLOCK_PANELS * state->kernel->nr);
    } else {
        state->kernel->tile(&tile);
    }
}

/* Bands of rows by blocks of columns, of all batches. */
static void multiply(const pithi_int_product *p, const matmul_state *state, void *shared, const pith_part *part)
{
    const pithi_product_geometry *g = &state->g;
    const late_columns columns = columns_of(state, p, shared);
    const int64_t band = has_like_rows(p) ? BAND_ROWS : 1, width = BLOCK_PANELS * state->kernel->nr;
    int64_t begin, end, a, b;
    pithi_part_range(part, g->n_batches * state->n_bands * state->n_blocks, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t batch = i / state->n_bands / state->n_blocks, n0 = i % state->n_blocks * width;
        const int64_t first = i / state->n_blocks % state->n_bands * BAND_ROWS;
        const int64_t last = pithi_min_s64(first + BAND_ROWS, g->m);
        find_matrices(g, batch, &a, &b);
        for (int64_t row = first; row < last; row += band) {
            const late_block block = { .a_row = a * g->m + row, .b_matrix = b,
                                       .position = (batch * g->m + row) * g->n + n0,
                                       .n_rows = pithi_min_s64(band, last - row), .n0 = n0,
                                       .n = pithi_min_s64(width, g->n - n0) };
            run_block(p, state, &columns, &block, part->scratch);
        }
    }
}

static pith_status prepare_late(pith_prepare *prepare, const pithi_int_product *p, matmul_state *state)
{
    const pithi_product_geometry *g = &state->g;
    const int64_t nr = (state->kernel = pithi_gemm_s8(prepare->isa_limit))->nr;
    state->n_panels = pithi_div_up(g->n, nr);
    state->panel_bytes = pithi_gemm_s8_panel_bytes(state->kernel, 1, (size_t)g->k);
    state->n_matrices = pith_shape_elements(&p->b->shape) / (g->k * g->n);
    state->packed_bytes = (size_t)(state->n_matrices * state->n_panels) * state->panel_bytes;
    state->n_bands = pithi_div_up(g->m, BAND_ROWS);
    state->n_blocks = pithi_div_up(state->n_panels, BLOCK_PANELS);
    const size_t numbers_bytes = (size_t)(state->n_matrices * g->n) * sizeof(int32_t);
    if (p->b->data) {
        const int64_t key[] = { state->n_matrices, g->k, g->n, p->b->dtype, g->trans_b };
        const char *name = state->kernel->head.name;
        const void *packed = NULL;
        pack_request request = { p->b, state };
        PITH_TRY(pithi_prepare_pack(prepare, p->b->data,
                                    pithi_hash(pithi_hash(PITHI_HASH_START, name, strlen(name)), key, sizeof key),
                                    state->packed_bytes + numbers_bytes, pack_all, &request, &packed));
        state->packed = packed;
    }
    prepare->shared_bytes = (state->packed ? 0 : state->packed_bytes) + 4 * numbers_bytes;
    prepare->n_phases = 2;
    prepare->use_run = true;
    prepare->state = state;
    state->rows = pithi_s16(prepare->isa_limit);
    prepare->scratch_bytes = (size_t)(BLOCK_PANELS * nr) * (p->a_factor ? 3 + BAND_ROWS : 3) * sizeof(int32_t);
    const int64_t n_units = pithi_max_s64(g->n_batches * state->n_bands * state->n_blocks,
                                          state->n_matrices * state->n_panels);
    const int64_t n_worthwhile = g->n_batches * g->m * g->n * g->k / PART_MACS;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(pithi_min_s64(n_worthwhile, n_units), 1024), 1);
    prepare->kernel = state->kernel->head.name;
    return PITH_OK;
}

/* ---- all but a known ------------------------------------------------------------------------------------ */

/* Constant b, one matrix; everything else but a known, and the same for all rows. */
static bool is_s8_possible(const pithi_int_product *p, const pithi_product_geometry *g)
{
    const pith_tensor *known[] = { p->b,       p->a_zero,  p->b_zero, p->a_scale,
                                   p->b_scale, p->y_scale, p->y_zero, p->bias };
    for (int i = 0; i < PITH_COUNT(known); i++) {
        if (known[i] && !known[i]->data) {
            return false;
        }
    }
    return p->b->shape.rank == 2 && !g->a_is_vector && has_like_rows(p) && !p->a_factor;
}

static pithi_s8_source source_of(const pithi_int_product *p, const pithi_product_geometry *g)
{
    return (pithi_s8_source){ .weights = p->b, .zero = p->b_zero, .bias = p->bias, .n_groups = 1, .n = g->n,
                              .n_channels = g->k, .n_taps = 1, .n_stride = g->trans_b ? g->k : 1,
                              .c_stride = g->trans_b ? 1 : g->n, .segment_length = g->k,
                              .a_dtype = p->a->dtype, .a_zero = pithi_int_zero(p->a_zero, 0) };
}

static pithi_s8_finish finish_of(const pithi_int_product *p)
{
    const pithi_limits limits = pithi_limits_in(&p->limits, p->y_scale ? p->y->dtype : PITH_DTYPE_S8);
    return (pithi_s8_finish){ pithi_int_zero(p->y_zero, 0), (int32_t)limits.low, (int32_t)limits.high };
}

static pith_status prepare_s16(pith_prepare *prepare, const pithi_int_product *p, const pithi_product_geometry *g)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)g->n, sizeof(float), &block));
    float *scales = block;
    for (int64_t i = 0; i < g->n; i++) {
        scales[i] = pithi_int_scale(p, 0, i);
    }
    const pithi_s16_task task = { .g = pithi_s16_matrix(g->n_batches * g->m, g->n, g->k), .source = source_of(p, g),
                                  .scales = scales, .y_dtype = p->y->dtype, .finish = finish_of(p) };
    return pithi_s16_prepare(prepare, &task);
}

static pith_status prepare_s8(pith_prepare *prepare, const pithi_int_product *p, matmul_state *state)
{
    const pithi_product_geometry *g = &state->g;
    pithi_s8_gemm *gemm = &state->s8;
    *gemm = (pithi_s8_gemm){ .m = g->n_batches * g->m, .n = g->n, .k = g->k };
    pithi_s8_source source = source_of(p, g);
    source.n_rows = gemm->m;
    PITH_TRY(pithi_s8_weights_make(prepare, &source, p->y_scale != NULL, &gemm->weights));
    for (int64_t i = 0; i < g->n && p->y_scale; i++) {
        gemm->weights.scale[i] = pithi_int_scale(p, 0, i);
    }
    gemm->weights.finish = finish_of(p);
    pithi_s8_gemm_cut(prepare, gemm);
    state->is_s8 = true;
    prepare->state = state;
    return PITH_OK;
}

void pithi_int_matmul_run(const pith_run *run, const pith_part *part, bool is_qlinear)
{
    const matmul_state *state = run->state;
    pithi_int_product product = operands_of(run, is_qlinear);
    if (is_qlinear && pithi_int_is_wide(run->inputs, run->outputs)) {
        pithi_s16_run(state, run->inputs[0].data, run->outputs[0].data, part);
    } else if (state->is_s8) {
        pithi_s8_gemm_run(&state->s8, run->inputs[0].data, run->outputs[0].data, part);
    } else if (part->phase == 0) {
        start_columns(&product, state, run->shared, part);
    } else {
        multiply(&product, state, run->shared, part);
    }
}

pith_status pithi_int_matmul_prepare(pith_prepare *prepare, bool is_qlinear)
{
    pith_tensor y = prepare->outputs[0];
    pithi_int_product product = pithi_int_operands(prepare->inputs, prepare->n_inputs, &y, is_qlinear);
    void *block = NULL;
    if (has_floats(&product)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(matmul_state), &block));
    matmul_state *state = block;
    PITH_TRY(geometry_of(prepare->ctx, &product, prepare->attrs, is_qlinear, &state->g));
    const pithi_int_matmul_attrs *attrs = prepare->attrs;
    product.limits = is_qlinear ? attrs->limits : product.limits;
    if (state->g.k <= 0 || pith_shape_elements(&y.shape) == 0 ||
        (!is_qlinear && !pithi_finish_make(&attrs->activation, prepare->isa_limit, &state->finish))) {
        return PITH_OK;
    }
    const bool is_possible = is_s8_possible(&product, &state->g);
    if (is_qlinear && pithi_int_is_wide(prepare->inputs, prepare->outputs)) {
        return is_possible ? prepare_s16(prepare, &product, &state->g) : PITH_OK;
    }
    if (is_possible) {
        return prepare_s8(prepare, &product, state);
    }
    return product.bias ? PITH_OK : prepare_late(prepare, &product, state);
}
