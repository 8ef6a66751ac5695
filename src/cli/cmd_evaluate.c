/* SPDX-License-Identifier: Apache-2.0 */
/* pith evaluate: how right a network is on data whose truth is known, with its uncertainty; side by side with another
 * one. */
#include "metric.h"
#include "package.h"

typedef struct evaluate_settings {
    const char *data, *against, *sidecar, *isa, *metric, *truth, *planes;
    cli_words shapes, keys;
    int64_t n_samples, n_threads, label_offset, scale, beam;
    bool json;
} evaluate_settings;

enum { N_TIMED = 32, N_TURNS = 3, MAX_NETS = 2, CELL = 96 };

static const evaluate_settings defaults = { .n_samples = INT32_MAX, .label_offset = CLI_OFFSET_AUTO, .metric = "auto" };

static const cli_option options[] = {
    { "data", 'd', CLI_KIND_TEXT, offsetof(evaluate_settings, data), "DATA",
      "samples with their truth: see below", 0, 0 },
    { "metric", 'm', CLI_KIND_TEXT, offsetof(evaluate_settings, metric), "NAME",
      "top1, text, boxes, picture, pairs or segments (auto: by the network's task)", 0, 0 },
    { "labels", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, truth), "PATH",
      "where the truth is, if not in DATA: a file of texts, a COCO file, a folder of YOLO files or masks", 0, 0 },
    { "against", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, against), "MODEL",
      "another model, such as the int8 one: both side by side", 0, 0 },
    { "samples", 'n', CLI_KIND_INT, offsetof(evaluate_settings, n_samples), "N",
      "samples to take, spread over the data (default: all)", 1, INT32_MAX },
    { "label-offset", 0, CLI_KIND_INT, offsetof(evaluate_settings, label_offset), "K",
      "class = label + K (default 0; 1 for 1001 classes of which the first is the background)", -1e6, 1e6 },
    { "scale", 0, CLI_KIND_INT, offsetof(evaluate_settings, scale), "N",
      "of super-resolution: pictures are made N times smaller first (default: from the network's shapes)", 1, 16 },
    { "beam", 0, CLI_KIND_INT, offsetof(evaluate_settings, beam), "N",
      "of text: figures of a beam search of this width too, beside the greedy ones", 1, 1000 },
    { "planes", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, planes), "NAME",
      "of pairs: rgb, all channels together, or luma (rgb)", 0, 0 },
    CLI_OPTION_PREPROCESS(evaluate_settings),
    CLI_OPTION_SET(evaluate_settings),
    CLI_OPTION_SHAPE(evaluate_settings),
    CLI_OPTION_THREADS(evaluate_settings),
    { "isa", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    CLI_OPTION_JSON(evaluate_settings),
    { 0 },
};

/* One network and what it has got. */
typedef struct candidate {
    const char *path;
    cli_net net;
    void *state; /* of the metric */
    double values[CLI_MAX_METRIC_VALUES], intervals[CLI_MAX_METRIC_VALUES][2];
    double ms; /* sum over the timed samples of the least of some turns */
    size_t file_bytes;
    pith_cost_report cost;
} candidate;

typedef struct evaluation {
    const evaluate_settings *given;
    const cli_metric *metric;
    candidate nets[MAX_NETS];
    int n_nets;
    cli_preprocess preprocess;
    cli_labels labels;
    cli_dataset dataset;
    cli_metric_source source;
    int n, n_timed, n_agree;
    pith_shape shapes[CLI_MAX_INPUTS]; /* of the largest sample */
    int64_t n_elements;
} evaluation;

/* ---- one sample ---------------------------------------------------------------------------- */

static pith_status run_net(cli_net *net, const pith_tensor *inputs)
{
    pith_status status = pith_session_run(net->session, inputs, pith_model_n_inputs(net->model));
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

static pith_status time_sample(evaluation *e, const pith_tensor *inputs)
{
    double least[MAX_NETS] = { 0 };
    for (int turn = 0; turn < N_TURNS; turn++) {
        for (int i = 0; i < e->n_nets; i++) {
            double start = cli_now_ms();
            CLI_TRY(run_net(&e->nets[i].net, inputs));
            double ms = cli_now_ms() - start;
            least[i] = turn == 0 || ms < least[i] ? ms : least[i];
        }
    }
    for (int i = 0; i < e->n_nets; i++) {
        e->nets[i].ms += least[i];
    }
    e->n_timed++;
    return PITH_OK;
}

static void learn_shapes(evaluation *e, const pith_tensor *inputs)
{
    int n_inputs = pith_model_n_inputs(e->nets[0].net.model);
    int64_t n_elements = 0;
    for (int i = 0; i < n_inputs; i++) {
        n_elements += pith_shape_elements(&inputs[i].shape);
    }
    if (n_elements > e->n_elements) {
        e->n_elements = n_elements;
        for (int i = 0; i < n_inputs; i++) {
            e->shapes[i] = inputs[i].shape;
        }
    }
}

static int choose_class(const cli_net *net)
{
    cli_score best = { 0 };
    cli_top_scores(pith_session_output(net->session, 0), 1, &best);
    return best.class_index;
}

static pith_status run_sample(evaluation *e, const cli_run_inputs *read, int index)
{
    static const cli_run_inputs none = { 0 };
    pith_tensor inputs[CLI_MAX_INPUTS];
    CLI_TRY(cli_collect_views(&e->nets[0].net, read, &none, inputs));
    learn_shapes(e, inputs);
    for (int i = 0; i < e->n_nets; i++) {
        const cli_result result = { .net = &e->nets[i].net, .settings = &e->preprocess, .labels = &e->labels,
                                    .picture = read->picture.pixels ? &read->picture : NULL,
                                    .placement = read->placement };
        CLI_TRY(run_net(&e->nets[i].net, inputs));
        CLI_TRY(e->metric->add(e->nets[i].state, &result, index));
    }
    e->n_agree += e->n_nets == 2 && choose_class(&e->nets[0].net) == choose_class(&e->nets[1].net);
    return e->n_timed < N_TIMED ? time_sample(e, inputs) : PITH_OK;
}

static pith_status evaluate_sample(evaluation *e, int index)
{
    const cli_input_reader reader = { .net = &e->nets[0].net, .settings = &e->preprocess, .shapes = &e->given->shapes };
    cli_run_inputs inputs = { 0 };
    pith_status status = e->metric->read ? e->metric->read(e->nets[0].state, &reader, index, &inputs)
                                         : cli_dataset_read(&e->dataset, &reader, index, &inputs);
    if (status == PITH_OK) {
        status = run_sample(e, &inputs, index);
    }
    cli_run_inputs_free(&inputs);
    if (status != PITH_OK && e->dataset.paths) {
        cli_add_place("%s", e->dataset.paths[index]);
    } else if (status != PITH_OK) {
        cli_add_place("sample %d", index);
    }
    return status;
}

/* ---- the report ---------------------------------------------------------------------------- */

static void put_value(const cli_metric_value *what, double value, char *text, size_t n_bytes)
{
    bool is_percent = what->kind == CLI_VALUE_PERCENT;
    snprintf(text, n_bytes, is_percent ? "%.2f %%" : what->kind == CLI_VALUE_DB ? "%.2f dB" : "%.4f",
             is_percent ? 100.0 * value : value);
}

/* "99.20 %  (97.10 to 100.00)" */
static void put_cell(const candidate *c, const cli_metric *metric, int k, char cell[CELL])
{
    char value[24], ends[2][24];
    put_value(&metric->values[k], c->values[k], value, sizeof value);
    for (int i = 0; i < 2; i++) {
        put_value(&metric->values[k], c->intervals[k][i], ends[i], sizeof ends[i]);
        ends[i][strcspn(ends[i], " ")] = '\0';
    }
    snprintf(cell, CELL, "%s  (%s to %s)", value, ends[0], ends[1]);
}

static void print_row(const evaluation *e, const char *what, char cells[MAX_NETS][CELL])
{
    printf("  %-20s", what);
    for (int i = 0; i < e->n_nets; i++) {
        printf("  %s%*s", cells[i], i + 1 < e->n_nets ? 30 - (int)strlen(cells[i]) : 0, "");
    }
    printf("\n");
}

static void print_words(const evaluation *e)
{
    char cells[MAX_NETS][CELL], human[CLI_HUMAN_BYTES];
    printf("%s on %s: %d samples\n", e->nets[0].path, e->given->data, e->n);
    for (int i = 0; i < e->n_nets; i++) {
        snprintf(cells[i], sizeof cells[i], "%.30s", cli_base_name(e->nets[i].path));
    }
    print_row(e, "", cells);
    for (int k = 0; k < cli_metric_n_values(e->metric); k++) {
        for (int i = 0; i < e->n_nets; i++) {
            put_cell(&e->nets[i], e->metric, k, cells[i]);
        }
        print_row(e, e->metric->values[k].name, cells);
    }
    for (int i = 0; i < e->n_nets; i++) {
        snprintf(cells[i], sizeof cells[i], "%s", cli_human_ms(e->nets[i].ms / e->n_timed, human));
    }
    print_row(e, "time for a sample", cells);
    for (int i = 0; i < e->n_nets; i++) {
        snprintf(cells[i], sizeof cells[i], "%s", cli_human_bytes((double)e->nets[i].file_bytes, human));
    }
    print_row(e, "file", cells);
    for (int i = 0; i < e->n_nets; i++) {
        snprintf(cells[i], sizeof cells[i], "%s", cli_human_bytes((double)e->nets[i].cost.peak_bytes, human));
    }
    print_row(e, "memory", cells);
    if (e->n_nets == 2 && strcmp(e->metric->task, "classify") == 0) {
        printf("  %-20s  %.2f %%\n", "same class from both", 100.0 * e->n_agree / e->n);
    }
    printf("  in brackets: 95 %% intervals\n");
    if (e->metric->tell) {
        e->metric->tell(e->nets[0].state, NULL);
    }
}

static void print_values(const evaluation *e, const candidate *c, cli_json *json)
{
    int n_values = cli_metric_n_values(e->metric);
    for (int k = 0; k < n_values; k++) {
        cli_json_number(json, e->metric->values[k].key, c->values[k]);
    }
    cli_json_numbers(json, "interval", c->intervals[0], 2);
    cli_json_object(json, "intervals");
    for (int k = 0; k < n_values; k++) {
        cli_json_numbers(json, e->metric->values[k].key, c->intervals[k], 2);
    }
    cli_json_end(json);
    cli_json_number(json, "mean_ms", c->ms / e->n_timed);
    cli_json_whole(json, "file_bytes", (int64_t)c->file_bytes);
    cli_json_whole(json, "peak_bytes", (int64_t)c->cost.peak_bytes);
}

static void print_json(const evaluation *e)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", e->nets[0].path);
    cli_json_text(&json, "data", e->given->data);
    cli_json_text(&json, "metric", e->metric->name);
    cli_json_whole(&json, "n", e->n);
    print_values(e, &e->nets[0], &json);
    if (e->metric->tell) {
        e->metric->tell(e->nets[0].state, &json);
    }
    if (e->n_nets == 2) {
        cli_json_text(&json, "against", e->nets[1].path);
        cli_json_object(&json, "against_result");
        print_values(e, &e->nets[1], &json);
        cli_json_end(&json);
        if (strcmp(e->metric->task, "classify") == 0) {
            double agreement[2];
            cli_wilson((double)e->n_agree / e->n, e->n, agreement);
            cli_json_number(&json, "agreement", (double)e->n_agree / e->n);
            cli_json_numbers(&json, "agreement_interval", agreement, 2);
        }
    }
    cli_json_end(&json);
}

/* ---- the verb ------------------------------------------------------------------------------ */

static pith_status open_net(const evaluation *e, candidate *c)
{
    const cli_net_options how = { .n_threads = (int)e->given->n_threads, .isa = e->given->isa };
    cli_bytes bytes = { 0 };
    CLI_TRY(cli_net_open(c->path, &how, &c->net));
    CLI_TRY(cli_net_start(&c->net, &how));
    CLI_TRY(cli_file_read(c->path, &bytes));
    c->file_bytes = bytes.n;
    cli_bytes_free(&bytes);
    CLI_CHECK(pith_model_n_inputs(c->net.model) == pith_model_n_inputs(e->nets[0].net.model), PITH_STATUS_ARG,
              "'%s' has %d inputs, '%s' has %d", c->path, pith_model_n_inputs(c->net.model), e->nets[0].path,
              pith_model_n_inputs(e->nets[0].net.model));
    return PITH_OK;
}

/* Without a task, labelled data are those of a classifier. */
static pith_status choose_metric(evaluation *e)
{
    char names[512];
    const char *wanted = e->given->metric;
    bool is_auto = strcmp(wanted, "auto") == 0;
    e->metric = is_auto ? cli_metric_of_task(e->preprocess.task) : cli_find_metric(wanted);
    if ((is_auto && !e->metric) || e->metric == cli_find_metric("picture")) {
        e->metric = cli_are_pairs(e->given->data, &e->dataset) ? cli_find_metric("pairs") : e->metric;
    }
    if (!e->metric && is_auto && e->dataset.labels) {
        e->metric = cli_metric_of_task("classify");
    }
    cli_list_metrics(names, sizeof names);
    if (e->given->beam > 0 && e->metric == cli_find_metric("text")) {
        e->metric = &cli_metric_text_beam;
    }
    if (!e->metric && is_auto && e->dataset.n_labelled > e->dataset.n / 2) {
        return cli_dataset_need_labels(&e->dataset, e->given->data);
    }
    CLI_CHECK(e->metric || !is_auto, PITH_STATUS_ARG,
              "data set '%s' has no labels, and task '%s' tells no metric; --metric is one of %s", e->given->data,
              e->preprocess.task, names);
    CLI_CHECK(e->metric, PITH_STATUS_ARG, "--metric '%s' is unknown; it is auto or one of %s", wanted, names);
    if (strcmp(e->metric->name, "pairs") == 0) { /* pictures come in as they are */
        snprintf(e->preprocess.task, sizeof e->preprocess.task, "image");
    }
    CLI_CHECK(e->given->beam == 0 || e->metric == &cli_metric_text_beam, PITH_STATUS_ARG,
              "--beam is for texts, this is metric '%s'", e->metric->name);
    CLI_CHECK(!e->given->planes || strcmp(e->metric->name, "pairs") == 0, PITH_STATUS_ARG,
              "--planes is for pairs, this is metric '%s'", e->metric->name);
    return PITH_OK;
}

/* Where truth lies beside a folder `images`, or `target` beside `input`, the samples are in that. */
static pith_status open_dataset(evaluation *e)
{
    const cli_dataset_wish wish = { .model = e->nets[0].net.model, .labels = &e->labels };
    const bool are_pairs = cli_are_pairs(e->given->data, &e->dataset);
    char *inner = NULL;
    CLI_TRY(cli_text_format(&inner, are_pairs ? "%s/input" : "%s/images", e->given->data));
    pith_status status = cli_dataset_open(cli_is_folder(inner) ? inner : e->given->data, &wish, &e->dataset);
    cli_free(inner);
    return status;
}

static pith_status open_all(evaluation *e)
{
    static const char *const planes[] = { "rgb", "luma" };
    const evaluate_settings *given = e->given;
    int plane;
    CLI_CHECK(given->data, PITH_STATUS_ARG, "--data is needed: samples with their truth");
    CLI_TRY(cli_preprocess_of_model(e->nets[0].path, given->sidecar, &given->keys, &e->preprocess));
    CLI_TRY(cli_labels_of_model(e->nets[0].path, &e->preprocess, &e->labels));
    for (int i = 0; i < e->n_nets; i++) {
        CLI_TRY(open_net(e, &e->nets[i]));
    }
    CLI_TRY(open_dataset(e));
    CLI_TRY(choose_metric(e));
    CLI_TRY(cli_find_name("planes", given->planes, planes, CLI_COUNT(planes), &plane));
    e->source = (cli_metric_source){ .data = given->data, .truth = given->truth, .dataset = &e->dataset,
                                     .settings = &e->preprocess, .labels = &e->labels,
                                     .label_offset = given->label_offset, .scale = (int)given->scale,
                                     .beam = (int)given->beam, .is_luma = plane == 1 };
    for (int i = 0; i < e->n_nets; i++) {
        CLI_TRY(cli_alloc(1, e->metric->state_bytes, &e->nets[i].state));
        if (e->metric->open) {
            CLI_TRY(e->metric->open(e->nets[i].state, &e->source));
        }
    }
    return PITH_OK;
}

/* Memory as of a process that runs samples of one size, the largest. */
static pith_status measure_memory(const evaluation *e, candidate *c)
{
    const cli_net_options how = { .n_threads = (int)e->given->n_threads, .isa = e->given->isa };
    cli_net fresh = { 0 };
    pith_status status = cli_net_open(c->path, &how, &fresh);
    if (status == PITH_OK) {
        int n_threads = e->given->n_threads ? (int)e->given->n_threads : 1;
        status = pith_model_cost(fresh.model, e->shapes, n_threads, &c->cost);
        status = status == PITH_OK ? PITH_OK : cli_net_fail(&fresh, status);
    }
    cli_net_close(&fresh);
    return status;
}

static pith_status evaluate(evaluation *e)
{
    CLI_TRY(open_all(e));
    int n = e->dataset.n < e->given->n_samples ? e->dataset.n : (int)e->given->n_samples;
    for (e->n = 0; e->n < n; e->n++) {
        CLI_TRY(evaluate_sample(e, (int)((int64_t)e->n * e->dataset.n / n)));
        cli_progress("%d of %d", e->n + 1, n);
    }
    cli_progress("intervals");
    for (int i = 0; i < e->n_nets; i++) {
        candidate *c = &e->nets[i];
        CLI_TRY(cli_metric_score(e->metric, c->state, e->n, c->values, c->intervals));
        CLI_TRY(measure_memory(e, c));
    }
    cli_progress("%s", "");
    if (e->given->json) {
        print_json(e);
    } else {
        print_words(e);
    }
    return PITH_OK;
}

static pith_status run(const void *settings, const cli_words *words, int *exit_code)
{
    evaluation e = { .given = settings, .n_nets = 1 };
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model is needed, %d were given", words->n);
    e.nets[0].path = words->items[0];
    if (e.given->against) {
        e.nets[e.n_nets++].path = e.given->against;
    }
    pith_status status = evaluate(&e);
    for (int i = 0; i < e.n_nets; i++) {
        if (e.nets[i].state && e.metric->close) {
            e.metric->close(e.nets[i].state);
        }
        cli_free(e.nets[i].state);
        cli_net_close(&e.nets[i].net);
    }
    cli_dataset_close(&e.dataset);
    cli_labels_free(&e.labels);
    return status;
}

const cli_command cli_command_evaluate = {
    .name = "evaluate",
    .usage = "MODEL --data DATA [--metric NAME] [--against MODEL]",
    .summary = "how right a network is on data with known truth, with its uncertainty",
    .details =
        "metrics and their data\n"
        "  top1      a folder with a folder per class (named by number, by label, or in order), files named\n"
        "            CLASS_..., an .npz with labels in 'y', IDX files\n"
        "  text      pictures of lines; truth.txt, labels.txt or gt.txt with lines NAME, tab, TEXT; else the text is\n"
        "            in the names: NUMBER_TEXT_NUMBER.png, either number optional\n"
        "  boxes     pictures (or a folder images) and a COCO .json there or in annotations, or YOLO .txt files\n"
        "            beside the pictures or in labels\n"
        "  picture   pictures, which are made smaller for the network: PSNR and SSIM of luma\n"
        "  pairs     folders input and target with files of the same names, or an .npz with pictures x and y: PSNR,\n"
        "            SSIM\n"
        "  segments  pictures (or a folder images) and masks, grey = class, 255 doesn't count: in masks, or beside\n"
        "            as NAME_mask.png",
    .options = options,
    .settings_bytes = sizeof(evaluate_settings),
    .defaults = &defaults,
    .run = run,
};
