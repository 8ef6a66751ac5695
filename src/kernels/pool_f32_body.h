/* SPDX-License-Identifier: Apache-2.0 */
/* Family pool_f32 in the words of vec_f32.h: one text for every ISA. */

static inline v_f take_max(v_f acc, v_f x) { return v_select(v_is_nan(acc), acc, v_max(acc, x)); }
static inline v_f take_sum(v_f acc, v_f x) { return v_add(acc, x); }
static inline v_f finish_max(v_f acc, v_f factor) { (void)factor; return acc; }
static inline v_f finish_sum(v_f acc, v_f factor) { return v_mul(acc, factor); }

#define POOL(name)                                                                                 \
    static inline void name##_window(const float *const *taps, size_t n_taps, size_t at, float *y, size_t n_channels, \
                                     v_f f)                                                        \
    {                                                                                              \
        size_t c = 0;                                                                              \
        for (; c + 4 * V_N <= n_channels; c += 4 * V_N) {                                          \
            const float *p = taps[0] + at + c;                                                          \
            v_f a = v_load(p), b = v_load(p + V_N), d = v_load(p + 2 * V_N), e = v_load(p + 3 * V_N); \
            for (size_t t = 1; t < n_taps; t++) {                                                  \
                p = taps[t] + at + c;                                                                   \
                a = take_##name(a, v_load(p));                                                     \
                b = take_##name(b, v_load(p + V_N));                                               \
                d = take_##name(d, v_load(p + 2 * V_N));                                           \
                e = take_##name(e, v_load(p + 3 * V_N));                                           \
            }                                                                                      \
            v_store(y + c, finish_##name(a, f));                                                   \
            v_store(y + c + V_N, finish_##name(b, f));                                             \
            v_store(y + c + 2 * V_N, finish_##name(d, f));                                         \
            v_store(y + c + 3 * V_N, finish_##name(e, f));                                         \
        }                                                                                          \
        for (; c + V_N <= n_channels; c += V_N) {                                                  \
            v_f a = v_load(taps[0] + at + c);                                                      \
            for (size_t t = 1; t < n_taps; t++) {                                                  \
                a = take_##name(a, v_load(taps[t] + at + c));                                      \
            }                                                                                      \
            v_store(y + c, finish_##name(a, f));                                                   \
        }                                                                                          \
        if (c < n_channels) {                                                                      \
            const size_t n = n_channels - c;                                                       \
            v_f a = v_load_n(taps[0] + at + c, n);                                                      \
            for (size_t t = 1; t < n_taps; t++) {                                                  \
                a = take_##name(a, v_load_n(taps[t] + at + c, n));                                      \
            }                                                                                      \
            v_store_n(y + c, finish_##name(a, f), n);                                              \
        }                                                                                          \
    }                                                                                              \
    static void name##_pixel(const float *const *taps, size_t n_taps, float *y, size_t n_channels, float factor) \
    {                                                                                              \
        name##_window(taps, n_taps, 0, y, n_channels, v_set(factor));                              \
    }                                                                                              \
    static void name##_run(const float *const *taps, size_t n_taps, size_t x_step, float *y, size_t n_channels, \
                           size_t n_pixels, float factor)                                          \
    {                                                                                              \
        for (size_t i = 0; i < n_pixels; i++) {                                                    \
            name##_window(taps, n_taps, i * x_step, y + i * n_channels, n_channels, v_set(factor)); \
        }                                                                                          \
    }                                                                                              \
    static void name##_row(const float *x, ptrdiff_t stride, float *y, size_t n)                   \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + V_N <= n; i += V_N) {                                                           \
            const float *p = x + (ptrdiff_t)i * stride;                                            \
            v_store(y + i, take_##name(v_load(y + i), stride == 1 ? v_load(p) : v_load_stride(p, stride))); \
        }                                                                                          \
        if (i < n) {                                                                               \
            float last[V_N];                                                                       \
            for (size_t k = i; k < n; k++) {                                                       \
                last[k - i] = x[(ptrdiff_t)k * stride];                                            \
            }                                                                                      \
            v_store_n(y + i, take_##name(v_load_n(y + i, n - i), v_load_n(last, n - i)), n - i);   \
        }                                                                                          \
    }

POOL(max)
POOL(sum)

static const pith_pool_f32 records[] = {
    { .head = { V_ISA("pool_f32"), PITH_EXACT }, .pixel = { max_pixel, sum_pixel },
      .run = { max_run, sum_run }, .row = { max_row, sum_row } }
};

#undef POOL
