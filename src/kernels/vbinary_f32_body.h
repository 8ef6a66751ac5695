/* SPDX-License-Identifier: Apache-2.0 */
/* Family vbinary_f32 in the words of vec_f32.h: one text for every ISA. */

/* The three forms of y = expression of a and b. Single values are read before y, which may lie on them, is written. */
#define BINARY(name, expression)                                                                   \
    static inline v_f f_##name(v_f a, v_f b) { return (expression); }                              \
    static void name##_vv(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + V_N <= n; i += V_N) {                                                           \
            v_store(y + i, f_##name(v_load(a + i), v_load(b + i)));                                \
        }                                                                                          \
        if (i < n) {                                                                               \
            v_store_n(y + i, f_##name(v_load_n(a + i, n - i), v_load_n(b + i, n - i)), n - i);     \
        }                                                                                          \
    }                                                                                              \
    static void name##_vs(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        const v_f single = v_set(n ? *b : 0.0f);                                                   \
        size_t i = 0;                                                                              \
        for (; i + V_N <= n; i += V_N) {                                                           \
            v_store(y + i, f_##name(v_load(a + i), single));                                       \
        }                                                                                          \
        if (i < n) {                                                                               \
            v_store_n(y + i, f_##name(v_load_n(a + i, n - i), single), n - i);                     \
        }                                                                                          \
    }                                                                                              \
    static void name##_sv(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        const v_f single = v_set(n ? *a : 0.0f);                                                   \
        size_t i = 0;                                                                              \
        for (; i + V_N <= n; i += V_N) {                                                           \
            v_store(y + i, f_##name(single, v_load(b + i)));                                       \
        }                                                                                          \
        if (i < n) {                                                                               \
            v_store_n(y + i, f_##name(single, v_load_n(b + i, n - i)), n - i);                     \
        }                                                                                          \
    }

BINARY(add, v_add(a, b))
BINARY(sub, v_sub(a, b))
BINARY(mul, v_mul(a, b))
BINARY(div, v_div(a, b))
BINARY(min, v_select(v_is_nan(a), a, v_min(a, b))) /* v_min gives b if b is NaN */
BINARY(max, v_select(v_is_nan(a), a, v_max(a, b)))
BINARY(prelu, v_select(v_lt(a, v_set(0.0f)), v_mul(a, b), a))

#undef BINARY
#define ENTRY(name) { name##_vv, name##_vs, name##_sv }

static const pith_vbinary_f32 records[] = {
    { .head = { V_ISA("vbinary_f32"), PITH_EXACT },
      .functions = { [PITH_VBINARY_ADD] = ENTRY(add), [PITH_VBINARY_SUB] = ENTRY(sub), [PITH_VBINARY_MUL] = ENTRY(mul),
                     [PITH_VBINARY_DIV] = ENTRY(div), [PITH_VBINARY_MIN] = ENTRY(min), [PITH_VBINARY_MAX] = ENTRY(max),
                     [PITH_VBINARY_PRELU] = ENTRY(prelu) } }
};

#undef ENTRY
