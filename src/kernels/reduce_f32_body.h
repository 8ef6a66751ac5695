/* SPDX-License-Identifier: Apache-2.0 */
/* Family reduce_f32 in the words of vec_f32.h: one text for every ISA. Four chains per loop hide the latency of
 * additions. */

#define BLOCK 64 /* additions per chain before the partial sum goes to the total */

static inline v_f add(v_f acc, v_f x) { return v_add(acc, x); }
static inline v_f add_abs(v_f acc, v_f x) { return v_add(acc, v_abs(x)); }
static inline v_f add_square(v_f acc, v_f x) { return v_fma(x, x, acc); }
/* v_max: x if it's NaN */
static inline v_f greater(v_f acc, v_f x) { return v_select(v_is_nan(acc), acc, v_max(acc, x)); }
static inline v_f less(v_f acc, v_f x) { return v_select(v_is_nan(acc), acc, v_min(acc, x)); }

static inline float scalar_add(float a, float b) { return a + b; }
static inline float scalar_add_abs(float a, float b) { return a + (b < 0.0f ? -b : b); }
static inline float scalar_add_square(float a, float b) { return a + b * b; }
static inline float scalar_greater(float a, float b) { return a > b || a != a ? a : b; }
static inline float scalar_less(float a, float b) { return a < b || a != a ? a : b; }

/* acc = take(acc, x) over the elements, acc = merge(acc, acc') over chains, blocks and lanes. */
#define ROWS(name, start, take, merge)                                                             \
    static inline v_f name##_block(const float *x, size_t n)                                       \
    {                                                                                              \
        v_f a = v_set(start), b = a, c = a, d = a;                                                 \
        size_t i = 0;                                                                              \
        for (; i + 4 * V_N <= n; i += 4 * V_N) {                                                   \
            a = take(a, v_load(x + i));                                                            \
            b = take(b, v_load(x + i + V_N));                                                      \
            c = take(c, v_load(x + i + 2 * V_N));                                                  \
            d = take(d, v_load(x + i + 3 * V_N));                                                  \
        }                                                                                          \
        for (; i + V_N <= n; i += V_N) {                                                           \
            a = take(a, v_load(x + i));                                                            \
        }                                                                                          \
        return merge(merge(a, b), merge(c, d));                                                    \
    }                                                                                              \
    static float name##_rows(const float *x, size_t n)                                             \
    {                                                                                              \
        const size_t step = 4 * BLOCK * V_N, whole = n - n % V_N;                                  \
        float lanes[V_N], result = (start);                                                        \
        v_f total = v_set(start);                                                                  \
        for (size_t i = 0; i < whole; i += step) {                                                 \
            total = merge(total, name##_block(x + i, whole - i < step ? whole - i : step));        \
        }                                                                                          \
        v_store(lanes, total);                                                                     \
        for (size_t i = 0; i < V_N; i++) {                                                         \
            result = scalar_##merge(result, lanes[i]);                                             \
        }                                                                                          \
        for (size_t i = whole; i < n; i++) {                                                       \
            result = scalar_##take(result, x[i]);                                                  \
        }                                                                                          \
        return result;                                                                             \
    }

ROWS(sum, 0.0f, add, add)
ROWS(sum_abs, 0.0f, add_abs, add)
ROWS(sum_square, 0.0f, add_square, add)
ROWS(max, -INFINITY, greater, greater)
ROWS(min, INFINITY, less, less)

/* Lanes are columns, so that strips and tiles give the same bits. Tiles are four vectors wide. */
#define COLUMNS(name, start, take, merge)                                                          \
    static inline void name##_tile(const float *x, size_t n_rows, size_t row_stride, float *y)     \
    {                                                                                              \
        v_f a = v_set(start), b = a, c = a, d = a;                                                 \
        for (size_t r0 = 0; r0 < n_rows; r0 += BLOCK) {                                            \
            const size_t end = n_rows - r0 < BLOCK ? n_rows : r0 + BLOCK;                          \
            v_f e = v_set(start), f = e, g = e, h = e;                                             \
            for (size_t r = r0; r < end; r++) {                                                    \
                const float *row = x + r * row_stride;                                             \
                e = take(e, v_load(row));                                                          \
                f = take(f, v_load(row + V_N));                                                    \
                g = take(g, v_load(row + 2 * V_N));                                                \
                h = take(h, v_load(row + 3 * V_N));                                                \
            }                                                                                      \
            a = merge(a, e);                                                                       \
            b = merge(b, f);                                                                       \
            c = merge(c, g);                                                                       \
            d = merge(d, h);                                                                       \
        }                                                                                          \
        v_store(y, a);                                                                             \
        v_store(y + V_N, b);                                                                       \
        v_store(y + 2 * V_N, c);                                                                   \
        v_store(y + 3 * V_N, d);                                                                   \
    }                                                                                              \
    static inline void name##_strip(const float *x, size_t n_rows, size_t row_stride, float *y, size_t n) \
    {                                                                                              \
        v_f a = v_set(start);                                                                      \
        for (size_t r0 = 0; r0 < n_rows; r0 += BLOCK) {                                            \
            const size_t end = n_rows - r0 < BLOCK ? n_rows : r0 + BLOCK;                          \
            v_f e = v_set(start);                                                                  \
            for (size_t r = r0; r < end; r++) {                                                    \
                e = take(e, v_load_n(x + r * row_stride, n));                                      \
            }                                                                                      \
            a = merge(a, e);                                                                       \
        }                                                                                          \
        v_store_n(y, a, n);                                                                        \
    }                                                                                              \
    static void name##_columns(const float *x, size_t n_rows, size_t row_stride, float *y, size_t n_columns) \
    {                                                                                              \
        size_t c = 0;                                                                              \
        for (; c + 4 * V_N <= n_columns; c += 4 * V_N) {                                           \
            name##_tile(x + c, n_rows, row_stride, y + c);                                         \
        }                                                                                          \
        for (; c < n_columns; c += V_N) {                                                          \
            name##_strip(x + c, n_rows, row_stride, y + c, n_columns - c < V_N ? n_columns - c : V_N); \
        }                                                                                          \
    }

COLUMNS(sum, 0.0f, add, add)
COLUMNS(sum_abs, 0.0f, add_abs, add)
COLUMNS(sum_square, 0.0f, add_square, add)
COLUMNS(max, -INFINITY, greater, greater)
COLUMNS(min, INFINITY, less, less)

static const pith_reduce_f32 records[] = {
    { .head = { V_ISA("reduce_f32"), PITH_BOUNDED },
      .rows = { sum_rows, sum_abs_rows, sum_square_rows, max_rows, min_rows },
      .columns = { sum_columns, sum_abs_columns, sum_square_columns, max_columns, min_columns } }
};

#undef ROWS
#undef COLUMNS
#undef BLOCK
