/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f32 for any vector ISA: included once by <isa>/gemm_f32.c after that folder's vec_f32.h, with
 *
 *   GEMM_MR, GEMM_NV   rows and vectors of the register tile; GEMM_MR * GEMM_NV + GEMM_NV + 1 registers
 *   GEMM_NAME          name of the record
 *   GEMM_EVEN_ROWS     where there are registers for 24 sums, and addresses of a register plus a multiple of another
 *   GEMM_MAX_FOLD, GEMM_NARROW   where the folder has a `narrow`: the most it folds, and the function
 *
 * Loops over rows and vectors have constant bounds once block() is inlined and are unrolled, so that the
 * accumulators live in registers. One step of k does mr * nv multiply-adds for nv loads of B and mr
 * broadcasts of A: with 8 x 3 that is 24 to 11, which leaves the two load ports half idle. */
#include <stdbool.h>

#include "kernels/gemm_f32.h"

#define GEMM_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#endif

enum { MIN_K_TO_PREFETCH = 64, TALL_MR = 12, FEW_MR = 8, ROW_NV = 8, MAX_NV = GEMM_NV > ROW_NV ? GEMM_NV : ROW_NV };

/* A register tile, known when compiling, and where it lies; the last vector has the lanes of `last`. */
typedef struct tile_place {
    int mr, nv, m0, n0;
    size_t last;
} tile_place;

GEMM_INLINE v_f load_vector(const float *from, int v, const tile_place p)
{
    return v < p.nv - 1 ? v_load(from + v * V_N) : v_load_n(from + v * V_N, p.last);
}

GEMM_INLINE void start_sums(const pith_gemm_f32_tile *t, const tile_place p, v_f acc[TALL_MR][MAX_NV])
{
    const float *c = t->c + (size_t)p.m0 * t->c_stride + p.n0;
    GEMM_UNROLL
    for (int v = 0; v < p.nv; v++) {
        v_f start = t->bias ? load_vector(t->bias + p.n0, v, p) : v_set(0.0f);
        GEMM_UNROLL
        for (int m = 0; m < p.mr; m++) {
            acc[m][v] = start;
        }
    }
    if (t->accumulate) {
        GEMM_UNROLL
        for (int m = 0; m < p.mr; m++, c += t->c_stride) {
            GEMM_UNROLL
            for (int v = 0; v < p.nv; v++) {
                acc[m][v] = load_vector(c, v, p);
            }
        }
    }
}

/* What finish_sums() will want: far away often, and too late once the sums are done. */
GEMM_INLINE void prefetch_rows(const float *row, size_t stride, const tile_place p)
{
    for (int m = 0; m < p.mr; m++, row += stride) {
        GEMM_UNROLL
        for (int v = 0; v < p.nv; v++) {
            __builtin_prefetch(row + v * V_N, 1, 3);
        }
    }
}

GEMM_INLINE void add_residual(const pith_gemm_f32_tile *t, const tile_place p, v_f acc[TALL_MR][MAX_NV])
{
    const float *residual = t->residual + (size_t)p.m0 * t->residual_stride + p.n0;
    GEMM_UNROLL
    for (int m = 0; m < p.mr; m++, residual += t->residual_stride) {
        GEMM_UNROLL
        for (int v = 0; v < p.nv; v++) {
            acc[m][v] = v_add(acc[m][v], load_vector(residual, v, p));
        }
    }
}

GEMM_INLINE void finish_sums(const pith_gemm_f32_tile *t, const tile_place p, v_f acc[TALL_MR][MAX_NV])
{
    const bool is_full = p.last == V_N; /* masked stores are slow */
    float *c = t->c + (size_t)p.m0 * t->c_stride + p.n0;
    v_f lo = v_set(t->lo), hi = v_set(t->hi);
    if (t->residual) {
        add_residual(t, p, acc);
    }
    GEMM_UNROLL
    for (int m = 0; m < p.mr; m++, c += t->c_stride) {
        GEMM_UNROLL
        for (int v = 0; v < p.nv; v++) {
            v_f value = v_min(hi, v_max(lo, acc[m][v])); /* NaN in the sum stays */
            if (v < p.nv - 1 || is_full) {
                v_store(c + v * V_N, value);
            } else {
                v_store_n(c + v * V_N, value, p.last);
            }
        }
    }
}

/* `next`: B that later tiles will read, asked for one line per k. */
GEMM_INLINE void block(const pith_gemm_f32_tile *t, const tile_place p, const float *next)
{
    v_f acc[TALL_MR][MAX_NV];
    const float *a[TALL_MR];
    const float *b = t->b + (size_t)(p.n0 / V_N) * t->b_panel_stride;
    const size_t panel = t->b_panel_stride, step = t->b_row_stride, length = t->segment_length;
    start_sums(t, p, acc);
    if (length * (size_t)t->n_segments >= MIN_K_TO_PREFETCH) {
        prefetch_rows(t->c + (size_t)p.m0 * t->c_stride + p.n0, t->c_stride, p);
        if (t->residual) {
            prefetch_rows(t->residual + (size_t)p.m0 * t->residual_stride + p.n0, t->residual_stride, p);
        }
    }
    for (int s = 0; s < t->n_segments; s++) {
        GEMM_UNROLL
        for (int m = 0; m < p.mr; m++) {
            a[m] = t->a_rows[p.m0 + m] + t->segment_offsets[s];
        }
        for (size_t k = 0; k < length; k++) {
            v_f row[MAX_NV];
            GEMM_UNROLL
            for (int v = 0; v < p.nv; v++) {
                row[v] = v < p.nv - 1 ? v_load(b + (size_t)v * panel) : v_load_n(b + (size_t)v * panel, p.last);
            }
            b += step;
            if (p.nv > 1) { /* a single panel has no successor */
                __builtin_prefetch(next, 0, 2);
                next += step;
            }
            GEMM_UNROLL
            for (int m = 0; m < p.mr; m++) {
                v_f x = v_set(a[m][k]);
                GEMM_UNROLL
                for (int v = 0; v < p.nv; v++) {
                    acc[m][v] = v_fma(x, row[v], acc[m][v]);
                }
            }
        }
    }
    finish_sums(t, p, acc);
}

/* Functions of their own, for else the compiler multiplies the loop over tiles by every condition in them. */
typedef void block_fn(const pith_gemm_f32_tile *t, int m0, int n0, size_t last, const float *next);

#define GEMM_BLOCK(mr, nv)                                                                         \
    static __attribute__((noinline)) void block_##mr##_##nv(const pith_gemm_f32_tile *t, int m0, int n0, size_t last, \
                                                            const float *next)                     \
    {                                                                                              \
        const pith_gemm_f32_tile copy = *t; /* no store can alias it, so it stays in registers */  \
        block(&copy, (tile_place){ mr, nv, m0, n0, last }, next);                                                  \
    }
#if GEMM_NV > 2
#define GEMM_BLOCKS(mr) GEMM_BLOCK(mr, 1) GEMM_BLOCK(mr, 2) GEMM_BLOCK(mr, 3)
#define GEMM_ENTRIES(mr) { block_##mr##_1, block_##mr##_2, block_##mr##_3 }
#else
#define GEMM_BLOCKS(mr) GEMM_BLOCK(mr, 1) GEMM_BLOCK(mr, 2)
#define GEMM_ENTRIES(mr) { block_##mr##_1, block_##mr##_2 }
#endif

GEMM_BLOCKS(1)
GEMM_BLOCKS(2)
GEMM_BLOCKS(3)
GEMM_BLOCKS(4)
GEMM_BLOCKS(5)
GEMM_BLOCKS(6)
#if GEMM_MR > 6
GEMM_BLOCKS(7)
GEMM_BLOCKS(8)
#else
GEMM_BLOCK(7, 1)
GEMM_BLOCK(8, 1)
#endif
/* A single vector, or a single row, has too few chains for the multiply-adds' latency unless more rows, or
 * vectors, run side by side. */
GEMM_BLOCK(9, 1)
GEMM_BLOCK(10, 1)
GEMM_BLOCK(11, 1)
GEMM_BLOCK(12, 1)
GEMM_BLOCK(1, 4)
GEMM_BLOCK(1, 8)

static block_fn *const blocks[TALL_MR][GEMM_NV] = {
    GEMM_ENTRIES(1), GEMM_ENTRIES(2), GEMM_ENTRIES(3), GEMM_ENTRIES(4), GEMM_ENTRIES(5), GEMM_ENTRIES(6),
#if GEMM_MR > 6
    GEMM_ENTRIES(7), GEMM_ENTRIES(8),
#else
    { block_7_1 }, { block_8_1 },
#endif
    { block_9_1 }, { block_10_1 }, { block_11_1 }, { block_12_1 },
};

#ifdef GEMM_EVEN_ROWS
/* The step between 2 TALL_MR rows if they all have the same, else 0. */
static inline ptrdiff_t even_step(const float *const *a)
{
    ptrdiff_t step = a[1] - a[0], differences = 0;
    for (int m = 2; m < 2 * TALL_MR; m++) {
        differences |= (a[m] - a[m - 1]) ^ step;
    }
    return differences ? 0 : step;
}

/* 24 rows, `step` apart, by one vector: what a tile costs besides its sums counts half where k is short. Eight
 * pointers and the step reach all rows. */
static __attribute__((noinline)) void block_even_24_1(const pith_gemm_f32_tile *tile, int m0, int n0, size_t last,
                                                      ptrdiff_t step)
{
    const pith_gemm_f32_tile copy = *tile, *t = &copy;
    const tile_place low = { TALL_MR, 1, m0, n0, last }, high = { TALL_MR, 1, m0 + TALL_MR, n0, last };
    const float *b = t->b + (size_t)(n0 / V_N) * t->b_panel_stride;
    v_f acc[2][TALL_MR][MAX_NV];
    start_sums(t, low, acc[0]);
    start_sums(t, high, acc[1]);
    for (int s = 0; s < t->n_segments; s++) {
        const float *a[2 * TALL_MR / 3];
        GEMM_UNROLL
        for (int i = 0; i < 2 * TALL_MR / 3; i++) {
            a[i] = t->a_rows[m0] + t->segment_offsets[s] + 3 * i * step;
        }
        for (size_t k = 0; k < t->segment_length; k++, b += t->b_row_stride) {
            v_f row = load_vector(b, 0, low);
            __asm__("" : "+r"(step)); /* the compiler would make 24 pointers of it again */
            GEMM_UNROLL
            for (int i = 0; i < 2 * TALL_MR / 3; i++) {
                v_f *sums0 = acc[i / 4][3 * (i % 4)], *sums1 = acc[i / 4][3 * (i % 4) + 1],
                    *sums2 = acc[i / 4][3 * (i % 4) + 2];
                sums0[0] = v_fma(v_set(*a[i]), row, sums0[0]);
                sums1[0] = v_fma(v_set(a[i][step]), row, sums1[0]);
                sums2[0] = v_fma(v_set(a[i][2 * step]), row, sums2[0]);
                a[i]++;
            }
        }
    }
    finish_sums(t, low, acc[0]);
    finish_sums(t, high, acc[1]);
}
#endif

/* All rows by nv vectors, in tiles of nearly equal height: 49 rows are 7 tiles of 7, not 6 of 8 and 1. */
static void strip(const pith_gemm_f32_tile *t, int nv, int n0, size_t last)
{
    const int highest = nv == 1 ? TALL_MR : GEMM_MR;
    int first = 0;
#ifdef GEMM_EVEN_ROWS
    while (nv == 1 && first + 2 * TALL_MR <= t->mr) {
        ptrdiff_t step = even_step(t->a_rows + first);
        if (step != 0) {
            block_even_24_1(t, first, n0, last, step);
        } else { /* the end of an image's row lies among them */
            block_12_1(t, first, n0, last, t->b);
        }
        first += step != 0 ? 2 * TALL_MR : TALL_MR;
    }
    if (first == t->mr) {
        return;
    }
#endif
    int left = t->mr - first, n_tiles = (left + highest - 1) / highest;
    int base = left / n_tiles, n_higher = left % n_tiles;
    const float *b = t->b + (size_t)(n0 / V_N) * t->b_panel_stride;
    for (int i = 0, m0 = first, rows; i < n_tiles; i++, m0 += rows) {
        const float *next = i < GEMM_NV ? b + (size_t)(nv + i) * t->b_panel_stride : b;
        rows = base + (i < n_higher);
        blocks[rows - 1][nv - 1](t, m0, n0, last, next);
    }
}

static void tile(const pith_gemm_f32_tile *t)
{
    for (int n0 = 0, nv; n0 < t->n_columns; n0 += nv * V_N) {
        int left = (t->n_columns - n0 + V_N - 1) / V_N, n_strips = (left + GEMM_NV - 1) / GEMM_NV;
        nv = t->mr > 1 || left < 4 ? (left + n_strips - 1) / n_strips : left < 8 ? 4 : 8;
        int lanes = t->n_columns - n0 - (nv - 1) * V_N;
        size_t last = (size_t)(lanes < V_N ? lanes : V_N);
        if (nv == 8) {
            block_1_8(t, 0, n0, last, t->b);
        } else if (nv == 4) {
            block_1_4(t, 0, n0, last, t->b);
        } else {
            strip(t, nv, n0, last);
        }
    }
}

/* mr rows by one column, lanes along k. */
GEMM_INLINE void dots(const pith_gemm_f32_tile *t, const int mr, int m0, int n)
{
    v_f acc[FEW_MR];
    const float *a[FEW_MR], *b = t->b + (size_t)n * t->b_panel_stride;
    const size_t length = t->segment_length;
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        acc[m] = v_set(0.0f);
    }
    for (int s = 0; s < t->n_segments; s++, b += length) {
        GEMM_UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = t->a_rows[m0 + m] + t->segment_offsets[s];
        }
        size_t k = 0;
        for (; k + V_N <= length; k += V_N) {
            v_f row = v_load(b + k);
            GEMM_UNROLL
            for (int m = 0; m < mr; m++) {
                acc[m] = v_fma(v_load(a[m] + k), row, acc[m]);
            }
        }
        if (k < length) {
            v_f row = v_load_n(b + k, length - k);
            GEMM_UNROLL
            for (int m = 0; m < mr; m++) {
                acc[m] = v_fma(v_load_n(a[m] + k, length - k), row, acc[m]);
            }
        }
    }
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        float sum = v_sum(acc[m]) + (t->bias ? t->bias[n] : 0.0f);
        sum += t->residual ? t->residual[(size_t)(m0 + m) * t->residual_stride + (size_t)n] : 0.0f;
        sum = sum < t->lo ? t->lo : sum;
        t->c[(size_t)(m0 + m) * t->c_stride + (size_t)n] = sum > t->hi ? t->hi : sum;
    }
}

static void few(const pith_gemm_f32_tile *t)
{
    int m = 0;
    for (; m + FEW_MR <= t->mr; m += FEW_MR) {
        for (int n = 0; n < t->n_columns; n++) {
            dots(t, FEW_MR, m, n);
        }
    }
    for (; m < t->mr; m++) {
        for (int n = 0; n < t->n_columns; n++) {
            dots(t, 1, m, n);
        }
    }
}

#ifndef GEMM_MAX_FOLD
#define GEMM_MAX_FOLD 1
#define GEMM_NARROW NULL
#endif

static const pith_gemm_f32 records[] = {
    { .head = { GEMM_NAME, PITH_BOUNDED }, .nr = V_N, .mr_max = GEMM_MR, .nv_max = GEMM_NV, .max_fold = GEMM_MAX_FOLD,
      .b_bytes = sizeof(float), .tile = tile, .few = few, .narrow = GEMM_NARROW }
};
