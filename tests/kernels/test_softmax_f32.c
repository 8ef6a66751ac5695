/* SPDX-License-Identifier: Apache-2.0 */
/* softmax_f32 under every ISA against double: rows and columns, in place, guard zones, specials, split columns. */
#include <float.h>
#include <math.h>

#include "kernels/softmax_f32.h"
#include "support/float_vectors.h"

static void check_group(pith_test *test, const float *x, const float *y, size_t n, size_t stride, bool is_log)
{
    double shift = -INFINITY, sum = 0.0;
    const double eps = (double)FLT_EPSILON;
    for (size_t k = 0; k < n; k++) {
        shift = isnan(x[k * stride]) || (double)x[k * stride] > shift ? (double)x[k * stride] : shift;
    }
    for (size_t k = 0; k < n; k++) {
        sum += exp((double)x[k * stride] - shift);
    }
    for (size_t k = 0; k < n; k++) {
        const double centred = (double)x[k * stride] - shift, got = (double)y[k * stride];
        const double wanted = is_log ? centred - log(sum) : exp(centred) / sum;
        const double bound = ((double)n / 2 + 5 + fabs(centred)) * eps * (is_log ? 1.0 + fabs(wanted)
                                                                          : wanted + (double)FLT_MIN);
        const bool is_near = (isnan(got) && isnan(wanted)) || got == wanted || fabs(got - wanted) <= bound;
        TEST_CHECK_MESSAGE(test, is_near, "log %d n %zu stride %zu element %zu: %.9g, wanted %.9g", is_log, n, stride,
                           k, got, wanted);
    }
}

static void check_row(pith_test *test, const pith_softmax_f32 *kernel, size_t n, int special, bool is_log)
{
    static const float values[] = { 0.0f, -INFINITY, INFINITY, NAN };
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, -20, 20, false), y = pith_test_floats_new(n, n % 2);
    pith_softmax_row_fn *fn = is_log ? kernel->log_row : kernel->row;
    if (special && n > 0) {
        x.data[pith_test_random(test) % n] = values[special];
    }
    fn(x.data, y.data, n);
    check_group(test, x.data, y.data, n, 1, is_log);
    fn(x.data, x.data, n);
    TEST_CHECK(test, n == 0 || memcmp(x.data, y.data, n * sizeof(float)) == 0 || special == 3 || special == 2);
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
}

static void check_columns(pith_test *test, const pith_softmax_f32 *kernel, size_t n_axis, size_t n_columns, bool is_log)
{
    const size_t stride = n_columns + n_axis % 3, n = (n_axis - 1) * stride + n_columns, half = n_columns / 2;
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, -20, 20, false), y = pith_test_floats_new(n, n % 2);
    pith_softmax_columns_fn *fn = is_log ? kernel->log_columns : kernel->columns;
    memcpy(y.data, x.data, n * sizeof(float));
    fn(x.data, y.data, n_axis, stride, n_columns);
    for (size_t c = 0; c < n_columns; c++) {
        check_group(test, x.data + c, y.data + c, n_axis, stride, is_log);
    }
    fn(x.data, x.data, n_axis, stride, half); /* in place, and in two calls */
    fn(x.data + half, x.data + half, n_axis, stride, n_columns - half);
    TEST_CHECK(test, memcmp(x.data, y.data, n * sizeof(float)) == 0);
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
}

static void check(pith_test *test, const void *records, const char *isa)
{
    (void)isa;
    for (int is_log = 0; is_log <= 1; is_log++) {
        for (size_t n = 0; n <= 67; n++) {
            for (int special = 0; special < 4; special++) {
                check_row(test, records, n, special, is_log);
            }
            check_columns(test, records, 1 + n % 9, 1 + n, is_log);
        }
        check_row(test, records, 10007, 0, is_log);
    }
}

void test_softmax_f32(pith_test *test)
{
    pith_test_each_isa(test, "softmax_f32", check);
}
