/* SPDX-License-Identifier: Apache-2.0 */
/* Which mix of precisions is written: the fastest within the limits, by times of whole networks taken in turns; what is
 * not faster than float in integers computes in float. And what the report says of it. */
#include <math.h>

#include "quant/mix.h"

#define NOISE_SHARE 0.02 /* of a time: differences below are none */

/* Without limits a drop above the first is mended to the second. */
#define RUINED_POINTS 5.0 /* of top-1 or agreement, with an SQNR below RUINED_DB */
#define MENDED_POINTS 1.0
#define RUINED_DB     15.0
#define MENDED_DB     20.0
#define RUINED_NOISE  10.0 /* percent of the outputs' power: 10 dB */
#define NOISY_NOISE   2.0  /* 17 dB: mended if that takes next to no time */
#define MENDED_NOISE  1.0  /* 20 dB */
#define MENDED_SHARE  0.05 /* of the time */

static const char faster[] = "float is faster here";

/* ---- candidates ---------------------------------------------------------------------------- */

static bool has_limits(const pith_quantize_options *options)
{
    return options->max_drop > 0.0 || options->max_bytes > 0 || options->max_ms > 0.0 || options->max_ram_bytes > 0;
}

static pith_status make_facts(pithi_quant *quant, pithi_quant_facts *facts)
{
    void *block = NULL;
    for (int k = 0; k < PITHI_COMPUTE_COUNT; k++) {
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(double), &block));
        facts->ms[k] = block;
    }
    PITH_TRY(pithi_arena_alloc(&quant->arena, (size_t)quant->n_tensors + 1, &block));
    facts->borders = block;
    const pith_quantize_options *o = quant->options;
    if (!o->no_mix && !has_limits(o) && pithi_quant_wants(quant, "widening")) {
        PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(double), &block));
        facts->write_ms = block;
    }
    return pithi_quant_learn_costs(quant, facts);
}

/* Float and all int8: the first two points; the estimate of sizes starts from the second. */
static pith_status assess_ends(pithi_quant_search *search, pithi_quant_mix *mix)
{
    pithi_quant *quant = search->quant;
    int point = 0;
    pithi_quant_mix_fill(quant, PITHI_COMPUTE_FLOAT, 32, mix);
    PITH_TRY(pithi_quant_assess(search, mix, "float32", &point));
    pithi_quant_mix_fill(quant, PITHI_COMPUTE_INT8, 8, mix);
    PITH_TRY(pithi_quant_assess(search, mix, "int8", &point));
    size_t about = pithi_quant_mix_figures(quant, mix, &search->facts).n_bytes;
    search->facts.fixed_bytes = search->points[1].n_bytes > about ? search->points[1].n_bytes - about : 0;
    search->chosen = 1;
    return PITH_OK;
}

/* Reasons for the report: who is float in the fastest mix is so for its time. */
static void explain_faster(const pithi_quant *quant, pithi_quant_mix *mix)
{
    for (int i = 0; i < quant->n_nodes; i++) {
        mix->why[i] = mix->compute[i] == PITHI_COMPUTE_FLOAT && !mix->why[i] ? faster : mix->why[i];
    }
}

/* Takes times of points in turns. */
pith_status pithi_quant_time_points(pithi_quant_search *search, const int *points, int n_points)
{
    pith_graph *graphs[PITHI_QUANT_MAX_TIMED] = { 0 };
    double ms[PITHI_QUANT_MAX_TIMED] = { 0 };
    pith_status status = PITH_OK;
    int n = 0;
    for (; n < n_points && status == PITH_OK; n++) {
        status = pithi_quant_point_graph(search, points[n], &graphs[n]);
    }
    if (status != PITH_OK) {
        for (int k = 0; k < n - 1; k++) {
            pithi_graph_destroy(graphs[k]);
        }
        return status;
    }
    PITH_TRY(pithi_quant_time(search->quant, graphs, n, ms));
    for (int k = 0; k < n; k++) {
        search->points[points[k]].ms = ms[k];
    }
    return PITH_OK;
}

/* ---- without limits ------------------------------------------------------------------------ */

double pithi_quant_time_of(const pithi_quant_search *search, int point)
{
    const pithi_quant_point *p = &search->points[point];
    return p->ms > 0.0 ? p->ms : p->predicted_ms;
}

/* Adds the fastest mix as predicted, unless that is what int8 is anyway. */
static pith_status add_fastest(pithi_quant_search *search, pithi_quant_mix *mix, int *point_out)
{
    pithi_quant *quant = search->quant;
    pithi_quant_mix_fill(quant, PITHI_COMPUTE_INT8, 8, mix);
    PITH_TRY(pithi_quant_mix_fastest(quant, &search->facts, mix));
    explain_faster(quant, mix);
    double ms = pithi_quant_mix_figures(quant, mix, &search->facts).ms;
    *point_out = 1;
    return ms < search->points[1].predicted_ms
               ? pithi_quant_assess(search, mix, "int8 where it is faster", point_out)
               : PITH_OK;
}

/* The network computes in float, and only its weights are integers. */
static pith_status add_stored(pithi_quant_search *search, pithi_quant_mix *mix, int *point_out)
{
    pithi_quant_mix_fill(search->quant, PITHI_COMPUTE_FLOAT, 8, mix);
    explain_faster(search->quant, mix);
    return pithi_quant_assess(search, mix, "float, weights stored as int8", point_out);
}

/* Outputs that have little to do with the float network's. The SQNR keeps classifiers out that merely waver between
 * two likely classes of a few samples. */
static bool is_ruined(const pithi_quant_verdict *verdict)
{
    return verdict->kind == PITH_DROP_NOISE ? verdict->drop > RUINED_NOISE
                                            : verdict->drop > RUINED_POINTS && verdict->sqnr_db < RUINED_DB;
}

/* Raises precision where a network without limits would be ruined, or is noisy and hardly slower with more. What is
 * ruined and can't be helped, or gets slower than float by that, computes in float with its weights in 8 bits. */
static pith_status mend(pithi_quant_search *search, int stored)
{
    const int before = search->chosen;
    const pithi_quant_verdict *verdict = &search->points[before].verdict;
    const bool ruined = is_ruined(verdict);
    const int otherwise = ruined ? stored : before;
    if (!ruined && !(verdict->kind == PITH_DROP_NOISE && verdict->drop > NOISY_NOISE)) {
        return PITH_OK;
    }
    search->max_drop = verdict->kind == PITH_DROP_NOISE ? MENDED_NOISE : fmax(MENDED_POINTS, 100.5 / verdict->n);
    search->allowed = MENDED_NOISE / 100.0;
    if (ruined) { /* biases make up for what made the ruin: those of the mix are corrected later */
        void *none = NULL;
        PITH_TRY(pithi_arena_array(&search->quant->arena, (size_t)search->quant->n_nodes, sizeof(float *), &none));
        search->quant->plain_shifts = search->quant->rounding_shifts = none;
    }
    search->least_db = verdict->kind == PITH_DROP_NOISE ? 0.0 : MENDED_DB;
    pith_status status = pithi_quant_keep_limits(search, &search->points[before].mix);
    search->allowed = 0.0;
    if (status == PITH_STATUS_LIMIT) {
        pith_ctx_clear_error(search->quant->ctx);
        search->chosen = otherwise;
        return PITH_OK;
    }
    PITH_TRY(status);
    if (search->facts.is_measured) {
        const int points[] = { 0, stored, search->chosen, before };
        PITH_TRY(pithi_quant_time_points(search, points, 4));
    }
    const double ms = pithi_quant_time_of(search, search->chosen);
    const bool is_cheap = ruined || ms <= pithi_quant_time_of(search, before) * (1.0 + MENDED_SHARE);
    search->chosen = is_cheap && ms < pithi_quant_time_of(search, stored) ? search->chosen : otherwise;
    return PITH_OK;
}

pith_status pithi_quant_prefer(pithi_quant_search *search, int a, int b, int *better_out)
{
    const double a_ms = pithi_quant_time_of(search, a), b_ms = pithi_quant_time_of(search, b);
    const double float_ms = pithi_quant_time_of(search, 0);
    *better_out = a_ms <= b_ms ? a : b;
    if (a != b && fabs(a_ms - b_ms) <= NOISE_SHARE * fmax(a_ms, b_ms) &&
        (fmin(a_ms, b_ms) > float_ms || fmax(a_ms, b_ms) <= float_ms)) {
        PITH_TRY(pithi_quant_judge_point(search, a));
        PITH_TRY(pithi_quant_judge_point(search, b));
        *better_out = search->points[b].error.score > search->points[a].error.score ? b : a;
    }
    return PITH_OK;
}

static pith_status choose_fastest(pithi_quant_search *search, pithi_quant_mix *mix)
{
    int mixed = 1, stored = 0;
    PITH_TRY(add_fastest(search, mix, &mixed));
    PITH_TRY(add_stored(search, mix, &stored));
    if (search->facts.is_measured) {
        const int points[] = { 0, 1, stored, mixed };
        PITH_TRY(pithi_quant_time_points(search, points, mixed == 1 ? 3 : 4));
    }
    PITH_TRY(pithi_quant_prefer(search, 1, mixed, &search->chosen));
    if (pithi_quant_time_of(search, search->chosen) > pithi_quant_time_of(search, 0)) {
        bool stored_is_faster = pithi_quant_time_of(search, stored) < pithi_quant_time_of(search, search->chosen);
        search->chosen = stored_is_faster ? stored : search->chosen;
    }
    PITH_TRY(mend(search, stored));
    return search->chosen == stored ? PITH_OK : pithi_quant_widen(search);
}

/* ---- with limits --------------------------------------------------------------------------- */

static pith_status choose_within(pithi_quant_search *search, pithi_quant_mix *mix)
{
    const pith_quantize_options *o = search->quant->options;
    int mixed = 1;
    PITH_TRY(add_fastest(search, mix, &mixed));
    if (search->facts.is_measured) {
        const int points[] = { 0, 1, mixed };
        PITH_TRY(pithi_quant_time_points(search, points, mixed == 1 ? 2 : 3));
    }
    int start = pithi_quant_time_of(search, mixed) < pithi_quant_time_of(search, 1) ? mixed : 1;
    if (o->no_mix) {
        start = 1;
    }
    PITH_TRY(pithi_quant_keep_limits(search, &search->points[start].mix));
    if (search->facts.is_measured) {
        const int points[] = { 0, 1, search->chosen };
        PITH_TRY(pithi_quant_time_points(search, points, 3));
        bool is_slower = pithi_quant_time_of(search, search->chosen) > pithi_quant_time_of(search, 1);
        search->chosen = is_slower && pithi_quant_keeps_limits(search, 1) ? 1 : search->chosen;
    }
    const pithi_quant_point *chosen = &search->points[search->chosen];
    PITH_CHECK(search->quant->ctx, o->max_ms == 0.0 || chosen->ms <= o->max_ms, PITH_STATUS_LIMIT,
               "the limits can't be kept together: time %.4g ms. The mix within the other limits takes %.4g ms (float "
               "%.4g ms, all int8 %.4g ms, drop %.4g points): relax the limit on the time to that%s",
               o->max_ms, chosen->ms, search->points[0].ms, search->points[1].ms, chosen->verdict.drop,
               o->max_drop > 0.0 ? ", or the one on the drop" : "");
    return PITH_OK;
}

/* ---- the report ---------------------------------------------------------------------------- */

static const char *weights_name(const pithi_weight_format *format)
{
    static const char *const names[] = { "int2", "int2", "int2", "int3", "int4", "int5", "int6", "int7", "int8" };
    switch (format->kind) {
    case PITHI_WEIGHT_INT: return names[format->bits ? format->bits : 8];
    case PITHI_WEIGHT_PALETTE: return "palette";
    case PITHI_WEIGHT_F16: return "float16";
    case PITHI_WEIGHT_BF16: return "bfloat16";
    default: return "float32";
    }
}

/* Its result has 16 bits. */
static bool is_widened(const pithi_quant *quant, const pithi_quant_mix *mix, const pith_node *node)
{
    const int tensor = pithi_quant_result_tensor(quant, node);
    return tensor >= 0 && mix->wide[tensor] && mix->compute[node->index] == PITHI_COMPUTE_INT8;
}

static void report_layer(const pithi_quant_search *search, const pith_node *node, pith_quantized_layer *row)
{
    static const char *const computes[] = { "int8", "int16", "float32" };
    const pithi_quant *quant = search->quant;
    const pithi_quant_mix *mix = &search->points[search->chosen].mix;
    const int i = node->index;
    const double *noise = search->facts.weight_noise[0];
    pithi_quant_weights weights[2];
    *row = (pith_quantized_layer){
        .name = node->name[0] ? node->name : node->outputs[0]->name, .op = node->source_op,
        .activations = computes[is_widened(quant, mix, node)                   ? PITHI_COMPUTE_INT16
                                : quant->roles[i] == PITHI_QUANT_FLOAT         ? PITHI_COMPUTE_FLOAT
                                                                               : mix->compute[i]],
        .weights = pithi_quant_all_weights(quant, node, weights) > 0 ? weights_name(&quant->layers[i].format) : "",
        .why = mix->why[i] ? mix->why[i] : is_widened(quant, mix, node) ? "16 bits cost little here" : "",
        .float_ms = search->facts.is_measured ? search->facts.ms[PITHI_COMPUTE_FLOAT][i] : 0.0,
        .int8_ms = search->facts.is_measured ? search->facts.ms[PITHI_COMPUTE_INT8][i] : 0.0,
        .sqnr_db = noise && noise[i] > 0.0 ? pithi_quant_decibel(1.0, noise[i]) : 0.0,
    };
}

static pith_status report_layers(const pithi_quant_search *search, pithi_arena *arena, pith_quantize_report *report)
{
    const pithi_quant *quant = search->quant;
    const pithi_quant_mix *mix = &search->points[search->chosen].mix;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes, sizeof(pith_quantized_layer), &block));
    pith_quantized_layer *rows = block;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const int i = node->index;
        bool differs = mix->compute[i] != PITHI_COMPUTE_INT8 || mix->bits[i] != 8 || is_widened(quant, mix, node);
        bool is_raised = mix->bits[i] > 8 && pithi_quant_is_recurrent(quant, node);
        if (is_raised || (differs && pithi_quant_chooses(quant, node))) {
            pith_quantized_layer *row = &rows[report->n_layers++];
            report_layer(search, node, row);
            PITH_TRY(pithi_arena_text(arena, row->name, strlen(row->name), &row->name));
            PITH_TRY(pithi_arena_text(arena, row->op, strlen(row->op), &row->op));
        }
    }
    report->layers = rows;
    return PITH_OK;
}

static bool is_worse(const pithi_quant_search *search, const pithi_quant_point *a, const pithi_quant_point *b)
{
    double a_ms = pithi_quant_time_of(search, (int)(a - search->points));
    double b_ms = pithi_quant_time_of(search, (int)(b - search->points));
    bool nowhere_better = a->n_bytes >= b->n_bytes && a->verdict.ram_bytes >= b->verdict.ram_bytes && a_ms >= b_ms &&
                          a->verdict.drop >= b->verdict.drop && a->verdict.sqnr_db <= b->verdict.sqnr_db;
    bool is_same = a->n_bytes == b->n_bytes && a_ms == b_ms && a->verdict.sqnr_db == b->verdict.sqnr_db;
    return nowhere_better && (!is_same || a > b);
}

static pith_status report_choices(const pithi_quant_search *search, pithi_arena *arena, pith_quantize_report *report)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)search->n_points, sizeof(pith_quantized_choice), &block));
    pith_quantized_choice *rows = block;
    for (int i = 0; i < search->n_points; i++) {
        const pithi_quant_point *point = &search->points[i];
        bool is_needed = i < 2 || i == search->chosen;
        for (int k = 0; k < search->n_points && !is_needed; k++) {
            is_needed = is_worse(search, point, &search->points[k]);
        }
        if (i >= 2 && i != search->chosen && is_needed) {
            continue;
        }
        pith_quantized_choice *row = &rows[report->n_choices++];
        *row = (pith_quantized_choice){ .n_bytes = point->n_bytes, .ram_bytes = point->verdict.ram_bytes,
                                        .ms = point->ms, .drop = point->verdict.drop,
                                        .sqnr_db = point->verdict.sqnr_db, .is_chosen = i == search->chosen };
        PITH_TRY(pithi_arena_text(arena, point->name, strlen(point->name), &row->name));
    }
    report->choices = rows;
    return PITH_OK;
}

static pith_status fill_report(const pithi_quant_search *search, pithi_arena *arena, pith_quantize_report *report)
{
    const pithi_quant_point *chosen = &search->points[search->chosen];
    report->float_ms = search->points[0].ms;
    report->int8_ms = search->points[1].ms;
    report->ms = chosen->ms;
    report->drop_kind = chosen->verdict.kind;
    report->drop = chosen->verdict.drop;
    report->top1_float = chosen->verdict.top1_float;
    report->top1 = chosen->verdict.top1;
    report->n_verified = chosen->verdict.n;
    report->is_verified_apart = search->quant->options->verify != NULL;
    PITH_TRY(report_choices(search, arena, report));
    return report_layers(search, arena, report);
}

/* ---- biases -------------------------------------------------------------------------------- */

/* Size and drop with weights and biases as they are now. */
static pith_status assess_now(pithi_quant *quant, size_t *n_bytes_out, pithi_quant_verdict *verdict_out)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_graph_clone(quant->graph, &graph));
    pithi_quant_number(quant->graph);
    pith_status status = pithi_quant_insert(quant, graph);
    status = status == PITH_OK ? pithi_quant_size_of(graph, n_bytes_out) : status;
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    return pithi_quant_verify(quant, graph, verdict_out);
}

/* Biases were corrected for all int8; another mix is corrected for itself, if that helps it within the limits. */
static pith_status correct_mix(pithi_quant_search *search)
{
    pithi_quant *quant = search->quant;
    pithi_quant_point *chosen = &search->points[search->chosen], fresh = *chosen;
    const size_t n_bytes = (size_t)quant->n_nodes * sizeof(float *);
    pithi_quant_error before, after;
    bool is_done = false;
    void *kept = NULL;
    if (chosen->shifts) {
        pithi_quant_note(quant, "bias-correction", chosen->before.score, chosen->error.score, true);
    }
    if (search->chosen == 1 || chosen->is_corrected || quant->options->no_bias_correction ||
        !pithi_quant_wants(quant, "bias-correction")) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(&quant->arena, n_bytes, &kept));
    memcpy(kept, quant->bias_shifts, n_bytes);
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &before));
    PITH_TRY(pithi_quant_correct_biases(quant, &is_done));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &after));
    bool helps = is_done && pithi_quant_is_better(&before, &after, 0.0);
    if (helps) {
        PITH_TRY(assess_now(quant, &fresh.n_bytes, &fresh.verdict));
        helps = fresh.verdict.drop <= chosen->verdict.drop && pithi_quant_keeps_bytes(search, &fresh);
    }
    if (is_done) {
        pithi_quant_note(quant, "bias-correction", before.score, after.score, helps);
    }
    if (helps) {
        *chosen = fresh;
    } else {
        memcpy(quant->bias_shifts, kept, n_bytes);
    }
    return PITH_OK;
}

/* Weights learnt for the mix that was chosen, and their biases, keep to the limits as the mix does; its figures are
 * measured anew. */
static pith_status check_learnt(void *user, bool *is_allowed)
{
    pithi_quant_search *search = user;
    pithi_quant_point *chosen = &search->points[search->chosen], fresh = *chosen;
    PITH_TRY(assess_now(search->quant, &fresh.n_bytes, &fresh.verdict));
    *is_allowed = pithi_quant_keeps_bytes(search, &fresh) &&
                  (search->max_drop == 0.0 || fresh.verdict.drop <= fmax(search->max_drop, chosen->verdict.drop));
    if (*is_allowed) {
        *chosen = fresh;
    }
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

pith_status pithi_quant_choose_mix(pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    pithi_quant_mix mix;
    void *search_block = NULL, *plain = NULL, *shifts = NULL;
    PITH_TRY(pithi_arena_alloc(&quant->arena, sizeof(pithi_quant_search), &search_block));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(pithi_quant_layer), &plain));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(float *), &shifts));
    pithi_quant_search *search = search_block;
    memcpy(shifts, quant->bias_shifts, (size_t)quant->n_nodes * sizeof(float *));
    quant->plain_shifts = shifts;
    quant->rounding_shifts = quant->rounding_shifts ? quant->rounding_shifts : shifts;
    memcpy(plain, quant->layers, (size_t)quant->n_nodes * sizeof(pithi_quant_layer));
    quant->plain = plain;
    search->quant = quant;
    search->max_drop = quant->options->max_drop;
    PITH_TRY(make_facts(quant, &search->facts));
    PITH_TRY(pithi_quant_mix_create(quant, &mix));
    PITH_TRY(assess_ends(search, &mix));
    if (has_limits(quant->options)) {
        PITH_TRY(choose_within(search, &mix));
    } else if (!quant->options->no_mix) {
        PITH_TRY(choose_fastest(search, &mix));
    } else if (search->facts.is_measured) {
        const int points[] = { 0, 1 };
        PITH_TRY(pithi_quant_time_points(search, points, 2));
    }
    pithi_quant_apply_point(search, search->chosen);
    PITH_TRY(correct_mix(search));
    if (pithi_quant_wants(quant, "adaround")) {
        PITH_TRY(pithi_quant_learn_rounding(quant, check_learnt, search));
    }
    return fill_report(search, arena, report);
}
