/* SPDX-License-Identifier: Apache-2.0 */
/* pith optimize: the network simplified, with branches folded, as ONNX. */
#include "file.h"
#include "json.h"
#include "net.h"

typedef struct optimize_settings {
    cli_words shapes, dims;
    const char *output, *disable_passes;
    bool json;
} optimize_settings;

static const cli_option options[] = {
    { "output", 'o', CLI_KIND_TEXT, offsetof(optimize_settings, output), "FILE",
      "ONNX file to write (default: MODEL_STEM.opt.onnx)", 0, 0 },
    { "shape", 0, CLI_KIND_WORDS, offsetof(optimize_settings, shapes), "NAME=1x3x224x224",
      "write the network for this shape of an input (repeat for more)", 0, 0 },
    { "dim", 0, CLI_KIND_WORDS, offsetof(optimize_settings, dims), "SYMBOL=SIZE",
      "size of a symbolic dimension (repeat)", 0, 0 },
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(optimize_settings, disable_passes), "LIST",
      "optimisations to leave out", 0, 0 },
    CLI_OPTION_JSON(optimize_settings),
    { 0 },
};

typedef struct optimize_job {
    const optimize_settings *given;
    const char *model;
    char *output;
    cli_net before, after;
    pith_optimize_report report;
    pith_cost_report cost_before, cost_after;
    cli_shapes shapes; /* that costs are for */
    size_t file_bytes;
} optimize_job;

static pith_status write_optimized(optimize_job *job)
{
    const optimize_settings *given = job->given;
    pith_optimize_options how = { .disable_passes = given->disable_passes };
    cli_shapes shapes;
    void *bytes = NULL;
    if (given->shapes.n > 0 || given->dims.n > 0) {
        CLI_TRY(cli_net_given_shapes(&job->before, &given->shapes, &given->dims, &shapes));
        how.input_shapes = shapes.items;
    }
    pith_status status = pith_optimize(job->before.ctx, job->model, &how, &bytes, &job->file_bytes, &job->report);
    if (status != PITH_OK) {
        return cli_net_fail(&job->before, status);
    }
    status = cli_file_write(job->output, bytes, job->file_bytes);
    pith_free_bytes(job->before.ctx, bytes);
    return status;
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
    print_row("MACs", cli_human_count((double)job->cost_before.macs, a),
              cli_human_count((double)job->cost_after.macs, b));
    cli_net_tell_assumed(&job->after, &job->shapes);
}

static pith_status run_job(optimize_job *job)
{
    const cli_net_options how = { .describes_only = true };
    CLI_TRY(cli_choose_path(job->given->output, job->model, ".opt.onnx", &job->output));
    CLI_TRY(cli_check_output(job->output, job->model));
    CLI_TRY(cli_net_open(job->model, &how, &job->before));
    CLI_TRY(write_optimized(job));
    CLI_TRY(measure(job));
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
    cli_net_close(&job.before);
    cli_net_close(&job.after);
    cli_free(job.output);
    return status;
}

static const optimize_settings defaults = { 0 };

const cli_command cli_command_optimize = {
    .name = "optimize",
    .usage = "MODEL [-o FILE] [--shape NAME=SIZES]...",
    .summary = "simplify a network and write it as ONNX",
    .details =
        "Constants and batch normalisations are folded; branches and sequences of convolutions without a function in\n"
        "between (RepVGG, ACNet, DBB, ECBSR, MobileOne) become one convolution. Results differ by rounding only.\n"
        "`pith compare MODEL FILE` shows by how much.",
    .options = options,
    .settings_bytes = sizeof(optimize_settings),
    .defaults = &defaults,
    .run = run,
};
