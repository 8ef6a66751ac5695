/* SPDX-License-Identifier: Apache-2.0 */
/* 24 accumulators of 32 halves, 3 vectors of B and broadcasts of A in 32 registers. A half of A is kept twice side by
 * side: load ports broadcast 32 bits by themselves. Not run on hardware so far. */
#include "kernels/x86_avx512/vec_f32.h"

#define VH_N 32

typedef __m512h v_h;
typedef uint32_t a_word;
typedef const uint32_t *v_a;
typedef __m128i v_q;

static inline v_h vh_zero(void) { return _mm512_setzero_ph(); }
static inline v_h vh_load(const uint16_t *p) { return _mm512_loadu_ph(p); }
static inline v_f vh_low(v_h a) { return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_castph_si512(a))); }
static inline v_f vh_high(v_h a) { return _mm512_cvtph_ps(_mm512_extracti64x4_epi64(_mm512_castph_si512(a), 1)); }
static inline v_a va_load(const a_word *p) { return p; }
static inline v_h vh_fma(v_a x, int m, v_h b, v_h c)
{
    return _mm512_fmadd_ph(_mm512_castsi512_ph(_mm512_set1_epi32((int)x[m])), b, c);
}

static inline v_q q_of(__m256 a) { return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline v_q q_narrow(const float *p) { return q_of(_mm256_loadu_ps(p)); }
static inline v_q q_narrow_n(const float *p, size_t n) { return q_of(_mm256_maskz_loadu_ps((__mmask8)v_first(n), p)); }
static inline v_q q_low(v_q a, v_q b) { return _mm_unpacklo_epi16(a, b); }
static inline v_q q_high(v_q a, v_q b) { return _mm_unpackhi_epi16(a, b); }
static inline void q_store(a_word *p, v_q a)
{
    _mm_storeu_si128((__m128i *)(void *)p, q_low(a, a));
    _mm_storeu_si128((__m128i *)(void *)(p + 4), q_high(a, a));
}

#define GEMM_NAME "gemm_f16_8x96__x86_fp16"
#include "kernels/gemm_f16_body.h"

PITH_EXPORT_KERNEL(gemm_f16, x86_fp16, records);
