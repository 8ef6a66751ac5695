/* SPDX-License-Identifier: Apache-2.0 */
/* Products with constant weights of few bits, which stay packed: y = activation(a w + bias + residual) with
 * w[n][k] = (code - zero) * scale, or table[code], or a number in a small float type. */
#ifndef PITH_OPS_SHARED_NBITS_H
#define PITH_OPS_SHARED_NBITS_H

#include "ops/op.h"

/* How the weights lie: as packed bytes of unsigned codes, [N, blocks, bytes] of com.microsoft MatMulNBits, or as a
 * tensor of their own dtype, [K, N] or [N, K] (also [N, K, 1, ...]). */
typedef enum pithi_nbits_form { PITHI_NBITS_BYTES, PITHI_NBITS_KN, PITHI_NBITS_NK } pithi_nbits_form;

typedef struct pithi_nbits_attrs {
    int64_t form, bits, k, n; /* bits, k and n of bytes alone */
    int64_t block_size;       /* weights along k that share a scale; 0: all */
    int64_t accuracy_level;   /* 4: activations are rounded to 8 bits, by row and block */
    int64_t channels_last;    /* of conv_nbits */
    pith_activation activation;
} pithi_nbits_attrs;

enum {
    PITHI_NBITS_A, PITHI_NBITS_W, PITHI_NBITS_BIAS, PITHI_NBITS_RESIDUAL, PITHI_NBITS_SCALE, PITHI_NBITS_ZERO,
    PITHI_NBITS_GROUP, PITHI_NBITS_TABLE, PITHI_NBITS_INPUTS
};

/* The operands, however they lie. Weight (n, k) is element n * n_step + k * k_step of `codes`; scale and zero point of
 * group g of column n likewise. */
typedef struct pithi_nbits_weights {
    pith_tensor codes, scale, zero;     /* dtype NONE: absent */
    const pith_tensor *group, *table;   /* NULL: absent */
    int64_t n, k, n_step, k_step;
    int64_t block, n_groups;
    int64_t scale_n, scale_g, zero_n, zero_g;
    int64_t default_zero;
} pithi_nbits_weights;

/* Fails where operands don't fit together. k: of a, -1 if it doesn't matter. */
pith_status pithi_nbits_weights_of(pith_ctx *ctx, const pithi_nbits_attrs *attrs, const pith_tensor *inputs,
                                   int n_inputs, int64_t k, pithi_nbits_weights *weights_out);
/* Group of weights [.][k]. */
int64_t pithi_nbits_group(const pithi_nbits_weights *weights, int64_t k);
/* The number, with the roundings of dequantize_linear. */
float pithi_nbits_value(const pithi_nbits_weights *weights, int64_t n, int64_t k);

extern const pith_attr_spec pithi_nbits_attr_table[10];
extern const pith_operand_spec pithi_nbits_inputs[PITHI_NBITS_INPUTS];
extern const pith_operand_spec pithi_nbits_outputs[1];
pith_status pithi_nbits_infer(pith_infer *infer, bool is_conv);
void pithi_nbits_ref(const pith_run *run, bool is_conv);
void pithi_nbits_cost(const pith_infer *infer, pith_cost *cost);
pith_status pithi_nbits_prepare(pith_prepare *prepare, bool is_conv);
void pithi_nbits_run(const pith_run *run, const pith_part *part);

#endif
