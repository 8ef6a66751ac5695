/* SPDX-License-Identifier: Apache-2.0 */
/* vpdpbusd adds four products of unsigned and signed bytes to a 32-bit sum, without saturation. 6
 * rows by 4 panels are 24 accumulators; beside them 4 vectors of B and a broadcast of A. */
#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8.h"

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { MR = 6, NV = 4, NR = 16 };

/* How the sums of a tile become C, the same for all its blocks. */
typedef struct ending {
    __m512 lo, hi;
    __m512i zero;
} ending;

INLINE void finish_vector(const pith_gemm_s8_tile *t, const ending *e, int m, int n, __mmask16 mask,
                          __m512i sum)
{
    size_t at = (size_t)m * t->c_stride + (size_t)n;
    if (t->row_sums) {
        __m512i zero = _mm512_maskz_loadu_epi32(mask, t->b_zero + n);
        sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(_mm512_set1_epi32(t->row_sums[m]), zero));
    }
    if (!t->scale) {
        _mm512_mask_storeu_epi32((int32_t *)t->c + at, mask, sum);
        return;
    }
    __m512 value =
        _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_maskz_loadu_ps(mask, t->scale + n));
    value = _mm512_min_ps(_mm512_max_ps(value, e->lo), e->hi);
    __m512i rounded =
        _mm512_cvt_roundps_epi32(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m128i bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(rounded, e->zero));
    if (mask == 0xffff) {
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)t->c + at), bytes);
    } else {
        _mm_mask_storeu_epi8((uint8_t *)t->c + at, mask, bytes);
    }
}

/* One group of four k for all rows and vectors. */
INLINE void step(const int mr, const int nv, const int8_t *b, size_t panel, const __m512i *left,
                 __m512i acc[MR][NV])
{
    __m512i right[NV];
    UNROLL
    for (int v = 0; v < nv; v++) {
        right[v] = _mm512_loadu_si512(b + (size_t)v * panel);
    }
    UNROLL
    for (int m = 0; m < mr; m++) {
        UNROLL
        for (int v = 0; v < nv; v++) {
            acc[m][v] = _mm512_dpbusd_epi32(acc[m][v], left[m], right[v]);
        }
    }
}

INLINE void block(const pith_gemm_s8_tile *t, const ending *e, const int mr, const int nv, int m0,
                  int n0, __mmask16 last)
{
    __m512i acc[MR][NV], left[MR];
    const uint8_t *a[MR];
    const size_t panel = t->b_panel_stride, length = t->segment_length;
    const size_t whole = t->a_is_padded ? (length + 3) & ~(size_t)3 : length & ~(size_t)3;
    const __m512i flip = _mm512_set1_epi8((char)t->a_flip);
    const int8_t *b = t->b + (size_t)(n0 / NR) * panel;
    UNROLL
    for (int m = 0; m < mr; m++) {
        UNROLL
        for (int v = 0; v < nv; v++) {
            acc[m][v] = _mm512_maskz_loadu_epi32(v < nv - 1 ? 0xffff : last, t->bias + n0 + v * NR);
        }
    }
    for (int s = 0; s < t->n_segments; s++) {
        UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = t->a_rows[m0 + m] + t->segment_offsets[s];
        }
        for (size_t k = 0; k < whole; k += 4, b += 4 * NR) {
            UNROLL
            for (int m = 0; m < mr; m++) {
                int32_t four;
                memcpy(&four, a[m] + k, 4);
                left[m] = _mm512_xor_si512(_mm512_set1_epi32(four), flip);
            }
            step(mr, nv, b, panel, left, acc);
        }
        if (whole < length) {
            UNROLL
            for (int m = 0; m < mr; m++) {
                int32_t four = 0;
                memcpy(&four, a[m] + whole, length - whole);
                left[m] = _mm512_xor_si512(_mm512_set1_epi32(four), flip);
            }
            step(mr, nv, b, panel, left, acc);
            b += 4 * NR;
        }
    }
    UNROLL
    for (int m = 0; m < mr; m++) {
        UNROLL
        for (int v = 0; v < nv; v++) {
            finish_vector(t, e, m0 + m, n0 + v * NR, v < nv - 1 ? 0xffff : last, acc[m][v]);
        }
    }
}

INLINE void columns(const pith_gemm_s8_tile *t, const ending *e, const int nv, int n0)
{
    int n = t->n_columns - n0 - (nv - 1) * NR, m = 0;
    __mmask16 last = (__mmask16)(n >= NR ? 0xffffu : (1u << n) - 1);
    for (; m + MR <= t->mr; m += MR) {
        block(t, e, MR, nv, m, n0, last);
    }
    switch (t->mr - m) {
    case 5: block(t, e, 5, nv, m, n0, last); break;
    case 4: block(t, e, 4, nv, m, n0, last); break;
    case 3: block(t, e, 3, nv, m, n0, last); break;
    case 2: block(t, e, 2, nv, m, n0, last); break;
    case 1: block(t, e, 1, nv, m, n0, last); break;
    default: break;
    }
}

static void tile(const pith_gemm_s8_tile *t)
{
    const ending e = { _mm512_set1_ps((float)(t->low - t->zero)),
                       _mm512_set1_ps((float)(t->high - t->zero)), _mm512_set1_epi32(t->zero) };
    int n0 = 0;
    for (; t->n_columns - n0 > 3 * NR; n0 += NV * NR) {
        columns(t, &e, NV, n0);
    }
    switch (n0 < t->n_columns ? (t->n_columns - n0 + NR - 1) / NR : 0) {
    case 3: columns(t, &e, 3, n0); break;
    case 2: columns(t, &e, 2, n0); break;
    case 1: columns(t, &e, 1, n0); break;
    default: break;
    }
}

static void row_sums(const pith_gemm_s8_tile *t, int32_t *sums)
{
    const __m512i flip = _mm512_set1_epi8((char)t->a_flip), zero = _mm512_setzero_si512();
    const size_t n = t->segment_length, whole = n & ~(size_t)63;
    const __mmask64 mask = ((__mmask64)1 << (n & 63)) - 1;
    for (int m = 0; m < t->mr; m++) {
        __m512i sum = zero;
        for (int s = 0; s < t->n_segments; s++) {
            const uint8_t *a = t->a_rows[m] + t->segment_offsets[s];
            for (size_t k = 0; k < whole; k += 64) {
                sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(_mm512_loadu_si512(a + k), flip), zero));
            }
            if (mask) {
                __m512i rest = _mm512_maskz_loadu_epi8(mask, a + whole);
                sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(rest, flip), zero));
                /* the bytes that the mask leaves out count as the flip */
                sum = _mm512_sub_epi64(sum, _mm512_maskz_set1_epi64(1, (int64_t)(64 - (n & 63)) * t->a_flip));
            }
        }
        sums[m] = (int32_t)_mm512_reduce_add_epi64(sum);
    }
}

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_6x64__x86_vnni", PITH_EXACT }, NR, MR, tile, row_sums }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_vnni, records);
