/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/gemm_nbits_s8.h"

#define NR 4

static void quantize(const float *x, size_t n, int8_t *q, size_t step, float *scale, int32_t *sum)
{
    float most = 0.0f, odd = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
        odd += x[i] * 0.0f; /* NaN, or 0 */
    }
    const bool is_odd = odd != 0.0f || isnan(odd);
    const float factor = is_odd || most < 0x1p-100f ? 0.0f : 127.0f / most;
    *scale = is_odd ? NAN : factor == 0.0f ? 0.0f : most / 127.0f;
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int8_t value = factor == 0.0f ? 0 : (int8_t)nearbyintf(x[i] * factor);
        q[i / 4 * step + i % 4] = value;
        *sum += value;
    }
}

static unsigned code_at(const pith_gemm_nbits_tile *t, size_t k, int n)
{
    const int bits = pithi_nbits_bits(t->format), per_byte = 8 / bits;
    const size_t per = (size_t)pithi_nbits_per_word(t->format), within = k % per;
    const uint8_t *panel = (const uint8_t *)t->codes + (size_t)(n / NR) * t->panel_bytes;
    const uint8_t *word = panel + (k / per * NR + (size_t)(n % NR)) * 4;
    const int j = (int)(within % 4) * per_byte + (int)(within / 4); /* of bits from the word's lowest on */
    return ((unsigned)word[j / per_byte] >> (j % per_byte * bits)) & ((1u << bits) - 1);
}

static float element(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a, int m, int n)
{
    const size_t rows = (size_t)pithi_nbits_s8_rows(t->mr), per = (size_t)pithi_nbits_per_word(t->format);
    const size_t n_k = t->n_words * per, group = t->group_words * per, row = (size_t)m % rows, first = (size_t)m / rows;
    const int8_t *q = a->q + first * n_k * rows + 4 * row;
    const int middle = 1 << (pithi_nbits_bits(t->format) - 1);
    float y = 0.0f;
    for (size_t g = 0; g < t->n_groups; g++) {
        const size_t at = ((size_t)(n / NR) * t->n_groups + g) * NR + (size_t)(n % NR);
        const size_t of_row = (first * t->n_groups + g) * rows + row;
        const int32_t zero = middle + (t->zeros ? ((const int8_t *)t->zeros)[at] : 0);
        int32_t acc = -zero * a->sums[of_row];
        for (size_t k = g * group; k < (g + 1) * group && k < n_k; k++) {
            acc += q[k / 4 * 4 * rows + k % 4] * (int32_t)code_at(t, k, n);
        }
        y = fmaf((float)acc, a->scales[of_row] * t->scales[at], y);
    }
    y = t->bias ? y + t->bias[n] : y;
    return t->residual ? y + t->residual[(size_t)m * t->residual_stride + (size_t)n] : y;
}

static void tile(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a)
{
    for (int m = 0; m < t->mr; m++) {
        for (int n = 0; n < t->n_columns; n++) {
            const float y = element(t, a, m, n);
            t->c[(size_t)m * t->c_stride + (size_t)n] = y < t->lo ? t->lo : y > t->hi ? t->hi : y;
        }
    }
}

static const pith_gemm_nbits_s8 records[] = {
    { { "gemm_nbits_s8_1x4__portable", PITH_EXACT }, NR, false, quantize, tile }
};

PITH_EXPORT_KERNEL(gemm_nbits_s8, portable, records);
