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

#ifdef V_HAS_HALF
#define DWCONV_LOAD_HALF v_load_half
#define DWCONV_STORE_HALF v_store_half
enum { HALF_LANES = V_N / 2 };
#else
#define DWCONV_LOAD_HALF v_load_n
#define DWCONV_STORE_HALF v_store_n
enum { HALF_LANES = 0 };
#endif
#define DWCONV_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define DWCONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define DWCONV_UNROLL _Pragma("GCC unroll 32")
#endif

/* The value is loaded once: the compiler would load it again for each multiply-add that wants it. */
#if defined(__x86_64__)
#define DWCONV_KEEP(value) __asm__("" : "+v"(value))
#else
#define DWCONV_KEEP(value) (void)(value)
#endif

#define DWCONV_BLOCK_BYTES ((size_t)24 << 10) /* of input rows, so that they stay in L1 while kernel rows meet them */
enum { MAX_P = 8, MAX_KW = 5 };

/* A row of outputs: the kernel rows that meet the image, and where they do. */
typedef struct row_range {
    int oy, n_taps_y;
    const float *x, *w; /* column 0 of the first input row and its weights, channel 0 */
} row_range;

/* A group of neighbouring pixels of a row, known when compiling. width 0: any width, stride and dilation. is_inside:
 * all taps lie inside of the image; is_full: all lanes of the vector are channels. */
typedef struct group_kind {
    int n_pixels, width, stride;
    bool is_inside, is_full;
} group_kind;

/* Lanes of a vector of channels from c; is_half: at most HALF_LANES of them, all taps inside. */
typedef struct lane_range {
    size_t c, count;
    bool is_half;
} lane_range;

DWCONV_INLINE v_f load(const float *p, const bool is_full, const lane_range *lanes)
{
    return is_full ? v_load(p) : lanes->is_half ? DWCONV_LOAD_HALF(p, lanes->count) : v_load_n(p, lanes->count);
}

static inline row_range find_rows(const pith_dwconv_f32_task *t, int oy)
{
    int iy = oy * t->stride_h - t->pad_top, ky = 0, end = t->kernel_h;
    while (ky < end && iy + ky * t->dilation_h < 0) {
        ky++;
    }
    while (end > ky && iy + (end - 1) * t->dilation_h >= t->in_h) {
        end--;
    }
    iy = ky < end ? iy + ky * t->dilation_h : 0;
    return (row_range){ oy, end - ky, t->x + (size_t)iy * t->x_row_stride,
                        t->w + (size_t)(ky * t->kernel_w) * t->w_stride };
}

DWCONV_INLINE void start_pixels(const pith_dwconv_f32_task *t, const group_kind g, const lane_range *lanes, v_f *acc)
{
    v_f bias = t->bias ? load(t->bias + lanes->c, g.is_full, lanes) : v_set(0.0f);
    DWCONV_UNROLL
    for (int p = 0; p < g.n_pixels; p++) {
        acc[p] = bias;
    }
}

DWCONV_INLINE void finish_pixels(const pith_dwconv_f32_task *t, const group_kind g, const lane_range *lanes, int oy,
                                 int ox, const v_f *acc)
{
    v_f lo = v_set(t->lo), hi = v_set(t->hi);
    size_t at = (size_t)oy * t->y_row_stride + (size_t)ox * t->y_pixel_stride + lanes->c;
    DWCONV_UNROLL
    for (int p = 0; p < g.n_pixels; p++, at += t->y_pixel_stride) {
        v_f value = acc[p];
        if (t->residual) {
            value = v_add(value, load(t->residual + at, g.is_full, lanes));
        }
        value = v_min(hi, v_max(lo, value));
        if (g.is_full) {
            v_store(t->y + at, value);
        } else if (lanes->is_half) {
            DWCONV_STORE_HALF(t->y + at, value, lanes->count);
        } else {
            v_store_n(t->y + at, value, lanes->count);
        }
    }
}

/* One kernel row of taps onto the sums; x is column ix0 of the input row. */
DWCONV_INLINE void add_taps(const pith_dwconv_f32_task *t, const group_kind g, const lane_range *lanes, const float *x,
                            const float *w, int ix0, v_f *acc)
{
    v_f weights[MAX_KW];
    DWCONV_UNROLL
    for (int kx = 0; kx < g.width; kx++, w += t->w_stride) {
        weights[kx] = load(w, g.is_full, lanes);
    }
    DWCONV_UNROLL
    for (int j = 0; j < (g.n_pixels - 1) * g.stride + g.width; j++, x += t->x_pixel_stride) {
        v_f value = v_set(0.0f);
        if (g.is_inside || (unsigned)(ix0 + j) < (unsigned)t->in_w) {
            value = load(x, g.is_full, lanes);
        }
        DWCONV_KEEP(value);
        DWCONV_UNROLL
        for (int p = 0; p < g.n_pixels; p++) {
            if (j - p * g.stride >= 0 && j - p * g.stride < g.width) {
                acc[p] = v_fma(value, weights[j - p * g.stride], acc[p]);
            }
        }
    }
}

/* The same for any width, stride and dilation. */
DWCONV_INLINE void add_any_taps(const pith_dwconv_f32_task *t, const group_kind g, const lane_range *lanes,
                                const float *x, const float *w, int ix0, v_f *acc)
{
    size_t tap_step = (size_t)t->dilation_w * t->x_pixel_stride, pixel_step = (size_t)t->stride_w * t->x_pixel_stride;
    for (int kx = 0; kx < t->kernel_w; kx++, w += t->w_stride, x += tap_step, ix0 += t->dilation_w) {
        v_f weight = load(w, g.is_full, lanes);
        const float *at = x;
        DWCONV_UNROLL
        for (int p = 0; p < g.n_pixels; p++, at += pixel_step) {
            if (g.is_inside || (unsigned)(ix0 + p * t->stride_w) < (unsigned)t->in_w) {
                acc[p] = v_fma(load(at, g.is_full, lanes), weight, acc[p]);
            }
        }
    }
}

DWCONV_INLINE void pixels(const pith_dwconv_f32_task *t, const group_kind g, const lane_range *lanes,
                          const row_range *row, int ox)
{
    v_f acc[MAX_P];
    int ix0 = ox * t->stride_w - t->pad_left;
    const float *x = row->x + (ptrdiff_t)ix0 * (ptrdiff_t)t->x_pixel_stride + (ptrdiff_t)lanes->c,
                *w = row->w + lanes->c;
    size_t x_step = (size_t)t->dilation_h * t->x_row_stride, w_step = (size_t)t->kernel_w * t->w_stride;
    start_pixels(t, g, lanes, acc);
    for (int ky = 0; ky < row->n_taps_y; ky++, x += x_step, w += w_step) {
        if (g.width) {
            add_taps(t, g, lanes, x, w, ix0, acc);
        } else {
            add_any_taps(t, g, lanes, x, w, ix0, acc);
        }
    }
    finish_pixels(t, g, lanes, row->oy, ox, acc);
}

/* Channels [c, c_end) of all rows: neighbouring vectors of a group of pixels follow each other. */
DWCONV_INLINE void plane(const pith_dwconv_f32_task *task, const group_kind fast, size_t c, size_t c_end)
{
    const pith_dwconv_f32_task copy = *task, *t = &copy; /* no store can alias it, so it stays in registers */
    const group_kind careful = { fast.n_pixels, fast.width, fast.stride, false, false };
    const group_kind narrow = { fast.n_pixels, fast.width, fast.stride, true, false };
    const int n_pixels = fast.n_pixels;
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        row_range row = find_rows(t, oy);
        for (int begin = 0; begin < t->out_w; begin += n_pixels) {
            int ox = begin + n_pixels <= t->out_w ? begin : t->out_w - n_pixels;
            int ix0 = ox * t->stride_w - t->pad_left;
            bool is_inside =
                ix0 >= 0 && ix0 + (n_pixels - 1) * t->stride_w + (t->kernel_w - 1) * t->dilation_w < t->in_w;
            lane_range lanes = { c, V_N, false };
            for (; is_inside && lanes.c + V_N <= c_end; lanes.c += V_N) {
                pixels(t, fast, &lanes, &row, ox);
            }
            if (is_inside && lanes.c < c_end && c_end - lanes.c <= HALF_LANES) {
                lane_range half = { lanes.c, c_end - lanes.c, true };
                pixels(t, narrow, &half, &row, ox);
                continue;
            }
            for (; lanes.c < c_end; lanes.c += V_N) {
                lanes.count = c_end - lanes.c < V_N ? c_end - lanes.c : V_N;
                pixels(t, careful, &lanes, &row, ox);
            }
        }
    }
}

#define DWCONV_PLANE(name, n_pixels, width, stride)                                                \
    static void name(const pith_dwconv_f32_task *t, size_t c, size_t c_end)                        \
    {                                                                                              \
        plane(t, (group_kind){ n_pixels, width, stride, true, true }, c, c_end);                         \
    }

DWCONV_PLANE(plane_1, 1, 0, 0)
DWCONV_PLANE(plane_4, 4, 0, 0)
DWCONV_PLANE(plane_8, 8, 0, 0)
DWCONV_PLANE(plane_4_3_1, 4, 3, 1)
DWCONV_PLANE(plane_5_3_1, 5, 3, 1)
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

static const int group_sizes[] = { 8, 7, 5, 4 };

/* The function whose groups compute fewest pixels of a row, those of the larger groups where equal. */
static plane_fn *choose_group(plane_fn *const *planes, int out_w)
{
    plane_fn *best = NULL;
    for (int i = 0, best_cost = 0; i < 4; i++) {
        int cost = (out_w + group_sizes[i] - 1) / group_sizes[i] * group_sizes[i];
        if (planes[i] && out_w >= group_sizes[i] && (!best || cost < best_cost)) {
            best = planes[i];
            best_cost = cost;
        }
    }
    return best;
}

static plane_fn *choose(const pith_dwconv_f32_task *t)
{
    static plane_fn *const planes[2][2][4] = { /* [kernel_w 3, 5][stride_w 1, 2][group size] */
        { { plane_8_3_1, plane_7_3_1, plane_5_3_1, plane_4_3_1 }, { plane_8_3_2, plane_7_3_2, NULL, plane_4_3_2 } },
        { { plane_8_5_1, plane_7_5_1, NULL, plane_4_5_1 }, { plane_8_5_2, plane_7_5_2, NULL, plane_4_5_2 } },
    };
    if (t->out_w < 4) {
        return plane_1;
    }
    if ((t->kernel_w != 3 && t->kernel_w != 5) || t->stride_w > 2 || t->dilation_w != 1) {
        return t->out_w % 8 == 0 || t->out_w > 24 ? plane_8 : plane_4;
    }
    return choose_group(planes[t->kernel_w == 5][t->stride_w == 2], t->out_w);
}

static void run_channels(const pith_dwconv_f32_task *t)
{
    plane_fn *plane_of = choose(t);
    size_t row = (size_t)(t->in_w > 0 ? t->in_w : 1) * sizeof(float) * (size_t)(t->kernel_h + t->stride_h);
    size_t block = DWCONV_BLOCK_BYTES / row / V_N * V_N;
    block = block < V_N ? V_N : block;
    for (size_t c = 0; c < t->n_channels; c += block) {
        plane_of(t, c, t->n_channels - c < block ? t->n_channels : c + block);
    }
}

/* Output positions `first`, first + step, ... of a dimension see inputs `in`, in + step, ... only. */
typedef struct residue {
    int in, n_in, pad;
} residue;

static residue find_residue(int first, int step, int pad, int size)
{
    int in = ((first - pad) % step + step) % step;
    return (residue){ in, size > in ? (size - in + step - 1) / step : 0, (in - (first - pad)) / step };
}

/* Rows i, i + step_h, ... and columns j, j + step_w, ... of the output. */
static void run_residue(const pith_dwconv_f32_task *t, int i, int step_h, int j, int step_w)
{
    const residue h = find_residue(i, step_h, t->pad_top, t->in_h), w = find_residue(j, step_w, t->pad_left, t->in_w);
    const size_t y = (size_t)i * t->y_row_stride + (size_t)j * t->y_pixel_stride;
    pith_dwconv_f32_task part = *t;
    part.x += (size_t)h.in * t->x_row_stride + (size_t)w.in * t->x_pixel_stride;
    part.x_row_stride *= (size_t)step_h;
    part.x_pixel_stride *= (size_t)step_w;
    part.y += y;
    part.residual = t->residual ? t->residual + y : NULL;
    part.y_row_stride *= (size_t)step_h;
    part.y_pixel_stride *= (size_t)step_w;
    part.in_h = h.n_in;
    part.in_w = w.n_in;
    part.pad_top = h.pad;
    part.pad_left = w.pad;
    part.out_w = (t->out_w - j + step_w - 1) / step_w;
    part.y_begin = t->y_begin > i ? (t->y_begin - i + step_h - 1) / step_h : 0;
    part.y_end = (t->y_end - i + step_h - 1) / step_h;
    part.dilation_h /= step_h;
    part.dilation_w /= step_w;
    run_channels(&part);
}

/* Of stride 1 a dilated convolution is as many dense ones, of the pixels that lie the dilation apart: each input is
 * loaded once for all taps of a row, and kernel rows meet it in L1. Rows of few such pixels stay whole. */
static void run(const pith_dwconv_f32_task *t)
{
    const bool splits = t->stride_h == 1 && t->stride_w == 1;
    const int step_h = splits ? t->dilation_h : 1, step_w = splits && t->out_w / 4 >= t->dilation_w ? t->dilation_w : 1;
    for (int i = 0; i < step_h && i < t->y_end; i++) {
        for (int j = 0; j < step_w; j++) {
            run_residue(t, i, step_h, j, step_w);
        }
    }
}

static const pith_dwconv_f32 records[] = { { .head = { DWCONV_NAME, PITH_BOUNDED }, .run = run } };
