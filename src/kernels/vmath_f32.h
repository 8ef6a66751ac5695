/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions on vectors, in the words of an ISA folder's vec_f32.h (to be included before).
 *
 * Arguments are reduced as Cody and Waite do (Software Manual for the Elementary Functions, 1980); polynomials come
 * from tools/fit_vmath.py. NaN goes through everywhere. vunary_f32.h states the errors. */
#ifndef PITH_KERNELS_VMATH_F32_H
#define PITH_KERNELS_VMATH_F32_H

#include <math.h>
#include <stdbool.h>

#define V_HORNER(x, a, b) v_fma((b), (x), v_set(a))

/* e^r - 1 with x = n ln 2 + r, |r| <= ln 2 / 2, relative to r. ln 2 in two pieces: n times the first is exact for
 * |n| < 2^15; what r loses by the second comes back in r_low. */
static inline v_f v_expm1_reduced(v_f x, v_f *n)
{
    *n = v_round(v_mul(x, v_set(1.44269504f)));
    v_f first = v_fnma(*n, v_set(0.693359375f), x);
    v_f r = v_fnma(*n, v_set(-2.12194440e-4f), first);
    v_f r_low = v_fnma(*n, v_set(-2.12194440e-4f), v_sub(first, r));
    v_f q = V_HORNER(r, 0.00836658198f, v_set(0.00139464485f));
    q = V_HORNER(r, 0.0416662805f, q);
    q = V_HORNER(r, 0.166665435f, q);
    q = V_HORNER(r, 0.5f, q);
    return v_add(r, v_fma(v_mul(r, r), q, r_low));
}

/* e^x for x below 89, or NaN. */
static inline v_f v_exp_bounded(v_f x)
{
    v_f n, p = v_add(v_expm1_reduced(v_max(v_set(-105.0f), x), &n), v_set(1.0f));
    return v_scale(p, n);
}

static inline v_f v_exp(v_f x)
{
    return v_exp_bounded(v_min(v_set(89.0f), x));
}

/* e^x for x in [-87, 88] or NaN, where one factor does; below: 0 or the least normals. */
static inline v_f v_exp_normal(v_f x)
{
    v_f n, clamped = v_max(v_set(-87.3f), v_min(v_set(88.3f), x));
    v_f p = v_add(v_expm1_reduced(clamped, &n), v_set(1.0f));
    return v_scale_normal(p, n);
}

/* e^x - 1 for x <= 0: 2^n (e^r - 1) + (2^n - 1). */
static inline v_f v_expm1_negative(v_f x)
{
    v_f n, p = v_expm1_reduced(v_max(v_set(-30.0f), x), &n);
    v_f scale = v_scale_normal(v_set(1.0f), n);
    return v_fma(p, scale, v_sub(scale, v_set(1.0f)));
}

/* e^-|x| in (0, 1] serves both signs without overflow. */
static inline v_f v_sigmoid(v_f x)
{
    v_f e = v_exp_bounded(v_neg(v_abs(x)));
    v_f numerator = v_select(v_lt(x, v_set(0.0f)), e, v_set(1.0f));
    return v_div(numerator, v_add(v_set(1.0f), e));
}

/* x / (1 + e^-ax) with e^-ax = 2^n 2^f. The rounding of its exponent matters only where x is far below zero and the
 * result small, and what e^-ax loses counts for little beside 1. Infinity as denominator makes large negative x 0. */
static inline v_f v_silu(v_f x, v_f a)
{
    v_f t = v_mul(x, v_mul(a, v_set(-1.44269504f)));
    t = v_max(v_set(-150.0f), v_min(v_set(150.0f), t));
    v_f n = v_round(t), f = v_sub(t, n);
    v_f q = V_HORNER(f, 0.00967554096f, v_set(0.00132764713f));
    q = V_HORNER(f, 0.0555071309f, q);
    q = V_HORNER(f, 0.240221202f, q);
    q = V_HORNER(f, 0.693146944f, q);
    q = V_HORNER(f, 1.00000012f, q);
    return v_div(x, v_add(v_set(1.0f), v_scale(q, n)));
}

/* Odd polynomial up to 0.625, 1 - 2 / (e^2x + 1) above. */
static inline v_f v_tanh(v_f x)
{
    v_f a = v_abs(x), u = v_mul(x, x);
    v_f q = V_HORNER(u, 0.020650588f, v_set(-0.00571704516f));
    q = V_HORNER(u, -0.0537434965f, q);
    q = V_HORNER(u, 0.133314908f, q);
    q = V_HORNER(u, -0.333332837f, q);
    v_f small = v_fma(v_mul(u, x), q, x);
    v_f e = v_exp_normal(v_min(v_set(20.0f), v_add(a, a)));
    v_f large = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(e, v_set(1.0f))));
    return v_select(v_lt(v_set(0.625f), a), v_copysign(large, x), small);
}

/* ln(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]. */
static inline v_f v_log1p_reduced(v_f f)
{
    v_f q = V_HORNER(f, 0.128816485f, v_set(-0.0785961524f));
    q = V_HORNER(f, -0.131287545f, q);
    q = V_HORNER(f, 0.141811922f, q);
    q = V_HORNER(f, -0.166245535f, q);
    q = V_HORNER(f, 0.200022861f, q);
    q = V_HORNER(f, -0.250008106f, q);
    q = V_HORNER(f, 0.333333164f, q);
    v_f square = v_mul(f, f);
    return v_add(f, v_fma(v_mul(square, f), q, v_mul(square, v_set(-0.5f))));
}

/* For normal x > 0: x = 2^e (1 + f). */
static inline v_f v_log_positive(v_f x)
{
    const v_i root_half = vi_set(0x3f3504f3); /* the bits of sqrt(1/2) */
    v_i e = vi_shift_right(vi_sub(v_bits(x), root_half), 23);
    v_f f = v_sub(v_from_bits(vi_sub(v_bits(x), vi_shift_left(e, 23))), v_set(1.0f));
    v_f n = v_from_int(e);
    return v_fma(n, v_set(0.693359375f), v_fma(n, v_set(-2.12194440e-4f), v_log1p_reduced(f)));
}

static inline v_f v_log(v_f x)
{
    const v_m is_tiny = v_lt(x, v_set(0x1p-126f)), is_negative = v_lt(x, v_set(0.0f));
    v_f y = v_log_positive(v_select(is_tiny, v_mul(x, v_set(0x1p24f)), x));
    y = v_select(is_tiny, v_sub(y, v_set(16.6355324f)), y);                    /* 24 ln 2 */
    y = v_select(v_lt(v_set(0.0f), v_abs(x)), y, v_set(-INFINITY));            /* zero, or what counts as zero */
    y = v_select(v_lt(v_set(0x1.fffffep127f), x), x, y);                       /* infinity */
    return v_select(is_negative, v_set(NAN), v_select(v_is_nan(x), x, y));
}

/* ln(1 + u) for 0 <= u <= 1; the last term gives back what 1 + u rounds away. */
static inline v_f v_log1p_unit(v_f u)
{
    v_f w = v_add(u, v_set(1.0f));
    v_f lost = v_sub(v_sub(w, v_set(1.0f)), u);
    return v_sub(v_log_positive(w), v_div(lost, w));
}

static inline v_f v_softplus(v_f x)
{
    return v_add(v_max(v_set(0.0f), x), v_log1p_unit(v_exp_bounded(v_neg(v_abs(x)))));
}

/* erfc(t) for t >= 0.9: e^-(t^2 + q(t)), q fitted up to 4, where the result no longer matters. */
static inline v_f v_erfc_tail(v_f t)
{
    v_f s = v_min(v_set(4.0f), t);
    v_f q = V_HORNER(s, -0.00037274693f, v_set(1.65654656e-05f));
    q = V_HORNER(s, 0.00382413832f, q);
    q = V_HORNER(s, -0.0240773819f, q);
    q = V_HORNER(s, 0.106473982f, q);
    q = V_HORNER(s, -0.364845157f, q);
    q = V_HORNER(s, 1.12854564f, q);
    q = V_HORNER(s, 4.04983875e-05f, q);
    v_f capped = v_min(v_set(10.5f), t); /* e^-110 is 0 */
    return v_exp_bounded(v_neg(v_fma(capped, capped, q)));
}

/* erf(x) / x - 1 for |x| <= 0.95, u = x^2. */
static inline v_f v_erf_ratio(v_f u)
{
    v_f q = V_HORNER(u, -0.000810596568f, v_set(8.21542635e-05f));
    q = V_HORNER(u, 0.00519779744f, q);
    q = V_HORNER(u, -0.0268581044f, q);
    q = V_HORNER(u, 0.112836726f, q);
    q = V_HORNER(u, -0.376126319f, q);
    return V_HORNER(u, 0.128379166f, q);
}

static inline v_f v_erf(v_f x)
{
    v_f a = v_abs(x);
    v_f small = v_fma(x, v_erf_ratio(v_mul(x, x)), x);
    v_f large = v_copysign(v_sub(v_set(1.0f), v_erfc_tail(a)), x);
    return v_select(v_lt(v_set(0.92f), a), large, small);
}

/* x Phi(x) = x - x erfc(t) / 2 with t = |x| / sqrt 2; for negative x it is x erfc(t) / 2, which keeps its digits. So
 * one form of erfc serves all t: e^-(t^2 + t p(t)), p fitted up to 4, where the result no longer matters. */
static inline v_f v_gelu(v_f x)
{
    v_f t = v_abs(v_mul(x, v_set(0.707106781f))), half = v_mul(x, v_set(0.5f));
    v_f s = v_min(v_set(4.0f), t), capped = v_min(v_set(10.5f), t); /* e^-110 is 0 */
    v_f p = V_HORNER(s, 4.38350944e-05f, v_set(-2.52778796e-06f));
    p = V_HORNER(s, -0.000301181426f, p);
    p = V_HORNER(s, 0.000879025261f, p);
    p = V_HORNER(s, 0.000906313711f, p);
    p = V_HORNER(s, -0.0199796055f, p);
    p = V_HORNER(s, 0.103126504f, p);
    p = V_HORNER(s, -0.363450855f, p);
    p = V_HORNER(s, 1.12838399f, p);
    v_f erfc = v_exp_bounded(v_neg(v_fma(capped, capped, v_mul(s, p))));
    v_f tail = v_mul(v_min(v_set(0x1.fffffep127f), half), erfc); /* infinity times 0 shall be 0 here */
    return v_select(v_lt(x, v_set(0.0f)), tail, v_sub(x, tail));
}

/* (1 + tanh(u)) / 2 = sigmoid(2 u). */
static inline v_f v_gelu_tanh(v_f x)
{
    v_f u = v_mul(x, v_fma(v_mul(x, x), v_set(0.0713548162f), v_set(1.59576912f)));
    return v_mul(x, v_sigmoid(u));
}

/* tanh(ln(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2). */
static inline v_f v_mish(v_f x)
{
    v_f e = v_exp_bounded(v_min(v_set(20.0f), x));
    v_f n = v_mul(e, v_add(e, v_set(2.0f)));
    return v_mul(x, v_div(n, v_add(n, v_set(2.0f))));
}

/* sin(x), or cos(x) = sin(x + pi/2), for |x| <= 8192: x = n pi/2 + r. pi/2 in three pieces, the first two times n
 * are exact (Cody and Waite). */
static inline v_f v_sin_reduced(v_f x, float quarters)
{
    v_f n = v_round(v_mul(x, v_set(0.636619772f)));
    v_f r = v_fnma(n, v_set(1.5703125f), x);
    r = v_fnma(n, v_set(4.837512969970703125e-4f), r);
    r = v_fnma(n, v_set(7.54978995489188216e-8f), r);
    v_f u = v_mul(r, r);
    v_f s = V_HORNER(u, -0.000198392954f, v_set(2.71793988e-06f));
    s = V_HORNER(u, 0.00833332911f, s);
    s = V_HORNER(u, -0.166666672f, s);
    s = v_fma(v_mul(u, r), s, r);
    v_f c = V_HORNER(u, 2.47994794e-05f, v_set(-2.72067894e-07f));
    c = V_HORNER(u, -0.00138888834f, c);
    c = V_HORNER(u, 0.0416666679f, c);
    c = v_fma(v_mul(u, u), c, v_fma(u, v_set(-0.5f), v_set(1.0f)));
    v_f turn = v_add(n, v_set(quarters)); /* in quarters; 0 to 3 after whole turns are gone */
    turn = v_fnma(v_floor(v_mul(turn, v_set(0.25f))), v_set(4.0f), turn);
    v_f parity = v_fnma(v_floor(v_mul(turn, v_set(0.5f))), v_set(2.0f), turn);
    v_f y = v_select(v_lt(v_set(0.5f), parity), c, s);
    return v_select(v_lt(v_set(1.5f), turn), v_neg(y), y);
}

/* Larger arguments, which need more digits of pi, go through libm one by one. */
static inline v_f v_sin_quarters(v_f x, float quarters)
{
    const float limit = 8192.0f;
    v_f y = v_sin_reduced(x, quarters);
    if (v_greatest(v_select(v_is_nan(x), v_set(0.0f), v_abs(x))) > limit) {
        float xs[V_N], ys[V_N];
        v_store(xs, x);
        v_store(ys, y);
        for (size_t i = 0; i < V_N; i++) {
            const bool is_large = fabsf(xs[i]) > limit;
            ys[i] = !is_large ? ys[i] : quarters > 0.0f ? cosf(xs[i]) : sinf(xs[i]);
        }
        y = v_load(ys);
    }
    return y;
}

#endif
