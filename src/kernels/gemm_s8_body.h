/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s8 once for all vector lengths, in words that the including file defines:
 *
 *   s8_v, s8_f            vectors of S8_NR integers of 32 bits, and floats
 *   s8_a, s8_b, s8_acc    four k of a row for all columns; four k of a panel; the sums of its columns
 *   s8_load, s8_store     and s8_load_n, s8_load_n_f: the first n elements, if n is less than S8_NR, and zeros
 *   s8_bytes(byte)        the same byte everywhere
 *   s8_spread(from, flip) reads an s8_a: (four bytes at `from`) ^ flip;  s8_load_b
 *   s8_start(bias), s8_dot(acc, a, b), s8_end(acc, bias)
 *   s8_less(sums, row_sum, zeros)   sums - row_sum * zeros
 *   s8_weave(from, step, to)        the first S8_NR bytes of four rows, byte by byte in turn
 *   s8_store_flipped(to, from, flip)   4 S8_NR bytes ^ flip
 *   s8_segment_sum(from, n, flip)   sum of n bytes ^ flip
 *   s8_store_part(to, v, i, count)     part i of `count` (1, 2 or 4) of a vector
 *   s8_limits, s8_limits_of(zero, low, high), s8_finish(sums, scale, limits)   four vectors to 4 S8_NR bytes, in order
 *   S8_WIDE               defined: family gemm_s16, with s8_signs(flips), s8_finish_word(sums, scale, tile) and
 *                         s8_store_words(to, v, n, is_wide) instead of the last two
 *   S8_NV, S8_MR          panels of the largest register tile, and rows of a tile of 1, 2, ... panels
 *
 * Sums of a register tile go through a buffer, so that one function finishes tiles of all shapes, four vectors at a
 * time: loads and stores are what the multiply-adds leave free. */
#include <string.h>

#include "kernels/gemm_s16.h"
#include "kernels/put_s8.h"

#define S8_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define S8_UNROLL _Pragma("clang loop unroll(full)")
#else
#define S8_UNROLL _Pragma("GCC unroll 32")
#endif

enum { S8_TALLEST = 16, S8_FULL = 4 * S8_NR };

/* What tiles of the same columns share, and where the next one is. */
typedef struct s8_strip {
    s8_v flip, bias[S8_NV];
    s8_f scale[4]; /* of the four vectors that are finished together */
#ifndef S8_WIDE
    s8_limits limits;
#endif
    _Alignas(64) int32_t sums[(24 + 4) * S8_NR]; /* [rows][n_panels][S8_NR], and what finishing reads in vain */
    const pith_gemm_s8_tile *t;
    const uint8_t *const *a_rows; /* of this tile */
    const int8_t *b, *next;       /* first panel; one that later tiles will want */
    uint8_t *c;
    int n0, n, n_panels;
    int n_pieces;   /* segments, or twice as many: their whole groups of four, and their last bytes */
    size_t n_bytes; /* of whole groups */
    bool has_rest;
} s8_strip;

/* The last bytes of a segment whose length is no multiple of four. */
static __attribute__((noinline)) void s8_read_rest(const s8_strip *p, int mr, ptrdiff_t offset,
                                                   uint32_t rest[S8_TALLEST])
{
    for (int m = 0; m < mr; m++) {
        const uint8_t *from = p->a_rows[m] + offset;
        rest[m] = 0;
        for (size_t k = p->n_bytes; k < p->t->segment_length; k++) {
            rest[m] |= (uint32_t)from[k] << (8 * (k - p->n_bytes));
        }
    }
}

/* Sums of mr rows by nv panels. */
S8_INLINE void s8_block(s8_strip *p, const int mr, const int nv)
{
    s8_acc acc[S8_TALLEST][S8_NV];
    const uint8_t *a[S8_TALLEST];
    uint32_t rest[S8_TALLEST];
    const size_t panel = p->t->b_panel_stride;
    const s8_v flip = p->flip;
    const int8_t *b = p->b, *next = p->next;
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            acc[m][v] = s8_start(p->bias[v]);
        }
    }
    for (int piece = 0; piece < p->n_pieces; piece++) {
        const bool is_rest = p->has_rest && piece % 2;
        const ptrdiff_t offset = p->t->segment_offsets[p->has_rest ? piece / 2 : piece];
        const size_t n_bytes = is_rest ? 4 : p->n_bytes;
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = p->a_rows[m] + offset;
        }
        if (is_rest) {
            s8_read_rest(p, mr, offset, rest);
            S8_UNROLL
            for (int m = 0; m < mr; m++) {
                a[m] = (const uint8_t *)&rest[m];
            }
        }
        for (size_t k = 0; k < n_bytes; k += 4) {
            s8_b right[S8_NV];
            S8_UNROLL
            for (int v = 0; v < nv; v++) {
                right[v] = s8_load_b(b + (size_t)v * panel);
            }
            b += 4 * S8_NR;
            __builtin_prefetch(next, 0, 2);
            next += 4 * S8_NR;
            S8_UNROLL
            for (int m = 0; m < mr; m++) {
                const s8_a left = s8_spread(a[m] + k, flip);
                S8_UNROLL
                for (int v = 0; v < nv; v++) {
                    acc[m][v] = s8_dot(acc[m][v], left, right[v]);
                }
            }
        }
    }
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            s8_store(p->sums + (m * nv + v) * S8_NR, s8_end(acc[m][v], p->bias[v]));
        }
    }
}

/* ---- from sums to results ---------------------------------------------------------------------- */

typedef void s8_finish_fn(const s8_strip *p, int mr);

#ifdef S8_WIDE
static void s8_finish_words(const s8_strip *p, int mr)
{
    const pith_gemm_s8_tile *t = p->t;
    const int32_t *sums = p->sums;
    const size_t item = t->c_is_wide ? 2 : 1;
    for (int m = 0; m < mr; m++) {
        uint8_t *to = p->c + (size_t)m * t->c_stride * item;
        for (int v = 0; v < p->n_panels; v++, sums += S8_NR) {
            const s8_v all = s8_finish_word(s8_load(sums), p->scale[v], t);
            s8_store_words(to + (size_t)(v * S8_NR) * item, all, p->n - v * S8_NR, t->c_is_wide);
        }
    }
}

static s8_finish_fn *s8_choose_finish(const s8_strip *p) { return (void)p, s8_finish_words; }
static size_t s8_item(const pith_gemm_s8_tile *t) { return t->c_is_wide ? 2 : 1; }

#else
static __attribute__((noinline)) void s8_take_off_zeros(s8_strip *p, int mr, const int32_t *row_sums)
{
    for (int v = 0; v < p->n_panels; v++) {
        const s8_v zeros = s8_load_n(p->t->b_zero + p->n0 + v * S8_NR, p->n - v * S8_NR);
        for (int m = 0; m < mr; m++) {
            int32_t *at = p->sums + (m * p->n_panels + v) * S8_NR;
            s8_store(at, s8_less(s8_load(at), row_sums[m], zeros));
        }
    }
}

static void s8_copy_sums(const s8_strip *p, int mr)
{
    for (int m = 0; m < mr; m++) {
        memcpy(p->c + (size_t)m * p->t->c_stride * sizeof(int32_t), p->sums + m * p->n_panels * S8_NR,
               (size_t)p->n * sizeof(int32_t));
    }
}

/* Four vectors are `together` rows of 4 / together panels (one row of three: the fourth is nothing). */
S8_INLINE void s8_finish_rows(const s8_strip *p, int mr, const int together)
{
    const s8_limits limits = p->limits;
    const s8_f scale[] = { p->scale[0], p->scale[1], p->scale[2], p->scale[3] };
    const size_t width = (size_t)(S8_FULL / together), n = (size_t)p->n, c_stride = p->t->c_stride;
    const int step = (together == 1 ? p->n_panels : 4) * S8_NR;
    const int32_t *sums = p->sums;
    uint8_t *c = p->c;
    for (int left = mr; left > 0; left -= together, sums += step) {
        const s8_v bytes = s8_finish(sums, scale, &limits);
        if (left >= together && n == width) {
            S8_UNROLL
            for (int i = 0; i < together; i++, c += c_stride) {
                s8_store_part(c, bytes, i, together);
            }
            continue;
        }
        uint8_t buffer[S8_FULL];
        memcpy(buffer, &bytes, sizeof bytes);
        for (int i = 0; i < together && i < left; i++, c += c_stride) {
            if (n == width) {
                memcpy(c, buffer + (size_t)i * width, width);
            } else {
                s8_put(c, buffer + (size_t)i * width, n, width);
            }
        }
    }
}

static void s8_finish_1(const s8_strip *p, int mr) { s8_finish_rows(p, mr, 4); }
static void s8_finish_2(const s8_strip *p, int mr) { s8_finish_rows(p, mr, 2); }
static void s8_finish_4(const s8_strip *p, int mr) { s8_finish_rows(p, mr, 1); }

static s8_finish_fn *s8_choose_finish(const s8_strip *p)
{
    static s8_finish_fn *const by_panels[] = { s8_finish_1, s8_finish_2, s8_finish_4, s8_finish_4 };
    return p->t->scale ? by_panels[p->n_panels - 1] : s8_copy_sums;
}

static size_t s8_item(const pith_gemm_s8_tile *t) { return t->scale ? 1 : sizeof(int32_t); }
#endif

/* ---- tiles ------------------------------------------------------------------------------------- */

typedef void s8_block_fn(s8_strip *p);

#define S8_BLOCK(mr, nv)                                                                                               \
    static void s8_block_##mr##_##nv(s8_strip *p) { s8_block(p, mr, nv); }
S8_EACH_BLOCK(S8_BLOCK)
#define S8_ENTRY(mr, nv) [nv - 1][mr - 1] = s8_block_##mr##_##nv,
static s8_block_fn *const s8_blocks[S8_NV][S8_TALLEST] = { S8_EACH_BLOCK(S8_ENTRY) };

/* The lowest tile of at least `rows` rows, or, where there are only `left`, the highest that they fill. */
static int s8_choose_height(int nv, int rows, int left)
{
    int height = rows;
    while (!s8_blocks[nv - 1][height - 1] && height < left) {
        height++;
    }
    while (!s8_blocks[nv - 1][height - 1]) {
        height--;
    }
    return height;
}

/* All rows by up to S8_NV panels, in tiles of nearly equal height: 49 rows are 7 tiles of 7, not 6 of 8 and 1. Where
 * no tile has the height the next higher one begins earlier, and does some rows again. */
static void s8_run_strip(s8_strip *p)
{
    static const int heights[S8_NV] = S8_HEIGHTS;
    const pith_gemm_s8_tile *t = p->t;
    const int highest = heights[p->n_panels - 1], n_tiles = (t->mr + highest - 1) / highest;
    const int base = t->mr / n_tiles, n_higher = t->mr % n_tiles;
    const int height = s8_choose_height(p->n_panels, base, t->mr);
    const int higher = s8_choose_height(p->n_panels, n_higher ? base + 1 : base, t->mr);
    const size_t row_bytes = t->c_stride * s8_item(t);
    const int8_t *end = t->b + (size_t)((t->n_columns + S8_NR - 1) / S8_NR) * t->b_panel_stride;
    s8_finish_fn *finish = s8_choose_finish(p);
    uint8_t *c = (uint8_t *)t->c + (size_t)p->n0 * s8_item(t);
    for (int m = 0, i = 0, rows; m < t->mr; m += rows, i++) {
        rows = i < n_higher ? higher : height;
        m = m + rows <= t->mr ? m : t->mr - rows;
        p->a_rows = t->a_rows + m;
        p->c = c + (size_t)m * row_bytes;
        p->next = p->next < end ? p->next : p->b;
        s8_blocks[p->n_panels - 1][rows - 1](p);
#ifndef S8_WIDE
        if (t->row_sums) {
            s8_take_off_zeros(p, rows, t->row_sums + m);
        }
#endif
        finish(p, rows);
        p->next += t->b_panel_stride;
    }
}

static void s8_start_strip(s8_strip *p, int n0)
{
    const pith_gemm_s8_tile *t = p->t;
    const int left = t->n_columns - n0;
    p->n0 = n0;
    p->n = left < S8_NV * S8_NR ? left : S8_NV * S8_NR;
    p->n_panels = (p->n + S8_NR - 1) / S8_NR;
    p->b = t->b + (size_t)(n0 / S8_NR) * t->b_panel_stride;
    p->next = p->b + (size_t)p->n_panels * t->b_panel_stride;
    for (int v = 0; v < p->n_panels; v++) {
        p->bias[v] = s8_load_n(t->bias + n0 + v * S8_NR, p->n - v * S8_NR);
    }
    for (int v = 0; v < 4 && t->scale; v++) { /* rows together repeat them */
        const int at = (p->n_panels < 3 ? v % p->n_panels : v) * S8_NR;
        p->scale[v] = s8_load_n_f(t->scale + n0 + at, p->n - at);
    }
}

static void tile(const pith_gemm_s8_tile *t)
{
    s8_strip strip;
    strip.t = t;
#ifdef S8_WIDE
    strip.flip = s8_signs(t->a_flip != 0);
#else
    strip.flip = s8_bytes(t->a_flip);
    strip.limits = s8_limits_of(t->zero, t->low, t->high);
#endif
    strip.n_bytes = (t->segment_length + (t->a_is_padded ? 3 : 0)) / 4 * 4;
    strip.has_rest = strip.n_bytes < t->segment_length;
    strip.n_pieces = strip.has_rest ? 2 * t->n_segments : t->n_segments;
    for (int n0 = 0; n0 < t->n_columns; n0 += S8_NV * S8_NR) {
        s8_start_strip(&strip, n0);
        s8_run_strip(&strip);
    }
}

#ifndef S8_WIDE
static void row_sums(const pith_gemm_s8_tile *t, int32_t *sums)
{
    for (int m = 0; m < t->mr; m++) {
        sums[m] = 0;
        for (int s = 0; s < t->n_segments; s++) {
            sums[m] += s8_segment_sum(t->a_rows[m] + t->segment_offsets[s], t->segment_length, t->a_flip);
        }
    }
}

/* ---- B known late ------------------------------------------------------------------------------ */

/* Four k of a panel, of which n_k and n_columns are there. */
S8_INLINE void s8_pack_group(const pith_gemm_s8_columns *p, const uint8_t *from, size_t n_k, int n_columns,
                             uint8_t to[4 * S8_NR])
{
    if (n_k >= 4 && n_columns == S8_NR && p->n_stride == 1) {
        s8_weave(from, p->k_stride, to);
    } else if (n_k >= 4 && p->k_stride == 1) {
        for (int n = 0; n < n_columns; n++) {
            memcpy(to + 4 * n, from + n * p->n_stride, 4);
        }
    } else {
        for (int n = 0; n < n_columns; n++) {
            for (size_t k = 0; k < 4; k++) {
                to[4 * (size_t)n + k] = k < n_k ? from[(ptrdiff_t)k * p->k_stride + n * p->n_stride] : p->b_flip;
            }
        }
    }
}

static void pack(const pith_gemm_s8_columns *p)
{
    const s8_v flip = s8_bytes(p->b_flip);
    int8_t *to = p->packed;
    for (int n0 = 0; n0 < p->n_columns; n0 += S8_NR) {
        const int n = p->n_columns - n0 < S8_NR ? p->n_columns - n0 : S8_NR;
        const uint8_t *from = p->b + n0 * p->n_stride;
        s8_acc acc = s8_start(s8_bytes(0));
        uint8_t group[4 * S8_NR];
        memset(group, p->b_flip, sizeof group); /* what isn't there becomes 0 */
        for (size_t k = 0; k < p->n_k; k += 4, to += 4 * S8_NR) {
            s8_pack_group(p, from + (ptrdiff_t)k * p->k_stride, p->n_k - k, n, group);
            s8_store_flipped(to, group, flip);
            acc = s8_dot(acc, s8_spread((const uint8_t *)"\1\1\1\1", s8_bytes(0)), s8_load_b(to));
        }
        int32_t sums[S8_NR];
        s8_store(sums, s8_end(acc, s8_bytes(0)));
        memcpy(p->sums + n0, sums, (size_t)n * sizeof *sums);
    }
}
#endif
