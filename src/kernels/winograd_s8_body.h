/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_s8 for any vector length: included once, after the words of vec_s8.h and
 *
 *   wino_load(from, n, flip)   n <= WINO_N bytes ^ flip, as WINO_N signed numbers of 16 bits
 *
 * Both transforms are separable: columns first, then rows. */
#include "kernels/put_s8.h"
#include "kernels/winograd_s8.h"

#define WINO_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define WINO_UNROLL _Pragma("clang loop unroll(full)")
#define WINO_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define WINO_UNROLL _Pragma("GCC unroll 16")
#define WINO_ROLLED _Pragma("GCC unroll 1")
#endif

/* out = Bt d */
WINO_INLINE void times_bt(const wino_words d[6], wino_words out[6])
{
    const wino_words even = d[4] - (d[2] << 2), odd = d[3] - (d[1] << 2);
    const wino_words even_2 = d[4] - d[2], odd_2 = (d[3] - d[1]) << 1;
    out[0] = ((d[0] - d[2]) << 2) + even_2;
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = even_2 + odd_2;
    out[4] = even_2 - odd_2;
    out[5] = d[5] - d[3] - (odd_2 << 1);
}

/* out = At m */
WINO_INLINE void times_at(const wino_sums m[6], wino_sums out[4])
{
    const wino_sums sum = m[1] + m[2], difference = m[1] - m[2], sum_2 = m[3] + m[4], difference_2 = m[3] - m[4];
    out[0] = m[0] + sum + sum_2;
    out[1] = difference + (difference_2 << 1);
    out[2] = sum + (sum_2 << 2);
    out[3] = difference + (((difference_2 << 2) + m[5]) << 1);
}

/* Pixels of a tile inside the image. */
typedef struct wino_range {
    int y_begin, y_end, x_begin, x_end;
} wino_range;

WINO_INLINE void transform_input(const pith_winograd_s8_input *t, const uint8_t *x, const wino_range *r,
                                 const bool is_inside, int16_t *v, int n)
{
    wino_words half[6][6]; /* [column][row]: Bt d */
    const wino_words pad = (wino_words){ 0 } + (uint16_t)(int8_t)(t->pad ^ t->flip);
    WINO_ROLLED
    for (int j = 0; j < 6; j++) {
        wino_words d[6];
        WINO_UNROLL
        for (int i = 0; i < 6; i++) {
            const ptrdiff_t at = i * (ptrdiff_t)t->x_row_stride + j * (ptrdiff_t)t->x_pixel_stride;
            const bool is_there = is_inside || (i >= r->y_begin && i < r->y_end && j >= r->x_begin && j < r->x_end);
            d[i] = is_there ? wino_load(x + at, n, t->flip) : pad;
        }
        times_bt(d, half[j]);
    }
    WINO_ROLLED
    for (int i = 0; i < 6; i++) {
        wino_words row[6], out[6];
        WINO_UNROLL
        for (int j = 0; j < 6; j++) {
            row[j] = half[j][i];
        }
        times_bt(row, out);
        WINO_UNROLL
        for (int j = 0; j < 6; j++, v += t->v_stride) {
            memcpy(v, &out[j], sizeof out[j]);
        }
    }
}

static inline int clamp_int(int value, int lo, int hi) { return value < lo ? lo : value > hi ? hi : value; }

static void input(const pith_winograd_s8_input *row)
{
    const pith_winograd_s8_input copy = *row, *t = &copy;
    for (int tile = 0; tile < t->n_tiles; tile++) {
        const int x0 = t->x_first + 4 * tile, n_channels = (int)t->n_channels;
        const wino_range range = { clamp_int(-t->y_first, 0, 6), clamp_int(t->in_h - t->y_first, 0, 6),
                                   clamp_int(-x0, 0, 6), clamp_int(t->in_w - x0, 0, 6) };
        const bool is_inside = range.y_begin == 0 && range.y_end == 6 && range.x_begin == 0 && range.x_end == 6;
        const uint8_t *x = t->x + t->y_first * (ptrdiff_t)t->x_row_stride + x0 * (ptrdiff_t)t->x_pixel_stride;
        int16_t *v = t->v + (size_t)tile * t->v_tile_stride;
        int c = 0;
        for (; is_inside && c + WINO_N <= n_channels; c += WINO_N) {
            transform_input(t, x + c, &range, true, v + c, WINO_N);
        }
        for (; c < n_channels; c += WINO_N) {
            transform_input(t, x + c, &range, false, v + c, n_channels - c < WINO_N ? n_channels - c : WINO_N);
        }
    }
}

/* out = G g */
WINO_INLINE void times_g(const wino_words g[3], wino_words out[6])
{
    const wino_words ends = g[0] + g[2], even = g[0] + (g[2] << 2), odd = g[1] << 1;
    out[0] = g[0] * 6;
    out[1] = -((ends + g[1]) << 2);
    out[2] = (g[1] - ends) << 2;
    out[3] = even + odd;
    out[4] = even - odd;
    out[5] = g[2] * 12;
}

/* Rows of a pair of G times a column of taps. */
WINO_INLINE void times_pair(const int pair, const wino_words g[3], wino_words *first, wino_words *second)
{
    if (pair == 0) {
        *first = g[0] * 6;
        *second = g[2] * 12;
    } else if (pair == 1) {
        const wino_words ends = g[0] + g[2];
        *first = -((ends + g[1]) << 2);
        *second = (g[1] - ends) << 2;
    } else {
        const wino_words even = g[0] + (g[2] << 2), odd = g[1] << 1;
        *first = even + odd;
        *second = even - odd;
    }
}

WINO_INLINE void transform_weights(const pith_winograd_s8_weights *t, const int pair)
{
    const size_t n = t->n, stride = t->u_stride;
    for (size_t l = 0; l < n; l += WINO_N) {
        const uint8_t *from = (const uint8_t *)t->g + l / 32 * (9 * 32) + l % 32;
        int16_t *u = t->u + l;
        wino_words rows[2][3];
        WINO_UNROLL
        for (int j = 0; j < 3; j++, from += 32) {
            const wino_words column[] = { wino_load(from, WINO_N, 0), wino_load(from + 3 * 32, WINO_N, 0),
                                          wino_load(from + 6 * 32, WINO_N, 0) };
            times_pair(pair, column, &rows[0][j], &rows[1][j]);
        }
        WINO_UNROLL
        for (int i = 0; i < 2; i++) {
            wino_words out[6];
            times_g(rows[i], out);
            WINO_UNROLL
            for (int j = 0; j < 6; j++, u += stride) {
                memcpy(u, &out[j], sizeof out[j]);
            }
        }
    }
}

static void weights(const pith_winograd_s8_weights *t)
{
    if (t->pair == 0) {
        transform_weights(t, 0);
    } else if (t->pair == 1) {
        transform_weights(t, 1);
    } else {
        transform_weights(t, 2);
    }
}

/* What a vector of channels shares. */
typedef struct wino_finish {
    wino_sums bias;
    s8_f scale[4];
    s8_limits limits;
} wino_finish;

WINO_INLINE void store_pixels(const pith_winograd_s8_output *t, s8_v bytes, uint8_t *y, int columns, int n)
{
    uint8_t buffer[4 * S8_NR];
    if (n < S8_NR) {
        memcpy(buffer, &bytes, sizeof buffer);
    }
    WINO_UNROLL
    for (int j = 0; j < 4; j++, y += t->y_pixel_stride) {
        if (j < columns && n < S8_NR) {
            s8_put(y, buffer + j * S8_NR, (size_t)n, S8_NR);
        } else if (j < columns) {
            s8_store_part(y, bytes, j, 4);
        }
    }
}

WINO_INLINE void transform_output(const pith_winograd_s8_output *t, const wino_finish *f, int tile, int c, int n)
{
    const int32_t *m = t->m + (size_t)tile * t->m_tile_stride + c;
    uint8_t *y = t->y + (size_t)(4 * tile) * t->y_pixel_stride + c;
    wino_sums half[6][4]; /* [column][row]: At m */
    WINO_ROLLED
    for (int j = 0; j < 6; j++) {
        wino_sums column[6];
        WINO_UNROLL
        for (int i = 0; i < 6; i++) {
            column[i] = (wino_sums)s8_load(m + (size_t)(6 * i + j) * t->m_stride);
        }
        times_at(column, half[j]);
    }
    WINO_ROLLED
    for (int i = 0; i < t->rows; i++, y += t->y_row_stride) {
        wino_sums row[6], out[4];
        s8_v sums[4];
        WINO_UNROLL
        for (int j = 0; j < 6; j++) {
            row[j] = half[j][i];
        }
        times_at(row, out);
        WINO_UNROLL
        for (int j = 0; j < 4; j++) {
            sums[j] = (s8_v)((wino_sums)((wino_ints)(out[j] * PITH_WINOGRAD_S8_INVERSE_9) >> 6) + f->bias);
        }
        store_pixels(t, s8_in_order(s8_pack(sums, f->scale, &f->limits), &f->limits), y, t->columns - 4 * tile, n);
    }
}

static void output(const pith_winograd_s8_output *row)
{
    const pith_winograd_s8_output copy = *row, *t = &copy;
    const int n_channels = (int)t->n_channels;
    wino_finish f = { .limits = s8_limits_of(t->zero, t->low, t->high) };
    for (int c = 0; c < n_channels; c += S8_NR) {
        const int n = n_channels - c < S8_NR ? n_channels - c : S8_NR;
        f.bias = (wino_sums)s8_load_n(t->bias + c, n);
        for (int i = 0; i < 4; i++) {
            f.scale[i] = s8_load_n_f(t->scale + c, n);
        }
        for (int tile = 0; tile < t->n_tiles && n == S8_NR; tile++) {
            transform_output(t, &f, tile, c, S8_NR);
        }
        for (int tile = 0; tile < t->n_tiles && n < S8_NR; tile++) {
            transform_output(t, &f, tile, c, n);
        }
    }
}
