/* SPDX-License-Identifier: Apache-2.0 */
/* Batched products of 8-bit matrices. */
#include "kernels/gemm_s16_s32.h"
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s8.h"

#define PART_MACS 200000 /* some microseconds */

static pithi_int_product operands_of(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(run->inputs, run->n_inputs, run->outputs, is_qlinear);
    if (is_qlinear) {
        product.limits = ((const pithi_int_matmul_attrs *)run->attrs)->limits;
    }
    return product;
}

static pith_status geometry_of(pith_ctx *ctx, const pithi_int_product *product, pithi_product_geometry *geometry)
{
    const pithi_product_attrs attrs = { .alpha = 1.0f, .beta = 1.0f };
    return pithi_product_geometry_of(ctx, &attrs, &product->a->shape, &product->b->shape, geometry);
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
    PITH_TRY(geometry_of(infer->ctx, &product, &g));
    pith_shape shape = g.batch;
    if (!g.a_is_vector) {
        shape.dims[shape.rank++] = g.m;
    }
    if (!g.b_is_vector) {
        shape.dims[shape.rank++] = g.n;
    }
    infer->outputs[0].shape = shape;
    return pithi_int_check(infer, &product, g.m, g.n);
}

static bool has_floats(const pithi_int_product *product)
{
    return pithi_dtype_is_float(product->a->dtype) || pithi_dtype_is_float(product->b->dtype) ||
           pithi_dtype_is_float(product->y->dtype);
}

static double zero_f64(const pith_tensor *zero, int64_t index)
{
    const int64_t count = zero ? pith_shape_elements(&zero->shape) : 0;
    return count ? pithi_tensor_get_f64(zero, index % count) : 0.0; /* one list may serve all batches */
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
            double right = pithi_tensor_get_f64(product->b, (b * g->k + k) * g->n + column);
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
    if (geometry_of(NULL, &product, &g) != PITH_OK) {
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
            int64_t right = pithi_tensor_get_s64(product.b, (b * g.k + k) * g.n + column);
            sum += (left - pithi_int_zero(product.a_zero, a * g.m + row)) *
                   (right - pithi_int_zero(product.b_zero, b * g.n + column));
        }
        pithi_int_finish(&product, i, a * g.m + row, b * g.n + column, (int32_t)(uint32_t)(uint64_t)sum);
    }
}

/* ---- by packed rows ----------------------------------------------------------------------- */

#define BLOCK_ROWS 16

/* b as the kernel reads it: each matrix [n_pairs][n_padded][2]. Packed while preparing where it is constant, else in
 * the first phase of each run. */
typedef struct matmul_state {
    pithi_product_geometry g;
    const pith_gemm_s16_s32 *kernel;
    const int16_t *packed;
    int64_t n_matrices, n_pairs, n_padded;
    bool is_s8; /* all but a is known: `s8` does it */
    pithi_s8_gemm s8;
} matmul_state;

/* Pair of rows `pair` of b, counted over all matrices. */
static void pack_pair(const pith_tensor *b, const matmul_state *state, int64_t pair, int16_t *packed)
{
    int64_t matrix = pair / state->n_pairs, k = pair % state->n_pairs * 2, n = state->g.n;
    int16_t *to = packed + pair * state->n_padded * 2;
    memset(to, 0, (size_t)state->n_padded * 2 * sizeof *to);
    for (int64_t i = 0; i < 2 && k + i < state->g.k; i++) {
        const uint8_t *row = (const uint8_t *)b->data + (matrix * state->g.k + k + i) * n;
        for (int64_t j = 0; j < n; j++) {
            to[2 * j + i] = b->dtype == PITH_DTYPE_S8 ? (int8_t)row[j] : row[j];
        }
    }
}

typedef struct pack_request {
    const pith_tensor *b;
    const matmul_state *state;
} pack_request;

static void pack_all(void *user, void *block)
{
    const pack_request *request = user;
    for (int64_t pair = 0; pair < request->state->n_matrices * request->state->n_pairs; pair++) {
        pack_pair(request->b, request->state, pair, block);
    }
}

/* A row of a less its zero point; returns its sum. */
static int32_t read_row(const pithi_int_product *product, const matmul_state *state, int64_t row, int16_t *to)
{
    const uint8_t *from = (const uint8_t *)product->a->data + row * state->g.k;
    int32_t zero = pithi_int_zero(product->a_zero, row), total = 0;
    bool is_signed = product->a->dtype == PITH_DTYPE_S8;
    for (int64_t k = 0; k < state->g.k; k++) {
        to[k] = (int16_t)((is_signed ? (int8_t)from[k] : from[k]) - zero);
        total += to[k];
    }
    if (state->g.k % 2) {
        to[state->g.k] = 0;
    }
    return total;
}

/* Rows of one batch: the zero point of b is taken off at the end, once for the sum of each row of a. */
static void run_block(const pithi_int_product *product, const matmul_state *state, const int16_t *packed, int64_t first,
                      int64_t n_rows, void *scratch)
{
    int64_t a, b, n = state->g.n;
    int32_t totals[BLOCK_ROWS], *sums = scratch;
    int16_t *left = (int16_t *)(void *)(sums + BLOCK_ROWS * state->n_padded);
    find_matrices(&state->g, first / state->g.m, &a, &b);
    int64_t a_row = a * state->g.m + first % state->g.m;
    for (int64_t r = 0; r < n_rows; r++) {
        totals[r] = read_row(product, state, a_row + r, left + r * state->n_pairs * 2);
    }
    const pith_gemm_s16_task task = { .a = left, .b = packed + b * state->n_pairs * state->n_padded * 2, .y = sums,
                                      .a_stride = state->n_pairs * 2, .y_stride = state->n_padded, .n_rows = n_rows,
                                      .n_columns = n, .n_padded = state->n_padded, .n_pairs = state->n_pairs };
    state->kernel->run(&task);
    for (int64_t r = 0; r < n_rows; r++) {
        int32_t *row = sums + r * state->n_padded;
        for (int64_t j = 0; product->b_zero && j < n; j++) {
            row[j] -= totals[r] * pithi_int_zero(product->b_zero, b * n + j);
        }
        const pithi_int_line line = { .position = (first + r) * n, .row = a_row + r, .column = b * n, .column_step = 1,
                                      .n = n, .sums = row, .sum_step = 1 };
        pithi_int_finish_line(product, &line);
    }
}

/* Constant b, one matrix; everything else but a known, and the same for all rows. */
static bool is_s8_possible(const pithi_int_product *p, const pithi_product_geometry *g)
{
    const pith_tensor *known[] = { p->b, p->a_zero, p->b_zero, p->a_scale, p->b_scale, p->y_scale, p->y_zero };
    const pith_tensor *single[] = { p->a_zero, p->a_scale, p->y_scale, p->y_zero };
    for (int i = 0; i < PITH_COUNT(known); i++) {
        if (known[i] && !known[i]->data) {
            return false;
        }
    }
    for (int i = 0; i < PITH_COUNT(single); i++) {
        if (single[i] && pith_shape_elements(&single[i]->shape) != 1) {
            return false;
        }
    }
    return p->b->shape.rank == 2 && !g->a_is_vector && g->k > 0 && pith_shape_elements(&p->y->shape) > 0;
}

static pith_status prepare_s8(pith_prepare *prepare, const pithi_int_product *p, matmul_state *state)
{
    const pithi_product_geometry *g = &state->g;
    pithi_s8_gemm *gemm = &state->s8;
    *gemm = (pithi_s8_gemm){ .m = g->n_batches * g->m, .n = g->n, .k = g->k };
    pithi_s8_source source = { .weights = p->b, .zero = p->b_zero, .n_groups = 1, .n = g->n, .n_channels = g->k,
                               .n_taps = 1, .n_stride = 1, .c_stride = g->n, .segment_length = g->k,
                               .a_dtype = p->a->dtype, .a_zero = pithi_int_zero(p->a_zero, 0) };
    PITH_TRY(pithi_s8_weights_make(prepare, &source, p->y_scale != NULL, &gemm->weights));
    for (int64_t i = 0; i < g->n && p->y_scale; i++) {
        gemm->weights.scale[i] = pithi_int_scale(p, 0, i);
    }
    pithi_limits limits = pithi_limits_in(&p->limits, p->y_scale ? p->y->dtype : PITH_DTYPE_S8);
    gemm->weights.finish = (pithi_s8_finish){ pithi_int_zero(p->y_zero, 0), (int32_t)limits.low, (int32_t)limits.high };
    pithi_s8_gemm_cut(prepare, gemm);
    state->is_s8 = true;
    prepare->state = state;
    return PITH_OK;
}

void pithi_int_matmul_run(const pith_run *run, const pith_part *part, bool is_qlinear)
{
    const matmul_state *state = run->state;
    pithi_int_product product = operands_of(run, is_qlinear);
    int64_t begin, end;
    if (state->is_s8) {
        pithi_s8_gemm_run(&state->s8, run->inputs[0].data, run->outputs[0].data, part);
        return;
    }
    if (!state->packed && part->phase == 0) {
        pithi_part_range(part, state->n_matrices * state->n_pairs, &begin, &end);
        for (int64_t pair = begin; pair < end; pair++) {
            pack_pair(product.b, state, pair, run->shared);
        }
        return;
    }
    pithi_part_range(part, state->g.n_batches * state->g.m, &begin, &end);
    for (int64_t row = begin; row < end;) {
        int64_t n_rows = pithi_min_s64(pithi_min_s64(BLOCK_ROWS, end - row), state->g.m - row % state->g.m);
        run_block(&product, state, state->packed ? state->packed : run->shared, row, n_rows, part->scratch);
        row += n_rows;
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
    PITH_TRY(geometry_of(prepare->ctx, &product, &state->g));
    const pithi_product_geometry *g = &state->g;
    if (is_qlinear) {
        product.limits = ((const pithi_int_matmul_attrs *)prepare->attrs)->limits;
    }
    if (is_s8_possible(&product, g)) {
        return prepare_s8(prepare, &product, state);
    }
    state->kernel = pithi_gemm_s16_s32(prepare->isa_limit);
    state->n_pairs = pithi_div_up(g->k, 2);
    state->n_padded = pithi_div_up(g->n, PITH_GEMM_S16_COLUMNS) * PITH_GEMM_S16_COLUMNS;
    state->n_matrices = g->k * g->n > 0 ? pith_shape_elements(&product.b->shape) / (g->k * g->n) : 0;
    size_t packed_bytes = (size_t)(state->n_matrices * state->n_pairs * state->n_padded * 2) * sizeof(int16_t);
    if (product.b->data) {
        const int64_t key[] = { state->n_matrices, g->k, g->n, product.b->dtype };
        const void *packed = NULL;
        pack_request request = { product.b, state };
        PITH_TRY(pithi_prepare_pack(prepare, product.b->data, pithi_hash(PITHI_HASH_START, key, sizeof key),
                                    packed_bytes, pack_all, &request, &packed));
        state->packed = packed;
    } else {
        prepare->shared_bytes = packed_bytes;
        prepare->n_phases = 2;
    }
    int64_t n_rows = g->n_batches * g->m;
    prepare->use_run = true;
    prepare->state = state;
    prepare->scratch_bytes = (size_t)(BLOCK_ROWS * state->n_padded) * sizeof(int32_t) +
                             (size_t)(BLOCK_ROWS * state->n_pairs * 2) * sizeof(int16_t);
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_rows * g->n * g->k / PART_MACS, n_rows / BLOCK_ROWS), 1);
    prepare->kernel = state->kernel->head.name;
    return PITH_OK;
}
