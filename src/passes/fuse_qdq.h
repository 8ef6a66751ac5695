/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: what its files share. `dq` stands for dequantize_linear, `q` for quantize_linear.
 */
#ifndef PITH_PASSES_FUSE_QDQ_H
#define PITH_PASSES_FUSE_QDQ_H

#include "passes/rewrite.h"

/* A quantised tensor: the operands of a dq, or those of a q with its result. Scale is a float32
 * constant. */
typedef struct pithi_qdq {
    pith_node *node;
    pith_value *value;        /* 8-bit (s32 for a bias) */
    pith_value *scale, *zero; /* zero may be NULL for a dq: 0 */
    pith_dtype dtype;         /* of value */
    int64_t axis;             /* as given; for scales of more than one element */
    bool is_single;           /* one scale for the whole tensor */
} pithi_qdq;

/* The dq that makes `value`. False if there is none, or one with blocks, unusual dtypes or computed
 * scales. */
bool pithi_qdq_behind(const pith_value *value, pithi_qdq *dq_out);
/* The same for a q node, with 8 bits and one scale for the whole tensor. */
bool pithi_qdq_of(pith_node *node, pithi_qdq *q_out);
/* A zero point where there is none. */
pith_status pithi_qdq_need_zero(pith_graph *graph, pithi_qdq *qdq);
/* One scale each, equal; equal zero points and dtypes. */
bool pithi_qdq_same(const pithi_qdq *a, const pithi_qdq *b);
/* What number x becomes in the quantised tensor of `q`. */
int64_t pithi_qdq_quantize(const pithi_qdq *q, double x);

/* fuse_qdq_move.c: dq moves behind, q in front of nodes that only move data. */
pith_status pithi_qdq_move(pith_graph *graph, int *n_changes);
/* fuse_qdq_lookup.c: node q becomes a lookup of what elementwise functions stand between a dq and
 * it. */
pith_status pithi_qdq_lookup(pith_graph *graph, const pithi_qdq *q, bool *changed);
/* Node q becomes a concat of integers, each brought to q's scale. */
pith_status pithi_qdq_concat(pith_graph *graph, const pithi_qdq *q, bool *changed);

#endif
