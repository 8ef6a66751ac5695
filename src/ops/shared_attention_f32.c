/* SPDX-License-Identifier: Apache-2.0 */
/* attention in float32. Phase 0 packs K^T of every key head and writes the present keys and values; in phase
 * 1 a block of query rows takes its scores, their softmax and the product with V while they lie in scratch. V is read
 * where it lies, and K too for a single query row (decoding): packing it would cost more than using it. */
#include <math.h>

#include "kernels/gemm_f32.h"
#include "kernels/softmax_f32.h"
#include "kernels/transpose.h"
#include "kernels/vbinary_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/shared_attention.h"
#include "ops/shared_index.h"

#define ROW_BLOCK 32
#define KEYS 64    /* keys of one product with a single query row */
#define VALUES 256 /* rows of V of one product: they stay in the second cache while all query rows take them */

typedef struct attention_state {
    pithi_attention_geometry g;
    const pith_gemm_f32 *gemm;
    const pith_vunary_f32 *vunary;
    const pith_vbinary_f32 *vbinary;
    const pith_softmax_f32 *softmax;
    pith_transpose_fn *transpose;
    size_t packed_k_floats; /* of one key head */
    bool sees_all;          /* no causality, window or number of valid keys: only a mask may forbid keys */
    int64_t n_row_blocks;
} attention_state;

static bool is_fast(const pith_prepare *prepare, const pithi_attention_geometry *g)
{
    for (int i = 0; i < prepare->n_inputs; i++) {
        pith_dtype dtype = prepare->inputs[i].dtype;
        bool is_good = dtype == PITH_DTYPE_F32 || dtype == PITH_DTYPE_NONE || i == N_VALID ||
                       (i == MASK && dtype == PITH_DTYPE_BOOL);
        if (!is_good) {
            return false;
        }
    }
    return g->n_batches > 0 && g->n_heads > 0 && g->n_rows > 0 && g->n_keys > 0 && g->size > 0 && g->value_size > 0;
}

pith_status pithi_attention_prepare(pith_prepare *prepare)
{
    pithi_attention_geometry g = pithi_attention_geometry_of(prepare->attrs, prepare->inputs, prepare->n_inputs);
    prepare->use_run = is_fast(prepare, &g);
    if (!prepare->use_run) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(attention_state), &block));
    attention_state *state = block;
    state->g = g;
    state->gemm = pithi_gemm_f32(prepare->isa_limit);
    state->vunary = pithi_vunary_f32(prepare->isa_limit);
    state->vbinary = pithi_vbinary_f32(prepare->isa_limit);
    state->softmax = pithi_softmax_f32(prepare->isa_limit);
    state->transpose = pithi_transpose_find(prepare->isa_limit, 2);
    state->packed_k_floats = pithi_gemm_f32_packed_size(state->gemm, (size_t)g.size, (size_t)g.n_keys);
    const pithi_attention_attrs *attrs = prepare->attrs;
    state->sees_all = !attrs->is_causal && attrs->left_window_size < 0 && attrs->right_window_size < 0 &&
                      !pithi_has_operand(prepare->inputs, prepare->n_inputs, N_VALID);
    state->n_row_blocks = pithi_div_up(g.n_rows, ROW_BLOCK);
    prepare->state = state;
    if (g.n_rows == 1) {
        prepare->max_parts = (int)pithi_min_s64(g.n_batches * g.n_heads, 1 << 20);
        prepare->scratch_bytes = (size_t)g.n_keys * sizeof(float);
        prepare->kernel = state->gemm->head.name;
        return PITH_OK;
    }
    prepare->n_phases = 2;
    prepare->max_parts = (int)pithi_min_s64(g.n_batches * g.n_heads * state->n_row_blocks, 1 << 20);
    prepare->shared_bytes = (size_t)(g.n_batches * g.n_key_heads) * state->packed_k_floats * sizeof(float);
    prepare->scratch_bytes = (size_t)(pithi_min_s64(g.n_rows, ROW_BLOCK) * g.n_keys) * sizeof(float);
    prepare->kernel = state->gemm->head.name;
    return PITH_OK;
}

/* K^T [size][n_keys], scaled. Keys that follow one another in one operand and one panel are one transposition. */
static void pack_keys(const attention_state *state, const pith_run *run, int64_t batch, int64_t head, float *packed)
{
    const pithi_attention_geometry *g = &state->g;
    int64_t nr = state->gemm->nr, at = 0;
    float scale = pithi_attention_scale(run->attrs, g);
    size_t last_panel = (size_t)(nr * g->size);
    memset(packed + state->packed_k_floats - last_panel, 0, last_panel * sizeof(float));
    for (int64_t key = 0, n; key < g->n_keys; key += n) {
        bool is_past = key < g->n_past;
        const float *from = run->inputs[pithi_attention_find_row(g, false, batch, head, key, &at)].data;
        n = pithi_min_s64(nr - key % nr, (is_past ? g->n_past : g->n_keys) - key);
        state->transpose(from + at, is_past ? g->past_k.row : g->k.row, packed + key / nr * nr * g->size + key % nr, nr,
                         n, g->size);
    }
    state->vbinary->functions[PITH_VBINARY_MUL][PITH_VBINARY_VS](packed, &scale, packed, state->packed_k_floats);
}

static void pack_head(const attention_state *state, const pith_run *run, int64_t index)
{
    const pithi_attention_geometry *g = &state->g;
    int64_t batch = index / g->n_key_heads, head = index % g->n_key_heads;
    pack_keys(state, run, batch, head, (float *)run->shared + (size_t)index * state->packed_k_floats);
    pithi_attention_store_present(run, g, false, batch, head);
    pithi_attention_store_present(run, g, true, batch, head);
}

static void keep(const pith_run *run, int mode, int64_t at, const float *scores, int64_t n)
{
    if (run->n_outputs > SCORES && run->outputs[SCORES].data &&
        ((const pithi_attention_attrs *)run->attrs)->qk_matmul_output_mode == mode) {
        memcpy((float *)run->outputs[SCORES].data + at, scores, (size_t)n * sizeof(float));
    }
}

/* Adds the mask to the scores of keys [begin, end), which the mask may cut short; the others become -inf. */
static void add_bias(const attention_state *state, const pithi_attention_mask *mask, int64_t begin, int64_t end,
                     float *scores, int64_t n)
{
    end = pithi_min_s64(end, mask->n_keys);
    for (int64_t i = 0; i < pithi_min_s64(begin, n); i++) {
        scores[i] = -INFINITY;
    }
    for (int64_t i = pithi_max_s64(end, 0); i < n; i++) {
        scores[i] = -INFINITY;
    }
    if (mask->mask && mask->mask->dtype == PITH_DTYPE_F32) {
        const float *bias = (const float *)mask->mask->data + mask->at;
        size_t n_seen = (size_t)pithi_max_s64(end - begin, 0);
        state->vbinary->functions[PITH_VBINARY_ADD][PITH_VBINARY_VV](scores + begin, bias + begin, scores + begin,
                                                                     n_seen);
    } else if (mask->mask) {
        const uint8_t *is_seen = (const uint8_t *)mask->mask->data + mask->at;
        for (int64_t i = begin; i < end; i++) {
            scores[i] = is_seen[i] ? scores[i] : -INFINITY;
        }
    }
}

/* Softmax over keys [begin, end) of n, the others getting 0; a row that may see no key becomes zeros, or NaN. */
static void softmax(const attention_state *state, float *scores, int64_t begin, int64_t end, int64_t n,
                    bool nan_where_blind)
{
    int64_t first = pithi_min_s64(begin, n), last = pithi_max_s64(first, end), seen = first;
    while (seen < last && scores[seen] == -INFINITY) {
        seen++;
    }
    last = seen < last || nan_where_blind ? last : first;
    for (int64_t i = 0; i < first; i++) {
        scores[i] = 0.0f;
    }
    state->softmax->row(scores + first, scores + first, (size_t)(last - first));
    for (int64_t i = last; i < n; i++) {
        scores[i] = 0.0f;
    }
}

/* A block of query rows of one head, and the first keys that any of them may see. */
typedef struct row_block {
    int64_t batch, head, first, n_keys;
    int n_rows;
    pithi_attention_mask mask; /* of row `first`; that of the next row is mask_step further */
    int64_t mask_step;
} row_block;

static void find_limits(const attention_state *state, const pith_run *run, const row_block *block, int64_t row,
                        int64_t *begin, int64_t *end)
{
    *begin = 0;
    *end = state->g.n_keys;
    if (!state->sees_all) {
        pithi_attention_find_limits(run, &state->g, block->batch, row, begin, end);
    }
}

static row_block find_block(const attention_state *state, const pith_run *run, int64_t index)
{
    const pithi_attention_geometry *g = &state->g;
    row_block b = { .batch = index / state->n_row_blocks / g->n_heads, .head = index / state->n_row_blocks % g->n_heads,
                    .first = index % state->n_row_blocks * ROW_BLOCK, .n_keys = state->sees_all ? g->n_keys : 1 };
    b.n_rows = (int)pithi_min_s64(ROW_BLOCK, g->n_rows - b.first);
    for (int i = 0; i < b.n_rows && b.n_keys < g->n_keys; i++) {
        int64_t begin, end;
        find_limits(state, run, &b, b.first + i, &begin, &end);
        b.n_keys = pithi_max_s64(b.n_keys, end);
    }
    bool keeps_scores = run->n_outputs > SCORES && run->outputs[SCORES].data;
    b.n_keys = keeps_scores ? g->n_keys : b.n_keys;
    b.mask = pithi_attention_find_mask(run, g, b.batch, b.head, b.first);
    b.mask_step = pithi_attention_find_mask(run, g, b.batch, b.head, b.first + 1).at - b.mask.at;
    return b;
}

/* Products of query row `row` with the keys become its probabilities. */
static void finish_scores(const attention_state *state, const pith_run *run, const row_block *block, int64_t row,
                          float *scores)
{
    const pithi_attention_geometry *g = &state->g;
    const pithi_attention_attrs *attrs = run->attrs;
    int64_t n = block->n_keys, begin, end;
    int64_t at = ((block->batch * g->n_heads + block->head) * g->n_rows + row) * g->n_keys;
    pithi_attention_mask mask = block->mask;
    mask.at += (row - block->first) * block->mask_step;
    find_limits(state, run, block, row, &begin, &end);
    keep(run, RAW_SCORES, at, scores, n);
    if (attrs->softcap > 0.0f) {
        for (int64_t i = 0; i < n; i++) {
            scores[i] /= attrs->softcap;
        }
        state->vunary->functions[PITH_VUNARY_TANH](scores, scores, (size_t)n, 0.0f, 0.0f);
        for (int64_t i = 0; i < n; i++) {
            scores[i] *= attrs->softcap;
        }
    }
    keep(run, CAPPED_SCORES, at, scores, n);
    add_bias(state, &mask, begin, end, scores, n);
    keep(run, BIASED_SCORES, at, scores, n);
    softmax(state, scores, begin, end, n, attrs->nan_where_blind);
    keep(run, PROBABILITIES, at, scores, n);
}

/* Keys (or values) of one head that follow one another in one operand: from `key` to the end of the past, or on
 * to the last key that is asked for. */
static const float *find_run(const attention_state *state, const pith_run *run, const row_block *block, bool is_value,
                             int64_t key, int64_t *n_out)
{
    const pithi_attention_geometry *g = &state->g;
    int64_t at = 0, key_head = block->head / (g->n_heads / g->n_key_heads);
    int input = pithi_attention_find_row(g, is_value, block->batch, key_head, key, &at);
    *n_out = pithi_min_s64(key < g->n_past ? g->n_past : g->n_keys, block->n_keys) - key;
    return (const float *)run->inputs[input].data + at;
}

/* Rows of the result: probabilities (rows of `weights`) times V where it lies. */
static void add_values(const attention_state *state, const pith_run *run, const row_block *block, const float **weights)
{
    static const ptrdiff_t no_offset[1] = { 0 };
    const pithi_attention_geometry *g = &state->g;
    float *y = (float *)run->outputs[Y].data + block->batch * g->y.batch + block->head * g->y.head +
               block->first * g->y.row;
    for (int64_t key = 0, n; key < block->n_keys; key += n) {
        const float *v = find_run(state, run, block, true, key, &n);
        int64_t row = key < g->n_past ? g->past_v.row : g->v.row;
        n = pithi_min_s64(n, VALUES);
        pith_gemm_f32_tile tile = { .a_rows = weights, .segment_offsets = no_offset, .n_segments = 1,
                                    .segment_length = (size_t)n, .b = v, .b_row_stride = (size_t)row,
                                    .b_panel_stride = (size_t)state->gemm->nr, .c = y, .c_stride = (size_t)g->y.row,
                                    .mr = block->n_rows, .n_columns = (int)g->value_size, .accumulate = key > 0,
                                    .lo = -INFINITY, .hi = INFINITY };
        state->gemm->tile(&tile);
        for (int i = 0; i < block->n_rows; i++) {
            weights[i] += n;
        }
    }
}

static void attend(const attention_state *state, const pith_run *run, int64_t index, float *scores)
{
    static const ptrdiff_t no_offset[1] = { 0 };
    const pithi_attention_geometry *g = &state->g;
    const float *rows[ROW_BLOCK];
    row_block block = find_block(state, run, index);
    int64_t nr = state->gemm->nr, key_head = block.batch * g->n_key_heads + block.head / (g->n_heads / g->n_key_heads);
    const float *k = (const float *)run->shared + (size_t)key_head * state->packed_k_floats;
    for (int i = 0; i < block.n_rows; i++) {
        rows[i] = (const float *)run->inputs[Q].data + block.batch * g->q.batch + block.head * g->q.head +
                  (block.first + i) * g->q.row;
    }
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1,
                                .segment_length = (size_t)g->size, .b = k, .b_row_stride = (size_t)nr,
                                .b_panel_stride = (size_t)(nr * g->size), .c = scores, .c_stride = (size_t)block.n_keys,
                                .mr = block.n_rows, .n_columns = (int)block.n_keys, .lo = -INFINITY, .hi = INFINITY };
    state->gemm->tile(&tile);
    for (int i = 0; i < block.n_rows; i++) {
        rows[i] = scores + i * block.n_keys;
        finish_scores(state, run, &block, block.first + i, scores + i * block.n_keys);
    }
    add_values(state, run, &block, rows);
}

/* scores = scale q K^T: the keys are the rows of the product, the query its one column. */
static void score_row(const attention_state *state, const pith_run *run, const row_block *block, const float *q,
                      float *scores)
{
    static const ptrdiff_t no_offset[1] = { 0 };
    const pithi_attention_geometry *g = &state->g;
    const float *rows[KEYS];
    for (int64_t key = 0, n; key < block->n_keys; key += n) {
        const float *k = find_run(state, run, block, false, key, &n);
        int64_t row = key < g->n_past ? g->past_k.row : g->k.row;
        n = pithi_min_s64(n, KEYS);
        for (int64_t i = 0; i < n; i++) {
            rows[i] = k + i * row;
        }
        pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1,
                                    .segment_length = (size_t)g->size, .b = q, .b_row_stride = 1,
                                    .b_panel_stride = (size_t)state->gemm->nr, .c = scores + key, .c_stride = 1,
                                    .mr = (int)n, .n_columns = 1, .lo = -INFINITY, .hi = INFINITY };
        state->gemm->tile(&tile);
    }
    float scale = pithi_attention_scale(run->attrs, g);
    for (int64_t i = 0; i < block->n_keys; i++) {
        scores[i] *= scale;
    }
}

/* The one query row of head `index` of all batch items' heads. */
static void attend_one(const attention_state *state, const pith_run *run, int64_t index, float *scores)
{
    const pithi_attention_geometry *g = &state->g;
    row_block block = find_block(state, run, index);
    const float *q = (const float *)run->inputs[Q].data + block.batch * g->q.batch + block.head * g->q.head, *weights;
    score_row(state, run, &block, q, scores);
    finish_scores(state, run, &block, 0, scores);
    weights = scores;
    add_values(state, run, &block, &weights);
    int64_t n_shared = g->n_heads / g->n_key_heads;
    if (block.head % n_shared == 0) {
        pithi_attention_store_present(run, g, false, block.batch, block.head / n_shared);
        pithi_attention_store_present(run, g, true, block.batch, block.head / n_shared);
    }
}

void pithi_attention_run(const pith_run *run, const pith_part *part)
{
    const attention_state *state = run->state;
    const pithi_attention_geometry *g = &state->g;
    bool is_packing = part->phase == 0 && g->n_rows > 1;
    int64_t n_items = g->n_batches * (is_packing ? g->n_key_heads : g->n_heads * state->n_row_blocks), begin, end;
    pithi_part_range(part, n_items, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        if (g->n_rows == 1) {
            attend_one(state, run, i, part->scratch);
        } else if (is_packing) {
            pack_head(state, run, i);
        } else {
            attend(state, run, i, part->scratch);
        }
    }
}
