/* SPDX-License-Identifier: Apache-2.0 */
/* Empirical bias correction (Nagel et al., "Data-free quantization through weight equalization and bias correction",
 * arXiv 1906.04721, section 4.2): rounding weights shifts the mean of a layer's output; the shift, measured on the
 * samples, is taken out of its bias. Layers are corrected in order, a few at a time, so that each sees what the
 * corrected layers before it make. */
#include "quant/quant.h"

#define LAYERS_AT_ONCE 4

/* Means over batch and space of each output channel of the layers. */
typedef struct layer_means {
    pith_node *nodes[LAYERS_AT_ONCE]; /* of quant->graph */
    double *means[LAYERS_AT_ONCE];    /* float network, then minus the quantised one */
    int64_t n_channels[LAYERS_AT_ONCE];
    int n;
} layer_means;

/* Channels are axis 1 of convolutions, the last of products. */
static void add_means(const pith_node *node, const pith_tensor *output, double weight, double *means)
{
    const float *y = output->data;
    const pith_shape *shape = &output->shape;
    int axis = pithi_is(node, "conv") ? 1 : shape->rank - 1;
    int64_t inner = 1, n = pith_shape_elements(shape);
    for (int i = axis + 1; i < shape->rank; i++) {
        inner *= shape->dims[i];
    }
    double share = n > 0 ? weight * (double)shape->dims[axis] / (double)n : 0.0;
    for (int64_t i = 0; i < n; i++) {
        means[i / inner % shape->dims[axis]] += share * (double)y[i];
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
static pith_status clone_for(const pithi_quant *quant, const layer_means *layers, bool quantised, pith_graph **out)
{
    pith_graph *clone = NULL;
    pith_value *results[LAYERS_AT_ONCE];
    PITH_TRY(pithi_graph_clone(quant->graph, &clone));
    pithi_quant_number(quant->graph);
    for (int i = 0; i < layers->n; i++) {
        results[i] = node_at(clone, layers->nodes[i]->index)->outputs[0];
    }
    pith_status status = quantised ? pithi_quant_insert(quant, clone) : PITH_OK;
    for (int i = 0; i < layers->n && status == PITH_OK; i++) {
        status = pithi_graph_add_output(clone, results[i]);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(clone);
        return status;
    }
    *out = clone;
    return PITH_OK;
}

static pith_status measure(const pithi_quant *quant, layer_means *layers, bool quantised)
{
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    PITH_TRY(clone_for(quant, layers, quantised, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    for (int k = 0; k < quant->n_held; k++) {
        PITH_TRY_GOTO(pithi_quant_run(quant, &runner, pithi_quant_held_sample(quant, k)), done);
        for (int i = 0; i < layers->n; i++) {
            add_means(layers->nodes[i], pith_session_output(runner.session, quant->n_outputs + i),
                      (quantised ? -1.0 : 1.0) / quant->n_held, layers->means[i]);
        }
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}

static pith_status correct(pithi_quant *quant, layer_means *layers)
{
    PITH_TRY(measure(quant, layers, false));
    PITH_TRY(measure(quant, layers, true));
    for (int i = 0; i < layers->n; i++) {
        void *block = NULL;
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)layers->n_channels[i], sizeof(float), &block));
        float *shifts = block;
        for (int64_t c = 0; c < layers->n_channels[i]; c++) {
            shifts[c] = (float)layers->means[i][c];
        }
        quant->bias_shifts[layers->nodes[i]->index] = shifts;
    }
    layers->n = 0;
    return PITH_OK;
}

pith_status pithi_quant_correct_biases(pithi_quant *quant)
{
    layer_means layers = { .n = 0 };
    int done = 0;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        pithi_quant_weights weights;
        void *block = NULL;
        if (quant->roles[node->index] != PITHI_QUANT_PRODUCT || pithi_is(node, "matmul") ||
            !pithi_quant_weights_of(node, &weights)) {
            continue;
        }
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)weights.n_out, sizeof(double), &block));
        layers.nodes[layers.n] = node;
        layers.n_channels[layers.n] = weights.n_out;
        layers.means[layers.n++] = block;
        if (layers.n == LAYERS_AT_ONCE) {
            PITH_TRY(correct(quant, &layers));
        }
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, "bias correction", ++done, 0);
        }
    }
    return layers.n > 0 ? correct(quant, &layers) : PITH_OK;
}
