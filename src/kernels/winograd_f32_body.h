/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_f32 for any vector ISA: included once by <isa>/winograd_f32.c after that folder's vec_f32.h. Both
 * transforms are separable: columns first, then rows. One dimension makes use of the points' symmetry: rows +p and
 * -p of Bt are the same even polynomial plus and minus p times the same odd one, and so are columns of At. */
#include <stdbool.h>

#include "kernels/winograd_f32.h"

#define WINO_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define WINO_UNROLL _Pragma("clang loop unroll(full)")
#define WINO_ROLLED _Pragma("clang loop unroll(disable)") /* what passes through `half` is small enough then */
#else
#define WINO_UNROLL _Pragma("GCC unroll 16")
#define WINO_ROLLED _Pragma("GCC unroll 1")
#endif
enum { MAX_N = PITH_WINOGRAD_F32_MAX_N };

/* Points, and for each the coefficients of the product of (x^2 - q^2) over the other ones, highest power left
 * out; `all` is the product over all of them. `power` is p^k. */
typedef struct point_set {
    float p[3], others[3][2], all[3], power[3][6];
} point_set;

static const point_set sets[3] = {
    { .p = { 1.0f }, .all = { -1.0f }, .power = { { 1.0f, 1.0f } } },
    { .p = { 0.75f, 1.5f },
      .others = { { -2.25f }, { -0.5625f } },
      .all = { -2.8125f, 1.265625f },
      .power = { { 1.0f, 0.75f, 0.5625f, 0.421875f }, { 1.0f, 1.5f, 2.25f, 3.375f } } },
    { .p = { 0.5f, 1.0f, 2.0f },
      .others = { { -5.0f, 4.0f }, { -4.25f, 1.0f }, { -1.25f, 0.25f } },
      .all = { -5.25f, 5.25f, -1.0f },
      .power = { { 1.0f, 0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f },
                 { 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f },
                 { 1.0f, 2.0f, 4.0f, 8.0f, 16.0f, 32.0f } } },
};

/* d[at] x^n + c[0] x^(n-2) + ..., of n_c + 1 terms two apart. */
WINO_INLINE v_f polynomial(const v_f *d, const int at, const float *c, const int n_c)
{
    v_f sum = d[at];
    WINO_UNROLL
    for (int i = 0; i < n_c; i++) {
        sum = v_fma(v_set(c[i]), d[at - 2 * (i + 1)], sum);
    }
    return sum;
}

/* out = Bt d, n = 2 pairs + 2 vectors each. */
WINO_INLINE void times_bt(const int pairs, const v_f *d, v_f *out)
{
    const point_set *s = &sets[pairs - 1];
    out[0] = polynomial(d, 2 * pairs, s->all, pairs);
    out[2 * pairs + 1] = polynomial(d, 2 * pairs + 1, s->all, pairs);
    WINO_UNROLL
    for (int i = 0; i < pairs; i++) {
        v_f even = polynomial(d, 2 * pairs, s->others[i], pairs - 1);
        v_f odd = polynomial(d, 2 * pairs - 1, s->others[i], pairs - 1);
        out[2 * i + 1] = v_fma(v_set(s->p[i]), odd, even);
        out[2 * i + 2] = v_fnma(v_set(s->p[i]), odd, even);
    }
}

/* out = At m: 2 pairs vectors from 2 pairs + 2. */
WINO_INLINE void times_at(const int pairs, const v_f *m, v_f *out)
{
    const point_set *s = &sets[pairs - 1];
    v_f sums[3], differences[3];
    WINO_UNROLL
    for (int i = 0; i < pairs; i++) {
        sums[i] = v_add(m[2 * i + 1], m[2 * i + 2]);
        differences[i] = v_sub(m[2 * i + 1], m[2 * i + 2]);
    }
    WINO_UNROLL
    for (int k = 0; k < 2 * pairs; k++) {
        v_f sum = k == 0 ? m[0] : k == 2 * pairs - 1 ? m[2 * pairs + 1] : v_set(0.0f);
        WINO_UNROLL
        for (int i = 0; i < pairs; i++) {
            sum = v_fma(v_set(s->power[i][k]), k % 2 ? differences[i] : sums[i], sum);
        }
        out[k] = sum;
    }
}

/* One tile by one vector of channels; pixels of rows and columns outside of [begin, end) are zeros. */
typedef struct pixel_range {
    int y_begin, y_end, x_begin, x_end;
} pixel_range;

WINO_INLINE v_f load_pixel(const float *at, const pixel_range *r, int i, int j, const bool is_inside, size_t n)
{
    if (!is_inside && (i < r->y_begin || i >= r->y_end || j < r->x_begin || j >= r->x_end)) {
        return v_set(0.0f);
    }
    return n == V_N ? v_load(at) : v_load_n(at, n);
}

WINO_INLINE void transform_input(const int pairs, const pith_winograd_f32_input *t, const float *x,
                                 const pixel_range *range, const bool is_inside, float *v, size_t n)
{
    const int size = 2 * pairs + 2;
    v_f half[MAX_N][MAX_N]; /* [column][row]: Bt d */
    WINO_ROLLED
    for (int j = 0; j < size; j++) {
        v_f d[MAX_N];
        WINO_UNROLL
        for (int i = 0; i < size; i++) {
            const ptrdiff_t at = i * (ptrdiff_t)t->x_row_stride + j * (ptrdiff_t)t->x_pixel_stride;
            d[i] = load_pixel(x + at, range, i, j, is_inside, n);
        }
        times_bt(pairs, d, half[j]);
    }
    WINO_ROLLED
    for (int i = 0; i < size; i++) {
        v_f row[MAX_N], out[MAX_N];
        WINO_UNROLL
        for (int j = 0; j < size; j++) {
            row[j] = half[j][i];
        }
        times_bt(pairs, row, out);
        WINO_UNROLL
        for (int j = 0; j < size; j++, v += t->v_stride) {
            if (n == V_N) {
                v_store(v, out[j]);
            } else {
                v_store_n(v, out[j], n);
            }
        }
    }
}

static inline int clamp_int(int value, int lo, int hi) { return value < lo ? lo : value > hi ? hi : value; }

WINO_INLINE void input_row(const int pairs, const pith_winograd_f32_input *row)
{
    const pith_winograd_f32_input copy = *row, *t = &copy;
    const int size = 2 * pairs + 2;
    for (int tile = 0; tile < t->n_tiles; tile++) {
        int x0 = t->x_first + tile * 2 * pairs;
        pixel_range range = { clamp_int(-t->y_first, 0, size), clamp_int(t->in_h - t->y_first, 0, size),
                              clamp_int(-x0, 0, size), clamp_int(t->in_w - x0, 0, size) };
        bool is_inside = range.y_begin == 0 && range.y_end == size && range.x_begin == 0 && range.x_end == size;
        const float *x = t->x + t->y_first * (ptrdiff_t)t->x_row_stride + x0 * (ptrdiff_t)t->x_pixel_stride;
        float *v = t->v + (size_t)tile * t->n_channels;
        size_t c = 0;
        for (; is_inside && c + V_N <= t->n_channels; c += V_N) {
            transform_input(pairs, t, x + c, &range, true, v + c, V_N);
        }
        for (; c < t->n_channels; c += V_N) {
            size_t n = t->n_channels - c < V_N ? t->n_channels - c : V_N;
            transform_input(pairs, t, x + c, &range, false, v + c, n);
        }
    }
}

WINO_INLINE void transform_output(const int pairs, const pith_winograd_f32_output *t, int tile, size_t c, size_t n)
{
    const int size = 2 * pairs + 2;
    const float *m = t->m + (size_t)tile * t->m_tile_stride + c;
    int columns = t->columns - tile * 2 * pairs;
    v_f half[MAX_N][MAX_N]; /* [column][row]: At m */
    v_f bias = t->bias ? v_load_n(t->bias + c, n) : v_set(0.0f), lo = v_set(t->lo), hi = v_set(t->hi);
    WINO_ROLLED
    for (int j = 0; j < size; j++) {
        v_f column[MAX_N];
        WINO_UNROLL
        for (int i = 0; i < size; i++) {
            const float *at = m + (size_t)(i * size + j) * t->m_stride;
            column[i] = n == V_N ? v_load(at) : v_load_n(at, n);
        }
        times_at(pairs, column, half[j]);
    }
    const int rows = t->rows < 2 * pairs ? t->rows : 2 * pairs;
    WINO_ROLLED
    for (int i = 0; i < rows; i++) {
        size_t at = (size_t)i * t->y_row_stride + (size_t)(tile * 2 * pairs) * t->y_pixel_stride + c;
        v_f row[MAX_N], out[MAX_N];
        WINO_UNROLL
        for (int j = 0; j < size; j++) {
            row[j] = half[j][i];
        }
        times_at(pairs, row, out);
        WINO_UNROLL
        for (int j = 0; j < 2 * pairs; j++, at += t->y_pixel_stride) {
            if (j < columns) {
                v_f value = v_add(out[j], bias);
                value = t->residual ? v_add(value, v_load_n(t->residual + at, n)) : value;
                value = v_min(hi, v_max(lo, value)); /* NaN in value stays */
                if (n == V_N) {
                    v_store(t->y + at, value);
                } else {
                    v_store_n(t->y + at, value, n);
                }
            }
        }
    }
}

WINO_INLINE void output_row(const int pairs, const pith_winograd_f32_output *row)
{
    const pith_winograd_f32_output copy = *row, *t = &copy;
    for (int tile = 0; tile < t->n_tiles; tile++) {
        size_t c = 0;
        for (; c + V_N <= t->n_channels; c += V_N) {
            transform_output(pairs, t, tile, c, V_N);
        }
        if (c < t->n_channels) {
            transform_output(pairs, t, tile, c, t->n_channels - c);
        }
    }
}

#define WINO_TRANSFORMS(pairs)                                                                     \
    static void input_##pairs(const pith_winograd_f32_input *row) { input_row(pairs, row); }       \
    static void output_##pairs(const pith_winograd_f32_output *row) { output_row(pairs, row); }

WINO_TRANSFORMS(1)
WINO_TRANSFORMS(2)
WINO_TRANSFORMS(3)

static const pith_winograd_f32 records[] = {
    { .head = { V_ISA("winograd_f32_2x2"), PITH_BOUNDED }, .n_pairs = 1, .points = { 1.0f },
      .input = input_1, .output = output_1 },
    { .head = { V_ISA("winograd_f32_4x4"), PITH_BOUNDED }, .n_pairs = 2, .points = { 0.75f, 1.5f },
      .input = input_2, .output = output_2 },
    { .head = { V_ISA("winograd_f32_6x6"), PITH_BOUNDED }, .n_pairs = 3, .points = { 0.5f, 1.0f, 2.0f },
      .input = input_3, .output = output_3 },
};
