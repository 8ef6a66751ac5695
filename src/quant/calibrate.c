/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of the float network over the samples, with every value that will be quantised as an output: first the
 * ranges, then histograms within them. */
#include <math.h>

#include "quant/quant.h"

#define MAX_INPUTS 16
#define MAX_OPERANDS 32  /* of concatenations that are measured in place of outputs */
#define NODE_WORK 2e4    /* of a node that does next to nothing */
#define UNKNOWN_WORK 1e9 /* of networks whose shapes depend on data */

/* ---- running a graph ----------------------------------------------------------------------- */

pith_status pithi_quant_start(const pithi_quant *quant, pith_graph *graph, pithi_quant_runner *runner)
{
    return pithi_quant_start_without(quant, graph, NULL, runner);
}

pith_status pithi_quant_start_without(const pithi_quant *quant, pith_graph *graph, const char *passes,
                                      pithi_quant_runner *runner)
{
    const pith_model_options how = { .disable_passes = passes };
    const pith_session_options options = { .n_threads = quant->options->n_threads };
    void *block = NULL;
    *runner = (pithi_quant_runner){ 0 };
    pith_status status = pithi_model_from_graph(graph, &how, &runner->model);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    status = pithi_alloc_array(quant->ctx, graph->n_inputs, sizeof(pith_tensor), &block);
    runner->inputs = block;
    if (status == PITH_OK) {
        status = pith_session_create(runner->model, &options, &runner->session);
    }
    if (status != PITH_OK) {
        pithi_quant_stop(quant, runner);
    }
    return status;
}

/* Ranges and errors pass over what isn't a number, so such samples would only look as if they were right. */
static pith_status check_numbers(const pithi_quant *quant, const pithi_quant_runner *runner, int sample)
{
    for (int i = 0; i < pith_model_n_inputs(runner->model); i++) {
        const pith_tensor *input = &runner->inputs[i];
        const int64_t n = pithi_dtype_is_float(input->dtype) ? pith_shape_elements(&input->shape) : 0;
        const float *x = input->data;
        for (int64_t k = 0; k < n; k++) {
            PITH_CHECK(quant->ctx, !isnan(input->dtype == PITH_DTYPE_F32 ? x[k] : pithi_tensor_get_f64(input, k)),
                       PITH_STATUS_ARG,
                       "%s %d: element %lld of input '%s' isn't a number (NaN); leave the sample out",
                       quant->samples == quant->options->verify ? "sample held out" : "calibration sample",
                       sample, (long long)k, pith_model_input(runner->model, i)->name);
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_read(const pithi_quant *quant, int sample, pith_tensor *inputs)
{
    pith_status status = quant->samples->read(quant->samples->user, sample, inputs);
    PITH_CHECK(quant->ctx, status == PITH_OK, status, "%s %d can't be read",
               quant->samples == quant->options->verify ? "sample held out" : "calibration sample", sample);
    return PITH_OK;
}

pith_status pithi_quant_run(const pithi_quant *quant, pithi_quant_runner *runner, int sample)
{
    PITH_TRY(pithi_quant_read(quant, sample, runner->inputs));
    PITH_TRY(check_numbers(quant, runner, sample));
    if (quant->work) {
        quant->work->done += quant->work->per_run;
    }
    PITH_TRY_AT(quant->ctx,
                pith_session_run(runner->session, runner->inputs, pith_model_n_inputs(runner->model)),
                "calibration sample %d", sample);
    return PITH_OK;
}

void pithi_quant_stop(const pithi_quant *quant, pithi_quant_runner *runner)
{
    pith_session_destroy(runner->session);
    pith_model_destroy(runner->model);
    pithi_free(quant->ctx, runner->inputs);
    *runner = (pithi_quant_runner){ 0 };
}

/* ---- statistics ---------------------------------------------------------------------------- */

static void widen(pithi_histogram *histogram, const pith_tensor *tensor)
{
    pithi_histogram_widen(histogram, tensor->data, pith_shape_elements(&tensor->shape));
}

static double bins_per_unit(const pithi_histogram *histogram)
{
    const double span = histogram->high - histogram->low;
    return span > 0.0 ? PITHI_QUANT_BINS / span : 0.0;
}

static int bin_of(const pithi_histogram *histogram, double per_unit, float x)
{
    const int bin = (int)(((double)x - histogram->low) * per_unit);
    return bin < PITHI_QUANT_BINS ? bin : PITHI_QUANT_BINS - 1;
}

static void count(pithi_histogram *histogram, const pith_tensor *tensor)
{
    const float *x = tensor->data;
    const double per_unit = bins_per_unit(histogram);
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        if (isfinite(x[i])) {
            histogram->bins[bin_of(histogram, per_unit, x[i])]++;
            histogram->n_elements++;
        }
    }
}

/* What the table that reads the tensor makes of each bin: sums, until all samples are seen. */
static void add_results(pithi_quant_tensor *tensor, const pith_tensor *from, const pith_tensor *to)
{
    const float *x = from->data, *y = to->data;
    const double per_unit = bins_per_unit(&tensor->histogram);
    for (int64_t i = 0; i < pith_shape_elements(&from->shape) && pith_shape_equal(&from->shape, &to->shape); i++) {
        if (isfinite(x[i]) && isfinite(y[i])) {
            tensor->results[bin_of(&tensor->histogram, per_unit, x[i])] += (double)y[i];
        }
    }
}

/* Means; bins that nothing fell into lie on lines between their neighbours. */
static void finish_results(pithi_quant_tensor *tensor)
{
    const uint64_t *bins = tensor->histogram.bins;
    int last = -1;
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        if (bins[i] == 0) {
            continue;
        }
        tensor->results[i] /= (double)bins[i];
        const double first = last < 0 ? tensor->results[i] : tensor->results[last];
        for (int k = last + 1; k < i; k++) {
            tensor->results[k] = first + (tensor->results[i] - first) * (k - last) / (i - last);
        }
        last = i;
    }
    for (int k = last + 1; k < PITHI_QUANT_BINS && last >= 0; k++) {
        tensor->results[k] = tensor->results[last];
    }
}

/* Inputs are often few different numbers, such as pixels, whose rounding errors a histogram can't tell. */
static void keep_values(pithi_quant_tensor *tensor, const pith_tensor *from, int n_samples)
{
    const int64_t n = pith_shape_elements(&from->shape), wanted = PITHI_QUANT_VALUES / n_samples + 1;
    const int64_t step = n > wanted ? n / wanted | 1 : 1; /* odd: not always the same channel or column */
    for (int64_t i = 0; i < n && tensor->n_values < PITHI_QUANT_VALUES; i += step) {
        tensor->values[tensor->n_values++] = ((const float *)from->data)[i];
    }
}

typedef struct calibration_pass {
    const char *stage;
    void (*take)(pithi_histogram *histogram, const pith_tensor *tensor);
    void (*between)(pithi_quant *quant); /* after the samples that don't measure, which come first */
} calibration_pass;

static void keep_extremes(pithi_quant *quant)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].apart = quant->tensors[i].histogram;
    }
}

static void take_sample(pithi_quant *quant, const pithi_quant_runner *runner, const calibration_pass *pass)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        pithi_quant_tensor *tensor = &quant->tensors[i];
        const pith_tensor *from = pith_session_output(runner->session, quant->n_outputs + i);
        pass->take(&quant->tensors[tensor->source].histogram, from);
        if (tensor->values && pass->take == count) {
            keep_values(tensor, from, quant->samples->n_samples);
        }
        if (tensor->results && pass->take == count) {
            add_results(tensor, from, pith_session_output(runner->session, quant->n_outputs + tensor->read_as));
        }
    }
}

/* Where all samples measure, every other one stands for those that don't. */
static bool is_apart(const pithi_quant *quant, int sample)
{
    bool is_held = quant->n_held == quant->samples->n_samples && sample % 2 == 1;
    for (int k = 0; k < quant->n_held && quant->n_held < quant->samples->n_samples; k++) {
        is_held = is_held || pithi_quant_held_sample(quant, k) == sample;
    }
    return !is_held;
}

static pith_status run_all(pithi_quant *quant, pithi_quant_runner *runner, const calibration_pass *pass)
{
    const int n = quant->samples->n_samples;
    int n_done = 0;
    for (int round = 0; round < 2; round++) {
        for (int s = 0; s < n; s++) {
            if (is_apart(quant, s) != (round == 0)) {
                continue;
            }
            PITH_TRY(pithi_quant_run(quant, runner, s));
            take_sample(quant, runner, pass);
            n_done++;
            if (quant->options->progress) {
                quant->options->progress(quant->options->progress_user, pass->stage, n_done, n);
            }
        }
        if (round == 0) {
            pass->between(quant);
        }
    }
    return PITH_OK;
}

/* ---- samples that measure ------------------------------------------------------------------ */

/* Every fourth sample, at least 24 and at most 32; with fewer than 32 all of them. */
int pithi_quant_held_sample(const pithi_quant *quant, int k)
{
    return (int)((int64_t)k * quant->samples->n_samples / quant->n_held);
}

static pith_status keep_outputs(pithi_quant *quant, pithi_quant_runner *runner)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_held * (size_t)quant->n_measured, sizeof(pith_tensor),
                               &block));
    quant->references = block;
    for (int k = 0; k < quant->n_held; k++) {
        PITH_TRY(pithi_quant_run(quant, runner, pithi_quant_held_sample(quant, k)));
        for (int i = 0; i < quant->n_measured; i++) {
            const pith_tensor *output = pithi_quant_measured(quant, runner, i);
            pith_tensor *copy = &quant->references[k * quant->n_measured + i];
            *copy = *output;
            PITH_TRY(pithi_arena_alloc(&quant->arena, pith_tensor_bytes(output), &copy->data));
            memcpy(copy->data, output->data, pith_tensor_bytes(output));
        }
    }
    return PITH_OK;
}

/* On a sample the value is one row; `shaped` is a clone that has its shapes. */
static bool is_one_choice(const pith_graph *shaped, int value)
{
    const pith_shape *shape = &shaped->values[value]->shape;
    int n_long = 0;
    for (int i = 0; i < shape->rank; i++) {
        n_long += shape->dims[i] != 1;
    }
    return n_long == 1 && pithi_value_has_dims(shaped->values[value]);
}

bool pithi_quant_is_reordering(const pith_node *node)
{
    static const char *const movers[] = { "reshape", "flatten", "squeeze", "unsqueeze", "transpose" };
    bool found = false;
    for (int i = 0; i < PITH_COUNT(movers) && !found; i++) {
        found = pithi_is(node, movers[i]);
    }
    return found;
}

/* The concatenation whose elements a value has, in whatever order; NULL. */
static const pith_node *concat_behind(const pith_value *value)
{
    const pith_node *node = value->producer;
    while (pithi_quant_is_reordering(node)) {
        node = node->inputs[0]->producer;
    }
    bool are_results = pithi_is(node, "concat");
    for (int i = 0; are_results && i < node->n_inputs; i++) {
        are_results = node->inputs[i]->producer && node->inputs[i]->dtype == PITH_DTYPE_F32;
    }
    return are_results ? node : NULL;
}

/* Operands of concatenations one by one, so that boxes don't hide scores. */
static void measure_operands(pithi_quant *quant, const pith_value *value, int *at, int *n_left)
{
    const pith_node *concat = concat_behind(value);
    *at = (int)value->index;
    if (!concat || concat->n_inputs - 1 > *n_left) {
        return;
    }
    *n_left -= concat->n_inputs - 1;
    measure_operands(quant, concat->inputs[0], at, n_left);
    for (int i = 1; i < concat->n_inputs; i++) {
        measure_operands(quant, concat->inputs[i], &quant->measured[quant->n_measured++], n_left);
    }
}

/* The softmax whose elements an output has, in whatever order: it is measured in front of it. Behind it, what the
 * classes that compete lose is all that shows, and a few of many rows hide the others. */
static const pith_node *softmax_behind(const pith_value *output)
{
    const pith_node *node = output->producer;
    while (pithi_quant_is_reordering(node)) {
        node = node->inputs[0]->producer;
    }
    const bool is_softmax = pithi_is(node, "softmax") || pithi_is(node, "log_softmax");
    return is_softmax && node->inputs[0]->producer ? node : NULL;
}

/* First one value for each output, in their order; the further ones of outputs with several follow. */
static pith_status choose_measured(pithi_quant *quant)
{
    const size_t n_most = (size_t)quant->n_outputs + MAX_OPERANDS;
    int n_left = MAX_OPERANDS;
    pith_graph *shaped = NULL;
    void *measured = NULL, *decisions = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, n_most, sizeof(int), &measured));
    PITH_TRY(pithi_arena_array(&quant->arena, n_most, sizeof(pithi_decision), &decisions));
    PITH_TRY(pithi_quant_clone_shaped(quant, quant->graph, &shaped));
    pithi_quant_number(quant->graph);
    quant->measured = measured;
    quant->decisions = decisions;
    quant->n_measured = quant->n_outputs;
    for (int i = 0; i < quant->n_outputs; i++) {
        const pith_node *softmax = softmax_behind(quant->graph->outputs[i]);
        if (softmax) {
            quant->measured[i] = (int)softmax->inputs[0]->index;
        } else {
            measure_operands(quant, quant->graph->outputs[i], &quant->measured[i], &n_left);
        }
    }
    const bool may_choose = quant->n_outputs == 1 && quant->n_measured == 1; /* a row of boxes isn't one of classes */
    for (int i = 0; i < quant->n_measured; i++) {
        const int k = quant->measured[i];
        const pith_node *softmax = i < quant->n_outputs ? softmax_behind(quant->graph->outputs[i]) : NULL;
        const bool is_choice = may_choose && is_one_choice(shaped, k);
        quant->decisions[i] = pithi_decision_of(quant->graph->values[k], softmax, is_choice);
    }
    pithi_graph_destroy(shaped);
    return PITH_OK;
}

/* What a run costs, in multiplications: the work that a network is worth is limited by this and not by a clock, so that
 * results don't depend on the machine. */
static void learn_work(pithi_quant *quant, pithi_quant_runner *runner)
{
    pith_cost_report cost = { 0 };
    pith_shape shapes[MAX_INPUTS];
    size_t n = quant->graph->n_inputs;
    for (size_t i = 0; i < n && i < MAX_INPUTS; i++) {
        shapes[i] = runner->inputs[i].shape;
    }
    pith_status status = n <= MAX_INPUTS ? pith_model_cost(runner->model, shapes, 1, &cost) : PITH_STATUS_ARG;
    double known = status == PITH_OK ? (double)cost.macs + (double)cost.flops : UNKNOWN_WORK;
    quant->work->per_run = known + NODE_WORK * quant->n_nodes;
}

/* A clone with the tensors as further outputs. */
static pith_status clone_with_tensors(pithi_quant *quant, pith_graph **clone_out)
{
    pith_graph *graph = quant->graph;
    size_t n_outputs = graph->n_outputs;
    pith_status status = PITH_OK;
    for (int i = 0; i < quant->n_tensors && status == PITH_OK; i++) {
        status = pithi_graph_add_output(graph, graph->values[quant->tensors[i].value]);
    }
    if (status == PITH_OK) {
        status = pithi_graph_clone(graph, clone_out);
    }
    if (status == PITH_OK) {
        status = pithi_quant_set_measured(quant, *clone_out);
        if (status != PITH_OK) {
            pithi_graph_destroy(*clone_out);
        }
    }
    graph->n_outputs = n_outputs;
    pithi_quant_number(graph);
    return status;
}

pith_status pithi_quant_calibrate(pithi_quant *quant)
{
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    int n = quant->samples->n_samples;
    quant->n_held = n < 32 ? n : n / 4 < 24 ? 24 : n / 4 > 32 ? 32 : n / 4;
    quant->n_outputs = (int)quant->graph->n_outputs;
    for (int i = 0; i < quant->n_tensors; i++) {
        void *bins = NULL;
        PITH_TRY(pithi_arena_array(&quant->arena, PITHI_QUANT_BINS, sizeof(uint64_t), &bins));
        quant->tensors[i].histogram = (pithi_histogram){ .bins = bins };
        quant->tensors[i].results = NULL;
        if (quant->tensors[i].read_as >= 0) {
            PITH_TRY(pithi_arena_array(&quant->arena, PITHI_QUANT_BINS, sizeof(double), &bins));
            quant->tensors[i].results = bins;
        }
        if (!quant->graph->values[quant->tensors[i].value]->producer) {
            PITH_TRY(pithi_arena_array(&quant->arena, PITHI_QUANT_VALUES, sizeof(float), &bins));
            quant->tensors[i].values = bins;
            quant->tensors[i].n_values = 0;
        }
    }
    if (!quant->measured) {
        PITH_TRY(choose_measured(quant));
    }
    PITH_TRY(clone_with_tensors(quant, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    PITH_TRY_GOTO(run_all(quant, &runner, &(calibration_pass){ "ranges", widen, keep_extremes }), done);
    learn_work(quant, &runner);
    PITH_TRY_GOTO(run_all(quant, &runner, &(calibration_pass){ "histograms", count, pithi_quant_observe_apart }), done);
    for (int i = 0; i < quant->n_tensors; i++) {
        if (quant->tensors[i].results) {
            finish_results(&quant->tensors[i]);
        }
    }
    if (!quant->references) {
        PITH_TRY_GOTO(keep_outputs(quant, &runner), done);
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}
