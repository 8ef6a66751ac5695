/* SPDX-License-Identifier: Apache-2.0 */
/* pith diagnose: where a quantised network loses accuracy, why, and what helps; repairs it. */
#include "diagnose.h"
#include "html.h"
#include "package.h"
#include "samples.h"

typedef struct diagnose_settings {
    const char *data, *output, *html, *sidecar;
    cli_words shapes, keys;
    int64_t n_samples, n_threads, n_suspects, input_zero, output_zero;
    double goal_db, input_scale, output_scale;
    bool repair, all, json;
} diagnose_settings;

static const diagnose_settings defaults = { .n_samples = 16 };

static const cli_option options[] = {
    { "data", 'd', CLI_KIND_TEXT, offsetof(diagnose_settings, data), "DATA",
      "samples: a folder of pictures, .npy or .npz files, an .npz of arrays, IDX files (default: generated)", 0, 0 },
    { "samples", 'n', CLI_KIND_INT, offsetof(diagnose_settings, n_samples), "N",
      "samples to compare with, spread over the data (16)", 1, 1e6 },
    { "repair", 0, CLI_KIND_FLAG, offsetof(diagnose_settings, repair), NULL,
      "make the repairs that measurably help, and write the network", 0, 0 },
    { "output", 'o', CLI_KIND_TEXT, offsetof(diagnose_settings, output), "FILE",
      "of --repair: file to write, ONNX or by its ending .pith (default: QUANT_STEM.repaired.onnx)", 0, 0 },
    { "goal", 0, CLI_KIND_NUMBER, offsetof(diagnose_settings, goal_db), "DB",
      "of --repair: what costs time or memory (16 bits, float) is done only below this SQNR of the outputs (20)", 0,
      120 },
    { "suspects", 0, CLI_KIND_INT, offsetof(diagnose_settings, n_suspects), "N",
      "tensors and layers that are tried one by one (12)", 1, 1000 },
    { "input-scale", 0, CLI_KIND_NUMBER, offsetof(diagnose_settings, input_scale), "S",
      "of integer inputs of QUANT: the float samples are divided by it (default: of the first node that reads them)",
      1e-30, 1e30 },
    { "input-zero", 0, CLI_KIND_INT, offsetof(diagnose_settings, input_zero), "N", "with it: the integer of 0 (0)",
      -32768, 65535 },
    { "output-scale", 0, CLI_KIND_NUMBER, offsetof(diagnose_settings, output_scale), "S",
      "of integer outputs of QUANT (default: of the last QuantizeLinear)", 1e-30, 1e30 },
    { "output-zero", 0, CLI_KIND_INT, offsetof(diagnose_settings, output_zero), "N",
      "with it: the integer of 0 (0)", -32768, 65535 },
    { "html", 0, CLI_KIND_TEXT, offsetof(diagnose_settings, html), "FILE", "write a report with plots", 0, 0 },
    { "preprocess", 0, CLI_KIND_TEXT, offsetof(diagnose_settings, sidecar), "FILE",
      "how a picture becomes an input (default: FLOAT_STEM.preprocess beside the float model)", 0, 0 },
    CLI_OPTION_SET(diagnose_settings),
    CLI_OPTION_SHAPE(diagnose_settings),
    CLI_OPTION_THREADS(diagnose_settings),
    CLI_OPTION_ALL(diagnose_settings),
    CLI_OPTION_JSON(diagnose_settings),
    { 0 },
};

enum { N_GENERATED = 8 };

typedef struct diagnose_job {
    const diagnose_settings *given;
    const char *model, *quantised;
    char *output, *command;
    cli_net net;
    cli_preprocess preprocess;
    cli_dataset dataset;
    cli_samples samples;
    pith_diagnose_report *report;
} diagnose_job;

static pith_status diagnose(diagnose_job *job)
{
    const diagnose_settings *given = job->given;
    const pith_diagnose_options how = { .n_threads = (int)given->n_threads,
                                        .n_suspects = (int)given->n_suspects,
                                        .repair = given->repair,
                                        .goal_db = given->goal_db,
                                        .input_scale = given->input_scale,
                                        .input_zero = (int)given->input_zero,
                                        .output_scale = given->output_scale,
                                        .output_zero = (int)given->output_zero,
                                        .progress = cli_show_stage };
    const pith_samples source = { cli_samples_read, &job->samples, job->samples.n };
    pith_status status = pith_diagnose(job->net.ctx, job->model, job->quantised, &how, &source, &job->report);
    cli_progress("%s", "");
    if (status != PITH_OK) {
        return cli_error()[0] ? status : cli_fail(status, "%s", pith_ctx_error(job->net.ctx));
    }
    const pith_diagnose_report *report = job->report;
    const cli_extras extras = { .source = job->model, .settings = &job->preprocess };
    size_t n_bytes = 0;
    return report->is_repaired ? cli_model_write(job->output, job->net.ctx, report->repaired_file,
                                                 report->repaired_file_bytes, &extras, &n_bytes)
                               : PITH_OK;
}

static pith_status open_samples(diagnose_job *job)
{
    const cli_input_reader reader = { .net = &job->net, .settings = &job->preprocess, .shapes = &job->given->shapes };
    const diagnose_settings *given = job->given;
    const cli_dataset_wish wish = { .model = job->net.model };
    if (given->data) {
        CLI_TRY(cli_dataset_open(given->data, &wish, &job->dataset));
    } else {
        cli_warn("no data (--data): inputs are generated, so the report means little");
    }
    int64_t n_most = given->data || given->n_samples < N_GENERATED ? given->n_samples : N_GENERATED;
    CLI_TRY(cli_samples_open(&reader, given->data ? &job->dataset : NULL, (int)n_most, &job->samples));
    if (!given->data) {
        CLI_TRY(cli_net_choose_shapes(&job->net, &given->shapes, NULL, &job->samples.shapes));
        cli_net_tell_assumed(&job->net, &job->samples.shapes);
    }
    return PITH_OK;
}

/* The same words with --repair. */
static pith_status make_command(diagnose_job *job)
{
    bool helps = false;
    for (int i = 0; job->report->needs_repair && i < job->report->n_findings; i++) {
        helps = helps || job->report->findings[i].gain_repair_db > 1.0 || job->report->findings[i].is_fault;
    }
    return helps && !job->given->repair
               ? cli_text_format(&job->command, "pith diagnose %s %s%s%s --repair -o %s", job->model, job->quantised,
                                 job->given->data ? " --data " : "", job->given->data ? job->given->data : "",
                                 job->output)
               : PITH_OK;
}

static pith_status show(diagnose_job *job)
{
    CLI_TRY(make_command(job));
    const cli_diagnosis diagnosis = { .model = job->model,
                                      .quantised = job->quantised,
                                      .data = job->given->data,
                                      .command = job->command,
                                      .report = job->report,
                                      .all = job->given->all,
                                      .repaired = job->report->is_repaired ? job->output : NULL };
    if (job->given->html) {
        CLI_TRY(cli_diagnose_write_html(&diagnosis, job->given->html));
    }
    if (job->given->json) {
        cli_diagnose_write_json(&diagnosis, stdout);
    } else {
        cli_diagnose_print(&diagnosis);
    }
    return PITH_OK;
}

static pith_status run_job(diagnose_job *job)
{
    const cli_net_options how = { .n_threads = (int)job->given->n_threads };
    const diagnose_settings *given = job->given;
    CLI_CHECK(given->repair || !given->output, PITH_STATUS_ARG, "-o is for --repair");
    CLI_CHECK((given->input_scale > 0.0 || given->input_zero == 0) &&
                  (given->output_scale > 0.0 || given->output_zero == 0),
              PITH_STATUS_ARG, "--input-zero and --output-zero go with --input-scale and --output-scale");
    CLI_TRY(cli_choose_path(job->given->output, job->quantised, ".repaired.onnx", &job->output));
    if (job->given->repair) {
        CLI_TRY(cli_check_output(job->output, job->model));
        CLI_TRY(cli_check_output(job->output, job->quantised));
    }
    CLI_TRY(cli_preprocess_of_model(job->model, job->given->sidecar, &job->given->keys, &job->preprocess));
    CLI_TRY(cli_net_open(job->model, &how, &job->net));
    CLI_TRY(cli_net_start(&job->net, &how));
    CLI_TRY(open_samples(job));
    CLI_TRY(diagnose(job));
    return show(job);
}

static pith_status run(const void *settings, const cli_words *words, int *exit_code)
{
    diagnose_job job = { .given = settings };
    (void)exit_code;
    CLI_CHECK(words->n == 2, PITH_STATUS_ARG,
              "two models are needed, the float one and the quantised one; %d were given", words->n);
    job.model = words->items[0];
    job.quantised = words->items[1];
    pith_status status = run_job(&job);
    pith_diagnose_report_destroy(job.report);
    cli_samples_close(&job.samples);
    cli_dataset_close(&job.dataset);
    cli_net_close(&job.net);
    cli_free(job.output);
    cli_free(job.command);
    return status;
}

const cli_command cli_command_diagnose = {
    .name = "diagnose",
    .usage = "FLOAT QUANT --data DATA [--repair -o FILE]",
    .summary = "where a quantised network loses accuracy, why, and what helps",
    .details =
        "QUANT is any quantised form of FLOAT: QDQ or QOperator ONNX, whoever made it, with float or integer inputs\n"
        "and outputs, which are joined by name, then by place. Tensors are matched by name, then by structure; of\n"
        "networks without a common layer the outputs alone are compared. Errors are SQNR in dB against the float\n"
        "network: of rounding the tensor alone (own), of its layer with float inputs (isolated), with everything in\n"
        "front quantised (cumulative). docs/quantization.md explains causes and repairs.",
    .options = options,
    .settings_bytes = sizeof(diagnose_settings),
    .defaults = &defaults,
    .run = run,
};
