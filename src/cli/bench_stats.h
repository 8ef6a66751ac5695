/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of run times. */
#ifndef PITH_CLI_BENCH_STATS_H
#define PITH_CLI_BENCH_STATS_H

#include "cli.h"

typedef struct cli_times {
    double median, p10, p90, p95, p99, min, mean, std;
} cli_times;

void cli_sort_numbers(double *values, int n_values);
/* Quantile q of sorted values, interpolated between neighbours (type 7 of Hyndman and Fan, 1996). */
double cli_quantile(const double *sorted, int n_values, double q);
/* Of sorted values; std with n - 1. */
cli_times cli_times_of(const double *sorted, int n_values);

typedef enum cli_verdict { CLI_SAME, CLI_FASTER, CLI_SLOWER } cli_verdict;

/* Ratio of medians now / before with a 95 % interval from 2,000 bootstrap resamples of both lists
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993; percentile interval). Different
 * means that the interval excludes 1 and the medians differ by more than 1 %, since two runs of
 * one program differ that much without any reason in it. */
typedef struct cli_difference {
    double ratio, low, high;
    cli_verdict verdict;
} cli_difference;
pith_status cli_compare_times(const double *now, int n_now, const double *before, int n_before,
                              cli_difference *difference_out);

#endif
