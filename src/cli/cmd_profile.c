/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile: where time and memory of a run go, and how far from this machine's limits each step stays. */
#include <errno.h>

#include "profile.h"
#include "work_inputs.h"

typedef struct profile_settings {
    cli_work work;
    int64_t n_threads, n_rounds, n_top;
    double max_secs;
    const char *isa, *disable_passes, *trace, *html, *cache;
    bool json, all, why, exact, float16, remeasure, no_cache, no_counters;
} profile_settings;

static const cli_option options[] = {
    { "threads", 't', CLI_KIND_INT, offsetof(profile_settings, n_threads), "N", "threads (default 1; 0: one per core)",
      0, 1024 },
    CLI_WORK_OPTIONS(profile_settings),
    { "rounds", 'n', CLI_KIND_INT, offsetof(profile_settings, n_rounds), "N", "timed runs (default: as many as fit)", 1,
      1e6 },
    { "max-secs", 0, CLI_KIND_NUMBER, offsetof(profile_settings, max_secs), "S", "time for them (default 2)", 0,
      86400 },
    { "top", 0, CLI_KIND_INT, offsetof(profile_settings, n_top), "N", "steps in the table (default 15)", 0, 1e6 },
    { "all", 0, CLI_KIND_FLAG, offsetof(profile_settings, all), NULL, "every step, in order of execution", 0, 0 },
    { "why", 0, CLI_KIND_FLAG, offsetof(profile_settings, why), NULL, "a line on why each step has its kernel", 0, 0 },
    CLI_OPTION_JSON(profile_settings),
    { "trace", 0, CLI_KIND_TEXT, offsetof(profile_settings, trace), "FILE",
      "write one run as a Chrome trace (chrome://tracing, Perfetto)", 0, 0 },
    { "html", 0, CLI_KIND_TEXT, offsetof(profile_settings, html), "FILE", "write a report with plots, all in one file",
      0, 0 },
    { "remeasure", 0, CLI_KIND_FLAG, offsetof(profile_settings, remeasure), NULL,
      "measure the machine's limits again", 0, 0 },
    { "no-cache", 0, CLI_KIND_FLAG, offsetof(profile_settings, no_cache), NULL,
      "neither read nor write the file with the machine's limits", 0, 0 },
    { "no-counters", 0, CLI_KIND_FLAG, offsetof(profile_settings, no_counters), NULL,
      "leave the hardware counters alone", 0, 0 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(profile_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(profile_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    CLI_OPTION_FLOAT16(profile_settings),
    { "cache", 0, CLI_KIND_TEXT, offsetof(profile_settings, cache), "DIR", "folder that keeps packed weights", 0, 0 },
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(profile_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    { 0 },
};

static pith_status write_file(const char *path, const cli_profile_view *view, bool is_html)
{
    pith_status status = PITH_OK;
    FILE *file = fopen(path, "w");
    CLI_CHECK(file, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    if (is_html) {
        status = cli_profile_write_html(view, file);
    } else {
        cli_profile_write_trace(view, file);
    }
    bool is_written = !ferror(file);
    is_written = fclose(file) == 0 && is_written;
    CLI_CHECK(is_written, PITH_STATUS_IO, "can't write all of '%s': %s", path, strerror(errno));
    return status;
}

static pith_status show(const cli_profile_view *view, const profile_settings *given)
{
    if (given->trace) {
        CLI_TRY(write_file(given->trace, view, false));
    }
    if (given->html) {
        CLI_TRY(write_file(given->html, view, true));
    }
    if (given->json) {
        cli_profile_write_json(view, stdout);
    } else {
        cli_profile_print(view, given->all ? -1 : (int)given->n_top, given->why);
    }
    return PITH_OK;
}

static pith_status take(cli_net *net, const profile_settings *given, const pith_tensor *inputs,
                        pith_profile **profile_out)
{
    pith_profile_options profile_options = { .n_rounds = (int)given->n_rounds, .max_seconds = given->max_secs,
                                             .no_counters = given->no_counters };
    cli_progress("profiling");
    pith_status status = pith_session_profile(net->session, inputs, pith_model_n_inputs(net->model), &profile_options,
                                              profile_out);
    cli_progress("%s", "");
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

static pith_status profile_net(cli_net *net, const profile_settings *given, const cli_run_inputs *read)
{
    pith_profile *profile = NULL;
    pith_machine machine;
    char source[1400];
    pith_tensor inputs[CLI_MAX_INPUTS];
    cli_profile_view view = { .model = net->path, .machine = &machine, .machine_source = source };
    pith_status status = PITH_OK;
    CLI_TRY(cli_work_views(net, read, inputs, view.shapes, sizeof view.shapes));
    cli_machine_options machine_options = { given->remeasure, given->no_cache, pith_session_n_threads(net->session) };
    CLI_TRY(cli_machine_get(net->ctx, &machine_options, &machine, source, sizeof source));
    CLI_TRY(take(net, given, inputs, &profile));
    view.profile = profile;
    CLI_TRY_GOTO(cli_profile_analyse(&view), done);
    CLI_TRY_GOTO(show(&view, given), done);
done:
    cli_profile_free(&view);
    pith_profile_destroy(profile);
    return status;
}

static pith_status run_profile(const void *settings, const cli_words *words, int *exit_code)
{
    const profile_settings *given = settings;
    cli_net net = { 0 };
    cli_run_inputs inputs = { 0 };
    const char *model = NULL, *sample = NULL;
    int n_models;
    (void)exit_code;
    CLI_TRY(cli_work_words(words, 1, &model, &n_models, &sample));
    cli_net_options net_options = { .isa = given->isa, .disable_passes = given->disable_passes, .cache = given->cache,
                                    .n_threads = (int)given->n_threads, .is_exact = given->exact,
                                    .float16 = given->float16 };
    CLI_TRY(cli_net_open(model, &net_options, &net));
    pith_status status = cli_net_start(&net, &net_options);
    status = status == PITH_OK ? cli_work_read(&given->work, sample, model, &net, true, &inputs) : status;
    status = status == PITH_OK ? profile_net(&net, given, &inputs) : status;
    cli_run_inputs_free(&inputs);
    cli_net_close(&net);
    return status;
}

static const profile_settings defaults = { .n_threads = 1, .work = CLI_WORK_DEFAULTS, .n_top = 15 };

const cli_command cli_command_profile = {
    .name = "profile", .usage = "MODEL [FILE] [--threads N] [--all] [--json] [--trace FILE] [--html FILE]",
    .summary = "show where time and memory go, and how far from the machine's limits", .options = options,
    .details = "FILE (.png, .jpg, .npy, .npz, .pb, .raw) is the input, as for `pith run`; else numbers are generated,\n"
               "which is no real work for networks that look at their data (detections, tokens, loops).\n"
               "limit% is the time that this machine needs at least for the step's arithmetic (direct sums: Winograd\n"
               "can pass 100) or for its bytes from the cache level they are in, over the time it took. Limits are\n"
               "measured for about half a second and kept in $PITH_CACHE_DIR, $XDG_CACHE_HOME/pith or\n"
               "~/.cache/pith. balance is the threads' mean busy time over the longest.",
    .settings_bytes = sizeof(profile_settings), .defaults = &defaults, .run = run_profile,
};
