/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of products: k is cut for the cache, the activation follows while rows are near. */
#include "ops/shared_gemm.h"

#include <math.h>

bool pithi_finish_make(const pith_activation *activation, int isa_limit, pithi_finish *finish_out)
{
    pithi_finish finish = { .lo = -INFINITY, .hi = INFINITY, .alpha = activation->alpha, .beta = activation->beta };
    if (activation->kind == PITH_VUNARY_RELU) {
        finish.lo = 0.0f;
    } else if (activation->kind == PITH_VUNARY_CLIP) {
        finish.lo = activation->alpha;
        finish.hi = activation->beta;
    } else if (activation->kind != PITH_VUNARY_NONE) {
        finish.function = pithi_vunary_f32(isa_limit)->functions[activation->kind];
        if (!finish.function) {
            return false;
        }
    }
    *finish_out = finish;
    return true;
}

#define NARROW_COLUMNS 16  /* a call for each shorter row would cost more than its numbers */
#define NARROW_ITEMS 256

/* Rows of few columns that lie apart are brought together for the function, many in one call. */
static void apply_to_narrow(const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    float together[NARROW_ITEMS];
    const int n_columns = block->n_columns, most = NARROW_ITEMS / n_columns;
    for (int first = 0; first < block->mr; first += most) {
        const int n_rows = block->mr - first < most ? block->mr - first : most;
        float *c = block->c + (size_t)first * block->c_stride;
        for (int i = 0; i < n_rows * n_columns; i++) {
            together[i] = c[(size_t)(i / n_columns) * block->c_stride + (size_t)(i % n_columns)];
        }
        finish->function(together, together, (size_t)(n_rows * n_columns), finish->alpha, finish->beta);
        for (int i = 0; i < n_rows * n_columns; i++) {
            c[(size_t)(i / n_columns) * block->c_stride + (size_t)(i % n_columns)] = together[i];
        }
    }
}

static void apply_function(const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    size_t n_columns = (size_t)block->n_columns;
    bool is_dense = block->c_stride == n_columns;
    if (!is_dense && n_columns < NARROW_COLUMNS && block->mr > 1) {
        apply_to_narrow(block, finish);
        return;
    }
    int n_rows = is_dense ? 1 : block->mr;
    size_t length = is_dense ? n_columns * (size_t)block->mr : n_columns;
    for (int m = 0; m < n_rows; m++) {
        float *row = block->c + (size_t)m * block->c_stride;
        finish->function(row, row, length, finish->alpha, finish->beta);
    }
}

/* Cuts so that nv_max panels of k rows stay in half of L2's share; one is enough where B is read once. */
static size_t count_cuts(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, size_t n_units)
{
    size_t row_bytes = (size_t)(kernel->nr * kernel->nv_max) * sizeof(float);
    size_t n_bytes = (size_t)block->n_segments * block->segment_length * row_bytes;
    if (block->mr <= kernel->mr_max || n_units == 0 || block->fold > 1) {
        return 1;
    }
    size_t n_cuts = (n_bytes + 2 * PITHI_L2_SHARE - 1) / (2 * PITHI_L2_SHARE);
    return n_cuts < n_units ? n_cuts : n_units;
}

void pithi_gemm_f32_block(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    bool is_single = block->n_segments == 1; /* then k itself is cut, else the list of segments */
    size_t n_units = is_single ? block->segment_length : (size_t)block->n_segments;
    size_t n_cuts = count_cuts(kernel, block, n_units);
    for (size_t i = 0; i < n_cuts; i++) {
        size_t begin = n_units * i / n_cuts, end = n_units * (i + 1) / n_cuts;
        bool is_last = i + 1 == n_cuts;
        pith_gemm_f32_tile cut = *block;
        ptrdiff_t offset = is_single ? block->segment_offsets[0] + (ptrdiff_t)begin : 0;
        cut.segment_offsets = is_single ? &offset : block->segment_offsets + begin;
        cut.n_segments = is_single ? 1 : (int)(end - begin);
        cut.segment_length = is_single ? end - begin : block->segment_length;
        cut.b += begin * (is_single ? 1 : block->segment_length) * block->b_row_stride;
        cut.accumulate = block->accumulate || i > 0;
        cut.residual = is_last ? block->residual : NULL;
        cut.lo = is_last ? finish->lo : -INFINITY;
        cut.hi = is_last ? finish->hi : INFINITY;
        (block->fold > 1 ? kernel->narrow : kernel->tile)(&cut);
    }
    if (finish->function) {
        apply_function(block, finish);
    }
}

void pithi_gemm_f32_few(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish)
{
    pith_gemm_f32_tile tile = *block;
    tile.lo = finish->lo;
    tile.hi = finish->hi;
    kernel->few(&tile);
    if (finish->function) {
        apply_function(block, finish);
    }
}
