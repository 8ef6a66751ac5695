/* SPDX-License-Identifier: Apache-2.0 */
/* Weights rounded by what their layers make of it: every product in turn, a few at a time, on rows of its inputs in the
 * quantised network; kept where the measured error of the network falls. */
#include <math.h>

#include "ops/shared_quant.h"
#include "quant/chains.h"
#include "quant/product.h"

#define MAX_K 2304           /* more inputs than that: moments take too much memory and time */
#define LEARNT_BITS 4        /* AdaRound for weights of no more bits, or for all with the best effort */
#define STEPS 1000
#define BEST_STEPS 3000
#define BATCH_WORK 110.0     /* of a step, per weight: two products with a batch of 32, powers and exponentials */
#define WORK_PER_MAC 1.5      /* moments */
#define WORK_PER_ROW 8.0      /* errors of candidates, and moves */

/* A product's weights by rows, whatever their order in the tensor. */
typedef struct rounded_layer {
    const pith_node *node;
    pithi_quant_weights weights;
    int64_t k, window;       /* inputs of an output; of them, places of a transposed convolution's window */
    int16_t *q, *zeros;      /* as in the tensor; per scale */
    float *scales, *shifts;  /* per scale; per output channel, NULL if it has no bias */
    float *least;            /* per output channel: smallest scale its bias fits in */
} rounded_layer;

static bool takes_part(const pithi_quant *quant, const pith_node *node, pithi_quant_weights *weights)
{
    const pithi_weight_format *format = &quant->layers[node->index].format;
    return quant->roles[node->index] == PITHI_QUANT_PRODUCT && format->kind == PITHI_WEIGHT_INT &&
           !quant->layers[node->index].rounded.q && pithi_quant_weights_of(node, weights) &&
           pith_shape_elements(&weights->tensor->shape) / weights->n_out <= MAX_K;
}

/* Copies of what round_nearest() made, which live as long as `quant`. */
static pith_status open_layer(pithi_quant *quant, const pith_node *node, rounded_layer *out)
{
    const pithi_weight_format *format = &quant->layers[node->index].format;
    pithi_quant_rounded nearest;
    void *shifts = NULL, *least = NULL;
    *out = (rounded_layer){ .node = node };
    pithi_quant_weights_of(node, &out->weights);
    const pithi_quant_weights *weights = &out->weights;
    const int64_t n_out = weights->n_out;
    out->k = pith_shape_elements(&weights->tensor->shape) / n_out;
    const bool is_transposed = pithi_is(node, "conv_transpose");
    out->window = is_transposed ? out->k / weights->tensor->shape.dims[0] : 1;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n_out, sizeof(float), &least));
    out->least = least;
    int tensor = quant->tensor_of[node->inputs[0]->index];
    const pith_tensor *bias = pithi_quant_bias_of(quant, quant->graph, node);
    if (tensor >= 0 && bias) {
        const float x_scale = pithi_quant_scale_of(quant, node->inputs[0]);
        for (int64_t c = 0; c < n_out; c++) { /* twice: the shift needs room too */
            out->least[c] = 2.0f * fabsf(((const float *)bias->data)[c]) / (x_scale * (float)PITHI_QUANT_LARGEST_BIAS);
        }
    }
    bool has_block = pithi_quant_scales_of(weights, format).block > 0;
    PITH_TRY(pithi_quant_round_nearest(weights, format, has_block ? NULL : out->least,
                                       quant->options->per_tensor_weights, &quant->arena, &nearest));
    out->q = (int16_t *)(uintptr_t)nearest.q;
    out->scales = (float *)(uintptr_t)nearest.scales;
    out->zeros = (int16_t *)(uintptr_t)nearest.zeros;
    if (pithi_quant_may_shift(quant, quant->graph, node)) {
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n_out, sizeof(float), &shifts));
        out->shifts = shifts;
    }
    return PITH_OK;
}

/* Place in the tensor of weight i of an output. */
static int64_t place_of(const rounded_layer *layer, int64_t output, int64_t i)
{
    return layer->weights.out_axis == 0
               ? output * layer->k + i
               : (i / layer->window * layer->weights.n_out + output) * layer->window + i % layer->window;
}

/* relu or clip behind the product, if nothing else reads it. */
static void find_activation(const pithi_quant *quant, const pith_node *node, pithi_round_target *target)
{
    const pith_node *user = pithi_graph_only_consumer(quant->graph, node->outputs[0]);
    double high;
    target->lo = pithi_is(user, "relu") || pithi_chain_is_ceiling(user, &high) ? 0.0f : -INFINITY;
    target->hi = pithi_chain_is_ceiling(user, &high) ? (float)high : INFINITY;
}

/* `x` are the float network's rows: what the weights themselves make of them is wanted. */
static pith_status learn_group(pithi_quant *quant, const rounded_layer *layer, const pithi_rounding *r, const float *x,
                               int64_t first)
{
    const int64_t n = r->k * r->n_out, sizes[] = { r->n_rows, r->k, r->n_out };
    const int n_steps = pithi_quant_effort(quant) > 0 ? BEST_STEPS : STEPS;
    const pith_tensor *bias = pithi_quant_bias_of(quant, quant->graph, layer->node);
    pithi_round_target target = { .lo = 0.0f };
    pithi_round_result result;
    void *block = NULL;
    if (quant->work) {
        quant->work->done += BATCH_WORK * (double)n * n_steps;
        if (quant->work->done > quant->work->limit) {
            return PITH_OK;
        }
    }
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)(n + r->n_out + r->n_rows * r->n_out), sizeof(float), &block));
    float *w = block, *biases = w + n, *y = biases + r->n_out;
    for (int64_t i = 0; i < n; i++) {
        w[i % r->k * r->n_out + i / r->k] = r->w[i];
    }
    for (int64_t c = 0; c < r->n_out; c++) {
        biases[c] = bias ? ((const float *)bias->data)[first + c] : 0.0f;
    }
    pithi_quant_multiply(pithi_gemm_f32(pithi_isa_limit(quant->ctx)), x, w, biases, sizes, y);
    find_activation(quant, layer->node, &target);
    target.y = y;
    target.bias = biases;
    pith_status status = pithi_round_adaround(quant->ctx, r, &target, n_steps, &result);
    pithi_free(quant->ctx, block);
    return status;
}

/* Rows of one group of output channels in plain arrays, and back. */
static pith_status fit_group(pithi_quant *quant, rounded_layer *layer, const pithi_patches *patches,
                             const pithi_patches *real, int64_t group)
{
    const pithi_weight_format *format = &quant->layers[layer->node->index].format;
    const pithi_quant_scales where = pithi_quant_scales_of(&layer->weights, format);
    const pithi_quant_rows rows =
        pithi_quant_rows_make(&layer->weights.tensor->shape, &where.shape, where.axis, where.block);
    const int64_t n_out = layer->weights.n_out / layer->weights.groups, first = group * n_out, n = n_out * layer->k;
    const float *all = layer->weights.tensor->data;
    const bool search = where.block == 0 && !layer->zeros && !quant->options->per_tensor_weights;
    double before, after;
    void *floats = NULL, *integers = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)(2 * n), sizeof(float), &floats));
    pith_status status = pithi_alloc_array(quant->ctx, (size_t)(2 * n), sizeof(int16_t), &integers);
    float *w = floats, *scales = w + n;
    int16_t *q = integers;
    pithi_rounding r = { n_out, layer->k, patches->n_rows, patches->x + group * patches->capacity * patches->k, w,
                         scales, layer->zeros ? q + n : NULL, 0, 0, layer->shifts != NULL, q,
                         layer->shifts ? layer->shifts + first : NULL };
    pithi_quant_levels(format, &r.low, &r.high);
    for (int64_t i = 0; i < n && status == PITH_OK; i++) {
        int64_t at = place_of(layer, first + i / layer->k, i % layer->k);
        int64_t scale = pithi_quant_scale_at(&rows, at);
        w[i] = all[at];
        scales[i] = layer->scales[scale];
        q[i] = layer->q[at];
        q[n + i] = layer->zeros ? layer->zeros[scale] : 0;
    }
    if (status == PITH_OK) {
        status = pithi_round_descent(quant->ctx, &r, layer->least + first, search, &before, &after);
    }
    if (status == PITH_OK && real) {
        status = learn_group(quant, layer, &r, real->x + group * real->capacity * real->k, first);
    }
    for (int64_t i = 0; i < n && status == PITH_OK; i++) {
        int64_t at = place_of(layer, first + i / layer->k, i % layer->k);
        layer->q[at] = q[i];
        layer->scales[pithi_quant_scale_at(&rows, at)] = scales[i];
    }
    pithi_free(quant->ctx, floats);
    pithi_free(quant->ctx, integers);
    return status;
}

static pith_status fit_layer(pithi_quant *quant, const pithi_patches *patches, const pithi_patches *real)
{
    rounded_layer layer;
    if (quant->work) {
        pithi_quant_weights weights;
        pithi_quant_weights_of(patches->node, &weights);
        const double k = (double)patches->k, n = (double)patches->n_rows * (double)patches->n_groups;
        quant->work->done += k * k * (WORK_PER_MAC * n + WORK_PER_ROW * (double)weights.n_out);
    }
    PITH_TRY(open_layer(quant, patches->node, &layer));
    for (int64_t group = 0; group < patches->n_groups; group++) {
        PITH_TRY(fit_group(quant, &layer, patches, real->n_rows == patches->n_rows ? real : NULL, group));
    }
    quant->layers[patches->node->index].rounded =
        (pithi_quant_rounded){ layer.q, layer.scales, layer.zeros };
    quant->bias_shifts[patches->node->index] = layer.shifts;
    return PITH_OK;
}

static bool is_learnt(const pithi_quant *quant, const pith_node *node)
{
    const int bits = quant->layers[node->index].format.bits;
    const bool is_asked = quant->options->weights && quant->options->weight_method == PITH_WEIGHT_ADAROUND;
    return quant->learns && (is_asked || (bits > 0 && bits <= LEARNT_BITS) || pithi_quant_effort(quant) > 0);
}

static pith_status fit_layers(pithi_quant *quant, pith_node *const *nodes, int n)
{
    pithi_patches patches[PITHI_PATCHES_AT_ONCE] = { 0 }, real[PITHI_PATCHES_AT_ONCE] = { 0 };
    pith_status status = PITH_OK;
    bool any = false;
    for (int i = 0; i < n && status == PITH_OK; i++) {
        any = any || is_learnt(quant, nodes[i]);
        status = pithi_quant_patches_open(quant, nodes[i], &patches[i]);
    }
    for (int i = 0; any && i < n && status == PITH_OK; i++) {
        status = pithi_quant_patches_open(quant, nodes[i], &real[i]);
    }
    if (any && status == PITH_OK) {
        status = pithi_quant_patches_fill(quant, real, n, false);
    }
    if (!any && status == PITH_OK) {
        status = pithi_quant_patches_fill(quant, patches, n, true);
    }
    for (int i = 0; i < n && status == PITH_OK; i++) {
        if (any) { /* what is learnt makes up for layers in front, which must be rounded then */
            status = pithi_quant_patches_fill(quant, &patches[i], 1, true);
        }
        real[i].n_rows = is_learnt(quant, nodes[i]) ? real[i].n_rows : 0;
        if (status == PITH_OK && patches[i].n_rows > 0) {
            status = fit_layer(quant, &patches[i], &real[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        pithi_quant_patches_close(quant, &patches[i]);
        pithi_quant_patches_close(quant, &real[i]);
    }
    return status;
}

pith_status pithi_quant_round_layers(pithi_quant *quant)
{
    pith_node *nodes[PITHI_PATCHES_AT_ONCE];
    int n = 0, done = 0;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        pithi_quant_weights weights;
        if (!takes_part(quant, node, &weights) || !pithi_quant_affords(quant, PITHI_PATCHES_AT_ONCE)) {
            continue;
        }
        nodes[n++] = node;
        if (n == PITHI_PATCHES_AT_ONCE) {
            PITH_TRY(fit_layers(quant, nodes, n));
            n = 0;
        }
        pithi_quant_tell(quant, "rounding", ++done, 0);
    }
    return n > 0 ? fit_layers(quant, nodes, n) : PITH_OK;
}

/* Back to the nearest integers, and biases as they were. */
static void undo(pithi_quant *quant)
{
    memset(quant->bias_shifts, 0, (size_t)quant->n_nodes * sizeof(float *));
    for (int i = 0; i < quant->n_nodes; i++) {
        quant->layers[i].rounded = (pithi_quant_rounded){ 0 };
    }
}

pith_status pithi_quant_round(pithi_quant *quant)
{
    pithi_quant_error error;
    if (quant->rounds) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_round_layers(quant));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    quant->rounds = pithi_quant_is_better(&quant->error, &error, 0.0);
    pithi_quant_note(quant, "rounding", quant->error.score, error.score, quant->rounds);
    if (quant->rounds) {
        quant->error = error;
    } else {
        undo(quant);
    }
    return PITH_OK;
}

pith_status pithi_quant_learn_rounding(pithi_quant *quant, pith_status (*check)(void *user, bool *is_allowed),
                                       void *user)
{
    const size_t n = (size_t)quant->n_nodes;
    pithi_quant_error error, start;
    void *layers = NULL, *shifts = NULL;
    bool any = false;
    quant->learns = true;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        any = any || (quant->roles[node->index] == PITHI_QUANT_PRODUCT && is_learnt(quant, node));
    }
    if (!any) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&quant->arena, n, sizeof(pithi_quant_layer), &layers));
    PITH_TRY(pithi_arena_array(&quant->arena, n, sizeof(float *), &shifts));
    memcpy(layers, quant->layers, n * sizeof(pithi_quant_layer));
    memcpy(shifts, quant->bias_shifts, n * sizeof(float *));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &start));
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        if (is_learnt(quant, node)) {
            quant->layers[node->index].rounded = (pithi_quant_rounded){ 0 };
        }
    }
    PITH_TRY(pithi_quant_round_layers(quant));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    bool is_kept = pithi_quant_is_better(&start, &error, 0.0);
    if (is_kept) {
        PITH_TRY(check(user, &is_kept));
    }
    pithi_quant_note(quant, "adaround", start.score, error.score, is_kept);
    if (!is_kept) {
        memcpy(quant->layers, layers, n * sizeof(pithi_quant_layer));
        memcpy(quant->bias_shifts, shifts, n * sizeof(float *));
        return PITH_OK;
    }
    quant->error = error;
    return PITH_OK;
}
