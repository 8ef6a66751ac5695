/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of one float in plain C: the words in which the *_body.h kernels are written. See x86_avx2/vec_f32.h
 * for what each word means; compilers vectorise loops of these by themselves. */
#ifndef PITH_KERNELS_VEC_F32_H
#define PITH_KERNELS_VEC_F32_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_N 1
#define V_ISA(name) name "__portable"

typedef float v_f;
typedef int32_t v_i;
typedef bool v_m;

static inline v_i v_bits(v_f a)
{
    v_i bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}

static inline v_f v_from_bits(v_i a)
{
    v_f value;
    memcpy(&value, &a, sizeof value);
    return value;
}

static inline v_f v_load(const float *p) { return *p; }
static inline void v_store(float *p, v_f a) { *p = a; }
static inline v_f v_load_n(const float *p, size_t n) { return n ? *p : 0.0f; }
static inline void v_store_n(float *p, v_f a, size_t n)
{
    if (n) {
        *p = a;
    }
}
static inline v_f v_load_stride(const float *p, ptrdiff_t stride) { (void)stride; return *p; }
static inline v_f v_set(float a) { return a; }
static inline v_f v_add(v_f a, v_f b) { return a + b; }
static inline v_f v_sub(v_f a, v_f b) { return a - b; }
static inline v_f v_mul(v_f a, v_f b) { return a * b; }
static inline v_f v_div(v_f a, v_f b) { return a / b; }
static inline v_f v_fma(v_f a, v_f b, v_f c) { return a * b + c; }
static inline v_f v_fnma(v_f a, v_f b, v_f c) { return c - a * b; }
static inline v_f v_min(v_f a, v_f b) { return a < b ? a : b; }
static inline v_f v_max(v_f a, v_f b) { return a > b ? a : b; }
static inline v_f v_sqrt(v_f a) { return sqrtf(a); }
static inline v_f v_abs(v_f a) { return v_from_bits(v_bits(a) & INT32_MAX); }
static inline v_f v_neg(v_f a) { return -a; }
static inline v_f v_copysign(v_f a, v_f sign)
{
    return v_from_bits((v_bits(a) & INT32_MAX) | (v_bits(sign) & INT32_MIN));
}
static inline v_m v_lt(v_f a, v_f b) { return a < b; }
static inline v_m v_is_nan(v_f a) { return a != a; }
static inline v_f v_select(v_m m, v_f a, v_f b) { return m ? a : b; }

/* 2^23 pushes the fraction out; from there on every float is an integer. */
static inline v_f v_round(v_f a)
{
    const float big = 0x1p23f;
    volatile float shifted = v_abs(a) + big; /* or the compiler may cancel the two */
    return v_abs(a) < big ? v_copysign(shifted - big, a) : a;
}

static inline v_f v_floor(v_f a)
{
    v_f nearest = v_round(a);
    return v_copysign(nearest > a ? nearest - 1.0f : nearest, a);
}

static inline v_f v_ceil(v_f a)
{
    v_f nearest = v_round(a);
    return v_copysign(nearest < a ? nearest + 1.0f : nearest, a);
}

static inline v_i v_to_int(v_f a) { return a > -1e9f && a < 1e9f ? (v_i)a : 0; }
static inline v_f v_from_int(v_i a) { return (v_f)a; }
static inline v_i vi_set(int32_t a) { return a; }
static inline v_i vi_add(v_i a, v_i b) { return (v_i)((uint32_t)a + (uint32_t)b); }
static inline v_i vi_sub(v_i a, v_i b) { return (v_i)((uint32_t)a - (uint32_t)b); }
static inline v_i vi_and(v_i a, v_i b) { return a & b; }
static inline v_i vi_shift_left(v_i a, int n) { return (v_i)((uint32_t)a << n); }
static inline v_i vi_shift_right(v_i a, int n) { return a >> n; }

/* p 2^n for integral -252 <= n <= 254: two factors keep 2^n in range down to denormal results, and give infinity above.
 * v_scale_normal: -126 <= n <= 127. */
static inline v_f v_scale_normal(v_f p, v_f n)
{
    return v_mul(p, v_from_bits(vi_shift_left(vi_add(v_to_int(n), vi_set(127)), 23)));
}
static inline v_f v_scale(v_f p, v_f n)
{
    v_f half = v_floor(v_mul(n, v_set(0.5f)));
    return v_scale_normal(v_scale_normal(p, half), v_sub(n, half));
}

static inline float v_sum(v_f a) { return a; }
static inline float v_greatest(v_f a) { return a; }

#endif
