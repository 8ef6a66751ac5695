/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_f32 for any vector ISA: included once by <isa>/dwconv_f32.c after that folder's vec_f32.h, with
 * DWCONV_NAME, the name of the record.
 *
 * A vector of channels outside, then rows, then groups of P neighbouring pixels. For kernel widths 3 and 5
 * with strides 1 and 2 a kernel row's weights sit in registers and each input pixel is loaded once for all taps
 * that want it: P = 8, 3 taps, stride 1 is 24 multiply-adds for 13 loads. The last group of a row is moved
 * back to end with the row (some pixels are then computed twice, to the same bits). */
#include <stdbool.h>

#include "kernels/dwconv_f32.h"

#define DWCONV_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define DWCONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define DWCONV_UNROLL _Pragma("GCC unroll 32")
#endif

#ifndef DWCONV_BLOCK_BYTES
#define DWCONV_BLOCK_BYTES ((size_t)24 << 10)
#endif
enum { MAX_P = 8, MAX_KW = 5 };

typedef struct lane_range {
    size_t c; /* first channel */
    size_t count;
    bool is_full;
} lane_range;

DWCONV_INLINE void start_pixels(const pith_dwconv_f32_task *t, const int n_pixels, const lane_range *lanes, v_f *acc)
{
    v_f bias = t->bias ? v_load_n(t->bias + lanes->c, lanes->count) : v_set(0.0f);
    DWCONV_UNROLL
    for (int p = 0; p < n_pixels; p++) {
        acc[p] = bias;
    }
}

DWCONV_INLINE void finish_pixels(const pith_dwconv_f32_task *t, const int n_pixels, const lane_range *lanes, int oy,
                              int ox, const v_f *acc)
{
    v_f lo = v_set(t->lo), hi = v_set(t->hi);
    DWCONV_UNROLL
    for (int p = 0; p < n_pixels; p++) {
        size_t at = (size_t)oy * t->y_row_stride + (size_t)(ox + p) * t->y_pixel_stride + lanes->c;
        v_f value = acc[p];
        if (t->residual) {
            value = v_add(value, v_load_n(t->residual + at, lanes->count));
        }
        value = v_min(hi, v_max(lo, value));
        if (lanes->is_full) {
            v_store(t->y + at, value);
        } else {
            v_store_n(t->y + at, value, lanes->count);
        }
    }
}

/* One kernel row of `width` taps onto n_pixels sums; x is column 0 of the input row. */
DWCONV_INLINE void add_taps(const pith_dwconv_f32_task *t, const int n_pixels, const int width, const int stride,
                         const bool is_inside, const lane_range *lanes, const float *x, const float *w, int ix0,
                         v_f *acc)
{
    v_f weights[MAX_KW];
    DWCONV_UNROLL
    for (int kx = 0; kx < width; kx++) {
        weights[kx] = v_load_n(w + (size_t)kx * t->w_stride, lanes->count);
    }
    DWCONV_UNROLL
    for (int j = 0; j < (n_pixels - 1) * stride + width; j++) {
        v_f value = v_set(0.0f);
        if (is_inside || (unsigned)(ix0 + j) < (unsigned)t->in_w) {
            value = v_load_n(x + (size_t)(ix0 + j) * t->x_pixel_stride, lanes->count);
        }
        DWCONV_UNROLL
        for (int p = 0; p < n_pixels; p++) {
            if (j - p * stride >= 0 && j - p * stride < width) {
                acc[p] = v_fma(value, weights[j - p * stride], acc[p]);
            }
        }
    }
}

/* The same for any width, stride and dilation. */
DWCONV_INLINE void add_any_taps(const pith_dwconv_f32_task *t, const int n_pixels, const lane_range *lanes, const float *x,
                             const float *w, int ix0, v_f *acc)
{
    for (int kx = 0; kx < t->kernel_w; kx++) {
        v_f weight = v_load_n(w + (size_t)kx * t->w_stride, lanes->count);
        DWCONV_UNROLL
        for (int p = 0; p < n_pixels; p++) {
            int ix = ix0 + p * t->stride_w + kx * t->dilation_w;
            if ((unsigned)ix < (unsigned)t->in_w) {
                v_f value = v_load_n(x + (size_t)ix * t->x_pixel_stride, lanes->count);
                acc[p] = v_fma(value, weight, acc[p]);
            }
        }
    }
}

/* The rows that the next row of outputs is the first to see. */
DWCONV_INLINE void prefetch_rows(const pith_dwconv_f32_task *t, const int n_pixels, const int stride,
                                 const lane_range *lanes, int oy, int ix0)
{
    int iy = (oy + 1) * t->stride_h - t->pad_top + (t->kernel_h - 1) * t->dilation_h;
    for (int i = 0; i < t->stride_h; i++, iy--) {
        const float *x = t->x + (ptrdiff_t)iy * (ptrdiff_t)t->x_row_stride + lanes->c;
        DWCONV_UNROLL
        for (int j = 0; j < n_pixels * stride; j++) {
            __builtin_prefetch(x + (ptrdiff_t)(ix0 + j) * (ptrdiff_t)t->x_pixel_stride, 0, 3);
        }
    }
}

/* width 0: any width, stride and dilation. */
DWCONV_INLINE void pixels(const pith_dwconv_f32_task *t, const int n_pixels, const int width, const int stride,
                       const bool is_inside, const lane_range *lanes, int oy, int ox)
{
    v_f acc[MAX_P];
    int ix0 = ox * t->stride_w - t->pad_left;
    start_pixels(t, n_pixels, lanes, acc);
    if (width) {
        prefetch_rows(t, n_pixels, stride, lanes, oy, ix0);
    }
    for (int ky = 0; ky < t->kernel_h; ky++) {
        int iy = oy * t->stride_h - t->pad_top + ky * t->dilation_h;
        if ((unsigned)iy >= (unsigned)t->in_h) {
            continue;
        }
        const float *x = t->x + (size_t)iy * t->x_row_stride + lanes->c;
        const float *w = t->w + (size_t)(ky * t->kernel_w) * t->w_stride + lanes->c;
        if (width) {
            add_taps(t, n_pixels, width, stride, is_inside, lanes, x, w, ix0, acc);
        } else {
            add_any_taps(t, n_pixels, lanes, x, w, ix0, acc);
        }
    }
    finish_pixels(t, n_pixels, lanes, oy, ox, acc);
}

/* Channels [c, c_end) of all rows: neighbouring vectors of a group of pixels follow each other. */
DWCONV_INLINE void plane(const pith_dwconv_f32_task *t, const int n_pixels, const int width, const int stride, size_t c,
                         size_t c_end)
{
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        for (int begin = 0; begin < t->out_w; begin += n_pixels) {
            int ox = begin + n_pixels <= t->out_w ? begin : t->out_w - n_pixels;
            int ix0 = ox * t->stride_w - t->pad_left;
            bool is_inside = width && ix0 >= 0 && ix0 + (n_pixels - 1) * stride + width <= t->in_w;
            for (size_t at = c; at < c_end; at += V_N) {
                size_t left = c_end - at;
                lane_range lanes = { at, left < V_N ? left : V_N, left >= V_N };
                if (is_inside) {
                    pixels(t, n_pixels, width, stride, true, &lanes, oy, ox);
                } else {
                    pixels(t, n_pixels, width, stride, false, &lanes, oy, ox);
                }
            }
        }
    }
}

#define DWCONV_PLANE(name, n_pixels, width, stride)                                                \
    static void name(const pith_dwconv_f32_task *t, size_t c, size_t c_end)                        \
    {                                                                                              \
        plane(t, n_pixels, width, stride, c, c_end);                                               \
    }

DWCONV_PLANE(plane_1, 1, 0, 0)
DWCONV_PLANE(plane_4, 4, 0, 0)
DWCONV_PLANE(plane_4_3_1, 4, 3, 1)
DWCONV_PLANE(plane_7_3_1, 7, 3, 1)
DWCONV_PLANE(plane_8_3_1, 8, 3, 1)
DWCONV_PLANE(plane_4_3_2, 4, 3, 2)
DWCONV_PLANE(plane_7_3_2, 7, 3, 2)
DWCONV_PLANE(plane_8_3_2, 8, 3, 2)
DWCONV_PLANE(plane_4_5_1, 4, 5, 1)
DWCONV_PLANE(plane_7_5_1, 7, 5, 1)
DWCONV_PLANE(plane_8_5_1, 8, 5, 1)
DWCONV_PLANE(plane_4_5_2, 4, 5, 2)
DWCONV_PLANE(plane_7_5_2, 7, 5, 2)
DWCONV_PLANE(plane_8_5_2, 8, 5, 2)

typedef void plane_fn(const pith_dwconv_f32_task *t, size_t c, size_t c_end);

/* The group size that computes fewest pixels of a row, the larger one where equal. */
static int group_size(int out_w)
{
    static const int sizes[] = { 8, 7, 4 };
    int best = 0, best_cost = 0;
    for (int i = 0; i < 3; i++) {
        int cost = (out_w + sizes[i] - 1) / sizes[i] * sizes[i];
        if (out_w >= sizes[i] && (best == 0 || cost < best_cost)) {
            best = i;
            best_cost = cost;
        }
    }
    return best;
}

static plane_fn *choose(const pith_dwconv_f32_task *t)
{
    static plane_fn *const planes[2][2][3] = { /* [kernel_w 3, 5][stride_w 1, 2][8, 7, 4 pixels] */
        { { plane_8_3_1, plane_7_3_1, plane_4_3_1 }, { plane_8_3_2, plane_7_3_2, plane_4_3_2 } },
        { { plane_8_5_1, plane_7_5_1, plane_4_5_1 }, { plane_8_5_2, plane_7_5_2, plane_4_5_2 } },
    };
    if (t->out_w < 4) {
        return plane_1;
    }
    if ((t->kernel_w != 3 && t->kernel_w != 5) || t->stride_w > 2 || t->dilation_w != 1) {
        return plane_4;
    }
    return planes[t->kernel_w == 5][t->stride_w == 2][group_size(t->out_w)];
}

static void run(const pith_dwconv_f32_task *t)
{
    plane_fn *plane_of = choose(t);
    size_t row = (size_t)t->in_w * sizeof(float) * (size_t)(t->kernel_h + t->stride_h);
    size_t block = DWCONV_BLOCK_BYTES / row / V_N * V_N;
    block = block < V_N ? V_N : block;
    for (size_t c = 0; c < t->n_channels; c += block) {
        plane_of(t, c, t->n_channels - c < block ? t->n_channels : c + block);
    }
}

static const pith_dwconv_f32 records[] = { { .head = { DWCONV_NAME, PITH_BOUNDED }, .run = run } };
