/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/x86_avx512/vec_f32.h"

#define NQ_NAME "gemm_nbits_s8_4x32__x86_vnni"
#define NQ_ROW_PANELS 4
#define NQ_PANELS 2

static inline v_i nq_shift(v_i word, int n) { return _mm512_srli_epi32(word, (unsigned)n); }
static inline v_i nq_load(const void *p) { return _mm512_loadu_si512(p); }
static inline v_i nq_load_s8(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline v_i nq_multiply(v_i a, v_i b) { return _mm512_mullo_epi32(a, b); }
static inline v_i nq_dot(v_i acc, v_i codes, const int8_t *a, int bits)
{
    int32_t four;
    (void)bits;
    memcpy(&four, a, sizeof four);
    return _mm512_dpbusd_epi32(acc, codes, vi_set(four));
}
static inline void nq_store_s8(int8_t *p, v_i a) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a)); }

#include "kernels/gemm_nbits_s8_body.h"

PITH_EXPORT_KERNEL(gemm_nbits_s8, x86_vnni, records);
