/* SPDX-License-Identifier: Apache-2.0 */
/* The words of gemm_s8_body.h and dwconv_s8_quads_body.h in 512 bits. */
#ifndef PITH_KERNELS_X86_VNNI_VEC_S8_H
#define PITH_KERNELS_X86_VNNI_VEC_S8_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm_s8.h"

#define S8_NR 16
#define S8_WORD static inline __attribute__((always_inline))

typedef __m512i s8_v, s8_a, s8_b, s8_acc;
typedef __m512 s8_f;

S8_WORD __mmask16 s8_mask(int n)
{
    return (__mmask16)(n < S8_NR ? (1u << (n < 0 ? 0 : n)) - 1 : 0xffffu);
}

S8_WORD s8_v s8_load(const void *from) { return _mm512_loadu_si512(from); }
S8_WORD void s8_store(void *to, s8_v v) { _mm512_storeu_si512(to, v); }
S8_WORD s8_v s8_load_n(const int32_t *from, int n) { return _mm512_maskz_loadu_epi32(s8_mask(n), from); }
S8_WORD s8_f s8_load_n_f(const float *from, int n) { return _mm512_maskz_loadu_ps(s8_mask(n), from); }
S8_WORD s8_v s8_xor(s8_v a, s8_v b) { return _mm512_xor_si512(a, b); }
S8_WORD s8_v s8_bytes(uint8_t byte) { return _mm512_set1_epi8((char)byte); }
S8_WORD s8_b s8_load_b(const int8_t *from) { return _mm512_loadu_si512(from); }
/* Stays in its register: gcc would rather load it again. */
S8_WORD s8_v s8_keep(s8_v v)
{
    __asm__("" : "+v"(v));
    return v;
}

S8_WORD s8_a s8_as_a(s8_v bytes) { return bytes; }
S8_WORD s8_acc s8_start(s8_v bias) { return bias; }

/* As text: gcc 12 copies accumulators to and fro around the intrinsic in loops. */
S8_WORD s8_acc s8_dot(s8_acc acc, s8_a a, s8_b b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

S8_WORD s8_v s8_end(s8_acc acc, s8_v bias) { return (void)bias, acc; }

S8_WORD s8_a s8_spread(const uint8_t *from, s8_v flip)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return _mm512_xor_si512(_mm512_set1_epi32(four), flip);
}

S8_WORD s8_v s8_add(s8_v a, s8_v b) { return _mm512_add_epi32(a, b); }
S8_WORD s8_v s8_less(s8_v sums, int32_t row_sum, s8_v zeros)
{
    return _mm512_sub_epi32(sums, _mm512_mullo_epi32(_mm512_set1_epi32(row_sum), zeros));
}

S8_WORD void s8_weave(const uint8_t *from, ptrdiff_t step, uint8_t *to)
{
    __m128i row[4];
    for (int i = 0; i < 4; i++) {
        row[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + i * step));
    }
    const __m128i a = _mm_unpacklo_epi8(row[0], row[1]), b = _mm_unpacklo_epi8(row[2], row[3]);
    const __m128i c = _mm_unpackhi_epi8(row[0], row[1]), d = _mm_unpackhi_epi8(row[2], row[3]);
    const __m128i woven[] = { _mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(c, d),
                              _mm_unpackhi_epi16(c, d) };
    memcpy(to, woven, sizeof woven);
}

S8_WORD void s8_store_flipped(int8_t *to, const uint8_t *from, s8_v flip)
{
    _mm512_storeu_si512(to, s8_xor(_mm512_loadu_si512(from), flip));
}

S8_WORD void s8_store_part(uint8_t *to, s8_v v, const int i, const int count)
{
    if (count == 1) {
        _mm512_storeu_si512(to, v);
    } else if (count == 2) {
        _mm256_storeu_si256((__m256i *)(void *)to, i ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v));
    } else {
        const __m256i half = i / 2 ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
        _mm_storeu_si128((__m128i *)(void *)to,
                         i % 2 ? _mm256_extracti128_si256(half, 1) : _mm256_castsi256_si128(half));
    }
}

typedef struct s8_limits {
    __m512 highest;
    __m512i zero, low, high, order;
    int is_signed;
} s8_limits;

S8_WORD s8_limits s8_limits_of(int32_t zero, int32_t low, int32_t high)
{
    return (s8_limits){ _mm512_set1_ps(0x1p30f),
                        _mm512_set1_epi16((short)zero),
                        _mm512_set1_epi8((char)low),
                        _mm512_set1_epi8((char)high),
                        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                        low < 0 };
}

enum { S8_STAGES = 4 };

/* Four vectors of sums in stages: floats; products; integers; 16 bits and the zero point, in the first two vectors. Too
 * large a product, and NaN, would become INT32_MIN: right for NaN alone, which min() lets through. is_small: |scale| is
 * below 1, so that none is. */
S8_WORD void s8_stage(s8_v v[4], const s8_f scale[4], const s8_limits *l, const bool is_small, const int stage)
{
    for (int i = 0; i < 4; i++) {
        s8_f value = _mm512_castsi512_ps(v[i]);
        if (stage == 0) {
            v[i] = _mm512_castps_si512(_mm512_cvtepi32_ps(v[i]));
        } else if (stage == 1) {
            value = _mm512_mul_ps(value, scale[i]);
            v[i] = _mm512_castps_si512(is_small ? value : _mm512_min_ps(l->highest, value));
        } else if (stage == 2) {
            v[i] = _mm512_cvt_roundps_epi32(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        }
    }
    for (int i = 0; i < 4 && is_small; i++) { /* compilers would move the stages together again */
        __asm__ volatile("" : "+v"(v[i]));
    }
    if (stage == 3) {
        v[0] = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), l->zero);
        v[1] = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), l->zero);
    }
}

/* Packing saturates, and the limits lie within those of a byte: they are applied to all results at once. In each 128
 * bits are four results of every vector. */
S8_WORD s8_v s8_bytes_of(const s8_v v[2], const s8_limits *l)
{
    if (l->is_signed) {
        return _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(v[0], v[1]), l->low), l->high);
    }
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(v[0], v[1]), l->low), l->high);
}

S8_WORD s8_v s8_pack(const s8_v sums[4], const s8_f scale[4], const s8_limits *l)
{
    s8_v v[] = { sums[0], sums[1], sums[2], sums[3] };
    for (int stage = 0; stage < S8_STAGES; stage++) {
        s8_stage(v, scale, l, false, stage);
    }
    return s8_bytes_of(v, l);
}

S8_WORD s8_v s8_in_order(s8_v bytes, const s8_limits *l) { return _mm512_permutexvar_epi32(l->order, bytes); }

/* Four rows of bytes to groups of four. Unpacking works within 128 bits: what belongs there is brought there first. */
S8_WORD void s8_interleave(const s8_v x[4], s8_v quads[4])
{
    const s8_v order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    s8_v y[4];
    for (int i = 0; i < 4; i++) {
        y[i] = _mm512_permutexvar_epi32(order, x[i]);
    }
    const s8_v low01 = _mm512_unpacklo_epi8(y[0], y[1]), high01 = _mm512_unpackhi_epi8(y[0], y[1]);
    const s8_v low23 = _mm512_unpacklo_epi8(y[2], y[3]), high23 = _mm512_unpackhi_epi8(y[2], y[3]);
    quads[0] = _mm512_unpacklo_epi16(low01, low23);
    quads[1] = _mm512_unpackhi_epi16(low01, low23);
    quads[2] = _mm512_unpacklo_epi16(high01, high23);
    quads[3] = _mm512_unpackhi_epi16(high01, high23);
}

/* The first n bytes of a vector. */
S8_WORD s8_v s8_load_some(const uint8_t *from, int n)
{
    return _mm512_maskz_loadu_epi8(n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0, from);
}

/* Sum of n bytes ^ flip. */
S8_WORD int32_t s8_segment_sum(const uint8_t *a, size_t n, uint8_t flip_byte)
{
    const __m512i flip = s8_bytes(flip_byte), zero = _mm512_setzero_si512();
    __m512i sum = zero;
    for (; n >= 64; n -= 64, a += 64) {
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(_mm512_loadu_si512(a), flip), zero));
    }
    const __mmask64 mask = ((__mmask64)1 << n) - 1;
    const __m512i rest = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a), flip));
    return (int32_t)_mm512_reduce_add_epi64(_mm512_add_epi64(sum, _mm512_sad_epu8(rest, zero)));
}

#endif
