/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_broadcast.h"

#define CHUNK 8192        /* elements of a row per unit of work */
#define FINISH_AFTER 4096 /* elements after which `finish` runs, while they are in the first cache */
#define SHORT_ROW 24      /* elements up to which rows are spread out */
#define REPEATED_ROW 128  /* the same, where operands are as long as the result or the same row again and again */
#define REPEATED_ROWS 16  /* fewer rows don't repay it */
#define SPREAD 512        /* elements that are spread out at a time */
#define SPREAD_ITEM_BYTES 8

int64_t pithi_broadcast_offset(const pith_shape *shape, const pith_shape *to, int64_t index)
{
    int64_t offset = 0, stride = 1;
    for (int i = to->rank - 1, k = shape->rank - 1; k >= 0 && i >= 0 && index > 0; i--, k--) { /* more: leading ones */
        offset += shape->dims[k] == 1 ? 0 : index % to->dims[i] * stride;
        stride *= shape->dims[k];
        index /= to->dims[i];
    }
    return offset;
}

static bool can_merge(const pithi_rows *rows, int64_t dim, const int64_t *next_strides)
{
    for (int k = 0; k < rows->n_operands; k++) {
        if (rows->strides[k][rows->rank - 1] != next_strides[k] * dim) {
            return false;
        }
    }
    return true;
}

static void set_spread(pithi_rows *rows)
{
    bool is_simple = true, is_small = rows->row_length > 0;
    for (int k = 0; k < rows->n_operands; k++) {
        int64_t dense = 1, outer = 0;
        rows->is_dense[k] = true;
        for (int i = rows->rank - 1; i >= 0; i--) {
            rows->is_dense[k] = rows->is_dense[k] && rows->strides[k][i] == dense;
            outer |= i < rows->rank - 1 ? rows->strides[k][i] : 0;
            dense *= rows->dims[i];
        }
        rows->is_repeated[k] = outer == 0;
        is_simple = is_simple && (rows->is_dense[k] || rows->is_repeated[k]);
        is_small = is_small && rows->operand_bytes[k] <= SPREAD_ITEM_BYTES;
    }
    is_simple = is_simple && rows->n_rows >= REPEATED_ROWS;
    rows->is_spread = rows->rank > 1 && is_small && rows->row_length <= (is_simple ? REPEATED_ROW : SHORT_ROW);
    for (int k = 0; k < rows->n_operands && rows->is_spread; k++) {
        rows->inner_strides[k] = 1;
    }
}

void pithi_rows_init(pithi_rows *rows, const pith_tensor *operands, int n_operands, const pith_tensor *y)
{
    int64_t strides[PITHI_ROWS_MAX_OPERANDS][PITH_MAX_RANK];
    *rows = (pithi_rows){ .n_operands = n_operands, .y_bytes = pith_dtype_bytes(y->dtype) };
    for (int k = 0; k < n_operands; k++) {
        pithi_broadcast_strides(&operands[k].shape, &y->shape, strides[k]);
        rows->operand_bytes[k] = pith_dtype_bytes(operands[k].dtype);
    }
    for (int i = 0; i < y->shape.rank; i++) {
        int64_t dim = y->shape.dims[i], next[PITHI_ROWS_MAX_OPERANDS] = { 0 };
        if (dim == 1) {
            continue;
        }
        for (int k = 0; k < n_operands; k++) {
            next[k] = strides[k][i];
        }
        if (rows->rank > 0 && can_merge(rows, dim, next)) {
            rows->dims[rows->rank - 1] *= dim;
        } else {
            rows->dims[rows->rank++] = dim;
        }
        for (int k = 0; k < n_operands; k++) {
            rows->strides[k][rows->rank - 1] = next[k];
        }
    }
    if (rows->rank == 0) {
        rows->dims[rows->rank++] = 1;
    }
    rows->row_length = rows->dims[rows->rank - 1];
    rows->chunk = CHUNK;
    rows->n_rows = 1;
    for (int i = 0; i < rows->rank - 1; i++) {
        rows->n_rows *= rows->dims[i];
    }
    for (int k = 0; k < n_operands; k++) {
        rows->inner_strides[k] = rows->strides[k][rows->rank - 1];
    }
    set_spread(rows);
}

pith_status pithi_rows_prepare(pith_prepare *prepare, pithi_rows **rows_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_rows), &block));
    *rows_out = block;
    int n_operands = (int)pithi_min_s64(prepare->n_inputs, PITHI_ROWS_MAX_OPERANDS);
    pithi_rows_init(*rows_out, prepare->inputs, n_operands, &prepare->outputs[0]);
    const int64_t worthwhile = 8192;
    int64_t n_units = (*rows_out)->n_rows * pithi_div_up((*rows_out)->row_length, (*rows_out)->chunk);
    int64_t n_elements = pith_shape_elements(&prepare->outputs[0].shape);
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_units, pithi_min_s64(n_elements / worthwhile, 1024)));
    prepare->state = *rows_out;
    prepare->use_run = true;
    return PITH_OK;
}

/* Where a row begins in each operand. */
typedef struct cursor {
    int64_t at[PITH_MAX_RANK], offsets[PITHI_ROWS_MAX_OPERANDS];
} cursor;

static cursor cursor_at(const pithi_rows *rows, int64_t row)
{
    cursor c = { { 0 }, { 0 } };
    for (int i = rows->rank - 2; i >= 0; i--) {
        c.at[i] = row % rows->dims[i];
        row /= rows->dims[i];
        for (int k = 0; k < rows->n_operands; k++) {
            c.offsets[k] += c.at[i] * rows->strides[k][i];
        }
    }
    return c;
}

static void next_row(const pithi_rows *rows, cursor *c)
{
    for (int i = rows->rank - 2; i >= 0; i--) {
        const bool wraps = ++c->at[i] == rows->dims[i];
        for (int k = 0; k < rows->n_operands; k++) {
            c->offsets[k] += rows->strides[k][i] - (wraps ? rows->dims[i] * rows->strides[k][i] : 0);
        }
        if (!wraps) {
            return;
        }
        c->at[i] = 0;
    }
}

/* With a constant number of bytes memcpy becomes one move. */
#define COPY_ROWS(n_bytes)                                                                         \
    for (int64_t i = 0; i < count; i++) {                                                          \
        memcpy(to + i * (n_bytes), from + i * step, (size_t)(n_bytes));                            \
    }                                                                                              \
    break

static void copy_rows(const char *from, int64_t step, char *to, int64_t row_bytes, int64_t count)
{
    switch (row_bytes) {
    case 4: COPY_ROWS(4);
    case 8: COPY_ROWS(8);
    case 16: COPY_ROWS(16);
    case 32: COPY_ROWS(32);
    case 64: COPY_ROWS(64);
    default: COPY_ROWS(row_bytes);
    }
}

/* `count` rows one after the other in `to`, of an operand whose rows are `step` bytes apart. */
static void spread_rows(const pithi_rows *rows, int operand, const char *from, int64_t step, char *to, int64_t count)
{
    const int64_t item_bytes = (int64_t)rows->operand_bytes[operand];
    if (rows->strides[operand][rows->rank - 1] != 0) {
        copy_rows(from, step, to, rows->row_length * item_bytes, count);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t n = 0; n < rows->row_length; n++) {
            memcpy(to + (i * rows->row_length + n) * item_bytes, from + i * step, (size_t)item_bytes);
        }
    }
}

/* Rows [row, row + count) of all operands, as vectors; `buffers` take those that don't lie so already. What repeats is
 * there from the first rows on, which are the most. */
static void spread(const pithi_rows *rows, const void *const *operands, int64_t row, int64_t count, bool is_first,
                   char (*buffers)[SPREAD * SPREAD_ITEM_BYTES], const void **from)
{
    const int inner = rows->rank - 2;
    cursor c = cursor_at(rows, row);
    for (int k = 0; k < rows->n_operands; k++) {
        from[k] = rows->is_dense[k]
                      ? (const char *)operands[k] + (size_t)(row * rows->row_length) * rows->operand_bytes[k]
                      : buffers[k];
    }
    for (int64_t done = 0, n; done < count; done += n) {
        n = pithi_min_s64(rows->dims[inner] - c.at[inner], count - done);
        for (int k = 0; k < rows->n_operands; k++) {
            const int64_t bytes = (int64_t)rows->operand_bytes[k];
            if (!rows->is_dense[k] && (is_first || !rows->is_repeated[k])) {
                spread_rows(rows, k, (const char *)operands[k] + c.offsets[k] * bytes, rows->strides[k][inner] * bytes,
                            buffers[k] + done * rows->row_length * bytes, n);
            }
            c.offsets[k] += (n - 1) * rows->strides[k][inner];
        }
        c.at[inner] += n - 1;
        next_row(rows, &c);
    }
}

static void fill(float *to, float value, int64_t n)
{
    float block[16]; /* copies of constant length become moves of vectors */
    int64_t i = 0;
    for (int k = 0; k < PITH_COUNT(block); k++) {
        block[k] = value;
    }
    for (; i + PITH_COUNT(block) <= n; i += PITH_COUNT(block)) {
        memcpy(to + i, block, sizeof block);
    }
    memcpy(to + i, block, (size_t)(n - i) * sizeof *block);
}

static void spread_bools(const uint8_t *from, int64_t stride, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = from[i * stride] ? 1.0f : 0.0f;
    }
}

void pithi_rows_spread_f32(const pithi_rows *rows, const void *operand, int64_t begin, int64_t count, float *to)
{
    const int64_t stride = rows->strides[0][rows->rank - 1];
    cursor c = cursor_at(rows, begin / rows->row_length);
    int64_t start = begin % rows->row_length;
    for (int64_t done = 0, n; done < count; done += n) {
        const int64_t at = c.offsets[0] + start * stride; /* the last stride is 0 or 1 */
        const float *from = (const float *)operand + at;
        n = pithi_min_s64(rows->row_length - start, count - done);
        if (rows->operand_bytes[0] == 1) {
            spread_bools((const uint8_t *)operand + at, stride, to + done, n);
        } else if (stride != 0) {
            memcpy(to + done, from, (size_t)n * sizeof(float));
        } else {
            fill(to + done, *from, n);
        }
        start = 0;
        next_row(rows, &c);
    }
}

static void apply_spread(const pithi_rows *rows, const void *const *operands, void *y, const pith_part *part)
{
    _Alignas(PITH_ALIGNMENT) char buffers[PITHI_ROWS_MAX_OPERANDS][SPREAD * SPREAD_ITEM_BYTES];
    int64_t begin, end;
    pithi_part_range(part, rows->n_rows, &begin, &end);
    for (int64_t row = begin, n; row < end; row += n) {
        const void *from[PITHI_ROWS_MAX_OPERANDS] = { 0 };
        char *to = (char *)y + (size_t)(row * rows->row_length) * rows->y_bytes;
        n = pithi_min_s64(SPREAD / rows->row_length, end - row);
        spread(rows, operands, row, n, row == begin, buffers, from);
        rows->row(rows, from, to, n * rows->row_length);
        if (rows->finish) {
            rows->finish(rows, to, n * rows->row_length);
        }
    }
}

void pithi_rows_apply(const pithi_rows *rows, const void *const *operands, void *y, const pith_part *part)
{
    const int64_t n_chunks = pithi_div_up(rows->row_length, rows->chunk);
    int64_t begin, end, finished = 0, stop = 0;
    if (rows->is_spread) {
        apply_spread(rows, operands, y, part);
        return;
    }
    pithi_part_range(part, rows->n_rows * n_chunks, &begin, &end);
    if (begin == end) {
        return;
    }
    cursor c = cursor_at(rows, begin / n_chunks);
    int64_t chunk = begin % n_chunks;
    finished = stop = begin / n_chunks * rows->row_length + chunk * rows->chunk;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t start = chunk * rows->chunk, n = pithi_min_s64(rows->chunk, rows->row_length - start);
        const void *from[PITHI_ROWS_MAX_OPERANDS] = { 0 };
        for (int k = 0; k < rows->n_operands; k++) {
            const int64_t offset = c.offsets[k] + start * rows->inner_strides[k];
            from[k] = (const char *)operands[k] + (size_t)offset * rows->operand_bytes[k];
        }
        rows->row(rows, from, (char *)y + (size_t)stop * rows->y_bytes, n);
        stop += n;
        if (++chunk == n_chunks) {
            chunk = 0;
            next_row(rows, &c);
        }
        if (rows->finish && (stop - finished >= FINISH_AFTER || unit + 1 == end)) {
            rows->finish(rows, (char *)y + (size_t)finished * rows->y_bytes, stop - finished);
            finished = stop;
        }
    }
}

void pithi_rows_run(const pith_run *run, const pith_part *part)
{
    const pithi_rows *rows = run->state;
    const void *operands[PITHI_ROWS_MAX_OPERANDS] = { 0 };
    for (int k = 0; k < rows->n_operands; k++) {
        operands[k] = run->inputs[k].data;
    }
    pithi_rows_apply(rows, operands, run->outputs[0].data, part);
}
