/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_f32 of every ISA against the paper's matrices in double; the convolution as a whole is checked with the
 * operators (ops/matrix_ops). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/winograd_f32.h"
#include "support/test.h"

#define N_CASES 120
#define MAX_N 40

static const double bt[4][4] = { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } };
static const double at[2][4] = { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } };

typedef struct tile_case {
    size_t n, stride;
    pith_guarded pixels[16], v, m, bias, residual[4], y[4];
    const float *d[16];
} tile_case;

static pith_guarded random_block(pith_test *test, size_t count)
{
    pith_guarded block = pith_guarded_alloc(count * sizeof(float), pith_test_random(test) & 1);
    for (size_t i = 0; i < count; i++) {
        ((float *)block.data)[i] = (float)pith_test_uniform(test, -2.0, 2.0);
    }
    return block;
}

static void make_case(pith_test *test, tile_case *c)
{
    c->n = 1 + pith_test_random(test) % MAX_N;
    c->stride = c->n + pith_test_random(test) % 5;
    for (int i = 0; i < 16; i++) {
        c->pixels[i] = random_block(test, c->n);
        c->d[i] = c->pixels[i].data;
    }
    c->v = random_block(test, 15 * c->stride + c->n);
    c->m = random_block(test, 15 * c->stride + c->n);
    c->bias = random_block(test, c->n);
    for (int i = 0; i < 4; i++) {
        c->residual[i] = random_block(test, c->n);
        c->y[i] = random_block(test, c->n);
    }
}

static void free_case(tile_case *c)
{
    for (int i = 0; i < 16; i++) {
        pith_guarded_free(&c->pixels[i]);
    }
    for (int i = 0; i < 4; i++) {
        pith_guarded_free(&c->residual[i]);
        pith_guarded_free(&c->y[i]);
    }
    pith_guarded_free(&c->v);
    pith_guarded_free(&c->m);
    pith_guarded_free(&c->bias);
}

/* Element (p, q) of left d right-transposed, where row and column factors come from one matrix. */
static double transformed(const double left[4], const double right[4], const float *const d[16], size_t c)
{
    double sum = 0.0;
    for (int i = 0; i < 16; i++) {
        sum += left[i / 4] * right[i % 4] * (double)d[i][c];
    }
    return sum;
}

static void check_input(pith_test *test, const pith_winograd_f32 *kernel, const tile_case *c)
{
    float *v = c->v.data, *before = malloc((15 * c->stride + c->n) * sizeof(float));
    memcpy(before, v, (15 * c->stride + c->n) * sizeof(float));
    kernel->input(c->d, v, c->stride, c->n);
    for (size_t i = 0; i < 15 * c->stride + c->n; i++) {
        size_t p = i / c->stride, channel = i % c->stride;
        if (channel >= c->n) {
            TEST_CHECK(test, memcmp(&v[i], &before[i], sizeof(float)) == 0);
            continue;
        }
        double wanted = transformed(bt[p / 4], bt[p % 4], c->d, channel);
        TEST_CHECK_MESSAGE(test, fabs((double)v[i] - wanted) <= 8 * 8 * (double)FLT_EPSILON,
                           "v[%zu][%zu] is %g, not %g", p, channel, (double)v[i], wanted);
    }
    free(before);
}

static void check_output(pith_test *test, const pith_winograd_f32 *kernel, tile_case *c)
{
    bool has_bias = pith_test_random(test) & 1, has_residual = pith_test_random(test) & 1;
    int left_out = (int)(pith_test_random(test) % 8);
    pith_winograd_f32_output o = { .m = c->m.data,
                                   .m_stride = c->stride,
                                   .bias = has_bias ? c->bias.data : NULL,
                                   .n = c->n,
                                   .lo = pith_test_random(test) & 1 ? -1.0f : -INFINITY,
                                   .hi = 2.5f };
    const float *rows[16];
    for (int i = 0; i < 16; i++) {
        rows[i] = (const float *)c->m.data + (size_t)i * c->stride;
    }
    for (int i = 0; i < 4; i++) {
        o.residual[i] = has_residual ? c->residual[i].data : NULL;
        o.y[i] = i == left_out ? NULL : c->y[i].data;
    }
    kernel->output(&o);
    for (size_t i = 0; i < 4 * c->n; i++) {
        size_t pixel = i / c->n, channel = i % c->n;
        double wanted = transformed(at[pixel / 2], at[pixel % 2], rows, channel);
        wanted += has_bias ? (double)((float *)c->bias.data)[channel] : 0.0;
        wanted += has_residual ? (double)((float *)c->residual[pixel].data)[channel] : 0.0;
        wanted = fmin(fmax(wanted, (double)o.lo), (double)o.hi);
        double got = (double)((float *)c->y[pixel].data)[channel];
        TEST_CHECK_MESSAGE(test, (int)pixel == left_out || fabs(got - wanted) <= 8 * 22 * (double)FLT_EPSILON,
                           "y[%zu][%zu] is %g, not %g", pixel, channel, got, wanted);
    }
}

/* NaN stays through the clamp. */
static void check_nan(pith_test *test, const pith_winograd_f32 *kernel, tile_case *c)
{
    pith_winograd_f32_output o = { .m = c->m.data, .m_stride = c->stride, .n = c->n, .lo = 0.0f, .hi = 6.0f };
    for (int i = 0; i < 4; i++) {
        o.y[i] = c->y[i].data;
    }
    ((float *)c->m.data)[5 * c->stride + c->n - 1] = NAN; /* position (1, 1) is seen by all outputs */
    kernel->output(&o);
    for (int i = 0; i < 4; i++) {
        TEST_CHECK(test, isnan(((float *)c->y[i].data)[c->n - 1]));
        TEST_CHECK(test, c->n == 1 || !isnan(((float *)c->y[i].data)[0]));
    }
}

void test_winograd_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("winograd_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_winograd_f32 *kernel = set->records;
        for (int i = 0; i < N_CASES; i++) {
            tile_case c = { 0 };
            pith_test_case(test, "%s %d", kernel->head.name, i);
            make_case(test, &c);
            check_input(test, kernel, &c);
            check_output(test, kernel, &c);
            check_nan(test, kernel, &c);
            free_case(&c);
        }
    }
}
