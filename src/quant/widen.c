/* SPDX-License-Identifier: Apache-2.0 */
/* Precision where it is cheap: 16 bits, or float, for what weighs most at the outputs, as long as the network gets next
 * to nothing slower; where decisions change, for a part of the time that integers save. Noise and time of each are
 * known by themselves; what is taken is measured as a whole. */
#include <math.h>

#include "passes/fuse_qdq.h"
#include "quant/mix.h"

#define SPENT_SHARE 0.02 /* of the predicted time */
#define MOST_SHARE  0.03 /* of the measured time, which has some noise */
#define MOST_CHANGED 0.01 /* of the decisions: pithi_quant_error */
#define WORTH       1.5  /* share of the changes that go for a share of the saved time */
#define LEAST_LESS  0.95 /* of the changes of what was taken last */
#define MOST_SPENT  0.3  /* of the time that integers save, as predicted */
#define MOST_SAVED  0.4  /* of the time that integers save, as measured */
#define MOST_TIMED  2    /* times that a measurement is taken before precision is lost to it */

static const double saved_shares[] = { 0.05, 0.1, 0.15, 0.2, MOST_SPENT }; /* of what integers save, as predicted */

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

/* The last mix of the list that takes `most` ms as predicted and comes before number *end, which moves there; as a
 * point, if it isn't the first one. */
static pith_status add_point(pithi_quant_search *search, const pithi_quant_raises *list, double most, int *end,
                             int *point_out)
{
    const char *name = NULL;
    int step = *end - 1;
    while (step > 0 && pithi_quant_mix_figures(search->quant, &list->mixes[step], &search->facts).ms > most) {
        step--;
    }
    *point_out = -1;
    *end = step;
    if (step <= 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_format(&search->quant->arena, &name, "%d raised", step));
    PITH_TRY(pithi_quant_assess(search, &list->mixes[step], name, point_out));
    return pithi_quant_judge_point(search, *point_out);
}

/* All that next to no time buys, or about half or a fifth of it: the first that helps and is measured to be cheap. */
static pith_status spend_little(pithi_quant_search *search, const pithi_quant_raises *list)
{
    static const double shares[] = { 1.0, 0.5, 0.2 };
    const int start = search->chosen;
    const double first = search->points[start].predicted_ms;
    int points[1 + PITH_COUNT(shares)] = { start }, n = 1, end = list->n;
    for (int i = 0; i < PITH_COUNT(shares); i++) {
        PITH_TRY(add_point(search, list, first * (1.0 + shares[i] * SPENT_SHARE), &end, &points[n]));
        n += points[n] >= 0;
    }
    bool is_refused = n > 1; /* a better one, for its time */
    for (int attempt = 0; attempt < MOST_TIMED && is_refused && search->chosen == start; attempt++) {
        is_refused = false;
        if (search->facts.is_measured) {
            PITH_TRY(pithi_quant_time_points(search, points, n));
        }
        for (int i = 1; i < n && search->chosen == start; i++) {
            const bool is_cheap = pithi_quant_time_of(search, points[i]) <=
                                  pithi_quant_time_of(search, start) * (1.0 + MOST_SHARE);
            const pithi_quant_error *before = &search->points[start].error, *after = &search->points[points[i]].error;
            const bool is_better = pithi_quant_is_better(before, after, 0.0);
            search->chosen = is_cheap && is_better ? points[i] : start;
            is_refused = is_refused || (is_better && !is_cheap);
        }
    }
    return PITH_OK;
}

/* While more decisions change than should: up to a part of the time that integers save, in steps that are worth it. */
static pith_status spend_saved(pithi_quant_search *search, const pithi_quant_raises *list, int start)
{
    const double first = search->points[start].predicted_ms, saved = search->points[0].predicted_ms - first;
    int points[2 + PITH_COUNT(saved_shares)] = { 0, start }, n = 2;
    const double all = search->points[start].error.changed;
    double changed = search->points[search->chosen].error.changed, spent = 0.0;
    for (int i = 0; i < PITH_COUNT(saved_shares) && changed > MOST_CHANGED; i++) {
        int end = list->n, point = -1;
        PITH_TRY(add_point(search, list, first + saved_shares[i] * saved, &end, &point));
        const double least = fmin(changed, all) - WORTH * (saved_shares[i] - spent) * all;
        if (point >= 0 && search->points[point].error.changed < fmin(LEAST_LESS * changed, least) &&
            search->points[point].error.score >= search->points[start].error.score) {
            changed = search->points[point].error.changed;
            spent = saved_shares[i];
            points[n++] = point;
        }
    }
    for (int attempt = 0, taken = 1; attempt < MOST_TIMED && taken < n - 1; attempt++) {
        if (search->facts.is_measured) {
            PITH_TRY(pithi_quant_time_points(search, points, n));
        }
        const double start_ms = pithi_quant_time_of(search, start), float_ms = pithi_quant_time_of(search, 0);
        const double most = start_ms + MOST_SAVED * (float_ms - start_ms);
        for (int i = taken + 1; i < n; i++) {
            taken = pithi_quant_time_of(search, points[i]) <= most ? i : taken;
        }
        search->chosen = taken > 1 ? points[taken] : search->chosen;
    }
    return PITH_OK;
}

pith_status pithi_quant_widen(pithi_quant_search *search)
{
    pithi_quant *quant = search->quant;
    const int start = search->chosen;
    pithi_quant_raises *list = NULL;
    if (!search->facts.write_ms || (!search->facts.tensor_noise && pithi_quant_noise_samples(quant) == 0)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_judge_point(search, start));
    PITH_TRY(pithi_quant_learn_noise(quant, &search->facts));
    const double first = search->points[start].predicted_ms, saved = search->points[0].predicted_ms - first;
    const bool wants_more = search->points[start].error.changed > MOST_CHANGED;
    search->most_ms = fmax(first * (1.0 + SPENT_SHARE), first + (wants_more ? MOST_SPENT * saved : 0.0));
    PITH_TRY(pithi_quant_list_raises(search, &search->points[start].mix, &list));
    search->most_ms = 0.0;
    PITH_TRY(spend_little(search, list));
    if (wants_more) {
        PITH_TRY(spend_saved(search, list, start));
    }
    pithi_quant_note(quant, "widening", search->points[start].error.score, search->points[search->chosen].error.score,
                     search->chosen != start);
    return PITH_OK;
}
