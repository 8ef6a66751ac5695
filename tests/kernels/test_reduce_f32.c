/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_f32 under every ISA against sums in double: rows, columns, sizes, strides, guard zones, NaN, and the same bits
 * when columns are split. */
#include <float.h>
#include <math.h>

#include "kernels/reduce_f32.h"
#include "support/float_vectors.h"

typedef struct truth {
    double value, magnitude; /* magnitude: sum of absolute terms */
} truth;

static truth reduce(int kind, const float *x, size_t n, size_t stride)
{
    truth t = { kind == PITH_REDUCE_MAX ? -INFINITY : kind == PITH_REDUCE_MIN ? INFINITY : 0.0, 0.0 };
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i * stride];
        const double term = kind == PITH_REDUCE_SUM_ABS ? fabs(v) : kind == PITH_REDUCE_SUM_SQUARE ? v * v : v;
        t.magnitude += fabs(term);
        if (kind == PITH_REDUCE_MAX) {
            t.value = isnan(v) || v > t.value ? v : t.value;
        } else if (kind == PITH_REDUCE_MIN) {
            t.value = isnan(v) || v < t.value ? v : t.value;
        } else {
            t.value += term;
        }
    }
    return t;
}

static void check_value(pith_test *test, int kind, float got, truth t, size_t n, const char *what)
{
    const bool is_sum = kind <= PITH_REDUCE_SUM_SQUARE;
    const double bound = is_sum ? ((double)n / 64 + 70) * (double)FLT_EPSILON * t.magnitude : 0.0;
    const bool is_near = (isnan(got) && isnan(t.value)) || (double)got == t.value ||
        fabs((double)got - t.value) <= bound;
    TEST_CHECK_MESSAGE(test, is_near, "%s kind %d n %zu: %.9g, wanted %.9g", what, kind, n, (double)got, t.value);
}

static void check_rows(pith_test *test, const pith_reduce_f32 *kernel, int kind, size_t n, bool has_nan)
{
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, -3, 4, false);
    if (has_nan && n > 0) {
        x.data[pith_test_random(test) % n] = NAN;
    }
    truth t = reduce(kind, x.data, n, 1);
    t.value = has_nan && n > 0 ? NAN : t.value;
    check_value(test, kind, kernel->rows[kind](x.data, n), t, n, "row");
    pith_test_floats_free(&x);
}

static void check_columns(pith_test *test, const pith_reduce_f32 *kernel, int kind, size_t n_rows, size_t n_columns)
{
    const size_t stride = n_columns + n_rows % 3;
    const size_t n = n_rows ? (n_rows - 1) * stride + n_columns : 0;
    pith_test_floats x = pith_test_floats_random(test, n, n % 2, -3, 4, false);
    pith_test_floats y = pith_test_floats_new(n_columns, n % 2), halves = pith_test_floats_new(n_columns, false);
    const size_t half = n_columns / 2;
    kernel->columns[kind](x.data, n_rows, stride, y.data, n_columns);
    kernel->columns[kind](x.data, n_rows, stride, halves.data, half);
    kernel->columns[kind](x.data + (n ? half : 0), n_rows, stride, halves.data + half, n_columns - half);
    for (size_t c = 0; c < n_columns; c++) {
        check_value(test, kind, y.data[c], reduce(kind, x.data + (n ? c : 0), n_rows, stride), n_rows, "column");
    }
    TEST_CHECK(test, n_columns == 0 || memcmp(y.data, halves.data, n_columns * sizeof(float)) == 0);
    pith_test_floats_free(&x);
    pith_test_floats_free(&y);
    pith_test_floats_free(&halves);
}

static void check(pith_test *test, const void *records, const char *isa)
{
    (void)isa;
    for (int kind = 0; kind < PITH_REDUCE_COUNT; kind++) {
        for (size_t n = 0; n <= 67; n++) {
            check_rows(test, records, kind, n, false);
            check_rows(test, records, kind, n, true);
            check_columns(test, records, kind, n % 7, n);
        }
        check_rows(test, records, kind, 10007, false);
        check_columns(test, records, kind, 0, 5);
        check_columns(test, records, kind, 1000, 37);
        check_columns(test, records, kind, 49, 131);
    }
}

void test_reduce_f32(pith_test *test)
{
    pith_test_each_isa(test, "reduce_f32", check);
}
