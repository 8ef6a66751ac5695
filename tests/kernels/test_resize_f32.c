/* SPDX-License-Identifier: Apache-2.0 */
/* resize_f32 of every ISA against sums in double: taps near each other and far apart, rising and falling, operands
 * that end or begin at inaccessible pages. */
#include <float.h>
#include <math.h>

#include "kernels/resize_f32.h"
#include "support/test.h"

#define N_CASES 300
#define MAX_TAPS 6

static int64_t pick(pith_test *test, int64_t low, int64_t high)
{
    return low + (int64_t)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

static pith_guarded make_floats(pith_test *test, int64_t count)
{
    pith_guarded memory = pith_guarded_alloc((size_t)count * sizeof(float), pith_test_random(test) & 1);
    for (int64_t i = 0; i < count; i++) {
        ((float *)memory.data)[i] = (float)pith_test_uniform(test, -2.0, 2.0);
    }
    return memory;
}

static void check_sum(pith_test *test, float value, double sum, double size, int64_t n_taps)
{
    TEST_CHECK_MESSAGE(test, fabs((double)value - sum) <= (double)n_taps * (double)FLT_EPSILON * size + 1e-30,
                       "%g instead of %g", (double)value, sum);
}

static void fill_indices(pith_test *test, int32_t *indices, int64_t n_in, int64_t n_out)
{
    double step = (double)n_in / (double)n_out * pith_test_uniform(test, 0.1, 1.0);
    bool falls = pick(test, 0, 5) == 0;
    for (int64_t x = 0; x < n_out; x++) {
        int32_t index = (int32_t)((double)x * step);
        indices[x] = falls ? (int32_t)n_in - 1 - index : index;
    }
}

static void check_columns(pith_test *test, const pith_resize_f32 *kernel)
{
    int64_t n_in = pick(test, 1, 90), n_out = pick(test, 1, 90), n_taps = pick(test, 1, MAX_TAPS);
    int64_t n_channels = pick(test, 0, 1) ? 1 : pick(test, 2, 40);
    pith_guarded src = make_floats(test, n_in * n_channels), dst = make_floats(test, n_out * n_channels);
    pith_guarded weights = make_floats(test, n_taps * n_out);
    pith_guarded indices = pith_guarded_alloc((size_t)(n_taps * n_out) * sizeof(int32_t), false);
    for (int64_t k = 0; k < n_taps; k++) {
        fill_indices(test, (int32_t *)indices.data + k * n_out, n_in, n_out);
    }
    const pith_resize_taps_f32 taps = { indices.data, weights.data, n_taps, n_out };
    kernel->columns(&taps, src.data, n_channels, dst.data);
    for (int64_t i = 0; i < n_out * n_channels; i++) {
        double sum = 0.0, size = 0.0;
        for (int64_t k = 0; k < n_taps; k++) {
            int64_t at = k * n_out + i / n_channels;
            double term = (double)taps.weights[at] *
                          (double)((float *)src.data)[taps.indices[at] * n_channels + i % n_channels];
            sum += term;
            size += fabs(term);
        }
        check_sum(test, ((float *)dst.data)[i], sum, size, n_taps);
    }
    pith_guarded_free(&src);
    pith_guarded_free(&dst);
    pith_guarded_free(&weights);
    pith_guarded_free(&indices);
}

static void check_rows(pith_test *test, const pith_resize_f32 *kernel)
{
    int64_t n = pick(test, 1, 150), n_taps = pick(test, 1, MAX_TAPS);
    pith_guarded memory[MAX_TAPS], dst = make_floats(test, n), weights = make_floats(test, n_taps);
    const float *src[MAX_TAPS];
    for (int64_t k = 0; k < n_taps; k++) {
        memory[k] = make_floats(test, n);
        src[k] = memory[k].data;
    }
    kernel->rows(src, weights.data, n_taps, dst.data, n);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0, size = 0.0;
        for (int64_t k = 0; k < n_taps; k++) {
            double term = (double)((float *)weights.data)[k] * (double)src[k][i];
            sum += term;
            size += fabs(term);
        }
        check_sum(test, ((float *)dst.data)[i], sum, size, n_taps);
    }
    for (int64_t k = 0; k < n_taps; k++) {
        pith_guarded_free(&memory[k]);
    }
    pith_guarded_free(&dst);
    pith_guarded_free(&weights);
}

void test_resize_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("resize_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_resize_f32 *kernel = set->records;
        pith_test_case(test, "%s columns", kernel->head.name);
        for (int i = 0; i < N_CASES; i++) {
            check_columns(test, kernel);
        }
        pith_test_case(test, "%s rows", kernel->head.name);
        for (int i = 0; i < N_CASES; i++) {
            check_rows(test, kernel);
        }
    }
}
