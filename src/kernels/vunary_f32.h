/* SPDX-License-Identifier: Apache-2.0 */
/* Family vunary_f32: y[i] = f(x[i]) on contiguous float32 vectors.
 *
 * x and y may be the same pointer, else must not overlap. Any alignment, any n including 0. An element's result
 * doesn't depend on its place or on n. NaN in gives NaN out; infinities and signed zeros as the formula in IEEE
 * arithmetic (so x f(x) with f = 0 at -infinity gives NaN; relu(-0) may give either zero).
 *
 * Exactness: PITH_BOUNDED. none, abs, neg, relu, clip, leaky_relu, floor, ceil, round, sqrt and reciprocal are
 * correctly rounded. The others, in units of the last place (ULP) of the exact result; second number: the largest error
 * measured, worst ISA. Over every float32:
 *   exp 2 (0.93), log 2 (1.01), erf 2 (1.22), tanh 2 (1.32), elu 2 (1.11), sigmoid 2.5 (2.40);
 *   silu (1.92), gelu (0.94), gelu_tanh (2.24), softplus (1.80), mish (2.15): 4, or 1e-7 absolute.
 * Over a sample of them:
 *   selu 3 (2.16), celu 4 (1.87), thresholded_relu 0, softsign 2 (1.50), sin and cos 2 or 1e-7 absolute;
 *   hard_sigmoid 2 or 6e-8 absolute, hard_swish 2 or 4e-7 absolute. */
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
    PITH_VUNARY_ROUND,            /* to nearest even */
    PITH_VUNARY_SELU,             /* beta (x > 0 ? x : alpha (e^x - 1)) */
    PITH_VUNARY_CELU,             /* x > 0 ? x : alpha (e^(x / alpha) - 1), alpha > 0 */
    PITH_VUNARY_THRESHOLDED_RELU, /* x > alpha ? x : 0 */
    PITH_VUNARY_SOFTSIGN,         /* x / (1 + |x|) */
    PITH_VUNARY_SIN,
    PITH_VUNARY_COS,
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
