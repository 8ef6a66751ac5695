/* SPDX-License-Identifier: Apache-2.0 */
/* Family norm_f32 in the words of vec_f32.h: one text for every ISA. */

typedef struct sums {
    v_f sum, squares;
} sums;

static inline void take(sums *acc, v_f x, v_f mean)
{
    v_f centred = v_sub(x, mean);
    acc->sum = v_add(acc->sum, centred);
    acc->squares = v_fma(centred, centred, acc->squares);
}

static inline sums merge(sums a, sums b)
{
    return (sums){ v_add(a.sum, b.sum), v_add(a.squares, b.squares) };
}

/* Blocks of 64 vectors per chain bound the error of long sums. */
static void centred(const float *x, size_t n, float mean, float *sum, float *squares)
{
    const v_f m = v_set(mean), zero = v_set(0.0f);
    const size_t whole = n - n % V_N, step = 4 * 64 * V_N;
    sums total = { zero, zero };
    for (size_t i = 0; i < whole;) {
        const size_t end = whole - i < step ? whole : i + step;
        sums a = { zero, zero }, b = a, c = a, d = a;
        for (; i + 4 * V_N <= end; i += 4 * V_N) {
            take(&a, v_load(x + i), m);
            take(&b, v_load(x + i + V_N), m);
            take(&c, v_load(x + i + 2 * V_N), m);
            take(&d, v_load(x + i + 3 * V_N), m);
        }
        for (; i < end; i += V_N) {
            take(&a, v_load(x + i), m);
        }
        total = merge(total, merge(merge(a, b), merge(c, d)));
    }
    *sum = v_sum(total.sum);
    *squares = v_sum(total.squares);
    for (size_t i = whole; i < n; i++) {
        *sum += x[i] - mean;
        *squares += (x[i] - mean) * (x[i] - mean);
    }
}

typedef struct line_vectors {
    v_f mean, factor, offset;
} line_vectors;

static inline line_vectors spread(const pith_norm_line *line)
{
    return (line_vectors){ v_set(line->mean), v_set(line->factor), v_set(line->offset) };
}

static inline v_f at_line(v_f x, line_vectors line)
{
    return v_fma(v_sub(x, line.mean), line.factor, line.offset);
}

static void affine(const float *x, float *y, size_t n, const pith_norm_line *line, const float *scale,
                   const float *shift)
{
    const line_vectors l = spread(line);
    const v_f one = v_set(1.0f), zero = v_set(0.0f);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_f s = scale ? v_load(scale + i) : one, b = shift ? v_load(shift + i) : zero;
        v_store(y + i, v_fma(at_line(v_load(x + i), l), s, b));
    }
    if (i < n) {
        v_f s = scale ? v_load_n(scale + i, n - i) : one, b = shift ? v_load_n(shift + i, n - i) : zero;
        v_store_n(y + i, v_fma(at_line(v_load_n(x + i, n - i), l), s, b), n - i);
    }
}

static void affine_single(const float *x, float *y, size_t n, const pith_norm_line *line)
{
    const line_vectors l = spread(line);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_store(y + i, at_line(v_load(x + i), l));
    }
    if (i < n) {
        v_store_n(y + i, at_line(v_load_n(x + i, n - i), l), n - i);
    }
}

static const pith_norm_f32 records[] = {
    { .head = { V_ISA("norm_f32"), PITH_BOUNDED },
      .centred = centred, .affine = affine, .affine_single = affine_single }
};
