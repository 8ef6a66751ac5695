/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_attention.h"

#include <math.h>

#include "ops/shared_index.h"

/* Size of one head's rows, heads, rows and strides of a 3-D or 4-D operand. */
static pithi_attention_steps read_operand(const pith_shape *shape, int64_t n_heads, int64_t *heads_out,
                                          int64_t *rows_out, int64_t *size_out)
{
    const int64_t *d = shape->dims;
    if (shape->rank == 4) {
        *heads_out = d[1];
        *rows_out = d[2];
        *size_out = d[3];
        return (pithi_attention_steps){ d[1] * d[2] * d[3], d[2] * d[3], d[3] };
    }
    *heads_out = n_heads;
    *rows_out = d[1];
    *size_out = n_heads > 0 ? d[2] / n_heads : 0;
    return (pithi_attention_steps){ d[1] * d[2], *size_out, d[2] };
}

pithi_attention_geometry pithi_attention_geometry_of(const pithi_attention_attrs *attrs, const pith_tensor *inputs,
                                                     int n_inputs)
{
    pithi_attention_geometry g = { .n_batches = inputs[Q].shape.dims[0] };
    int64_t unused_heads = 0, unused_rows = 0;
    g.q = read_operand(&inputs[Q].shape, attrs->q_num_heads, &g.n_heads, &g.n_rows, &g.size);
    g.k = read_operand(&inputs[K].shape, attrs->kv_num_heads, &g.n_key_heads, &g.n_new, &g.size);
    g.v = read_operand(&inputs[V].shape, attrs->kv_num_heads, &unused_heads, &unused_rows, &g.value_size);
    g.n_past = pithi_has_operand(inputs, n_inputs, PAST_K) ? inputs[PAST_K].shape.dims[2] : 0;
    g.n_keys = g.n_past + g.n_new;
    g.past_k = (pithi_attention_steps){ g.n_key_heads * g.n_past * g.size, g.n_past * g.size, g.size };
    g.past_v =
        (pithi_attention_steps){ g.n_key_heads * g.n_past * g.value_size, g.n_past * g.value_size, g.value_size };
    int64_t row = inputs[Q].shape.rank == 4 ? g.value_size : g.n_heads * g.value_size;
    g.y = (pithi_attention_steps){ g.n_heads * g.n_rows * g.value_size,
                                   inputs[Q].shape.rank == 4 ? g.n_rows * g.value_size : g.value_size, row };
    return g;
}

float pithi_attention_scale(const pithi_attention_attrs *attrs, const pithi_attention_geometry *g)
{
    return attrs->scale != 0.0f ? attrs->scale : (float)(1.0 / sqrt((double)g->size));
}

int pithi_attention_find_row(const pithi_attention_geometry *g, bool is_value, int64_t batch, int64_t head, int64_t key,
                             int64_t *at_out)
{
    bool is_past = key < g->n_past;
    const pithi_attention_steps *s = is_value ? (is_past ? &g->past_v : &g->v) : is_past ? &g->past_k : &g->k;
    *at_out = batch * s->batch + head * s->head + (is_past ? key : key - g->n_past) * s->row;
    return is_value ? (is_past ? PAST_V : V) : is_past ? PAST_K : K;
}

void pithi_attention_find_limits(const pith_run *run, const pithi_attention_geometry *g, int64_t batch, int64_t row,
                                 int64_t *begin, int64_t *end)
{
    const pithi_attention_attrs *attrs = run->attrs;
    const int64_t widest = g->n_keys + g->n_rows; /* as good as any wider window, and sums don't overflow */
    int64_t offset = g->n_past;
    *begin = 0;
    *end = g->n_keys;
    if (pithi_has_operand(run->inputs, run->n_inputs, N_VALID)) {
        *end = pithi_max_s64(0, pithi_min_s64(*end, pithi_tensor_get_s64(&run->inputs[N_VALID], batch)));
        offset = *end - g->n_rows;
    }
    if (attrs->is_causal) {
        *end = pithi_min_s64(*end, row + offset + 1);
    }
    if (attrs->right_window_size >= 0) {
        *end = pithi_min_s64(*end, row + offset + pithi_min_s64(attrs->right_window_size, widest) + 1);
    }
    if (attrs->left_window_size >= 0) {
        *begin = pithi_max_s64(*begin, row + offset - pithi_min_s64(attrs->left_window_size, widest));
    }
}

pithi_attention_mask pithi_attention_find_mask(const pith_run *run, const pithi_attention_geometry *g, int64_t batch,
                                               int64_t head, int64_t row)
{
    if (!pithi_has_operand(run->inputs, run->n_inputs, MASK)) {
        return (pithi_attention_mask){ .n_keys = g->n_keys };
    }
    const pith_tensor *mask = &run->inputs[MASK];
    pith_shape full = { .rank = 4, .dims = { g->n_batches, g->n_heads, g->n_rows, g->n_keys } };
    int64_t strides[PITH_MAX_RANK];
    pithi_broadcast_strides(&mask->shape, &full, strides);
    return (pithi_attention_mask){ mask, batch * strides[0] + head * strides[1] + row * strides[2], 1,
                       mask->shape.dims[mask->shape.rank - 1] };
}

double pithi_attention_bias(const pithi_attention_mask *row, int64_t key)
{
    if (!row->mask) {
        return 0.0;
    }
    if (key >= row->n_keys) {
        return -INFINITY;
    }
    int64_t at = row->at + key * row->step;
    if (row->mask->dtype == PITH_DTYPE_BOOL) {
        return pithi_tensor_get_s64(row->mask, at) ? 0.0 : -INFINITY;
    }
    return pithi_tensor_get_f64(row->mask, at);
}

void pithi_attention_store_present(const pith_run *run, const pithi_attention_geometry *g, bool is_value, int64_t batch,
                          int64_t head)
{
    int output = is_value ? PRESENT_V : PRESENT_K;
    if (output >= run->n_outputs || !run->outputs[output].data) {
        return;
    }
    const pith_tensor *present = &run->outputs[output];
    size_t item = pith_dtype_bytes(present->dtype);
    int64_t size = is_value ? g->value_size : g->size;
    for (int64_t key = 0; key < g->n_keys; key++) {
        int64_t at = 0;
        int input = pithi_attention_find_row(g, is_value, batch, head, key, &at);
        char *to = (char *)present->data + (size_t)(((batch * g->n_key_heads + head) * g->n_keys + key) * size) * item;
        memcpy(to, (const char *)run->inputs[input].data + (size_t)at * item, (size_t)size * item);
    }
}
