/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of sixteen floats: the words of ../x86_avx2/vec_f32.h with AVX-512. */
#ifndef PITH_KERNELS_VEC_F32_H
#define PITH_KERNELS_VEC_F32_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V_N 16
#define V_ISA(name) name "__x86_avx512"

typedef __m512 v_f;
typedef __m512i v_i;
typedef __mmask16 v_m;

static inline v_i v_bits(v_f a) { return _mm512_castps_si512(a); }
static inline v_f v_from_bits(v_i a) { return _mm512_castsi512_ps(a); }

static inline v_m v_first(size_t n) { return (v_m)((1u << n) - 1u); }
static inline v_f v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, v_f a) { _mm512_storeu_ps(p, a); }
static inline v_f v_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
static inline void v_store_n(float *p, v_f a, size_t n) { _mm512_mask_storeu_ps(p, v_first(n), a); }
/* For n up to 8: a whole vector may cross a cache line where half of one doesn't, and costs two accesses then, masked
 * or not. */
#define V_HAS_HALF
static inline v_f v_load_half(const float *p, size_t n)
{
    return _mm512_zextps256_ps512(_mm256_maskz_loadu_ps((__mmask8)v_first(n), p));
}
static inline void v_store_half(float *p, v_f a, size_t n)
{
    _mm256_mask_storeu_ps(p, (__mmask8)v_first(n), _mm512_castps512_ps256(a));
}
static inline v_f v_load_stride(const float *p, ptrdiff_t stride)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
    if (stride == 2) { /* the second load begins one early, so that it doesn't reach beyond the last lane */
        return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_loadu_ps(p + 15));
    }
    return _mm512_i32gather_ps(_mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)stride)), p, 4);
}
static inline v_f v_set(float a) { return _mm512_set1_ps(a); }
static inline v_f v_add(v_f a, v_f b) { return _mm512_add_ps(a, b); }
static inline v_f v_sub(v_f a, v_f b) { return _mm512_sub_ps(a, b); }
static inline v_f v_mul(v_f a, v_f b) { return _mm512_mul_ps(a, b); }
static inline v_f v_div(v_f a, v_f b) { return _mm512_div_ps(a, b); }
static inline v_f v_fma(v_f a, v_f b, v_f c) { return _mm512_fmadd_ps(a, b, c); }
static inline v_f v_fnma(v_f a, v_f b, v_f c) { return _mm512_fnmadd_ps(a, b, c); }
static inline v_f v_min(v_f a, v_f b) { return _mm512_min_ps(a, b); }
static inline v_f v_max(v_f a, v_f b) { return _mm512_max_ps(a, b); }
static inline v_f v_sqrt(v_f a) { return _mm512_sqrt_ps(a); }
static inline v_f v_abs(v_f a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
static inline v_f v_neg(v_f a) { return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a); }
static inline v_f v_copysign(v_f a, v_f sign)
{
    return _mm512_or_ps(v_abs(a), _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}
static inline v_m v_lt(v_f a, v_f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline v_m v_is_nan(v_f a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
static inline v_f v_select(v_m m, v_f a, v_f b) { return _mm512_mask_blend_ps(m, b, a); }
static inline v_f v_round(v_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline v_f v_floor(v_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline v_f v_ceil(v_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }

static inline v_i v_to_int(v_f a) { return _mm512_cvtps_epi32(a); }
static inline v_f v_from_int(v_i a) { return _mm512_cvtepi32_ps(a); }
static inline v_i vi_set(int32_t a) { return _mm512_set1_epi32(a); }
static inline v_i vi_add(v_i a, v_i b) { return _mm512_add_epi32(a, b); }
static inline v_i vi_sub(v_i a, v_i b) { return _mm512_sub_epi32(a, b); }
static inline v_i vi_and(v_i a, v_i b) { return _mm512_and_si512(a, b); }
static inline v_i vi_shift_left(v_i a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
static inline v_i vi_shift_right(v_i a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }

static inline v_f v_scale_normal(v_f p, v_f n) { return _mm512_scalef_ps(p, n); }
static inline v_f v_scale(v_f p, v_f n) { return _mm512_scalef_ps(p, n); }

static inline float v_sum(v_f a) { return _mm512_reduce_add_ps(a); }
static inline float v_greatest(v_f a) { return _mm512_reduce_max_ps(a); }

#endif
