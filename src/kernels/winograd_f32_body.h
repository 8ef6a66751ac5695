/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_f32 for any vector ISA: included once by <isa>/winograd_f32.c after that folder's vec_f32.h. Both
 * transforms are separable: columns first, then rows. */
#include "kernels/winograd_f32.h"

static inline void transform_input(const float *const d[16], float *v, size_t v_stride, size_t c, size_t n)
{
    v_f t[4][4];
    for (int j = 0; j < 4; j++) {
        v_f d0 = v_load_n(d[j] + c, n), d1 = v_load_n(d[4 + j] + c, n);
        v_f d2 = v_load_n(d[8 + j] + c, n), d3 = v_load_n(d[12 + j] + c, n);
        t[0][j] = v_sub(d0, d2);
        t[1][j] = v_add(d1, d2);
        t[2][j] = v_sub(d2, d1);
        t[3][j] = v_sub(d1, d3);
    }
    for (int i = 0; i < 4; i++) {
        float *to = v + (size_t)(4 * i) * v_stride + c;
        const v_f row[4] = { v_sub(t[i][0], t[i][2]), v_add(t[i][1], t[i][2]), v_sub(t[i][2], t[i][1]),
                             v_sub(t[i][1], t[i][3]) };
        for (int j = 0; j < 4; j++) {
            if (n == V_N) {
                v_store(to + (size_t)j * v_stride, row[j]);
            } else {
                v_store_n(to + (size_t)j * v_stride, row[j], n);
            }
        }
    }
}

static void input(const float *const d[16], float *v, size_t v_stride, size_t n)
{
    size_t c = 0;
    for (; c + V_N <= n; c += V_N) {
        transform_input(d, v, v_stride, c, V_N);
    }
    if (c < n) {
        transform_input(d, v, v_stride, c, n - c);
    }
}

static inline void store_pixel(const pith_winograd_f32_output *t, int pixel, v_f value, size_t c, size_t n)
{
    if (!t->y[pixel]) {
        return;
    }
    value = t->residual[pixel] ? v_add(value, v_load_n(t->residual[pixel] + c, n)) : value;
    value = v_min(v_set(t->hi), v_max(v_set(t->lo), value)); /* NaN in value stays */
    if (n == V_N) {
        v_store(t->y[pixel] + c, value);
    } else {
        v_store_n(t->y[pixel] + c, value, n);
    }
}

static inline void transform_output(const pith_winograd_f32_output *t, size_t c, size_t n)
{
    v_f s[2][4], bias = t->bias ? v_load_n(t->bias + c, n) : v_set(0.0f);
    for (int j = 0; j < 4; j++) {
        const float *m = t->m + (size_t)j * t->m_stride + c;
        v_f m0 = v_load_n(m, n), m1 = v_load_n(m + 4 * t->m_stride, n);
        v_f m2 = v_load_n(m + 8 * t->m_stride, n), m3 = v_load_n(m + 12 * t->m_stride, n);
        s[0][j] = v_add(v_add(m0, m1), m2);
        s[1][j] = v_sub(v_sub(m1, m2), m3);
    }
    for (int i = 0; i < 2; i++) {
        v_f left = v_add(v_add(s[i][0], s[i][1]), s[i][2]), right = v_sub(v_sub(s[i][1], s[i][2]), s[i][3]);
        store_pixel(t, 2 * i, v_add(left, bias), c, n);
        store_pixel(t, 2 * i + 1, v_add(right, bias), c, n);
    }
}

static void output(const pith_winograd_f32_output *t)
{
    size_t c = 0;
    for (; c + V_N <= t->n; c += V_N) {
        transform_output(t, c, V_N);
    }
    if (c < t->n) {
        transform_output(t, c, t->n - c);
    }
}

static const pith_winograd_f32 records[] = {
    { .head = { V_ISA("winograd_f32_2x2"), PITH_BOUNDED }, .input = input, .output = output }
};
