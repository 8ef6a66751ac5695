/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f16 for any ISA: included once by <isa>/gemm_f16.c after a vec_f32.h, with
 *
 *   GEMM_NAME           name of the record
 *   VH_N, v_h           halves in a vector, at least 8; vh_zero, vh_load; vh_low, vh_high: lower, upper ones as floats
 *   a_word              what a half of A is kept in; v_a, va_load: 8 of them, one for each row of the tile
 *   vh_fma(x, m, b, c)  h(x[m] b + c) with x a v_a
 *   v_q                 8 halves: q_narrow (8 floats), q_narrow_n (n of them), q_low, q_high (zip the lower or upper
 *                       four of two), q_store (as words of A)
 *
 * MOST_ROWS rows of A by CHUNK of k are rounded to halves, [k][8 rows] for each tile, and multiplied with all panels.
 * So A is rounded once, B comes from afar once for MOST_ROWS rows, and neither needs memory but the stack. */
#include "kernels/gemm_f16.h"

#define GEMM_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define GEMM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#endif

enum { MR = 8, NV = 3, MOST_ROWS = 48, RUN = PITH_GEMM_F16_RUN, CHUNK = 2 * RUN, STRIP = NV * VH_N };

/* A register tile's rows and columns, and the k of this pass over them. */
typedef struct place {
    size_t m0, n0, rows, columns;
    size_t k, count;
    bool is_first, is_last;
} place;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* ---- A -------------------------------------------------------------------------------------- */

/* Rows of n floats, n <= 8, to n columns: three perfect shuffles transpose 8 x 8. */
GEMM_INLINE void turn(const float *const *from, size_t at, size_t n, a_word *to)
{
    v_q x[MR], y[MR];
    GEMM_UNROLL
    for (int m = 0; m < MR; m++) {
        x[m] = n == MR ? q_narrow(from[m] + at) : q_narrow_n(from[m] + at, n);
    }
    GEMM_UNROLL
    for (int round = 0; round < 3; round++) {
        GEMM_UNROLL
        for (int i = 0; i < MR / 2; i++) {
            y[2 * i] = q_low(x[i], x[i + MR / 2]);
            y[2 * i + 1] = q_high(x[i], x[i + MR / 2]);
        }
        GEMM_UNROLL
        for (int i = 0; i < MR; i++) {
            x[i] = y[i];
        }
    }
    GEMM_UNROLL
    for (int k = 0; k < MR; k++) {
        if ((size_t)k < n) {
            q_store(to + k * MR, x[k]);
        }
    }
}

/* Rows past the last are the first once more. */
static void round_rows(const pith_gemm_f32_tile *t, const place *p, a_word *to)
{
    for (size_t k = p->k, end = p->k + p->count, n; k < end; k += n) {
        const size_t s = k / t->segment_length, in = k - s * t->segment_length;
        const float *from[MR];
        n = least(t->segment_length - in, end - k);
        for (size_t m = 0; m < MR; m++) {
            from[m] = t->a_rows[p->m0 + (m < p->rows ? m : 0)] + t->segment_offsets[s] + (ptrdiff_t)in;
        }
        size_t i = 0;
        for (; i + MR <= n; i += MR, to += MR * MR) {
            turn(from, i, MR, to);
        }
        if (i < n) {
            turn(from, i, n - i, to);
            to += (n - i) * MR;
        }
    }
}

/* ---- sums ----------------------------------------------------------------------------------- */

/* sums += one run. */
GEMM_INLINE void add_run(const a_word *a, const uint16_t *b, size_t panel, size_t count, const int mr, const int nv,
                         float *sums)
{
    v_h acc[MR][NV];
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        GEMM_UNROLL
        for (int v = 0; v < nv; v++) {
            acc[m][v] = vh_zero();
        }
    }
    for (size_t k = 0; k < count; k++, a += MR, b += VH_N) {
        v_h row[NV];
        const v_a x = va_load(a);
        GEMM_UNROLL
        for (int v = 0; v < nv; v++) {
            row[v] = vh_load(b + (size_t)v * panel);
        }
        GEMM_UNROLL
        for (int m = 0; m < mr; m++) {
            GEMM_UNROLL
            for (int v = 0; v < nv; v++) {
                acc[m][v] = vh_fma(x, m, row[v], acc[m][v]);
            }
        }
    }
    GEMM_UNROLL
    for (int m = 0; m < mr; m++) {
        GEMM_UNROLL
        for (int v = 0; v < nv; v++) {
            float *to = sums + m * STRIP + v * VH_N;
            v_store(to, v_add(v_load(to), vh_low(acc[m][v])));
            v_store(to + V_N, v_add(v_load(to + V_N), vh_high(acc[m][v])));
        }
    }
}

typedef void run_fn(const a_word *a, const uint16_t *b, size_t panel, size_t count, float *sums);

#define GEMM_RUN(mr, nv)                                                                           \
    static __attribute__((noinline)) void run_##mr##_##nv(const a_word *a, const uint16_t *b, size_t panel, \
                                                          size_t count, float *sums)               \
    {                                                                                              \
        add_run(a, b, panel, count, mr, nv, sums);                                                 \
    }
#define GEMM_RUNS(mr) GEMM_RUN(mr, 1) GEMM_RUN(mr, 2) GEMM_RUN(mr, 3)
#define GEMM_ENTRIES(mr) { run_##mr##_1, run_##mr##_2, run_##mr##_3 }

GEMM_RUNS(1)
GEMM_RUNS(4)
GEMM_RUNS(8)

static run_fn *const runs[3][NV] = { GEMM_ENTRIES(1), GEMM_ENTRIES(4), GEMM_ENTRIES(8) };

static void start_sums(const pith_gemm_f32_tile *t, const place *p, float *sums)
{
    const bool continues = t->accumulate || !p->is_first;
    for (size_t m = 0; m < p->rows; m++) {
        const float *from = continues ? t->c + (p->m0 + m) * t->c_stride + p->n0 : t->bias ? t->bias + p->n0 : NULL;
        for (size_t n = 0; n < p->columns; n += V_N) {
            v_store(sums + m * STRIP + n, from ? v_load_n(from + n, least(p->columns - n, V_N)) : v_set(0.0f));
        }
    }
}

static void finish_sums(const pith_gemm_f32_tile *t, const place *p, const float *sums)
{
    const v_f lo = v_set(t->lo), hi = v_set(t->hi);
    for (size_t m = 0; m < p->rows; m++) {
        const float *residual =
            t->residual && p->is_last ? t->residual + (p->m0 + m) * t->residual_stride + p->n0 : NULL;
        float *c = t->c + (p->m0 + m) * t->c_stride + p->n0;
        for (size_t n = 0; n < p->columns; n += V_N) {
            const size_t lanes = least(p->columns - n, V_N);
            v_f value = v_load(sums + m * STRIP + n);
            value = residual ? v_add(value, v_load_n(residual + n, lanes)) : value;
            value = p->is_last ? v_min(hi, v_max(lo, value)) : value; /* NaN in the sum stays */
            v_store_n(c + n, value, lanes);
        }
    }
}

/* One register tile. */
static void multiply(const pith_gemm_f32_tile *t, const place *p, const a_word *a)
{
    const uint16_t *b = (const uint16_t *)(const void *)t->b + p->n0 / VH_N * t->b_panel_stride + p->k * VH_N;
    run_fn *const run = runs[p->rows > 4 ? 2 : p->rows > 1][(p->columns - 1) / VH_N];
    float sums[MR * STRIP] = { 0 }; /* lanes and rows that aren't stored are summed, too */
    start_sums(t, p, sums);
    for (size_t k = 0; k < p->count; k += RUN) {
        run(a + k * MR, b + k * VH_N, t->b_panel_stride, least(p->count - k, RUN), sums);
    }
    finish_sums(t, p, sums);
}

static void tile(const pith_gemm_f32_tile *t)
{
    const size_t n_k = (size_t)t->n_segments * t->segment_length, n_rows = (size_t)t->mr, n = (size_t)t->n_columns;
    a_word a[MOST_ROWS / MR][CHUNK * MR];
    for (size_t m0 = 0; m0 < n_rows; m0 += MOST_ROWS) {
        const size_t end = least(m0 + MOST_ROWS, n_rows);
        place p = { .is_first = true };
        do { /* once without any k */
            p.count = least(n_k - p.k, CHUNK);
            p.is_last = p.k + p.count == n_k;
            for (p.m0 = m0; p.m0 < end; p.m0 += MR) {
                p.rows = least(end - p.m0, MR);
                round_rows(t, &p, a[(p.m0 - m0) / MR]);
            }
            for (p.n0 = 0; p.n0 < n; p.n0 += STRIP) {
                p.columns = least(n - p.n0, STRIP);
                for (p.m0 = m0; p.m0 < end; p.m0 += MR) {
                    p.rows = least(end - p.m0, MR);
                    multiply(t, &p, a[(p.m0 - m0) / MR]);
                }
            }
            p.is_first = false;
            p.k += p.count;
        } while (!p.is_last);
    }
}

static const pith_gemm_f32 records[] = {
    { .head = { GEMM_NAME, PITH_EXACT }, .nr = VH_N, .mr_max = MR, .nv_max = NV, .max_fold = 1,
      .b_bytes = sizeof(uint16_t), .tile = tile }
};
