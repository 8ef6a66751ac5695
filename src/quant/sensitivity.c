/* SPDX-License-Identifier: Apache-2.0 */
/* Isolated sensitivity: everything float but one quantiser, and the noise that this makes at the outputs. Noises of
 * single quantisers add up nearly as powers, which is how mixes are predicted (Pandey et al., "A practical mixed
 * precision algorithm for post-training quantization", arXiv 2302.05397). */
#include <math.h>

#include "quant/mix.h"

#define MOST_SAMPLES 4

static const int bits_of[] = { 8, 4, 3, 2 };

static void set_all_float(pithi_quant *quant)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].format = PITHI_ACTIVATION_F32;
    }
    for (int i = 0; i < quant->n_nodes; i++) {
        quant->layers[i] = (pithi_quant_layer){ .format = { .kind = PITHI_WEIGHT_F32 } };
        quant->bias_shifts[i] = NULL; /* they make up for what integers do: learn_weights() */
    }
}

int pithi_quant_noise_samples(const pithi_quant *quant)
{
    pithi_quant_weights weights[2];
    int n = MOST_SAMPLES, n_quantisers = 0;
    for (int t = 0; t < quant->n_tensors; t++) {
        n_quantisers += quant->tensors[t].source == t;
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        n_quantisers += pithi_quant_all_weights(quant, node, weights) > 0;
    }
    while (n > 0 && !pithi_quant_affords(quant, n * n_quantisers)) {
        n /= 2;
    }
    return n;
}

static pith_status measure(const pithi_quant *quant, const pithi_quant_facts *facts, double *noise_out)
{
    pithi_quant_error error;
    PITH_TRY(pithi_quant_measure(quant, facts->n_samples, &error));
    *noise_out = fmax(error.noise - facts->float_noise, 0.0);
    return PITH_OK;
}

static pith_status learn_tensors(pithi_quant *quant, pithi_quant_facts *facts, int total)
{
    for (int t = 0; t < quant->n_tensors; t++) {
        if (quant->tensors[t].source != t) {
            continue;
        }
        quant->tensors[t].format = PITHI_ACTIVATION_U8;
        PITH_TRY(measure(quant, facts, &facts->tensor_noise[t]));
        quant->tensors[t].format = PITHI_ACTIVATION_F32;
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, "sensitivity", t + 1, total);
        }
    }
    return PITH_OK;
}

/* Recurrent weights have 8 bits or none: multiplied in integers, their inputs and states are rounded as well. */
static pith_status learn_weights(pithi_quant *quant, pithi_quant_facts *facts, int n_formats, int total)
{
    pithi_quant_number(quant->graph);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const int i = node->index;
        const bool is_product = quant->roles[i] == PITHI_QUANT_PRODUCT;
        const int n = is_product ? n_formats : pithi_quant_is_recurrent(quant, node);
        for (int k = 0; k < n; k++) {
            quant->layers[i].format = (pithi_weight_format){ .bits = bits_of[k] };
            quant->layers[i].rounded = k == 0 ? quant->plain[i].rounded : (pithi_quant_rounded){ 0 };
            quant->bias_shifts[i] = quant->layers[i].rounded.q ? quant->rounding_shifts[i] : NULL;
            PITH_TRY(measure(quant, facts, &facts->weight_noise[k][i]));
            quant->bias_shifts[i] = NULL;
            quant->layers[i] = (pithi_quant_layer){ .format = { .kind = PITHI_WEIGHT_F32 } };
        }
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, "sensitivity", quant->n_tensors + i + 1, total);
        }
    }
    return PITH_OK;
}

/* Weights of less than 8 bits are looked at only where there is a limit on size. */
pith_status pithi_quant_learn_noise(pithi_quant *quant, pithi_quant_facts *facts)
{
    const int n_formats = quant->options->max_bytes > 0 ? PITH_COUNT(bits_of) : 1;
    const int total = quant->n_tensors + quant->n_nodes;
    void *block = NULL;
    if (facts->tensor_noise) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_tensors, sizeof(double), &block));
    facts->tensor_noise = block;
    const int n_samples = pithi_quant_noise_samples(quant);
    facts->n_samples = n_samples > 0 ? n_samples : 1;
    for (int k = 0; k < PITH_COUNT(bits_of); k++) {
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(double), &block));
        facts->weight_noise[k] = block;
    }
    set_all_float(quant);
    PITH_TRY(measure(quant, facts, &facts->float_noise));
    PITH_TRY(learn_tensors(quant, facts, total));
    return learn_weights(quant, facts, n_formats, total);
}
