/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping to limits, greedily along the Pareto list (van Baalen et al., "Mixed precision quantization in AIMET"; Pandey
 * et al., arXiv 2302.05397): first weights are lowered where that adds the least noise per byte, until the file is
 * small enough; then precision is raised where it takes away the most noise per millisecond. How far along that list
 * to go is found by bisection on the true drop, on samples held out. */
#include <math.h>

#include "export/export.h"
#include "quant/mix.h"

#define TINY_SHARE 1e-3  /* of the network's time: a step that costs less counts so much */
#define LEAST_GAIN 1e-3  /* of the noise: steps that take less away end the list */
#define UNAVOIDABLE 1e9
#define SIZE_ROUNDS 4
#define LEAST_CORRECTIONS 12 /* of biases: points have their own if so many are affordable */

/* ---- points -------------------------------------------------------------------------------- */

pith_status pithi_quant_size_of(pith_graph *graph, size_t *n_bytes_out)
{
    pithi_bytes bytes = { .ctx = graph->ctx };
    pith_status status = pithi_export_onnx(graph, &bytes);
    *n_bytes_out = bytes.n_bytes;
    pithi_free(graph->ctx, bytes.data);
    return status;
}

static pith_status measure_size(pithi_quant *quant, const pithi_quant_mix *mix, size_t *n_bytes_out)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_quant_mix_graph(quant, mix, &graph));
    pith_status status = pithi_quant_size_of(graph, n_bytes_out);
    pithi_graph_destroy(graph);
    return status;
}

void pithi_quant_apply_point(const pithi_quant_search *search, int point)
{
    const pithi_quant_point *p = &search->points[point];
    pithi_quant_mix_apply(search->quant, &p->mix);
    if (p->shifts) {
        memcpy(search->quant->bias_shifts, p->shifts, (size_t)search->quant->n_nodes * sizeof(float *));
    }
}

pith_status pithi_quant_judge_point(pithi_quant_search *search, int point)
{
    pithi_quant_point *p = &search->points[point];
    if (p->is_judged) {
        return PITH_OK;
    }
    pithi_quant_apply_point(search, point);
    p->is_judged = true;
    return pithi_quant_measure(search->quant, search->quant->n_held, &p->error);
}

/* Biases were corrected for all int8: what they make up for isn't there any more where precision was raised. */
static pith_status correct_point(pithi_quant_search *search, pithi_quant_point *point)
{
    pithi_quant *quant = search->quant;
    const size_t n_bytes = (size_t)quant->n_nodes * sizeof(float *);
    float *const *plain = quant->plain_shifts;
    pithi_quant_error error;
    bool is_done = false;
    void *block = NULL;
    if (search->n_points < 2 || quant->options->no_bias_correction || !pithi_quant_wants(quant, "bias-correction") ||
        !pithi_quant_affords(quant, LEAST_CORRECTIONS * pithi_quant_correction_runs(quant))) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_judge_point(search, search->n_points));
    point->is_corrected = true;
    point->before = point->error;
    quant->plain_shifts = quant->rounding_shifts;
    pithi_quant_mix_apply(quant, &point->mix);
    quant->plain_shifts = plain;
    PITH_TRY(pithi_quant_correct_biases(quant, &is_done));
    if (is_done) {
        PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    }
    if (is_done && pithi_quant_is_better(&point->before, &error, 0.0)) {
        PITH_TRY(pithi_arena_alloc(&quant->arena, n_bytes, &block));
        point->shifts = memcpy(block, quant->bias_shifts, n_bytes);
        point->error = error;
    }
    return PITH_OK;
}

static void take_shifts_back(pithi_quant_point *point)
{
    point->shifts = NULL;
    point->error = point->before;
}

static bool keeps_drop(const pithi_quant_search *search, int point)
{
    const pithi_quant_verdict *verdict = &search->points[point].verdict;
    return search->max_drop == 0.0 || (verdict->drop <= search->max_drop && verdict->sqnr_db >= search->least_db);
}

static bool keeps(size_t limit, size_t n_bytes) { return limit == 0 || n_bytes <= limit; }

static bool keeps_size(const pithi_quant_search *search, size_t n_bytes)
{
    return keeps(search->quant->options->max_bytes, n_bytes);
}

/* Biases that layers didn't have before take bytes: where these are too many, the point goes without. */
static pith_status verify_point(pithi_quant_search *search, int number)
{
    pithi_quant_point *point = &search->points[number];
    pith_graph *graph = NULL;
    PITH_TRY(pithi_quant_point_graph(search, number, &graph));
    pith_status status = pithi_quant_size_of(graph, &point->n_bytes);
    if (status == PITH_OK && point->shifts && !keeps_size(search, point->n_bytes)) {
        pithi_graph_destroy(graph);
        take_shifts_back(point);
        PITH_TRY(pithi_quant_point_graph(search, number, &graph));
        status = pithi_quant_size_of(graph, &point->n_bytes);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    return pithi_quant_verify(search->quant, graph, &point->verdict);
}

/* Biases were accepted by the score alone: what drops too much with them may drop less without. */
static pith_status drop_without_shifts(pithi_quant_search *search, int number)
{
    pithi_quant_point *point = &search->points[number];
    const pithi_quant_point with = *point;
    take_shifts_back(point);
    PITH_TRY(verify_point(search, number));
    if (!keeps_drop(search, number) && point->verdict.drop >= with.verdict.drop) {
        *point = with;
    }
    return PITH_OK;
}

pith_status pithi_quant_assess(pithi_quant_search *search, const pithi_quant_mix *mix, const char *name,
                               int *point_out)
{
    pithi_quant *quant = search->quant;
    PITH_CHECK(quant->ctx, search->n_points < PITHI_QUANT_MAX_POINTS, PITH_STATUS_INTERNAL,
               "choosing precision: more than %d mixes", PITHI_QUANT_MAX_POINTS);
    pithi_quant_point *point = &search->points[search->n_points];
    point->name = name;
    PITH_TRY(pithi_quant_mix_create(quant, &point->mix));
    pithi_quant_mix_copy(quant, mix, &point->mix);
    point->predicted_ms = pithi_quant_mix_figures(quant, mix, &search->facts).ms;
    PITH_TRY(correct_point(search, point));
    PITH_TRY(verify_point(search, search->n_points));
    if (point->shifts && !keeps_drop(search, search->n_points)) {
        PITH_TRY(drop_without_shifts(search, search->n_points));
    }
    *point_out = search->n_points++;
    if (quant->options->progress) {
        quant->options->progress(quant->options->progress_user, "trying mixes", search->n_points, 0);
    }
    return PITH_OK;
}

/* ---- size ---------------------------------------------------------------------------------- */

/* The next smaller number of bits; 0: none. */
static int fewer_bits(int bits) { return bits == 32 ? 16 : bits == 16 ? 8 : bits == 8 ? 4 : bits == 4 ? 2 : 0; }

/* Lowers the weights that add the least noise per byte. False if all are as small as can be. */
static bool lower_one(pithi_quant_search *search, pithi_quant_mix *mix)
{
    pithi_quant *quant = search->quant;
    const pithi_quant_figures before = pithi_quant_mix_figures(quant, mix, &search->facts);
    double least = 0.0;
    int best = -1;
    for (int i = 0; i < quant->n_nodes; i++) {
        const uint8_t bits = mix->bits[i];
        if (quant->roles[i] != PITHI_QUANT_PRODUCT || !fewer_bits(bits)) {
            continue;
        }
        mix->bits[i] = (uint8_t)fewer_bits(bits);
        const pithi_quant_figures after = pithi_quant_mix_figures(quant, mix, &search->facts);
        mix->bits[i] = bits;
        if (after.n_bytes < before.n_bytes) {
            double price = (after.noise - before.noise) / (double)(before.n_bytes - after.n_bytes);
            if (best < 0 || price < least) {
                best = i;
                least = price;
            }
        }
    }
    if (best >= 0) {
        mix->bits[best] = (uint8_t)fewer_bits(mix->bits[best]);
        mix->why[best] = "the limit on the size";
    }
    return best >= 0;
}

/* The last weights that were lowered may have been large: what fits again is given back, the most noise first. */
static void give_back(pithi_quant_search *search, const pithi_quant_mix *start, pithi_quant_mix *mix)
{
    pithi_quant *quant = search->quant;
    for (int best = 0; best >= 0;) {
        const pithi_quant_figures before = pithi_quant_mix_figures(quant, mix, &search->facts);
        double most = 0.0;
        best = -1;
        for (int i = 0; i < quant->n_nodes; i++) {
            const uint8_t bits = mix->bits[i];
            if (quant->roles[i] != PITHI_QUANT_PRODUCT || bits >= start->bits[i]) {
                continue;
            }
            mix->bits[i] = (uint8_t)(2 * bits);
            const pithi_quant_figures after = pithi_quant_mix_figures(quant, mix, &search->facts);
            mix->bits[i] = bits;
            if (after.n_bytes <= quant->options->max_bytes && before.noise - after.noise > most) {
                most = before.noise - after.noise;
                best = i;
            }
        }
        if (best >= 0) {
            mix->bits[best] = (uint8_t)(2 * mix->bits[best]);
            mix->why[best] = mix->bits[best] == start->bits[best] ? start->why[best] : mix->why[best];
        }
    }
}

/* Estimates are corrected by what the exporter writes. */
static pith_status keep_size(pithi_quant_search *search, const pithi_quant_mix *start, pithi_quant_mix *mix)
{
    pithi_quant *quant = search->quant;
    const size_t limit = quant->options->max_bytes;
    size_t n_bytes = 0;
    for (int round = 0; round < SIZE_ROUNDS && limit > 0; round++) {
        bool lowered = true;
        while (lowered && pithi_quant_mix_figures(quant, mix, &search->facts).n_bytes > limit) {
            lowered = lower_one(search, mix);
        }
        give_back(search, start, mix);
        PITH_TRY(measure_size(quant, mix, &n_bytes));
        if (n_bytes <= limit) {
            return PITH_OK;
        }
        PITH_CHECK(quant->ctx, lowered, PITH_STATUS_LIMIT,
                   "the limits can't be kept: with all weights of products in 2 bits the file still has %zu bytes, %zu "
                   "are allowed; relax the limit on the size to at least %zu", n_bytes, limit, n_bytes);
        search->facts.fixed_bytes += n_bytes - limit;
    }
    PITH_CHECK(quant->ctx, n_bytes <= limit, PITH_STATUS_LIMIT,
               "the file can't be brought from %zu bytes to the limit of %zu", n_bytes, limit);
    return PITH_OK;
}

/* Weights that got fewer bits are rounded anew by the outputs of their layers, if that helps; mixes with the same bits
 * have these integers from then on. */
static pith_status round_lowered(pithi_quant_search *search, const pithi_quant_mix *mix)
{
    pithi_quant *quant = search->quant;
    pithi_quant_error before, after;
    bool is_lowered = false;
    for (int i = 0; i < quant->n_nodes; i++) {
        is_lowered = is_lowered || mix->bits[i] < 8;
    }
    if (!is_lowered || !pithi_quant_wants(quant, "rounding")) {
        return PITH_OK;
    }
    pithi_quant_mix_apply(quant, mix);
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &before));
    PITH_TRY(pithi_quant_round_layers(quant));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &after));
    for (int i = 0; i < quant->n_nodes && after.score > before.score; i++) {
        if (mix->bits[i] < 8) {
            quant->plain[i] = quant->layers[i];
        }
    }
    return PITH_OK;
}

/* ---- drop ---------------------------------------------------------------------------------- */

static const char loses_most[] = "its error weighs most at the outputs";

/* Candidate number `k`: a tensor, the weights of node k - n_tensors, or a tensor in 16 bits. False if it can't be
 * raised. */
static bool raise_one(const pithi_quant_search *search, int k, pithi_quant_mix *mix)
{
    const pithi_quant *quant = search->quant;
    const int node = k - quant->n_tensors, wide = node - quant->n_nodes;
    if (wide >= 0) {
        mix->wide[wide] = 1;
        return quant->tensors[wide].format == PITHI_ACTIVATION_U8 && pithi_quant_may_widen(quant, wide);
    }
    if (node < 0) {
        if (quant->tensors[k].source != k || quant->tensors[k].format != PITHI_ACTIVATION_U8) {
            return false;
        }
        pithi_quant_mix_raise_tensor(quant, k, PITHI_COMPUTE_FLOAT, loses_most, mix);
        return true;
    }
    if (mix->bits[node] >= 16 || !(search->facts.weight_noise[0][node] > 0.0)) { /* noise: products, recurrent nodes */
        return false;
    }
    mix->bits[node] = quant->roles[node] == PITHI_QUANT_PRODUCT ? 16 : 32; /* recurrent ones have no halves */
    mix->compute[node] = PITHI_COMPUTE_FLOAT;
    mix->why[node] = loses_most;
    return true;
}

/* Is the mix possible, and within the limits that can be told without running it? */
static bool fits(const pithi_quant_search *search, const pithi_quant_figures *figures)
{
    const pith_quantize_options *o = search->quant->options;
    return isfinite(figures->ms) && (search->most_ms == 0.0 || figures->ms <= search->most_ms) &&
           (o->max_bytes == 0 || figures->n_bytes <= o->max_bytes) && (o->max_ms == 0.0 || figures->ms <= o->max_ms);
}

/* The next mix of the list; false at its end. */
static bool raise_next(pithi_quant_search *search, const pithi_quant_mix *from, pithi_quant_mix *trial,
                       pithi_quant_mix *to)
{
    pithi_quant *quant = search->quant;
    const pithi_quant_figures before = pithi_quant_mix_figures(quant, from, &search->facts);
    const int n_plain = quant->n_tensors + quant->n_nodes;
    const int n = n_plain + (search->facts.write_ms ? quant->n_tensors : 0);
    double best = 0.0;
    for (int k = 0; k < n; k++) {
        pithi_quant_mix_apply(quant, from);
        pithi_quant_mix_copy(quant, from, trial);
        if (!raise_one(search, k, trial)) {
            continue;
        }
        const pithi_quant_figures after = pithi_quant_mix_figures(quant, trial, &search->facts);
        double cost = after.ms - before.ms, gain = before.noise - after.noise;
        double score = gain / (cost > TINY_SHARE * before.ms ? cost : TINY_SHARE * before.ms);
        score = search->allowed > 0.0 && gain > search->allowed ? score + gain * UNAVOIDABLE : score;
        if (gain > LEAST_GAIN * before.noise && score > best && fits(search, &after)) {
            best = score;
            pithi_quant_mix_copy(quant, trial, to);
        }
    }
    return best > 0.0;
}

pith_status pithi_quant_list_raises(pithi_quant_search *search, const pithi_quant_mix *start,
                                    pithi_quant_raises **list_out)
{
    pithi_quant_mix trial;
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&search->quant->arena, sizeof(pithi_quant_raises), &block));
    pithi_quant_raises *list = block;
    *list_out = list;
    PITH_TRY(pithi_quant_mix_create(search->quant, &trial));
    PITH_TRY(pithi_quant_mix_create(search->quant, &list->mixes[0]));
    pithi_quant_mix_copy(search->quant, start, &list->mixes[0]);
    for (list->n = 1; list->n <= PITHI_QUANT_MAX_RAISES; list->n++) {
        PITH_TRY(pithi_quant_mix_create(search->quant, &list->mixes[list->n]));
        if (!raise_next(search, &list->mixes[list->n - 1], &trial, &list->mixes[list->n])) {
            break;
        }
        if (search->quant->options->progress) {
            search->quant->options->progress(search->quant->options->progress_user, "ordering layers", list->n, 0);
        }
    }
    return PITH_OK;
}

static pith_status assess_step(pithi_quant_search *search, const pithi_quant_raises *list, int step, int *point_out)
{
    const char *name = NULL;
    PITH_TRY(step == 0 ? pithi_arena_format(&search->quant->arena, &name, "start")
                       : pithi_arena_format(&search->quant->arena, &name, "%d raised", step));
    return pithi_quant_assess(search, &list->mixes[step], name, point_out);
}

static bool keeps_ram(const pithi_quant_search *search, int point)
{
    return keeps(search->quant->options->max_ram_bytes, search->points[point].verdict.ram_bytes);
}

bool pithi_quant_keeps_bytes(const pithi_quant_search *search, const pithi_quant_point *point)
{
    return keeps_size(search, point->n_bytes) &&
           keeps(search->quant->options->max_ram_bytes, point->verdict.ram_bytes);
}

bool pithi_quant_keeps_limits(const pithi_quant_search *search, int point)
{
    return keeps_drop(search, point) && pithi_quant_keeps_bytes(search, &search->points[point]);
}

/* What stood in the way, and what each limit would have to be. */
static pith_status fail(const pithi_quant_search *search, int best)
{
    const pith_quantize_options *o = search->quant->options;
    const pithi_quant_point *point = &search->points[best];
    pithi_text limits = { .ctx = search->quant->ctx };
    if (o->max_bytes > 0) {
        pithi_text_add(&limits, ", size %zu bytes", o->max_bytes);
    }
    if (o->max_ms > 0.0) {
        pithi_text_add(&limits, ", time %.4g ms", o->max_ms);
    }
    if (o->max_ram_bytes > 0) {
        pithi_text_add(&limits, ", arena %zu bytes", o->max_ram_bytes);
    }
    pith_status status = pithi_fail(
        search->quant->ctx, PITH_STATUS_LIMIT,
        "the limits can't be kept together: drop %.4g points%s. The best that was found has a drop of %.4g points "
        "(%s, %d samples), %zu bytes, an arena of %zu bytes and takes about %.4g ms: relax the limit on %s to that",
        search->max_drop, limits.data ? limits.data : "", point->verdict.drop, pith_drop_name(point->verdict.kind),
        point->verdict.n, point->n_bytes, point->verdict.ram_bytes, point->predicted_ms,
        keeps_ram(search, best) ? "the drop" : "the arena");
    pithi_text_deinit(&limits);
    return status;
}

/* Ends the list where files as they are written, and not as they were estimated, get too large. */
static pith_status drop_large(const pithi_quant_search *search, const pithi_quant_raises *list, int *last)
{
    for (size_t n_bytes = 0; *last > 0 && search->quant->options->max_bytes > 0; (*last)--) {
        PITH_TRY(measure_size(search->quant, &list->mixes[*last], &n_bytes));
        if (keeps_size(search, n_bytes)) {
            break;
        }
    }
    return PITH_OK;
}

/* The first mix of the list with a small enough drop, by bisection. */
static pith_status bisect(pithi_quant_search *search, const pithi_quant_raises *list)
{
    int low = 0, high = list->n - 1, point = 0;
    PITH_TRY(drop_large(search, list, &high));
    PITH_TRY(assess_step(search, list, 0, &point));
    search->chosen = point;
    if (keeps_drop(search, point)) {
        return keeps_ram(search, point) ? PITH_OK : fail(search, point);
    }
    PITH_TRY(assess_step(search, list, high, &point));
    if (!keeps_drop(search, point) || high == 0) {
        return fail(search, point);
    }
    search->chosen = point;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        PITH_TRY(assess_step(search, list, middle, &point));
        if (keeps_drop(search, point)) {
            high = middle;
            search->chosen = point;
        } else {
            low = middle;
        }
    }
    return keeps_ram(search, search->chosen) ? PITH_OK : fail(search, search->chosen);
}

pith_status pithi_quant_keep_limits(pithi_quant_search *search, const pithi_quant_mix *start)
{
    pithi_quant_mix mix;
    pithi_quant_raises *list = NULL;
    PITH_TRY(pithi_quant_mix_create(search->quant, &mix));
    pithi_quant_mix_copy(search->quant, start, &mix);
    PITH_TRY(pithi_quant_learn_noise(search->quant, &search->facts));
    PITH_TRY(keep_size(search, start, &mix));
    PITH_TRY(round_lowered(search, &mix));
    PITH_TRY(pithi_quant_list_raises(search, &mix, &list));
    return bisect(search, list);
}
