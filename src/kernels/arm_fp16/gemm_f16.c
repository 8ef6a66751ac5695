/* SPDX-License-Identifier: Apache-2.0 */
/* 24 accumulators of 8 halves, 3 vectors of B and 8 rows' values of A in 32 registers. */
#include "kernels/arm_neon/vec_f32.h"

#define VH_N 8

typedef float16x8_t v_h;
typedef uint16_t a_word;
typedef float16x8_t v_a;
typedef uint16x8_t v_q;

static inline v_h vh_zero(void) { return vreinterpretq_f16_u16(vdupq_n_u16(0)); }
static inline v_h vh_load(const uint16_t *p) { return vreinterpretq_f16_u16(vld1q_u16(p)); }
static inline v_f vh_low(v_h a) { return vcvt_f32_f16(vget_low_f16(a)); }
static inline v_f vh_high(v_h a) { return vcvt_high_f32_f16(a); }
static inline v_a va_load(const a_word *p) { return vh_load(p); }

/* m is known when compiling. gcc 12 makes a register of each lane out of the intrinsic, and there are too few. */
static inline __attribute__((always_inline)) v_h vh_fma(v_a x, int m, v_h b, v_h c)
{
#define LANE(i)                                                                                    \
    case i: __asm__("fmla %0.8h, %1.8h, %2.h[" #i "]" : "+w"(c) : "w"(b), "x"(x)); break
    switch (m) {
        LANE(0);
        LANE(1);
        LANE(2);
        LANE(3);
        LANE(4);
        LANE(5);
        LANE(6);
        LANE(7);
    default: break;
    }
#undef LANE
    return c;
}

static inline v_q q_of(v_f low, v_f high) { return vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(low), high)); }
static inline v_q q_narrow(const float *p) { return q_of(v_load(p), v_load(p + V_N)); }
static inline v_q q_narrow_n(const float *p, size_t n)
{
    return q_of(v_load_n(p, n), n > V_N ? v_load_n(p + V_N, n - V_N) : v_set(0.0f));
}
static inline v_q q_low(v_q a, v_q b) { return vzip1q_u16(a, b); }
static inline v_q q_high(v_q a, v_q b) { return vzip2q_u16(a, b); }
static inline void q_store(a_word *p, v_q a) { vst1q_u16(p, a); }

#define GEMM_NAME "gemm_f16_8x24__arm_fp16"
#include "kernels/gemm_f16_body.h"

PITH_EXPORT_KERNEL(gemm_f16, arm_fp16, records);
