/* SPDX-License-Identifier: Apache-2.0 */
/* conv_planar_f32 for any vector ISA: included once by <isa>/conv_planar_f32.c after that folder's vec_f32.h, with
 *
 *   PLANAR_P1, PLANAR_P2   pixels of the tiles of one panel and of two; the latter only where one is narrow
 *   PLANAR_NAME            name of the record
 *
 * Lanes are columns. Neighbouring pixels read the same rows `stride` apart, so one pointer and known distances reach
 * all pixels of a tile. What the next row of outputs will read is asked for beside the sums: images come from far
 * away, and short rows of many planes are no streams that hardware would follow (half of the time otherwise). Tiles
 * whose taps leave the row read a copy of it with zeros around. The last tile of a row is moved back to end with the
 * row (some pixels are then computed twice, to the same bits). */
#include "kernels/conv_planar_f32.h"

#define PLANAR_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define PLANAR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PLANAR_UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    MAX_P = 16,
    LINE = 16, /* floats of a cache line */
    WINDOW = 48, /* floats of a copied row: taps of MAX_P pixels, in whole vectors */
    WINDOW_ROWS = PITH_CONV_PLANAR_MAX_CHANNELS * PITH_CONV_PLANAR_MAX_KERNEL
};
#ifdef PLANAR_P2
enum { MAX_NV = 2 };
#else
enum { MAX_NV = 1 };
#endif
_Static_assert((MAX_P - 1) * PITH_CONV_PLANAR_MAX_STRIDE + PITH_CONV_PLANAR_MAX_KERNEL <= WINDOW, "too narrow");

/* Known when compiling. */
typedef struct tile_kind {
    int n_pixels, nv, stride;
} tile_kind;

/* A row of outputs: the kernel rows that meet the image, and where they do. */
typedef struct row_range {
    int oy, n_rows;
    const float *x, *w; /* column 0 of the first input row in plane 0, and its weights in panel 0 */
} row_range;

/* What a tile reads and writes. */
typedef struct tile_place {
    const float *x; /* the first tap of the first pixel */
    size_t row_step, plane_step;
    int ox, count, n0; /* pixels [ox, ox + count), columns from n0 on */
    size_t last;       /* lanes of the last panel */
} tile_place;

static row_range find_rows(const pith_conv_planar_f32_task *t, int oy)
{
    int iy = oy * t->stride_h - t->pad_top, ky = iy < 0 ? -iy : 0, end = t->kernel_h;
    end = iy + end > t->in_h ? t->in_h - iy : end;
    ky = ky < end ? ky : 0;
    size_t first = (size_t)(ky * t->in_channels * t->kernel_w) * V_N;
    if (end <= ky || iy + ky < 0) {
        return (row_range){ oy, 0, t->x, t->w };
    }
    return (row_range){ oy, end - ky, t->x + (size_t)(iy + ky) * t->x_row_stride, t->w + first };
}

PLANAR_INLINE void store_tile(const pith_conv_planar_f32_task *t, const tile_kind g, const tile_place *at, int oy,
                              v_f acc[MAX_P][MAX_NV])
{
    const v_f lo = v_set(t->lo), hi = v_set(t->hi);
    size_t y = (size_t)oy * t->y_row_stride + (size_t)at->ox * t->y_pixel_stride + (size_t)at->n0;
    PLANAR_UNROLL
    for (int p = 0; p < g.n_pixels; p++, y += t->y_pixel_stride) {
        if (p >= at->count) {
            return;
        }
        PLANAR_UNROLL
        for (int v = 0; v < g.nv; v++) {
            const size_t n = v < g.nv - 1 ? V_N : at->last;
            v_f value = acc[p][v];
            if (t->residual) {
                value = v_add(value, v_load_n(t->residual + y + v * V_N, n));
            }
            value = v_min(hi, v_max(lo, value)); /* NaN in the sum stays */
            if (v < g.nv - 1 || n == V_N) {
                v_store(t->y + y + v * V_N, value);
#ifdef V_HAS_HALF
            } else if (g.nv == 1 && n <= V_N / 2) {
                v_store_half(t->y + y + v * V_N, value, n);
#endif
            } else {
                v_store_n(t->y + y + v * V_N, value, n);
            }
        }
    }
}

PLANAR_INLINE void tile(const pith_conv_planar_f32_task *t, const tile_kind g, const row_range *r, const tile_place *at)
{
    const size_t panel = (size_t)(t->kernel_h * t->in_channels * t->kernel_w) * V_N;
    const float *w = r->w + (size_t)(at->n0 / V_N) * panel, *row = at->x;
    v_f acc[MAX_P][MAX_NV];
    PLANAR_UNROLL
    for (int v = 0; v < g.nv; v++) {
        v_f start = t->bias ? v_load_n(t->bias + at->n0 + v * V_N, v < g.nv - 1 ? V_N : at->last) : v_set(0.0f);
        PLANAR_UNROLL
        for (int p = 0; p < g.n_pixels; p++) {
            acc[p][v] = start;
        }
    }
    for (int ky = 0; ky < r->n_rows; ky++, row += at->row_step) {
        const float *plane = row;
        for (int c = 0; c < t->in_channels; c++, plane += at->plane_step) {
            const float *x = plane, *end = plane + t->kernel_w;
            for (; x < end; x++, w += V_N) {
                v_f weights[MAX_NV];
                __asm__("" : "+r"(x)); /* the compiler would keep numbers for the next tap, and run out of registers */
                PLANAR_UNROLL
                for (int v = 0; v < g.nv; v++) {
                    weights[v] = v_load(w + (size_t)v * panel);
                }
                PLANAR_UNROLL
                for (int p = 0; p < g.n_pixels; p++) {
                    v_f value = v_set(x[p * g.stride]);
                    PLANAR_UNROLL
                    for (int v = 0; v < g.nv; v++) {
                        acc[p][v] = v_fma(value, weights[v], acc[p][v]);
                    }
                }
            }
        }
    }
    store_tile(t, g, at, r->oy, acc);
}

/* Columns [ix0, ix0 + width) of all rows and planes that a tile reads, zeros outside of the image. What a vector writes
 * beyond its row is overwritten by the next one. */
static __attribute__((noinline)) void copy_window(const pith_conv_planar_f32_task *t, const row_range *r, int ix0,
                                                  int width, float *to)
{
    const int begin = ix0 < 0 ? -ix0 : 0, end = t->in_w - ix0 < width ? t->in_w - ix0 : width;
    for (int i = 0; i < r->n_rows * t->in_channels; i++, to += WINDOW) {
        const float *from = r->x + (size_t)(i / t->in_channels) * t->x_row_stride +
                            (size_t)(i % t->in_channels) * t->x_plane_stride + (ix0 < 0 ? 0 : ix0);
        for (int k = 0; k < WINDOW; k += V_N) {
            v_store(to + k, v_set(0.0f));
        }
        for (int k = begin; k < end; k += V_N, from += V_N) {
            v_store(to + k, v_load_n(from, end - k < V_N ? (size_t)(end - k) : V_N));
        }
    }
}

/* What the row of outputs below will read first, behind the pixels that this tile reads. */
PLANAR_INLINE void prefetch_below(const pith_conv_planar_f32_task *t, const tile_kind g, const row_range *r, int ix0)
{
    const int iy = r->oy * t->stride_h - t->pad_top + t->kernel_h;
    for (int i = iy; i >= 0 && i < iy + t->stride_h && i < iy + t->kernel_h && i < t->in_h; i++) {
        const float *row = t->x + (size_t)i * t->x_row_stride + (ix0 < 0 ? 0 : ix0);
        for (int c = 0; c < t->in_channels; c++, row += t->x_plane_stride) {
            PLANAR_UNROLL
            for (int k = 0; k < g.n_pixels * g.stride; k += LINE) {
                __builtin_prefetch(row + k);
            }
        }
    }
}

/* All pixels of a row, g.nv panels from column n0 on. */
PLANAR_INLINE void strip(const pith_conv_planar_f32_task *task, const tile_kind g, const row_range *r, int n0)
{
    const pith_conv_planar_f32_task copy = *task, *t = &copy; /* no store can alias it, so it stays in registers */
    const int width = (g.n_pixels - 1) * g.stride + t->kernel_w, lanes = t->n_columns - n0 - (g.nv - 1) * V_N;
    float window[WINDOW_ROWS * WINDOW + V_N];
    tile_place at = { .n0 = n0, .last = (size_t)(lanes < V_N ? lanes : V_N),
                      .count = t->out_w < g.n_pixels ? t->out_w : g.n_pixels };
    for (int begin = 0; begin < t->out_w; begin += g.n_pixels) {
        at.ox = begin + g.n_pixels <= t->out_w ? begin : t->out_w - at.count;
        const int ix0 = at.ox * g.stride - t->pad_left;
        if (n0 == 0) {
            prefetch_below(t, g, r, ix0);
        }
        if (ix0 >= 0 && ix0 + width <= t->in_w) {
            at.x = r->x + ix0;
            at.row_step = t->x_row_stride;
            at.plane_step = t->x_plane_stride;
        } else {
            copy_window(t, r, ix0, width, window);
            at.x = window;
            at.plane_step = WINDOW;
            at.row_step = (size_t)t->in_channels * WINDOW;
        }
        tile(t, g, r, &at);
    }
}

typedef void strip_fn(const pith_conv_planar_f32_task *t, const row_range *r, int n0);

#define PLANAR_STRIP(nv, stride)                                                                   \
    static __attribute__((noinline)) void strip_##nv##_##stride(                                   \
        const pith_conv_planar_f32_task *t, const row_range *r, int n0)                            \
    {                                                                                              \
        strip(t, (tile_kind){ PLANAR_P##nv, nv, stride }, r, n0);                                  \
    }

PLANAR_STRIP(1, 1)
PLANAR_STRIP(1, 2)
#ifdef PLANAR_P2
PLANAR_STRIP(2, 1)
PLANAR_STRIP(2, 2)
#endif

static strip_fn *const strips[MAX_NV][PITH_CONV_PLANAR_MAX_STRIDE] = {
    { strip_1_1, strip_1_2 },
#ifdef PLANAR_P2
    { strip_2_1, strip_2_2 },
#endif
};

static void run(const pith_conv_planar_f32_task *t)
{
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        const row_range r = find_rows(t, oy);
        for (int n0 = 0, nv; n0 < t->n_columns; n0 += nv * V_N) {
            int left = (t->n_columns - n0 + V_N - 1) / V_N, n_strips = (left + MAX_NV - 1) / MAX_NV;
            nv = (left + n_strips - 1) / n_strips;
            strips[nv - 1][t->stride_w - 1](t, &r, n0);
        }
    }
}

static const pith_conv_planar_f32 records[] = {
    { .head = { PLANAR_NAME, PITH_BOUNDED }, .nr = V_N, .run = run }
};
