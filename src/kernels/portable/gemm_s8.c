/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s8 in plain C: the oracle. */
#include "kernels/gemm_s8.h"

#include <math.h>

enum { NR = 8 };

static void finish(const pith_gemm_s8_tile *t, int m, int n, uint32_t sum)
{
    size_t at = (size_t)m * t->c_stride + (size_t)n;
    if (t->row_sums) {
        sum -= (uint32_t)t->row_sums[m] * (uint32_t)t->b_zero[n];
    }
    if (!t->scale) {
        ((int32_t *)t->c)[at] = (int32_t)sum;
        return;
    }
    float lo = (float)(t->low - t->zero), hi = (float)(t->high - t->zero),
          value = (float)(int32_t)sum * t->scale[n];
    value = value > lo ? value : lo;
    value = value < hi ? value : hi;
    ((uint8_t *)t->c)[at] = (uint8_t)((int32_t)nearbyintf(value) + t->zero);
}

/* One row, columns n0 .. n0 + n - 1 of a panel. */
static void row(const pith_gemm_s8_tile *t, int m, int n0, int n)
{
    const int8_t *b = t->b + (size_t)(n0 / NR) * t->b_panel_stride;
    uint32_t sums[NR] = { 0 };
    for (int j = 0; j < n; j++) {
        sums[j] = (uint32_t)t->bias[n0 + j];
    }
    for (int s = 0; s < t->n_segments; s++) {
        const uint8_t *a = t->a_rows[m] + t->segment_offsets[s];
        for (size_t k = 0; k < t->segment_length; k++) {
            int32_t left = a[k] ^ t->a_flip;
            const int8_t *group = b + k / 4 * 4 * NR + k % 4;
            for (int j = 0; j < NR; j++) {
                sums[j] += (uint32_t)(left * group[4 * j]);
            }
        }
        b += (t->segment_length + 3) / 4 * 4 * NR;
    }
    for (int j = 0; j < n; j++) {
        finish(t, m, n0 + j, sums[j]);
    }
}

static void tile(const pith_gemm_s8_tile *t)
{
    for (int n0 = 0; n0 < t->n_columns; n0 += NR) {
        for (int m = 0; m < t->mr; m++) {
            row(t, m, n0, t->n_columns - n0 < NR ? t->n_columns - n0 : NR);
        }
    }
}

static void row_sums(const pith_gemm_s8_tile *t, int32_t *sums)
{
    for (int m = 0; m < t->mr; m++) {
        int32_t sum = 0;
        for (int s = 0; s < t->n_segments; s++) {
            const uint8_t *a = t->a_rows[m] + t->segment_offsets[s];
            for (size_t k = 0; k < t->segment_length; k++) {
                sum += a[k] ^ t->a_flip;
            }
        }
        sums[m] = sum;
    }
}

static void pack(const pith_gemm_s8_columns *p)
{
    const size_t panel_bytes = (p->n_k + 3) / 4 * 4 * NR;
    for (int n = 0; n < (p->n_columns + NR - 1) / NR * NR; n++) {
        int8_t *to = p->packed + (size_t)(n / NR) * panel_bytes + 4 * (n % NR);
        int32_t sum = 0;
        for (size_t k = 0; k < (p->n_k + 3) / 4 * 4; k++) {
            const bool is_there = n < p->n_columns && k < p->n_k;
            const uint8_t *from = p->b + (ptrdiff_t)k * p->k_stride + n * p->n_stride;
            const int8_t value = is_there ? (int8_t)(*from ^ p->b_flip) : (int8_t)0;
            to[k / 4 * 4 * NR + k % 4] = value;
            sum += value;
        }
        if (n < p->n_columns) {
            p->sums[n] = sum;
        }
    }
}

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_1x8__portable", PITH_EXACT }, NR, 1, 1, 48.0f, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, portable, records);
