/* SPDX-License-Identifier: Apache-2.0 */
/* Outlier channel splitting (Zhao et al., arXiv 1901.09504): a channel m times as wide as the tensor should be becomes
 * m channels of x / m, which the layers behind add up again. Unlike a factor between the layers this costs no
 * resolution of their weights, only the time for the channels. The copies differ by fractions of a step, so that their
 * rounding errors don't add up (section 3.3, "quantization-aware splitting"). */
#include <math.h>

#include "quant/chains.h"

#define MOST_SHARE 16   /* one channel in so many may be added */
#define WORTH 0.6       /* of the range of the whole tensor: what it must shrink to */
#define LEVELS 255.0

/* How the channels of one chain are split: `copies` of each. */
typedef struct split {
    int64_t n, n_new;
    int *copies;
    double low, high; /* of the tensor afterwards */
} split;

static bool is_plain(const pith_node *node)
{
    pithi_quant_weights weights;
    return pithi_quant_weights_of(node, &weights) && weights.groups == 1;
}

static bool is_candidate(const pithi_chain *chain)
{
    bool fits = chain->has_weights && chain->high == 0.0 && chain->passes_channels && chain->n_channels >= MOST_SHARE &&
                is_plain(chain->producers[0].node);
    for (int i = 0; i < chain->n_consumers; i++) {
        fits = fits && is_plain(chain->consumers[i].node);
    }
    return fits;
}

static int parts_of(double width, double most) { return width > most ? (int)ceil(width / most) : 1; }

/* The narrowest range that few enough further channels lead to, by bisection. */
static bool choose(const pithi_chain *chain, const double *lows, split *s)
{
    const double *highs = lows + chain->n_channels;
    const int64_t room = chain->n_channels / MOST_SHARE;
    double widest = 0.0, least = 0.0;
    for (int64_t c = 0; c < s->n; c++) {
        widest = fmax(widest, fmax(fabs(lows[c]), fabs(highs[c])));
    }
    double most = widest;
    for (int step = 0; step < 30; step++) {
        const double middle = 0.5 * (least + most);
        double n_extra = 0.0;
        for (int64_t c = 0; c < s->n; c++) {
            const double width = fmax(fabs(lows[c]), fabs(highs[c]));
            n_extra += middle > 0.0 && width > middle ? ceil(width / middle) - 1.0 : 0.0;
        }
        if (middle > 0.0 && n_extra <= (double)room) {
            most = middle;
        } else {
            least = middle;
        }
    }
    s->n_new = 0;
    s->low = s->high = 0.0;
    for (int64_t c = 0; c < s->n; c++) {
        s->copies[c] = parts_of(fmax(fabs(lows[c]), fabs(highs[c])), most);
        s->n_new += s->copies[c];
        s->low = fmin(s->low, lows[c] / s->copies[c]);
        s->high = fmax(s->high, highs[c] / s->copies[c]);
    }
    return widest > 0.0 && most < WORTH * widest;
}

/* What becomes of a channel's copies: the same numbers, their share (of the producer), or shares up to a step apart
 * (its bias). */
typedef enum repeat { REPEAT, DIVIDE, SPREAD } repeat;

/* The constant with its channels repeated. */
static pith_status repeat_axis(pith_graph *graph, pith_node *node, int input, int axis, repeat how, const split *s)
{
    const pith_tensor *from = pithi_constant_input(node, input);
    const double step = (s->high - s->low) / LEVELS;
    pith_shape shape = from->shape;
    pith_value *value = NULL;
    pith_tensor to;
    int64_t outer = 1, inner = 1;
    shape.dims[axis] = s->n_new;
    for (int i = 0; i < shape.rank; i++) {
        outer *= i < axis ? shape.dims[i] : 1;
        inner *= i > axis ? shape.dims[i] : 1;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &value));
    const float *x = from->data;
    float *y = to.data;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t c = 0; c < s->n; c++, x += inner) {
            for (int k = 0; k < s->copies[c]; k++) {
                const double m = how == REPEAT ? 1.0 : s->copies[c];
                const double apart = how == SPREAD ? step * ((k + 0.5) / s->copies[c] - 0.5) : 0.0;
                for (int64_t i = 0; i < inner; i++) {
                    *y++ = (float)((double)x[i] / m + apart);
                }
            }
        }
    }
    pithi_set_input(node, input, value);
    return PITH_OK;
}

static pith_status apply(pith_graph *graph, const pithi_chain *chain, const split *s)
{
    pithi_quant_weights weights;
    const pithi_chain_part *first = &chain->producers[0], *bias = &chain->producers[1];
    pithi_quant_weights_of(first->node, &weights);
    PITH_TRY(repeat_axis(graph, first->node, 1, weights.out_axis, DIVIDE, s));
    if (chain->n_producers > 1) {
        const int slot = bias->node == first->node ? 2 : pithi_constant_input(bias->node, 1) ? 1 : 0;
        const pith_tensor *row = pithi_constant_input(bias->node, slot);
        PITH_TRY(repeat_axis(graph, bias->node, slot, row->shape.rank - 1, SPREAD, s));
    }
    for (int i = 0; i < chain->n_consumers; i++) {
        pithi_quant_weights_of(chain->consumers[i].node, &weights);
        PITH_TRY(repeat_axis(graph, chain->consumers[i].node, 1, weights.in_axis, REPEAT, s));
    }
    return PITH_OK;
}

/* Sizes between the layers have changed. */
static pith_status forget_shapes(pithi_quant *quant)
{
    pith_graph *graph = quant->graph;
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_outputs; i++) {
            if (node->outputs[i]) {
                node->outputs[i]->has_shape = false;
            }
        }
    }
    return pithi_quant_learn_types(quant, graph);
}

static pith_status split_one(pithi_quant *quant, const pithi_chain *chain, const double *ranges, int *n_edited)
{
    void *copies = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)chain->n_channels, sizeof(int), &copies));
    split s = { .n = chain->n_channels, .copies = copies };
    if (!choose(chain, ranges, &s)) {
        return PITH_OK;
    }
    (*n_edited)++;
    return apply(quant->graph, chain, &s);
}

pith_status pithi_quant_split_channels(pithi_quant *quant, double strength, int *n_edited)
{
    pithi_chains chains;
    double **ranges = NULL;
    bool any = false;
    (void)strength;
    PITH_TRY(pithi_quant_chains(quant, &chains));
    for (int i = 0; i < chains.n; i++) {
        any = any || is_candidate(&chains.items[i]);
    }
    if (!any) {
        return PITH_OK;
    }
    PITH_TRY(pithi_chains_alloc_ranges(quant, &chains, &ranges));
    PITH_TRY(pithi_chains_measure(quant, &chains, false, ranges));
    for (int i = 0; i < chains.n; i++) {
        if (is_candidate(&chains.items[i])) {
            PITH_TRY(split_one(quant, &chains.items[i], ranges[i], n_edited));
        }
    }
    return *n_edited > 0 ? forget_shapes(quant) : PITH_OK;
}
