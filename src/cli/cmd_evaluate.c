/* SPDX-License-Identifier: Apache-2.0 */
/* pith evaluate: accuracy of a classifier on labelled data, with its uncertainty; agreement with another model. */
#include <math.h>

#include "json.h"
#include "labels.h"
#include "samples.h"

typedef struct evaluate_settings {
    const char *data, *against, *sidecar, *isa;
    cli_words shapes, keys;
    int64_t n_samples, n_threads, label_offset;
    bool json;
} evaluate_settings;

enum { OFFSET_AUTO = -1000000, N_TOP = 5 };

static const evaluate_settings defaults = { .n_samples = INT32_MAX, .label_offset = OFFSET_AUTO };

static const cli_option options[] = {
    { "data", 'd', CLI_KIND_TEXT, offsetof(evaluate_settings, data), "DATA",
      "labelled samples: a folder with a folder per class, files named CLASS_..., an .npz with labels in 'y', IDX "
      "files", 0, 0 },
    { "against", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, against), "MODEL",
      "another model (the float one): how often both choose the same class", 0, 0 },
    { "samples", 'n', CLI_KIND_INT, offsetof(evaluate_settings, n_samples), "N",
      "samples to take, spread over the data (default: all)", 1, INT32_MAX },
    { "label-offset", 0, CLI_KIND_INT, offsetof(evaluate_settings, label_offset), "K",
      "class = label + K (default 0; 1 for 1001 classes of which the first is the background)", -1e6, 1e6 },
    { "preprocess", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, sidecar), "FILE",
      "how a picture becomes an input (default: MODEL_STEM.preprocess beside the model)", 0, 0 },
    { "set", 0, CLI_KIND_WORDS, offsetof(evaluate_settings, keys), "KEY=VALUE",
      "one setting of that file, such as mean=127.5 (repeat)", 0, 0 },
    { "shape", 0, CLI_KIND_WORDS, offsetof(evaluate_settings, shapes), "NAME=SIZES", "shape of an input (repeat)", 0,
      0 },
    { "threads", 't', CLI_KIND_INT, offsetof(evaluate_settings, n_threads), "N", "threads (default: one per core)", 1,
      1024 },
    { "isa", 0, CLI_KIND_TEXT, offsetof(evaluate_settings, isa), "NAME", "best instruction set to use", 0, 0 },
    { "json", 0, CLI_KIND_FLAG, offsetof(evaluate_settings, json), NULL, "print JSON", 0, 0 },
    { 0 },
};

typedef struct evaluation {
    const evaluate_settings *given;
    const char *model;
    cli_net net, other;
    cli_preprocess preprocess;
    cli_dataset dataset;
    cli_samples samples;
    int64_t offset, n_classes;
    int n, n_top1, n_top5, n_agree;
    int n_without_offset; /* top-1 if labels counted from 0 */
    double total_ms;
} evaluation;

/* ---- one sample ---------------------------------------------------------------------------- */

static pith_status run_net(cli_net *net, const pith_tensor *inputs)
{
    pith_status status = pith_session_run(net->session, inputs, pith_model_n_inputs(net->model));
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

static int choose_class(const cli_net *net)
{
    cli_score best = { 0 };
    cli_top_scores(pith_session_output(net->session, 0), 1, &best);
    return best.class_index;
}

static void learn_offset(evaluation *e)
{
    int64_t largest = 0;
    for (int i = 0; i < e->dataset.n; i++) {
        largest = e->dataset.labels[i] > largest ? e->dataset.labels[i] : largest;
    }
    e->offset = e->given->label_offset;
    if (e->offset == OFFSET_AUTO) {
        e->offset = e->n_classes == 1001 && largest < 1000;
    }
}

static pith_status count_sample(evaluation *e, int index)
{
    const pith_tensor *output = pith_session_output(e->net.session, 0);
    int64_t label = e->dataset.labels[e->samples.indices[index]];
    cli_score scores[N_TOP];
    if (e->n == 0) {
        e->n_classes = pith_shape_elements(&output->shape);
        learn_offset(e);
    }
    CLI_CHECK(label + e->offset >= 0 && label + e->offset < e->n_classes, PITH_STATUS_ARG,
              "sample %d has class %lld, the model's first output has %lld elements (one score per class is expected; "
              "--label-offset shifts labels)", e->samples.indices[index], (long long)(label + e->offset),
              (long long)e->n_classes);
    int n_scores = cli_top_scores(output, N_TOP, scores);
    e->n_top1 += scores[0].class_index == label + e->offset;
    e->n_without_offset += scores[0].class_index == label;
    for (int i = 0; i < n_scores; i++) {
        e->n_top5 += scores[i].class_index == label + e->offset;
    }
    e->n++;
    return PITH_OK;
}

static pith_status evaluate_sample(evaluation *e, int index)
{
    pith_tensor inputs[CLI_MAX_INPUTS];
    CLI_TRY(cli_samples_read(&e->samples, index, inputs));
    double start = cli_now_ms();
    CLI_TRY(run_net(&e->net, inputs));
    e->total_ms += cli_now_ms() - start;
    CLI_TRY(count_sample(e, index));
    if (e->given->against) {
        CLI_TRY(run_net(&e->other, inputs));
        e->n_agree += choose_class(&e->net) == choose_class(&e->other);
    }
    return PITH_OK;
}

/* ---- the report ---------------------------------------------------------------------------- */

/* Wilson's score interval at 95 % (E. B. Wilson, JASA 22, 1927): holds also near 0 and 1 and for few samples. */
static void wilson(int n_hits, int n, double interval_out[2])
{
    const double z = 1.959963985;
    double p = (double)n_hits / n, middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    double half = z / (1.0 + z * z / n) * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * (double)n));
    interval_out[0] = fmax(middle - half, 0.0);
    interval_out[1] = fmin(middle + half, 1.0);
}

static void print_json(const evaluation *e, const double interval[2])
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", e->model);
    cli_json_text(&json, "data", e->given->data);
    cli_json_whole(&json, "n", e->n);
    cli_json_number(&json, "top1", (double)e->n_top1 / e->n);
    cli_json_number(&json, "top5", (double)e->n_top5 / e->n);
    cli_json_numbers(&json, "interval", interval, 2);
    cli_json_whole(&json, "classes", e->n_classes);
    cli_json_whole(&json, "label_offset", e->offset);
    if (e->given->against) {
        double agreement[2];
        wilson(e->n_agree, e->n, agreement);
        cli_json_text(&json, "against", e->given->against);
        cli_json_number(&json, "agreement", (double)e->n_agree / e->n);
        cli_json_numbers(&json, "agreement_interval", agreement, 2);
    }
    cli_json_number(&json, "mean_ms", e->total_ms / e->n);
    cli_json_end(&json);
}

static void print_words(const evaluation *e, const double interval[2])
{
    char ms[CLI_HUMAN_BYTES];
    printf("%s on %s: %d samples, %lld classes%s\n", e->model, e->given->data, e->n, (long long)e->n_classes,
           e->offset == 1 ? ", labels count from 1" : "");
    printf("  top-1      %6.2f %%  (95 %% interval %.2f to %.2f %%)\n", 100.0 * e->n_top1 / e->n, 100.0 * interval[0],
           100.0 * interval[1]);
    printf("  top-5      %6.2f %%\n", 100.0 * e->n_top5 / e->n);
    if (e->given->against) {
        printf("  agreement  %6.2f %%  with %s\n", 100.0 * e->n_agree / e->n, e->given->against);
    }
    printf("  time       %s for a sample\n", cli_human_ms(e->total_ms / e->n, ms));
}

/* ---- the verb ------------------------------------------------------------------------------ */

static pith_status open_net(const evaluation *e, const char *path, cli_net *net)
{
    const cli_net_options how = { .n_threads = (int)e->given->n_threads, .isa = e->given->isa };
    CLI_TRY(cli_net_open(path, &how, net));
    return cli_net_start(net, &how);
}

static pith_status open_all(evaluation *e)
{
    const evaluate_settings *given = e->given;
    const cli_input_reader reader = { .net = &e->net, .settings = &e->preprocess, .shapes = &given->shapes };
    CLI_CHECK(given->data, PITH_STATUS_ARG, "--data is needed: labelled samples");
    CLI_TRY(cli_preprocess_of_model(e->model, given->sidecar, &given->keys, &e->preprocess));
    CLI_TRY(open_net(e, e->model, &e->net));
    if (given->against) {
        CLI_TRY(open_net(e, given->against, &e->other));
        CLI_CHECK(pith_model_n_inputs(e->other.model) == pith_model_n_inputs(e->net.model), PITH_STATUS_ARG,
                  "'%s' has %d inputs, '%s' has %d", given->against, pith_model_n_inputs(e->other.model), e->model,
                  pith_model_n_inputs(e->net.model));
    }
    CLI_TRY(cli_dataset_open(given->data, &e->dataset));
    CLI_CHECK(e->dataset.labels, PITH_STATUS_ARG,
              "data set '%s' has no labels; a folder per class, file names CLASS_..., or an array 'y' give them",
              given->data);
    return cli_samples_open(&reader, &e->dataset, (int)given->n_samples, &e->samples);
}

static pith_status evaluate(evaluation *e)
{
    double interval[2];
    CLI_TRY(open_all(e));
    for (int i = 0; i < e->samples.n; i++) {
        CLI_TRY(evaluate_sample(e, i));
        if (e->n % 16 == 0) {
            cli_progress("%d of %d: top-1 %.2f %%", e->n, e->samples.n, 100.0 * e->n_top1 / e->n);
        }
    }
    cli_progress("%s", "");
    wilson(e->n_top1, e->n, interval);
    if (e->given->json) {
        print_json(e, interval);
    } else {
        print_words(e, interval);
    }
    if (e->given->label_offset == OFFSET_AUTO && e->offset && e->n_without_offset > e->n_top1) {
        cli_warn("labels as they are fit better than labels + 1; give --label-offset 0");
    }
    return PITH_OK;
}

static pith_status run(const void *settings, const cli_words *words, int *exit_code)
{
    evaluation e = { .given = settings };
    (void)exit_code;
    CLI_CHECK(words->n == 1, PITH_STATUS_ARG, "one model is needed, %d were given", words->n);
    e.model = words->items[0];
    pith_status status = evaluate(&e);
    cli_samples_close(&e.samples);
    cli_dataset_close(&e.dataset);
    cli_net_close(&e.other);
    cli_net_close(&e.net);
    return status;
}

const cli_command cli_command_evaluate = {
    .name = "evaluate",
    .usage = "MODEL --data DATA",
    .summary = "accuracy on labelled data, with its uncertainty",
    .options = options,
    .settings_bytes = sizeof(evaluate_settings),
    .defaults = &defaults,
    .run = run,
};
