/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: what its files share. `dq` stands for dequantize_linear, `q` for quantize_linear.
 */
#ifndef PITH_PASSES_FUSE_QDQ_H
#define PITH_PASSES_FUSE_QDQ_H

#include "passes/rewrite.h"

#include "ops/shared_quant.h"

/* A quantised tensor: the operands of a dq, or those of a q with its result. Scale is a float32
 * constant. */
typedef struct pithi_qdq {
    pith_node *node;
    pith_value *value;        /* of 8 or 16 bits (s32 for a bias) */
    pith_value *scale, *zero; /* zero may be NULL for a dq: 0 */
    pith_dtype dtype;         /* of value */
    int64_t axis;             /* as given; for scales of more than one element */
    bool is_single;           /* one scale for the whole tensor */
} pithi_qdq;

/* The dq that makes `value`. False if there is none, or one with blocks, unusual dtypes or computed
 * scales. */
bool pithi_qdq_behind(const pith_value *value, pithi_qdq *dq_out);
/* The same for a q node, with 8 or 16 bits and one scale for the whole tensor. */
bool pithi_qdq_of(pith_node *node, pithi_qdq *q_out);
/* A zero point where there is none. */
pith_status pithi_qdq_need_zero(pith_graph *graph, pithi_qdq *qdq);
/* One scale each, equal; equal zero points and dtypes. */
bool pithi_qdq_same(const pithi_qdq *a, const pithi_qdq *b);
/* What number x becomes in the quantised tensor of `q`. */
int64_t pithi_qdq_quantize(const pithi_qdq *q, double x);

/* Scale and zero point of an index of the axis. */
float pithi_qdq_scale(const pithi_qdq *qdq, int64_t channel);
int64_t pithi_qdq_zero(const pithi_qdq *qdq);
/* A quantised activation: 8 or 16 bits, one scale. */
bool pithi_qdq_activation(const pith_value *value, pithi_qdq *dq_out);
/* The same numbers in 16 bits, with the same scale and zero point, in front of the q: for operators that have no way
 * from 8 to 16 bits. */
pith_status pithi_qdq_widen(pith_graph *graph, pith_node *before, pithi_qdq *x);
/* Constant weights of 8 bits or less with one scale, or one for each index of `axis`; rank 0: any. */
bool pithi_qdq_weights(const pith_value *value, int rank, int axis, pithi_qdq *dq_out);
/* Weights of less than 8 bits become bytes; a zero point where there is none. */
pith_status pithi_qdq_need_byte_weights(pith_graph *graph, pithi_qdq *w);
/* The constant behind a bias: s32 whose scale is that of the sums, or floats that fit s32 at that scale. True with NULL
 * where there is no bias. */
bool pithi_qdq_bias(pith_value *value, const pithi_qdq *x, const pithi_qdq *w, int64_t n_channels,
                    pith_value **bias_out);
/* Floats become s32. */
pith_status pithi_qdq_need_integer_bias(pith_graph *graph, const pithi_qdq *x, const pithi_qdq *w, pith_value **bias);

/* What stands around one q. */
typedef struct pithi_qdq_nest {
    pith_graph *graph;
    pithi_qdq q;
    pith_node *node;   /* the float operator */
    int64_t low, high; /* limits from an activation in between */
} pithi_qdq_nest;

/* Node q becomes the integer operator. */
pith_status pithi_qdq_become(pithi_qdq_nest *n, const char *op_name, pith_value *const *inputs, int n_inputs);
/* Limits that the dtype has anyway are left at their defaults. */
bool pithi_qdq_is_limited(const pithi_qdq_nest *n);
pith_status pithi_qdq_set_limits(const pithi_qdq_nest *n);
/* Attributes of windows, which conv and the pooling operators spell alike. */
pith_status pithi_qdq_copy_window(pithi_qdq_nest *n, const pith_node *from, bool is_conv);
/* fuse_qdq_unary.c: from one quantised tensor to another. */
pith_status pithi_qdq_unary(pithi_qdq_nest *n, bool *changed);
/* fuse_qdq_conv_transpose.c */
pith_status pithi_qdq_conv_transpose(pithi_qdq_nest *n, bool *changed);

/* fuse_qdq_roles.c: what can be done with an operator between quantised tensors. */
typedef enum pithi_qdq_role {
    PITHI_QDQ_NONE,     /* it stays float */
    PITHI_QDQ_PRODUCT,  /* conv, conv_transpose, gemm, matmul; of activations and constant weights. matmul also of two
                         * activations */
    PITHI_QDQ_BINARY,   /* sum, difference, product */
    PITHI_QDQ_UNARY,    /* one quantised operand, an operator of its own: means, softmax, normalisation, slopes */
    PITHI_QDQ_CONCAT,
    PITHI_QDQ_FUNCTION, /* of one value: a table */
    PITHI_QDQ_MOVE,     /* moves or selects elements of input 0: the scale stays */
    PITHI_QDQ_REPEAT    /* the same, but the result is larger */
} pithi_qdq_role;

/* By operator, attributes and constants; of products and sums the operands decide as well. */
pithi_qdq_role pithi_qdq_role_of(const pith_node *node);
/* Each element of its result depends on one element of each operand. */
bool pithi_qdq_is_function(const pith_node *node);
/* The only operand that isn't a constant of one element; -1 if the node is no function of one value. */
int pithi_qdq_argument(const pith_node *node);
/* A mover that rounds its results (means of neighbours): the scale in front and behind must be one. */
bool pithi_qdq_rounds(const pith_node *node);
/* reduce_mean over all spatial dimensions of an image, channels second or (*is_last_out) last. */
bool pithi_qdq_mean_axes(const pith_node *node, bool *is_last_out);

/* fuse_qdq_refused.c: why a node stays float. */
typedef enum pithi_qdq_refusal {
    PITHI_QDQ_NOT_MET, /* nothing around it is quantised, or it wasn't there yet */
    PITHI_QDQ_NO_OPERATOR,
    PITHI_QDQ_NO_OPERAND,
    PITHI_QDQ_FLOAT_OPERAND,
    PITHI_QDQ_ODD_OPERAND,
    PITHI_QDQ_FLOAT_WEIGHTS,
    PITHI_QDQ_ODD_WEIGHTS,
    PITHI_QDQ_ODD_BIAS,
    PITHI_QDQ_FLOAT_RESULT,
    PITHI_QDQ_SHARED_RESULT,
    PITHI_QDQ_NO_KERNEL,
    PITHI_QDQ_REFUSALS
} pithi_qdq_refusal;
/* Sets node->refusal of what is float between quantised tensors; before constants are folded. */
pith_status pithi_qdq_note_refusals(pith_graph *graph);
/* In words; static. */
const char *pithi_qdq_refusal_text(pithi_qdq_refusal refusal);

/* fuse_qdq_move.c: dq moves behind, q in front of nodes that only move data. */
pith_status pithi_qdq_move(pith_graph *graph, int *n_changes);
/* fuse_qdq_lookup.c: node q becomes a lookup of what elementwise functions stand between a dq and
 * it. */
pith_status pithi_qdq_lookup(pith_graph *graph, const pithi_qdq *q, bool *changed);
/* Node q becomes a concat of integers, each brought to q's scale. */
pith_status pithi_qdq_concat(pith_graph *graph, const pithi_qdq *q, bool *changed);

#endif
