/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_nbits for any vector ISA: included once by <isa>/gemm_nbits.c after that folder's vec_f32.h, with
 *
 *   NBITS_TABLE_VECTORS    vectors that hold a table of 16 floats
 *   NBITS_INT_BY_TABLE     where looking up is cheaper than converting
 *   nb_find16(table, code) values of the low 4 bits of each lane of code
 *   nb_gather(table, code) values of a table in memory
 *   nb_shift(code, n)      logical shift to the right
 *   nb_load_words(p), nb_from_s8(p), nb_from_f16(p), nb_from_bf16(p), nb_from_e4m3(p), nb_from_e5m2(p)
 *                          a vector of words; floats of V_N small numbers
 *   NBITS_NAME             name of the record
 *
 * A tile is one row by NBITS_WIDE panels, or four rows by two panels: codes are unpacked once for all of its rows.
 * Rows and panels that a tile lacks are computed twice and not stored. */
#include "kernels/gemm_nbits.h"

#define NBITS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define NBITS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NBITS_UNROLL _Pragma("GCC unroll 16")
#endif

enum { NBITS_ROWS = 4, NBITS_PANELS = 2, NBITS_MAX_PANELS = 4 };

typedef struct nbits_table {
    v_f parts[NBITS_TABLE_VECTORS];
    const float *memory;
} nbits_table;

NBITS_INLINE nbits_table load_table(const pith_gemm_nbits_tile *t, const pith_nbits_format format)
{
    nbits_table table = { .memory = t->table };
    if (format <= PITH_NBITS_TABLE4 && format != PITH_NBITS_INT8) {
        NBITS_UNROLL
        for (int i = 0; i < NBITS_TABLE_VECTORS; i++) {
            table.parts[i] = v_load(t->table + i * V_N);
        }
    }
    return table;
}

/* Value j of a vector of words. */
NBITS_INLINE v_f word_value(const pith_nbits_format format, const nbits_table *table, v_i word, const int j)
{
    const int bits = pithi_nbits_bits(format);
    const v_i code = nb_shift(word, j * bits);
    if (format == PITH_NBITS_TABLE4) {
        return nb_find16(table->parts, code);
    }
#ifdef NBITS_INT_BY_TABLE
    if (format == PITH_NBITS_INT2 || format == PITH_NBITS_INT4) {
        return nb_find16(table->parts, code);
    }
#endif
    const v_i alone = vi_and(code, vi_set((1 << bits) - 1));
    return format == PITH_NBITS_TABLE8 ? nb_gather(table->memory, alone)
                                       : v_sub(v_from_int(alone), v_set((float)(1 << (bits - 1))));
}

NBITS_INLINE v_f element_value(const pith_nbits_format format, const void *p)
{
    return format == PITH_NBITS_F16    ? nb_from_f16(p)
           : format == PITH_NBITS_BF16 ? nb_from_bf16(p)
           : format == PITH_NBITS_F8E4M3 ? nb_from_e4m3(p)
                                         : nb_from_e5m2(p);
}

NBITS_INLINE v_f load_zero(const pith_gemm_nbits_tile *t, size_t at)
{
    return t->zeros_are_float ? v_load((const float *)t->zeros + at) : nb_from_s8((const int8_t *)t->zeros + at);
}

typedef struct nbits_place {
    int m0, n0; /* first row, first panel */
    int rows, panels, last; /* that are there; columns of the last panel */
} nbits_place;

NBITS_INLINE void finish_tile(const pith_gemm_nbits_tile *t, const int nm, const int nv, const nbits_place p,
                              v_f acc[NBITS_ROWS][NBITS_MAX_PANELS])
{
    const v_f lo = v_set(t->lo), hi = v_set(t->hi);
    NBITS_UNROLL
    for (int m = 0; m < nm; m++) {
        NBITS_UNROLL
        for (int v = 0; v < nv; v++) {
            const size_t column = (size_t)((p.n0 + v) * V_N);
            const size_t lanes = v == p.panels - 1 ? (size_t)p.last : V_N;
            if (m >= p.rows || v >= p.panels) {
                continue;
            }
            v_f y = acc[m][v];
            if (t->bias) {
                y = v_add(y, v_load_n(t->bias + column, lanes));
            }
            if (t->residual) {
                y = v_add(y, v_load_n(t->residual + (size_t)(p.m0 + m) * t->residual_stride + column, lanes));
            }
            v_store_n(t->c + (size_t)(p.m0 + m) * t->c_stride + column, v_min(hi, v_max(lo, y)), lanes);
        }
    }
}

/* Of a tile, known when compiling. */
typedef struct nbits_shape {
    pith_nbits_format format;
    int nm, nv;
} nbits_shape;

typedef struct nbits_operands {
    const float *a[NBITS_ROWS];
    const char *codes[NBITS_MAX_PANELS];
} nbits_operands;

/* Sums of words [w, end): two chains for a single row, so that multiply-adds need not wait for each other. */
NBITS_INLINE void sum_words(const nbits_shape shape, const nbits_table *table, const nbits_operands *from, size_t w,
                            size_t end, v_f sums[NBITS_ROWS][NBITS_MAX_PANELS])
{
    const pith_nbits_format format = shape.format;
    const int nm = shape.nm, nv = shape.nv;
    const float *const *a = from->a;
    const char *const *codes = from->codes;
    const int per = pithi_nbits_per_word(format), bits = pithi_nbits_bits(format), chains = nm == 1 && per > 1 ? 2 : 1;
    const size_t row_bytes = pithi_nbits_row_bytes(format, V_N);
    v_f part[2][NBITS_ROWS][NBITS_MAX_PANELS];
    NBITS_UNROLL
    for (int i = 0; i < chains * nm * nv; i++) {
        part[i / (nm * nv)][i / nv % nm][i % nv] = v_set(0.0f);
    }
    for (; w < end; w++) {
        v_i words[NBITS_MAX_PANELS];
        NBITS_UNROLL
        for (int v = 0; v < nv && per > 1; v++) {
            words[v] = nb_load_words(codes[v] + w * row_bytes);
            __builtin_prefetch(codes[v] + w * row_bytes + NBITS_AHEAD, 0, 3);
        }
        NBITS_UNROLL
        for (int j = 0; j < per; j++) {
            const size_t k = w * (size_t)per + (size_t)(per > 1 ? pithi_nbits_k(bits, j) : 0);
            NBITS_UNROLL
            for (int v = 0; v < nv; v++) {
                const v_f value = per > 1 ? word_value(format, table, words[v], j)
                                          : element_value(format, codes[v] + w * row_bytes);
                NBITS_UNROLL
                for (int m = 0; m < nm; m++) {
                    part[j % chains][m][v] = v_fma(v_set(a[m][k]), value, part[j % chains][m][v]);
                }
            }
        }
    }
    NBITS_UNROLL
    for (int i = 0; i < nm * nv; i++) {
        const int m = i / nv, v = i % nv;
        sums[m][v] = chains == 2 ? v_add(part[0][m][v], part[1][m][v]) : part[0][m][v];
    }
}

NBITS_INLINE void block(const pith_gemm_nbits_tile *tile, const nbits_shape shape, const nbits_place p)
{
    const int nm = shape.nm, nv = shape.nv;
    const pith_gemm_nbits_tile copy = *tile, *t = &copy; /* no store can alias it */
    const nbits_table table = load_table(t, shape.format);
    nbits_operands from;
    size_t scales[NBITS_MAX_PANELS];
    v_f acc[NBITS_ROWS][NBITS_MAX_PANELS];
    NBITS_UNROLL
    for (int m = 0; m < nm; m++) {
        from.a[m] = t->a_rows[p.m0 + (m < p.rows ? m : p.rows - 1)];
    }
    NBITS_UNROLL
    for (int v = 0; v < nv; v++) {
        const size_t panel = (size_t)(p.n0 + (v < p.panels ? v : p.panels - 1));
        from.codes[v] = (const char *)t->codes + panel * t->panel_bytes;
        scales[v] = panel * t->n_groups * V_N;
    }
    NBITS_UNROLL
    for (int i = 0; i < nm * nv; i++) {
        acc[i / nv][i % nv] = v_set(0.0f);
    }
    for (size_t g = 0; g < t->n_groups; g++) {
        const size_t begin = g * t->group_words, end = begin + t->group_words;
        v_f sums[NBITS_ROWS][NBITS_MAX_PANELS];
        sum_words(shape, &table, &from, begin, end < t->n_words ? end : t->n_words, sums);
        NBITS_UNROLL
        for (int v = 0; v < nv; v++) {
            const size_t at = scales[v] + g * V_N;
            const v_f scale = v_load(t->scales + at);
            const v_f zero = t->zeros ? load_zero(t, at) : v_set(0.0f);
            NBITS_UNROLL
            for (int m = 0; m < nm; m++) {
                const size_t row = (size_t)(p.m0 + (m < p.rows ? m : p.rows - 1));
                if (t->zeros) {
                    sums[m][v] = v_fnma(v_set(t->sums[row * t->sum_stride + g]), zero, sums[m][v]);
                }
                acc[m][v] = v_fma(scale, sums[m][v], acc[m][v]);
            }
        }
    }
    finish_tile(t, nm, nv, p, acc);
}

NBITS_INLINE void unpack_words(const pith_gemm_nbits_tile *t, const pith_nbits_format format, size_t panel,
                               size_t first, size_t last, float *y, size_t y_stride)
{
    const nbits_table table = load_table(t, format);
    const int per = pithi_nbits_per_word(format), bits = pithi_nbits_bits(format);
    const size_t row_bytes = pithi_nbits_row_bytes(format, V_N), base = panel * t->n_groups * V_N;
    const char *codes = (const char *)t->codes + panel * t->panel_bytes;
    for (size_t w = first; w < last;) {
        const size_t g = w / t->group_words, end = (g + 1) * t->group_words;
        const v_f scale = v_load(t->scales + base + g * V_N);
        const v_f zero = t->zeros ? load_zero(t, base + g * V_N) : v_set(0.0f);
        for (; w < (end < last ? end : last); w++) {
            float *to = y + (w - first) * (size_t)per * y_stride;
            const v_i word = per > 1 ? nb_load_words(codes + w * row_bytes) : vi_set(0);
            NBITS_UNROLL
            for (int j = 0; j < per; j++) {
                const v_f value = per > 1 ? word_value(format, &table, word, j)
                                          : element_value(format, codes + w * row_bytes);
                v_store(to + (size_t)(per > 1 ? pithi_nbits_k(bits, j) : 0) * y_stride,
                        v_mul(v_sub(value, zero), scale));
            }
        }
    }
}

typedef void nbits_block_fn(const pith_gemm_nbits_tile *t, const nbits_place *p);
typedef void nbits_unpack_fn(const pith_gemm_nbits_tile *t, size_t panel, size_t first, size_t last, float *y,
                             size_t y_stride);

#define NBITS_DEFINE(name, format)                                                                                   \
    static __attribute__((noinline)) void row_##name(const pith_gemm_nbits_tile *t, const nbits_place *p)            \
    {                                                                                                                \
        block(t, (nbits_shape){ format, 1, NBITS_WIDE }, *p);                                                        \
    }                                                                                                                \
    static __attribute__((noinline)) void rows_##name(const pith_gemm_nbits_tile *t, const nbits_place *p)           \
    {                                                                                                                \
        block(t, (nbits_shape){ format, NBITS_ROWS, NBITS_PANELS }, *p);                                             \
    }                                                                                                                \
    static __attribute__((noinline)) void unpack_##name(const pith_gemm_nbits_tile *t, size_t panel, size_t first,   \
                                                        size_t last, float *y, size_t y_stride)                      \
    {                                                                                                                \
        unpack_words(t, format, panel, first, last, y, y_stride);                                                    \
    }

#ifdef NBITS_INT_BY_TABLE /* then they are tables */
NBITS_DEFINE(table4, PITH_NBITS_TABLE4)
#define row_int4 row_table4
#define rows_int4 rows_table4
#define unpack_int4 unpack_table4
#else
NBITS_DEFINE(int4, PITH_NBITS_INT4)
NBITS_DEFINE(table4, PITH_NBITS_TABLE4)
#endif
NBITS_DEFINE(int2, PITH_NBITS_INT2)
NBITS_DEFINE(int8, PITH_NBITS_INT8)
NBITS_DEFINE(table8, PITH_NBITS_TABLE8)
NBITS_DEFINE(f16, PITH_NBITS_F16)
NBITS_DEFINE(bf16, PITH_NBITS_BF16)
NBITS_DEFINE(e4m3, PITH_NBITS_F8E4M3)
NBITS_DEFINE(e5m2, PITH_NBITS_F8E5M2)

#define NBITS_ENTRIES(prefix)                                                                                        \
    { prefix##_int2, prefix##_int4, prefix##_int8, prefix##_table4, prefix##_table8, prefix##_f16, prefix##_bf16,    \
      prefix##_e4m3, prefix##_e5m2 }
static nbits_block_fn *const one_row[PITH_NBITS_FORMATS] = NBITS_ENTRIES(row);
static nbits_block_fn *const some_rows[PITH_NBITS_FORMATS] = NBITS_ENTRIES(rows);
static nbits_unpack_fn *const unpackers[PITH_NBITS_FORMATS] = NBITS_ENTRIES(unpack);

static void tile(const pith_gemm_nbits_tile *t)
{
    const int n_panels = (t->n_columns + V_N - 1) / V_N, wide = t->mr == 1 ? NBITS_WIDE : NBITS_PANELS;
    for (int n = 0; n < n_panels; n += wide) {
        nbits_place p = { .n0 = n, .panels = n_panels - n < wide ? n_panels - n : wide };
        p.last = t->n_columns - (n + p.panels - 1) * V_N;
        p.last = p.last < V_N ? p.last : V_N;
        for (int m = 0; m < t->mr; m += NBITS_ROWS) {
            p.m0 = m;
            p.rows = t->mr - m < NBITS_ROWS ? t->mr - m : NBITS_ROWS;
            (t->mr == 1 ? one_row : some_rows)[t->format](t, &p);
        }
    }
}

static void unpack(const pith_gemm_nbits_tile *t, size_t panel, size_t first, size_t last, float *y, size_t y_stride)
{
    unpackers[t->format](t, panel, first, last, y, y_stride);
}

static const pith_gemm_nbits records[] = { { { NBITS_NAME, PITH_BOUNDED }, V_N, tile, unpack } };
