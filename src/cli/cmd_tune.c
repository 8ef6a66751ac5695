/* SPDX-License-Identifier: Apache-2.0 */
/* pith tune: choose among the ways that steps can run by timing them here, and keep the choices beside the model. */
#include "json.h"
#include "work_inputs.h"

typedef struct tune_settings {
    cli_work work;
    int64_t n_threads;
    double max_secs;
    const char *file, *isa, *disable_passes;
    bool json, float16;
} tune_settings;

static const cli_option options[] = {
    CLI_OPTION_THREADS(tune_settings),
    { "output", 'o', CLI_KIND_TEXT, offsetof(tune_settings, file), "FILE",
      "where the choices go (default: MODEL.tune, which is found there by itself)", 0, 0 },
    CLI_WORK_OPTIONS(tune_settings),
    { "max-secs", 0, CLI_KIND_NUMBER, offsetof(tune_settings, max_secs), "S", "time for it (default 8)", 0, 86400 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(tune_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(tune_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    CLI_OPTION_FLOAT16(tune_settings),
    CLI_OPTION_JSON(tune_settings),
    { 0 },
};

static void show_progress(void *user, double done, const char *what)
{
    (void)user;
    cli_progress("tuning %3.0f %%: %s", 100.0 * done, what);
}

static void print_words(const char *model, const char *file, const pith_tune_report *report)
{
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("%s: %d steps, %d of them (counted once per shape) with other ways to run; %d ways timed\n", model,
           report->n_steps, report->n_candidates, report->n_variants);
    if (report->n_changed == 0 && !report->passes_off[0]) {
        printf("the default is best everywhere; nothing written\n");
        return;
    }
    printf("%d steps are better another way%s%s: %s", report->n_changed,
           report->passes_off[0] ? ", the whole without " : "", report->passes_off,
           cli_human_ms(report->default_ns / 1e6, a));
    printf(" -> %s%s%s (%+.1f %%), tuned won %d of %d turns\n", cli_colour_on(CLI_STRONG),
           cli_human_ms(report->tuned_ns / 1e6, b), cli_colour_off(),
           100.0 * (report->tuned_ns / report->default_ns - 1.0), report->n_won, report->n_rounds);
    if (report->alone_default_ns > 0.0) {
        printf("with one thread: %s", cli_human_ms(report->alone_default_ns / 1e6, a));
        printf(" -> %s\n", cli_human_ms(report->alone_tuned_ns / 1e6, b));
    }
    printf(report->is_kept ? "written to %s\n"
                           : "that is noise, or slower with one thread; the default stays, %s is not written\n",
           file);
}

static void print_json(const char *model, const char *file, const pith_tune_report *report)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", model);
    cli_json_text(&json, "file", file);
    cli_json_whole(&json, "steps", report->n_steps);
    cli_json_whole(&json, "variants", report->n_variants);
    cli_json_whole(&json, "candidates", report->n_candidates);
    cli_json_whole(&json, "changed", report->n_changed);
    cli_json_text(&json, "passes_off", report->passes_off);
    cli_json_number(&json, "default_ms", report->default_ns / 1e6);
    cli_json_number(&json, "tuned_ms", report->tuned_ns / 1e6);
    cli_json_number(&json, "alone_default_ms", report->alone_default_ns / 1e6);
    cli_json_number(&json, "alone_tuned_ms", report->alone_tuned_ns / 1e6);
    cli_json_whole(&json, "turns", report->n_rounds);
    cli_json_whole(&json, "turns_won", report->n_won);
    cli_json_bool(&json, "is_kept", report->is_kept);
    cli_json_end(&json);
}

static pith_status tune_net(cli_net *net, const tune_settings *given, const char *file, const cli_run_inputs *read)
{
    char shapes[512];
    pith_tensor inputs[CLI_MAX_INPUTS];
    pith_tune_report report;
    pith_tune_options tune_options = { .n_threads = (int)given->n_threads, .max_seconds = given->max_secs,
                                       .file = file, .disable_passes = given->disable_passes, .float16 = given->float16,
                                       .progress = show_progress };
    CLI_TRY(cli_work_views(net, read, inputs, shapes, sizeof shapes));
    pith_status status =
        pith_tune_model(net->ctx, net->path, inputs, pith_model_n_inputs(net->model), &tune_options, &report);
    cli_progress("%s", "");
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    if (given->json) {
        print_json(net->path, file, &report);
    } else {
        print_words(net->path, file, &report);
    }
    return PITH_OK;
}

static pith_status run_tune(const void *settings, const cli_words *words, int *exit_code)
{
    const tune_settings *given = settings;
    cli_net net = { 0 };
    cli_run_inputs inputs = { 0 };
    const char *model = NULL, *sample = NULL;
    char *file = NULL;
    int n_models;
    (void)exit_code;
    CLI_TRY(cli_work_words(words, 1, &model, &n_models, &sample));
    cli_net_options net_options = { .isa = given->isa, .disable_passes = given->disable_passes,
                                    .float16 = given->float16 };
    CLI_TRY(cli_text_format(&file, given->file ? "%s" : "%s.tune", given->file ? given->file : model));
    pith_status status = cli_net_open(model, &net_options, &net);
    status = status == PITH_OK ? cli_work_read(&given->work, sample, model, &net, true, &inputs) : status;
    status = status == PITH_OK ? tune_net(&net, given, file, &inputs) : status;
    cli_run_inputs_free(&inputs);
    cli_net_close(&net);
    cli_free(file);
    return status;
}

static const tune_settings defaults = { .work = CLI_WORK_DEFAULTS };

const cli_command cli_command_tune = {
    .name = "tune", .usage = "MODEL [FILE] [--threads N] [-o FILE]",
    .summary = "choose the fastest way to run each step by timing, and keep the choices", .options = options,
    .details = "FILE (.png, .jpg, .npy, .npz, .pb, .raw) is the input, as for `pith run`; else numbers are generated.\n"
               "Choices hold for this CPU, instruction set and version of pith; MODEL.tune is read when the model is\n"
               "loaded, and ignored with a warning elsewhere. Nothing is written unless the tuned model beats the\n"
               "default by more than 1 % and in at least 16 of 21 turns. The number of threads decides how steps are\n"
               "cut; results may change within the bounds of the kernels, but never with the number of threads.",
    .settings_bytes = sizeof(tune_settings), .defaults = &defaults, .run = run_tune,
};
