/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f32 for any vector ISA: included once by <isa>/gemm_f32.c after that folder's vec_f32.h, with
 *
 *   GEMM_MR, GEMM_NV   rows and vectors of the register tile; GEMM_MR * GEMM_NV + GEMM_NV + 1 registers
 *   GEMM_NAME          name of the record
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

enum { ROW_NV = 8, MAX_NV = GEMM_NV > ROW_NV ? GEMM_NV : ROW_NV };

GEMM_INLINE void start_row(const pith_gemm_f32_tile *t, const int nv, int m, int n0, size_t last, v_f *acc)
{
    const float *from = t->accumulate ? t->c + (size_t)m * t->c_stride + n0 : t->bias ? t->bias + n0 : NULL;
    GEMM_UNROLL
    for (int v = 0; v < nv; v++) {
        acc[v] = !from ? v_set(0.0f) : v < nv - 1 ? v_load(from + v * V_N) : v_load_n(from + v * V_N, last);
    }
}

/* What finish_row() will want: far away often, and too late once the sums are done. */
GEMM_INLINE void prefetch_row(const pith_gemm_f32_tile *t, const int nv, int m, int n0)
{
    if (t->residual) {
        GEMM_UNROLL
        for (int v = 0; v < nv; v++) {
            __builtin_prefetch(t->residual + (size_t)m * t->residual_stride + n0 + v * V_N, 0, 3);
        }
    }
    GEMM_UNROLL
    for (int v = 0; v < nv; v++) {
        __builtin_prefetch(t->c + (size_t)m * t->c_stride + n0 + v * V_N, 1, 3);
    }
}

GEMM_INLINE void finish_row(const pith_gemm_f32_tile *t, const int nv, int m, int n0, size_t last, const v_f *acc)
{
    bool is_full = t->n_columns - n0 >= nv * V_N; /* masked stores are slow */
    const float *residual = t->residual ? t->residual + (size_t)m * t->residual_stride + n0 : NULL;
    float *c = t->c + (size_t)m * t->c_stride + n0;
    v_f lo = v_set(t->lo), hi = v_set(t->hi);
    GEMM_UNROLL
    for (int v = 0; v < nv; v++) {
        v_f value = acc[v];
        if (residual) {
            const float *from = residual + v * V_N;
            value = v_add(value, v < nv - 1 ? v_load(from) : v_load_n(from, last));
        }
        value = v_min(hi, v_max(lo, value));
        if (v < nv - 1 || is_full) {
            v_store(c + v * V_N, value);
        } else {
            v_store_n(c + v * V_N, value, last);
        }
    }
}

/* mr rows from m0, nv vectors from column n0, of which the last has the lanes of `last`. */
GEMM_INLINE void block(const pith_gemm_f32_tile *t, const int mr, const int nv, int m0, int n0, size_t last,
                       const float *next)
{
    v_f acc[GEMM_MR][MAX_NV];
    const float *a[GEMM_MR];
    const float *b = t->b + (size_t)(n0 / V_N) * t->b_panel_stride;
    const size_t panel = t->b_panel_stride, step = t->b_row_stride, length = t->segment_length;
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        start_row(t, nv, m0 + m, n0, last, acc[m]);
        prefetch_row(t, nv, m0 + m, n0);
    }
    for (int s = 0; s < t->n_segments; s++) {
        GEMM_UNROLL
        for (int m = 0; m < mr; m++) {
            a[m] = t->a_rows[m0 + m] + t->segment_offsets[s];
        }
        for (size_t k = 0; k < length; k++) {
            v_f row[MAX_NV];
            GEMM_UNROLL
            for (int v = 0; v < nv; v++) {
                row[v] = v < nv - 1 ? v_load(b + (size_t)v * panel) : v_load_n(b + (size_t)v * panel, last);
            }
            b += step;
            __builtin_prefetch(next, 0, 2);
            next += step;
            GEMM_UNROLL
            for (int m = 0; m < mr; m++) {
                v_f x = v_set(a[m][k]);
                GEMM_UNROLL
                for (int v = 0; v < nv; v++) {
                    acc[m][v] = v_fma(x, row[v], acc[m][v]);
                }
            }
        }
    }
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        finish_row(t, nv, m0 + m, n0, last, acc[m]);
    }
}

/* All rows by nv vectors, in tiles of nearly equal height: 49 rows are 7 tiles of 7, not 6 of 8 and 1. */
GEMM_INLINE void strip(const pith_gemm_f32_tile *t, const int nv, int n0, size_t last)
{
    int n_tiles = (t->mr + GEMM_MR - 1) / GEMM_MR, base = t->mr / n_tiles, n_higher = t->mr % n_tiles;
    const float *b = t->b + (size_t)(n0 / V_N) * t->b_panel_stride;
    for (int i = 0, m0 = 0, rows; i < n_tiles; i++, m0 += rows) {
        const float *next = i < nv ? b + (size_t)(nv + i) * t->b_panel_stride : b;
        rows = base + (i < n_higher);
        switch (rows) {
        case 1: block(t, 1, nv, m0, n0, last, next); break;
        case 2: block(t, 2, nv, m0, n0, last, next); break;
        case 3: block(t, 3, nv, m0, n0, last, next); break;
        case 4: block(t, 4, nv, m0, n0, last, next); break;
#if GEMM_MR > 4
        case 5: block(t, 5, nv, m0, n0, last, next); break;
        case 6: block(t, 6, nv, m0, n0, last, next); break;
#endif
#if GEMM_MR > 6
        case 7: block(t, 7, nv, m0, n0, last, next); break;
        case 8: block(t, 8, nv, m0, n0, last, next); break;
#endif
        default: break;
        }
    }
}

static void strip_1(const pith_gemm_f32_tile *t, int n0, size_t last) { strip(t, 1, n0, last); }
static void strip_2(const pith_gemm_f32_tile *t, int n0, size_t last) { strip(t, 2, n0, last); }
#if GEMM_NV > 2
static void strip_3(const pith_gemm_f32_tile *t, int n0, size_t last) { strip(t, 3, n0, last); }
#endif

/* One row has too few chains for the multiply-adds' latency unless more vectors run side by side. */
static void row_8(const pith_gemm_f32_tile *t, int n0, size_t last) { block(t, 1, 8, 0, n0, last, t->b); }
static void row_4(const pith_gemm_f32_tile *t, int n0, size_t last) { block(t, 1, 4, 0, n0, last, t->b); }

static void tile(const pith_gemm_f32_tile *t)
{
    for (int n0 = 0, nv; n0 < t->n_columns; n0 += nv * V_N) {
        int left = (t->n_columns - n0 + V_N - 1) / V_N, n_strips = (left + GEMM_NV - 1) / GEMM_NV;
        nv = t->mr > 1 || left < 4 ? (left + n_strips - 1) / n_strips : left < 8 ? 4 : 8;
        int lanes = t->n_columns - n0 - (nv - 1) * V_N;
        size_t last = (size_t)(lanes < V_N ? lanes : V_N);
        switch (nv) {
        case 1: strip_1(t, n0, last); break;
        case 2: strip_2(t, n0, last); break;
#if GEMM_NV > 2
        case 3: strip_3(t, n0, last); break;
#endif
        case 4: row_4(t, n0, last); break;
        default: row_8(t, n0, last); break;
        }
    }
}

static const pith_gemm_f32 records[] = {
    { .head = { GEMM_NAME, PITH_BOUNDED }, .nr = V_N, .mr_max = GEMM_MR, .nv_max = GEMM_NV, .tile = tile }
};
