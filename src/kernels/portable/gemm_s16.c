/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s16 in plain C: the oracle. */
#include "kernels/gemm_s16.h"

#include <math.h>
#include <string.h>

enum { NR = 8 };

static int32_t sum_at(const pith_gemm_s8_tile *t, int m, int n)
{
    const int16_t *b = (const int16_t *)(const void *)(t->b + (size_t)(n / NR) * t->b_panel_stride) + 2 * (n % NR);
    const size_t n_k = t->segment_length / 2;
    uint32_t sum = (uint32_t)t->bias[n];
    for (int s = 0; s < t->n_segments; s++, b += (n_k + 1) / 2 * 2 * NR) {
        const uint8_t *a = t->a_rows[m] + t->segment_offsets[s];
        for (size_t k = 0; k < n_k; k++) {
            uint16_t bits;
            memcpy(&bits, a + 2 * k, sizeof bits);
            const int32_t left = (int16_t)(bits ^ (t->a_flip ? 0x8000 : 0));
            sum += (uint32_t)left * (uint32_t)b[k / 2 * 2 * NR + k % 2];
        }
    }
    return (int32_t)sum;
}

static void tile(const pith_gemm_s8_tile *t)
{
    const float low = (float)(t->low - t->zero), high = (float)(t->high - t->zero);
    for (int i = 0; i < t->mr * t->n_columns; i++) {
        const int m = i / t->n_columns, n = i % t->n_columns;
        const size_t at = (size_t)m * t->c_stride + (size_t)n;
        const int32_t sum = sum_at(t, m, n);
        if (!t->scale) {
            ((int32_t *)t->c)[at] = sum;
            continue;
        }
        float value = (float)sum * t->scale[n];
        value = value > low ? value : low;
        value = value < high ? value : high;
        const int32_t result = (int32_t)nearbyintf(value) + t->zero;
        if (t->c_is_wide) {
            ((uint16_t *)t->c)[at] = (uint16_t)result;
        } else {
            ((uint8_t *)t->c)[at] = (uint8_t)result;
        }
    }
}

static const pith_gemm_s16 records[] = { { { "gemm_s16_1x8__portable", PITH_EXACT }, NR, 24.0f, tile } };

PITH_EXPORT_KERNEL(gemm_s16, portable, records);
