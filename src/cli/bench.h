/* SPDX-License-Identifier: Apache-2.0 */
/* What measuring and reporting of `pith bench` share. */
#ifndef PITH_CLI_BENCH_H
#define PITH_CLI_BENCH_H

#include "bench_stats.h"
#include "json.h"
#include "run_inputs.h"

enum { CLI_BENCH_SAMPLES = 1000 };

/* One model with one number of threads. */
typedef struct cli_bench_result {
    const char *model, *source; /* of the inputs: a file; NULL: generated */
    char isa[64], shapes[512];
    cli_run_inputs inputs;
    int n_threads, n_runs, n_warmup;
    double load_ms, first_run_ms, total_ms;
    uint64_t peak_rss_bytes;
    cli_times times;
    double samples[CLI_BENCH_SAMPLES]; /* in the order of the runs, thinned evenly */
    int n_samples;
    const char *against; /* NULL: nothing; "" a baseline; else the model that ran in turn with it */
    double against_median;
    cli_difference difference;
} cli_bench_result;

/* All results of the models with one number of threads, then with the next. */
typedef struct cli_bench_report {
    cli_bench_result *results;
    int n_results, n_models;
} cli_bench_report;

void cli_bench_print(const cli_bench_report *report);
void cli_bench_write_json(const cli_bench_report *report);
void cli_bench_write_csv(const cli_bench_report *report);

#endif
