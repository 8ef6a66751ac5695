/* SPDX-License-Identifier: Apache-2.0 */
/* The words of gemm_s8_body.h and dwconv_s8_quads_body.h in 256 bits, but for the products, in which the CPUs
 * differ: those are in the files that include this one. */
#ifndef PITH_KERNELS_X86_AVX2_VEC_S8_H
#define PITH_KERNELS_X86_AVX2_VEC_S8_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm_s8.h"

#define S8_NR 8
#define S8_WORD static inline __attribute__((always_inline))

typedef __m256i s8_v;
typedef __m256 s8_f;

S8_WORD __m256i s8_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

S8_WORD s8_v s8_load(const void *from) { return _mm256_loadu_si256((const __m256i *)from); }
S8_WORD void s8_store(void *to, s8_v v) { _mm256_storeu_si256((__m256i *)to, v); }
S8_WORD s8_v s8_xor(s8_v a, s8_v b) { return _mm256_xor_si256(a, b); }
/* Stays in its register: gcc would rather load it again. */
S8_WORD s8_v s8_keep(s8_v v)
{
    __asm__("" : "+x"(v));
    return v;
}

S8_WORD s8_v s8_bytes(uint8_t byte) { return _mm256_set1_epi8((char)byte); }

S8_WORD s8_v s8_load_n(const int32_t *from, int n)
{
    return n >= S8_NR ? s8_load(from) : _mm256_maskload_epi32(from, s8_mask(n));
}

S8_WORD s8_f s8_load_n_f(const float *from, int n)
{
    return n >= S8_NR ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, s8_mask(n));
}

S8_WORD s8_v s8_add(s8_v a, s8_v b) { return _mm256_add_epi32(a, b); }
S8_WORD s8_v s8_less(s8_v sums, int32_t row_sum, s8_v zeros)
{
    return _mm256_sub_epi32(sums, _mm256_mullo_epi32(_mm256_set1_epi32(row_sum), zeros));
}

S8_WORD void s8_weave(const uint8_t *from, ptrdiff_t step, uint8_t *to)
{
    __m128i row[4];
    for (int i = 0; i < 4; i++) {
        row[i] = _mm_loadl_epi64((const __m128i *)(const void *)(from + i * step));
    }
    const __m128i a = _mm_unpacklo_epi8(row[0], row[1]), b = _mm_unpacklo_epi8(row[2], row[3]);
    const __m128i woven[] = { _mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b) };
    memcpy(to, woven, sizeof woven);
}

S8_WORD void s8_store_flipped(int8_t *to, const uint8_t *from, s8_v flip)
{
    s8_store(to, s8_xor(s8_load(from), flip));
}

S8_WORD void s8_store_part(uint8_t *to, s8_v v, const int i, const int count)
{
    const __m128i half = i * 2 >= count && i ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v);
    if (count == 1) {
        s8_store(to, v);
    } else if (count == 2) {
        _mm_storeu_si128((__m128i *)(void *)to, half);
    } else {
        _mm_storel_epi64((__m128i *)(void *)to, i % 2 ? _mm_unpackhi_epi64(half, half) : half);
    }
}

typedef struct s8_limits {
    __m256 highest;
    __m256i zero, low, high, order;
    int is_signed;
} s8_limits;

S8_WORD s8_limits s8_limits_of(int32_t zero, int32_t low, int32_t high)
{
    return (s8_limits){ _mm256_set1_ps(0x1p30f),
                        _mm256_set1_epi16((short)zero),
                        _mm256_set1_epi8((char)low),
                        _mm256_set1_epi8((char)high),
                        _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7),
                        low < 0 };
}

enum { S8_STAGES = 4 };

/* Four vectors of sums in stages: floats; products; integers; 16 bits and the zero point, in the first two vectors. Too
 * large a product, and NaN, would become INT32_MIN: right for NaN alone, which min() lets through. is_small: |scale| is
 * below 1, so that none is. */
S8_WORD void s8_stage(s8_v v[4], const s8_f scale[4], const s8_limits *l, const bool is_small, const int stage)
{
    for (int i = 0; i < 4; i++) {
        s8_f value = _mm256_castsi256_ps(v[i]);
        if (stage == 0) {
            v[i] = _mm256_castps_si256(_mm256_cvtepi32_ps(v[i]));
        } else if (stage == 1) {
            value = _mm256_mul_ps(value, scale[i]);
            v[i] = _mm256_castps_si256(is_small ? value : _mm256_min_ps(l->highest, value));
        } else if (stage == 2) {
            v[i] = _mm256_cvtps_epi32(_mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        }
    }
    for (int i = 0; i < 4 && is_small; i++) { /* compilers would move the stages together again */
        __asm__ volatile("" : "+x"(v[i]));
    }
    if (stage == 3) {
        v[0] = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), l->zero);
        v[1] = _mm256_adds_epi16(_mm256_packs_epi32(v[2], v[3]), l->zero);
    }
}

/* Packing saturates, and the limits lie within those of a byte: they are applied to all results at once. In each 128
 * bits are four results of every vector. */
S8_WORD s8_v s8_bytes_of(const s8_v v[2], const s8_limits *l)
{
    if (l->is_signed) {
        return _mm256_min_epi8(_mm256_max_epi8(_mm256_packs_epi16(v[0], v[1]), l->low), l->high);
    }
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(v[0], v[1]), l->low), l->high);
}

S8_WORD s8_v s8_pack(const s8_v sums[4], const s8_f scale[4], const s8_limits *l)
{
    s8_v v[] = { sums[0], sums[1], sums[2], sums[3] };
    for (int stage = 0; stage < S8_STAGES; stage++) {
        s8_stage(v, scale, l, false, stage);
    }
    return s8_bytes_of(v, l);
}

S8_WORD s8_v s8_in_order(s8_v bytes, const s8_limits *l) { return _mm256_permutevar8x32_epi32(bytes, l->order); }

/* Four rows of bytes to groups of four. Unpacking works within 128 bits: what belongs there is brought there first. */
S8_WORD void s8_interleave(const s8_v x[4], s8_v quads[4])
{
    s8_v y[4];
    for (int i = 0; i < 4; i++) {
        y[i] = _mm256_permutevar8x32_epi32(x[i], _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
    }
    const s8_v low01 = _mm256_unpacklo_epi8(y[0], y[1]), high01 = _mm256_unpackhi_epi8(y[0], y[1]);
    const s8_v low23 = _mm256_unpacklo_epi8(y[2], y[3]), high23 = _mm256_unpackhi_epi8(y[2], y[3]);
    quads[0] = _mm256_unpacklo_epi16(low01, low23);
    quads[1] = _mm256_unpackhi_epi16(low01, low23);
    quads[2] = _mm256_unpacklo_epi16(high01, high23);
    quads[3] = _mm256_unpackhi_epi16(high01, high23);
}

/* The first n bytes of a vector. */
S8_WORD s8_v s8_load_some(const uint8_t *from, int n)
{
    uint8_t bytes[32] = { 0 };
    memcpy(bytes, from, (size_t)n);
    return s8_load(bytes);
}

/* Sum of n bytes ^ flip. */
S8_WORD int32_t s8_segment_sum(const uint8_t *a, size_t n, uint8_t flip_byte)
{
    const __m256i flip = s8_bytes(flip_byte);
    __m256i sums = _mm256_setzero_si256();
    size_t k = 0;
    for (; k + 32 <= n; k += 32) {
        __m256i bytes = _mm256_xor_si256(s8_load(a + k), flip);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
    }
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    int64_t sum = _mm_extract_epi64(half, 0) + _mm_extract_epi64(half, 1);
    for (; k < n; k++) {
        sum += a[k] ^ flip_byte;
    }
    return (int32_t)sum;
}

#endif
