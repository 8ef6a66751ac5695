/* SPDX-License-Identifier: Apache-2.0 */
/* The fast path of rnn, gru and lstm: float32 with constant W and R, which may have 8 bits (shared_s8_rows.h).
 *
 * Batch items are independent and so are directions: they are the parts. A part takes blocks of ROWS items;
 * for a block the input products of several time steps are one call of the product kernel, then each step adds
 * the recurrent products to its piece of them and lets the cell finish. All buffers are scratch:
 *
 *   sums   [steps of the chunk][rows][gates][hidden]   h, c, extra [rows][hidden]   bias [gates + 1][hidden]
 *
 * With fewer such parts than threads the hidden units are cut instead (`is_cut`): the first phase makes the input
 * products of all steps, then every group of gates of every step is a phase, in which each part does its units of
 * all gates. Sums and states then are shared memory, h twice since all parts read the old one. R lies in as many
 * caches as there are threads. The sums are the same to the bit.
 */
#include <math.h>

#include "kernels/transpose.h"
#include "ops/shared_gemm.h"
#include "ops/shared_rnn_state.h"

#define ROWS 16       /* batch items that share a pass over R */
#define CHUNK_ROWS PITHI_S8_ROWS_MOST /* rows of one input product: steps times batch items */

/* Rows of one direction that go through the steps together. */
typedef struct row_block {
    const pithi_rnn_state *state;
    const pith_run *run;
    int direction, n_rows;
    int64_t first_batch, n_steps;
    int64_t lengths[ROWS];
    float *sums, *h, *c, *extra, *bias, *late_bias;
    void *encoded; /* rows of the products of 8 bits */
} row_block;

/* Hidden units or columns [first, first + n) of all rows. */
typedef struct unit_range {
    int64_t first, n;
} unit_range;

#define MOST_SHARED ((size_t)32 << 20) /* bytes of sums of all steps, when cut by hidden units */

static const ptrdiff_t no_offset[1] = { 0 };

/* ---- prepare ------------------------------------------------------------------------------ */

typedef struct pack_job {
    const pith_gemm_f32 *gemm;
    pith_transpose_fn *transpose;
    const float *from; /* [n][n_k], at any alignment */
    size_t n_k, n;
} pack_job;

/* Recurrent weights are read by a row or few at a time, as fast as they come from L2: slabs of so many panels side by
 * side, k by k, are read in one stream. A row of 128 by 512 columns took a quarter less than from panels one by one. */
#define SLAB_PANELS 8

static size_t strip_width(const pith_gemm_f32 *gemm, size_t n, size_t column, size_t n_panels)
{
    size_t nr = (size_t)gemm->nr, left = (n + nr - 1) / nr * nr - column;
    return left < n_panels * nr ? left : n_panels * nr;
}

static size_t slab_width(const pith_gemm_f32 *gemm, size_t n, size_t column)
{
    return strip_width(gemm, n, column, SLAB_PANELS);
}

/* Columns past the last are zero. */
static void fill_strips(const pack_job *job, size_t n_panels, float *to)
{
    for (size_t first = 0, width = 0; first < job->n; first += width, to += width * job->n_k) {
        width = strip_width(job->gemm, job->n, first, n_panels);
        size_t lanes = job->n - first < width ? job->n - first : width;
        if (lanes < width) {
            memset(to, 0, width * job->n_k * sizeof *to);
        }
        job->transpose(job->from + first * job->n_k, (int64_t)job->n_k, to, (int64_t)width, (int64_t)lanes,
                       (int64_t)job->n_k);
    }
}

static void fill_pack(void *user, void *block) { fill_strips(user, 1, block); }
static void fill_slabs(void *user, void *block) { fill_strips(user, SLAB_PANELS, block); }

/* Rows [first, first + n) of a constant weight matrix with n_k columns. */
static pith_status pack(pith_prepare *prepare, const pithi_rnn_state *state, int input, int64_t first, int64_t n,
                        const float **packed_out)
{
    int64_t n_k = prepare->inputs[input].shape.dims[2];
    const float *data = prepare->inputs[input].data;
    pack_job job = { state->gemm, pithi_transpose_find(prepare->isa_limit, 2), data + first * n_k, (size_t)n_k,
                     (size_t)n };
    const int64_t identity[2] = { first, n };
    uint64_t key = pithi_hash(pithi_hash(PITHI_HASH_START, "rnn", 3), identity, sizeof identity);
    size_t n_bytes = pithi_gemm_f32_packed_size(state->gemm, job.n_k, job.n) * sizeof(float);
    const void *block = NULL;
    PITH_TRY(pithi_prepare_pack(prepare, data, key, n_bytes, input == PITHI_RNN_R ? fill_slabs : fill_pack, &job,
                                &block));
    *packed_out = block;
    return PITH_OK;
}

static pith_status pack_s8(pith_prepare *prepare, int input, int64_t first, int64_t n, int64_t n_rows,
                           pithi_s8_rows *rows_out)
{
    return pithi_s8_rows_make(prepare, &prepare->inputs[input], first, n,
                              prepare->inputs[PITHI_RNN_W_SCALE + input - PITHI_RNN_W].data, n_rows, rows_out);
}

/* Units are whole strips where all threads get some. */
static void choose_units(const pith_prepare *prepare, pithi_rnn_state *state)
{
    const pith_gemm_s8 *gemm = pithi_gemm_s8(prepare->isa_limit);
    const int64_t strip = gemm->strip * gemm->nr, n_units = state->shape.hidden_size / strip;
    const bool is_whole = state->shape.hidden_size % strip == 0 && n_units >= prepare->n_threads;
    state->nr = is_whole ? (int)strip : gemm->nr;
    state->r_rows = is_whole || prepare->n_threads == 1 ? state->n_rows : 0;
}

static pith_status pack_direction(pith_prepare *prepare, pithi_rnn_state *state, int direction)
{
    const pithi_rnn_cell *cell = state->cell;
    int64_t n = state->shape.hidden_size, first = direction * cell->n_gates * n;
    if (state->is_s8) {
        PITH_TRY(pack_s8(prepare, PITHI_RNN_W, first, cell->n_gates * n, state->n_rows * state->n_chunk_steps,
                         &state->w_s8[direction]));
    }
    for (int group = 0; group < cell->n_groups && state->is_s8; group++) {
        const int64_t n_rows = cell->group_gates[group] * n;
        PITH_TRY(pack_s8(prepare, PITHI_RNN_R, first, n_rows, state->r_rows, &state->r_s8[direction][group]));
        first += n_rows;
    }
    if (state->is_s8) {
        return PITH_OK;
    }
    PITH_TRY(pack(prepare, state, PITHI_RNN_W, first, cell->n_gates * n, &state->w[direction]));
    for (int group = 0; group < cell->n_groups; group++) {
        PITH_TRY(pack(prepare, state, PITHI_RNN_R, first, cell->group_gates[group] * n, &state->r[direction][group]));
        first += cell->group_gates[group] * n;
    }
    return PITH_OK;
}

static bool is_fast(const pith_prepare *prepare)
{
    const pith_tensor *w = &prepare->inputs[PITHI_RNN_W], *r = &prepare->inputs[PITHI_RNN_R];
    const bool is_s8 = w->dtype == PITH_DTYPE_S8 && prepare->inputs[PITHI_RNN_W_SCALE].data &&
                       prepare->inputs[PITHI_RNN_R_SCALE].data;
    return (w->dtype == PITH_DTYPE_F32 || is_s8) && w->data && r->data && w->shape.dims[2] > 0 &&
           r->shape.dims[2] > 0 && pith_shape_elements(&prepare->inputs[PITHI_RNN_X].shape) > 0;
}

static size_t scratch_floats(const pithi_rnn_state *state)
{
    size_t n = (size_t)state->shape.hidden_size, rows = (size_t)state->n_rows, gates = (size_t)state->cell->n_gates;
    return (size_t)state->n_chunk_steps * rows * gates * n + 3 * rows * n + (gates + 1) * n;
}

static size_t sums_floats(const pithi_rnn_state *state)
{
    return (size_t)(state->shape.n_steps * state->shape.n_batches * state->shape.n_gates * state->shape.hidden_size);
}

/* h twice, c, extra. */
static size_t states_floats(const pithi_rnn_state *state)
{
    return 4 * (size_t)(state->shape.n_batches * state->shape.hidden_size);
}

static bool wants_cut(const pithi_rnn_state *state, int n_threads)
{
    const pithi_rnn_shape *s = &state->shape;
    const int64_t step_macs = s->n_gates * s->hidden_size * s->hidden_size * s->n_batches;
    return s->n_directions == 1 && s->n_batches < n_threads && s->n_batches <= ROWS &&
           s->hidden_size % state->nr == 0 && step_macs >= 2 * PITHI_PART_MACS * state->cell->n_groups &&
           s->n_steps < INT32_MAX / 4 && sums_floats(state) <= MOST_SHARED / sizeof(float);
}

pith_status pithi_rnn_prepare(pith_prepare *prepare, const pithi_rnn_cell *cell)
{
    prepare->use_run = is_fast(prepare);
    if (!prepare->use_run) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_rnn_state), &block));
    pithi_rnn_state *state = block;
    state->cell = cell;
    state->gemm = pithi_gemm_f32(prepare->isa_limit);
    state->is_s8 = prepare->inputs[PITHI_RNN_W].dtype == PITH_DTYPE_S8;
    state->nr = state->gemm->nr;
    state->vunary = pithi_vunary_f32(prepare->isa_limit);
    state->vbinary = pithi_vbinary_f32(prepare->isa_limit);
    pithi_rnn_shape_of(prepare->attrs, prepare->inputs, cell->n_gates, &state->shape);
    state->n_rows = (int)pithi_min_s64(state->shape.n_batches, ROWS);
    state->n_chunk_steps = (int)pithi_min_s64(state->shape.n_steps, CHUNK_ROWS / state->n_rows);
    if (state->is_s8) {
        choose_units(prepare, state);
    }
    for (int direction = 0; direction < state->shape.n_directions; direction++) {
        pithi_rnn_activations_of(prepare->attrs, direction, cell->defaults, cell->n_activations,
                                 state->activations[direction]);
        PITH_TRY(pack_direction(prepare, state, direction));
    }
    prepare->state = state;
    prepare->max_parts = (int)pithi_min_s64(state->shape.n_directions * state->shape.n_batches, 1 << 20);
    if (state->is_s8) {
        size_t x_bytes = pithi_s8_rows_scratch_bytes(state->shape.input_size, state->n_chunk_steps * state->n_rows);
        size_t h_bytes = pithi_s8_rows_scratch_bytes(state->shape.hidden_size, state->n_rows);
        state->rows_bytes = pithi_align_up(x_bytes > h_bytes ? x_bytes : h_bytes, PITH_ALIGNMENT);
    }
    prepare->scratch_bytes = state->rows_bytes + scratch_floats(state) * sizeof(float);
    prepare->kernel = state->is_s8 ? state->w_s8[0].weights.kernel->head.name : state->gemm->head.name;
    state->is_cut = wants_cut(state, prepare->n_threads);
    if (state->is_cut) {
        const int64_t n_units = state->shape.hidden_size / state->nr;
        prepare->max_parts = (int)pithi_min_s64(prepare->n_threads, n_units);
        prepare->n_phases = (int)state->shape.n_steps * cell->n_groups + 1;
        prepare->shared_bytes = (sums_floats(state) + states_floats(state)) * sizeof(float);
    }
    return PITH_OK;
}

/* ---- run ---------------------------------------------------------------------------------- */

static bool is_late(const row_block *block)
{
    return ((const pithi_rnn_attrs *)block->run->attrs)->linear_before_reset != 0 && block->state->cell->n_groups > 1;
}

/* Wb + Rb for every gate; with linear_before_reset the last gate's Rb stays apart. */
static void add_biases(row_block *block)
{
    const pith_tensor *b = pithi_rnn_input(block->run->inputs, block->run->n_inputs, PITHI_RNN_B);
    int64_t n = block->state->shape.hidden_size, width = block->state->cell->n_gates * n;
    int64_t n_early = is_late(block) ? width - n : width;
    const float *input = b ? (const float *)b->data + 2 * block->direction * width : NULL;
    for (int64_t j = 0; j < width; j++) {
        block->bias[j] = !b ? 0.0f : j < n_early ? input[j] + input[width + j] : input[j];
    }
}

static void add_late_bias(row_block *block)
{
    const pith_tensor *b = pithi_rnn_input(block->run->inputs, block->run->n_inputs, PITHI_RNN_B);
    int64_t n = block->state->shape.hidden_size, width = block->state->cell->n_gates * n;
    for (int64_t j = 0; j < n; j++) {
        block->late_bias[j] = b ? ((const float *)b->data)[2 * (block->direction + 1) * width - n + j] : 0.0f;
    }
}

/* Time step that row `row` takes as its i-th; rows that have ended repeat a valid one. */
static int64_t time_of(const row_block *block, int row, int64_t i)
{
    int64_t length = block->lengths[row];
    if (i >= length) {
        return 0;
    }
    return pithi_rnn_is_reverse(block->run->attrs, block->direction) ? length - 1 - i : i;
}

/* sums = x W^T + bias for steps [first, first + n) of all rows. */
static void multiply_inputs(const row_block *block, int64_t first, int64_t n)
{
    const pithi_rnn_state *state = block->state;
    const pithi_rnn_shape *s = &state->shape;
    size_t width = (size_t)(s->n_gates * s->hidden_size);
    const float *rows[CHUNK_ROWS];
    int n_rows = 0;
    for (int64_t i = first; i < first + n; i++) {
        for (int row = 0; row < block->n_rows; row++) {
            rows[n_rows++] = (const float *)block->run->inputs[PITHI_RNN_X].data + time_of(block, row, i) * s->x_step +
                             (block->first_batch + row) * s->x_batch;
        }
    }
    if (state->is_s8) {
        const pithi_s8_rows *w = &state->w_s8[block->direction];
        pithi_s8_rows_encode(w, rows, n_rows, block->encoded);
        const pithi_s8_rows_product product = { 0, (int64_t)width, n_rows, block->bias, block->sums, width };
        pithi_s8_rows_multiply(w, &product, block->encoded);
        return;
    }
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1,
                                .segment_length = (size_t)s->input_size, .b = state->w[block->direction],
                                .b_row_stride = (size_t)state->gemm->nr,
                                .b_panel_stride = (size_t)state->gemm->nr * (size_t)s->input_size,
                                .bias = block->bias, .c = block->sums, .c_stride = width, .mr = n_rows,
                                .n_columns = (int)width, .lo = -INFINITY, .hi = INFINITY };
    state->gemm->tile(&tile);
}

/* What a group of gates multiplies: h, or without linear_before_reset the last group of two `extra` (r * h). */
static bool goes_apart(const row_block *block, int group) { return group > 0 && is_late(block); }

static void state_rows(const row_block *block, int group, const float **rows)
{
    const float *from = group > 0 && !is_late(block) ? block->extra : block->h;
    for (int row = 0; row < block->n_rows; row++) {
        rows[row] = from + (size_t)row * (size_t)block->state->shape.hidden_size;
    }
    if (block->state->is_s8) {
        pithi_s8_rows_encode(&block->state->r_s8[block->direction][group], rows, block->n_rows, block->encoded);
    }
}

/* Adds the products of a group of gates with the rows to the sums, or with linear_before_reset puts those of the last
 * group into `extra`. For n columns from the group's column `first` on, which begins a panel. */
static void multiply_states(const row_block *block, int group, const float *const *rows, float *sums,
                            const unit_range *columns)
{
    const pithi_rnn_state *state = block->state;
    const bool is_apart = goes_apart(block, group);
    size_t n = (size_t)state->shape.hidden_size, width = n * (size_t)state->shape.n_gates;
    size_t first = (size_t)columns->first, end = first + (size_t)columns->n, c_stride = is_apart ? n : width;
    const float *bias = is_apart ? block->late_bias : NULL;
    float *c = is_apart ? block->extra : sums + (group > 0 ? width - n : 0);
    if (state->is_s8) {
        const pithi_s8_rows_product product = { columns->first, columns->n, block->n_rows, bias ? bias + first : NULL,
                                                c + first, c_stride };
        pithi_s8_rows_multiply(&state->r_s8[block->direction][group], &product, block->encoded);
        return;
    }
    const float *b = state->r[block->direction][group];
    size_t n_packed = n * (size_t)state->cell->group_gates[group], nr = (size_t)state->gemm->nr;
    size_t slab = SLAB_PANELS * nr;
    for (size_t at = first, next = 0; at < end; at = next) {
        size_t begin = at / slab * slab;
        next = begin + slab < end ? begin + slab : end;
        pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1, .segment_length = n,
                                    .b = b + begin * n + (at - begin),
                                    .b_row_stride = slab_width(state->gemm, n_packed, begin), .b_panel_stride = nr,
                                    .bias = bias ? bias + at : NULL, .c = c + at, .c_stride = c_stride,
                                    .mr = block->n_rows, .n_columns = (int)(next - at), .accumulate = !is_apart,
                                    .lo = -INFINITY, .hi = INFINITY };
        state->gemm->tile(&tile);
    }
}

static void run_step(const row_block *block, int64_t i, float *sums)
{
    const pithi_rnn_state *state = block->state;
    size_t n = (size_t)state->shape.hidden_size, width = n * (size_t)state->shape.n_gates;
    const float *rows[ROWS];
    for (int group = 0; group < state->cell->n_groups; group++) {
        const unit_range columns = { 0, (int64_t)n * state->cell->group_gates[group] };
        state_rows(block, group, rows);
        multiply_states(block, group, rows, sums, &columns);
        for (size_t row = 0; row < (size_t)block->n_rows; row++) {
            pithi_rnn_step step = { state, block->run, block->direction, sums + row * width, block->h + row * n,
                                    block->c + row * n, block->extra + row * n, 0, (int64_t)n };
            if (i < block->lengths[row]) {
                state->cell->after_group[group](&step);
            }
        }
    }
}

/* Row of Y for batch item and time, or NULL if Y isn't wanted. */
static float *y_row(const row_block *block, int row, int64_t t)
{
    const pithi_rnn_shape *s = &block->state->shape;
    float *y = block->run->n_outputs > 0 ? block->run->outputs[0].data : NULL;
    return y ? y + t * s->y_step + block->direction * s->y_direction + (block->first_batch + row) * s->y_batch : NULL;
}

static void store_step(const row_block *block, int64_t i)
{
    size_t n = (size_t)block->state->shape.hidden_size;
    for (int row = 0; row < block->n_rows; row++) {
        bool has_ended = i >= block->lengths[row];
        float *y = y_row(block, row, has_ended ? i : time_of(block, row, i));
        if (y && has_ended) {
            memset(y, 0, n * sizeof(float));
        } else if (y) {
            memcpy(y, block->h + (size_t)row * n, n * sizeof(float));
        }
    }
}

/* Copies a state between its tensor and the block; an absent initial state is zero, and so is the final
 * state of an empty sequence. */
static void move_state(const row_block *block, const pith_tensor *tensor, float *rows, bool is_load)
{
    const pithi_rnn_shape *s = &block->state->shape;
    size_t n = (size_t)s->hidden_size;
    for (int row = 0; row < block->n_rows; row++) {
        float *state = rows + (size_t)row * n;
        float *at = tensor ? (float *)tensor->data + block->direction * s->state_direction +
                                 (block->first_batch + row) * s->state_batch
                           : NULL;
        if (is_load && !at) {
            memset(state, 0, n * sizeof(float));
        } else if (is_load) {
            memcpy(state, at, n * sizeof(float));
        } else if (block->lengths[row] == 0) {
            memset(at, 0, n * sizeof(float));
        } else {
            memcpy(at, state, n * sizeof(float));
        }
    }
}

static void run_block(row_block *block)
{
    const pith_run *run = block->run;
    const pithi_rnn_state *state = block->state;
    size_t step_floats = (size_t)(block->n_rows * state->shape.n_gates * state->shape.hidden_size);
    move_state(block, pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_H), block->h, true);
    move_state(block, pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_C), block->c, true);
    for (int64_t first = 0; first < block->n_steps; first += state->n_chunk_steps) {
        int64_t n = pithi_min_s64(state->n_chunk_steps, block->n_steps - first);
        multiply_inputs(block, first, n);
        for (int64_t i = 0; i < n; i++) {
            run_step(block, first + i, block->sums + (size_t)i * step_floats);
            store_step(block, first + i);
        }
    }
    for (int64_t i = block->n_steps; i < state->shape.n_steps; i++) {
        store_step(block, i);
    }
    for (int i = 1; i < run->n_outputs && i <= 2; i++) {
        if (run->outputs[i].data) {
            move_state(block, &run->outputs[i], i == 1 ? block->h : block->c, false);
        }
    }
}

/* Sets up the block of batch items [first, first + n) of a direction in the scratch. */
static void start_block(row_block *block, int direction, int64_t first, int64_t n, void *scratch)
{
    const pithi_rnn_state *state = block->state;
    size_t hidden = (size_t)state->shape.hidden_size, rows = (size_t)state->n_rows;
    block->direction = direction;
    block->first_batch = first;
    block->n_rows = (int)n;
    block->encoded = scratch;
    block->h = (float *)(void *)((char *)scratch + state->rows_bytes);
    block->c = block->h + rows * hidden;
    block->extra = block->c + rows * hidden;
    block->bias = block->extra + rows * hidden;
    block->late_bias = block->bias + (size_t)state->cell->n_gates * hidden;
    block->sums = block->late_bias + hidden;
    block->n_steps = 0;
    for (int row = 0; row < block->n_rows; row++) {
        block->lengths[row] = pithi_rnn_length(block->run, &state->shape, first + row);
        block->n_steps = pithi_max_s64(block->n_steps, block->lengths[row]);
    }
}

/* ---- cut by hidden units ------------------------------------------------------------------ */

static void copy_units(float *to, const float *from, const unit_range *units)
{
    if (from) {
        memcpy(to + units->first, from + units->first, (size_t)units->n * sizeof(float));
    } else {
        memset(to + units->first, 0, (size_t)units->n * sizeof(float));
    }
}

/* The block of all batch items with its buffers in shared memory; h is that before step i. */
static float *start_cut_block(row_block *block, int64_t i, void *scratch)
{
    const pithi_rnn_state *state = block->state;
    const pithi_rnn_shape *s = &state->shape;
    const size_t row_floats = (size_t)(s->n_batches * s->hidden_size);
    float *shared = block->run->shared, *states = shared + sums_floats(state);
    start_block(block, 0, 0, s->n_batches, scratch);
    block->sums = shared;
    block->h = states + (size_t)(i % 2) * row_floats;
    block->c = states + 2 * row_floats;
    block->extra = states + 3 * row_floats;
    return states + (size_t)((i + 1) % 2) * row_floats;
}

/* Input products of this part's share of the steps; the first part also fetches the states. */
static void run_cut_inputs(row_block *block, const pith_part *part)
{
    const pith_run *run = block->run;
    const pithi_rnn_state *state = block->state;
    const pithi_rnn_shape *s = &state->shape;
    float *sums = block->sums;
    int64_t begin, end;
    add_biases(block);
    pithi_part_range(part, s->n_steps, &begin, &end);
    for (int64_t first = begin; first < end; first += state->n_chunk_steps) {
        block->sums = sums + (size_t)(first * s->n_batches * s->n_gates * s->hidden_size);
        multiply_inputs(block, first, pithi_min_s64(state->n_chunk_steps, end - first));
    }
    if (part->index == 0) {
        move_state(block, pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_H), block->h, true);
        move_state(block, pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_C), block->c, true);
    }
}

/* Y, and after the last step the final states, of one row. */
static void store_units(const row_block *block, int row, int64_t i, const float *h, const unit_range *units)
{
    const pith_run *run = block->run;
    const pithi_rnn_shape *s = &block->state->shape;
    const bool has_ended = i >= block->lengths[row];
    float *y = y_row(block, row, has_ended ? i : time_of(block, row, i));
    if (y) {
        copy_units(y, has_ended ? NULL : h, units);
    }
    for (int k = 1; k < run->n_outputs && k <= 2 && i + 1 == s->n_steps; k++) {
        const float *last = k == 1 ? h : block->c + (size_t)row * (size_t)s->hidden_size;
        if (run->outputs[k].data) {
            copy_units((float *)run->outputs[k].data + row * s->state_batch, block->lengths[row] ? last : NULL, units);
        }
    }
}

/* One group of gates of step i, for this part's hidden units; next_h gets what the last group makes of h. */
static void run_cut_group(const row_block *block, int64_t i, int group, float *next_h, const unit_range *units)
{
    const pithi_rnn_state *state = block->state;
    const pithi_rnn_shape *s = &state->shape;
    const size_t n = (size_t)s->hidden_size, width = n * (size_t)s->n_gates;
    const bool is_last = group + 1 == state->cell->n_groups;
    float *sums = block->sums + (size_t)i * (size_t)block->n_rows * width;
    const float *rows[ROWS];
    state_rows(block, group, rows);
    for (int gate = 0; gate < state->cell->group_gates[group]; gate++) {
        const unit_range columns = { gate * s->hidden_size + units->first, units->n };
        multiply_states(block, group, rows, sums, &columns);
    }
    for (int row = 0; row < block->n_rows; row++) {
        float *h = block->h + (size_t)row * n, *fresh = next_h + (size_t)row * n;
        pithi_rnn_step step = { state, block->run, block->direction, sums + (size_t)row * width, is_last ? fresh : h,
                                block->c + (size_t)row * n, block->extra + (size_t)row * n, units->first, units->n };
        if (is_last) {
            copy_units(fresh, h, units);
        }
        if (i < block->lengths[row]) {
            state->cell->after_group[group](&step);
        }
        if (is_last) {
            store_units(block, row, i, fresh, units);
        }
    }
}

static void run_cut(row_block *block, const pith_part *part)
{
    const pithi_rnn_state *state = block->state;
    const int64_t nr = state->nr, n_groups = state->cell->n_groups;
    const int64_t i = part->phase == 0 ? 0 : (part->phase - 1) / n_groups;
    float *next_h = start_cut_block(block, i, part->scratch);
    int64_t begin, end;
    if (part->phase == 0) {
        run_cut_inputs(block, part);
        return;
    }
    pithi_part_range(part, state->shape.hidden_size / nr, &begin, &end);
    const unit_range units = { begin * nr, (end - begin) * nr };
    if (is_late(block) && (part->phase - 1) % n_groups > 0) {
        add_late_bias(block);
    }
    if (units.n > 0) {
        run_cut_group(block, i, (int)((part->phase - 1) % n_groups), next_h, &units);
    }
}

void pithi_rnn_run(const pith_run *run, const pith_part *part)
{
    const pithi_rnn_state *state = run->state;
    row_block block = { .state = state, .run = run };
    if (state->is_cut) {
        run_cut(&block, part);
        return;
    }
    int64_t n_batches = state->shape.n_batches, begin, end;
    pithi_part_range(part, state->shape.n_directions * n_batches, &begin, &end);
    while (begin < end) {
        int64_t first = begin % n_batches, n = pithi_min_s64(end - begin, n_batches - first);
        n = pithi_min_s64(n, state->n_rows);
        start_block(&block, (int)(begin / n_batches), first, n, part->scratch);
        add_biases(&block);
        add_late_bias(&block);
        run_block(&block);
        begin += n;
    }
}
