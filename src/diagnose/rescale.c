/* SPDX-License-Identifier: Apache-2.0 */
/* Quantisers balance channels of neighbouring layers (Nagel et al., arXiv 1906.04721, section 4.1), and take constants
 * out of them (there, 4.1.3): the same function with other inner values. The factors are found in the weights, the
 * constants in the biases: a layer's output channel is changed on purpose if the layer that reads it undoes that;
 * otherwise its weights or its bias are wrong. */
#include <math.h>

#include "diagnose/diagnose.h"

#define NOTICED    0.05 /* of |log factor|; rounding of weights moves it less */
#define UNDONE     0.3  /* of the residual without factors */
#define LARGE_SHIFT 8.0 /* steps of the tensor */
#define MOST_STEPS 8    /* depthwise layers that pass a channel on */

static bool passes_channels(const pith_node *node)
{
    static const char *const homogeneous[] = { "relu", "leaky_relu", "max_pool", "average_pool",
                                               "global_average_pool" };
    for (int i = 0; i < PITH_COUNT(homogeneous); i++) {
        if (pithi_is(node, homogeneous[i])) {
            return true;
        }
    }
    return false;
}

static int layer_of(const pithi_diagnosis *job, const pith_node *node)
{
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights && job->graph->values[job->layers[i].node]->producer == node) {
            return i;
        }
    }
    return -1;
}

/* Where several layers read the value and nothing else does, the first of them; else the only node that reads it. */
static const pith_node *reader_of(const pithi_diagnosis *job, const pith_value *value, bool forks)
{
    const pith_node *first = NULL, *only = pithi_graph_only_consumer(job->graph, value);
    int n_readers = 0;
    for (const pith_node *node = job->graph->first; node && forks && !only; node = node->next) {
        if (node->n_inputs > 0 && node->inputs[0] == value && (layer_of(job, node) >= 0 || passes_channels(node))) {
            first = first && layer_of(job, first) >= 0 ? first : node;
            n_readers++;
        }
    }
    return only ? only : n_readers == value->n_uses ? first : NULL;
}

/* What balanced channels is looked for at any of the layers that read them; who changes them wants the only one. */
static int next_layer(const pithi_diagnosis *job, const pithi_diag_layer *layer, bool forks, int *path, int *n_path)
{
    const pith_value *value = job->graph->values[layer->node];
    int n = 0;
    for (;;) {
        int tensor = job->tensor_of[value->index];
        if (tensor >= 0 && path && n < MOST_STEPS) {
            path[n++] = tensor;
        }
        const pith_node *user = reader_of(job, value, forks);
        if (!user || user->inputs[0] != value || !user->outputs[0]) {
            return -1;
        }
        int next = layer_of(job, user);
        if (next >= 0 || !passes_channels(user)) {
            if (n_path) {
                *n_path = n;
            }
            return next >= 0 && job->layers[next].in >= 0 ? next : -1;
        }
        value = user->outputs[0];
    }
}

int pithi_diag_next_layer(const pithi_diagnosis *job, const pithi_diag_layer *layer, int *path, int *n_path)
{
    return next_layer(job, layer, false, path, n_path);
}

/* Factor of every output channel by least squares, given those of the inputs (NULL: 1). */
static double fit(const pithi_diag_layer *layer, const double *inputs, double *products, double *squares,
                  double *factors)
{
    const float *want = layer->weights.tensor->data, *is = layer->now;
    int64_t n = pith_shape_elements(&layer->weights.tensor->shape), n_out = layer->weights.n_out;
    double residual = 0.0, all = 0.0;
    memset(products, 0, (size_t)n_out * sizeof(double));
    memset(squares, 0, (size_t)n_out * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        pithi_position at = pithi_diag_position(&layer->weights, i);
        double w = (double)want[i] / (inputs ? inputs[at.in] : 1.0);
        products[at.out] += w * (double)is[i];
        squares[at.out] += w * w;
        all += (double)is[i] * (double)is[i];
    }
    residual = all;
    for (int64_t c = 0; c < n_out; c++) {
        factors[c] = squares[c] > 0.0 && products[c] > 0.0 ? products[c] / squares[c] : 1.0;
        residual -= squares[c] > 0.0 ? products[c] * products[c] / squares[c] : 0.0;
    }
    return all > 0.0 ? residual / all : 0.0;
}

static bool is_depthwise(const pithi_diag_layer *layer)
{
    return layer->weights.groups > 1 && layer->weights.tensor->shape.dims[layer->weights.in_axis] == 1 &&
           layer->weights.n_out == layer->weights.groups;
}

static int64_t n_inputs(const pithi_diag_layer *layer)
{
    return layer->weights.tensor->shape.dims[layer->weights.in_axis] * layer->weights.groups;
}

/* What the factors of its input leave unexplained in a layer; depthwise layers explain everything, and hand it on. */
static double residual_of(const pithi_diagnosis *job, int number, const double *inputs, double *scratch, int64_t most)
{
    double *factors = scratch, *products = factors + 2 * most, *squares = products + most;
    double residual = 0.0;
    for (int step = 0; step < MOST_STEPS && number >= 0; step++) {
        const pithi_diag_layer *layer = &job->layers[number];
        double *outputs = factors + (step % 2) * most;
        residual = fit(layer, inputs, products, squares, outputs);
        if (!is_depthwise(layer)) {
            return residual;
        }
        int next = next_layer(job, layer, true, NULL, NULL);
        if (next < 0 || n_inputs(&job->layers[next]) != layer->weights.n_out) {
            return residual;
        }
        inputs = outputs;
        number = next;
    }
    return residual;
}

static pith_status set_factors(pithi_diagnosis *job, const int *path, int n_path, const double *factors, int64_t n,
                               int rank)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)n, sizeof(float), &block));
    for (int64_t c = 0; c < n; c++) {
        ((float *)block)[c] = (float)factors[c];
    }
    for (int i = 0; i < n_path; i++) {
        job->tensors[path[i]].factors = block;
        job->tensors[path[i]].n_factors = n;
        job->tensors[path[i]].factors_rank = rank;
    }
    return PITH_OK;
}

static pith_status find_factors(pithi_diagnosis *job, const pithi_diag_layer *layer, double *scratch, int64_t most)
{
    int path[MOST_STEPS], n_path = 0;
    double *given = scratch, *factors = given + most, *rest = factors + most;
    const pithi_diag_tensor *in = layer->in >= 0 ? &job->tensors[layer->in] : NULL;
    int64_t n_out = layer->weights.n_out;
    int next = next_layer(job, layer, true, path, &n_path);
    if (next < 0 || n_inputs(&job->layers[next]) != n_out) {
        return PITH_OK;
    }
    for (int64_t c = 0; in && in->factors && c < n_inputs(layer); c++) {
        given[c] = c < in->n_factors ? (double)in->factors[c] : 1.0;
    }
    fit(layer, in && in->factors ? given : NULL, rest, rest + most, factors);
    bool is_noticed = false;
    for (int64_t c = 0; c < n_out; c++) {
        is_noticed = is_noticed || fabs(log(factors[c])) > NOTICED;
    }
    if (!is_noticed ||
        residual_of(job, next, factors, rest, most) > UNDONE * residual_of(job, next, NULL, rest, most)) {
        return PITH_OK;
    }
    return set_factors(job, path, n_path, factors, n_out, layer->weights.tensor->shape.rank);
}

/* ---- constants ----------------------------------------------------------------------------- */

/* What the bias of a layer is more than the float network's, in the twin's units and with its input's shifts undone. */
static void find_excess(const pithi_diagnosis *job, const pithi_diag_layer *layer, double *excess)
{
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        const double bias = layer->bias_float ? (double)layer->bias_float[c] : 0.0;
        excess[c] = (double)layer->bias_now[c] - bias * pithi_diag_factor(job, layer->out, c);
    }
    for (int64_t i = 0; i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        excess[at.out] += (double)layer->now[i] * pithi_diag_shift(job, layer->in, at.in);
    }
}

/* Mean errors that a layer leaves and the next one corrects are small against what one scale must hold. */
static bool is_large(const pithi_diagnosis *job, const pithi_diag_layer *layer, const double *shifts, const int *path,
                     int n_path)
{
    double largest = 0.0, step = 0.0;
    for (int i = 0; i < n_path; i++) {
        step = fmax(step, job->tensors[path[i]].q >= 0 ? (double)job->tensors[path[i]].rounding.scale : 0.0);
    }
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        largest = fmax(largest, fabs(shifts[c]));
    }
    return largest > LARGE_SHIFT * step;
}

static pith_status find_shifts(pithi_diagnosis *job, const pithi_diag_layer *layer, double *scratch, int64_t most)
{
    int path[MOST_STEPS], n_path = 0, number = next_layer(job, layer, true, path, &n_path);
    const pithi_diag_layer *next = number >= 0 ? &job->layers[number] : NULL;
    double *shifts = scratch, *excess = shifts + most, *wanted = excess + most, all = 0.0, rest = 0.0;
    void *block = NULL;
    if (!next || !next->has_weights || !layer->bias_now || !next->bias_now || n_inputs(next) != layer->weights.n_out) {
        return PITH_OK;
    }
    find_excess(job, layer, shifts);
    find_excess(job, next, excess);
    memset(wanted, 0, (size_t)next->weights.n_out * sizeof(double));
    for (int64_t i = 0; i < pith_shape_elements(&next->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&next->weights, i);
        wanted[at.out] -= (double)next->now[i] * shifts[at.in];
    }
    for (int64_t c = 0; c < next->weights.n_out; c++) {
        all += excess[c] * excess[c];
        rest += (excess[c] - wanted[c]) * (excess[c] - wanted[c]);
    }
    if (all == 0.0 || rest > UNDONE * all || !is_large(job, layer, shifts, path, n_path)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)layer->weights.n_out, sizeof(float), &block));
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        ((float *)block)[c] = (float)shifts[c];
    }
    for (int i = 0; i < n_path; i++) {
        pithi_diag_tensor *tensor = &job->tensors[path[i]];
        tensor->shifts = block;
        tensor->n_factors = layer->weights.n_out;
        tensor->factors_rank = layer->weights.tensor->shape.rank;
    }
    return PITH_OK;
}

pith_status pithi_diag_rescale(pithi_diagnosis *job)
{
    int64_t most = 1;
    void *scratch = NULL;
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights) {
            most = pithi_max_s64(most, pithi_max_s64(job->layers[i].weights.n_out, n_inputs(&job->layers[i])));
        }
    }
    PITH_TRY(pithi_alloc_array(job->ctx, (size_t)(6 * most), sizeof(double), &scratch));
    pith_status status = PITH_OK;
    for (int i = 0; i < job->n_layers && status == PITH_OK; i++) {
        if (job->layers[i].has_weights) {
            status = find_factors(job, &job->layers[i], scratch, most);
        }
        if (job->layers[i].has_weights && status == PITH_OK) {
            status = find_shifts(job, &job->layers[i], scratch, most);
        }
    }
    pithi_free(job->ctx, scratch);
    return status;
}
