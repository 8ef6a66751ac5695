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
    s->histogram.average_low = s->histogram.moving_low = s->histogram.low;
    s->histogram.average_high = s->histogram.moving_high = s->histogram.high;
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
    for (int k = PITH_OBSERVER_MIN_MAX; k < PITH_OBSERVER_ADMM; k++) {
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

/* A histogram of 2048 bins can't see below its first 128: of |x| <= 1 and one outlier R the threshold is 128.5 / 2048 R
 * once that is above 1. No divergence is negative. (Of values of one sign u8 has 256 levels: a floor of 256.5.) */
static void test_divergence(pith_test *test, sampled *s)
{
    static const struct {
        double outlier, low, threshold;
    } cases[] = { { 4.0, -1.0, 1.02 }, { 20.0, -1.0, 1.2549 }, { 100.0, -1.0, 6.2744 }, { 20.0, 0.0, 2.5049 } };
    for (int k = 0; k < PITH_COUNT(cases); k++) {
        pith_test_case(test, "divergence with an outlier of %g, from %g", cases[k].outlier, cases[k].low);
        for (int i = 0; i < N; i++) {
            data[i] = pith_test_uniform(test, cases[k].low, 1.0);
        }
        data[N / 2] = cases[k].outlier;
        fill(s, data, N);
        const pithi_range range = pithi_quant_observe(&s->histogram, PITH_OBSERVER_KL, 0.0);
        TEST_CHECK_MESSAGE(test, fabs(range.high - cases[k].threshold) < (k == 0 ? 0.03 : 1e-4), "%.5f, not %.5f",
                           range.high, cases[k].threshold);
        for (int n = 256; n <= PITHI_QUANT_BINS; n += 64) {
            TEST_CHECK_MESSAGE(test, pithi_quant_divergence(&s->histogram, n) >= -1e-12, "%g for %d bins",
                               pithi_quant_divergence(&s->histogram, n), n);
        }
    }
}

/* Scales in turns never do worse than what they start from, and settle in a minimum near the least error, if not in it:
 * there are many. */
static void test_alternatives(pith_test *test, sampled *s)
{
    for (int i = 0; i < N; i++) {
        data[i] = normal(test);
    }
    fill(s, data, N);
    pith_test_case(test, "normal data, scales in turns");
    const pithi_range admm = pithi_quant_observe(&s->histogram, PITH_OBSERVER_ADMM, 0.0);
    const pithi_range began = { s->histogram.low / 2.5, s->histogram.high / 2.5 };
    const pithi_range least = pithi_quant_observe(&s->histogram, PITH_OBSERVER_MSE, 0.0);
    TEST_CHECK_MESSAGE(test, sqnr(data, N, admm) > sqnr(data, N, began) + 1.0, "%.2f dB from %.2f dB",
                       sqnr(data, N, admm), sqnr(data, N, began));
    TEST_CHECK_MESSAGE(test, sqnr(data, N, admm) > sqnr(data, N, least) - 1.5, "%.2f dB, the least error has %.2f dB",
                       sqnr(data, N, admm), sqnr(data, N, least));
    pith_test_case(test, "normal data, distance of the distributions");
    const pithi_range emd = pithi_quant_observe(&s->histogram, PITH_OBSERVER_EMD, 0.0);
    TEST_CHECK_MESSAGE(test, sqnr(data, N, emd) > 36.0, "%.2f dB", sqnr(data, N, emd));
}

/* Banner et al. (arXiv 1810.05723) give the best clip of 8 bits: 3.92 of a normal distribution's deviation, 9.89 of a
 * Laplace distribution's parameter. */
static void test_aciq(pith_test *test, sampled *s)
{
    for (int i = 0; i < N; i++) {
        data[i] = 2.0 * normal(test);
    }
    fill(s, data, N);
    pith_test_case(test, "normal data, ACIQ");
    pithi_range range = pithi_quant_observe(&s->histogram, PITH_OBSERVER_ACIQ, 0.0);
    TEST_CHECK_MESSAGE(test, fabs(range.high - 7.84) < 0.1 && fabs(range.low + 7.84) < 0.1, "%g .. %g", range.low,
                       range.high);
    for (int i = 0; i < N; i++) {
        double u = pith_test_uniform(test, -1.0, 1.0);
        data[i] = (u < 0.0 ? 0.5 : -0.5) * log(1.0 - fabs(u) * 0.999999);
    }
    data[0] = 6.0; /* so that what was seen isn't the limit */
    data[1] = -6.0;
    fill(s, data, N);
    pith_test_case(test, "Laplace data, ACIQ");
    range = pithi_quant_observe(&s->histogram, PITH_OBSERVER_ACIQ, 0.0);
    TEST_CHECK_MESSAGE(test, fabs(range.high - 4.945) < 0.1 && fabs(range.low + 4.945) < 0.1, "%g .. %g", range.low,
                       range.high);
}

static void widen_by(pithi_histogram *h, const float highs[], int n, int step)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < n; i++) {
        const float sample[] = { 0.5f, highs[i * step % n], -0.25f };
        pithi_histogram_widen(h, sample, 3);
    }
}

/* The order of samples counts for the moving average alone; averages are those of the samples' own extremes. */
static void test_orders(pith_test *test)
{
    static const float highs[] = { 1.0f, 2.0f, 4.0f, 8.0f, 10.0f };
    pithi_histogram a, b;
    pith_test_case(test, "order of samples");
    widen_by(&a, highs, 5, 1);
    widen_by(&b, highs, 5, 2);
    TEST_CHECK(test, a.low == b.low && a.high == b.high && a.high == 10.0);
    TEST_CHECK(test, fabs(a.average_high - 5.0) < 1e-12 && fabs(b.average_high - 5.0) < 1e-12);
    TEST_CHECK(test, a.average_low == -0.25 && fabs(a.moving_high - b.moving_high) > 1e-3);
    /* ((((1) .9 + .2) .9 + .4) .9 + .8) .9 + 1 */
    TEST_CHECK(test, fabs(a.moving_high - 2.8459) < 1e-9);
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

static double silu(double x) { return x / (1.0 + exp(-x)); }

/* Of the function's results, when its argument is rounded. */
static double sqnr_of_results(const double *x, int n, pithi_range range)
{
    float scale;
    int zero;
    double signal = 0.0, noise = 0.0;
    pithi_quant_parameters(range, &scale, &zero);
    for (int i = 0; i < n; i++) {
        const double q = fmin(fmax(nearbyint(x[i] / (double)scale) + zero, 0.0), 255.0);
        const double want = silu(x[i]), error = want - silu((double)scale * (q - zero));
        signal += want * want;
        noise += error * error;
    }
    return pithi_quant_decibel(signal, noise);
}

/* x sigmoid(x) makes next to nothing of negative numbers: a range that drops them has finer steps for the others. */
static void test_results(pith_test *test, sampled *s)
{
    double results[PITHI_QUANT_BINS];
    pith_test_case(test, "a range for the results of a function");
    for (int i = 0; i < N; i++) {
        data[i] = 4.0 * normal(test) - 3.0;
    }
    fill(s, data, N);
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        results[i] = silu(s->histogram.low + (s->histogram.high - s->histogram.low) * (i + 0.5) / PITHI_QUANT_BINS);
    }
    const pithi_range own = pithi_quant_observe(&s->histogram, PITH_OBSERVER_MSE, 0.0);
    const pithi_range range = pithi_quant_observe_results(&s->histogram, results);
    const double plain = sqnr_of_results(data, N, own), better = sqnr_of_results(data, N, range);
    TEST_CHECK_MESSAGE(test, range.low > 0.7 * s->histogram.low && better > plain + 1.0,
                       "%.2f .. %.2f: %.2f dB, %.2f dB", range.low, range.high, better, plain);
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
        test_aciq(test, s);
        test_divergence(test, s);
        test_alternatives(test, s);
        test_results(test, s);
        test_orders(test);
        test_parameters(test);
    }
    pithi_free(test->ctx, block);
    pithi_free(test->ctx, s);
}
