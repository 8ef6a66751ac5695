/* SPDX-License-Identifier: Apache-2.0 */
/* Empirical bias correction (Nagel et al., "Data-free quantization through weight equalization and bias correction",
 * arXiv 1906.04721, section 4.2): rounding weights shifts the mean of a layer's output; the shift, measured on the
 * samples (on others than those that measure, where there are; else on every second one, and the rest must confirm
 * it), is taken out of its bias; that of a matmul is the row behind it. Layers are corrected in order, one at a time:
 * two at once would both take out what the first one shifts. */
#include <math.h>

#include "quant/quant.h"

#define MOST_SAMPLES 32
#define FEW_SAMPLES 16

/* Means over batch and space of each output channel of a layer. */
typedef struct layer {
    pith_node *node; /* of quant->graph */
    const pith_node *last; /* it, or the row behind it */
    double *means;   /* float network, then minus the quantised one */
    int64_t n_channels;
} layer;

/* Channels are axis 1 of convolutions, the last of products. What is no number says nothing. */
static void add_means(const pith_node *node, const pith_tensor *output, double weight, double *means)
{
    const float *y = output->data;
    const pith_shape *shape = &output->shape;
    int axis = pithi_is(node, "conv") || pithi_is(node, "conv_transpose") ? 1 : shape->rank - 1;
    int64_t inner = 1, n = pith_shape_elements(shape);
    for (int i = axis + 1; i < shape->rank; i++) {
        inner *= shape->dims[i];
    }
    double share = n > 0 ? weight * (double)shape->dims[axis] / (double)n : 0.0;
    for (int64_t i = 0; i < n; i++) {
        means[i / inner % shape->dims[axis]] += isfinite(y[i]) ? share * (double)y[i] : 0.0;
    }
}

static pith_node *node_at(pith_graph *graph, int index)
{
    pith_node *node = graph->first;
    while (node && index-- > 0) {
        node = node->next;
    }
    return node;
}

/* A clone, quantised or not, with the layers' results as further outputs: what is an output isn't rounded. */
static pith_status clone_for(const pithi_quant *quant, const layer *layers, int n_layers, bool quantised,
                             pith_graph **out)
{
    pith_graph *clone = NULL;
    pith_value **results = NULL;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)n_layers, sizeof *results, &block));
    results = block;
    pith_status status = pithi_graph_clone(quant->graph, &clone);
    if (status == PITH_OK) {
        pithi_quant_number(quant->graph);
        for (int i = 0; i < n_layers; i++) {
            results[i] = node_at(clone, layers[i].last->index)->outputs[0];
        }
        status = quantised ? pithi_quant_insert(quant, clone) : PITH_OK;
    }
    for (int i = 0; i < n_layers && status == PITH_OK; i++) {
        status = pithi_graph_add_output(clone, results[i]);
    }
    pithi_free(quant->ctx, results);
    if (status != PITH_OK) {
        pithi_graph_destroy(clone);
        return status;
    }
    *out = clone;
    return PITH_OK;
}

static pith_status measure(const pithi_quant *quant, const layer *layers, int n_layers, const int *samples,
                           int n_samples, bool quantised)
{
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    PITH_TRY(clone_for(quant, layers, n_layers, quantised, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    for (int k = 0; k < n_samples; k++) {
        PITH_TRY_GOTO(pithi_quant_run(quant, &runner, samples[k]), done);
        for (int i = 0; i < n_layers; i++) {
            add_means(layers[i].node, pith_session_output(runner.session, quant->n_outputs + i),
                      (quantised ? -1.0 : 1.0) / n_samples, layers[i].means);
        }
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}

static bool is_corrected(const pithi_quant *quant, const pith_node *node)
{
    pithi_quant_weights weights;
    return quant->roles[node->index] == PITHI_QUANT_PRODUCT && pithi_quant_may_shift(quant, quant->graph, node) &&
           pithi_quant_weights_of(node, &weights);
}

static pith_status find_layers(pithi_quant *quant, layer **layers_out, int *n_layers_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(layer), &block));
    layer *layers = block;
    int n = 0;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        pithi_quant_weights weights;
        if (is_corrected(quant, node) && pithi_quant_weights_of(node, &weights)) {
            PITH_TRY(pithi_arena_array(&quant->arena, (size_t)weights.n_out, sizeof(double), &block));
            const bool has_row = pithi_is(node, "matmul");
            const pith_node *last = has_row ? pithi_graph_only_consumer(quant->graph, node->outputs[0]) : node;
            layers[n++] = (layer){ node, last, block, weights.n_out };
        }
    }
    *layers_out = layers;
    *n_layers_out = n;
    return PITH_OK;
}

static pith_status shift_bias(pithi_quant *quant, const layer *from)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)from->n_channels, sizeof(float), &block));
    const float *before = quant->bias_shifts[from->node->index];
    float *shifts = block;
    for (int64_t c = 0; c < from->n_channels; c++) {
        shifts[c] = (float)from->means[c] + (before ? before[c] : 0.0f);
    }
    quant->bias_shifts[from->node->index] = shifts;
    return PITH_OK;
}

int pithi_quant_correction_runs(const pithi_quant *quant)
{
    int n = 0;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        n += is_corrected(quant, node) ? FEW_SAMPLES : 0;
    }
    return n;
}

/* All samples measure, so that none would be left to judge by. */
static bool is_split(const pithi_quant *quant)
{
    return quant->n_held == quant->samples->n_samples && quant->n_held > 1;
}

static int samples_to_fit(const pithi_quant *quant, int *samples_out)
{
    const int most = quant->options->weights ? MOST_SAMPLES : FEW_SAMPLES;
    int n = 0;
    for (int s = 1; is_split(quant) && s < quant->samples->n_samples && n < most; s += 2) {
        samples_out[n++] = s;
    }
    return n > 0 ? n : pithi_quant_free_samples(quant, most, samples_out);
}

static pith_status correct(pithi_quant *quant, layer *layers, int n_layers)
{
    int samples[MOST_SAMPLES];
    const int n = samples_to_fit(quant, samples);
    PITH_TRY(measure(quant, layers, n_layers, samples, n, false));
    for (int i = 0; i < n_layers; i++) {
        PITH_TRY(measure(quant, &layers[i], 1, samples, n, true));
        PITH_TRY(shift_bias(quant, &layers[i]));
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, "bias correction", i + 1, n_layers);
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_correct_biases(pithi_quant *quant, bool *is_done)
{
    const size_t n_bytes = (size_t)quant->n_nodes * sizeof(float *);
    int n_layers = 0;
    layer *layers = NULL;
    void *shifts = NULL;
    pithi_quant_error before, after;
    PITH_TRY(find_layers(quant, &layers, &n_layers));
    *is_done = n_layers > 0 && pithi_quant_affords(quant, pithi_quant_correction_runs(quant));
    if (!*is_done) {
        return PITH_OK;
    }
    if (!is_split(quant)) {
        return correct(quant, layers, n_layers);
    }
    PITH_TRY(pithi_arena_alloc(&quant->arena, n_bytes, &shifts));
    memcpy(shifts, quant->bias_shifts, n_bytes);
    PITH_TRY(pithi_quant_measure_every(quant, 2, quant->n_held, &before));
    PITH_TRY(correct(quant, layers, n_layers));
    PITH_TRY(pithi_quant_measure_every(quant, 2, quant->n_held, &after));
    if (!pithi_quant_is_better(&before, &after, 0.0)) {
        memcpy(quant->bias_shifts, shifts, n_bytes);
    }
    return PITH_OK;
}
