/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of four floats for 64-bit Arm. See x86_avx2/vec_f32.h for what each word means. */
#ifndef PITH_KERNELS_VEC_F32_H
#define PITH_KERNELS_VEC_F32_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define V_N 4
#define V_ISA(name) name "__arm_neon"

typedef float32x4_t v_f;
typedef int32x4_t v_i;
typedef uint32x4_t v_m;

static inline v_i v_bits(v_f a) { return vreinterpretq_s32_f32(a); }
static inline v_f v_from_bits(v_i a) { return vreinterpretq_f32_s32(a); }

static inline v_f v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, v_f a) { vst1q_f32(p, a); }

static inline v_f v_load_n(const float *p, size_t n)
{
    if (n >= V_N) {
        return vld1q_f32(p);
    }
    v_f value = vdupq_n_f32(0.0f);
    value = n > 0 ? vld1q_lane_f32(p, value, 0) : value;
    value = n > 1 ? vld1q_lane_f32(p + 1, value, 1) : value;
    return n > 2 ? vld1q_lane_f32(p + 2, value, 2) : value;
}

static inline void v_store_n(float *p, v_f a, size_t n)
{
    if (n >= V_N) {
        vst1q_f32(p, a);
        return;
    }
    if (n > 0) {
        vst1q_lane_f32(p, a, 0);
    }
    if (n > 1) {
        vst1q_lane_f32(p + 1, a, 1);
    }
    if (n > 2) {
        vst1q_lane_f32(p + 2, a, 2);
    }
}

static inline v_f v_load_stride(const float *p, ptrdiff_t stride)
{
    v_f value = vdupq_n_f32(p[0]);
    value = vsetq_lane_f32(p[stride], value, 1);
    value = vsetq_lane_f32(p[2 * stride], value, 2);
    return vsetq_lane_f32(p[3 * stride], value, 3);
}

static inline v_f v_set(float a) { return vdupq_n_f32(a); }
static inline v_f v_add(v_f a, v_f b) { return vaddq_f32(a, b); }
static inline v_f v_sub(v_f a, v_f b) { return vsubq_f32(a, b); }
static inline v_f v_mul(v_f a, v_f b) { return vmulq_f32(a, b); }
static inline v_f v_div(v_f a, v_f b) { return vdivq_f32(a, b); }
static inline v_f v_fma(v_f a, v_f b, v_f c) { return vfmaq_f32(c, a, b); }
static inline v_f v_fnma(v_f a, v_f b, v_f c) { return vfmsq_f32(c, a, b); }
/* By comparison, since vminq_f32 gives NaN wherever it stands. */
static inline v_f v_min(v_f a, v_f b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline v_f v_max(v_f a, v_f b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline v_f v_sqrt(v_f a) { return vsqrtq_f32(a); }
static inline v_f v_abs(v_f a) { return vabsq_f32(a); }
static inline v_f v_neg(v_f a) { return vnegq_f32(a); }
static inline v_f v_copysign(v_f a, v_f sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a); }
static inline v_m v_lt(v_f a, v_f b) { return vcltq_f32(a, b); }
static inline v_m v_is_nan(v_f a) { return vmvnq_u32(vceqq_f32(a, a)); }
static inline v_f v_select(v_m m, v_f a, v_f b) { return vbslq_f32(m, a, b); }
static inline v_f v_round(v_f a) { return vrndnq_f32(a); }
static inline v_f v_floor(v_f a) { return vrndmq_f32(a); }
static inline v_f v_ceil(v_f a) { return vrndpq_f32(a); }

static inline v_i v_to_int(v_f a) { return vcvtq_s32_f32(a); }
static inline v_f v_from_int(v_i a) { return vcvtq_f32_s32(a); }
static inline v_i vi_set(int32_t a) { return vdupq_n_s32(a); }
static inline v_i vi_add(v_i a, v_i b) { return vaddq_s32(a, b); }
static inline v_i vi_sub(v_i a, v_i b) { return vsubq_s32(a, b); }
static inline v_i vi_and(v_i a, v_i b) { return vandq_s32(a, b); }
static inline v_i vi_shift_left(v_i a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
static inline v_i vi_shift_right(v_i a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); }

static inline v_f v_scale_normal(v_f p, v_f n)
{
    return v_mul(p, v_from_bits(vi_shift_left(vi_add(v_to_int(n), vi_set(127)), 23)));
}
static inline v_f v_scale(v_f p, v_f n)
{
    v_f half = v_floor(v_mul(n, v_set(0.5f)));
    return v_scale_normal(v_scale_normal(p, half), v_sub(n, half));
}

static inline float v_sum(v_f a) { return vaddvq_f32(a); }
static inline float v_greatest(v_f a) { return vmaxnmvq_f32(a); }

#endif
