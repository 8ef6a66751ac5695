/* SPDX-License-Identifier: Apache-2.0 */
/* Family norm_f32 in the words of vec_f32.h: one text for every ISA. */

static inline v_f add_centred(v_f acc, v_f x, v_f mean)
{
    v_f centred = v_sub(x, mean);
    return v_fma(centred, centred, acc);
}

/* Blocks of 64 vectors per chain bound the error of long sums. */
static float centred_squares(const float *x, size_t n, float mean)
{
    const v_f m = v_set(mean);
    const size_t whole = n - n % V_N, step = 4 * 64 * V_N;
    v_f total = v_set(0.0f);
    for (size_t i = 0; i < whole;) {
        const size_t end = whole - i < step ? whole : i + step;
        v_f a = v_set(0.0f), b = a, c = a, d = a;
        for (; i + 4 * V_N <= end; i += 4 * V_N) {
            a = add_centred(a, v_load(x + i), m);
            b = add_centred(b, v_load(x + i + V_N), m);
            c = add_centred(c, v_load(x + i + 2 * V_N), m);
            d = add_centred(d, v_load(x + i + 3 * V_N), m);
        }
        for (; i < end; i += V_N) {
            a = add_centred(a, v_load(x + i), m);
        }
        total = v_add(total, v_add(v_add(a, b), v_add(c, d)));
    }
    float result = v_sum(total);
    for (size_t i = whole; i < n; i++) {
        result += (x[i] - mean) * (x[i] - mean);
    }
    return result;
}

static inline v_f affine_vector(v_f x, v_f mean, v_f factor, v_f scale, v_f shift)
{
    return v_fma(v_mul(v_sub(x, mean), factor), scale, shift);
}

static void affine(const float *x, float *y, size_t n, float mean, float factor, const float *scale, const float *shift)
{
    const v_f m = v_set(mean), f = v_set(factor), one = v_set(1.0f), zero = v_set(0.0f);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_f s = scale ? v_load(scale + i) : one, b = shift ? v_load(shift + i) : zero;
        v_store(y + i, affine_vector(v_load(x + i), m, f, s, b));
    }
    if (i < n) {
        v_f s = scale ? v_load_n(scale + i, n - i) : one, b = shift ? v_load_n(shift + i, n - i) : zero;
        v_store_n(y + i, affine_vector(v_load_n(x + i, n - i), m, f, s, b), n - i);
    }
}

static void affine_single(const float *x, float *y, size_t n, float mean, float factor, float shift)
{
    const v_f m = v_set(mean), f = v_set(factor), b = v_set(shift);
    size_t i = 0;
    for (; i + V_N <= n; i += V_N) {
        v_store(y + i, v_fma(v_sub(v_load(x + i), m), f, b));
    }
    if (i < n) {
        v_store_n(y + i, v_fma(v_sub(v_load_n(x + i, n - i), m), f, b), n - i);
    }
}

static const pith_norm_f32 records[] = {
    { .head = { V_ISA("norm_f32"), PITH_BOUNDED },
      .centred_squares = centred_squares, .affine = affine, .affine_single = affine_single }
};
