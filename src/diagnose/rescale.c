/* SPDX-License-Identifier: Apache-2.0 */
/* Quantisers balance channels of neighbouring layers (Nagel et al., arXiv 1906.04721, section 4.1), and take constants
 * out of them (there, 4.1.3): the same function with other inner values. The factors are found in the weights, the
 * constants in the biases: a layer's output channel is changed on purpose if the layer that reads it undoes that;
 * otherwise its weights or its bias are wrong. */
#include <math.h>

#include "diagnose/diagnose.h"

#define NOTICED    0.05 /* of |log factor|; rounding of weights moves it less */
#define UNDONE     0.3  /* of the residual without factors */
#define EXTREME    4.0  /* of |log factor|: quantisers hardly go that far */
#define NOT_UNDONE 1.0  /* of |log| of a factor times what undoes it */
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

static bool is_depthwise(const pithi_diag_layer *layer)
{
    return layer->weights.groups > 1 && layer->weights.tensor->shape.dims[layer->weights.in_axis] == 1 &&
           layer->weights.n_out == layer->weights.groups;
}

static int64_t n_inputs(const pithi_diag_layer *layer)
{
    return layer->weights.tensor->shape.dims[layer->weights.in_axis] * layer->weights.groups;
}

static bool is_extreme(double factor) { return fabs(log(factor)) > EXTREME; }

/* What is known of a layer's channels; arrays of `most` numbers each. */
typedef struct channels {
    double *given, *factors, *own, *after; /* of the input; of the result; what was found first; behind depthwise */
    double *products, *squares;
    double *residuals, *plain;             /* by input channel, with and without factors of the input */
    double *gains;                         /* by input channel: the weights over what they are without `given` */
} channels;

enum { N_ARRAYS = 9 };

/* Factor of every output channel by least squares over the input channels that aren't left out; `inputs`: factors of
 * those (NULL: 1). */
static void fit(const pithi_diag_layer *layer, const double *inputs, bool leaves_out, channels *c, double *factors)
{
    const float *want = layer->weights.tensor->data, *is = layer->now;
    const int64_t n = pith_shape_elements(&layer->weights.tensor->shape), n_out = layer->weights.n_out;
    memset(c->products, 0, (size_t)n_out * sizeof(double));
    memset(c->squares, 0, (size_t)n_out * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        const double w = (double)want[i] / (inputs ? inputs[at.in] : 1.0);
        if (!leaves_out || !is_extreme(inputs[at.in])) {
            c->products[at.out] += w * (double)is[i];
            c->squares[at.out] += w * w;
        }
    }
    for (int64_t k = 0; k < n_out; k++) {
        factors[k] = c->squares[k] > 0.0 && c->products[k] > 0.0 ? c->products[k] / c->squares[k] : 1.0;
    }
}

/* By input channel, what factors of inputs and outputs leave unexplained. */
static void find_residuals(const pithi_diag_layer *layer, const double *inputs, const double *factors,
                           double *residuals)
{
    const float *want = layer->weights.tensor->data, *is = layer->now;
    memset(residuals, 0, (size_t)n_inputs(layer) * sizeof(double));
    for (int64_t i = 0; i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        const double w = (double)want[i] / (inputs ? inputs[at.in] : 1.0) * factors[at.out];
        residuals[at.in] += ((double)is[i] - w) * ((double)is[i] - w);
    }
}

/* What the weights of each input channel are multiplied with, given the factors of the output channels. */
static void find_gains(const pithi_diag_layer *layer, const double *factors, channels *c)
{
    const float *want = layer->weights.tensor->data, *is = layer->now;
    const int64_t n_in = n_inputs(layer);
    memset(c->products, 0, (size_t)n_in * sizeof(double));
    memset(c->squares, 0, (size_t)n_in * sizeof(double));
    for (int64_t i = 0; i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        const double w = (double)want[i] * factors[at.out];
        c->products[at.in] += w * (double)is[i];
        c->squares[at.in] += w * w;
    }
    for (int64_t k = 0; k < n_in; k++) {
        c->gains[k] = c->squares[k] > 0.0 && c->products[k] > 0.0 ? c->products[k] / c->squares[k] : 0.0;
    }
}

/* The layer behind `number` that isn't depthwise; c->after: factors of what it reads, given those in c->factors. */
static int follow(const pithi_diagnosis *job, int number, channels *c, int64_t n)
{
    memcpy(c->after, c->factors, (size_t)n * sizeof(double));
    for (int step = 0; step < MOST_STEPS && number >= 0; step++) {
        const pithi_diag_layer *layer = &job->layers[number];
        if (n_inputs(layer) != n) {
            return -1;
        }
        if (!is_depthwise(layer)) {
            return number;
        }
        memcpy(c->own, c->after, (size_t)n * sizeof(double));
        fit(layer, c->own, false, c, c->after);
        number = next_layer(job, layer, true, NULL, NULL);
    }
    return -1;
}

/* Whether the reader undoes the factors: without those that can only be a fault (one in eight at most), its weights
 * are explained much better with them. Then c->gains is found. */
static bool is_undone(const pithi_diag_layer *reader, channels *c)
{
    const int64_t n = n_inputs(reader);
    int64_t n_extreme = 0;
    double with = 0.0, without = 0.0;
    for (int64_t k = 0; k < n; k++) {
        n_extreme += is_extreme(c->after[k]);
    }
    const bool leaves_out = n_extreme > 0 && 8 * n_extreme <= n;
    fit(reader, NULL, false, c, c->own);
    find_residuals(reader, NULL, c->own, c->plain);
    fit(reader, c->after, leaves_out, c, c->own);
    find_residuals(reader, c->after, c->own, c->residuals);
    for (int64_t k = 0; k < n; k++) {
        const bool counts = !leaves_out || !is_extreme(c->after[k]);
        with += counts ? c->residuals[k] : 0.0;
        without += counts ? c->plain[k] : 0.0;
    }
    find_gains(reader, c->own, c);
    return with <= UNDONE * without;
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

/* Of channels whose factor isn't undone one of the layers is wrong: the one with the largest factor. */
static void mend_factors(channels *c, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const double left = c->after[k] * c->gains[k], between = c->after[k] / c->factors[k];
        const double own = fabs(log(c->factors[k]));
        if (left > 0.0 && fabs(log(left)) > NOT_UNDONE && own >= fabs(log(between)) && own >= fabs(log(c->gains[k]))) {
            c->factors[k] /= left;
        }
    }
}

static pith_status find_factors(pithi_diagnosis *job, const pithi_diag_layer *layer, channels *c)
{
    int path[MOST_STEPS], n_path = 0;
    const pithi_diag_tensor *in = layer->in >= 0 ? &job->tensors[layer->in] : NULL;
    const int64_t n_out = layer->weights.n_out;
    const int next = next_layer(job, layer, true, path, &n_path);
    if (next < 0 || n_inputs(&job->layers[next]) != n_out) {
        return PITH_OK;
    }
    for (int64_t k = 0; in && in->factors && k < n_inputs(layer); k++) {
        c->given[k] = k < in->n_factors ? (double)in->factors[k] : 1.0;
    }
    fit(layer, in && in->factors ? c->given : NULL, false, c, c->factors);
    bool is_noticed = false;
    for (int64_t k = 0; k < n_out; k++) {
        is_noticed = is_noticed || fabs(log(c->factors[k])) > NOTICED;
    }
    const int reader = is_noticed ? follow(job, next, c, n_out) : -1;
    if (reader < 0 || !is_undone(&job->layers[reader], c)) {
        return PITH_OK;
    }
    mend_factors(c, n_out);
    return set_factors(job, path, n_path, c->factors, n_out, layer->weights.tensor->shape.rank);
}

/* ---- constants ----------------------------------------------------------------------------- */

/* Weight `index` as the float network and factors have it, times the factor that its output channel was found to have:
 * one that is far from 1 is a fault, and says nothing of constants. */
static double sound_weight(const pithi_diagnosis *job, const pithi_diag_layer *layer, const double *ratios,
                           int64_t index)
{
    const pithi_position at = pithi_diag_position(&layer->weights, index);
    const double expected = (double)((const float *)layer->weights.tensor->data)[index] *
                            pithi_diag_factor(job, layer->out, at.out) / pithi_diag_factor(job, layer->in, at.in);
    return fabs(log(ratios[at.out])) > NOT_UNDONE ? expected : (double)layer->now[index];
}

static void find_ratios(const pithi_diagnosis *job, const pithi_diag_layer *layer, double *ratios, double *squares)
{
    const int64_t n_out = layer->weights.n_out;
    memset(ratios, 0, (size_t)n_out * sizeof(double));
    memset(squares, 0, (size_t)n_out * sizeof(double));
    for (int64_t i = 0; i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        const double expected = (double)((const float *)layer->weights.tensor->data)[i] *
                                pithi_diag_factor(job, layer->out, at.out) / pithi_diag_factor(job, layer->in, at.in);
        ratios[at.out] += expected * (double)layer->now[i];
        squares[at.out] += expected * expected;
    }
    for (int64_t c = 0; c < n_out; c++) {
        ratios[c] = squares[c] > 0.0 && ratios[c] > 0.0 ? ratios[c] / squares[c] : 1.0;
    }
}

/* What the bias of a layer is more than the float network's, in the twin's units and with its input's shifts undone. */
static void find_excess(const pithi_diagnosis *job, const pithi_diag_layer *layer, const double *ratios, double *excess)
{
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        const double bias = layer->bias_float ? (double)layer->bias_float[c] : 0.0;
        excess[c] = (double)layer->bias_now[c] - bias * pithi_diag_factor(job, layer->out, c);
    }
    for (int64_t i = 0; i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        excess[at.out] += sound_weight(job, layer, ratios, i) * pithi_diag_shift(job, layer->in, at.in);
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

static pith_status find_shifts(pithi_diagnosis *job, const pithi_diag_layer *layer, channels *c)
{
    int path[MOST_STEPS], n_path = 0, number = next_layer(job, layer, true, path, &n_path);
    const pithi_diag_layer *next = number >= 0 ? &job->layers[number] : NULL;
    double *shifts = c->own, *excess = c->after, *wanted = c->residuals, *ratios = c->plain, all = 0.0, rest = 0.0;
    void *block = NULL;
    if (!next || !next->has_weights || !layer->bias_now || !next->bias_now || n_inputs(next) != layer->weights.n_out) {
        return PITH_OK;
    }
    find_ratios(job, layer, ratios, c->squares);
    find_excess(job, layer, ratios, shifts);
    find_ratios(job, next, ratios, c->squares);
    find_excess(job, next, ratios, excess);
    memset(wanted, 0, (size_t)next->weights.n_out * sizeof(double));
    for (int64_t i = 0; i < pith_shape_elements(&next->weights.tensor->shape); i++) {
        const pithi_position at = pithi_diag_position(&next->weights, i);
        wanted[at.out] -= sound_weight(job, next, ratios, i) * shifts[at.in];
    }
    for (int64_t k = 0; k < next->weights.n_out; k++) {
        all += excess[k] * excess[k];
        rest += (excess[k] - wanted[k]) * (excess[k] - wanted[k]);
    }
    if (all == 0.0 || rest > UNDONE * all || !is_large(job, layer, shifts, path, n_path)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)layer->weights.n_out, sizeof(float), &block));
    for (int64_t k = 0; k < layer->weights.n_out; k++) {
        ((float *)block)[k] = (float)shifts[k];
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
    void *block = NULL;
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights) {
            most = pithi_max_s64(most, pithi_max_s64(job->layers[i].weights.n_out, n_inputs(&job->layers[i])));
        }
    }
    PITH_TRY(pithi_alloc_array(job->ctx, (size_t)(N_ARRAYS * most), sizeof(double), &block));
    double *scratch = block;
    channels c = { .given = scratch, .factors = scratch + most, .own = scratch + 2 * most, .after = scratch + 3 * most,
                   .products = scratch + 4 * most, .squares = scratch + 5 * most, .residuals = scratch + 6 * most,
                   .plain = scratch + 7 * most, .gains = scratch + 8 * most };
    pith_status status = PITH_OK;
    for (int i = 0; i < job->n_layers && status == PITH_OK; i++) {
        if (job->layers[i].has_weights) {
            status = find_factors(job, &job->layers[i], &c);
        }
        if (job->layers[i].has_weights && status == PITH_OK) {
            status = find_shifts(job, &job->layers[i], &c);
        }
    }
    pithi_free(job->ctx, block);
    return status;
}
