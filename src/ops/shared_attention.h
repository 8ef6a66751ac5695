/* SPDX-License-Identifier: Apache-2.0 */
/* attention: where rows of heads lie, and which keys a query row may see. */
#ifndef PITH_OPS_SHARED_ATTENTION_H
#define PITH_OPS_SHARED_ATTENTION_H

#include "ops/op.h"

/* Operands, in ONNX's order. */
enum { Q, K, V, MASK, PAST_K, PAST_V, N_VALID };
enum { Y, PRESENT_K, PRESENT_V, SCORES };
enum { RAW_SCORES, CAPPED_SCORES, BIASED_SCORES, PROBABILITIES }; /* qk_matmul_output_mode */

typedef struct pithi_attention_attrs {
    int64_t is_causal, q_num_heads, kv_num_heads, qk_matmul_output_mode, softmax_precision;
    int64_t left_window_size, right_window_size; /* -1: unbounded */
    int64_t nan_where_blind;                     /* rows that may see no key give NaN, as a softmax would, not zeros */
    float scale;                                 /* 0: 1 / sqrt(head size) */
    float softcap;                               /* 0: none */
} pithi_attention_attrs;

/* Distances in elements of an operand's batch items, heads and rows. */
typedef struct steps {
    int64_t batch, head, row;
} pithi_attention_steps;

typedef struct geometry {
    int64_t n_batches, n_heads, n_key_heads, n_rows, n_new, n_past, n_keys; /* n_keys = n_past + n_new */
    int64_t size, value_size;
    pithi_attention_steps q, k, v, y, past_k, past_v; /* past: also of the present outputs, with n_keys rows */
} pithi_attention_geometry;

pithi_attention_geometry pithi_attention_geometry_of(const pithi_attention_attrs *attrs, const pith_tensor *inputs,
                                                     int n_inputs);
float pithi_attention_scale(const pithi_attention_attrs *attrs, const pithi_attention_geometry *g);
/* Which input holds row `key` of the keys (or values), and where. */
int pithi_attention_find_row(const pithi_attention_geometry *g, bool is_value, int64_t batch, int64_t head, int64_t key,
                             int64_t *at_out);
/* Keys [begin, end) that a query row may see by causality, window and number of valid keys. */
void pithi_attention_find_limits(const pith_run *run, const pithi_attention_geometry *g, int64_t batch, int64_t row,
                                 int64_t *begin, int64_t *end);

/* The mask's row for a query row: its first element, the distance of keys, and how many keys it covers (a
 * mask that is shorter than the keys forbids the rest). */
typedef struct pithi_attention_mask {
    const pith_tensor *mask; /* NULL: none */
    int64_t at, step, n_keys;
} pithi_attention_mask;

pithi_attention_mask pithi_attention_find_mask(const pith_run *run, const pithi_attention_geometry *g, int64_t batch,
                                               int64_t head, int64_t row);
/* What the mask adds to the score of a key. */
double pithi_attention_bias(const pithi_attention_mask *row, int64_t key);

/* Copies keys (or values) of one head to the present output, if that is wanted. */
void pithi_attention_store_present(const pith_run *run, const pithi_attention_geometry *g, bool is_value, int64_t batch,
                                   int64_t head);
/* The float32 path; for anything else, the reference as one part. */
pith_status pithi_attention_prepare(pith_prepare *prepare);
void pithi_attention_run(const pith_run *run, const pith_part *part);

#endif
