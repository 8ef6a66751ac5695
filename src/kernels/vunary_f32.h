/* SPDX-License-Identifier: Apache-2.0 */
/* Family vunary_f32: y[i] = f(x[i]) on contiguous float32 vectors.
 *
 * x and y may be the same pointer, else must not overlap. Any alignment, any n including 0. NaN in
 * gives NaN out; infinities and signed zeros as C's libm (relu(-0) may give either zero). alpha and beta
 * as listed. Exactness: PITH_BOUNDED; abs, neg, relu, clip, leaky_relu, floor, ceil, round and sqrt give the
 * portable bits, transcendental functions at most 2 ULP (gelu, silu, mish, softplus: 4 ULP or 1e-7
 * absolute) from the correctly rounded value. */
#ifndef PITH_KERNELS_VUNARY_F32_H
#define PITH_KERNELS_VUNARY_F32_H

#include "kernels/kernel.h"

typedef enum pith_vunary {
    PITH_VUNARY_NONE, /* copy */
    PITH_VUNARY_ABS,
    PITH_VUNARY_NEG,
    PITH_VUNARY_RELU,         /* max(x, 0) */
    PITH_VUNARY_CLIP,         /* min(max(x, alpha), beta) */
    PITH_VUNARY_LEAKY_RELU,   /* x < 0 ? alpha x : x */
    PITH_VUNARY_HARD_SIGMOID, /* min(max(alpha x + beta, 0), 1) */
    PITH_VUNARY_HARD_SWISH,   /* x min(max(alpha x + beta, 0), 1); ONNX: alpha 1/6, beta 1/2 */
    PITH_VUNARY_SIGMOID,      /* 1 / (1 + e^-x) */
    PITH_VUNARY_SILU,         /* x sigmoid(alpha x) */
    PITH_VUNARY_TANH,
    PITH_VUNARY_EXP,
    PITH_VUNARY_LOG,
    PITH_VUNARY_SQRT,
    PITH_VUNARY_RECIPROCAL,
    PITH_VUNARY_ERF,
    PITH_VUNARY_GELU,      /* x (1 + erf(x / sqrt 2)) / 2 */
    PITH_VUNARY_GELU_TANH, /* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
    PITH_VUNARY_ELU,       /* x < 0 ? alpha (e^x - 1) : x */
    PITH_VUNARY_SOFTPLUS,  /* log(1 + e^x) */
    PITH_VUNARY_MISH,      /* x tanh(softplus(x)) */
    PITH_VUNARY_FLOOR,
    PITH_VUNARY_CEIL,
    PITH_VUNARY_ROUND, /* to nearest even */
    PITH_VUNARY_COUNT
} pith_vunary;

typedef void pith_vunary_f32_fn(const float *x, float *y, size_t n, float alpha, float beta);

typedef struct pith_vunary_f32 {
    pith_kernel head;
    pith_vunary_f32_fn *functions[PITH_VUNARY_COUNT];
} pith_vunary_f32;

/* The record for an ISA limit; never NULL. */
static inline const pith_vunary_f32 *pithi_vunary_f32(int isa_limit)
{
    return pithi_kernel_find("vunary_f32", isa_limit)->records;
}

#endif
