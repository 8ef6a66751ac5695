/* SPDX-License-Identifier: Apache-2.0 */
/* Batched matrix products y = activation(alpha op(a) op(b) + beta c + residual), which matmul and gemm share. */
#ifndef PITH_OPS_SHARED_GEMM_PRODUCT_H
#define PITH_OPS_SHARED_GEMM_PRODUCT_H

#include "ops/op.h"

typedef struct pithi_product_attrs {
    int64_t trans_a, trans_b; /* of the last two dimensions; a vector has nothing to transpose */
    float alpha, beta;
    pith_activation activation;
    int64_t residual_behind; /* the residual is added to what the activation gives, instead of in front of it */
} pithi_product_attrs;

typedef struct pithi_product_geometry {
    int64_t m, n, k, n_batches;
    pith_shape batch;            /* of the output, in front of [m, n] */
    int64_t a_steps[PITH_MAX_RANK], b_steps[PITH_MAX_RANK]; /* matrices per step of a batch dimension; 0: broadcast */
    bool trans_a, trans_b;
    bool a_is_vector, b_is_vector; /* numpy's rule for rank 1: the dimension added here is dropped again */
} pithi_product_geometry;

pith_status pithi_product_geometry_of(pith_ctx *ctx, const pithi_product_attrs *attrs, const pith_shape *a,
                                      const pith_shape *b, pithi_product_geometry *geometry_out);
/* Inputs: a, b, c (broadcast to the output from the right), residual (shape of the output). */
pith_status pithi_product_infer(pith_infer *infer);
void pithi_product_ref(const pith_run *run);
void pithi_product_cost(const pith_infer *infer, pith_cost *cost);
pith_status pithi_product_prepare(pith_prepare *prepare);
void pithi_product_run(const pith_run *run, const pith_part *part);

#endif
