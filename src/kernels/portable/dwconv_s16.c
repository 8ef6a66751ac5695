/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s16 in plain C: the oracle. Nothing is packed but copied. */
#include "kernels/dwconv_s16.h"

#include <math.h>
#include <string.h>

static size_t n_weights(const pith_dwconv_s16_task *t)
{
    return (size_t)(t->kernel_h * t->kernel_w) * t->n_channels;
}

static size_t pack_bytes(const pith_dwconv_s16_task *t)
{
    return t->n_channels * (sizeof(int32_t) + sizeof(float)) + n_weights(t) * sizeof(int16_t);
}

static void pack(const pith_dwconv_s16_task *t, void *packed)
{
    const size_t n = t->n_channels * sizeof(int32_t);
    memcpy(packed, t->bias, n);
    memcpy((char *)packed + n, t->scale, n);
    memcpy((char *)packed + 2 * n, t->w, n_weights(t) * sizeof(int16_t));
}

static int32_t number_at(const pith_dwconv_s16_task *t, size_t at)
{
    if (t->x_is_bytes) {
        const uint8_t bits = ((const uint8_t *)t->x)[at];
        return t->x_is_signed ? (int8_t)bits : (int32_t)bits;
    }
    const uint16_t bits = ((const uint16_t *)t->x)[at];
    return t->x_is_signed ? (int16_t)bits : (int32_t)bits;
}

static int32_t sum_taps(const pith_dwconv_s16_task *t, const int16_t *w, int oy, int ox, size_t c)
{
    int64_t sum = 0;
    for (int tap = 0; tap < t->kernel_h * t->kernel_w; tap++) {
        const int y = oy * t->stride_h - t->pad_top + tap / t->kernel_w * t->dilation_h;
        const int x = ox * t->stride_w - t->pad_left + tap % t->kernel_w * t->dilation_w;
        if (y >= 0 && y < t->in_h && x >= 0 && x < t->in_w) {
            const size_t at = ((size_t)y * (size_t)t->in_w + (size_t)x) * t->n_channels + c;
            sum += (int64_t)(number_at(t, at) - t->x_zero) * w[(size_t)tap * t->n_channels + c];
        }
    }
    return (int32_t)sum;
}

static void run(const pith_dwconv_s16_task *t)
{
    const int32_t *bias = t->packed, zero = t->finish.zero;
    const float *scale = (const float *)(bias + t->n_channels);
    const int16_t *w = (const int16_t *)(scale + t->n_channels);
    const float low = (float)(t->finish.low - zero), high = (float)(t->finish.high - zero);
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        for (size_t i = 0; i < (size_t)t->out_w * t->n_channels; i++) {
            const size_t c = i % t->n_channels, at = (size_t)oy * (size_t)t->out_w * t->n_channels + i;
            const int32_t sum = sum_taps(t, w, oy, (int)(i / t->n_channels), c);
            float value = (float)(int32_t)((uint32_t)sum + (uint32_t)bias[c]) * scale[c];
            value = value > low ? value : low;
            value = value < high ? value : high;
            const int32_t result = (int32_t)nearbyintf(value) + zero;
            if (t->finish.type >= PITH_S16_U16) {
                ((uint16_t *)t->y)[at] = (uint16_t)result;
            } else {
                ((uint8_t *)t->y)[at] = (uint8_t)result;
            }
        }
    }
}

static size_t scratch_bytes(const pith_dwconv_s16_task *t) { return (void)t, 0; }

static const pith_dwconv_s16 records[] = {
    { { "dwconv_s16__portable", PITH_EXACT }, run, pack_bytes, pack, scratch_bytes }
};

PITH_EXPORT_KERNEL(dwconv_s16, portable, records);
