/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_broadcast.h"

#define CHUNK 8192        /* elements of a row per unit of work */
#define FINISH_AFTER 4096 /* elements after which `finish` runs, while they are in the first cache */

int64_t pithi_broadcast_offset(const pith_shape *shape, const pith_shape *to, int64_t index)
{
    int64_t offset = 0, stride = 1;
    for (int i = to->rank - 1, k = shape->rank - 1; k >= 0 && i >= 0; i--, k--) { /* more dims: leading ones */
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

void pithi_rows_apply(const pithi_rows *rows, const void *const *operands, void *y, const pith_part *part)
{
    const int64_t n_chunks = pithi_div_up(rows->row_length, rows->chunk);
    int64_t begin, end, finished = 0, stop = 0;
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
