/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of eight floats: the words in which the *_body.h kernels are written. Each ISA folder has its own; a
 * word does the same in all of them, to the bit, except that v_fma may round twice. */
#ifndef PITH_KERNELS_VEC_F32_H
#define PITH_KERNELS_VEC_F32_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V_N 8
#define V_ISA(name) name "__x86_avx2"

typedef __m256 v_f;  /* floats */
typedef __m256i v_i; /* int32 in the same lanes */
typedef __m256 v_m;  /* lane masks */

static inline v_i v_bits(v_f a) { return _mm256_castps_si256(a); }
static inline v_f v_from_bits(v_i a) { return _mm256_castsi256_ps(a); }

/* Lanes below n, 0 <= n <= V_N. */
static inline __m256i v_first(size_t n)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes);
}

static inline v_f v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, v_f a) { _mm256_storeu_ps(p, a); }
/* The first n lanes; the others are 0, and their memory isn't touched. */
static inline v_f v_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, v_first(n)); }
static inline void v_store_n(float *p, v_f a, size_t n) { _mm256_maskstore_ps(p, v_first(n), a); }
/* Lane i from p[i * stride]. */
static inline v_f v_load_stride(const float *p, ptrdiff_t stride)
{
    if (stride == 2) { /* the second load begins one early, so that it doesn't reach beyond the last lane */
        __m256 pairs = _mm256_shuffle_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 7), _MM_SHUFFLE(3, 1, 2, 0));
        return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(pairs), _MM_SHUFFLE(3, 1, 2, 0)));
    }
    return _mm256_setr_ps(p[0], p[stride], p[2 * stride], p[3 * stride], p[4 * stride], p[5 * stride], p[6 * stride],
                          p[7 * stride]);
}
static inline v_f v_set(float a) { return _mm256_set1_ps(a); }
static inline v_f v_add(v_f a, v_f b) { return _mm256_add_ps(a, b); }
static inline v_f v_sub(v_f a, v_f b) { return _mm256_sub_ps(a, b); }
static inline v_f v_mul(v_f a, v_f b) { return _mm256_mul_ps(a, b); }
static inline v_f v_div(v_f a, v_f b) { return _mm256_div_ps(a, b); }
static inline v_f v_fma(v_f a, v_f b, v_f c) { return _mm256_fmadd_ps(a, b, c); }   /* a b + c */
static inline v_f v_fnma(v_f a, v_f b, v_f c) { return _mm256_fnmadd_ps(a, b, c); } /* c - a b */
/* b if either is NaN. */
static inline v_f v_min(v_f a, v_f b) { return _mm256_min_ps(a, b); }
static inline v_f v_max(v_f a, v_f b) { return _mm256_max_ps(a, b); }
static inline v_f v_sqrt(v_f a) { return _mm256_sqrt_ps(a); }
static inline v_f v_abs(v_f a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline v_f v_neg(v_f a) { return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a); }
static inline v_f v_copysign(v_f a, v_f sign)
{
    return _mm256_or_ps(v_abs(a), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
static inline v_m v_lt(v_f a, v_f b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline v_m v_is_nan(v_f a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
static inline v_f v_select(v_m m, v_f a, v_f b) { return _mm256_blendv_ps(b, a, m); } /* m ? a : b */
/* To an integer: nearest (halves to even), down, up. Zeros keep the argument's sign. */
static inline v_f v_round(v_f a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline v_f v_floor(v_f a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline v_f v_ceil(v_f a) { return _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }

/* For integral floats of less than 2^31; others give any value. */
static inline v_i v_to_int(v_f a) { return _mm256_cvtps_epi32(a); }
static inline v_f v_from_int(v_i a) { return _mm256_cvtepi32_ps(a); }
static inline v_i vi_set(int32_t a) { return _mm256_set1_epi32(a); }
static inline v_i vi_add(v_i a, v_i b) { return _mm256_add_epi32(a, b); }
static inline v_i vi_sub(v_i a, v_i b) { return _mm256_sub_epi32(a, b); }
static inline v_i vi_and(v_i a, v_i b) { return _mm256_and_si256(a, b); }
static inline v_i vi_shift_left(v_i a, int n) { return _mm256_slli_epi32(a, n); }
static inline v_i vi_shift_right(v_i a, int n) { return _mm256_srai_epi32(a, n); } /* with sign */

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

static inline float v_sum(v_f a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* Any lane may win over NaN. */
static inline float v_greatest(v_f a)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
