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
 *   s8_limits, s8_limits_of(t), s8_finish(sums, scale, limits)   four vectors to 4 S8_NR bytes, in order
 *   S8_NV, S8_MR          panels of the largest register tile, and rows of a tile of 1, 2, ... panels
 *
 * Sums of a register tile go through a buffer, so that one function finishes tiles of all shapes, four vectors at a
 * time: loads and stores are what the multiply-adds leave free. */
#include <string.h>

#include "kernels/gemm_s8.h"

#define S8_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define S8_UNROLL _Pragma("clang loop unroll(full)")
#else
#define S8_UNROLL _Pragma("GCC unroll 32")
#endif

enum { S8_TALLEST = 16, S8_FULL = 4 * S8_NR };

/* What a register tile reads: its first row, its first panel and columns; B that later tiles will want. */
typedef struct s8_place {
    const pith_gemm_s8_tile *t;
    const int8_t *b, *next;
    const int32_t *bias;
    int m0, last; /* columns of the last panel */
    int32_t *sums; /* [mr][nv][S8_NR] */
} s8_place;

/* The last bytes of a segment whose length is no multiple of four. */
static __attribute__((noinline)) void s8_read_rest(const pith_gemm_s8_tile *t, int m0, int mr, ptrdiff_t offset,
                                                   uint32_t rest[S8_TALLEST])
{
    const size_t whole = t->segment_length & ~(size_t)3;
    for (int m = 0; m < mr; m++) {
        const uint8_t *from = t->a_rows[m0 + m] + offset + whole;
        rest[m] = 0;
        for (size_t k = whole; k < t->segment_length; k++) {
            rest[m] |= (uint32_t)from[k - whole] << (8 * (k - whole));
        }
    }
}

/* Sums of mr rows by nv panels. */
S8_INLINE void s8_block(const s8_place *p, const int mr, const int nv)
{
    const pith_gemm_s8_tile *t = p->t;
    s8_acc acc[S8_TALLEST][S8_NV];
    const uint8_t *a[S8_TALLEST];
    uint32_t rest[S8_TALLEST];
    const size_t panel = t->b_panel_stride;
    const size_t n_groups = (t->segment_length + (t->a_is_padded ? 3 : 0)) / 4;
    const bool has_rest = n_groups * 4 < t->segment_length;
    const int n_pieces = has_rest ? 2 * t->n_segments : t->n_segments;
    const s8_v flip = s8_bytes(t->a_flip);
    const int8_t *b = p->b, *next = p->next;
    S8_UNROLL
    for (int v = 0; v < nv; v++) {
        const s8_v bias = v < nv - 1 ? s8_load(p->bias + v * S8_NR) : s8_load_n(p->bias + v * S8_NR, p->last);
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            acc[m][v] = s8_start(bias);
        }
    }
    for (int piece = 0; piece < n_pieces; piece++) {
        const ptrdiff_t offset = t->segment_offsets[has_rest ? piece / 2 : piece];
        const bool is_rest = has_rest && piece % 2;
        if (is_rest) {
            s8_read_rest(t, p->m0, mr, offset, rest);
        }
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = is_rest ? (const uint8_t *)&rest[m] : t->a_rows[p->m0 + m] + offset;
        }
        const size_t n_bytes = is_rest ? 4 : 4 * n_groups;
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
        const s8_v bias = v < nv - 1 ? s8_load(p->bias + v * S8_NR) : s8_load_n(p->bias + v * S8_NR, p->last);
        S8_UNROLL
        for (int m = 0; m < mr; m++) {
            s8_store(p->sums + (m * nv + v) * S8_NR, s8_end(acc[m][v], bias));
        }
    }
}

/* ---- from sums to results ---------------------------------------------------------------------- */

typedef struct s8_ending {
    const pith_gemm_s8_tile *t;
    int n0, n, nv; /* columns of the strip, and panels */
    int32_t *sums;
} s8_ending;

static __attribute__((noinline)) void s8_take_off_zeros(const s8_ending *e, int m0, int mr)
{
    for (int v = 0; v < e->nv; v++) {
        const s8_v zeros = s8_load_n(e->t->b_zero + e->n0 + v * S8_NR, e->n - v * S8_NR);
        for (int m = 0; m < mr; m++) {
            int32_t *at = e->sums + (m * e->nv + v) * S8_NR;
            s8_store(at, s8_less(s8_load(at), e->t->row_sums[m0 + m], zeros));
        }
    }
}

static __attribute__((noinline)) void s8_copy_sums(const s8_ending *e, int m0, int mr)
{
    for (int m = 0; m < mr; m++) {
        int32_t *c = (int32_t *)e->t->c + (size_t)(m0 + m) * e->t->c_stride + e->n0;
        memcpy(c, e->sums + m * e->nv * S8_NR, (size_t)e->n * sizeof *c);
    }
}

/* n bytes in powers of two: masked stores of bytes are slow. */
S8_INLINE void s8_put(uint8_t *to, const uint8_t *from, int n)
{
    for (int part = S8_FULL / 2; part > 0; part /= 2) {
        if (n & part) {
            switch (part) {
            case 32: memcpy(to, from, 32); break;
            case 16: memcpy(to, from, 16); break;
            case 8: memcpy(to, from, 8); break;
            case 4: memcpy(to, from, 4); break;
            case 2: memcpy(to, from, 2); break;
            default: *to = *from; break;
            }
            to += part;
            from += part;
        }
    }
}

/* Four vectors are `together` rows of 4 / together panels (one row of three: the fourth is nothing). */
S8_INLINE void s8_finish_rows(const s8_ending *e, int m0, int mr, const int together)
{
    const pith_gemm_s8_tile *t = e->t;
    const s8_limits limits = s8_limits_of(t);
    const int nv = 4 / together;
    uint8_t *c = (uint8_t *)t->c + (size_t)m0 * t->c_stride + e->n0;
    s8_f scale[4];
    S8_UNROLL
    for (int v = 0; v < 4; v++) {
        const int at = v % nv * S8_NR;
        scale[v] = s8_load_n_f(t->scale + e->n0 + at, e->n - at);
    }
    for (int m = 0; m < mr; m += together) {
        const s8_v bytes = s8_finish(e->sums + m * e->nv * S8_NR, scale, &limits);
        if (together == 1 && e->n == S8_FULL) {
            memcpy(c, &bytes, sizeof bytes);
            c += t->c_stride;
            continue;
        }
        for (int i = 0; i < together && m + i < mr; i++, c += t->c_stride) {
            const uint8_t *from = (const uint8_t *)&bytes + i * (S8_FULL / together);
            if (together > 1 && e->n == S8_FULL / together) {
                memcpy(c, from, (size_t)(S8_FULL / together));
            } else {
                s8_put(c, from, e->n);
            }
        }
    }
}

static __attribute__((noinline)) void s8_finish_1(const s8_ending *e, int m0, int mr) { s8_finish_rows(e, m0, mr, 4); }
static __attribute__((noinline)) void s8_finish_2(const s8_ending *e, int m0, int mr) { s8_finish_rows(e, m0, mr, 2); }
static __attribute__((noinline)) void s8_finish_4(const s8_ending *e, int m0, int mr) { s8_finish_rows(e, m0, mr, 1); }

typedef void s8_finish_fn(const s8_ending *e, int m0, int mr);

static s8_finish_fn *s8_choose_finish(const pith_gemm_s8_tile *t, int nv)
{
    static s8_finish_fn *const by_panels[] = { s8_finish_1, s8_finish_2, s8_finish_4, s8_finish_4 };
    return t->scale ? by_panels[nv - 1] : s8_copy_sums;
}

/* ---- tiles ------------------------------------------------------------------------------------- */

typedef void s8_block_fn(const s8_place *p);

#define S8_BLOCK(mr, nv)                                                                                \
    static __attribute__((noinline)) void s8_block_##mr##_##nv(const s8_place *p)                       \
    {                                                                                                   \
        const pith_gemm_s8_tile tile = *p->t; /* no store can alias it, so it stays in registers */     \
        const s8_place place = { &tile, p->b, p->next, p->bias, p->m0, p->last, p->sums };              \
        s8_block(&place, mr, nv);                                                                       \
    }
S8_EACH_BLOCK(S8_BLOCK)
#define S8_ENTRY(mr, nv) [nv - 1][mr - 1] = s8_block_##mr##_##nv,
static s8_block_fn *const s8_blocks[S8_NV][S8_TALLEST] = { S8_EACH_BLOCK(S8_ENTRY) };
/* Rows of the tallest tile by panels. */
static const int s8_heights[S8_NV] = S8_HEIGHTS;

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
static void s8_strip(const pith_gemm_s8_tile *t, int n0, int n)
{
    _Alignas(64) int32_t sums[(24 + 4) * S8_NR];
    const int nv = (n + S8_NR - 1) / S8_NR, highest = s8_heights[nv - 1];
    const int8_t *end = t->b + (size_t)((t->n_columns + S8_NR - 1) / S8_NR) * t->b_panel_stride;
    const s8_ending ending = { t, n0, n, nv, sums };
    s8_finish_fn *finish = s8_choose_finish(t, nv);
    s8_place place = { .t = t, .b = t->b + (size_t)(n0 / S8_NR) * t->b_panel_stride, .bias = t->bias + n0,
                       .last = n - (nv - 1) * S8_NR, .sums = sums };
    place.next = place.b + (size_t)nv * t->b_panel_stride;
    for (int first = 0; first < t->mr;) {
        const int left = t->mr - first, n_tiles = (left + highest - 1) / highest;
        const int height = s8_choose_height(nv, (left + n_tiles - 1) / n_tiles, t->mr);
        place.m0 = height > left ? t->mr - height : first;
        place.next = place.next < end ? place.next : place.b;
        s8_blocks[nv - 1][height - 1](&place);
        if (t->row_sums) {
            s8_take_off_zeros(&ending, place.m0, height);
        }
        finish(&ending, place.m0, height);
        place.next += t->b_panel_stride;
        first = place.m0 + height;
    }
}

static void tile(const pith_gemm_s8_tile *t)
{
    for (int n0 = 0; n0 < t->n_columns; n0 += S8_NV * S8_NR) {
        const int left = t->n_columns - n0;
        s8_strip(t, n0, left < S8_NV * S8_NR ? left : S8_NV * S8_NR);
    }
}

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
