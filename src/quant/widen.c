/* SPDX-License-Identifier: Apache-2.0 */
/* Precision where it is cheap: 16 bits, or float, for what weighs most at the outputs, as long as the network gets next
 * to nothing slower. Noise and time of each are known by themselves; what is taken is measured as a whole. */
#include "passes/fuse_qdq.h"
#include "quant/mix.h"

#define SPENT_SHARE 0.02 /* of the predicted time */
#define MOST_SHARE  0.03 /* of the measured time, which has some noise */
#define LEARNT_RUNS 4    /* at most, for each tensor and each node: sensitivity.c */

/* ---- what can have 16 bits ----------------------------------------------------------------- */

/* Computes in integers with 16 bits (passes/fuse_qdq), or in float anyway. */
static bool takes_wide(const pithi_quant *quant, const pith_node *node)
{
    switch (quant->roles[node->index]) {
    case PITHI_QUANT_BINARY: return !pithi_is(node, "matmul");
    case PITHI_QUANT_POOL:
        return pithi_is(node, "average_pool") || pithi_is(node, "global_average_pool") || pithi_is(node, "reduce_mean");
    case PITHI_QUANT_MOVE: return !pithi_qdq_rounds(node);
    default: return true;
    }
}

bool pithi_quant_may_widen(const pithi_quant *quant, int tensor)
{
    if (quant->tensors[tensor].source != tensor || quant->tensors[tensor].is_probability) {
        return false;
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        bool touches = pithi_quant_result_tensor(quant, node) == tensor;
        for (int i = 0; i < node->n_inputs && !touches; i++) {
            touches = pithi_quant_tensor_of(quant, node->inputs[i]) == tensor;
        }
        if (touches && !takes_wide(quant, node)) {
            return false;
        }
    }
    return true;
}

/* ---- the choice ---------------------------------------------------------------------------- */

static pith_status score_of(pithi_quant *quant, const pithi_quant_mix *mix, double *score_out)
{
    pithi_quant_error error;
    pithi_quant_mix_apply(quant, mix);
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    *score_out = error.score;
    return PITH_OK;
}

/* The end of the list, and what adds about half and a fifth of the time that it adds: as many as differ. */
static pith_status add_points(pithi_quant_search *search, const pithi_quant_raises *list, int points[3], int *n_points)
{
    static const double shares[] = { 1.0, 0.5, 0.2 };
    pithi_quant *quant = search->quant;
    const double first = pithi_quant_mix_figures(quant, &list->mixes[0], &search->facts).ms;
    int step = list->n - 1, before = list->n;
    const double last = pithi_quant_mix_figures(quant, &list->mixes[step], &search->facts).ms;
    for (int i = 0; i < PITH_COUNT(shares); i++) {
        const double most = first + shares[i] * (last - first);
        while (step > 0 && pithi_quant_mix_figures(quant, &list->mixes[step], &search->facts).ms > most) {
            step--;
        }
        if (step > 0 && step < before) {
            const char *name = NULL;
            PITH_TRY(pithi_arena_format(&quant->arena, &name, "%d raised for little time", step));
            PITH_TRY(pithi_quant_assess(search, &list->mixes[step], name, &points[(*n_points)++]));
        }
        before = step;
    }
    return PITH_OK;
}

pith_status pithi_quant_widen(pithi_quant_search *search)
{
    pithi_quant *quant = search->quant;
    const int start = search->chosen;
    pithi_quant_raises *list = NULL;
    int points[4] = { start }, n_points = 0;
    double before = 0.0, score = 0.0;
    const bool affords = pithi_quant_affords(quant, LEARNT_RUNS * (quant->n_tensors + quant->n_nodes));
    if (!search->facts.wide_ms || (!search->facts.tensor_noise && !affords)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_learn_noise(quant, &search->facts));
    search->most_ms = search->points[start].predicted_ms * (1.0 + SPENT_SHARE);
    PITH_TRY(pithi_quant_list_raises(search, &search->points[start].mix, &list));
    search->most_ms = 0.0;
    PITH_TRY(add_points(search, list, points + 1, &n_points));
    if (n_points > 0 && search->facts.is_measured) {
        PITH_TRY(pithi_quant_time_points(search, points, 1 + n_points));
    }
    PITH_TRY(score_of(quant, &search->points[start].mix, &before));
    for (int i = 1; i <= n_points && search->chosen == start; i++) {
        PITH_TRY(score_of(quant, &search->points[points[i]].mix, &score));
        const bool is_cheap = pithi_quant_time_of(search, points[i]) <=
                              pithi_quant_time_of(search, start) * (1.0 + MOST_SHARE);
        search->chosen = is_cheap && score > before + PITHI_QUANT_GAIN_DB ? points[i] : start;
    }
    pithi_quant_note(quant, "widening", before, search->chosen == start ? before : score, search->chosen != start);
    return PITH_OK;
}
