/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-layer equalisation (Nagel et al., arXiv 1906.04721, section 4.1): a channel that leaves one layer and enters
 * the next may be divided by s there and multiplied by s here, if what stands between them is positively homogeneous.
 * Scales are chosen so that the channel's weights have the same range in both layers; depthwise layers pass a channel
 * on. */
#include <math.h>

#include "quant/quant.h"

#define SWEEPS 20
#define SETTLED 1e-3 /* of the largest |log s| in a sweep */

/* Weights of a layer that may be changed: a copy of the constant, owned by the graph. */
typedef struct layer {
    pith_node *node;
    pithi_quant_weights weights;
    float *w, *bias; /* bias NULL if absent */
} layer;


/* ---- pairs --------------------------------------------------------------------------------- */

/* The layer whose input the result of `node` is, alone, through what is positively homogeneous; or NULL. */
static pith_node *next_layer(const pithi_quant *quant, const pith_node *node)
{
    static const char *const homogeneous[] = { "relu", "leaky_relu", "max_pool", "average_pool",
                                               "global_average_pool" };
    const pith_value *value = node->outputs[0];
    for (;;) {
        pith_node *user = pithi_graph_only_consumer(quant->graph, value);
        if (!user || user->n_outputs < 1 || !user->outputs[0] || user->inputs[0] != value) {
            return NULL;
        }
        if (pithi_is(user, "conv")) {
            return quant->roles[user->index] == PITHI_QUANT_PRODUCT ? user : NULL;
        }
        bool passes = false;
        for (int i = 0; i < PITH_COUNT(homogeneous); i++) {
            passes = passes || pithi_is(user, homogeneous[i]);
        }
        if (!passes) {
            return NULL;
        }
        value = user->outputs[0];
    }
}

static pith_status own_constant(pith_graph *graph, pith_node *node, int index, float **items_out)
{
    const pith_tensor *from = pithi_constant_input(node, index);
    pith_value *value = NULL;
    pith_tensor to;
    *items_out = NULL;
    if (!from) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &from->shape, &to, &value));
    memcpy(to.data, from->data, pith_tensor_bytes(from));
    pithi_set_input(node, index, value);
    *items_out = to.data;
    return PITH_OK;
}

static pith_status open_layer(pith_graph *graph, pith_node *node, layer *out)
{
    *out = (layer){ .node = node };
    PITH_TRY(own_constant(graph, node, 1, &out->w));
    PITH_TRY(own_constant(graph, node, 2, &out->bias));
    pithi_quant_weights_of(node, &out->weights);
    return PITH_OK;
}

/* ---- ranges and scales --------------------------------------------------------------------- */

/* Calls for every weight: output channel, input channel (of all groups). */
typedef struct position {
    int64_t out, in;
} position;

static position position_of(const layer *l, int64_t i)
{
    const pith_shape *shape = &l->weights.tensor->shape;
    int64_t inner = pith_shape_elements(shape) / (shape->dims[0] * shape->dims[1]);
    int64_t per_group = shape->dims[1], out = i / (inner * per_group), in = i / inner % per_group;
    int64_t group = out / (shape->dims[0] / l->weights.groups);
    return (position){ out, group * per_group + in };
}

static void ranges(const layer *l, bool of_inputs, double *out)
{
    for (int64_t i = 0; i < pith_shape_elements(&l->weights.tensor->shape); i++) {
        position p = position_of(l, i);
        double *range = &out[of_inputs ? p.in : p.out];
        *range = fmax(*range, fabs((double)l->w[i]));
    }
}

/* Divides what leaves the first layer, multiplies what enters the second. */
static void apply(layer *first, layer *second, const double *s)
{
    for (int64_t i = 0; i < pith_shape_elements(&first->weights.tensor->shape); i++) {
        first->w[i] = (float)((double)first->w[i] / s[position_of(first, i).out]);
    }
    for (int64_t c = 0; first->bias && c < first->weights.n_out; c++) {
        first->bias[c] = (float)((double)first->bias[c] / s[c]);
    }
    for (int64_t i = 0; i < pith_shape_elements(&second->weights.tensor->shape); i++) {
        second->w[i] = (float)((double)second->w[i] * s[position_of(second, i).in]);
    }
}

static pith_status balance(pithi_quant *quant, layer *first, layer *second, double strength, double *largest)
{
    int64_t n = first->weights.n_out;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)(3 * n), sizeof(double), &block));
    double *left = block, *right = left + n, *s = right + n;
    ranges(first, false, left);
    ranges(second, true, right);
    for (int64_t c = 0; c < n; c++) {
        s[c] = left[c] > 0.0 && right[c] > 0.0 ? pow(left[c] / right[c], 0.5 * strength) : 1.0;
        *largest = fmax(*largest, fabs(log(s[c])));
    }
    apply(first, second, s);
    pithi_free(quant->ctx, block);
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

typedef struct pair {
    int first, second; /* numbers of layers */
} pair;

static int find_layer(const layer *layers, int n, const pith_node *node)
{
    int i = 0;
    while (i < n && layers[i].node != node) {
        i++;
    }
    return i;
}

static pith_status add_layer(pithi_quant *quant, layer *layers, int *n, pith_node *node, int *number_out)
{
    *number_out = find_layer(layers, *n, node);
    return *number_out < *n ? PITH_OK : open_layer(quant->graph, node, &layers[(*n)++]);
}

/* Channels must correspond one to one. */
static bool fits(const pith_node *first, const pith_node *second)
{
    pithi_quant_weights a, b;
    return pithi_quant_weights_of(first, &a) && pithi_quant_weights_of(second, &b) &&
           a.n_out == b.tensor->shape.dims[b.in_axis] * b.groups && b.n_out % b.groups == 0;
}

pith_status pithi_quant_equalize(pithi_quant *quant, double strength, int *n_pairs)
{
    void *layer_block = NULL, *pair_block = NULL;
    int n_layers = 0;
    *n_pairs = 0;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(layer), &layer_block));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(pair), &pair_block));
    layer *layers = layer_block;
    pair *pairs = pair_block;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        bool is_layer = pithi_is(node, "conv") && quant->roles[node->index] == PITHI_QUANT_PRODUCT;
        pith_node *second = is_layer ? next_layer(quant, node) : NULL;
        if (second && fits(node, second)) {
            pair *p = &pairs[(*n_pairs)++];
            PITH_TRY(add_layer(quant, layers, &n_layers, node, &p->first));
            PITH_TRY(add_layer(quant, layers, &n_layers, second, &p->second));
        }
    }
    double largest = INFINITY;
    for (int sweep = 0; sweep < SWEEPS && largest > SETTLED; sweep++) {
        largest = 0.0;
        for (int i = 0; i < *n_pairs; i++) {
            PITH_TRY(balance(quant, &layers[pairs[i].first], &layers[pairs[i].second], strength, &largest));
        }
    }
    return PITH_OK;
}
