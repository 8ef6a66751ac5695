/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of the float network over the samples, with every value that will be quantised as an output: first the
 * ranges, then histograms within them. */
#include <math.h>

#include "quant/quant.h"

/* ---- running a graph ----------------------------------------------------------------------- */

pith_status pithi_quant_start(const pithi_quant *quant, pith_graph *graph, pithi_quant_runner *runner)
{
    const pith_session_options options = { .n_threads = quant->options->n_threads };
    void *block = NULL;
    *runner = (pithi_quant_runner){ 0 };
    pith_status status = pithi_model_from_graph(graph, NULL, &runner->model);
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

pith_status pithi_quant_run(const pithi_quant *quant, pithi_quant_runner *runner, int sample)
{
    pith_status status = quant->samples->read(quant->samples->user, sample, runner->inputs);
    PITH_CHECK(quant->ctx, status == PITH_OK, status, "calibration sample %d can't be read", sample);
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
    const float *x = tensor->data;
    int64_t n = pith_shape_elements(&tensor->shape);
    double low = histogram->low, high = histogram->high;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            low = (double)x[i] < low ? (double)x[i] : low;
            high = (double)x[i] > high ? (double)x[i] : high;
        }
    }
    histogram->low = low;
    histogram->high = high;
}

static void count(pithi_histogram *histogram, const pith_tensor *tensor)
{
    const float *x = tensor->data;
    int64_t n = pith_shape_elements(&tensor->shape);
    double span = histogram->high - histogram->low, per_unit = span > 0.0 ? PITHI_QUANT_BINS / span : 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            int bin = (int)(((double)x[i] - histogram->low) * per_unit);
            histogram->bins[bin < PITHI_QUANT_BINS ? bin : PITHI_QUANT_BINS - 1]++;
            histogram->n_elements++;
        }
    }
}

static pith_status run_all(pithi_quant *quant, pithi_quant_runner *runner, const char *stage,
                           void (*take)(pithi_histogram *, const pith_tensor *))
{
    for (int s = 0; s < quant->samples->n_samples; s++) {
        PITH_TRY(pithi_quant_run(quant, runner, s));
        for (int i = 0; i < quant->n_tensors; i++) {
            take(&quant->tensors[quant->tensors[i].source].histogram,
                 pith_session_output(runner->session, quant->n_outputs + i));
        }
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, stage, s + 1, quant->samples->n_samples);
        }
    }
    return PITH_OK;
}

/* ---- samples that measure ------------------------------------------------------------------ */

/* Every fourth sample, at most 32; with fewer than 16 all of them. */
int pithi_quant_held_sample(const pithi_quant *quant, int k)
{
    return (int)((int64_t)k * quant->samples->n_samples / quant->n_held);
}

static pith_status keep_outputs(pithi_quant *quant, pithi_quant_runner *runner)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_held * (size_t)quant->n_outputs, sizeof(pith_tensor),
                               &block));
    quant->references = block;
    for (int k = 0; k < quant->n_held; k++) {
        PITH_TRY(pithi_quant_run(quant, runner, pithi_quant_held_sample(quant, k)));
        for (int i = 0; i < quant->n_outputs; i++) {
            const pith_tensor *output = pith_session_output(runner->session, i);
            pith_tensor *copy = &quant->references[k * quant->n_outputs + i];
            *copy = *output;
            PITH_TRY(pithi_arena_alloc(&quant->arena, pith_tensor_bytes(output), &copy->data));
            memcpy(copy->data, output->data, pith_tensor_bytes(output));
        }
    }
    return PITH_OK;
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
    graph->n_outputs = n_outputs;
    pithi_quant_number(graph);
    return status;
}

pith_status pithi_quant_calibrate(pithi_quant *quant)
{
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    int quarter = quant->samples->n_samples / 4;
    quant->n_held = quarter < 4 ? quant->samples->n_samples : quarter > 32 ? 32 : quarter;
    quant->n_outputs = (int)quant->graph->n_outputs;
    for (int i = 0; i < quant->n_tensors; i++) {
        void *bins = NULL;
        PITH_TRY(pithi_arena_array(&quant->arena, PITHI_QUANT_BINS, sizeof(uint64_t), &bins));
        quant->tensors[i].histogram = (pithi_histogram){ .bins = bins };
    }
    PITH_TRY(clone_with_tensors(quant, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    PITH_TRY_GOTO(run_all(quant, &runner, "ranges", widen), done);
    PITH_TRY_GOTO(run_all(quant, &runner, "histograms", count), done);
    PITH_TRY_GOTO(keep_outputs(quant, &runner), done);
done:
    pithi_quant_stop(quant, &runner);
    return status;
}
