/* SPDX-License-Identifier: Apache-2.0 */
/* Chains: a layer whose output channels may be divided by any positive numbers, if the layers that read them multiply
 * by the same, since what stands between them is positively homogeneous. */
#include <math.h>

#include "ops/shared_conv.h"
#include "quant/chains.h"

#define MAX_DEPTH 24
#define MOST_SAMPLES 32

/* ---- parts --------------------------------------------------------------------------------- */

int64_t pithi_chain_channel(const pithi_chain_part *part, int64_t i)
{
    int64_t row = i / part->inner, channel = row % part->per_group;
    return part->outs_per_group ? channel + row / part->per_group / part->outs_per_group * part->per_group : channel;
}

void pithi_chain_ranges(const pithi_chain_part *part, double *ranges)
{
    for (int64_t i = 0; i < part->n; i++) {
        double *range = &ranges[pithi_chain_channel(part, i)];
        *range = fmax(*range, fabs((double)part->items[i]));
    }
}

/* The constant behind an input, copied so that it may be changed; the second call gives the same copy. */
static pith_status own(pithi_chains *chains, pith_node *node, int index, float **items_out)
{
    uint8_t *is_own = &chains->owned[node->index * PITHI_CHAIN_INPUTS + index];
    const pith_tensor *from = pithi_constant_input(node, index);
    pith_value *value = NULL;
    pith_tensor to;
    if (!*is_own) {
        PITH_TRY(pithi_graph_new_constant(chains->graph, NULL, PITH_DTYPE_F32, &from->shape, &to, &value));
        memcpy(to.data, from->data, pith_tensor_bytes(from));
        pithi_set_input(node, index, value);
        *is_own = 1;
    }
    *items_out = pithi_constant_input(node, index)->data;
    return PITH_OK;
}

/* A constant with one element per channel (or as many in a row at its end). */
static pith_status vector_part(pithi_chains *chains, pith_node *node, int index, int64_t n_channels,
                               pithi_chain_part *part)
{
    *part = (pithi_chain_part){ .node = node, .n = n_channels, .inner = 1, .per_group = n_channels };
    return own(chains, node, index, &part->items);
}

static pith_status weights_part(pithi_chains *chains, pith_node *node, bool of_inputs, pithi_chain_part *part)
{
    pithi_quant_weights weights;
    pithi_quant_weights_of(node, &weights);
    const pith_shape *shape = &weights.tensor->shape;
    int axis = of_inputs ? weights.in_axis : weights.out_axis;
    *part = (pithi_chain_part){ .node = node, .n = pith_shape_elements(shape), .inner = 1,
                                .per_group = shape->dims[axis] };
    for (int i = axis + 1; i < shape->rank; i++) {
        part->inner *= shape->dims[i];
    }
    if (of_inputs && weights.groups > 1) {
        part->outs_per_group = weights.n_out / weights.groups;
        part->is_depthwise = weights.groups == weights.n_out && part->per_group == 1;
    }
    return own(chains, node, 1, &part->items);
}

static bool is_vector(const pith_tensor *tensor, int64_t n)
{
    return tensor && tensor->dtype == PITH_DTYPE_F32 && pith_shape_elements(&tensor->shape) == n &&
           tensor->shape.rank > 0 && tensor->shape.dims[tensor->shape.rank - 1] == n;
}

int pithi_chain_row(const pith_graph *graph, const pith_node *matmul, int64_t n, pith_node **add_out)
{
    pith_node *add = pithi_graph_only_consumer(graph, matmul->outputs[0]);
    int side = add && add->inputs[0] == matmul->outputs[0] ? 1 : 0;
    *add_out = add;
    return pithi_is(add, "add") && is_vector(pithi_constant_input(add, side), n) ? side : -1;
}

pith_status pithi_chain_bias(pithi_chains *chains, pith_node *consumer, float **items_out)
{
    pithi_quant_weights weights;
    pith_node *node = consumer;
    int input = 2;
    *items_out = NULL;
    pithi_quant_weights_of(consumer, &weights);
    const pith_shape shape = { 1, { weights.n_out } };
    if (pithi_is(consumer, "matmul")) {
        input = pithi_chain_row(chains->graph, consumer, weights.n_out, &node);
        return input >= 0 ? own(chains, node, input, items_out) : PITH_OK;
    }
    if (!pithi_node_input(node, 2)) {
        pith_value *zeros = NULL;
        pith_tensor to;
        PITH_TRY(pithi_graph_new_constant(chains->graph, NULL, PITH_DTYPE_F32, &shape, &to, &zeros));
        if (node->n_inputs < 3) {
            PITH_TRY(pithi_node_resize_inputs(chains->graph, node, 3));
        }
        pithi_set_input(node, 2, zeros);
        chains->owned[node->index * PITHI_CHAIN_INPUTS + 2] = 1;
    }
    bool is_plain = is_vector(pithi_constant_input(node, 2), weights.n_out) &&
                    (!pithi_is(node, "gemm") ||
                     (pithi_attr_float(node, "alpha") == 1.0f && pithi_attr_float(node, "beta") == 1.0f));
    return is_plain ? own(chains, node, 2, items_out) : PITH_OK;
}

/* ---- what stands between ------------------------------------------------------------------- */

static bool is_layer(const pith_node *node)
{
    pithi_quant_weights weights;
    if (!(pithi_is(node, "conv") || pithi_is(node, "gemm") || pithi_is(node, "matmul")) ||
        !pithi_quant_weights_of(node, &weights)) {
        return false;
    }
    bool is_plain = !pithi_is(node, "gemm") || pithi_attr_int(node, "transA") == 0;
    bool has_channels = pithi_is(node, "conv") ? weights.tensor->shape.rank >= 3 && weights.n_out % weights.groups == 0
                                               : weights.tensor->shape.rank == 2;
    return is_plain && has_channels;
}

bool pithi_chain_is_ceiling(const pith_node *node, double *high_out)
{
    if (!pithi_is(node, "clip") || pithi_node_input(node, 1) || pithi_node_input(node, 2)) {
        return false;
    }
    *high_out = (double)pithi_attr_float(node, "max");
    return pithi_attr_float(node, "min") == 0.0f && *high_out > 0.0 && isfinite(*high_out);
}

static bool is_any(const pith_node *node, const char *const *names)
{
    while (*names && !pithi_is(node, *names)) {
        names++;
    }
    return *names != NULL;
}

typedef struct search {
    const pith_graph *graph;
    pithi_chain *chain;
    pith_node *consumers[PITHI_CHAIN_CONSUMERS];
    bool by_rows; /* channels are the last axis */
} search;

static bool follow(search *s, pith_value *value, bool is_pooled, int depth);

/* A convolution or pool whose windows reach beyond the image. */
static bool pads_zeros(const pith_node *node)
{
    if (!pithi_is(node, "conv") && !pithi_is(node, "average_pool")) {
        return false;
    }
    const pith_ints pads = pithi_attr_ints(node, "pads");
    const int64_t automatic = pithi_attr_int(node, "auto_pad");
    bool any = automatic == PITHI_AUTO_PAD_SAME_UPPER || automatic == PITHI_AUTO_PAD_SAME_LOWER;
    for (int i = 0; i < pads.n_items; i++) {
        any = any || pads.items[i] != 0;
    }
    return any;
}

static bool follow_node(search *s, pith_node *node, const pith_value *value, bool is_pooled, int depth)
{
    static const char *const homogeneous[] = { "relu", "leaky_relu", "prelu", "identity", NULL };
    static const char *const pools[] = { "max_pool", "average_pool", NULL };
    static const char *const whole[] = { "global_average_pool", "global_max_pool", NULL };
    static const char *const flattens[] = { "flatten", "reshape", "squeeze", NULL };
    pithi_chain *chain = s->chain;
    double high = 0.0;
    if (node->inputs[0] != value || node->n_outputs < 1 || !node->outputs[0]) {
        return false;
    }
    if (is_layer(node)) {
        pithi_quant_weights w;
        pithi_quant_weights_of(node, &w);
        bool fits = w.tensor->shape.dims[w.in_axis] * w.groups == chain->n_channels &&
                    pithi_is(node, "conv") == !(s->by_rows || (is_pooled && !pithi_is(node, "conv")));
        if (!fits || chain->n_consumers == PITHI_CHAIN_CONSUMERS) {
            return false;
        }
        s->consumers[chain->n_consumers++] = node;
        chain->passes_shifts = chain->passes_shifts && !pads_zeros(node);
        chain->entry = chain->entry >= 0 ? chain->entry : value->index;
        return true;
    }
    if (pithi_chain_is_ceiling(node, &high) && (chain->high == 0.0 || chain->high == high)) {
        chain->high = high;
        chain->is_linear = false;
        chain->entry = chain->entry >= 0 ? chain->entry : node->outputs[0]->index;
        return follow(s, node->outputs[0], is_pooled, depth + 1);
    }
    chain->is_linear = chain->is_linear && (pithi_is(node, "identity") || !is_any(node, homogeneous));
    chain->passes_channels = chain->passes_channels && !pithi_is(node, "prelu") && !pithi_is(node, "reshape");
    chain->passes_shifts = chain->passes_shifts && !(pithi_is(node, "average_pool") && pads_zeros(node) &&
                                                     pithi_attr_int(node, "count_include_pad") != 0);
    if (is_any(node, homogeneous) || (!s->by_rows && (is_any(node, pools) || is_any(node, whole)))) {
        return follow(s, node->outputs[0], is_pooled || is_any(node, whole), depth + 1);
    }
    return is_pooled && is_any(node, flattens) && follow(s, node->outputs[0], true, depth + 1);
}

/* Every use of the value ends in a layer. */
static bool follow(search *s, pith_value *value, bool is_pooled, int depth)
{
    int n_uses = 0;
    for (pith_node *node = s->graph->first; node && depth < MAX_DEPTH; node = node->next) {
        bool uses = false;
        for (int i = 0; i < node->n_inputs; i++) {
            uses = uses || node->inputs[i] == value;
        }
        if (uses && !follow_node(s, node, value, is_pooled, depth)) {
            return false;
        }
        n_uses += uses;
    }
    return n_uses > 0 && n_uses == value->n_uses;
}

/* ---- where chains begin -------------------------------------------------------------------- */

/* What gives a layer's result its size: nodes and inputs of the constants to divide. */
typedef struct head {
    pith_node *nodes[2];
    int inputs[2], n;
    bool has_weights, by_rows;
    int64_t n_channels;
    pith_value *result;
} head;

static bool bias_fits(const pith_node *node, int64_t n)
{
    return !pithi_node_input(node, 2) || is_vector(pithi_constant_input(node, 2), n);
}

static void add_constant(head *h, pith_node *node, int input)
{
    h->nodes[h->n] = node;
    h->inputs[h->n++] = input;
}

static bool layer_head(const pith_graph *graph, pith_node *node, head *h)
{
    pithi_quant_weights weights;
    pithi_quant_weights_of(node, &weights);
    *h = (head){ .has_weights = true, .by_rows = !pithi_is(node, "conv"), .n_channels = weights.n_out,
                 .result = node->outputs[0] };
    add_constant(h, node, 1);
    if (pithi_is(node, "matmul")) {
        pith_node *add = NULL;
        int side = pithi_chain_row(graph, node, h->n_channels, &add);
        if (side >= 0) {
            add_constant(h, add, side);
            h->result = add->outputs[0];
        }
        return true;
    }
    if (pithi_node_input(node, 2)) {
        add_constant(h, node, 2);
    }
    return bias_fits(node, h->n_channels);
}

static bool norm_head(pith_node *node, head *h)
{
    const pith_tensor *scale = pithi_constant_input(node, 1);
    int64_t n = scale && scale->shape.rank == 1 ? scale->shape.dims[0] : 0;
    *h = (head){ .by_rows = true, .n_channels = n, .result = node->outputs[0] };
    add_constant(h, node, 1);
    if (pithi_node_input(node, 2)) {
        add_constant(h, node, 2);
    }
    return n > 1 && scale->dtype == PITH_DTYPE_F32 && bias_fits(node, n);
}

/* add(mul(x, constant), constant): the end of a layer normalisation that is written out. */
static bool written_head(const pith_graph *graph, pith_node *add, head *h)
{
    const pith_tensor *bias = pithi_constant_input(add, 1);
    pith_node *mul = add->inputs[0] ? add->inputs[0]->producer : NULL;
    int64_t n = bias && bias->shape.rank > 0 ? bias->shape.dims[bias->shape.rank - 1] : 0;
    *h = (head){ .by_rows = true, .n_channels = n, .result = add->outputs[0] };
    if (n < 2 || !is_vector(bias, n) || !pithi_is(mul, "mul") || !is_vector(pithi_constant_input(mul, 1), n) ||
        pithi_graph_only_consumer(graph, mul->outputs[0]) != add) {
        return false;
    }
    add_constant(h, mul, 1);
    add_constant(h, add, 1);
    return true;
}

static bool head_of(const pith_graph *graph, pith_node *node, head *h)
{
    if (node->n_outputs < 1 || !node->outputs[0]) {
        return false;
    }
    if (is_layer(node)) {
        return layer_head(graph, node, h);
    }
    if (pithi_is(node, "layer_normalization") || pithi_is(node, "rms_normalization")) {
        return norm_head(node, h);
    }
    return pithi_is(node, "add") && written_head(graph, node, h);
}

static pith_status open_chain(pithi_chains *chains, const head *h, const search *s, pithi_chain *chain)
{
    for (int i = 0; i < h->n; i++) {
        bool is_weights = i == 0 && h->has_weights;
        PITH_TRY(is_weights ? weights_part(chains, h->nodes[i], false, &chain->producers[i])
                            : vector_part(chains, h->nodes[i], h->inputs[i], h->n_channels, &chain->producers[i]));
    }
    chain->n_producers = h->n;
    chain->has_weights = h->has_weights;
    for (int i = 0; i < chain->n_consumers; i++) {
        PITH_TRY(weights_part(chains, s->consumers[i], true, &chain->consumers[i]));
    }
    return PITH_OK;
}

pith_status pithi_quant_chains(pithi_quant *quant, pithi_chains *out)
{
    pith_graph *graph = quant->graph;
    void *owned = NULL, *items = NULL;
    size_t n_nodes = (size_t)graph->n_nodes;
    *out = (pithi_chains){ .graph = graph };
    PITH_TRY(pithi_arena_array(&quant->arena, n_nodes * PITHI_CHAIN_INPUTS, 1, &owned));
    PITH_TRY(pithi_arena_array(&quant->arena, n_nodes, sizeof(pithi_chain), &items));
    out->owned = owned;
    out->items = items;
    for (pith_node *node = graph->first; node; node = node->next) {
        pithi_chain *chain = &out->items[out->n];
        search s = { .graph = graph, .chain = chain };
        head h;
        if (!head_of(graph, node, &h)) {
            continue;
        }
        *chain = (pithi_chain){ .n_channels = h.n_channels, .entry = -1, .result = h.result->index,
                                .by_rows = h.by_rows, .is_linear = true, .passes_shifts = true,
                                .passes_channels = true };
        s.by_rows = h.by_rows;
        if (follow(&s, h.result, false, 0)) {
            PITH_TRY(open_chain(out, &h, &s, chain));
            out->n++;
        }
    }
    return PITH_OK;
}

/* ---- ranges of channels -------------------------------------------------------------------- */

static void widen(const pithi_chain *chain, const pith_tensor *x, double *lows, double *highs)
{
    const float *items = x->data;
    int64_t inner = 1;
    for (int i = 2; i < x->shape.rank && !chain->by_rows; i++) {
        inner *= x->shape.dims[i];
    }
    for (int64_t i = 0; i < pith_shape_elements(&x->shape); i++) {
        const int64_t c = i / inner % chain->n_channels;
        lows[c] = fmin(lows[c], (double)items[i]);
        highs[c] = fmax(highs[c], (double)items[i]);
    }
}

static pith_status clone_with_chains(pithi_quant *quant, const pithi_chains *chains, bool of_results,
                                     pith_graph **clone_out)
{
    pith_status status = PITH_OK;
    PITH_TRY(pithi_graph_clone(quant->graph, clone_out));
    pith_graph *clone = *clone_out;
    for (int i = 0; i < chains->n && status == PITH_OK; i++) {
        const pithi_chain *chain = &chains->items[i];
        status = pithi_graph_add_output(clone, clone->values[of_results ? chain->result : chain->entry]);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(clone);
    }
    return status;
}

pith_status pithi_chains_alloc_ranges(pithi_quant *quant, const pithi_chains *chains, double ***ranges_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)chains->n + 1, sizeof(double *), &block));
    *ranges_out = block;
    for (int i = 0; i < chains->n; i++) {
        const size_t n = (size_t)chains->items[i].n_channels;
        PITH_TRY(pithi_arena_array(&quant->arena, 2 * n, sizeof(double), &block));
        (*ranges_out)[i] = block;
    }
    return PITH_OK;
}

pith_status pithi_chains_measure(pithi_quant *quant, const pithi_chains *chains, bool of_results, double **ranges)
{
    const int n = quant->samples->n_samples, step = (n + MOST_SAMPLES - 1) / MOST_SAMPLES;
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    for (int i = 0; i < chains->n; i++) {
        const int64_t n_channels = chains->items[i].n_channels;
        for (int64_t c = 0; c < n_channels; c++) {
            ranges[i][c] = INFINITY;
            ranges[i][n_channels + c] = -INFINITY;
        }
    }
    PITH_TRY(clone_with_chains(quant, chains, of_results, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    for (int s = 0; s < n; s += step) {
        PITH_TRY_GOTO(pithi_quant_run(quant, &runner, s), done);
        for (int i = 0; i < chains->n; i++) {
            const pith_tensor *x = pith_session_output(runner.session, (int)quant->graph->n_outputs + i);
            widen(&chains->items[i], x, ranges[i], ranges[i] + chains->items[i].n_channels);
        }
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}

void pithi_chain_scale(const pithi_chain *chain, const double *s)
{
    for (int p = 0; p < chain->n_producers; p++) {
        const pithi_chain_part *part = &chain->producers[p];
        for (int64_t i = 0; i < part->n; i++) {
            part->items[i] = (float)((double)part->items[i] / s[pithi_chain_channel(part, i)]);
        }
    }
    for (int p = 0; p < chain->n_consumers; p++) {
        const pithi_chain_part *part = &chain->consumers[p];
        for (int64_t i = 0; i < part->n; i++) {
            part->items[i] = (float)((double)part->items[i] * s[pithi_chain_channel(part, i)]);
        }
    }
}
