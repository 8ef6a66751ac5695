/* SPDX-License-Identifier: Apache-2.0 */
/* pith bench: run times of a model, and whether they differ from earlier ones. */
#include <math.h>

#include "bench_stats.h"
#include "json.h"
#include "net.h"

typedef struct bench_settings {
    const char *threads, *isa, *disable_passes, *baseline, *cache;
    cli_words shapes;
    int64_t n_warmup, n_runs, seed;
    double max_secs; /* negative: not given */
    bool json, exact, float16;
} bench_settings;

static const cli_option options[] = {
    { "threads", 't', CLI_KIND_TEXT, offsetof(bench_settings, threads), "N[,N...]",
      "threads; a comma list measures each (default: one per core)", 0, 0 },
    CLI_OPTION_SHAPE(bench_settings),
    { "runs", 'n', CLI_KIND_INT, offsetof(bench_settings, n_runs), "N", "timed runs (default: as many as fit)", 1,
      1e6 },
    { "warmup", 0, CLI_KIND_INT, offsetof(bench_settings, n_warmup), "N", "untimed runs before (default 3)", 0, 1e6 },
    { "max-secs", 0, CLI_KIND_NUMBER, offsetof(bench_settings, max_secs), "S",
      "time for the timed runs (default 3; none with --runs)", 0, 86400 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(bench_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(bench_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    CLI_OPTION_FLOAT16(bench_settings),
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(bench_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    { "cache", 0, CLI_KIND_TEXT, offsetof(bench_settings, cache), "DIR", "folder that keeps packed weights", 0, 0 },
    { "seed", 0, CLI_KIND_INT, offsetof(bench_settings, seed), "N", "of the generated inputs (default 1)", 0, 1e15 },
    { "baseline", 0, CLI_KIND_TEXT, offsetof(bench_settings, baseline), "FILE",
      "compare with what --json wrote before", 0, 0 },
    CLI_OPTION_JSON(bench_settings),
    { 0 },
};

enum { MAX_SWEEP = 32, MAX_RUNS = 1000000, MIN_RUNS = 3, MAX_KEPT_SAMPLES = 1000 };

typedef struct bench_result {
    char isa[64], shapes[512];
    cli_tensors inputs;
    int n_threads, n_runs, n_warmup;
    double load_ms, first_run_ms, total_ms;
    uint64_t peak_rss_bytes;
    cli_times times;
    double samples[MAX_KEPT_SAMPLES]; /* in the order of the runs, thinned evenly */
    int n_samples;
    bool has_baseline;
    double baseline_median;
    cli_difference difference;
} bench_result;

static pith_status run_once(cli_net *net, const pith_tensor *inputs, int n_inputs, double *ms_out)
{
    double start = cli_now_ms();
    pith_status status = pith_session_run(net->session, inputs, n_inputs);
    *ms_out = cli_now_ms() - start;
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

/* Timed runs into `times`, until enough or time is up. */
static pith_status run_timed(cli_net *net, const bench_settings *settings, const pith_tensor *inputs, int n_inputs,
                             double *times, bench_result *result)
{
    double max_secs = settings->max_secs >= 0.0 ? settings->max_secs : settings->n_runs ? INFINITY : 3.0;
    int n_most = settings->n_runs ? (int)settings->n_runs : MAX_RUNS;
    double start = cli_now_ms();
    double shown = start;
    while (result->n_runs < n_most) {
        CLI_TRY(run_once(net, inputs, n_inputs, &times[result->n_runs]));
        result->total_ms += times[result->n_runs++];
        double now = cli_now_ms();
        if (result->n_runs >= MIN_RUNS && now - start >= max_secs * 1e3) {
            break;
        }
        if (now - shown > 300.0) {
            shown = now;
            cli_progress("%d threads: %d runs, %.1f s", result->n_threads, result->n_runs, (now - start) / 1e3);
        }
    }
    return PITH_OK;
}

static pith_status measure_runs(cli_net *net, const bench_settings *settings, bench_result *result)
{
    const cli_tensors *list = &result->inputs;
    pith_tensor inputs[CLI_MAX_INPUTS];
    void *times = NULL;
    double unused_ms;
    pith_status status = PITH_OK;
    for (int i = 0; i < list->n; i++) {
        inputs[i] = list->items[i].view;
    }
    CLI_TRY_GOTO(run_once(net, inputs, list->n, &result->first_run_ms), done);
    for (int i = 0; i < settings->n_warmup; i++) {
        CLI_TRY_GOTO(run_once(net, inputs, list->n, &unused_ms), done);
    }
    CLI_TRY_GOTO(cli_alloc(settings->n_runs ? (size_t)settings->n_runs : MAX_RUNS, sizeof(double), &times), done);
    CLI_TRY_GOTO(run_timed(net, settings, inputs, list->n, times, result), done);
    int n = result->n_runs;
    double *all = times;
    result->n_samples = n < MAX_KEPT_SAMPLES ? n : MAX_KEPT_SAMPLES;
    for (int i = 0; i < result->n_samples; i++) {
        result->samples[i] = all[(int64_t)i * n / result->n_samples];
    }
    cli_sort_numbers(all, n);
    result->times = cli_times_of(all, n);
done:
    cli_free(times);
    return status;
}

static pith_status measure(const char *path, const bench_settings *settings, int n_threads, bool is_first,
                           bench_result *result)
{
    cli_net net = { 0 };
    cli_net_options net_options = { .isa = settings->isa, .cache = settings->cache,
                                    .disable_passes = settings->disable_passes,
                                    .n_threads = n_threads, .is_exact = settings->exact, .float16 = settings->float16 };
    cli_shapes shapes;
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_net_open(path, &net_options, &net), done);
    CLI_TRY_GOTO(cli_net_start(&net, &net_options), done);
    CLI_TRY_GOTO(cli_net_choose_shapes(&net, &settings->shapes, NULL, &shapes), done);
    if (is_first) {
        cli_net_tell_assumed(&net, &shapes);
    }
    cli_net_shapes_text(&net, &shapes, result->shapes, sizeof result->shapes);
    CLI_TRY_GOTO(cli_net_random_inputs(&net, &shapes, (uint64_t)settings->seed, &result->inputs), done);
    snprintf(result->isa, sizeof result->isa, "%s", pith_ctx_isa(net.ctx));
    result->load_ms = net.load_ms;
    result->n_threads = pith_session_n_threads(net.session);
    result->n_warmup = (int)settings->n_warmup;
    CLI_TRY_GOTO(measure_runs(&net, settings, result), done);
    result->peak_rss_bytes = cli_peak_rss_bytes();
done:
    cli_progress("%s", "");
    cli_net_close(&net);
    return status;
}

static pith_status compare_baseline(const char *model, const char *path, bench_result *result)
{
    cli_baseline baseline;
    CLI_TRY(cli_baseline_load(path, result->n_threads, &baseline));
    if (strcmp(baseline.model, model) != 0) {
        cli_warn("the baseline is of '%s', this is '%s'", baseline.model, model);
    }
    if (strcmp(baseline.isa, result->isa) != 0 || strcmp(baseline.shapes, result->shapes) != 0
        || baseline.n_threads != result->n_threads) {
        cli_warn("the baseline was taken with %s, %d threads, %s; this is %s, %d threads, %s", baseline.isa,
                 baseline.n_threads, baseline.shapes, result->isa, result->n_threads, result->shapes);
    }
    pith_status status = cli_compare_times(result->samples, result->n_samples, baseline.samples_ms, baseline.n_samples,
                                           &result->difference);
    result->baseline_median = baseline.median_ms;
    result->has_baseline = status == PITH_OK;
    cli_baseline_free(&baseline);
    return status;
}

/* ---- output ------------------------------------------------------------------------------- */

static const char *verdict_word(cli_verdict verdict)
{
    return verdict == CLI_FASTER ? "faster" : verdict == CLI_SLOWER ? "slower" : "no real difference";
}

static void write_result(cli_json *json, const char *model, const bench_result *result)
{
    char cpu[128];
    cli_cpu_name(cpu, sizeof cpu);
    const cli_times *times = &result->times;
    cli_json_object(json, NULL);
    cli_json_text(json, "model", model);
    cli_json_text(json, "shape_text", result->shapes);
    cli_json_text(json, "version", pith_version());
    cli_json_text(json, "isa", result->isa);
    cli_json_text(json, "cpu", cpu);
    cli_json_whole(json, "threads", result->n_threads);
    cli_json_whole(json, "runs", result->n_runs);
    cli_json_whole(json, "warmup", result->n_warmup);
    cli_json_number(json, "median_ms", times->median);
    cli_json_number(json, "p10_ms", times->p10);
    cli_json_number(json, "p90_ms", times->p90);
    cli_json_number(json, "p99_ms", times->p99);
    cli_json_number(json, "min_ms", times->min);
    cli_json_number(json, "mean_ms", times->mean);
    cli_json_number(json, "std_ms", times->std);
    cli_json_number(json, "throughput_per_s", 1e3 * result->n_runs / result->total_ms);
    cli_json_number(json, "load_ms", result->load_ms);
    cli_json_number(json, "first_run_ms", result->first_run_ms);
    cli_json_whole(json, "peak_rss_bytes", (int64_t)result->peak_rss_bytes);
    if (result->has_baseline) {
        cli_json_object(json, "baseline");
        cli_json_number(json, "median_ms", result->baseline_median);
        cli_json_number(json, "ratio", result->difference.ratio);
        cli_json_number(json, "ratio_low", result->difference.low);
        cli_json_number(json, "ratio_high", result->difference.high);
        cli_json_text(json, "verdict", verdict_word(result->difference.verdict));
        cli_json_end(json);
    }
}

static void write_shapes(cli_json *json, const cli_tensors *inputs)
{
    cli_json_object(json, "shapes");
    for (int i = 0; i < inputs->n; i++) {
        cli_json_shape(json, inputs->items[i].name, &inputs->items[i].view.shape);
    }
    cli_json_end(json);
}

static void print_json(const char *model, const bench_result *results, int n_results)
{
    cli_json json = { .file = stdout };
    if (n_results > 1) {
        cli_json_list(&json, NULL);
    }
    for (int i = 0; i < n_results; i++) {
        write_result(&json, model, &results[i]);
        write_shapes(&json, &results[i].inputs);
        cli_json_numbers(&json, "samples_ms", results[i].samples, results[i].n_samples);
        cli_json_end(&json);
    }
    if (n_results > 1) {
        cli_json_end(&json);
    }
}

static void print_row(const bench_result *result)
{
    const cli_times *times = &result->times;
    const double columns[] = { times->median, times->min, times->p10, times->p90, times->p99, times->std,
                               result->first_run_ms, result->load_ms };
    printf("%7d %s", result->n_threads, cli_colour_on(CLI_STRONG));
    for (int i = 0; i < CLI_COUNT(columns); i++) {
        char text[CLI_HUMAN_BYTES];
        printf(" %9s%s", cli_human_ms(columns[i], text), i == 0 ? cli_colour_off() : "");
    }
    printf(" %9.1f %7d\n", 1e3 * result->n_runs / result->total_ms, result->n_runs);
}

static void print_difference(const bench_result *result)
{
    const cli_difference *difference = &result->difference;
    cli_colour colour = difference->verdict == CLI_FASTER ? CLI_GOOD
                        : difference->verdict == CLI_SLOWER ? CLI_BAD : CLI_PLAIN;
    char text[CLI_HUMAN_BYTES];
    printf("%d thread%s: %s%s%s %s the baseline of %s: %+.1f %% in time (95 %% interval %+.1f to %+.1f %%)\n",
           result->n_threads, result->n_threads == 1 ? "" : "s", cli_colour_on(colour),
           verdict_word(difference->verdict), cli_colour_off(), difference->verdict == CLI_SAME ? "to" : "than",
           cli_human_ms(result->baseline_median, text), (difference->ratio - 1.0) * 100.0,
           (difference->low - 1.0) * 100.0, (difference->high - 1.0) * 100.0);
}

static void print_words(const char *model, const bench_result *results, int n_results)
{
    char text[CLI_HUMAN_BYTES];
    printf("%s  %s  %s\n", model, results[0].shapes, results[0].isa);
    printf("threads     median       min       p10       p90       p99       std first run      load    runs/s"
           "    runs\n");
    for (int i = 0; i < n_results; i++) {
        print_row(&results[i]);
    }
    for (int i = 1; i < n_results; i++) {
        printf("%d threads take %.2f times the time of %d\n", results[i].n_threads,
               results[i].times.median / results[0].times.median, results[0].n_threads);
    }
    for (int i = 0; i < n_results; i++) {
        if (results[i].has_baseline) {
            print_difference(&results[i]);
        }
    }
    printf("peak memory of the process %s\n",
           cli_human_bytes((double)results[n_results - 1].peak_rss_bytes, text));
}

static pith_status parse_threads(const char *text, int *threads, int *n_out)
{
    double numbers[MAX_SWEEP];
    threads[0] = 0;
    *n_out = 1;
    if (!text) {
        return PITH_OK;
    }
    CLI_CHECK(cli_parse_list(text, numbers, MAX_SWEEP, n_out), PITH_STATUS_ARG,
              "--threads takes a number or a comma list of up to %d, not '%s'", MAX_SWEEP, text);
    for (int i = 0; i < *n_out; i++) {
        CLI_CHECK(numbers[i] >= 1 && numbers[i] <= 1024 && numbers[i] == floor(numbers[i]), PITH_STATUS_ARG,
                  "--threads takes whole numbers from 1 to 1024, not '%s'", text);
        threads[i] = (int)numbers[i];
    }
    return PITH_OK;
}

static pith_status run_bench(const void *settings, const cli_words *words, int *exit_code)
{
    const bench_settings *given = settings;
    int threads[MAX_SWEEP];
    int n_results;
    bench_result *results = NULL;
    pith_status status = PITH_OK;
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model file is needed, %d were given", words->n);
    CLI_TRY(parse_threads(given->threads, threads, &n_results));
    CLI_TRY(cli_alloc((size_t)n_results, sizeof *results, (void **)&results));
    for (int i = 0; i < n_results; i++) {
        CLI_TRY_GOTO(measure(words->items[0], given, threads[i], i == 0, &results[i]), done);
        if (given->baseline) {
            CLI_TRY_GOTO(compare_baseline(words->items[0], given->baseline, &results[i]), done);
        }
    }
    if (given->json) {
        print_json(words->items[0], results, n_results);
    } else {
        print_words(words->items[0], results, n_results);
    }
done:
    for (int i = 0; i < n_results; i++) {
        cli_tensors_free(&results[i].inputs);
    }
    cli_free(results);
    return status;
}

static const bench_settings defaults = { .n_warmup = 3, .seed = 1, .max_secs = -1.0 };

const cli_command cli_command_bench = {
    .name = "bench", .usage = "MODEL [--threads N] [--shape NAME=SIZES]... [--baseline FILE] [--json]",
    .summary = "measure how long a model runs", .options = options,
    .details = "load is reading the model and making a session; first run plans and packs weights.\n"
               "A baseline differs if the 95 % bootstrap interval of the ratio of medians excludes 1 and\n"
               "the medians differ by more than 1 %.",
    .settings_bytes = sizeof(bench_settings), .defaults = &defaults, .run = run_bench,
};
