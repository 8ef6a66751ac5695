/* SPDX-License-Identifier: Apache-2.0 */
/* `narrow` of gemm_f32: up to 8 columns with two, up to 4 with four values of k in one vector. A lane's value of A
 * comes with a broadcast of two or four neighbours; at the end neighbouring lanes are added, several rows at once. */
#include "kernels/gemm_f32.h"
#include "kernels/x86_avx512/vec_f32.h"

#define NARROW_INLINE static inline __attribute__((always_inline))

enum { NARROW_MR = 12 };

typedef double narrow_pair __attribute__((may_alias, aligned(4))); /* of two floats */

NARROW_INLINE v_f load_values(const float *a, const int fold)
{
    return fold == 2 ? _mm512_castpd_ps(_mm512_set1_pd(*(const narrow_pair *)a))
                     : _mm512_broadcast_f32x4(_mm_loadu_ps(a));
}

/* The last `n` values of a segment; the rest of B's vector is zero, and so must these be. */
NARROW_INLINE v_f load_last_values(const float *a, const int fold, size_t n)
{
    return fold == 2 ? _mm512_maskz_broadcastss_ps(0x5555, _mm_load_ss(a))
                     : _mm512_broadcast_f32x4(_mm_maskz_loadu_ps((__mmask8)((1u << n) - 1u), a));
}

/* Sums of two rows (fold 2: lanes 0-7 and 8-15) or four (fold 4: four lanes each). */
NARROW_INLINE v_f add_lanes(const v_f *acc, const int fold)
{
    if (fold == 2) {
        const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        return v_add(_mm512_permutex2var_ps(acc[0], even, acc[1]), _mm512_permutex2var_ps(acc[0], odd, acc[1]));
    }
    const __m512i by_row = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    v_f low = v_add(_mm512_unpacklo_ps(acc[0], acc[1]), _mm512_unpackhi_ps(acc[0], acc[1]));
    v_f high = v_add(_mm512_unpacklo_ps(acc[2], acc[3]), _mm512_unpackhi_ps(acc[2], acc[3]));
    v_f sums = v_add(_mm512_shuffle_ps(low, high, 0x44), _mm512_shuffle_ps(low, high, 0xee));
    return _mm512_permutexvar_ps(by_row, sums);
}

NARROW_INLINE void narrow_rows(const pith_gemm_f32_tile *t, const int fold, const int mr, int m0)
{
    const int rows_each = fold, columns = V_N / fold;
    const __m256 lo = _mm256_set1_ps(t->lo), hi = _mm256_set1_ps(t->hi);
    const __mmask8 mask = (__mmask8)((1u << t->n_columns) - 1u);
    const __m256 bias = t->bias ? _mm256_maskz_loadu_ps(mask, t->bias) : _mm256_setzero_ps();
    const float *b = t->b, *a[NARROW_MR];
    const size_t length = t->segment_length;
    v_f acc[NARROW_MR];
#pragma GCC unroll 16
    for (int m = 0; m < mr; m++) {
        acc[m] = v_set(0.0f);
    }
    for (int s = 0; s < t->n_segments; s++) {
#pragma GCC unroll 16
        for (int m = 0; m < mr; m++) { /* rows past the last repeat it */
            a[m] = t->a_rows[m0 + m < t->mr ? m0 + m : t->mr - 1] + t->segment_offsets[s];
        }
        size_t k = 0;
        for (; k + (size_t)fold <= length; k += (size_t)fold, b += V_N) {
            v_f row = v_load(b);
#pragma GCC unroll 16
            for (int m = 0; m < mr; m++) {
                acc[m] = v_fma(load_values(a[m] + k, fold), row, acc[m]);
            }
        }
        if (k < length) {
            v_f row = v_load(b);
#pragma GCC unroll 16
            for (int m = 0; m < mr; m++) {
                acc[m] = v_fma(load_last_values(a[m] + k, fold, length - k), row, acc[m]);
            }
            b += V_N;
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < mr; m += rows_each) {
        float sums[V_N] __attribute__((aligned(64)));
        v_store(sums, add_lanes(acc + m, fold));
        for (int i = 0; i < rows_each && m0 + m + i < t->mr; i++) {
            size_t row = (size_t)(m0 + m + i);
            __m256 value = _mm256_maskz_loadu_ps(mask, sums + i * columns);
            value = _mm256_add_ps(value, bias);
            if (t->residual) {
                value = _mm256_add_ps(value, _mm256_maskz_loadu_ps(mask, t->residual + row * t->residual_stride));
            }
            value = _mm256_min_ps(hi, _mm256_max_ps(lo, value)); /* NaN in the sum stays */
            _mm256_mask_storeu_ps(t->c + row * t->c_stride, mask, value);
        }
    }
}

NARROW_INLINE void narrow_strip(const pith_gemm_f32_tile *tile, const int fold)
{
    const pith_gemm_f32_tile copy = *tile;
    int m0 = 0;
    for (; m0 + NARROW_MR <= copy.mr; m0 += NARROW_MR) {
        narrow_rows(&copy, fold, NARROW_MR, m0);
    }
    for (; m0 < copy.mr; m0 += 4) {
        narrow_rows(&copy, fold, 4, m0);
    }
}

static __attribute__((noinline)) void narrow_2(const pith_gemm_f32_tile *t) { narrow_strip(t, 2); }
static __attribute__((noinline)) void narrow_4(const pith_gemm_f32_tile *t) { narrow_strip(t, 4); }

static void narrow(const pith_gemm_f32_tile *t)
{
    if (t->fold == 2) {
        narrow_2(t);
    } else {
        narrow_4(t);
    }
}
