/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_f32 of every ISA against the matrices of Cook and Toom, built here in double from the points, and the whole
 * scheme against a direct sum; convolutions are checked with the operators (ops/matrix_ops). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/winograd_f32.h"
#include "support/test.h"

#define N_CASES 60
#define MAX_CHANNELS 40
#define MAX_SIZE 8

typedef struct matrices {
    int m, n;
    double points[MAX_SIZE], bt[MAX_SIZE][MAX_SIZE], at[MAX_SIZE][MAX_SIZE];
} matrices;

/* Coefficients of the product of (x - points[i]) over all i but `left_out`. */
static void multiply_out(const matrices *a, int left_out, double out[MAX_SIZE])
{
    memset(out, 0, MAX_SIZE * sizeof out[0]);
    out[0] = 1.0;
    for (int i = 0; i < a->n - 1; i++) {
        for (int k = MAX_SIZE - 1; k >= 0 && i != left_out; k--) {
            out[k] = (k > 0 ? out[k - 1] : 0.0) - a->points[i] * out[k];
        }
    }
}

static matrices make_matrices(const pith_winograd_f32 *kernel)
{
    matrices a = { .m = 2 * kernel->n_pairs, .n = 2 * kernel->n_pairs + 2 };
    for (int i = 0; i < kernel->n_pairs; i++) {
        a.points[1 + 2 * i] = (double)kernel->points[i];
        a.points[2 + 2 * i] = -(double)kernel->points[i];
    }
    for (int i = 0; i < a.n; i++) {
        multiply_out(&a, i, a.bt[i]);
        for (int k = 0; k < a.m; k++) {
            a.at[k][i] = i < a.n - 1 ? pow(a.points[i], k) : k == a.m - 1;
        }
    }
    return a;
}

static pith_guarded random_block(pith_test *test, size_t count)
{
    pith_guarded block = pith_guarded_alloc(count * sizeof(float), pith_test_random(test) & 1);
    for (size_t i = 0; i < count; i++) {
        ((float *)block.data)[i] = (float)pith_test_uniform(test, -2.0, 2.0);
    }
    return block;
}

/* sum left[i] right[j] d(i, j) and the sum of magnitudes. */
static double transformed(const double *left, const double *right, const double d[MAX_SIZE][MAX_SIZE], int n,
                          double *magnitude)
{
    double sum = 0.0;
    *magnitude = 0.0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            sum += left[i] * right[j] * d[i][j];
            *magnitude += fabs(left[i] * right[j] * d[i][j]);
        }
    }
    return sum;
}

static void check_input_tile(pith_test *test, const matrices *a, const pith_winograd_f32_input *t, int tile, size_t c)
{
    double d[MAX_SIZE][MAX_SIZE] = { { 0 } };
    for (int i = 0; i < a->n; i++) {
        for (int j = 0; j < a->n; j++) {
            int y = t->y_first + i, x = t->x_first + tile * a->m + j;
            bool is_inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
            d[i][j] = is_inside ? (double)t->x[(size_t)y * t->x_row_stride + (size_t)x * t->x_pixel_stride + c] : 0.0;
        }
    }
    for (int p = 0; p < a->n * a->n; p++) {
        double magnitude = 0.0, wanted = transformed(a->bt[p / a->n], a->bt[p % a->n], (const double(*)[8])d, a->n,
                                                     &magnitude);
        double got = (double)t->v[(size_t)p * t->v_stride + (size_t)tile * t->n_channels + c];
        TEST_CHECK_MESSAGE(test, fabs(got - wanted) <= 16 * magnitude * (double)FLT_EPSILON, "v[%d] is %g, not %g", p,
                           got, wanted);
    }
}

static void check_input(pith_test *test, const pith_winograd_f32 *kernel, const matrices *a)
{
    size_t n = 1 + pith_test_random(test) % MAX_CHANNELS, pixel = n + pith_test_random(test) % 3;
    int in_h = 1 + (int)(pith_test_random(test) % 9), in_w = 1 + (int)(pith_test_random(test) % 30);
    int n_tiles = 1 + (int)(pith_test_random(test) % 4);
    pith_guarded x = random_block(test, ((size_t)(in_h * in_w) - 1) * pixel + n);
    size_t stride = (size_t)n_tiles * n + pith_test_random(test) % 5;
    size_t n_floats = (size_t)(a->n * a->n - 1) * stride + (size_t)n_tiles * n;
    pith_guarded v = random_block(test, n_floats);
    float *before = malloc(n_floats * sizeof(float));
    memcpy(before, v.data, n_floats * sizeof(float));
    pith_winograd_f32_input t = { .x = x.data, .x_row_stride = (size_t)in_w * pixel, .x_pixel_stride = pixel,
                                  .in_h = in_h, .in_w = in_w, .y_first = (int)(pith_test_random(test) % 12) - 4,
                                  .x_first = -(int)(pith_test_random(test) % 3), .v = v.data, .v_stride = stride,
                                  .n_channels = n, .n_tiles = n_tiles };
    kernel->input(&t);
    for (int tile = 0; tile < n_tiles; tile++) {
        for (size_t c = 0; c < n; c++) {
            check_input_tile(test, a, &t, tile, c);
        }
    }
    for (size_t i = 0; i < n_floats; i++) {
        bool is_between = i % stride >= (size_t)n_tiles * n;
        TEST_CHECK(test, !is_between || memcmp((float *)v.data + i, before + i, sizeof(float)) == 0);
    }
    free(before);
    pith_guarded_free(&x);
    pith_guarded_free(&v);
}

static void check_output_pixel(pith_test *test, const matrices *a, const pith_winograd_f32_output *o, int i, int x,
                               size_t c)
{
    double d[MAX_SIZE][MAX_SIZE] = { { 0 } }, magnitude = 0.0;
    for (int p = 0; p < a->n * a->n; p++) {
        d[p / a->n][p % a->n] = (double)o->m[(size_t)p * o->m_stride + (size_t)(x / a->m) * o->m_tile_stride + c];
    }
    size_t at = (size_t)i * o->y_row_stride + (size_t)x * o->y_pixel_stride + c;
    double wanted = transformed(a->at[i], a->at[x % a->m], (const double(*)[8])d, a->n, &magnitude);
    wanted += o->bias ? (double)o->bias[c] : 0.0;
    wanted += o->residual ? (double)o->residual[at] : 0.0;
    wanted = fmin(fmax(wanted, (double)o->lo), (double)o->hi);
    TEST_CHECK_MESSAGE(test, fabs((double)o->y[at] - wanted) <= 16 * (magnitude + 4) * (double)FLT_EPSILON,
                       "y[%d][%d][%zu] is %g, not %g", i, x, c, (double)o->y[at], wanted);
}

static void check_output(pith_test *test, const pith_winograd_f32 *kernel, const matrices *a)
{
    size_t n = 1 + pith_test_random(test) % MAX_CHANNELS, pixel = n + pith_test_random(test) % 3;
    int n_tiles = 1 + (int)(pith_test_random(test) % 4), rows = 1 + (int)(pith_test_random(test) % (unsigned)a->m);
    int columns = (n_tiles - 1) * a->m + 1 + (int)(pith_test_random(test) % (unsigned)a->m);
    size_t tile_stride = n + pith_test_random(test) % 3, stride = (size_t)n_tiles * tile_stride;
    size_t row = (size_t)columns * pixel, n_y = (size_t)(rows - 1) * row + (size_t)(columns - 1) * pixel + n;
    pith_guarded m = random_block(test, (size_t)(a->n * a->n) * stride), bias = random_block(test, n);
    pith_guarded residual = random_block(test, n_y), y = random_block(test, n_y);
    pith_winograd_f32_output o = { .m = m.data, .m_stride = stride, .m_tile_stride = tile_stride,
                                   .bias = pith_test_random(test) & 1 ? bias.data : NULL,
                                   .residual = pith_test_random(test) & 1 ? residual.data : NULL, .y = y.data,
                                   .y_row_stride = row, .y_pixel_stride = pixel, .n_channels = n,
                                   .n_tiles = n_tiles, .rows = rows, .columns = columns,
                                   .lo = pith_test_random(test) & 1 ? -1.0f : -INFINITY, .hi = 2.5f };
    kernel->output(&o);
    for (size_t i = 0; i < (size_t)(rows * columns) * n; i++) {
        check_output_pixel(test, a, &o, (int)(i / n) / columns, (int)(i / n) % columns, i % n);
    }
    ((float *)m.data)[(size_t)(a->n + 1) * stride + n - 1] = NAN; /* position (1, 1) is seen by all outputs of tile 0 */
    kernel->output(&o);
    TEST_CHECK(test, isnan(o.y[n - 1]));
    TEST_CHECK(test, n == 1 || !isnan(o.y[0]));
    pith_guarded_free(&m);
    pith_guarded_free(&bias);
    pith_guarded_free(&residual);
    pith_guarded_free(&y);
}

/* One tile, one channel: At (u . Bt d B) A is the convolution. The bound is that of docs/numerics.md. */
static void check_scheme(pith_test *test, const pith_winograd_f32 *kernel, const matrices *a)
{
    static const double bounds[] = { 8, 64, 512 };
    float d[MAX_SIZE * MAX_SIZE], v[MAX_SIZE * MAX_SIZE], u[MAX_SIZE * MAX_SIZE], y[MAX_SIZE * MAX_SIZE], g[9];
    for (int i = 0; i < a->n * a->n; i++) {
        d[i] = (float)pith_test_uniform(test, -1.0, 1.0);
        g[i % 9] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    kernel->input(&(pith_winograd_f32_input){ .x = d, .x_row_stride = (size_t)a->n, .x_pixel_stride = 1,
                                              .in_h = a->n, .in_w = a->n, .v = v, .v_stride = 1, .n_channels = 1,
                                              .n_tiles = 1 });
    const pith_winograd_f32_rows rows = pithi_winograd_f32_rows(kernel);
    pithi_winograd_f32_weights(&rows, g, u);
    for (int i = 0; i < a->n * a->n; i++) {
        v[i] *= u[i];
    }
    kernel->output(&(pith_winograd_f32_output){ .m = v, .m_stride = 1, .y = y, .y_row_stride = (size_t)a->m,
                                                .y_pixel_stride = 1, .n_channels = 1, .n_tiles = 1, .rows = a->m,
                                                .columns = a->m, .lo = -INFINITY, .hi = INFINITY });
    for (int i = 0; i < a->m * a->m; i++) {
        double wanted = 0.0;
        for (int t = 0; t < 9; t++) {
            wanted += (double)g[t] * (double)d[(i / a->m + t / 3) * a->n + i % a->m + t % 3];
        }
        TEST_CHECK_MESSAGE(test, fabs((double)y[i] - wanted) <= bounds[kernel->n_pairs - 1] * (double)FLT_EPSILON,
                           "output %d is %.9g, not %.9g", i, (double)y[i], wanted);
    }
}

void test_winograd_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("winograd_f32", isa);
        for (int r = 0; set && pithi_isa_is_available(isa) && r < set->n_records; r++) {
            const pith_winograd_f32 *kernel = (const pith_winograd_f32 *)set->records + r;
            const matrices a = make_matrices(kernel);
            for (int i = 0; i < N_CASES; i++) {
                pith_test_case(test, "%s %d", kernel->head.name, i);
                check_input(test, kernel, &a);
                check_output(test, kernel, &a);
                check_scheme(test, kernel, &a);
            }
        }
    }
}
