/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s8 once for all vector lengths, in words that the including file defines:
 *
 *   s8_v, s8_f            vectors of S8_NR integers of 32 bits, and floats
 *   s8_a, s8_b, s8_acc    four k of a row for all columns; four k of a panel; the sums of its columns
 *   s8_load, s8_store     and s8_load_n, s8_load_n_f: the first n elements, if n is less than S8_NR, and zeros
 *   s8_bytes(byte)        the same byte everywhere
 *   s8_spread(from, flip) reads an s8_a: (four bytes at `from`) ^ flip;  s8_load_b
 *   s8_start(bias), s8_dot(acc, a, b), s8_end(acc, bias)
 *   s8_add(a, b), s8_less(sums, row_sum, zeros)   a + b; sums - row_sum * zeros
 *   s8_weave(from, step, to)        the first S8_NR bytes of four rows, byte by byte in turn
 *   s8_store_flipped(to, from, flip)   4 S8_NR bytes ^ flip
 *   s8_segment_sum(from, n, flip)   sum of n bytes ^ flip
 *   s8_store_part(to, v, i, count)     part i of `count` (1, 2 or 4) of a vector
 *   s8_limits, s8_limits_of(zero, low, high)
 *   s8_stage(four, scale, limits, is_small, stage), s8_bytes_of(four, limits)   four vectors of sums to bytes in
 *                         S8_STAGES stages and a last one, is_small: |scale| < 1; s8_pack does all for any scale
 *   s8_in_order(bytes, limits)   as the vectors were: in each 128 bits are four results of every vector before
 *   S8_WIDE               defined: family gemm_s16, with s8_signs(flips), s8_finish_word(sums, scale, tile) and
 *                         s8_store_words(to, v, n, is_wide) instead of the last ones
 *   S8_NV, S8_HEIGHTS     panels of the largest register tile, and rows of a tile of 1, 2, ... panels
 *   S8_THIN, S8_THIN_K    for short sums: fours of vectors at a time, and the longest ones
 *   S8_STEPS              fours of k at a time in high tiles of one panel, whose row pointers don't fit the registers
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

#ifdef S8_WIDE
#define S8_FETCH 3 /* products of winograd_s8 are short, and their B comes from L2 */
#else
#define S8_FETCH 2
#endif

#ifndef S8_STEPS
#define S8_STEPS 1
#endif

enum { S8_TALLEST = 16, S8_STRIP = 4, S8_FULL = S8_STRIP * S8_NR };

/* What tiles of the same columns share, and where the next one is. */
typedef struct s8_strip {
    s8_v flip, bias[S8_NV];
    s8_f scale[4]; /* of the four vectors that are finished together */
#ifndef S8_WIDE
    s8_limits limits;
#endif
    _Alignas(64) int32_t sums[(24 + 4) * S8_NR]; /* [rows][n_panels][S8_NR], and what finishing reads in vain */
#ifdef S8_WIDE
    int32_t *to; /* where sums go: the buffer, or C */
    size_t to_stride;
#endif
    const pith_gemm_s8_tile *t;
    const uint8_t *const *a_rows; /* of this tile */
    const int8_t *b, *next;       /* first panel; one that later tiles will want, */
    const int8_t *next_begin, *next_end; /* of these */
    uint8_t *c;
    int n0, n, n_panels;
    int n_pieces;   /* segments, or twice as many: their whole groups of four, and their last bytes */
    size_t n_bytes; /* of whole groups */
    bool has_rest;
} s8_strip;

/* The last bytes of a segment whose length is no multiple of four. */
static __attribute__((noinline)) void s8_read_rest(const s8_strip *p, const uint8_t *const *a_rows, int mr,
                                                   ptrdiff_t offset, uint32_t *rest)
{
    for (int m = 0; m < mr; m++) {
        const uint8_t *from = a_rows[m] + offset;
        rest[m] = 0;
        for (size_t k = p->n_bytes; k < p->t->segment_length; k++) {
            rest[m] |= (uint32_t)from[k] << (8 * (k - p->n_bytes));
        }
    }
}

/* What all steps share: how A is made unsigned, and bytes from one panel to the next. */
typedef struct s8_common {
    s8_v flip;
    size_t panel;
} s8_common;

/* Four k of mr rows by nv panels. */
S8_INLINE void s8_step(s8_common common, const uint8_t *const *a, ptrdiff_t k, const int8_t *b, const int mr,
                       const int nv, s8_acc acc[][S8_NV])
{
    s8_b right[S8_NV];
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        right[v] = s8_load_b(b + (size_t)v * common.panel);
    }
    S8_UNROLL
    for (int m = 0; m < mr; m++) {
        const s8_a left = s8_spread(a[m] + k, common.flip);
        S8_UNROLL
        for (int v = 0; v < nv; v++) {
            acc[m][v] = s8_dot(acc[m][v], left, right[v]);
        }
    }
}

/* Where the rows' bytes of a piece are, and how many. */
S8_INLINE size_t s8_start_piece(const s8_strip *p, const uint8_t *const *a_rows, int piece, const int mr,
                                const uint8_t *a[], uint32_t rest[])
{
    const ptrdiff_t offset = p->t->segment_offsets[p->has_rest ? piece / 2 : piece];
    if (p->has_rest && piece % 2) {
        s8_read_rest(p, a_rows, mr, offset, rest);
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = (const uint8_t *)&rest[m];
        }
        return 4;
    }
    S8_UNROLL
    for (int m = 0; m < mr; m++) {
        a[m] = a_rows[m] + offset;
    }
    return p->n_bytes;
}

/* Where the sums of row m go. */
S8_INLINE int32_t *s8_sums_of(s8_strip *p, const int m, const int nv)
{
#ifdef S8_WIDE
    return (void)nv, p->to + (size_t)m * p->to_stride;
#else
    return p->sums + m * nv * S8_NR;
#endif
}

/* Sums of mr rows by nv panels. */
S8_INLINE void s8_block(s8_strip *p, const int mr, const int nv)
{
    s8_acc acc[S8_TALLEST][S8_NV];
    const uint8_t *a[S8_TALLEST];
    uint32_t rest[S8_TALLEST];
    const int8_t *b = p->b, *next = p->next;
    const s8_common common = { p->flip, p->t->b_panel_stride };
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            acc[m][v] = s8_start(p->bias[v]);
        }
    }
    for (int piece = 0; piece < p->n_pieces; piece++) {
        const size_t n_bytes = s8_start_piece(p, p->a_rows, piece, mr, a, rest);
        size_t k = 0;
        for (; S8_STEPS > 1 && nv == 1 && mr >= 8 && k + 4 * S8_STEPS <= n_bytes; k += 4 * S8_STEPS) {
            S8_UNROLL
            for (int i = 0; i < S8_STEPS; i++, b += 4 * S8_NR, next += 4 * S8_NR) {
                s8_step(common, a, (ptrdiff_t)k + 4 * i, b, mr, nv, acc);
            }
        }
        for (; k < n_bytes; k += 4, b += 4 * S8_NR, next += 4 * S8_NR) {
            s8_step(common, a, (ptrdiff_t)k, b, mr, nv, acc);
            __builtin_prefetch(next, 0, S8_FETCH);
        }
    }
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            s8_store(s8_sums_of(p, m, nv) + v * S8_NR, s8_end(acc[m][v], p->bias[v]));
        }
    }
}

/* ---- from sums to results ---------------------------------------------------------------------- */

typedef void s8_finish_fn(const s8_strip *p, int mr);

static void s8_copy_sums(const s8_strip *p, int mr)
{
    for (int m = 0; m < mr; m++) {
        memcpy(p->c + (size_t)m * p->t->c_stride * sizeof(int32_t), p->sums + m * p->n_panels * S8_NR,
               (size_t)p->n * sizeof(int32_t));
    }
}

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

static s8_finish_fn *s8_choose_finish(const s8_strip *p) { return p->t->scale ? s8_finish_words : s8_copy_sums; }
static size_t s8_item(const pith_gemm_s8_tile *t) { return !t->scale ? sizeof(int32_t) : t->c_is_wide ? 2 : 1; }

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
        const s8_v all[] = { s8_load(sums), s8_load(sums + S8_NR), s8_load(sums + 2 * S8_NR),
                             s8_load(sums + 3 * S8_NR) };
        const s8_v bytes = s8_in_order(s8_pack(all, scale, &limits), &limits);
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
    s8_finish_fn *finish = s8_choose_finish(p);
    uint8_t *c = (uint8_t *)t->c + (size_t)p->n0 * s8_item(t);
    for (int m = 0, i = 0, rows; m < t->mr; m += rows, i++) {
        rows = i < n_higher ? higher : height;
        m = m + rows <= t->mr ? m : t->mr - rows;
        p->a_rows = t->a_rows + m;
        p->c = c + (size_t)m * row_bytes;
#ifdef S8_WIDE
        const bool is_whole = !t->scale && p->n == p->n_panels * S8_NR; /* sums that C takes as they are */
        p->to = is_whole ? (int32_t *)(void *)p->c : p->sums;
        p->to_stride = is_whole ? t->c_stride : (size_t)(p->n_panels * S8_NR);
#else
        const bool is_whole = false;
#endif
        p->next = p->next < p->next_end ? p->next : p->next_begin;
        s8_blocks[p->n_panels - 1][rows - 1](p);
#ifndef S8_WIDE
        if (t->row_sums) {
            s8_take_off_zeros(p, rows, t->row_sums + m);
        }
#endif
        if (!is_whole) {
            finish(p, rows);
        }
        p->next += t->b_panel_stride;
    }
}

/* n_panels panels from column n0, or as many as there are. */
static void s8_start_strip(s8_strip *p, int n0, int n_panels)
{
    const pith_gemm_s8_tile *t = p->t;
    const int left = t->n_columns - n0;
    p->n0 = n0;
    p->n = left < n_panels * S8_NR ? left : n_panels * S8_NR;
    p->n_panels = (p->n + S8_NR - 1) / S8_NR;
    p->b = t->b + (size_t)(n0 / S8_NR) * t->b_panel_stride;
    const size_t n_bytes = (size_t)p->n_panels * t->b_panel_stride;
    const bool is_last = p->n == left;
    p->next_begin = is_last ? (t->b_next ? t->b_next : p->b) : p->b + n_bytes;
    p->next_end = p->next_begin + n_bytes;
    p->next = p->next_begin;
    for (int v = 0; v < p->n_panels; v++) {
        p->bias[v] = s8_load_n(t->bias + n0 + v * S8_NR, p->n - v * S8_NR);
    }
    for (int v = 0; v < 4 && t->scale; v++) { /* rows together repeat them */
        const int at = (p->n_panels < 3 ? v % p->n_panels : v) * S8_NR;
        p->scale[v] = s8_load_n_f(t->scale + n0 + at, p->n - at);
    }
}

#ifndef S8_WIDE
/* ---- short sums -------------------------------------------------------------------------------- */

enum { S8_THIN_ROWS = 128, S8_THIN_STEPS = S8_THIN_K / 4 };

/* Sums on their way to bytes. */
typedef struct s8_pending {
    s8_v v[S8_THIN][4];
} s8_pending;

/* What all columns of a tile with short sums share. */
typedef struct s8_thin_plan {
    ptrdiff_t offsets[S8_THIN_STEPS]; /* of each four k */
    int n_steps;
} s8_thin_plan;

/* Finishes and stores, from row m on, what must not be stored whole. */
static __attribute__((noinline)) void s8_thin_rest(const s8_strip *p, const s8_pending *pending, int m, int together)
{
    const size_t width = (size_t)(S8_FULL / together), n = (size_t)p->n, c_stride = p->t->c_stride;
    uint8_t *c = (uint8_t *)p->t->c + p->n0 + (size_t)m * c_stride, buffer[S8_FULL];
    for (int g = 0; g < S8_THIN; g++) {
        const s8_v bytes = s8_in_order(s8_pack(pending->v[g], p->scale, &p->limits), &p->limits);
        memcpy(buffer, &bytes, sizeof bytes);
        for (int i = 0; i < together; i++, c += c_stride) {
            memcpy(c, buffer + (size_t)i * width, n);
        }
    }
}

S8_INLINE void s8_thin_store(const s8_pending *pending, const s8_limits *limits, uint8_t *c, size_t c_stride,
                             const int together)
{
    S8_UNROLL
    for (int g = 0; g < S8_THIN; g++) {
        const s8_v bytes = s8_in_order(s8_bytes_of(pending->v[g], limits), limits);
        S8_UNROLL
        for (int i = 0; i < together; i++, c += c_stride) {
            s8_store_part(c, bytes, i, together);
        }
    }
}

/* Rows from begin to end (there are S8_THIN * 4 at least) by nv panels, 1 or 2 (more of them, and of the sums before,
 * don't fit the registers), S8_THIN times the rows of four vectors at a time, for sums that are shorter than what makes
 * bytes of them. That is done in registers, in stages between the multiply-adds of the next rows: behind each other
 * they would wait for each other, and fill the CPU's scheduler. Up to row `whole` full vectors are stored: what they
 * write behind the columns is stored later. */
S8_INLINE void s8_thin(const s8_strip *p, const s8_thin_plan *plan, int begin, int end, int whole, const int nv)
{
    const int together = 4 / nv, n_rows = S8_THIN * together, n_steps = plan->n_steps;
    const uint8_t *const *a_rows = p->t->a_rows;
    const s8_common common = { p->flip, p->t->b_panel_stride };
    const size_t c_stride = p->t->c_stride;
    uint8_t *const c_begin = (uint8_t *)p->t->c + p->n0;
    const int8_t *const b = p->b;
    const s8_limits limits = p->limits;
    uint8_t *c = NULL;
    s8_pending pending;
    S8_UNROLL
    for (int i = 0; i < S8_THIN * 4; i++) {
        pending.v[i / 4][i % 4] = common.flip; /* anything */
    }
    for (int m = begin;; m += n_rows) {
        const uint8_t *a[S8_THIN * 4];
        s8_acc acc[S8_THIN * 4][S8_NV];
        const bool is_last = m >= end;
        const int first = is_last ? begin : m <= end - n_rows ? m : end - n_rows;
        S8_UNROLL
        for (int i = 0; i < n_rows; i++) {
            a[i] = a_rows[first + i];
            S8_UNROLL
            for (int v = 0; v < nv; v++) {
                acc[i][v] = s8_start(p->bias[v]);
            }
        }
        S8_UNROLL
        for (int stage = 0; stage < S8_STAGES; stage++) {
            s8_step(common, a, plan->offsets[stage], b + stage * 4 * S8_NR, n_rows, nv, acc);
            S8_UNROLL
            for (int g = 0; g < S8_THIN; g++) {
                s8_stage(pending.v[g], p->scale, &limits, true, stage);
            }
        }
        if (c) {
            s8_thin_store(&pending, &limits, c, c_stride, together);
        }
        if (is_last) {
            break;
        }
        for (int step = S8_STAGES; step < n_steps; step++) {
            s8_step(common, a, plan->offsets[step], b + step * 4 * S8_NR, n_rows, nv, acc);
        }
        S8_UNROLL
        for (int i = 0; i < S8_THIN * 4; i++) {
            const int row = i / 4 * together + i % 4 / nv, v = i % nv;
            pending.v[i / 4][i % 4] = s8_end(acc[row][v], p->bias[v]);
        }
        c = c_begin + (size_t)first * c_stride;
        if (first + n_rows > whole) {
            const s8_pending rest = pending; /* a copy, so that `pending` stays in registers */
            s8_thin_rest(p, &rest, first, together);
            c = NULL;
        }
    }
}

/* Up to which row full vectors may be stored: what is behind the columns of a strip are the next rows, of columns that
 * are stored later. */
static int s8_whole_rows(const s8_strip *p)
{
    const pith_gemm_s8_tile *t = p->t;
    const int width = p->n_panels * S8_NR, n_columns = t->n_columns;
    const bool follows = t->c_stride == (size_t)n_columns;
    return p->n == width ? t->mr : follows ? t->mr - (width - p->n + n_columns - 1) / n_columns : 0;
}

/* All columns, the last ones first, for some rows at a time, so that these stay in the innermost cache. */
static void s8_run_thin(s8_strip *p, const s8_thin_plan *plan)
{
    const pith_gemm_s8_tile *t = p->t;
    for (int m = 0, n_rows; m < t->mr; m += n_rows) {
        n_rows = t->mr - m < 2 * S8_THIN_ROWS ? t->mr - m : S8_THIN_ROWS;
        for (int n0 = (t->n_columns - 1) / (2 * S8_NR) * 2 * S8_NR; n0 >= 0; n0 -= 2 * S8_NR) {
            s8_start_strip(p, n0, 2);
            if (p->n_panels == 2) {
                s8_thin(p, plan, m, m + n_rows, s8_whole_rows(p), 2);
            } else {
                s8_thin(p, plan, m, m + n_rows, s8_whole_rows(p), 1);
            }
        }
    }
}

static bool s8_is_thin(const s8_strip *p, s8_thin_plan *plan)
{
    const pith_gemm_s8_tile *t = p->t;
    const size_t n_steps = p->n_bytes / 4 * (size_t)t->n_segments;
    if (p->has_rest || !t->scale || t->row_sums || n_steps < S8_STAGES || n_steps > S8_THIN_STEPS ||
        t->mr < S8_THIN * 4) {
        return false;
    }
    bool is_small = true; /* else a product could be beyond the integers */
    for (int n = 0; n < t->n_columns; n++) {
        is_small &= t->scale[n] < 1.0f && t->scale[n] > -1.0f;
    }
    plan->n_steps = 0;
    for (int segment = 0; segment < t->n_segments; segment++) {
        for (size_t k = 0; k < p->n_bytes; k += 4) {
            plan->offsets[plan->n_steps++] = t->segment_offsets[segment] + (ptrdiff_t)k;
        }
    }
    return is_small;
}
#include "kernels/gemm_s8_low_body.h"
#endif

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
#ifndef S8_WIDE
    s8_thin_plan plan;
    if (s8_is_thin(&strip, &plan)) {
        s8_run_thin(&strip, &plan);
        return;
    }
    const int begin = !t->b_in_strips ? 0 : t->mr == 1 ? s8_low_1(&strip) : s8_low_2(&strip);
#else
    const int begin = 0;
#endif
    for (int n0 = begin; n0 < t->n_columns; n0 += S8_NV * S8_NR) {
        s8_start_strip(&strip, n0, S8_NV);
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
