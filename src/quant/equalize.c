/* SPDX-License-Identifier: Apache-2.0 */
/* Factors for chains of layers. By weights: cross-layer equalisation (Nagel et al., arXiv 1906.04721, section 4.1), so
 * that a channel's weights have the same range where it leaves and where it enters; what one scale per tensor needs. By
 * activations: s = max|x|^a / max|w|^(1 - a) (Xiao et al., "SmoothQuant", arXiv 2211.10438), so that the channels of an
 * activation use its one scale alike; with weight scales per output channel this is what counts. A clip between layers
 * stays exact: channels that come near it keep their scale, others stay below it. */
#include <math.h>

#include "quant/chains.h"

#define SWEEPS 20
#define SETTLED 1e-3       /* of the largest |log s| in a sweep */
#define MARGIN 1.5         /* of ranges under a clip: few samples don't show all; MobileNetV1 lost 4 dB with 1.05 */
#define SMALLEST_PART 1e-3 /* of the widest channel: narrower ones count as if they were so wide */

static pith_status alloc_doubles(pithi_quant *quant, int64_t n, double **out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n, sizeof(double), &block));
    *out = block;
    return PITH_OK;
}

/* ---- ranges of channels -------------------------------------------------------------------- */

static void consumer_ranges(const pithi_chain *chain, double *ranges)
{
    memset(ranges, 0, (size_t)chain->n_channels * sizeof(double));
    for (int i = 0; i < chain->n_consumers; i++) {
        pithi_chain_ranges(&chain->consumers[i], ranges);
    }
}

/* ---- factors ------------------------------------------------------------------------------- */

/* Factors under a clip: a channel that reaches it keeps its scale. */
static void respect_clip(const pithi_chain *chain, const double *ranges, double *s)
{
    for (int64_t c = 0; chain->high > 0.0 && c < chain->n_channels; c++) {
        double most = ranges[c] * MARGIN;
        s[c] = most >= chain->high ? 1.0 : fmax(s[c], most / chain->high);
    }
}

/* Returns the largest |log s|. */
static double by_weights(const pithi_chain *chain, const double *ranges, double *left, double *right, double *s)
{
    double largest = 0.0;
    memset(left, 0, (size_t)chain->n_channels * sizeof(double));
    pithi_chain_ranges(&chain->producers[0], left);
    consumer_ranges(chain, right);
    for (int64_t c = 0; c < chain->n_channels; c++) {
        s[c] = left[c] > 0.0 && right[c] > 0.0 ? sqrt(left[c] / right[c]) : 1.0;
    }
    respect_clip(chain, ranges, s);
    for (int64_t c = 0; c < chain->n_channels; c++) {
        largest = fmax(largest, fabs(log(s[c])));
    }
    return largest;
}

/* s = x^a / w^(1 - a), and x alone where depthwise layers read: each of their channels has its own scale. The widest
 * channel keeps its scale. */
static void by_activations(const pithi_chain *chain, const double *ranges, double strength, double *weights, double *s)
{
    double widest = 0.0, widest_s = 1.0, widest_w = 0.0;
    bool is_free = true;
    consumer_ranges(chain, weights);
    for (int i = 0; i < chain->n_consumers; i++) {
        is_free = is_free && chain->consumers[i].is_depthwise;
    }
    for (int64_t c = 0; c < chain->n_channels; c++) {
        widest = fmax(widest, ranges[c]);
        widest_w = fmax(widest_w, weights[c]);
    }
    const double a = is_free ? 1.0 : strength;
    for (int64_t c = 0; c < chain->n_channels; c++) {
        double x = fmax(ranges[c], SMALLEST_PART * widest), w = fmax(weights[c], SMALLEST_PART * widest_w);
        s[c] = x > 0.0 && w > 0.0 ? pow(x, a) / pow(w, 1.0 - a) : 1.0;
        widest_s = ranges[c] == widest ? s[c] : widest_s;
    }
    for (int64_t c = 0; c < chain->n_channels; c++) {
        s[c] /= widest_s;
    }
    respect_clip(chain, ranges, s);
}

static void apply(const pithi_chain *chain, double *ranges, const double *s)
{
    pithi_chain_scale(chain, s);
    for (int64_t c = 0; c < chain->n_channels; c++) {
        ranges[c] /= s[c];
    }
}

/* ---- clips that become relu ---------------------------------------------------------------- */

/* clip(x, 0, high) -> relu: a slightly other function, which measuring judges. */
static pith_status relax(pithi_quant *quant, int *n_edited)
{
    pith_graph *graph = quant->graph;
    for (pith_node *node = graph->first, *next = NULL; node; node = next) {
        double high;
        pith_node *relu = NULL;
        next = node->next;
        if (!pithi_chain_is_ceiling(node, &high) || !node->inputs[0]->producer || node->inputs[0]->n_uses != 1 ||
            pithi_graph_is_output(graph, node->outputs[0])) {
            continue;
        }
        PITH_TRY(pithi_insert(graph, node, "relu", node->inputs, 1, &relu));
        pithi_graph_replace_uses(graph, node->outputs[0], relu->outputs[0]);
        relu->outputs[0]->dtype = node->outputs[0]->dtype;
        relu->outputs[0]->has_shape = node->outputs[0]->has_shape;
        relu->outputs[0]->shape = node->outputs[0]->shape;
        relu->name = node->name;
        relu->source_op = "Relu";
        pithi_graph_remove_node(graph, node);
        (*n_edited)++;
    }
    pithi_graph_count_uses(graph);
    pithi_quant_number(graph);
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

typedef struct work {
    pithi_chains chains;
    double **ranges;
    double *left, *right, *s; /* as long as the widest chain */
} work;

static pith_status open_work(pithi_quant *quant, work *w)
{
    int64_t most = 1;
    PITH_TRY(pithi_quant_chains(quant, &w->chains));
    for (int i = 0; i < w->chains.n; i++) {
        most = pithi_max_s64(most, w->chains.items[i].n_channels);
    }
    PITH_TRY(pithi_chains_alloc_ranges(quant, &w->chains, &w->ranges));
    PITH_TRY(alloc_doubles(quant, most, &w->left));
    PITH_TRY(alloc_doubles(quant, most, &w->right));
    PITH_TRY(alloc_doubles(quant, most, &w->s));
    if (w->chains.n == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_chains_measure(quant, &w->chains, false, w->ranges));
    for (int i = 0; i < w->chains.n; i++) { /* what counts is the largest |x| of each channel */
        const int64_t n = w->chains.items[i].n_channels;
        for (int64_t c = 0; c < n; c++) {
            w->ranges[i][c] = fmax(fmax(-w->ranges[i][c], w->ranges[i][n + c]), 0.0);
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_equalize(pithi_quant *quant, double strength, int *n_edited)
{
    work w = { .s = NULL };
    double largest = INFINITY;
    PITH_TRY(open_work(quant, &w));
    (void)strength;
    for (int sweep = 0; sweep < SWEEPS && largest > SETTLED; sweep++) {
        largest = 0.0;
        for (int i = 0; i < w.chains.n; i++) {
            const pithi_chain *chain = &w.chains.items[i];
            if (chain->has_weights) {
                largest = fmax(largest, by_weights(chain, w.ranges[i], w.left, w.right, w.s));
                apply(chain, w.ranges[i], w.s);
                *n_edited += sweep == 0;
            }
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_equalize_relaxed(pithi_quant *quant, double strength, int *n_edited)
{
    int n_relaxed = 0;
    PITH_TRY(relax(quant, &n_relaxed));
    return n_relaxed ? pithi_quant_smooth(quant, strength, n_edited) : PITH_OK;
}

pith_status pithi_quant_smooth(pithi_quant *quant, double strength, int *n_edited)
{
    work w = { .s = NULL };
    PITH_TRY(open_work(quant, &w));
    for (int i = 0; i < w.chains.n; i++) {
        by_activations(&w.chains.items[i], w.ranges[i], strength, w.left, w.s);
        apply(&w.chains.items[i], w.ranges[i], w.s);
        (*n_edited)++;
    }
    return PITH_OK;
}
