/* SPDX-License-Identifier: Apache-2.0 */
/* What really runs in float: the steps of the plan that the written network gets, not what the quantiser meant. Without
 * timing nothing in it depends on the clock. */
#include <stdlib.h>

#include "pith/profile.h"
#include "quant/quant.h"

#define SECONDS 0.15
#define N_NAMED 6

/* The node that a step came from, as the file has it; else the step's operator. */
static void add_name(const pithi_quant *quant, const pith_profile_step *step, pithi_text *text)
{
    const int number = pithi_quant_number_of(quant, step->name);
    const pith_node *node = quant->graph->first;
    while (node && node->index != number) {
        node = node->next;
    }
    if (number >= 0 && node) {
        pithi_text_add(text, "%s (%s)", node->name[0] ? node->name : node->outputs[0]->name, node->source_op);
    } else {
        pithi_text_add(text, "%s", step->op);
    }
}

static pith_status keep_text(pithi_arena *arena, pithi_text *text, const char **out)
{
    pith_status status = pithi_arena_text(arena, text->data ? text->data : "", text->n_bytes, out);
    status = text->failed ? PITH_STATUS_NOMEM : status;
    pithi_text_deinit(text);
    return status;
}

/* The reason of the step with most products, the first of several. */
static const char *main_reason(const pith_profile *profile, const pith_float_island *island)
{
    const pith_profile_step *most = &profile->steps[island->steps[0]];
    for (int i = 1; i < island->n_steps; i++) {
        const pith_profile_step *step = &profile->steps[island->steps[i]];
        most = step->macs > most->macs ? step : most;
    }
    return most->why_float;
}

static pith_status report_island(const pithi_quant *quant, const pith_profile *profile, const pith_float_island *from,
                                 pithi_arena *arena, pith_quantized_island *to)
{
    pithi_text text = { .ctx = quant->ctx };
    const bool is_timed = !quant->options->no_timing;
    *to = (pith_quantized_island){ .n_steps = from->n_steps, .n_borders = from->n_borders,
                                   .why = is_timed ? from->why : main_reason(profile, from),
                                   .ms = is_timed ? 1e-6 * from->ns : 0.0,
                                   .border_ms = is_timed ? 1e-6 * from->border_ns : 0.0 };
    for (int i = 0; i < from->n_steps && i < N_NAMED; i++) {
        pithi_text_add(&text, "%s", i > 0 ? ", " : "");
        add_name(quant, &profile->steps[from->steps[i]], &text);
    }
    pithi_text_add(&text, "%s", from->n_steps > N_NAMED ? ", ..." : "");
    return keep_text(arena, &text, &to->nodes);
}

/* Which nodes were meant to compute in integers, and what their steps say. */
static pith_status report_surprise(const pithi_quant *quant, const pith_node *node, const pith_profile_step *step,
                                   pithi_arena *arena, pith_quantize_report *report, const char **text_out)
{
    const bool is_meant = pithi_quant_is_integer(quant, node);
    const bool is_float = step->arithmetic == PITH_ARITHMETIC_FLOAT;
    pithi_text text = { .ctx = quant->ctx };
    *text_out = NULL;
    if (is_meant != is_float || (!is_float && step->arithmetic != PITH_ARITHMETIC_INTEGER)) {
        return PITH_OK;
    }
    report->n_integer_nodes += is_float ? -1 : 1;
    add_name(quant, step, &text);
    if (is_float) {
        pithi_text_add(&text, ": meant to compute in integers, but it runs in float, since %s", step->why_float);
    } else {
        pithi_text_add(&text, ": meant to stay float, but it runs in integers");
    }
    return keep_text(arena, &text, text_out);
}

static pith_status report_surprises(const pithi_quant *quant, const pith_profile *profile, pithi_arena *arena,
                                    pith_quantize_report *report)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes + 1, sizeof(char *), &block));
    const char **texts = block;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        for (int i = 0; i < profile->n_steps; i++) {
            if (pithi_quant_number_of(quant, profile->steps[i].name) == node->index) {
                PITH_TRY(report_surprise(quant, node, &profile->steps[i], arena, report,
                                         &texts[report->n_surprises]));
                report->n_surprises += texts[report->n_surprises] != NULL;
                break;
            }
        }
    }
    report->surprises = texts;
    return PITH_OK;
}

static int by_place(const void *a, const void *b)
{
    const pith_float_island *x = a, *y = b;
    return (x->steps[0] > y->steps[0]) - (x->steps[0] < y->steps[0]);
}

static pith_status report_profile(const pithi_quant *quant, const pith_profile *profile, pithi_arena *arena,
                                  pith_quantize_report *report)
{
    const size_t n = (size_t)profile->n_islands;
    void *block = NULL, *order = NULL;
    PITH_TRY(pithi_arena_array(arena, n + 1, sizeof(pith_quantized_island), &block));
    PITH_TRY(pithi_arena_array(arena, n + 1, sizeof(pith_float_island), &order));
    pith_quantized_island *islands = block;
    report->islands = islands;
    memcpy(order, profile->islands, n * sizeof(pith_float_island));
    if (quant->options->no_timing) {
        qsort(order, n, sizeof(pith_float_island), by_place);
    }
    for (int i = 0; i < profile->n_islands; i++) {
        PITH_TRY(report_island(quant, profile, (const pith_float_island *)order + i, arena,
                               &islands[report->n_islands++]));
    }
    return report_surprises(quant, profile, arena, report);
}

pith_status pithi_quant_report_islands(pithi_quant *quant, pith_graph *written, pithi_arena *arena,
                                       pith_quantize_report *report)
{
    const pith_profile_options how = { .max_seconds = SECONDS, .no_counters = 1,
                                       .n_rounds = quant->options->no_timing ? 1 : 0 };
    pithi_quant_runner runner;
    pith_profile *profile = NULL;
    PITH_TRY(pithi_quant_start(quant, written, &runner));
    pith_status status = pithi_quant_read(quant, 0, runner.inputs);
    if (status == PITH_OK) {
        status = pith_session_profile(runner.session, runner.inputs, pith_model_n_inputs(runner.model), &how,
                                      &profile);
    }
    if (status == PITH_OK) {
        status = report_profile(quant, profile, arena, report);
    }
    pith_profile_destroy(profile);
    pithi_quant_stop(quant, &runner);
    return status;
}
