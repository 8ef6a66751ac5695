/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f16 in plain C: the oracle. Halves are held in doubles.
 *
 * a * b of halves is exact in double (22 bits). a * b + c is exact too, or else its bits span more than 53. No bit of c
 * is below 2^-24, and both are below 2^17 (or the result is infinite any way one rounds), so it must be the product
 * that reaches far below c: |a b| < 2^-30 |c|, since its lowest bit is at least 2^-21 of it. Then the exact sum and the
 * rounded double lie both within a quarter of a half's step of c, which is a half: both round to c. So one rounding of
 * the double gives the fused result. */
#include <math.h>
#include <string.h>

#include "kernels/gemm_f16.h"

enum { NR = 8, RUN = PITH_GEMM_F16_RUN };

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest half, ties to even. */
static double round_half(double x)
{
    const double size = fabs(x), grain = 0x1.8p28; /* doubles of that size are multiples of 2^-24 */
    uint64_t bits;
    if (!(size < 65520.0)) {
        return isnan(x) ? x : copysign(INFINITY, x);
    }
    if (size < 0x1p-14) {
        return copysign((size + grain) - grain, x);
    }
    memcpy(&bits, &x, sizeof bits);
    bits += ((uint64_t)1 << 41) - 1 + (bits >> 42 & 1); /* 42 of 52 bits of the fraction go */
    return from_bits(bits >> 42 << 42);
}

static double widen(uint16_t half)
{
    const uint64_t exponent = half >> 10 & 31, fraction = half & 1023;
    const double size = exponent == 0    ? (double)fraction * 0x1p-24
                        : exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                         : from_bits((exponent + 1023 - 15) << 52 | fraction << 42);
    return half >> 15 ? -size : size;
}

static float sum_of(const pith_gemm_f32_tile *t, const float *a, const uint16_t *b, float sum)
{
    const size_t n_k = (size_t)t->n_segments * t->segment_length;
    for (size_t first = 0; first < n_k; first += RUN) {
        double run = 0.0;
        for (size_t k = first; k < n_k && k < first + RUN; k++) {
            const size_t s = k / t->segment_length;
            const float x = a[t->segment_offsets[s] + (ptrdiff_t)(k - s * t->segment_length)];
            run = round_half(round_half((double)x) * widen(b[k * t->b_row_stride]) + run);
        }
        sum += (float)run;
    }
    return sum;
}

static void tile(const pith_gemm_f32_tile *t)
{
    const uint16_t *b = (const uint16_t *)(const void *)t->b;
    for (size_t n = 0; n < (size_t)t->n_columns; n++) {
        for (size_t m = 0; m < (size_t)t->mr; m++) {
            float *c = t->c + m * t->c_stride + n;
            float value = t->accumulate ? *c : t->bias ? t->bias[n] : 0.0f;
            value = sum_of(t, t->a_rows[m], b + n / NR * t->b_panel_stride + n % NR, value);
            value = t->residual ? value + t->residual[m * t->residual_stride + n] : value;
            value = value < t->lo ? t->lo : value;
            *c = value > t->hi ? t->hi : value;
        }
    }
}

static const pith_gemm_f32 records[] = {
    { .head = { "gemm_f16_1x8__portable", PITH_EXACT }, .nr = NR, .mr_max = 1, .nv_max = 1, .max_fold = 1,
      .b_bytes = sizeof(uint16_t), .tile = tile }
};

PITH_EXPORT_KERNEL(gemm_f16, portable, records);
