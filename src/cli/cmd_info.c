/* SPDX-License-Identifier: Apache-2.0 */
/* pith info: what a model is, and what one run will cost, without running it. */
#include "info.h"
#include "operators.h"

typedef struct info_settings {
    cli_words shapes, dims;
    int64_t n_threads;
    const char *isa;
    bool json, exact, float16, lists_ops, lists_layers, lists_operators, prints_text, prints_dot;
    const char *after, *svg;
    cli_ceilings ceilings;
} info_settings;

static const cli_option options[] = {
    { "shape", 0, CLI_KIND_WORDS, offsetof(info_settings, shapes), "NAME=1x3x224x224",
      "shape of an input (repeat for more); open dimensions are assumed otherwise", 0, 0 },
    { "dim", 0, CLI_KIND_WORDS, offsetof(info_settings, dims), "SYMBOL=SIZE",
      "size of a symbolic dimension (repeat)", 0, 0 },
    { "ops", 0, CLI_KIND_FLAG, offsetof(info_settings, lists_ops), NULL,
      "operators with their versions and types, and every use that would not run (exit code 1 then)", 0, 0 },
    { "layers", 0, CLI_KIND_FLAG, offsetof(info_settings, lists_layers), NULL,
      "shape, memory and work of every step", 0, 0 },
    { "operators", 0, CLI_KIND_FLAG, offsetof(info_settings, lists_operators), NULL,
      "without a model: all operators of pith, with versions and element types", 0, 0 },
    { "text", 0, CLI_KIND_FLAG, offsetof(info_settings, prints_text), NULL,
      "the graph as text that can be edited and loaded again beside its weights", 0, 0 },
    { "svg", 0, CLI_KIND_TEXT, offsetof(info_settings, svg), "FILE", "the graph as a drawing", 0, 0 },
    { "dot", 0, CLI_KIND_FLAG, offsetof(info_settings, prints_dot), NULL,
      "the graph in the language of Graphviz", 0, 0 },
    { "after", 0, CLI_KIND_TEXT, offsetof(info_settings, after), "STAGE",
      "of --text, --dot, --svg: file (default), passes (for all shapes), plan (for one set of shapes)", 0, 0 },
    { "threads", 't', CLI_KIND_INT, offsetof(info_settings, n_threads), "N",
      "threads that scratch memory is counted for (default 1)", 1, 1024 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(info_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "exact", 0, CLI_KIND_FLAG, offsetof(info_settings, exact), NULL,
      "plain sums in order: no Winograd (slower)", 0, 0 },
    CLI_OPTION_FLOAT16(info_settings),
    CLI_OPTION_JSON(info_settings),
    CLI_CEILINGS(info_settings),
    { 0 },
};

typedef struct info {
    cli_net net;
    pith_model_summary summary;
    cli_shapes shapes;
    pith_shape outputs[CLI_MAX_INPUTS]; /* that follow from `shapes`, where there is a cost */
    pith_cost_report cost;
    bool has_cost;
    const char *why_not; /* set where there is no cost */
} info;

/* Never fails: what can't be known is explained in why_not. */
static void find_cost(info *what, const info_settings *settings)
{
    if (pith_model_n_unsupported(what->net.model) > 0) {
        what->why_not = "the model has unsupported nodes";
        return;
    }
    if (cli_error()[0]) {
        what->why_not = cli_error();
        return;
    }
    if (pith_model_cost(what->net.model, what->shapes.items, (int)settings->n_threads, &what->cost) != PITH_OK) {
        what->why_not = pith_ctx_error(what->net.ctx);
        return;
    }
    what->has_cost = true;
    if (pith_model_n_outputs(what->net.model) > CLI_MAX_INPUTS ||
        pith_model_output_shapes(what->net.model, what->shapes.items, (int)settings->n_threads, what->outputs) !=
            PITH_OK) {
        what->outputs[0].rank = -2;
    }
}

/* ---- words -------------------------------------------------------------------------------- */

/* `known`: the shape that was assumed or that follows; NULL: the model says all. */
static void print_value(const char *role, const pith_value_info *value, const char *how, const pith_shape *known)
{
    char text[CLI_SHAPE_BYTES], type[PITH_TYPE_TEXT_BYTES];
    if (value->type) {
        printf("%-8s %-28s %s\n", role, cli_plain(value->name), pith_type_text(value->type, type));
        return;
    }
    printf("%-8s %-28s %-5s %s", role, cli_plain(value->name), pith_dtype_name(value->dtype),
           cli_shape_text(&value->shape, text));
    bool has_names = false;
    for (int d = 0; d < value->shape.rank; d++) {
        if (value->shape.dims[d] < 0 && value->symbols[d]) {
            printf("%s%s", has_names ? ", " : "  (? = ", cli_plain(value->symbols[d]));
            has_names = true;
        }
    }
    printf("%s", has_names ? ")" : "");
    if (known && known->rank >= 0) {
        printf("  %s %s", how, cli_shape_text(known, text));
    }
    printf("\n");
}

static void print_ops(const pith_model_summary *summary)
{
    int n_column = 0;
    printf("%-8s %d nodes:", "ops", summary->n_nodes);
    for (int i = 0; i < summary->n_ops; i++) {
        const bool is_last = i + 1 == summary->n_ops;
        n_column += printf(" %s %d%s", cli_plain(summary->ops[i].op), summary->ops[i].n_nodes, is_last ? "" : ",");
        if (n_column > 76 && !is_last) {
            printf("\n%-8s", "");
            n_column = 0;
        }
    }
    printf("\n");
}

/* To the byte: what one session with these shapes takes, known before it runs. */
static void print_memory(const pith_cost_report *cost)
{
    const struct {
        const char *what;
        size_t n_bytes;
        const char *comment;
    } rows[] = {
        { "arena", cost->arena_bytes, "activations and scratch of one session" },
        { "scratch", cost->scratch_bytes, "of it, the most that one step wants for itself" },
        { "weights", cost->weight_bytes, "packed for the kernels, shared by all sessions" },
        { "session", cost->session_bytes, "everything that one session allocates, arena included" },
        { "model", cost->model_bytes, "graph, plan, packed weights" },
        { "peak", cost->peak_bytes, "most that is ever allocated, loading included" },
        { "mapped", cost->mapped_bytes, "model files; pages are read where weights are not packed" },
    };
    printf("memory%s\n", cost->is_complete ? "" : "   (up to the first shape that depends on data)");
    for (int i = 0; i < CLI_COUNT(rows); i++) {
        char text[CLI_HUMAN_BYTES];
        printf("  %-8s %12zu B %10s  %s\n", rows[i].what, rows[i].n_bytes,
               cli_human_bytes((double)rows[i].n_bytes, text), rows[i].comment);
    }
}

static void print_cost(const pith_cost_report *cost)
{
    char a[CLI_HUMAN_BYTES];
    char b[CLI_HUMAN_BYTES];
    printf("compute  %s MACs, %s FLOPs in %d steps\n", cli_human_count((double)cost->macs, a),
           cli_human_count((double)cost->flops, b), cost->n_steps);
    printf("traffic  %s read,", cli_human_bytes((double)cost->bytes_read, a));
    printf(" %s written\n", cli_human_bytes((double)cost->bytes_written, a));
    double ratio = cost->arena_lower_bound_bytes
                       ? (double)cost->arena_bytes / (double)cost->arena_lower_bound_bytes : 1.0;
    printf("arena    %s for activations and scratch; lower bound %s (%.2f times)\n",
           cli_human_bytes((double)cost->arena_bytes, a), cli_human_bytes((double)cost->arena_lower_bound_bytes, b),
           ratio);
    print_memory(cost);
    if (cost->n_stretches > 1 || !cost->is_complete) {
        printf("         shapes depend on data: %d stretches%s\n", cost->n_stretches,
               cost->is_complete ? "" : "; what follows the first unknown shape isn't counted");
    }
}

static void print_sections(const pith_package *package, const char *isa)
{
    char a[CLI_HUMAN_BYTES];
    printf("%s", package ? "sections\n" : "");
    for (int i = 0; package && i < package->n_sections; i++) {
        const pith_section *section = &package->sections[i];
        const bool is_packed = strcmp(section->kind, "packed") == 0;
        const char *use = !is_packed                            ? ""
                          : strcmp(section->variant, isa) != 0 ? "  for another instruction set"
                          : package->uses_packed               ? "  used here"
                                                               : "  not used: of another build, or for other options";
        printf("  %-10s %-12s %12zu B %10s%s\n", section->kind, section->variant, section->n_bytes,
               cli_human_bytes((double)section->n_bytes, a), use);
    }
}

static void print_words(const info *what)
{
    const pith_model *model = what->net.model;
    const pith_model_summary *summary = &what->summary;
    char a[CLI_HUMAN_BYTES];
    const pith_package *package = pith_model_package(model);
    char format[64];
    snprintf(format, sizeof format, package ? "%s %d.%d" : "%s", summary->format, package ? package->major : 0,
             package ? package->minor : 0);
    printf("%s%s%s: %s, opset %lld, IR %lld%s%s\n", cli_colour_on(CLI_STRONG), what->net.path, cli_colour_off(),
           format, (long long)summary->opset, (long long)summary->ir_version,
           summary->producer[0] ? ", written by " : "", summary->producer);
    for (int i = 0; i < pith_model_n_inputs(model); i++) {
        const pith_shape *shape = &what->shapes.items[i];
        bool is_given = !what->shapes.is_assumed[i] && !pith_shape_equal(shape, &pith_model_input(model, i)->shape);
        print_value("input", pith_model_input(model, i), is_given ? "given" : "assumed",
                    is_given || what->shapes.is_assumed[i] ? shape : NULL);
    }
    for (int i = 0; i < pith_model_n_outputs(model); i++) {
        const pith_value_info *output = pith_model_output(model, i);
        bool follows = what->has_cost && what->outputs[0].rank > -2 &&
                       !pith_shape_equal(&what->outputs[i], &output->shape);
        print_value("output", output, "here", follows ? &what->outputs[i] : NULL);
    }
    print_ops(summary);
    printf("params   %s", cli_human_count((double)summary->n_params, a));
    printf(" (%s)\n", cli_human_bytes((double)summary->param_bytes, a));
    if (pith_model_tuning(model)[0]) {
        printf("tuning   %s\n", pith_model_tuning(model));
    }
    print_sections(package, pith_ctx_isa(what->net.ctx));
    if (what->has_cost) {
        print_cost(&what->cost);
    } else {
        printf("cost     unknown: %s\n", what->why_not);
    }
    int n_unsupported = pith_model_n_unsupported(model);
    if (n_unsupported) {
        printf("%sunsupported nodes: %d%s\n", cli_colour_on(CLI_BAD), n_unsupported, cli_colour_off());
    }
    for (int i = 0; i < n_unsupported; i++) {
        const pith_unsupported *row = pith_model_unsupported(model, i);
        printf("  %s (%s): %s\n", cli_plain(row->node), cli_plain(row->op), cli_plain(row->reason));
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void write_value(cli_json *json, const pith_value_info *value)
{
    char type[PITH_TYPE_TEXT_BYTES];
    cli_json_object(json, NULL);
    cli_json_text(json, "name", value->name);
    cli_json_text(json, "dtype", pith_dtype_name(value->dtype));
    cli_json_text(json, "type", value->type ? pith_type_text(value->type, type) : NULL);
    cli_json_shape(json, "shape", &value->shape); /* -1 where open */
    cli_json_list(json, "symbols");
    for (int d = 0; d < value->shape.rank; d++) {
        cli_json_text(json, NULL, value->symbols[d]);
    }
    cli_json_end(json);
    cli_json_end(json);
}

static void write_sections(cli_json *json, const pith_package *package)
{
    if (!package) {
        return;
    }
    cli_json_object(json, "package");
    cli_json_whole(json, "major", package->major);
    cli_json_whole(json, "minor", package->minor);
    cli_json_bool(json, "uses_packed", package->uses_packed != 0);
    cli_json_list(json, "sections");
    for (int i = 0; i < package->n_sections; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "kind", package->sections[i].kind);
        cli_json_text(json, "variant", package->sections[i].variant);
        cli_json_whole(json, "offset", (int64_t)package->sections[i].offset);
        cli_json_whole(json, "bytes", (int64_t)package->sections[i].n_bytes);
        cli_json_end(json);
    }
    cli_json_end(json);
    cli_json_end(json);
}

/* One key per number; null where the cost is not known. */
static void write_cost(cli_json *json, const info *what)
{
    const pith_cost_report *cost = &what->cost;
    const struct {
        const char *key;
        double value;
    } rows[] = {
        { "macs", (double)cost->macs },
        { "flops", (double)cost->flops },
        { "bytes_read", (double)cost->bytes_read },
        { "bytes_written", (double)cost->bytes_written },
        { "arena_bytes", (double)cost->arena_bytes },
        { "arena_lower_bound_bytes", (double)cost->arena_lower_bound_bytes },
        { "weight_bytes", (double)cost->weight_bytes },
        { "scratch_bytes", (double)cost->scratch_bytes },
        { "session_bytes", (double)cost->session_bytes },
        { "model_bytes", (double)cost->model_bytes },
        { "peak_bytes", (double)cost->peak_bytes },
        { "mapped_bytes", (double)cost->mapped_bytes },
        { "n_steps", cost->n_steps },
        { "n_stretches", cost->n_stretches },
    };
    for (int i = 0; i < CLI_COUNT(rows); i++) {
        if (what->has_cost) {
            cli_json_whole(json, rows[i].key, (int64_t)rows[i].value);
        } else {
            cli_json_null(json, rows[i].key);
        }
    }
    cli_json_bool(json, "cost_is_complete", what->has_cost && cost->is_complete);
    cli_json_text(json, "cost_unknown_because", what->why_not);
}

static void write_ops(cli_json *json, const info *what)
{
    cli_json_object(json, "ops");
    for (int i = 0; i < what->summary.n_ops; i++) {
        cli_json_whole(json, what->summary.ops[i].op, what->summary.ops[i].n_nodes);
    }
    cli_json_end(json);
    cli_json_list(json, "unsupported");
    for (int i = 0; i < pith_model_n_unsupported(what->net.model); i++) {
        const pith_unsupported *row = pith_model_unsupported(what->net.model, i);
        cli_json_object(json, NULL);
        cli_json_text(json, "node", row->node);
        cli_json_text(json, "op", row->op);
        cli_json_text(json, "reason", row->reason);
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void write_json(const info *what)
{
    const pith_model *model = what->net.model;
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", what->net.path);
    cli_json_text(&json, "format", what->summary.format);
    write_sections(&json, pith_model_package(model));
    cli_json_text(&json, "producer", what->summary.producer);
    cli_json_whole(&json, "ir_version", what->summary.ir_version);
    cli_json_whole(&json, "opset", what->summary.opset);
    cli_json_text(&json, "isa", pith_ctx_isa(what->net.ctx));
    cli_json_list(&json, "inputs");
    for (int i = 0; i < pith_model_n_inputs(model); i++) {
        write_value(&json, pith_model_input(model, i));
    }
    cli_json_end(&json);
    cli_json_list(&json, "outputs");
    for (int i = 0; i < pith_model_n_outputs(model); i++) {
        write_value(&json, pith_model_output(model, i));
    }
    cli_json_end(&json);
    cli_json_object(&json, "shapes");
    for (int i = 0; i < what->shapes.n; i++) {
        cli_json_shape(&json, pith_model_input(model, i)->name, &what->shapes.items[i]);
    }
    cli_json_end(&json);
    cli_json_list(&json, "assumed_shapes");
    for (int i = 0; i < what->shapes.n; i++) {
        if (what->shapes.is_assumed[i]) {
            cli_json_text(&json, NULL, pith_model_input(model, i)->name);
        }
    }
    cli_json_end(&json);
    cli_json_whole(&json, "params", (int64_t)what->summary.n_params);
    cli_json_whole(&json, "param_bytes", (int64_t)what->summary.param_bytes);
    cli_json_whole(&json, "n_nodes", what->summary.n_nodes);
    write_cost(&json, what);
    write_ops(&json, what);
    cli_json_end(&json);
}

static void write_text(void *user, const char *text, size_t n_bytes) { fwrite(text, 1, n_bytes, user); }

static bool is_after(const info_settings *given, const char *stage)
{
    return strcmp(given->after ? given->after : "file", stage) == 0;
}

static bool shows_graph(const info_settings *given) { return given->prints_text || given->prints_dot || given->svg; }

static pith_status show_graph(info *what, const info_settings *given)
{
    const pith_shape *shapes = is_after(given, "plan") ? what->shapes.items : NULL;
    if (!given->prints_text) {
        return cli_info_draw(&what->net, shapes, (int)given->n_threads, given->svg);
    }
    pith_status status = pith_model_text(what->net.model, shapes, (int)given->n_threads, write_text, stdout);
    return status == PITH_OK ? status : cli_net_fail(&what->net, status);
}

static pith_status show(info *what, const info_settings *given, int *exit_code)
{
    int n_problems = 0;
    if (given->lists_ops) {
        CLI_TRY(cli_net_given_shapes(&what->net, &given->shapes, &given->dims, &what->shapes));
        pith_status status = cli_info_ops(&what->net, &what->shapes, given->json, &n_problems);
        *exit_code = n_problems ? CLI_EXIT_DIFFERENT : CLI_EXIT_OK;
        return status;
    }
    if (shows_graph(given) && !is_after(given, "plan")) {
        return show_graph(what, given);
    }
    pith_status status = cli_net_choose_shapes(&what->net, &given->shapes, &given->dims, &what->shapes);
    if (status == PITH_STATUS_ARG || status == PITH_STATUS_LIMIT) { /* a bad --shape, not a bad guess */
        return status;
    }
    if (shows_graph(given)) {
        return show_graph(what, given);
    }
    if (given->lists_layers) {
        return cli_info_layers(&what->net, &what->shapes, (int)given->n_threads, given->json);
    }
    pith_model_summarize(what->net.model, &what->summary);
    find_cost(what, given);
    if (given->json) {
        write_json(what);
    } else {
        print_words(what);
        if (what->has_cost) {
            cli_info_print_notes(&what->net, &what->shapes, (int)given->n_threads);
        }
    }
    return PITH_OK;
}

static pith_status run_info(const void *settings, const cli_words *words, int *exit_code)
{
    const info_settings *given = settings;
    info what = { 0 };
    if (given->lists_operators) {
        CLI_CHECK(words->n == 0, PITH_STATUS_ARG, "--operators takes no model; --ops lists what a model needs");
        cli_print_operators(given->json);
        return PITH_OK;
    }
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model file is needed, %d were given", words->n);
    cli_net_options net_options = { .isa = given->isa, .is_exact = given->exact, .float16 = given->float16,
                                    .ceilings = &given->ceilings,
                                    .describes_only = given->lists_ops ||
                                                      (shows_graph(given) && is_after(given, "file")) };
    CLI_CHECK(is_after(given, "file") || is_after(given, "passes") || is_after(given, "plan"), PITH_STATUS_ARG,
              "--after takes file, passes or plan, not '%s'", given->after);
    CLI_TRY(cli_net_open(words->items[0], &net_options, &what.net));
    pith_status status = show(&what, given, exit_code);
    cli_net_close(&what.net);
    return status;
}

static const info_settings defaults = { .n_threads = 1 };

const cli_command cli_command_info = {
    .name = "info",
    .usage = "MODEL [--shape NAME=SIZES]... [--dim SYMBOL=SIZE]... [--ops | --layers | --text | --dot] [--json]\n"
             "       pith info --operators [--json]",
    .summary = "say what a model is and what one run costs", .options = options,
    .settings_bytes = sizeof(info_settings), .defaults = &defaults, .run = run_info,
};
