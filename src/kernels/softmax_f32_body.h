/* SPDX-License-Identifier: Apache-2.0 */
/* Family softmax_f32 in the words of vec_f32.h and vmath_f32.h: one text for every ISA. */

/* Largest element; NaN may be missed, the sum finds it. */
static inline float row_max(const float *x, size_t n)
{
    v_f best = v_set(-INFINITY);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        best = v_max(v_load(x + i), best);
    }
    float result = v_greatest(best);
    for (; i < n; i++) {
        result = x[i] > result ? x[i] : result;
    }
    return result;
}

/* Sum of e^(x - shift); stores the terms if y isn't NULL. */
static inline float row_exp(const float *x, float *y, size_t n, v_f shift)
{
    v_f sum = v_set(0.0f);
    float last[V_N], tail = 0.0f;
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_f e = v_exp_bounded(v_sub(v_load(x + i), shift));
        sum = v_add(sum, e);
        if (y) {
            v_store(y + i, e);
        }
    }
    if (i < n) {
        v_f e = v_exp_bounded(v_sub(v_load_n(x + i, n - i), shift));
        v_store(last, e);
        for (size_t k = 0; k < n - i; k++) {
            tail += last[k];
        }
        if (y) {
            v_store_n(y + i, e, n - i);
        }
    }
    return v_sum(sum) + tail;
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
