/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s8 in plain C, once per ISA: blocks of channels with constant trip counts, which compilers
 * vectorise. Included with DWCONV_NAME, the record's name, and where the ISA has a way of its own, with
 * DWCONV_PACKED, its function for packed weights, and DWCONV_PACK, those that pack them. */
#include "kernels/dwconv_s8.h"

#define DWCONV_INLINE static inline __attribute__((always_inline))

enum { BODY_BLOCK = 32 };

/* Adding 1.5 * 2^23 rounds |value| < 2^22 to the nearest even integer, which the low bits then
 * hold. */
static inline int32_t round_small(float value)
{
    union {
        float f;
        int32_t i;
    } bits = { .f = value + 12582912.0f };
    return bits.i - 0x4b400000;
}

DWCONV_INLINE void add_tap(const pith_dwconv_s8_task *t, const uint8_t *x, const int16_t *w,
                           int32_t *acc, const int n)
{
    const uint8_t flip = t->x_flip;
    const int32_t zero = t->x_zero;
    for (int c = 0; c < n; c++) {
        acc[c] += ((int32_t)(uint8_t)(x[c] ^ flip) - zero) * (int32_t)w[c];
    }
}

DWCONV_INLINE void finish_block(const pith_dwconv_s8_task *t, const int32_t *acc,
                                const float *scale, uint8_t *y, const int n)
{
    const float lo = (float)(t->low - t->zero), hi = (float)(t->high - t->zero);
    for (int c = 0; c < n; c++) {
        float value = (float)acc[c] * scale[c];
        value = value > lo ? value : lo;
        value = value < hi ? value : hi;
        y[c] = (uint8_t)(round_small(value) + t->zero);
    }
}

/* n channels from c of one output pixel. */
DWCONV_INLINE void body_pixel(const pith_dwconv_s8_task *t, int oy, int ox, size_t c, const int n)
{
    int32_t acc[BODY_BLOCK];
    const int iy = oy * t->stride_h - t->pad_top, ix = ox * t->stride_w - t->pad_left;
    for (int i = 0; i < n; i++) {
        acc[i] = t->bias[c + (size_t)i];
    }
    for (int ky = 0; ky < t->kernel_h; ky++) {
        const int y = iy + ky * t->dilation_h;
        if (y < 0 || y >= t->in_h) {
            continue;
        }
        const uint8_t *row = t->x + (size_t)y * t->x_row_stride + c;
        for (int kx = 0; kx < t->kernel_w; kx++) {
            const int x = ix + kx * t->dilation_w;
            if (x >= 0 && x < t->in_w) {
                const int16_t *w = t->w + (size_t)(ky * t->kernel_w + kx) * t->w_stride + c;
                add_tap(t, row + (size_t)x * t->x_pixel_stride, w, acc, n);
            }
        }
    }
    finish_block(t, acc, t->scale + c,
                 t->y + (size_t)oy * t->y_row_stride + (size_t)ox * t->y_pixel_stride + c, n);
}

static void run(const pith_dwconv_s8_task *t)
{
#ifdef DWCONV_PACKED
    if (t->packed) {
        DWCONV_PACKED(t);
        return;
    }
#endif
    for (size_t c = 0; c < t->n_channels; c += BODY_BLOCK) {
        const size_t left = t->n_channels - c;
        for (int oy = t->y_begin; oy < t->y_end; oy++) {
            for (int ox = 0; ox < t->out_w; ox++) {
                if (left >= BODY_BLOCK) {
                    body_pixel(t, oy, ox, c, BODY_BLOCK);
                } else {
                    body_pixel(t, oy, ox, c, (int)left);
                }
            }
        }
    }
}

#ifndef DWCONV_PACK
#define DWCONV_PACK NULL, NULL
#endif

static const pith_dwconv_s8 records[] = { { { DWCONV_NAME, PITH_EXACT }, run, DWCONV_PACK } };
