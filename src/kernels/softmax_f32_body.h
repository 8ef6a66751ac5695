/* SPDX-License-Identifier: Apache-2.0 */
/* Family softmax_f32 in the words of vec_f32.h and vmath_f32.h: one text for every ISA. */

/* Largest element; NaN may be missed, the sum finds it. Two chains, and a last vector that overlaps the one before. */
static inline float row_max(const float *x, size_t n)
{
    v_f a = v_set(-INFINITY), b = a;
    size_t i = 0;
    if (n < V_N) {
        float result = -INFINITY;
        for (; i < n; i++) {
            result = x[i] > result ? x[i] : result;
        }
        return result;
    }
    for (; i + 2 * V_N <= n; i += 2 * V_N) {
        a = v_max(v_load(x + i), a);
        b = v_max(v_load(x + i + V_N), b);
    }
    a = i + V_N <= n ? v_max(v_load(x + i), a) : a;
    b = v_max(v_load(x + n - V_N), b);
    return v_greatest(v_max(b, a));
}

/* The terms of fewer than a vector. */
static inline float short_exp(const float *x, float *y, size_t n, v_f shift)
{
    float terms[V_N], sum = 0.0f;
    const v_f e = v_exp_bounded(v_sub(v_load_n(x, n), shift));
    v_store(terms, e);
    for (size_t k = 0; k < n; k++) {
        sum += terms[k];
    }
    if (y) {
        v_store_n(y, e, n);
    }
    return sum;
}

/* Sum of e^(x - shift); stores the terms if y isn't NULL. The last vector overlaps the one before it: it is computed
 * first, since y may be x, and of its terms only the new ones count. */
static inline float row_exp(const float *x, float *y, size_t n, v_f shift)
{
    const size_t n_whole = n / V_N * V_N;
    v_f a = v_set(0.0f), b = a, last = a;
    size_t i = 0;
    if (n < V_N) {
        return short_exp(x, y, n, shift);
    }
    if (n_whole < n) {
        float numbers[V_N];
        for (int k = 0; k < V_N; k++) {
            numbers[k] = (float)k;
        }
        last = v_exp_bounded(v_sub(v_load(x + n - V_N), shift));
        b = v_select(v_lt(v_load(numbers), v_set((float)(V_N - (n - n_whole)))), b, last);
    }
    for (; i + 2 * V_N <= n; i += 2 * V_N) {
        const v_f e = v_exp_bounded(v_sub(v_load(x + i), shift)), f = v_exp_bounded(v_sub(v_load(x + i + V_N), shift));
        a = v_add(a, e);
        b = v_add(b, f);
        if (y) {
            v_store(y + i, e);
            v_store(y + i + V_N, f);
        }
    }
    if (i < n_whole) {
        const v_f e = v_exp_bounded(v_sub(v_load(x + i), shift));
        a = v_add(a, e);
        if (y) {
            v_store(y + i, e);
        }
    }
    if (y && n_whole < n) {
        v_store(y + n - V_N, last);
    }
    return v_sum(v_add(a, b));
}

static void softmax_row(const float *x, float *y, size_t n)
{
    if (n == 0) {
        return;
    }
    const float sum = row_exp(x, y, n, v_set(row_max(x, n)));
    const v_f factor = v_set(1.0f / sum);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_store(y + i, v_mul(v_load(y + i), factor));
    }
    if (i < n) {
        v_store_n(y + i, v_mul(v_load_n(y + i, n - i), factor), n - i);
    }
}

static void log_softmax_row(const float *x, float *y, size_t n)
{
    if (n == 0) {
        return;
    }
    const v_f shift = v_set(row_max(x, n));
    const v_f log_sum = v_log(v_set(row_exp(x, NULL, n, shift)));
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_store(y + i, v_sub(v_sub(v_load(x + i), shift), log_sum));
    }
    if (i < n) {
        v_store_n(y + i, v_sub(v_sub(v_load_n(x + i, n - i), shift), log_sum), n - i);
    }
}

/* n columns, at most V_N. */
static inline void strip(const float *x, float *y, size_t n_axis, size_t stride, size_t n, int is_log)
{
    v_f shift = v_set(-INFINITY), sum = v_set(0.0f);
    for (size_t k = 0; k < n_axis; k++) {
        shift = v_max(v_load_n(x + k * stride, n), shift);
    }
    for (size_t k = 0; k < n_axis; k++) {
        v_f e = v_exp_bounded(v_sub(v_load_n(x + k * stride, n), shift));
        sum = v_add(sum, e);
        if (!is_log) {
            v_store_n(y + k * stride, e, n);
        }
    }
    const v_f last = is_log ? v_log(sum) : v_div(v_set(1.0f), sum);
    for (size_t k = 0; k < n_axis; k++) {
        v_f result = is_log ? v_sub(v_sub(v_load_n(x + k * stride, n), shift), last)
                            : v_mul(v_load_n(y + k * stride, n), last);
        v_store_n(y + k * stride, result, n);
    }
}

static void softmax_columns(const float *x, float *y, size_t n_axis, size_t stride, size_t n_columns)
{
    for (size_t c = 0; c < n_columns; c += V_N) {
        strip(x + c, y + c, n_axis, stride, n_columns - c < V_N ? n_columns - c : V_N, 0);
    }
}

static void log_softmax_columns(const float *x, float *y, size_t n_axis, size_t stride, size_t n_columns)
{
    for (size_t c = 0; c < n_columns; c += V_N) {
        strip(x + c, y + c, n_axis, stride, n_columns - c < V_N ? n_columns - c : V_N, 1);
    }
}

static const pith_softmax_f32 records[] = {
    { .head = { V_ISA("softmax_f32"), PITH_BOUNDED },
      .row = softmax_row, .log_row = log_softmax_row,
      .columns = softmax_columns, .log_columns = log_softmax_columns }
};
