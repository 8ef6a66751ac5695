/* SPDX-License-Identifier: Apache-2.0 */
/* What `pith bench` has measured, as words, JSON and CSV. */
#include "bench.h"

static const char *verdict_word(cli_verdict verdict)
{
    return verdict == CLI_FASTER ? "faster" : verdict == CLI_SLOWER ? "slower" : "no real difference";
}

static double throughput(const cli_bench_result *result)
{
    return 1e3 * result->n_runs / result->total_ms;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_difference(cli_json *json, const cli_bench_result *result)
{
    const bool is_model = result->against && result->against[0];
    if (!result->against) {
        return;
    }
    cli_json_object(json, is_model ? "against" : "baseline");
    if (is_model) {
        cli_json_text(json, "model", result->against);
    }
    cli_json_number(json, "median_ms", result->against_median);
    cli_json_number(json, "ratio", result->difference.ratio);
    cli_json_number(json, "ratio_low", result->difference.low);
    cli_json_number(json, "ratio_high", result->difference.high);
    cli_json_text(json, "verdict", verdict_word(result->difference.verdict));
    cli_json_end(json);
}

static void write_result(cli_json *json, const cli_bench_result *result)
{
    char cpu[128];
    cli_cpu_name(cpu, sizeof cpu);
    const cli_times *times = &result->times;
    cli_json_object(json, NULL);
    cli_json_text(json, "model", result->model);
    cli_json_text(json, "inputs", result->source ? result->source : "generated");
    cli_json_text(json, "shape_text", result->shapes);
    cli_json_text(json, "version", pith_version());
    cli_json_text(json, "isa", result->isa);
    cli_json_text(json, "cpu", cpu);
    cli_json_whole(json, "threads", result->n_threads);
    cli_json_whole(json, "runs", result->n_runs);
    cli_json_whole(json, "warmup", result->n_warmup);
    cli_json_number(json, "median_ms", times->median);
    cli_json_number(json, "p10_ms", times->p10);
    cli_json_number(json, "p50_ms", times->median);
    cli_json_number(json, "p90_ms", times->p90);
    cli_json_number(json, "p95_ms", times->p95);
    cli_json_number(json, "p99_ms", times->p99);
    cli_json_number(json, "min_ms", times->min);
    cli_json_number(json, "mean_ms", times->mean);
    cli_json_number(json, "std_ms", times->std);
    cli_json_number(json, "throughput_per_s", throughput(result));
    cli_json_number(json, "load_ms", result->load_ms);
    cli_json_number(json, "first_run_ms", result->first_run_ms);
    cli_json_whole(json, "peak_rss_bytes", (int64_t)result->peak_rss_bytes);
    write_difference(json, result);
    cli_json_object(json, "shapes");
    for (int i = 0; i < result->inputs.tensors.n; i++) {
        const cli_tensor *tensor = &result->inputs.tensors.items[i];
        cli_json_shape(json, tensor->name, &tensor->view.shape);
    }
    cli_json_end(json);
    cli_json_numbers(json, "samples_ms", result->samples, result->n_samples);
    cli_json_end(json);
}

void cli_bench_write_json(const cli_bench_report *report)
{
    cli_json json = { .file = stdout };
    if (report->n_results > 1) {
        cli_json_list(&json, NULL);
    }
    for (int i = 0; i < report->n_results; i++) {
        write_result(&json, &report->results[i]);
    }
    if (report->n_results > 1) {
        cli_json_end(&json);
    }
}

/* ---- CSV ----------------------------------------------------------------------------------- */

/* RFC 4180: in quotes, quotes doubled. */
static void write_quoted(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        printf(*text == '"' ? "\"\"" : "%c", *text);
    }
    putchar('"');
}

void cli_bench_write_csv(const cli_bench_report *report)
{
    printf("model,threads,runs,p50_ms,min_ms,p10_ms,p90_ms,p95_ms,p99_ms,mean_ms,std_ms,first_run_ms,load_ms,"
           "throughput_per_s,ratio,ratio_low,ratio_high,verdict\r\n");
    for (int i = 0; i < report->n_results; i++) {
        const cli_bench_result *result = &report->results[i];
        const cli_times *t = &result->times;
        const double columns[] = { t->median, t->min, t->p10, t->p90, t->p95, t->p99, t->mean, t->std,
                                   result->first_run_ms, result->load_ms, throughput(result) };
        write_quoted(result->model);
        printf(",%d,%d", result->n_threads, result->n_runs);
        for (int k = 0; k < CLI_COUNT(columns); k++) {
            printf(",%.9g", columns[k]);
        }
        if (result->against) {
            printf(",%.6g,%.6g,%.6g,%s\r\n", result->difference.ratio, result->difference.low,
                   result->difference.high, verdict_word(result->difference.verdict));
        } else {
            printf(",,,,\r\n");
        }
    }
}

/* ---- words --------------------------------------------------------------------------------- */

static void print_row(const cli_bench_result *result)
{
    const cli_times *times = &result->times;
    const double columns[] = { times->median, times->min, times->p10, times->p90, times->p95, times->p99, times->std,
                               result->first_run_ms, result->load_ms };
    printf("%7d %s", result->n_threads, cli_colour_on(CLI_STRONG));
    for (int i = 0; i < CLI_COUNT(columns); i++) {
        char text[CLI_HUMAN_BYTES];
        printf(" %9s%s", cli_human_ms(columns[i], text), i == 0 ? cli_colour_off() : "");
    }
    printf(" %9.1f %7d\n", throughput(result), result->n_runs);
}

static void print_difference(const cli_bench_result *result)
{
    const cli_difference *d = &result->difference;
    const cli_colour colour = d->verdict == CLI_FASTER ? CLI_GOOD : d->verdict == CLI_SLOWER ? CLI_BAD : CLI_PLAIN;
    char text[CLI_HUMAN_BYTES];
    if (result->against[0]) {
        printf("%d thread%s: %s takes %s%.3f times%s the time of %s (95 %% interval %.3f to %.3f): %s%s%s\n",
               result->n_threads, result->n_threads == 1 ? "" : "s", cli_plain(result->model),
               cli_colour_on(CLI_STRONG), d->ratio, cli_colour_off(), cli_plain(result->against), d->low, d->high,
               cli_colour_on(colour), verdict_word(d->verdict), cli_colour_off());
        return;
    }
    printf("%d thread%s: %s%s%s %s the baseline of %s: %+.1f %% in time (95 %% interval %+.1f to %+.1f %%)\n",
           result->n_threads, result->n_threads == 1 ? "" : "s", cli_colour_on(colour), verdict_word(d->verdict),
           cli_colour_off(), d->verdict == CLI_SAME ? "to" : "than", cli_human_ms(result->against_median, text),
           (d->ratio - 1.0) * 100.0, (d->low - 1.0) * 100.0, (d->high - 1.0) * 100.0);
}

void cli_bench_print(const cli_bench_report *report)
{
    const cli_bench_result *results = report->results;
    char text[CLI_HUMAN_BYTES];
    for (int k = 0; k < report->n_models; k++) {
        printf("%s  %s%s%s  %s\n", cli_plain(results[k].model), results[k].shapes,
               results[k].source ? " from " : "", results[k].source ? cli_plain(results[k].source) : "",
               results[k].isa);
        printf("threads        p50       min       p10       p90       p95       p99       std first run      load"
               "    runs/s    runs\n");
        for (int i = k; i < report->n_results; i += report->n_models) {
            print_row(&results[i]);
        }
    }
    for (int i = 1; i < report->n_results && report->n_models == 1; i++) {
        printf("%d threads take %.2f times the time of %d\n", results[i].n_threads,
               results[i].times.median / results[0].times.median, results[0].n_threads);
    }
    for (int i = 0; i < report->n_results; i++) {
        if (results[i].against) {
            print_difference(&results[i]);
        }
    }
    printf("peak memory of the process %s\n",
           cli_human_bytes((double)results[report->n_results - 1].peak_rss_bytes, text));
}
