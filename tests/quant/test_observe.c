/* SPDX-License-Identifier: Apache-2.0 */
/* Observers against what is known of them: ranges of uniform and of normal data, an outlier, the error of a uniform
 * quantiser. */
#include <math.h>

#include "quant/quant.h"
#include "support/test.h"

enum { N = 400000 };

typedef struct sampled {
    pithi_histogram histogram;
    uint64_t bins[PITHI_QUANT_BINS];
} sampled;

static double normal(pith_test *test) /* Box and Muller */
{
    double u = 1.0 - pith_test_uniform(test, 0.0, 1.0);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * pith_test_uniform(test, 0.0, 1.0));
}

static void fill(sampled *s, const double *x, int n)
{
    memset(s, 0, sizeof *s);
    s->histogram.bins = s->bins;
    s->histogram.n_elements = (uint64_t)n;
    for (int i = 0; i < n; i++) {
        s->histogram.low = fmin(s->histogram.low, x[i]);
        s->histogram.high = fmax(s->histogram.high, x[i]);
    }
    for (int i = 0; i < n; i++) {
        double place = (x[i] - s->histogram.low) / (s->histogram.high - s->histogram.low) * PITHI_QUANT_BINS;
        s->bins[place < PITHI_QUANT_BINS ? (int)place : PITHI_QUANT_BINS - 1]++;
    }
}

/* Of the data themselves, not of the histogram. */
static double sqnr(const double *x, int n, pithi_range range)
{
    float scale;
    int zero;
    double signal = 0.0, noise = 0.0;
    pithi_quant_parameters(range, &scale, &zero);
    for (int i = 0; i < n; i++) {
        double q = fmin(fmax(nearbyint(x[i] / (double)scale) + zero, 0.0), 255.0);
        double error = x[i] - (double)scale * (q - zero);
        signal += x[i] * x[i];
        noise += error * error;
    }
    return pithi_quant_decibel(signal, noise);
}

static double *data; /* one block for all cases */

static void test_uniform(pith_test *test, sampled *s)
{
    for (int i = 0; i < N; i++) {
        data[i] = pith_test_uniform(test, 0.0, 3.0);
    }
    fill(s, data, N);
    for (int k = PITH_OBSERVER_MIN_MAX; k < PITH_OBSERVER_COUNT; k++) {
        pith_test_case(test, "uniform data, %s", pith_observer_name((pith_observer)k));
        pithi_range range = pithi_quant_observe(&s->histogram, (pith_observer)k, 1e-4);
        TEST_CHECK_MESSAGE(test, fabs(range.high - 3.0) < 0.03 && range.low == 0.0, "%g .. %g", range.low, range.high);
    }
}

/* Steps of 2c/255 and the tails beyond c give the noise (2c/255)^2 / 12 + 2 ((1 + c^2) Q(c) - c phi(c)): least at c
 * = 3.9, 40.57 dB. */
static void test_normal(pith_test *test, sampled *s)
{
    for (int i = 0; i < N; i++) {
        data[i] = normal(test);
    }
    fill(s, data, N);
    pith_test_case(test, "normal data, least squares");
    pithi_range best = pithi_quant_observe(&s->histogram, PITH_OBSERVER_MSE, 0.0);
    TEST_CHECK_MESSAGE(test, fabs(best.high - 3.9) < 0.2 && fabs(best.low + 3.9) < 0.2, "%g .. %g", best.low,
                       best.high);
    TEST_CHECK_MESSAGE(test, fabs(sqnr(data, N, best) - 40.57) < 0.15, "%g dB", sqnr(data, N, best));
    pith_test_case(test, "normal data, the histogram's own error");
    double signal, noise, clipped;
    pithi_quant_histogram_error(&s->histogram, best, &signal, &noise, &clipped);
    TEST_CHECK(test, fabs(pithi_quant_decibel(signal, noise) - sqnr(data, N, best)) < 0.2);
    TEST_CHECK(test, clipped < 2e-4);
}

static void test_outlier(pith_test *test, sampled *s)
{
    for (int i = 0; i < N; i++) {
        data[i] = pith_test_uniform(test, 0.0, 1.0);
    }
    data[N / 2] = 100.0;
    fill(s, data, N);
    pith_test_case(test, "one outlier");
    pithi_range all = pithi_quant_observe(&s->histogram, PITH_OBSERVER_MIN_MAX, 0.0);
    pithi_range most = pithi_quant_observe(&s->histogram, PITH_OBSERVER_PERCENTILE, 1e-4);
    pithi_range least = pithi_quant_observe(&s->histogram, PITH_OBSERVER_MSE, 0.0);
    TEST_CHECK(test, all.high == 100.0);
    TEST_CHECK(test, most.high >= 0.999 && most.high < 1.1); /* a bin is 0.05 wide */
    /* d/dt of N (t/255)^2 / 12 + (100 - t)^2 is zero there. */
    double wanted = 100.0 / (1.0 + N / (12.0 * 255.0 * 255.0));
    TEST_CHECK_MESSAGE(test, fabs(least.high / wanted - 1.0) < 0.05, "%g, not %g", least.high, wanted);
    TEST_CHECK(test, sqnr(data, N, least) >= sqnr(data, N, all));
}

/* Zero is exact, dequantised values quantise to themselves. */
static void test_parameters(pith_test *test)
{
    static const pithi_range ranges[] = { { 0, 1 }, { -1, 1 }, { -0.3, 7 }, { -5, 0 }, { 0, 0 }, { -1e-6, 3e4 } };
    for (int i = 0; i < PITH_COUNT(ranges); i++) {
        float scale;
        int zero;
        pith_test_case(test, "parameters of %g .. %g", ranges[i].low, ranges[i].high);
        pithi_quant_parameters(ranges[i], &scale, &zero);
        TEST_CHECK(test, scale > 0.0f && zero >= 0 && zero <= 255);
        for (int q = 0; q < 256; q++) {
            double x = (double)(scale * (float)(q - zero));
            TEST_CHECK(test, nearbyint(x / (double)scale) + zero == q);
        }
        TEST_CHECK(test, (double)scale * (255 - zero) >= ranges[i].high - 0.51 * (double)scale);
        TEST_CHECK(test, (double)scale * (0 - zero) <= ranges[i].low + 0.51 * (double)scale);
    }
}

void test_observe(pith_test *test)
{
    void *block = NULL, *s = NULL;
    pith_test_case(test, "memory");
    TEST_OK(test, pithi_alloc_array(test->ctx, N, sizeof(double), &block));
    TEST_OK(test, pithi_alloc(test->ctx, sizeof(sampled), &s));
    data = block;
    if (data && s) {
        test_uniform(test, s);
        test_normal(test, s);
        test_outlier(test, s);
        test_parameters(test);
    }
    pithi_free(test->ctx, block);
    pithi_free(test->ctx, s);
}
