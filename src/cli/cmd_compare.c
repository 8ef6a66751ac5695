/* SPDX-License-Identifier: Apache-2.0 */
/* pith compare: a model against stored results or against another model. */
#include <math.h>

#include "compare_case.h"
#include "compare_report.h"

typedef struct compare_settings {
    double rtol, atol; /* negative: default */
    cli_words shapes, inputs;
    int64_t n_threads, seed;
    const char *isa, *isa_b, *disable_passes, *disable_passes_b;
    bool json, shows_nodes, exact, exact_b, float16_b;
} compare_settings;

static const cli_option options[] = {
    { "rtol", 0, CLI_KIND_NUMBER, offsetof(compare_settings, rtol), "R",
      "allowed error relative to the element (default 1e-4; integers 0)", 0, 1e9 },
    { "atol", 0, CLI_KIND_NUMBER, offsetof(compare_settings, atol), "A",
      "allowed absolute error (default 1e-5 of the largest element, at least 1e-6; integers 0)", 0, 1e30 },
    CLI_OPTION_THREADS(compare_settings),
    { "isa", 0, CLI_KIND_TEXT, offsetof(compare_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(compare_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    { "exact-b", 0, CLI_KIND_FLAG, offsetof(compare_settings, exact_b), NULL, "the same for MODEL_B alone", 0, 0 },
    { "float16-b", 0, CLI_KIND_FLAG, offsetof(compare_settings, float16_b), NULL,
      "multiply in float16 in MODEL_B, where the CPU can", 0, 0 },
    { "isa-b", 0, CLI_KIND_TEXT, offsetof(compare_settings, isa_b), "NAME", "the same for MODEL_B", 0, 0 },
    { "disable-passes", 0, CLI_KIND_TEXT, offsetof(compare_settings, disable_passes), "LIST",
      "optimisations to leave out, or 'all'", 0, 0 },
    { "disable-passes-b", 0, CLI_KIND_TEXT, offsetof(compare_settings, disable_passes_b), "LIST",
      "the same for MODEL_B", 0, 0 },
    { "shape", 0, CLI_KIND_WORDS, offsetof(compare_settings, shapes), "NAME=1x3x224x224",
      "two models: shape of an input", 0, 0 },
    { "input", 0, CLI_KIND_WORDS, offsetof(compare_settings, inputs), "NAME=FILE",
      "two models: an input instead of generated ones", 0, 0 },
    { "seed", 0, CLI_KIND_INT, offsetof(compare_settings, seed), "N", "two models: of generated inputs (default 1)", 0,
      1e15 },
    { "nodes", 0, CLI_KIND_FLAG, offsetof(compare_settings, shows_nodes), NULL,
      "show every inner value, not only the first that differs", 0, 0 },
    CLI_OPTION_JSON(compare_settings),
    { 0 },
};

static pith_status run_net(cli_net *net, const cli_tensors *inputs)
{
    pith_tensor views[CLI_MAX_INPUTS];
    CLI_TRY(cli_order_inputs(net, inputs, views));
    pith_status status = pith_session_run(net->session, views, pith_model_n_inputs(net->model));
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

static const pith_tensor *find_output(const cli_net *net, const char *name)
{
    for (int i = 0; i < pith_model_n_outputs(net->model); i++) {
        if (strcmp(pith_model_output(net->model, i)->name, name) == 0) {
            return pith_session_output(net->session, i);
        }
    }
    return NULL;
}

static const pith_tensor *find_inner(const cli_net *net, const char *wanted)
{
    const char *name;
    const pith_tensor *value;
    for (int i = 0; (value = pith_session_value(net->session, i, &name)) != NULL; i++) {
        if (name && strcmp(name, wanted) == 0 && value->data) {
            return value;
        }
    }
    return NULL;
}

static bool is_output(const cli_net *net, const char *name)
{
    for (int i = 0; i < pith_model_n_outputs(net->model); i++) {
        if (strcmp(pith_model_output(net->model, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- against stored tensors --------------------------------------------------------------- */

static pith_status refuse_name(const cli_net *net, const char *name)
{
    const char *names[256];
    int n_names = 0;
    const char *inner;
    for (int i = 0; i < pith_model_n_outputs(net->model) && n_names < CLI_COUNT(names); i++) {
        names[n_names++] = pith_model_output(net->model, i)->name;
    }
    for (int i = 0; n_names < CLI_COUNT(names) && pith_session_value(net->session, i, &inner); i++) {
        if (inner) {
            names[n_names++] = inner;
        }
    }
    const char *nearest = cli_nearest(name, names, n_names);
    return cli_fail(PITH_STATUS_ARG, "'%s' has no output '%s', nor does a node that is left after optimisation make it"
                    "%s%s%s (--disable-passes all keeps every node)", net->path, name,
                    nearest ? "; nearest is '" : "", nearest ? nearest : "", nearest ? "'" : "");
}

static pith_status compare_case(cli_net *net, const cli_case *which, const compare_settings *settings,
                                cli_report *report)
{
    CLI_TRY(run_net(net, &which->inputs));
    for (int i = 0; i < which->wanted.n; i++) {
        const cli_tensor *wanted = &which->wanted.items[i];
        const pith_tensor *got = find_output(net, wanted->name);
        bool is_inner = got == NULL;
        got = got ? got : find_inner(net, wanted->name);
        if (!got) {
            return refuse_name(net, wanted->name);
        }
        cli_row row = { .is_inner = is_inner, .got = got->shape, .want = wanted->view.shape,
                        .got_dtype = got->dtype, .want_dtype = wanted->view.dtype };
        cli_measure(got, &wanted->view, settings->rtol, settings->atol, &row.metrics);
        CLI_TRY(cli_report_add(report, which->name, wanted->name, &row));
    }
    return PITH_OK;
}

static bool needs_inner_values(const cli_net *net, const cli_cases *cases)
{
    for (int i = 0; i < cases->n; i++) {
        for (int j = 0; j < cases->items[i].wanted.n; j++) {
            if (!is_output(net, cases->items[i].wanted.items[j].name)) {
                return true;
            }
        }
    }
    return false;
}

static pith_status compare_stored(const char *model, const char *against, const compare_settings *settings,
                                  cli_report *report)
{
    cli_net net = { 0 };
    cli_net_options net_options = { .isa = settings->isa, .disable_passes = settings->disable_passes,
                                    .n_threads = (int)settings->n_threads, .is_exact = settings->exact };
    cli_cases cases = { 0 };
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_net_open(model, &net_options, &net), done);
    status = cli_is_folder(against) ? cli_cases_from_folder(&net, against, &cases)
                                    : cli_cases_from_npz(against, &cases);
    CLI_TRY_GOTO(status, done);
    CLI_TRY_GOTO(cli_cases_match_names(&net, &cases), done);
    if (needs_inner_values(&net, &cases)) { /* only then, since keeping them costs memory */
        cli_net_close(&net);
        net_options.keeps_all_values = true;
        CLI_TRY_GOTO(cli_net_open(model, &net_options, &net), done);
    }
    CLI_TRY_GOTO(cli_net_start(&net, &net_options), done);
    cli_report_set_net(report, &net);
    for (int i = 0; i < cases.n; i++) {
        cli_progress("%s %d of %d", cases.items[i].name, i + 1, cases.n);
        CLI_TRY_GOTO(compare_case(&net, &cases.items[i], settings, report), done);
    }
done:
    cli_cases_free(&cases);
    cli_net_close(&net);
    return status;
}

/* ---- two models --------------------------------------------------------------------------- */

/* The same tensors under the names of the other model, by position where a name is not there. */
static pith_status rename_inputs(const cli_net *from, const cli_net *to, cli_tensors *inputs)
{
    CLI_CHECK(pith_model_n_inputs(from->model) == pith_model_n_inputs(to->model), PITH_STATUS_ARG,
              "'%s' has %d inputs, '%s' has %d", from->path, pith_model_n_inputs(from->model), to->path,
              pith_model_n_inputs(to->model));
    for (int i = 0; i < pith_model_n_inputs(to->model); i++) {
        const char *name = pith_model_input(to->model, i)->name;
        cli_tensor *tensor = cli_tensors_find(inputs, pith_model_input(from->model, i)->name);
        if (!cli_tensors_find(inputs, name) && tensor) {
            CLI_TRY(cli_tensor_set_name(tensor, name, strlen(name)));
        }
    }
    return PITH_OK;
}

/* Given inputs, and generated ones for the rest; the given ones decide their shapes. */
static pith_status make_inputs(cli_net *net, const compare_settings *settings, cli_tensors *inputs)
{
    cli_shapes shapes;
    for (int i = 0; i < settings->inputs.n; i++) {
        CLI_TRY(cli_load_named_input(net, settings->inputs.items[i], inputs));
    }
    if (inputs->n == pith_model_n_inputs(net->model)) {
        return PITH_OK;
    }
    CLI_CHECK(inputs->n == 0, PITH_STATUS_ARG, "%d of %d inputs were given; give all of them or none", inputs->n,
              pith_model_n_inputs(net->model));
    CLI_TRY(cli_net_choose_shapes(net, &settings->shapes, NULL, &shapes));
    cli_net_tell_assumed(net, &shapes);
    return cli_net_random_inputs(net, &shapes, (uint64_t)settings->seed, inputs);
}

static pith_status compare_outputs(const cli_net *a, const cli_net *b, const compare_settings *settings,
                                   cli_report *report)
{
    CLI_CHECK(pith_model_n_outputs(a->model) == pith_model_n_outputs(b->model), PITH_STATUS_ARG,
              "'%s' has %d outputs, '%s' has %d", a->path, pith_model_n_outputs(a->model), b->path,
              pith_model_n_outputs(b->model));
    for (int i = 0; i < pith_model_n_outputs(a->model); i++) {
        const char *name = pith_model_output(a->model, i)->name;
        const pith_tensor *got = pith_session_output(a->session, i);
        const pith_tensor *want = find_output(b, name);
        want = want ? want : pith_session_output(b->session, i);
        cli_row row = { .got = got->shape, .want = want->shape, .got_dtype = got->dtype, .want_dtype = want->dtype };
        cli_measure(got, want, settings->rtol, settings->atol, &row.metrics);
        CLI_TRY(cli_report_add(report, "", name, &row));
    }
    return PITH_OK;
}

/* Every value that both made, in the order of A; values of other shape or type (a fused or moved
 * transposition) have nothing in common but the name. */
static pith_status compare_inner(const cli_net *a, const cli_net *b, const compare_settings *settings,
                                 cli_report *report)
{
    const char *name;
    const pith_tensor *got;
    for (int i = 0; (got = pith_session_value(a->session, i, &name)) != NULL; i++) {
        const pith_tensor *want = name && got->data && !is_output(a, name) ? find_inner(b, name) : NULL;
        if (!want || want->dtype != got->dtype || !pith_shape_equal(&want->shape, &got->shape)) {
            continue;
        }
        cli_row row = { .is_inner = true, .got = got->shape, .want = want->shape, .got_dtype = got->dtype,
                        .want_dtype = want->dtype };
        cli_measure(got, want, settings->rtol, settings->atol, &row.metrics);
        CLI_TRY(cli_report_add(report, "", name, &row));
    }
    return PITH_OK;
}

static pith_status compare_models(const char *path_a, const char *path_b, const compare_settings *settings,
                                  cli_report *report)
{
    cli_net a = { 0 };
    cli_net b = { 0 };
    cli_net_options options_a = { .isa = settings->isa, .disable_passes = settings->disable_passes,
                                  .n_threads = (int)settings->n_threads, .keeps_all_values = true,
                                  .is_exact = settings->exact };
    cli_net_options options_b = options_a;
    options_b.is_exact = settings->exact || settings->exact_b;
    options_b.float16 = settings->float16_b;
    options_b.isa = settings->isa_b ? settings->isa_b : settings->isa;
    options_b.disable_passes = settings->disable_passes_b ? settings->disable_passes_b : settings->disable_passes;
    cli_tensors inputs = { 0 };
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_net_open(path_a, &options_a, &a), done);
    CLI_TRY_GOTO(cli_net_start(&a, &options_a), done);
    CLI_TRY_GOTO(cli_net_open(path_b, &options_b, &b), done);
    CLI_TRY_GOTO(cli_net_start(&b, &options_b), done);
    cli_report_set_net(report, &a);
    CLI_TRY_GOTO(make_inputs(&a, settings, &inputs), done);
    CLI_TRY_GOTO(run_net(&a, &inputs), done);
    CLI_TRY_GOTO(rename_inputs(&a, &b, &inputs), done);
    CLI_TRY_GOTO(run_net(&b, &inputs), done);
    CLI_TRY_GOTO(compare_outputs(&a, &b, settings, report), done);
    CLI_TRY_GOTO(compare_inner(&a, &b, settings, report), done);
done:
    cli_tensors_free(&inputs);
    cli_net_close(&a);
    cli_net_close(&b);
    return status;
}

static pith_status run_compare(const void *settings, const cli_words *words, int *exit_code)
{
    const compare_settings *given = settings;
    CLI_CHECK(words->n == 2, PITH_STATUS_ARG, "a model and what to compare it with are needed, %d words were given",
              words->n);
    const char *against = words->items[1];
    bool is_stored = cli_is_folder(against) || cli_ends_with(against, ".npz");
    CLI_CHECK(!is_stored || given->inputs.n + given->shapes.n == 0, PITH_STATUS_ARG,
              "--input and --shape are for two models; '%s' brings its own inputs", against);
    cli_report report = { .model = words->items[0], .against = against, .shows_nodes = given->shows_nodes };
    pith_status status = is_stored ? compare_stored(words->items[0], against, given, &report)
                                   : compare_models(words->items[0], against, given, &report);
    cli_progress("%s", "");
    if (status == PITH_OK) {
        if (given->json) {
            cli_report_write_json(&report);
        } else {
            cli_report_print(&report);
        }
        *exit_code = cli_report_is_within(&report) ? CLI_EXIT_OK : CLI_EXIT_DIFFERENT;
    }
    cli_report_free(&report);
    return status;
}

static const compare_settings defaults = { .rtol = -1.0, .atol = -1.0, .seed = 1 };

const cli_command cli_command_compare = {
    .name = "compare", .usage = "MODEL (FILE.npz | FOLDER | MODEL_B) [--rtol R] [--atol A] [--json]",
    .summary = "compare a model with stored results or another model", .options = options,
    .details =
        "FILE.npz holds arrays in/NAME and out/NAME; FOLDER holds input_K.pb and output_K.pb, or\n"
        "test_data_set_* folders with them. Expected arrays may also name inner values. MODEL_B is the\n"
        "reference of MODEL: both run on the same inputs, and inner values are compared by name too.\n"
        "An element is inside the tolerance when |got - want| <= atol + rtol * |want|; NaN equals NaN.\n"
        "The exit code is 0 when every element of every output is inside, 1 when not, 2 on an error.\n"
        "rel is the largest error relative to its element (of elements not below 1/1000 of the\n"
        "largest), of max the largest error relative to the largest element.",
    .settings_bytes = sizeof(compare_settings), .defaults = &defaults, .run = run_compare,
};
