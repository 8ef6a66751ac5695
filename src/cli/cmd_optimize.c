/* SPDX-License-Identifier: Apache-2.0 */
/* pith optimize: the network simplified, with branches folded, as ONNX or `.pith`. */
#include "file.h"
#include "json.h"
#include "net.h"
#include "package.h"

typedef struct optimize_settings {
    cli_words shapes, dims;
    const char *output, *disable_passes, *sidecar, *tuning, *pack;
    bool json;
} optimize_settings;

static const cli_option options[] = {
    { "output", 'o', CLI_KIND_TEXT, offsetof(optimize_settings, output), "FILE",
      "file to write, ONNX or by its ending .pith (default: MODEL_STEM.opt.onnx)", 0, 0 },
    { "shape", 0, CLI_KIND_WORDS, offsetof(optimize_settings, shapes), "NAME=1x3x224x224",
      "write the network for this shape of an input (repeat for more)", 0, 0 },
    { "dim", 0, CLI_KIND_WORDS, offsetof(optimize_settings, dims), "SYMBOL=SIZE",
      "size of a symbolic dimension (repeat)", 0, 0 },
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(optimize_settings, disable_passes), "LIST",
      "optimisations to leave out", 0, 0 },
    CLI_OPTION_PREPROCESS(optimize_settings),
    { "tuning", 0, CLI_KIND_TEXT, offsetof(optimize_settings, tuning), "FILE",
      "choices of `pith tune` that a .pith file takes along (default: those of MODEL)", 0, 0 },
    { "pack", 0, CLI_KIND_TEXT, offsetof(optimize_settings, pack), "ISAS",
      "weights packed for these instruction sets, in a .pith file: \"native\", or names and commas", 0, 0 },
    CLI_OPTION_JSON(optimize_settings),
    { 0 },
};

typedef struct optimize_job {
    const optimize_settings *given;
    const char *model;
    char *output, *tuning;
    cli_preprocess preprocess;
    void *bytes; /* ONNX */
    size_t n_bytes;
    cli_net before, after;
    pith_optimize_report report;
    pith_cost_report cost_before, cost_after;
    cli_shapes shapes; /* that costs are for */
    size_t file_bytes;
} optimize_job;

static pith_status make_optimized(optimize_job *job)
{
    const optimize_settings *given = job->given;
    pith_optimize_options how = { .disable_passes = given->disable_passes };
    cli_shapes shapes;
    if (given->shapes.n > 0 || given->dims.n > 0) {
        CLI_TRY(cli_net_given_shapes(&job->before, &given->shapes, &given->dims, &shapes));
        how.input_shapes = shapes.items;
    }
    pith_status status = pith_optimize(job->before.ctx, job->model, &how, &job->bytes, &job->n_bytes, &job->report);
    return status == PITH_OK ? status : cli_net_fail(&job->before, status);
}

static pith_status write_model(optimize_job *job, const char *pack)
{
    const cli_extras extras = { .source = job->model, .settings = &job->preprocess, .tuning = job->tuning,
                                .keeps_tuning = true, .pack = pack,
                                .shapes = pack ? job->shapes.items : NULL };
    return cli_model_write(job->output, job->before.ctx, job->bytes, job->n_bytes, &extras, &job->file_bytes);
}

/* Those of the model, if it has some: beside it, as the library looks for them. */
static pith_status find_tuning(optimize_job *job)
{
    CLI_TRY(cli_text_format(&job->tuning, job->given->tuning ? "%s" : "%s.tune",
                            job->given->tuning ? job->given->tuning : job->model));
    if (!job->given->tuning && (!cli_is_file(job->tuning) || !cli_ends_with(job->output, ".pith"))) {
        cli_free(job->tuning);
        job->tuning = NULL;
    }
    return PITH_OK;
}

/* The model as the file has it, without any pass, and what was written, without further ones: what another engine
 * would have to compute. */
static pith_status measure(optimize_job *job)
{
    const cli_net_options plain = { .disable_passes = "all" };
    cli_net source = { 0 };
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_net_open(job->model, &plain, &source), done);
    CLI_TRY_GOTO(cli_net_open(job->output, &plain, &job->after), done);
    CLI_TRY_GOTO(cli_net_choose_shapes(&job->after, &job->given->shapes, &job->given->dims, &job->shapes), done);
    status = pith_model_cost(source.model, job->shapes.items, 1, &job->cost_before);
    CLI_TRY_GOTO(status == PITH_OK ? status : cli_net_fail(&source, status), done);
    status = pith_model_cost(job->after.model, job->shapes.items, 1, &job->cost_after);
    CLI_TRY_GOTO(status == PITH_OK ? status : cli_net_fail(&job->after, status), done);
done:
    cli_net_close(&source);
    return status;
}

static void print_json(const optimize_job *job)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", job->model);
    cli_json_text(&json, "output", job->output);
    cli_json_whole(&json, "nodes_before", job->report.n_nodes_before);
    cli_json_whole(&json, "nodes", job->report.n_nodes_after);
    cli_json_whole(&json, "weight_bytes_before", (int64_t)job->report.weight_bytes_before);
    cli_json_whole(&json, "weight_bytes", (int64_t)job->report.weight_bytes_after);
    cli_json_whole(&json, "macs_before", (int64_t)job->cost_before.macs);
    cli_json_whole(&json, "macs", (int64_t)job->cost_after.macs);
    cli_json_whole(&json, "file_bytes", (int64_t)job->file_bytes);
    cli_json_end(&json);
}

static void print_row(const char *what, const char *before, const char *after)
{
    printf("  %-8s %14s %14s\n", what, before, after);
}

static void print_words(const optimize_job *job)
{
    const pith_optimize_report *report = &job->report;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("%s -> %s\n", job->model, job->output);
    print_row("", "before", "after");
    snprintf(a, sizeof a, "%d", report->n_nodes_before);
    snprintf(b, sizeof b, "%d", report->n_nodes_after);
    print_row("nodes", a, b);
    print_row("weights", cli_human_bytes((double)report->weight_bytes_before, a),
              cli_human_bytes((double)report->weight_bytes_after, b));
    print_row("file", "", cli_human_bytes((double)job->file_bytes, b));
    print_row("MACs", cli_human_count((double)job->cost_before.macs, a),
              cli_human_count((double)job->cost_after.macs, b));
    cli_net_tell_assumed(&job->after, &job->shapes);
}

static pith_status run_job(optimize_job *job)
{
    const cli_net_options how = { .describes_only = true };
    static const cli_words none = { 0 };
    CLI_TRY(cli_choose_path(job->given->output, job->model, ".opt.onnx", &job->output));
    CLI_TRY(cli_check_output(job->output, job->model));
    CLI_CHECK(!job->given->pack || cli_ends_with(job->output, ".pith"), PITH_STATUS_ARG,
              "--pack is for .pith files; end the name '%s' so", job->output);
    CLI_TRY(find_tuning(job));
    CLI_TRY(cli_preprocess_of_model(job->model, job->given->sidecar, &none, &job->preprocess));
    CLI_TRY(cli_net_open(job->model, &how, &job->before));
    CLI_TRY(make_optimized(job));
    CLI_TRY(write_model(job, NULL));
    CLI_TRY(measure(job));
    if (job->given->pack) { /* for the shapes that were chosen */
        CLI_TRY(write_model(job, job->given->pack));
    }
    if (job->given->json) {
        print_json(job);
    } else {
        print_words(job);
    }
    return PITH_OK;
}

static pith_status run(const void *settings, const cli_words *words, int *exit_code)
{
    optimize_job job = { .given = settings };
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model is needed, %d were given", words->n);
    job.model = words->items[0];
    pith_status status = run_job(&job);
    pith_free_bytes(job.before.ctx, job.bytes);
    cli_net_close(&job.before);
    cli_net_close(&job.after);
    cli_free(job.output);
    cli_free(job.tuning);
    return status;
}

static const optimize_settings defaults = { 0 };

const cli_command cli_command_optimize = {
    .name = "optimize",
    .usage = "MODEL [-o FILE] [--shape NAME=SIZES]...",
    .summary = "simplify a network and write it as ONNX or .pith",
    .details =
        "Constants and batch normalisations are folded; branches and sequences of convolutions without a function in\n"
        "between (RepVGG, ACNet, DBB, ECBSR, MobileOne) become one convolution. Results differ by rounding only.\n"
        "`pith compare MODEL FILE` shows by how much. A .pith file holds the settings for pictures, the names of\n"
        "classes and the choices of `pith tune` as well (docs/package-format.md); --disable-passes all converts only.",
    .options = options,
    .settings_bytes = sizeof(optimize_settings),
    .defaults = &defaults,
    .run = run,
};
