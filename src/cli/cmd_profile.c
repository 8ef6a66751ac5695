/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile: where time and memory of a run go, and how far from this machine's limits each step stays. */
#include <errno.h>

#include "profile.h"

typedef struct profile_settings {
    cli_words shapes;
    int64_t n_threads, n_rounds, seed, n_top;
    double max_secs;
    const char *isa, *disable_passes, *trace, *html;
    bool json, all, why, float16, remeasure, no_cache, no_counters;
} profile_settings;

static const cli_option options[] = {
    { "threads", 't', CLI_KIND_INT, offsetof(profile_settings, n_threads), "N", "threads (default 1; 0: one per core)",
      0, 1024 },
    CLI_OPTION_SHAPE(profile_settings),
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
    CLI_OPTION_FLOAT16(profile_settings),
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(profile_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    { "seed", 0, CLI_KIND_INT, offsetof(profile_settings, seed), "N", "of the generated inputs (default 1)", 0, 1e15 },
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

static pith_status take(cli_net *net, const profile_settings *given, const cli_tensors *list,
                        pith_profile **profile_out)
{
    pith_tensor inputs[CLI_MAX_INPUTS];
    pith_profile_options profile_options = { .n_rounds = (int)given->n_rounds, .max_seconds = given->max_secs,
                                             .no_counters = given->no_counters };
    for (int i = 0; i < list->n; i++) {
        inputs[i] = list->items[i].view;
    }
    cli_progress("profiling");
    pith_status status = pith_session_profile(net->session, inputs, list->n, &profile_options, profile_out);
    cli_progress("%s", "");
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

static pith_status profile_net(cli_net *net, const profile_settings *given, cli_tensors *list)
{
    pith_profile *profile = NULL;
    pith_machine machine;
    char source[1400];
    cli_shapes shapes;
    cli_profile_view view = { .model = net->path, .machine = &machine, .machine_source = source };
    pith_status status = PITH_OK;
    CLI_TRY(cli_net_choose_shapes(net, &given->shapes, NULL, &shapes));
    cli_net_tell_assumed(net, &shapes);
    cli_net_shapes_text(net, &shapes, view.shapes, sizeof view.shapes);
    CLI_TRY(cli_net_random_inputs(net, &shapes, (uint64_t)given->seed, list));
    cli_machine_options machine_options = { given->remeasure, given->no_cache, pith_session_n_threads(net->session) };
    CLI_TRY(cli_machine_get(net->ctx, &machine_options, &machine, source, sizeof source));
    CLI_TRY(take(net, given, list, &profile));
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
    cli_tensors list = { 0 };
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model file is needed, %d were given", words->n);
    cli_net_options net_options = { .isa = given->isa, .disable_passes = given->disable_passes,
                                    .n_threads = (int)given->n_threads, .float16 = given->float16 };
    CLI_TRY(cli_net_open(words->items[0], &net_options, &net));
    pith_status status = cli_net_start(&net, &net_options);
    if (status == PITH_OK) {
        status = profile_net(&net, given, &list);
    }
    cli_tensors_free(&list);
    cli_net_close(&net);
    return status;
}

static const profile_settings defaults = { .n_threads = 1, .seed = 1, .n_top = 15 };

const cli_command cli_command_profile = {
    .name = "profile", .usage = "MODEL [--threads N] [--all] [--json] [--trace FILE] [--html FILE]",
    .summary = "show where time and memory go, and how far from the machine's limits", .options = options,
    .details = "limit% is the time that this machine needs at least for the step's arithmetic (direct sums: Winograd\n"
               "can pass 100) or for its bytes from the cache level they are in, over the time it took. Limits are\n"
               "measured for about half a second and kept in $PITH_CACHE_DIR, $XDG_CACHE_HOME/pith or\n"
               "~/.cache/pith. balance is the threads' mean busy time over the longest.",
    .settings_bytes = sizeof(profile_settings), .defaults = &defaults, .run = run_profile,
};
