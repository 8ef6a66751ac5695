/* SPDX-License-Identifier: Apache-2.0 */
/* pith bench: run times of a model, and whether they differ from earlier ones. */
#include <math.h>

#include "bench.h"
#include "work_inputs.h"

typedef struct bench_settings {
    const char *threads, *isa, *disable_passes, *baseline, *cache;
    cli_work work;
    int64_t n_warmup, n_runs;
    double max_secs; /* negative: not given */
    bool json, csv, exact, float16;
} bench_settings;

static const cli_option options[] = {
    { "threads", 't', CLI_KIND_TEXT, offsetof(bench_settings, threads), "N[,N...]",
      "threads; a comma list measures each (default: one per core)", 0, 0 },
    CLI_WORK_OPTIONS(bench_settings),
    { "runs", 'n', CLI_KIND_INT, offsetof(bench_settings, n_runs), "N", "timed runs (default: as many as fit)", 1,
      1e6 },
    { "warmup", 0, CLI_KIND_INT, offsetof(bench_settings, n_warmup), "N", "untimed runs before (default 3)", 0, 1e6 },
    { "max-secs", 0, CLI_KIND_NUMBER, offsetof(bench_settings, max_secs), "S",
      "time for the timed runs of a model (default 3; none with --runs)", 0, 86400 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(bench_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(bench_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    CLI_OPTION_FLOAT16(bench_settings),
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(bench_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    { "cache", 0, CLI_KIND_TEXT, offsetof(bench_settings, cache), "DIR", "folder that keeps packed weights", 0, 0 },
    { "baseline", 0, CLI_KIND_TEXT, offsetof(bench_settings, baseline), "FILE",
      "compare with what --json wrote before", 0, 0 },
    CLI_OPTION_JSON(bench_settings),
    { "csv", 0, CLI_KIND_FLAG, offsetof(bench_settings, csv), NULL, "print a line for each model and number of threads",
      0, 0 },
    { 0 },
};

enum { MAX_SWEEP = 32, MAX_MODELS = 8, MAX_RUNS = 1000000, MIN_RUNS = 3 };

/* Models that run in turn with one number of threads. */
typedef struct bench_race {
    const bench_settings *given;
    cli_bench_result *results;
    int n_models;
    cli_net nets[MAX_MODELS];
    pith_tensor inputs[MAX_MODELS][CLI_MAX_INPUTS];
    double *times[MAX_MODELS];
} bench_race;

static pith_status run_once(bench_race *race, int model, double *ms_out)
{
    cli_net *net = &race->nets[model];
    double start = cli_now_ms();
    pith_status status = pith_session_run(net->session, race->inputs[model], pith_model_n_inputs(net->model));
    *ms_out = cli_now_ms() - start;
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

/* Timed runs until enough or time is up, one of each model in a round; another begins in each. */
static pith_status run_timed(bench_race *race)
{
    const bench_settings *given = race->given;
    const int n = race->n_models, n_most = given->n_runs ? (int)given->n_runs : MAX_RUNS;
    const double max_secs = n * (given->max_secs >= 0.0 ? given->max_secs : given->n_runs ? (double)INFINITY : 3.0);
    const double start = cli_now_ms();
    double shown = start;
    for (int round = 0; round < n_most; round++) {
        for (int k = 0; k < n; k++) {
            const int model = (k + round) % n;
            CLI_TRY(run_once(race, model, &race->times[model][round]));
            race->results[model].total_ms += race->times[model][round];
            race->results[model].n_runs++;
        }
        const double now = cli_now_ms();
        if (round + 1 >= MIN_RUNS && now - start >= max_secs * 1e3) {
            break;
        }
        if (now - shown > 300.0) {
            shown = now;
            cli_progress("%d threads: %d runs, %.1f s", race->results->n_threads, round + 1, (now - start) / 1e3);
        }
    }
    return PITH_OK;
}

static void take_times(cli_bench_result *result, double *all)
{
    const int n = result->n_runs;
    result->n_samples = n < CLI_BENCH_SAMPLES ? n : CLI_BENCH_SAMPLES;
    for (int i = 0; i < result->n_samples; i++) {
        result->samples[i] = all[(int64_t)i * n / result->n_samples];
    }
    cli_sort_numbers(all, n);
    result->times = cli_times_of(all, n);
}

static pith_status measure_runs(bench_race *race)
{
    const bench_settings *given = race->given;
    double unused_ms;
    for (int k = 0; k < race->n_models; k++) {
        void *times = NULL;
        CLI_TRY(run_once(race, k, &race->results[k].first_run_ms));
        for (int i = 0; i < given->n_warmup; i++) {
            CLI_TRY(run_once(race, k, &unused_ms));
        }
        CLI_TRY(cli_alloc(given->n_runs ? (size_t)given->n_runs : MAX_RUNS, sizeof(double), &times));
        race->times[k] = times;
    }
    CLI_TRY(run_timed(race));
    for (int k = 0; k < race->n_models; k++) {
        cli_bench_result *result = &race->results[k], *first = &race->results[0];
        take_times(result, race->times[k]);
        result->peak_rss_bytes = cli_peak_rss_bytes();
        if (k > 0) {
            result->against = first->model;
            result->against_median = first->times.median;
            CLI_TRY(cli_compare_times(result->samples, result->n_samples, first->samples, first->n_samples,
                                      &result->difference));
        }
    }
    return PITH_OK;
}

/* Opens a model and its inputs; how pictures become inputs is said by the first model's file for all. */
static pith_status enter(bench_race *race, int k, const char *const *models, const char *file, int n_threads,
                         bool tells)
{
    const bench_settings *given = race->given;
    const cli_net_options how = { .isa = given->isa, .cache = given->cache, .disable_passes = given->disable_passes,
                                  .n_threads = n_threads, .is_exact = given->exact, .float16 = given->float16 };
    cli_net *net = &race->nets[k];
    cli_bench_result *result = &race->results[k];
    result->model = models[k];
    result->source = file ? file : given->work.inputs.n > 0 ? given->work.inputs.items[0] : NULL;
    CLI_TRY(cli_net_open(models[k], &how, net));
    CLI_TRY(cli_net_start(net, &how));
    CLI_TRY(cli_work_read(&given->work, file, models[0], net, tells, &result->inputs));
    CLI_TRY(cli_work_views(net, &result->inputs, race->inputs[k], result->shapes, sizeof result->shapes));
    snprintf(result->isa, sizeof result->isa, "%s", pith_ctx_isa(net->ctx));
    result->load_ms = net->load_ms;
    result->n_threads = pith_session_n_threads(net->session);
    result->n_warmup = (int)given->n_warmup;
    return PITH_OK;
}

static pith_status measure(bench_race *race, const char *const *models, const char *file, int n_threads, bool tells)
{
    pith_status status = PITH_OK;
    for (int k = 0; k < race->n_models && status == PITH_OK; k++) {
        status = enter(race, k, models, file, n_threads, tells);
    }
    status = status == PITH_OK ? measure_runs(race) : status;
    cli_progress("%s", "");
    for (int k = 0; k < race->n_models; k++) {
        cli_free(race->times[k]);
        cli_net_close(&race->nets[k]);
    }
    return status;
}

static pith_status compare_baseline(const char *path, cli_bench_result *result)
{
    cli_baseline baseline;
    CLI_TRY(cli_baseline_load(path, result->n_threads, &baseline));
    if (strcmp(baseline.model, result->model) != 0) {
        cli_warn("the baseline is of '%s', this is '%s'", baseline.model, result->model);
    }
    if (strcmp(baseline.isa, result->isa) != 0 || strcmp(baseline.shapes, result->shapes) != 0
        || baseline.n_threads != result->n_threads) {
        cli_warn("the baseline was taken with %s, %d threads, %s; this is %s, %d threads, %s", baseline.isa,
                 baseline.n_threads, baseline.shapes, result->isa, result->n_threads, result->shapes);
    }
    pith_status status = cli_compare_times(result->samples, result->n_samples, baseline.samples_ms, baseline.n_samples,
                                           &result->difference);
    result->against_median = baseline.median_ms;
    result->against = status == PITH_OK ? "" : NULL;
    cli_baseline_free(&baseline);
    return status;
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
    const char *models[MAX_MODELS], *file = NULL;
    int threads[MAX_SWEEP], n_sweep;
    cli_bench_report report = { 0 };
    pith_status status = PITH_OK;
    (void)exit_code;
    CLI_TRY(cli_work_words(words, MAX_MODELS, models, &report.n_models, &file));
    CLI_TRY(parse_threads(given->threads, threads, &n_sweep));
    CLI_CHECK(!given->baseline || report.n_models == 1, PITH_STATUS_ARG, "--baseline is for one model, %d were given",
              report.n_models);
    CLI_CHECK(!given->json || !given->csv, PITH_STATUS_ARG, "--json and --csv contradict each other");
    report.n_results = n_sweep * report.n_models;
    CLI_TRY(cli_alloc((size_t)report.n_results, sizeof *report.results, (void **)&report.results));
    for (int i = 0; i < n_sweep; i++) {
        bench_race race = { .given = given, .results = report.results + i * report.n_models,
                            .n_models = report.n_models };
        CLI_TRY_GOTO(measure(&race, models, file, threads[i], i == 0), done);
        if (given->baseline) {
            CLI_TRY_GOTO(compare_baseline(given->baseline, race.results), done);
        }
    }
    (given->json ? cli_bench_write_json : given->csv ? cli_bench_write_csv : cli_bench_print)(&report);
done:
    for (int i = 0; i < report.n_results; i++) {
        cli_run_inputs_free(&report.results[i].inputs);
    }
    cli_free(report.results);
    return status;
}

static const bench_settings defaults = { .n_warmup = 3, .work = CLI_WORK_DEFAULTS, .max_secs = -1.0 };

const cli_command cli_command_bench = {
    .name = "bench",
    .usage = "MODEL [MODEL_B]... [FILE] [--threads N] [--shape NAME=SIZES]... [--baseline FILE] [--json]",
    .summary = "measure how long a model runs, or how models compare", .options = options,
    .details = "FILE (.png, .jpg, .npy, .npz, .pb, .raw) is the input, as for `pith run`; else numbers are generated,\n"
               "which is no real work for networks that look at their data (detections, tokens, loops).\n"
               "Several models run in turn, round by round, on the same inputs, and are compared with the first.\n"
               "load is reading the model and making a session; first run plans and packs weights; p50 is the median.\n"
               "Times differ if the 95 % bootstrap interval of the ratio of medians excludes 1 and the medians differ\n"
               "by more than 1 %.",
    .settings_bytes = sizeof(bench_settings), .defaults = &defaults, .run = run_bench,
};
