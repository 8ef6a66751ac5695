/* SPDX-License-Identifier: Apache-2.0 */
#include "support/float_operand.h"

#include <float.h>
#include <math.h>

int pith_test_pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

pith_test_operand pith_test_operand_make(pith_test *test, size_t count, bool specials)
{
    static const float values[] = { 0.0f, -0.0f, NAN, INFINITY, -INFINITY, FLT_MIN, 1e-40f, 1.0f };
    pith_test_operand o = { .memory = pith_guarded_alloc(count * sizeof(float), pith_test_random(test) & 1),
                            .count = count };
    o.data = o.memory.data;
    for (size_t i = 0; i < count; i++) {
        o.data[i] = (float)pith_test_uniform(test, -2.0, 2.0);
        if (specials && pith_test_random(test) % 64 == 0) {
            o.data[i] = values[pith_test_random(test) % 8];
        }
    }
    return o;
}

bool pith_test_is_close(double got, double wanted, double bound)
{
    return (isnan(got) && isnan(wanted)) || got == wanted || fabs(got - wanted) <= bound;
}

void pith_test_check_pixels(pith_test *test, const pith_test_pixels *pixels, pith_test_wanted *wanted,
                            const void *task)
{
    for (size_t i = 0; i < pixels->count; i++) {
        const size_t row = i / pixels->row_stride, column = i % pixels->row_stride / pixels->pixel_stride;
        const size_t channel = i % pixels->row_stride % pixels->pixel_stride;
        if (column >= pixels->width || channel >= pixels->n_channels) {
            TEST_CHECK_MESSAGE(test, memcmp(&pixels->y[i], &pixels->before[i], sizeof(float)) == 0,
                               "element %zu between pixels was written", i);
            continue;
        }
        double bound = 0.0;
        const double value = wanted(task, i, (int)row, (int)column, channel, &bound);
        TEST_CHECK_MESSAGE(test, pith_test_is_close((double)pixels->y[i], value, bound),
                           "[%zu][%zu][%zu] is %.9g, not %.9g", row, column, channel, (double)pixels->y[i], value);
    }
}

double pith_test_finish(double sum, double size, size_t n_terms, const float *residual, const float limits[2],
                        double *bound_out)
{
    sum += residual ? (double)*residual : 0.0;
    size += residual ? fabs((double)*residual) : 0.0;
    sum = sum < (double)limits[0] ? (double)limits[0] : sum;
    *bound_out = (double)(n_terms + 2) * ((double)FLT_EPSILON * size + (double)FLT_TRUE_MIN);
    return sum > (double)limits[1] ? (double)limits[1] : sum;
}
