/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles, and the decision whether two lists of run times differ. */
#include <math.h>
#include <stdlib.h>

#include "bench_stats.h"

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

void cli_sort_numbers(double *values, int n_values)
{
    qsort(values, (size_t)n_values, sizeof *values, compare_numbers);
}

double cli_quantile(const double *sorted, int n_values, double q)
{
    double place = q * (n_values - 1);
    int below = (int)place;
    if (below + 1 >= n_values) {
        return sorted[n_values - 1];
    }
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

cli_times cli_times_of(const double *sorted, int n_values)
{
    cli_times times = {
        .median = cli_quantile(sorted, n_values, 0.5), .p10 = cli_quantile(sorted, n_values, 0.1),
        .p90 = cli_quantile(sorted, n_values, 0.9), .p95 = cli_quantile(sorted, n_values, 0.95),
        .p99 = cli_quantile(sorted, n_values, 0.99), .min = sorted[0],
    };
    double squares = 0.0;
    for (int i = 0; i < n_values; i++) {
        times.mean += sorted[i] / n_values;
    }
    for (int i = 0; i < n_values; i++) {
        squares += (sorted[i] - times.mean) * (sorted[i] - times.mean);
    }
    times.std = n_values > 1 ? sqrt(squares / (n_values - 1)) : 0.0;
    return times;
}

enum { N_RESAMPLES = 2000, N_RESAMPLE_MAX = 500 };

/* xorshift64*, seeded the same every time: the same lists give the same interval. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static double resampled_median(const double *values, int n_values, double *scratch, uint64_t *random)
{
    for (int i = 0; i < n_values; i++) {
        scratch[i] = values[next_random(random) % (uint64_t)n_values];
    }
    cli_sort_numbers(scratch, n_values);
    return cli_quantile(scratch, n_values, 0.5);
}

/* Sorted copy, thinned to at most N_RESAMPLE_MAX values (which widens the interval, to the safe side). */
static int sorted_copy(const double *values, int n_values, double *copy, double *scratch)
{
    memcpy(scratch, values, (size_t)n_values * sizeof *values);
    cli_sort_numbers(scratch, n_values);
    int n_kept = n_values < N_RESAMPLE_MAX ? n_values : N_RESAMPLE_MAX;
    for (int i = 0; i < n_kept; i++) {
        copy[i] = cli_quantile(scratch, n_values, n_kept > 1 ? (double)i / (n_kept - 1) : 0.5);
    }
    return n_kept;
}

/* `scratch` holds N_RESAMPLES ratios and then room for the longer list. */
static void decide(const double *now, int n_now, const double *before, int n_before, double *scratch,
                   cli_difference *difference)
{
    double *ratios = scratch;
    scratch += N_RESAMPLES;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < N_RESAMPLES; i++) {
        double median = resampled_median(now, n_now, scratch, &random);
        ratios[i] = median / resampled_median(before, n_before, scratch, &random);
    }
    cli_sort_numbers(ratios, N_RESAMPLES);
    difference->ratio = cli_quantile(now, n_now, 0.5) / cli_quantile(before, n_before, 0.5);
    difference->low = cli_quantile(ratios, N_RESAMPLES, 0.025);
    difference->high = cli_quantile(ratios, N_RESAMPLES, 0.975);
    difference->verdict = CLI_SAME;
    if (difference->high < 1.0 && difference->ratio < 0.99) {
        difference->verdict = CLI_FASTER;
    } else if (difference->low > 1.0 && difference->ratio > 1.01) {
        difference->verdict = CLI_SLOWER;
    }
}

pith_status cli_compare_times(const double *now, int n_now, const double *before, int n_before,
                              cli_difference *difference_out)
{
    int n_most = n_now > n_before ? n_now : n_before;
    void *block;
    CLI_CHECK(n_now > 0 && n_before > 0, PITH_STATUS_ARG, "no run times to compare");
    CLI_TRY(cli_alloc((size_t)n_most + 2 * (size_t)N_RESAMPLE_MAX + N_RESAMPLES, sizeof(double), &block));
    double *a = block;
    double *b = a + N_RESAMPLE_MAX;
    double *scratch = b + N_RESAMPLE_MAX;
    int n_a = sorted_copy(now, n_now, a, scratch);
    int n_b = sorted_copy(before, n_before, b, scratch);
    decide(a, n_a, b, n_b, scratch, difference_out);
    cli_free(block);
    return PITH_OK;
}
