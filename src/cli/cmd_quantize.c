/* SPDX-License-Identifier: Apache-2.0 */
/* pith quantize: a float network to int8, with calibration data; what was done and what it costs. */
#include "package.h"
#include "quantize.h"

#include "generate.h"

static const quantize_settings defaults = { .n_samples = 128, .n_threads = 0 };

static const cli_option options[] = {
    { "calib", 'c', CLI_KIND_TEXT, offsetof(quantize_settings, calib), "DATA",
      "samples: a folder of pictures, .npy or .npz files, an .npz of arrays, IDX files (default: generated)", 0, 0 },
    { "output", 'o', CLI_KIND_TEXT, offsetof(quantize_settings, output), "FILE",
      "file to write, ONNX or by its ending .pith (default: MODEL_STEM.int8.onnx)", 0, 0 },
    { "samples", 'n', CLI_KIND_INT, offsetof(quantize_settings, n_samples), "N",
      "samples to calibrate with, spread over the data (128)", 1, 1e6 },
    { "observer", 0, CLI_KIND_TEXT, offsetof(quantize_settings, observer), "NAME",
      "ranges: auto, min-max, percentile, mse, kl, aciq, average, moving-average, admm, emd (auto: by measured error)",
      0, 0 },
    { "clip-percent", 0, CLI_KIND_POINTS, offsetof(quantize_settings, clip_percent), "P",
      "of the percentile observer: left out at either end (0.01)", 0, 49 },
    { "max-drop", 0, CLI_KIND_POINTS, offsetof(quantize_settings, max_drop), "POINTS",
      "most that may be lost, 0.5 or 0.5% for half a point: of top-1 with labels, of agreement on the class, else "
      "percent of noise", 0, 100 },
    { "max-size", 0, CLI_KIND_BYTES, offsetof(quantize_settings, max_size), "BYTES",
      "largest file, such as 900K or 1M", 0, 0 },
    { "max-ms", 0, CLI_KIND_NUMBER, offsetof(quantize_settings, max_ms), "MS", "longest run on this machine", 0, 1e9 },
    { "max-ram", 0, CLI_KIND_BYTES, offsetof(quantize_settings, max_ram), "BYTES",
      "largest arena: activations and scratch memory", 0, 0 },
    { "int8", 0, CLI_KIND_FLAG, offsetof(quantize_settings, int8), NULL,
      "int8 for all that can be, also where float is faster", 0, 0 },
    { "no-timing", 0, CLI_KIND_FLAG, offsetof(quantize_settings, no_timing), NULL,
      "choose by counts of work, not by times: the same file on every machine", 0, 0 },
    { "weights", 'w', CLI_KIND_TEXT, offsetof(quantize_settings, weights), "FORMAT",
      "store weights alone in few bits: int2 to int8, with details int4:group=32,asym; palette2 to palette8; float16, "
      "bfloat16, float8e4m3, float8e5m2", 0, 0 },
    { "method", 0, CLI_KIND_TEXT, offsetof(quantize_settings, method), "NAME",
      "how --weights become integers: rtn (to the nearest), gptq, awq or adaround (rtn)", 0, 0 },
    { "dynamic", 0, CLI_KIND_FLAG, offsetof(quantize_settings, dynamic), NULL,
      "products of matrices in 8 bits, activations quantised in each run: no calibration data is needed", 0, 0 },
    { "keep-float", 0, CLI_KIND_TEXT, offsetof(quantize_settings, keep_float), "LIST",
      "nodes or operators that stay float, with commas", 0, 0 },
    { "per-tensor", 0, CLI_KIND_FLAG, offsetof(quantize_settings, per_tensor), NULL,
      "one scale per weight tensor, not per channel", 0, 0 },
    { "no-equalization", 0, CLI_KIND_FLAG, offsetof(quantize_settings, no_equalization), NULL,
      "leave weights of neighbouring layers as they are", 0, 0 },
    { "no-bias-correction", 0, CLI_KIND_FLAG, offsetof(quantize_settings, no_bias_correction), NULL,
      "leave mean errors in", 0, 0 },
    { "effort", 0, CLI_KIND_TEXT, offsetof(quantize_settings, effort), "NAME",
      "how much work it is worth: fast, normal or best (normal)", 0, 0 },
    { "without", 0, CLI_KIND_TEXT, offsetof(quantize_settings, without), "LIST",
      "stages to leave out, with commas; the report names them", 0, 0 },
    CLI_OPTION_PREPROCESS(quantize_settings),
    CLI_OPTION_SET(quantize_settings),
    CLI_OPTION_SHAPE(quantize_settings),
    CLI_OPTION_THREADS(quantize_settings),
    CLI_OPTION_ALL(quantize_settings),
    CLI_OPTION_JSON(quantize_settings),
    { 0 },
};

enum { N_GENERATED = 16, N_VERIFIED = 1000, FEW_SAMPLES = 8 };

/* ---- quantising ---------------------------------------------------------------------------- */

/* Brings the words of the options to numbers. */
static pith_status find_names(const quantize_settings *given, pith_quantize_options *how)
{
    static const char *const efforts[] = { "normal", "fast", "best" };
    static const char *const methods[] = { "rtn", "gptq", "awq", "adaround" };
    const char *observers[PITH_OBSERVER_COUNT];
    int observer, effort, method;
    for (int i = 0; i < PITH_OBSERVER_COUNT; i++) {
        observers[i] = pith_observer_name((pith_observer)i);
    }
    CLI_TRY(cli_find_name("observer", given->observer, observers, PITH_OBSERVER_COUNT, &observer));
    CLI_TRY(cli_find_name("effort", given->effort, efforts, CLI_COUNT(efforts), &effort));
    CLI_TRY(cli_find_name("method", given->method, methods, CLI_COUNT(methods), &method));
    how->observer = (pith_observer)observer;
    how->effort = (pith_quantize_effort)effort;
    how->weight_method = (pith_weight_method)method;
    return PITH_OK;
}

static pith_status quantize(quantize_job *job)
{
    const quantize_settings *given = job->given;
    const pith_samples verify = { cli_samples_read, &job->verified, job->verified.n };
    pith_quantize_options how = {
        .clip_fraction = given->clip_percent / 100.0,   .per_tensor_weights = given->per_tensor,
        .without = given->without,
        .no_equalization = given->no_equalization,
        .no_bias_correction = given->no_bias_correction || (given->weights && !given->calib), /* means of noise */
        .keep_float = given->keep_float,                .n_threads = (int)given->n_threads,
        .progress = cli_show_stage,                      .max_drop = given->max_drop,
        .max_bytes = (size_t)given->max_size,           .max_ms = given->max_ms,
        .max_ram_bytes = (size_t)given->max_ram,        .no_timing = given->no_timing,
        .no_mix = given->int8,                          .verify = job->verified.n > 0 ? &verify : NULL,
        .verify_labels = job->labels,                   .weights = given->weights,
        .dynamic = given->dynamic,
    };
    const pith_samples source = { cli_samples_read, &job->samples, job->samples.n };
    void *bytes = NULL;
    CLI_TRY(find_names(given, &how));
    pith_status status =
        pith_quantize(job->net.ctx, job->model, &how, &source, &bytes, &job->file_bytes, &job->report);
    cli_progress("%s", "");
    if (status != PITH_OK) {
        return cli_error()[0] ? status : cli_net_fail(&job->net, status);
    }
    const cli_extras extras = { .source = job->model, .settings = &job->preprocess };
    status = cli_model_write(job->output, job->net.ctx, bytes, job->file_bytes, &extras, &job->file_bytes);
    pith_free_bytes(job->net.ctx, bytes);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static pith_status choose_output(quantize_job *job)
{
    const char *format = job->given->weights ? job->given->weights : job->given->dynamic ? "dynamic" : "int8";
    char ending[64];
    snprintf(ending, sizeof ending, ".%.*s.onnx", (int)strcspn(format, ":"), format);
    return cli_choose_path(job->given->output, job->model, ending, &job->output);
}

/* Samples that calibration leaves out, with their labels: the drop is measured on them. */
static pith_status open_verified(quantize_job *job)
{
    void *labels = NULL;
    if (job->samples.n >= job->dataset.n) {
        return PITH_OK;
    }
    CLI_TRY(cli_samples_open_apart(&job->samples, N_VERIFIED, &job->verified));
    if (job->dataset.labels) {
        CLI_TRY(cli_alloc((size_t)job->verified.n, sizeof(int64_t), &labels));
        job->labels = labels;
        for (int i = 0; i < job->verified.n; i++) {
            job->labels[i] = job->dataset.labels[job->verified.indices[i]];
        }
    }
    return PITH_OK;
}

static pith_status open_samples(quantize_job *job)
{
    const cli_input_reader reader = { .net = &job->net, .settings = &job->preprocess, .shapes = &job->given->shapes };
    const quantize_settings *given = job->given;
    if (given->calib) {
        const cli_dataset_wish wish = { .model = job->net.model, .labels = &job->names, .is_calibration = true };
        CLI_TRY(cli_dataset_open(given->calib, &wish, &job->dataset));
        if (job->dataset.n_labelled > job->dataset.n / 2 && !job->dataset.labels) {
            cli_warn("classes aren't used: '%s' has none, %d of %d samples have one",
                     job->dataset.paths[job->dataset.unlabelled], job->dataset.n_labelled, job->dataset.n);
        }
    }
    int64_t n_most = given->calib || given->n_samples < N_GENERATED ? given->n_samples : N_GENERATED;
    if (given->max_drop > 0.0 && given->calib && job->dataset.n <= n_most && job->dataset.n > 1) {
        n_most = job->dataset.n / 2; /* the drop is measured on the other half */
    }
    CLI_TRY(cli_samples_open(&reader, given->calib ? &job->dataset : NULL, (int)n_most, &job->samples));
    if (given->calib) {
        if (job->samples.n < FEW_SAMPLES) {
            cli_warn("%d calibration sample%s: ranges and the report mean little; some hundred are usual",
                     job->samples.n, job->samples.n == 1 ? "" : "s");
        }
        return open_verified(job);
    }
    CLI_TRY(cli_net_choose_shapes(&job->net, &given->shapes, NULL, &job->samples.shapes));
    cli_net_tell_assumed(&job->net, &job->samples.shapes);
    const bool has_picture = cli_generates_picture(&job->net, &job->samples.shapes);
    cli_warn("no calibration data (--calib): inputs are generated, so ranges and the report mean little%s",
             has_picture ? "; how pictures are scaled is said by --set mean=..., scale=... or the sidecar file" : "");
    return PITH_OK;
}

static pith_status run_job(quantize_job *job)
{
    const cli_net_options how = { .n_threads = (int)job->given->n_threads };
    CLI_TRY(choose_output(job));
    CLI_TRY(cli_check_output(job->output, job->model));
    CLI_TRY(cli_preprocess_of_model(job->model, job->given->sidecar, &job->given->keys, &job->preprocess));
    if (!job->preprocess.labels[0] || cli_is_file(job->preprocess.labels)) {
        CLI_TRY(cli_labels_of_model(job->model, &job->preprocess, &job->names));
    }
    CLI_TRY(cli_net_open(job->model, &how, &job->net));
    CLI_TRY(cli_net_start(&job->net, &how));
    CLI_TRY(open_samples(job));
    CLI_TRY(quantize(job));
    cli_quantize_report(job);
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
    cli_samples_close(&job.verified);
    cli_free(job.labels);
    cli_dataset_close(&job.dataset);
    cli_labels_free(&job.names);
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
        "Layers that are not faster in integers on this machine stay float. With limits (--max-...) precision is\n"
        "chosen per layer until all are kept; if they can't be, the command fails and says what can be reached.\n"
        "With --weights only they are stored in fewer bits: calibration data are needed by all methods but rtn, whose\n"
        "result they improve.\n"
        "The report names the tensors that lose most, and the nodes that stay float and why.",
    .options = options,
    .settings_bytes = sizeof(quantize_settings),
    .defaults = &defaults,
    .run = run,
};
