/* SPDX-License-Identifier: Apache-2.0 */
/* Family vunary_f32 in the words of vec_f32.h and vmath_f32.h: one text for every ISA. */

/* y[i] = expression of x, a (alpha) and b (beta), all vectors. */
#define UNARY(name, expression)                                                                    \
    static inline v_f f_##name(v_f x, v_f a, v_f b)                                                \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        return (expression);                                                                       \
    }                                                                                              \
    static void vunary_##name(const float *x, float *y, size_t n, float alpha, float beta)         \
    {                                                                                              \
        const v_f a = v_set(alpha), b = v_set(beta);                                               \
        size_t i = 0;                                                                              \
        for (; i + V_N <= n; i += V_N) {                                                           \
            v_store(y + i, f_##name(v_load(x + i), a, b));                                         \
        }                                                                                          \
        if (i < n) {                                                                               \
            v_store_n(y + i, f_##name(v_load_n(x + i, n - i), a, b), n - i);                       \
        }                                                                                          \
    }

static inline v_f unit_clamp(v_f x)
{
    return v_min(v_set(1.0f), v_max(v_set(0.0f), x));
}

UNARY(none, x)
UNARY(abs, v_abs(x))
UNARY(neg, v_neg(x))
UNARY(relu, v_max(v_set(0.0f), x))
UNARY(clip, v_min(b, v_max(a, x)))
UNARY(leaky_relu, v_select(v_lt(x, v_set(0.0f)), v_mul(a, x), x))
UNARY(hard_sigmoid, unit_clamp(v_fma(a, x, b)))
UNARY(hard_swish, v_mul(x, unit_clamp(v_fma(a, x, b))))
UNARY(sigmoid, v_sigmoid(x))
UNARY(silu, v_silu(x, a))
UNARY(tanh, v_tanh(x))
UNARY(exp, v_exp(x))
UNARY(log, v_log(x))
UNARY(sqrt, v_sqrt(x))
UNARY(reciprocal, v_div(v_set(1.0f), x))
UNARY(erf, v_erf(x))
UNARY(gelu, v_gelu(x))
UNARY(gelu_tanh, v_gelu_tanh(x))
UNARY(elu, v_select(v_lt(x, v_set(0.0f)), v_mul(a, v_expm1_negative(x)), x))
UNARY(softplus, v_softplus(x))
UNARY(mish, v_mish(x))
UNARY(floor, v_floor(x))
UNARY(ceil, v_ceil(x))
UNARY(round, v_round(x))
UNARY(selu, v_mul(b, v_select(v_lt(x, v_set(0.0f)), v_mul(a, v_expm1_negative(x)), x)))
UNARY(celu, v_select(v_lt(x, v_set(0.0f)), v_mul(a, v_expm1_negative(v_div(x, a))), x))
UNARY(thresholded_relu, v_select(v_lt(a, x), x, v_select(v_is_nan(x), x, v_set(0.0f))))
UNARY(softsign, v_div(x, v_add(v_set(1.0f), v_abs(x))))
UNARY(sin, v_sin_quarters(x, 0.0f))
UNARY(cos, v_sin_quarters(x, 1.0f))

static const pith_vunary_f32 records[] = {
    { .head = { V_ISA("vunary_f32"), PITH_BOUNDED },
      .functions = { [PITH_VUNARY_NONE] = vunary_none,
                     [PITH_VUNARY_ABS] = vunary_abs,
                     [PITH_VUNARY_NEG] = vunary_neg,
                     [PITH_VUNARY_RELU] = vunary_relu,
                     [PITH_VUNARY_CLIP] = vunary_clip,
                     [PITH_VUNARY_LEAKY_RELU] = vunary_leaky_relu,
                     [PITH_VUNARY_HARD_SIGMOID] = vunary_hard_sigmoid,
                     [PITH_VUNARY_HARD_SWISH] = vunary_hard_swish,
                     [PITH_VUNARY_SIGMOID] = vunary_sigmoid,
                     [PITH_VUNARY_SILU] = vunary_silu,
                     [PITH_VUNARY_TANH] = vunary_tanh,
                     [PITH_VUNARY_EXP] = vunary_exp,
                     [PITH_VUNARY_LOG] = vunary_log,
                     [PITH_VUNARY_SQRT] = vunary_sqrt,
                     [PITH_VUNARY_RECIPROCAL] = vunary_reciprocal,
                     [PITH_VUNARY_ERF] = vunary_erf,
                     [PITH_VUNARY_GELU] = vunary_gelu,
                     [PITH_VUNARY_GELU_TANH] = vunary_gelu_tanh,
                     [PITH_VUNARY_ELU] = vunary_elu,
                     [PITH_VUNARY_SOFTPLUS] = vunary_softplus,
                     [PITH_VUNARY_MISH] = vunary_mish,
                     [PITH_VUNARY_FLOOR] = vunary_floor,
                     [PITH_VUNARY_CEIL] = vunary_ceil,
                     [PITH_VUNARY_ROUND] = vunary_round,
                     [PITH_VUNARY_SELU] = vunary_selu,
                     [PITH_VUNARY_CELU] = vunary_celu,
                     [PITH_VUNARY_THRESHOLDED_RELU] = vunary_thresholded_relu,
                     [PITH_VUNARY_SOFTSIGN] = vunary_softsign,
                     [PITH_VUNARY_SIN] = vunary_sin,
                     [PITH_VUNARY_COS] = vunary_cos } }
};

#undef UNARY
