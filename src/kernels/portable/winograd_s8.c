/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_s8 in plain C: the oracle. */
#include "kernels/winograd_s8.h"

#include <math.h>

static const int32_t bt[6][6] = { { 4, 0, -5, 0, 1, 0 },  { 0, -4, -4, 1, 1, 0 }, { 0, 4, -4, -1, 1, 0 },
                                  { 0, -2, -1, 2, 1, 0 }, { 0, 2, -1, -2, 1, 0 }, { 0, 4, 0, -5, 0, 1 } };
static const int32_t g[6][3] = { { 6, 0, 0 }, { -4, -4, -4 }, { -4, 4, -4 }, { 1, 2, 4 }, { 1, -2, 4 }, { 0, 0, 12 } };
static const int32_t at[4][6] = {
    { 1, 1, 1, 1, 1, 0 }, { 0, 1, -1, 2, -2, 0 }, { 0, 1, 1, 4, 4, 0 }, { 0, 1, -1, 8, -8, 2 }
};

static void input(const pith_winograd_s8_input *t)
{
    for (int i = 0; i < t->n_tiles * 36; i++) {
        const int tile = i / 36, p = i % 36;
        int16_t *v = t->v + (size_t)p * t->v_stride + (size_t)tile * t->v_tile_stride;
        for (size_t c = 0; c < t->n_channels; c++) {
            int32_t sum = 0;
            for (int k = 0; k < 36; k++) {
                const int y = t->y_first + k / 6, x = t->x_first + 4 * tile + k % 6;
                const bool is_inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
                const uint8_t byte =
                    is_inside ? t->x[(size_t)y * t->x_row_stride + (size_t)x * t->x_pixel_stride + c] : t->pad;
                sum += bt[p / 6][k / 6] * bt[p % 6][k % 6] * (int8_t)(byte ^ t->flip);
            }
            v[c] = (int16_t)sum;
        }
    }
}

static void weights(const pith_winograd_s8_weights *t)
{
    for (size_t i = 0; i < 12 * t->n; i++) {
        const size_t l = i % t->n, j = i / t->n;
        const int32_t *row = g[PITH_WINOGRAD_S8_ROW(t->pair, (int)j / 6)];
        int32_t sum = 0;
        for (size_t k = 0; k < 9; k++) {
            sum += row[k / 3] * g[j % 6][k % 3] * t->g[(l / 32 * 9 + k) * 32 + l % 32];
        }
        t->u[j * t->u_stride + l] = (int16_t)sum;
    }
}

static uint8_t byte_of(const pith_winograd_s8_output *t, size_t c, uint32_t sum)
{
    const float low = (float)(t->low - t->zero), high = (float)(t->high - t->zero);
    float value = (float)(int32_t)(sum + (uint32_t)t->bias[c]) * t->scale[c];
    value = value > low ? value : low;
    value = value < high ? value : high;
    return (uint8_t)((int32_t)nearbyintf(value) + t->zero);
}

static void output(const pith_winograd_s8_output *t)
{
    for (int i = 0; i < t->rows * t->columns; i++) {
        const int row = i / t->columns, column = i % t->columns;
        const int32_t *m = t->m + (size_t)(column / 4) * t->m_tile_stride;
        uint8_t *y = t->y + (size_t)row * t->y_row_stride + (size_t)column * t->y_pixel_stride;
        for (size_t c = 0; c < t->n_channels; c++) {
            uint32_t sum = 0;
            for (int p = 0; p < 36; p++) {
                sum += (uint32_t)(at[row][p / 6] * at[column % 4][p % 6]) * (uint32_t)m[(size_t)p * t->m_stride + c];
            }
            y[c] = byte_of(t, c, (uint32_t)((int32_t)(sum * PITH_WINOGRAD_S8_INVERSE_9) >> 6));
        }
    }
}

static const pith_winograd_s8 records[] = {
    { { "winograd_s8_4x4__portable", PITH_EXACT }, 1200.0f, 2000.0f, 800.0f, input, weights, output }
};

PITH_EXPORT_KERNEL(winograd_s8, portable, records);
