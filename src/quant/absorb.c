/* SPDX-License-Identifier: Apache-2.0 */
/* Constants per channel that an activation need not carry: they are taken out of the bias of the layer in front, and
 * what they contribute goes into the biases of the layers behind. Through relu that is what every value of a channel
 * exceeds (absorption of high biases: Nagel et al., arXiv 1906.04721, section 4.1.3); where nothing stands between, the
 * middle of the channel's range (Wei et al., "Outlier Suppression+", arXiv 2304.09145, section 4.1), so that channels
 * around different centres use one scale alike. */
#include <math.h>

#include "quant/chains.h"

#define WORTH 0.9 /* of the range of the whole tensor: what it must shrink to */

static bool is_candidate(const pithi_chain *chain)
{
    return chain->n_producers == 2 && chain->passes_shifts && chain->high == 0.0;
}

/* Fills `shifts`; false if the range of the tensor wouldn't shrink much by them. */
static bool choose(const pithi_chain *chain, const double *lows, double *shifts)
{
    const double *highs = lows + chain->n_channels;
    double low = 0.0, high = 0.0, new_low = 0.0, new_high = 0.0;
    for (int64_t c = 0; c < chain->n_channels; c++) {
        const bool is_seen = lows[c] <= highs[c] && isfinite(lows[c]) && isfinite(highs[c]);
        const double floor = chain->is_linear ? -INFINITY : 0.0; /* of what the function lets through */
        const double middle = chain->is_linear ? 0.5 * (lows[c] + highs[c]) : fmax(lows[c], 0.0);
        shifts[c] = is_seen ? middle : 0.0;
        low = fmin(low, fmax(lows[c], floor));
        high = fmax(high, highs[c]);
        new_low = fmin(new_low, fmax(lows[c] - shifts[c], floor));
        new_high = fmax(new_high, highs[c] - shifts[c]);
    }
    return new_high - new_low < WORTH * (high - low);
}

/* Adds weights times shifts to the bias of a layer that reads the channels. */
static void shift_consumer(const pithi_chain_part *part, const double *shifts, float *bias)
{
    pithi_quant_weights weights;
    int64_t inner = 1;
    pithi_quant_weights_of(part->node, &weights);
    for (int i = weights.out_axis + 1; i < weights.tensor->shape.rank; i++) {
        inner *= weights.tensor->shape.dims[i];
    }
    for (int64_t i = 0; i < part->n; i++) {
        float *to = &bias[i / inner % weights.n_out];
        *to = (float)((double)*to + (double)part->items[i] * shifts[pithi_chain_channel(part, i)]);
    }
}

static pith_status apply(pithi_chains *chains, const pithi_chain *chain, const double *shifts, int *n_edited)
{
    float *biases[PITHI_CHAIN_CONSUMERS];
    for (int i = 0; i < chain->n_consumers; i++) {
        PITH_TRY(pithi_chain_bias(chains, chain->consumers[i].node, &biases[i]));
        if (!biases[i]) {
            return PITH_OK;
        }
    }
    for (int i = 0; i < chain->n_consumers; i++) {
        shift_consumer(&chain->consumers[i], shifts, biases[i]);
    }
    const pithi_chain_part *bias = &chain->producers[1];
    for (int64_t i = 0; i < bias->n; i++) {
        bias->items[i] -= (float)shifts[pithi_chain_channel(bias, i)];
    }
    (*n_edited)++;
    return PITH_OK;
}

pith_status pithi_quant_absorb_biases(pithi_quant *quant, double strength, int *n_edited)
{
    pithi_chains chains;
    double **ranges = NULL;
    void *shifts = NULL;
    int64_t most = 0;
    (void)strength;
    PITH_TRY(pithi_quant_chains(quant, &chains));
    for (int i = 0; i < chains.n; i++) {
        most = is_candidate(&chains.items[i]) ? pithi_max_s64(most, chains.items[i].n_channels) : most;
    }
    if (most == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)most, sizeof(double), &shifts));
    PITH_TRY(pithi_chains_alloc_ranges(quant, &chains, &ranges));
    PITH_TRY(pithi_chains_measure(quant, &chains, true, ranges));
    for (int i = 0; i < chains.n; i++) {
        if (is_candidate(&chains.items[i]) && choose(&chains.items[i], ranges[i], shifts)) {
            PITH_TRY(apply(&chains, &chains.items[i], shifts, n_edited));
        }
    }
    return PITH_OK;
}
