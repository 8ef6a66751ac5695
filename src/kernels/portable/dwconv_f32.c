/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_f32 in plain C: the oracle; channels innermost, so that compilers vectorise by themselves. */
#include "kernels/dwconv_f32.h"

enum { BLOCK = 16 };

static float clamp(float value, float lo, float hi)
{
    value = value < lo ? lo : value;
    return value > hi ? hi : value;
}

static void add_row(const pith_dwconv_f32_task *t, const float *x_row, const float *w_row, int ox, size_t n, float *acc)
{
    for (int kx = 0; kx < t->kernel_w; kx++) {
        int ix = ox * t->stride_w - t->pad_left + kx * t->dilation_w;
        if (ix < 0 || ix >= t->in_w) {
            continue;
        }
        const float *x = x_row + (size_t)ix * t->x_pixel_stride, *w = w_row + (size_t)kx * t->w_stride;
        for (size_t i = 0; i < n; i++) {
            acc[i] += x[i] * w[i];
        }
    }
}

static void pixel(const pith_dwconv_f32_task *t, int oy, int ox, size_t c, size_t n)
{
    float acc[BLOCK];
    size_t at = (size_t)oy * t->y_row_stride + (size_t)ox * t->y_pixel_stride + c;
    for (size_t i = 0; i < n; i++) {
        acc[i] = t->bias ? t->bias[c + i] : 0.0f;
    }
    for (int ky = 0; ky < t->kernel_h; ky++) {
        int iy = oy * t->stride_h - t->pad_top + ky * t->dilation_h;
        if (iy >= 0 && iy < t->in_h) {
            add_row(t, t->x + (size_t)iy * t->x_row_stride + c,
                    t->w + (size_t)(ky * t->kernel_w) * t->w_stride + c, ox, n, acc);
        }
    }
    for (size_t i = 0; i < n; i++) {
        t->y[at + i] = clamp(t->residual ? acc[i] + t->residual[at + i] : acc[i], t->lo, t->hi);
    }
}

static void run(const pith_dwconv_f32_task *t)
{
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        for (int ox = 0; ox < t->out_w; ox++) {
            for (size_t c = 0; c < t->n_channels; c += BLOCK) {
                pixel(t, oy, ox, c, t->n_channels - c < BLOCK ? t->n_channels - c : BLOCK);
            }
        }
    }
}

static const pith_dwconv_f32 records[] = { { .head = { "dwconv_f32__portable", PITH_BOUNDED }, .run = run } };

PITH_EXPORT_KERNEL(dwconv_f32, portable, records);
