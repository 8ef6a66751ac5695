/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PITH_OPS_SHARED_QLINEAR_GEMM_H
#define PITH_OPS_SHARED_QLINEAR_GEMM_H

#include "ops/shared_quant.h"

typedef struct pithi_qlinear_gemm_attrs {
    float alpha;
    int64_t trans_a, trans_b;
    pithi_limits limits;
} pithi_qlinear_gemm_attrs;

/* alpha a_scale b_scale / y_scale of a column of b, rounded to float32 after each step. */
float pithi_qlinear_gemm_scale(const pith_tensor *inputs, int n_inputs, float alpha,
                               int64_t column);

#endif
