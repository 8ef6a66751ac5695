/* SPDX-License-Identifier: Apache-2.0 */
/* pith quantize: a float network to int8, with calibration data; what was done and what it costs. */
#include "json.h"
#include "samples.h"

typedef struct quantize_settings {
    const char *calib, *output, *observer, *keep_float, *without, *sidecar;
    cli_words shapes, keys;
    int64_t n_samples, n_threads;
    double clip_percent;
    bool per_tensor, no_equalization, no_bias_correction, all, json;
} quantize_settings;

static const quantize_settings defaults = { .n_samples = 128, .n_threads = 0 };

static const cli_option options[] = {
    { "calib", 'c', CLI_KIND_TEXT, offsetof(quantize_settings, calib), "DATA",
      "samples: a folder of pictures, .npy or .npz files, an .npz of arrays, IDX files (default: generated)", 0, 0 },
    { "output", 'o', CLI_KIND_TEXT, offsetof(quantize_settings, output), "FILE",
      "ONNX file to write (default: MODEL_STEM.int8.onnx)", 0, 0 },
    { "samples", 'n', CLI_KIND_INT, offsetof(quantize_settings, n_samples), "N",
      "samples to calibrate with, spread over the data (128)", 1, 1e6 },
    { "observer", 0, CLI_KIND_TEXT, offsetof(quantize_settings, observer), "NAME",
      "ranges of activations: auto, min-max, percentile, mse or kl (auto: the best by measured error)", 0, 0 },
    { "clip-percent", 0, CLI_KIND_NUMBER, offsetof(quantize_settings, clip_percent), "P",
      "of the percentile observer: left out at either end (0.01)", 0, 49 },
    { "keep-float", 0, CLI_KIND_TEXT, offsetof(quantize_settings, keep_float), "LIST",
      "nodes or operators that stay float, with commas", 0, 0 },
    { "per-tensor", 0, CLI_KIND_FLAG, offsetof(quantize_settings, per_tensor), NULL,
      "one scale per weight tensor, not per channel", 0, 0 },
    { "no-equalization", 0, CLI_KIND_FLAG, offsetof(quantize_settings, no_equalization), NULL,
      "leave weights of neighbouring layers as they are", 0, 0 },
    { "no-bias-correction", 0, CLI_KIND_FLAG, offsetof(quantize_settings, no_bias_correction), NULL,
      "leave mean errors in", 0, 0 },
    { "without", 0, CLI_KIND_TEXT, offsetof(quantize_settings, without), "LIST",
      "stages to leave out, with commas; the report names them", 0, 0 },
    { "preprocess", 0, CLI_KIND_TEXT, offsetof(quantize_settings, sidecar), "FILE",
      "how a picture becomes an input (default: MODEL_STEM.preprocess beside the model)", 0, 0 },
    { "set", 0, CLI_KIND_WORDS, offsetof(quantize_settings, keys), "KEY=VALUE",
      "one setting of that file, such as mean=127.5 (repeat)", 0, 0 },
    { "shape", 0, CLI_KIND_WORDS, offsetof(quantize_settings, shapes), "NAME=SIZES", "shape of an input (repeat)", 0,
      0 },
    { "threads", 't', CLI_KIND_INT, offsetof(quantize_settings, n_threads), "N", "threads (default: one per core)", 1,
      1024 },
    { "all", 0, CLI_KIND_FLAG, offsetof(quantize_settings, all), NULL, "list every tensor, not only the worst", 0, 0 },
    { "json", 0, CLI_KIND_FLAG, offsetof(quantize_settings, json), NULL, "print JSON", 0, 0 },
    { 0 },
};

enum { N_WORST = 5, N_TIMED = 15, N_GENERATED = 16 };

typedef struct quantize_job {
    const quantize_settings *given;
    const char *model;
    char *output;
    cli_net net;
    cli_preprocess preprocess;
    cli_dataset dataset;
    cli_samples samples;
    pith_quantize_report *report;
    double float_ms, quantized_ms;
    size_t file_bytes;
} quantize_job;

/* ---- quantising ---------------------------------------------------------------------------- */

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    return cli_samples_read(user, index, inputs);
}

static void show_progress(void *user, const char *stage, int done, int total)
{
    (void)user;
    if (total > 0) {
        cli_progress("%s: %d of %d", stage, done, total);
    } else {
        cli_progress("%s: %d", stage, done);
    }
}

static pith_status find_observer(const char *name, pith_observer *observer_out)
{
    *observer_out = PITH_OBSERVER_AUTO;
    for (int i = 0; name && i < PITH_OBSERVER_COUNT; i++) {
        if (strcmp(name, pith_observer_name((pith_observer)i)) == 0) {
            *observer_out = (pith_observer)i;
            return PITH_OK;
        }
    }
    CLI_CHECK(!name, PITH_STATUS_ARG, "--observer '%s' is unknown; it is auto, min-max, percentile, mse or kl", name);
    return PITH_OK;
}

static pith_status quantize(quantize_job *job)
{
    const quantize_settings *given = job->given;
    pith_quantize_options how = {
        .clip_fraction = given->clip_percent / 100.0,   .per_tensor_weights = given->per_tensor,
        .without = given->without,
        .no_equalization = given->no_equalization,      .no_bias_correction = given->no_bias_correction,
        .keep_float = given->keep_float,                .n_threads = (int)given->n_threads,
        .progress = show_progress,
    };
    const pith_samples source = { read_sample, &job->samples, job->samples.n };
    void *bytes = NULL;
    CLI_TRY(find_observer(given->observer, &how.observer));
    pith_status status =
        pith_quantize(job->net.ctx, job->model, &how, &source, &bytes, &job->file_bytes, &job->report);
    cli_progress("%s", "");
    if (status != PITH_OK) {
        return cli_error()[0] ? status : cli_net_fail(&job->net, status);
    }
    status = cli_file_write(job->output, bytes, job->file_bytes);
    pith_free_bytes(job->net.ctx, bytes);
    return status;
}

/* ---- times --------------------------------------------------------------------------------- */

static pith_status time_once(cli_net *net, const pith_tensor *inputs, double *least)
{
    double start = cli_now_ms();
    pith_status status = pith_session_run(net->session, inputs, pith_model_n_inputs(net->model));
    double ms = cli_now_ms() - start;
    *least = *least == 0.0 || ms < *least ? ms : *least;
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

/* Float and int8 in turns; the least of each. */
static pith_status measure_times(quantize_job *job)
{
    const cli_net_options how = { .n_threads = (int)job->given->n_threads };
    cli_net quantized = { 0 };
    pith_tensor inputs[CLI_MAX_INPUTS];
    pith_status status = PITH_OK;
    double unused = 0.0;
    CLI_TRY_GOTO(cli_net_open(job->output, &how, &quantized), done);
    CLI_TRY_GOTO(cli_net_start(&quantized, &how), done);
    CLI_TRY_GOTO(cli_samples_read(&job->samples, 0, inputs), done);
    CLI_TRY_GOTO(time_once(&job->net, inputs, &unused), done);
    CLI_TRY_GOTO(time_once(&quantized, inputs, &unused), done);
    for (int i = 0; i < N_TIMED; i++) {
        CLI_TRY_GOTO(time_once(&job->net, inputs, &job->float_ms), done);
        CLI_TRY_GOTO(time_once(&quantized, inputs, &job->quantized_ms), done);
    }
done:
    cli_net_close(&quantized);
    return status;
}

/* ---- the report ---------------------------------------------------------------------------- */

static void json_stages(cli_json *json, const pith_quantize_report *report)
{
    cli_json_list(json, "stages");
    for (int i = 0; i < report->n_stages; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", report->stages[i].name);
        cli_json_number(json, "before_db", report->stages[i].before_db);
        cli_json_number(json, "after_db", report->stages[i].after_db);
        cli_json_bool(json, "kept", report->stages[i].is_kept != 0);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void print_json(const quantize_job *job)
{
    const pith_quantize_report *report = job->report;
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", job->model);
    cli_json_text(&json, "output", job->output);
    cli_json_whole(&json, "samples", job->samples.n);
    cli_json_bool(&json, "generated", job->samples.dataset == NULL);
    cli_json_text(&json, "observer", pith_observer_name(report->observer));
    cli_json_number(&json, "sqnr_db", report->sqnr_db);
    json_stages(&json, report);
    cli_json_number(&json, "cosine", report->cosine);
    cli_json_whole(&json, "equalized_pairs", report->n_equalized);
    cli_json_bool(&json, "bias_corrected", report->is_bias_corrected != 0);
    cli_json_whole(&json, "nodes", report->n_nodes);
    cli_json_whole(&json, "integer_nodes", report->n_integer_nodes);
    cli_json_list(&json, "float_nodes");
    for (int i = 0; i < report->n_float_nodes; i++) {
        cli_json_text(&json, NULL, report->float_nodes[i]);
    }
    cli_json_end(&json);
    cli_json_whole(&json, "float_weight_bytes", (int64_t)report->float_bytes);
    cli_json_whole(&json, "weight_bytes", (int64_t)report->quantized_bytes);
    cli_json_whole(&json, "file_bytes", (int64_t)job->file_bytes);
    cli_json_number(&json, "float_ms", job->float_ms);
    cli_json_number(&json, "ms", job->quantized_ms);
    cli_json_list(&json, "tensors");
    for (int i = 0; i < report->n_tensors; i++) {
        const pith_quantized_tensor *tensor = &report->tensors[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", tensor->name);
        cli_json_number(&json, "low", (double)tensor->low);
        cli_json_number(&json, "high", (double)tensor->high);
        cli_json_number(&json, "scale", (double)tensor->scale);
        cli_json_whole(&json, "zero_point", tensor->zero_point);
        cli_json_number(&json, "sqnr_db", tensor->sqnr_db);
        cli_json_number(&json, "clipped", tensor->clipped);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

static void print_tensor(const pith_quantized_tensor *tensor)
{
    printf("  %-40.40s %10.4g %10.4g %10.4g %5d %8.1f %8.3f %%\n", tensor->name, (double)tensor->low,
           (double)tensor->high, (double)tensor->scale, tensor->zero_point, tensor->sqnr_db, 100.0 * tensor->clipped);
}

/* The worst by their own signal-to-noise ratio, or all in order. */
static void print_tensors(const pith_quantize_report *report, bool all)
{
    double above = -1e9;
    printf("\n  %-40s %10s %10s %10s %5s %8s %10s\n", all ? "tensor" : "worst tensors", "low", "high", "scale", "zero",
           "SQNR dB", "clipped");
    for (int row = 0; row < (all ? report->n_tensors : N_WORST); row++) {
        const pith_quantized_tensor *next = all ? &report->tensors[row] : NULL;
        for (int i = 0; !all && i < report->n_tensors; i++) {
            const pith_quantized_tensor *tensor = &report->tensors[i];
            bool is_next = tensor->sqnr_db > above && (!next || tensor->sqnr_db < next->sqnr_db);
            next = is_next ? tensor : next;
        }
        if (!next) {
            return;
        }
        above = next->sqnr_db;
        print_tensor(next);
    }
}

static void print_observers(const pith_quantize_report *report)
{
    printf("  observer  %s", pith_observer_name(report->observer));
    for (int i = 1; i < PITH_OBSERVER_COUNT; i++) {
        if (report->observer_sqnr_db[i] > 0.0) {
            printf("%s%s %.1f dB", i == 1 ? "  (" : ", ", pith_observer_name((pith_observer)i),
                   report->observer_sqnr_db[i]);
        }
    }
    printf("%s\n", report->observer_sqnr_db[1] > 0.0 ? ")" : "");
}

/* Rules of thumb for a classifier's drop in accuracy. */
static const char *verdict(double sqnr_db)
{
    return sqnr_db > 20.0 ? "no visible loss is expected" : sqnr_db > 10.0 ? "some loss is likely" : "visible loss";
}

static void print_stages(const pith_quantize_report *report)
{
    printf("\n  %-40s %10s %10s %10s\n", "stage", "before dB", "after dB", "gain dB");
    for (int i = 0; i < report->n_stages; i++) {
        const pith_quantize_stage *stage = &report->stages[i];
        printf("  %-40s %10.2f %10.2f %+10.2f%s\n", stage->name, stage->before_db, stage->after_db,
               stage->after_db - stage->before_db, stage->is_kept ? "" : "  not kept");
    }
}

static void print_report(const quantize_job *job)
{
    const pith_quantize_report *report = job->report;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("%s -> %s\n", job->model, job->output);
    print_observers(report);
    printf("  outputs   SQNR %.1f dB, cosine %.5f: %s\n", report->sqnr_db, report->cosine, verdict(report->sqnr_db));
    printf("  layers    %d pairs equalised, biases %s\n", report->n_equalized,
           report->is_bias_corrected ? "corrected" : "left as they are");
    printf("  nodes     %d of %d compute in integers\n", report->n_integer_nodes, report->n_nodes);
    for (int i = 0; i < report->n_float_nodes; i++) {
        printf("%s%s%s", i == 0 ? "  float     " : ", ", report->float_nodes[i],
               i + 1 == report->n_float_nodes ? "\n" : "");
    }
    printf("  weights   %s -> %s\n", cli_human_bytes((double)report->float_bytes, a),
           cli_human_bytes((double)report->quantized_bytes, b));
    printf("  time      %s -> %s\n", cli_human_ms(job->float_ms, a), cli_human_ms(job->quantized_ms, b));
    print_stages(report);
    print_tensors(report, job->given->all);
}

/* ---- the verb ------------------------------------------------------------------------------ */

static pith_status choose_output(quantize_job *job)
{
    const char *dot = strrchr(job->model, '.'), *slash = strrchr(job->model, '/');
    size_t n_stem = dot && (!slash || dot > slash) ? (size_t)(dot - job->model) : strlen(job->model);
    return job->given->output ? cli_text_copy(job->given->output, strlen(job->given->output), &job->output)
                              : cli_text_format(&job->output, "%.*s.int8.onnx", (int)n_stem, job->model);
}

static pith_status open_samples(quantize_job *job)
{
    const cli_input_reader reader = { .net = &job->net, .settings = &job->preprocess, .shapes = &job->given->shapes };
    const quantize_settings *given = job->given;
    if (given->calib) {
        CLI_TRY(cli_dataset_open(given->calib, &job->dataset));
    } else {
        cli_warn("no calibration data (--calib): inputs are generated, so ranges and the report mean little");
    }
    int64_t n_most = given->calib || given->n_samples < N_GENERATED ? given->n_samples : N_GENERATED;
    CLI_TRY(cli_samples_open(&reader, given->calib ? &job->dataset : NULL, (int)n_most, &job->samples));
    return given->calib ? PITH_OK : cli_net_choose_shapes(&job->net, &given->shapes, NULL, &job->samples.shapes);
}

static pith_status run_job(quantize_job *job)
{
    const cli_net_options how = { .n_threads = (int)job->given->n_threads };
    CLI_TRY(choose_output(job));
    CLI_TRY(cli_preprocess_of_model(job->model, job->given->sidecar, &job->given->keys, &job->preprocess));
    CLI_TRY(cli_net_open(job->model, &how, &job->net));
    CLI_TRY(cli_net_start(&job->net, &how));
    CLI_TRY(open_samples(job));
    CLI_TRY(quantize(job));
    CLI_TRY(measure_times(job));
    if (job->given->json) {
        print_json(job);
    } else {
        print_report(job);
    }
    if (job->quantized_ms > job->float_ms) {
        cli_warn("int8 is slower than float here: %.3g ms against %.3g ms", job->quantized_ms, job->float_ms);
    }
    return PITH_OK;
}

static pith_status run(const void *settings, const cli_words *words, int *exit_code)
{
    quantize_job job = { .given = settings };
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model is needed, %d were given", words->n);
    job.model = words->items[0];
    pith_status status = run_job(&job);
    pith_quantize_report_destroy(job.report);
    cli_samples_close(&job.samples);
    cli_dataset_close(&job.dataset);
    cli_net_close(&job.net);
    cli_free(job.output);
    return status;
}

const cli_command cli_command_quantize = {
    .name = "quantize",
    .usage = "MODEL --calib DATA [-o FILE]",
    .summary = "make an int8 network of a float one",
    .details =
        "The result is an ONNX file in QDQ form. Ranges come from calibration data: some hundred typical inputs.\n"
        "The report names the tensors that lose most and the nodes that stay float.",
    .options = options,
    .settings_bytes = sizeof(quantize_settings),
    .defaults = &defaults,
    .run = run,
};
