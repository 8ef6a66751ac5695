/* SPDX-License-Identifier: Apache-2.0 */
/* Stages that edit the network: tried on a clone and kept only where the measured error falls. */
#include <math.h>

#include "quant/quant.h"

#define STAGES "equalization,absorption,smoothing,splitting,relu6,refinement,rounding,adaround,bias-correction," \
               "widening"

/* "a,b,c" */
pith_status pithi_quant_check_stages(pith_ctx *ctx, const char *list)
{
    for (const char *word = list; word && *word;) {
        char name[32] = "";
        size_t n = strcspn(word, ",");
        memcpy(name, word, n < sizeof name ? n : 0);
        PITH_CHECK(ctx, n == 0 || (name[0] && pithi_list_has(STAGES, name)), PITH_STATUS_ARG,
                   "stage '%.*s' can't be left out: the stages are %s", (int)n, word, STAGES);
        word += n + (word[n] == ',');
    }
    return PITH_OK;
}

int pithi_quant_effort(const pithi_quant *quant)
{
    static const int efforts[] = { [PITH_EFFORT_NORMAL] = 0, [PITH_EFFORT_FAST] = -1, [PITH_EFFORT_BEST] = 1 };
    return efforts[quant->options->effort];
}

bool pithi_quant_wants(const pithi_quant *quant, const char *stage)
{
    return !pithi_list_has(quant->options->without, stage);
}

bool pithi_quant_affords(const pithi_quant *quant, int n_runs)
{
    const pithi_quant_work *work = quant->work;
    return !work || work->done + n_runs * work->per_run <= work->limit;
}

void pithi_quant_note(pithi_quant *quant, const char *stage, double before, double after, bool is_kept)
{
    if (quant->stages && quant->n_stages < PITHI_QUANT_MAX_STAGES) {
        quant->stages[quant->n_stages++] = (pith_quantize_stage){ stage, before, after, is_kept };
    }
}

pithi_quant_state pithi_quant_save(const pithi_quant *quant)
{
    return (pithi_quant_state){ .graph = quant->graph,         .roles = quant->roles,
                    .n_nodes = quant->n_nodes,     .n_tensors = quant->n_tensors,
                    .tensor_of = quant->tensor_of, .result_of = quant->result_of,
                    .tensors = quant->tensors,     .is_followed = quant->is_followed,
                    .layers = quant->layers,       .bias_shifts = quant->bias_shifts };
}

void pithi_quant_restore(pithi_quant *quant, const pithi_quant_state *s)
{
    if (quant->graph != s->graph) {
        pithi_graph_destroy(quant->graph);
    }
    quant->graph = s->graph;
    quant->roles = s->roles;
    quant->n_nodes = s->n_nodes;
    quant->n_tensors = s->n_tensors;
    quant->tensor_of = s->tensor_of;
    quant->result_of = s->result_of;
    quant->is_followed = s->is_followed;
    quant->tensors = s->tensors;
    quant->layers = s->layers;
    quant->bias_shifts = s->bias_shifts;
    pithi_graph_count_uses(quant->graph);
    pithi_quant_number(quant->graph);
}

static pith_status measure_edited(pithi_quant *quant, pithi_quant_error *error_out)
{
    quant->n_tensors = 0;
    PITH_TRY(pithi_quant_select(quant));
    PITH_TRY(pithi_quant_calibrate(quant));
    pithi_quant_observe_all(quant);
    pithi_quant_take_observer(quant, quant->observer);
    if (quant->rounds) {
        PITH_TRY(pithi_quant_round_layers(quant));
    }
    return pithi_quant_measure(quant, quant->n_held, error_out);
}

pith_status pithi_quant_attempt(pithi_quant *quant, const pithi_quant_way *way, int *n_edited)
{
    const pithi_quant_state before = pithi_quant_save(quant);
    pith_graph *clone = NULL;
    pithi_quant_error error = { 0 };
    *n_edited = 0;
    if (quant->n_older == PITHI_QUANT_MAX_OLDER ||
        !pithi_quant_affords(quant, 2 * quant->samples->n_samples + quant->n_held)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_clone(quant->graph, &clone));
    quant->graph = clone;
    pithi_graph_count_uses(clone);
    pithi_quant_number(clone);
    pith_status status = way->edit(quant, way->strength, n_edited);
    if (status == PITH_OK && *n_edited > 0) {
        status = measure_edited(quant, &error);
    }
    if (status != PITH_OK || *n_edited == 0) {
        pithi_quant_restore(quant, &before);
        return status;
    }
    bool is_kept = pithi_quant_is_better(&quant->error, &error, way->least_db);
    pithi_quant_note(quant, way->stage, quant->error.score, error.score, is_kept);
    if (is_kept) {
        quant->older[quant->n_older++] = before.graph;
        quant->error = error;
    } else {
        *n_edited = 0;
        pithi_quant_restore(quant, &before);
    }
    return PITH_OK;
}
