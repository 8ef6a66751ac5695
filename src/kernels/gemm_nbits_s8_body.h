/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_nbits_s8 for any vector ISA: included once by <isa>/gemm_nbits_s8.c after a vec_f32.h, with
 *
 *   NQ_NAME            name of the record
 *   NQ_ROW_PANELS      panels that a single row multiplies side by side
 *   NQ_PANELS          the same for several rows
 *   nq_shift(word, n)  logical shift to the right
 *   nq_load(p), nq_load_s8(p)       a vector of words; V_N bytes as integers
 *   nq_multiply(a, b)               products of integers, low 32 bits
 *   nq_dot(acc, codes, a, bits)     each lane of acc plus four products of unsigned bytes of `codes` (below 2^bits) by
 *                                   the four signed bytes at `a`
 *   nq_store_s8(p, a)               V_N integers as bytes */
#include <math.h>
#include <string.h>

#include "kernels/gemm_nbits_s8.h"

#define NQ_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define NQ_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NQ_UNROLL _Pragma("GCC unroll 16")
#endif

enum { NQ_AHEAD = 1024, NQ_MOST_PANELS = 4 };

static void quantize(const float *x, size_t n, int8_t *q, size_t step, float *scale, int32_t *sum)
{
    v_f most = v_set(0.0f), odd = v_set(0.0f);
    v_i sums = vi_set(0);
    int8_t bytes[V_N];
    int32_t lanes[V_N];
    for (size_t i = 0; i < n; i += V_N) {
        const v_f some = v_load_n(x + i, n - i < V_N ? n - i : V_N);
        most = v_max(most, v_abs(some));
        odd = v_fma(some, v_set(0.0f), odd); /* NaN, or 0 */
    }
    const float largest = v_greatest(most), rest = v_sum(odd);
    const bool is_odd = rest != 0.0f || isnan(rest), is_zero = largest < 0x1p-100f;
    const float factor = is_odd || is_zero ? 0.0f : 127.0f / largest;
    *scale = is_odd ? NAN : is_zero ? 0.0f : largest / 127.0f;
    for (size_t i = 0; i < n; i += V_N) {
        const size_t count = n - i < V_N ? n - i : V_N;
        const v_f some = is_odd ? v_set(0.0f) : v_load_n(x + i, count);
        const v_i codes = v_to_int(v_round(v_mul(some, v_set(factor))));
        sums = vi_add(sums, codes);
        nq_store_s8(bytes, codes);
        for (size_t k = 0; k < count; k += 4) {
            memcpy(q + (i + k) / 4 * step, bytes + k, 4);
        }
    }
    memcpy(lanes, &sums, sizeof lanes);
    *sum = 0;
    for (int i = 0; i < V_N; i++) {
        *sum += lanes[i];
    }
}

/* Of a tile, known when compiling. */
typedef struct nq_shape {
    pith_nbits_format format;
    int nm, nv;
} nq_shape;

typedef struct nq_place {
    int m0, n0; /* first row, first panel */
    int rows, panels, last; /* that are there; columns of the last panel */
} nq_place;

NQ_INLINE void nq_finish(const pith_gemm_nbits_tile *t, const nq_shape shape, const nq_place p,
                         v_f y[PITH_NBITS_S8_ROWS][NQ_MOST_PANELS])
{
    NQ_UNROLL
    for (int i = 0; i < shape.nm * shape.nv; i++) {
        const int m = i / shape.nv, v = i % shape.nv;
        const size_t column = (size_t)((p.n0 + v) * V_N), row = (size_t)(p.m0 + m);
        const size_t lanes = v == p.panels - 1 ? (size_t)p.last : V_N;
        if (m >= p.rows || v >= p.panels) {
            continue;
        }
        v_f some = y[m][v];
        some = t->bias ? v_add(some, v_load_n(t->bias + column, lanes)) : some;
        some = t->residual ? v_add(some, v_load_n(t->residual + row * t->residual_stride + column, lanes)) : some;
        v_store_n(t->c + row * t->c_stride + column, v_min(v_set(t->hi), v_max(v_set(t->lo), some)), lanes);
    }
}

NQ_INLINE void nq_block(const pith_gemm_nbits_tile *tile, const pith_nbits_s8_rows *a, const nq_shape shape,
                        const nq_place p)
{
    const pith_gemm_nbits_tile copy = *tile, *t = &copy; /* no store can alias it */
    const int nm = shape.nm, nv = shape.nv, bits = pithi_nbits_bits(shape.format), per_byte = 8 / bits;
    const size_t per = (size_t)pithi_nbits_per_word(shape.format), rows = (size_t)nm, first = (size_t)p.m0 / rows;
    const int8_t *q = a->q + first * t->n_words * per * rows;
    const float *a_scales = a->scales + first * t->n_groups * rows;
    const int32_t *a_sums = a->sums + first * t->n_groups * rows;
    const uint32_t middle = 1u << (bits - 1);
    const v_i mask = vi_set((int32_t)(((1u << bits) - 1) * 0x01010101u));
    const char *codes[NQ_MOST_PANELS];
    size_t lists[NQ_MOST_PANELS];
    v_f y[PITH_NBITS_S8_ROWS][NQ_MOST_PANELS];
    NQ_UNROLL
    for (int v = 0; v < nv; v++) {
        const size_t panel = (size_t)(p.n0 + (v < p.panels ? v : p.panels - 1));
        codes[v] = (const char *)t->codes + panel * t->panel_bytes;
        lists[v] = panel * t->n_groups * V_N;
    }
    NQ_UNROLL
    for (int i = 0; i < nm * nv; i++) {
        y[i / nv][i % nv] = v_set(0.0f);
    }
    for (size_t g = 0, w = 0; g < t->n_groups; g++, a_scales += rows, a_sums += rows) {
        const size_t end = w + t->group_words < t->n_words ? w + t->group_words : t->n_words;
        v_i acc[PITH_NBITS_S8_ROWS][NQ_MOST_PANELS];
        NQ_UNROLL
        for (int i = 0; i < nm * nv; i++) {
            const int m = i / nv, v = i % nv;
            acc[m][v] = vi_set((int32_t)(0u - middle * (uint32_t)a_sums[m])); /* of rows that are missing, anything */
            if (t->zeros) {
                const v_i zero = nq_load_s8((const int8_t *)t->zeros + lists[v] + g * V_N);
                acc[m][v] = vi_sub(acc[m][v], nq_multiply(zero, vi_set(a_sums[m])));
            }
        }
        for (; w < end; w++) {
            NQ_UNROLL
            for (int v = 0; v < nv; v++) {
                const v_i word = nq_load(codes[v] + w * 4 * V_N);
                __builtin_prefetch(codes[v] + w * 4 * V_N + NQ_AHEAD, 0, 3);
                NQ_UNROLL
                for (int i = 0; i < per_byte; i++) {
                    const v_i four = bits == 8 ? word : vi_and(nq_shift(word, i * bits), mask);
                    NQ_UNROLL
                    for (int m = 0; m < nm; m++) {
                        acc[m][v] = nq_dot(acc[m][v], four, q + (size_t)(4 * i) * rows + 4 * m, bits);
                    }
                }
            }
            q += per * rows;
        }
        NQ_UNROLL
        for (int i = 0; i < nm * nv; i++) {
            const int m = i / nv, v = i % nv;
            const v_f factor = v_mul(v_set(a_scales[m]), v_load(t->scales + lists[v] + g * V_N));
            y[m][v] = v_fma(v_from_int(acc[m][v]), factor, y[m][v]);
        }
    }
    nq_finish(t, shape, p, y);
}

typedef void nq_block_fn(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a, const nq_place *p);

#define NQ_DEFINE(name, format)                                                                                      \
    static __attribute__((noinline)) void nq_row_##name(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a,  \
                                                        const nq_place *p)                                           \
    {                                                                                                                \
        nq_block(t, a, (nq_shape){ format, 1, NQ_ROW_PANELS }, *p);                                                  \
    }                                                                                                                \
    static __attribute__((noinline)) void nq_rows_##name(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a, \
                                                         const nq_place *p)                                          \
    {                                                                                                                \
        nq_block(t, a, (nq_shape){ format, PITH_NBITS_S8_ROWS, NQ_PANELS }, *p);                                     \
    }
NQ_DEFINE(int2, PITH_NBITS_INT2)
NQ_DEFINE(int4, PITH_NBITS_INT4)
NQ_DEFINE(int8, PITH_NBITS_INT8)

static void tile(const pith_gemm_nbits_tile *t, const pith_nbits_s8_rows *a)
{
    static nq_block_fn *const one[] = { nq_row_int2, nq_row_int4, nq_row_int8 };
    static nq_block_fn *const several[] = { nq_rows_int2, nq_rows_int4, nq_rows_int8 };
    nq_block_fn *block = (t->mr == 1 ? one : several)[t->format];
    const int n_panels = (t->n_columns + V_N - 1) / V_N, wide = t->mr == 1 ? NQ_ROW_PANELS : NQ_PANELS;
    for (int n = 0; n < n_panels; n += wide) {
        nq_place p = { .n0 = n, .panels = n_panels - n < wide ? n_panels - n : wide };
        p.last = t->n_columns - (n + p.panels - 1) * V_N;
        p.last = p.last < V_N ? p.last : V_N;
        for (int m = 0; m < t->mr; m += PITH_NBITS_S8_ROWS) {
            p.m0 = m;
            p.rows = t->mr - m < PITH_NBITS_S8_ROWS ? t->mr - m : PITH_NBITS_S8_ROWS;
            block(t, a, &p);
        }
    }
}

static const pith_gemm_nbits_s8 records[] = { { { NQ_NAME, PITH_EXACT }, V_N, true, quantize, tile } };
