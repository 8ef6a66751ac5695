/* SPDX-License-Identifier: Apache-2.0 */
/* Repairs: each is put into a set of changes, measured at the outputs, and kept if they gain. */
#include <math.h>
#include <stdlib.h>

#include "diagnose/diagnose.h"

#define GAIN_DB        0.02 /* of the outputs; less is noise */
#define COSTLY_GAIN_DB 0.5
#define LOCAL_GAIN_DB  1.0
#define MOST_COSTLY    16 /* repairs that cost time or memory */
#define MOST_PATH      8
#define FINE_DB        30.0 /* outputs that need nothing more; a fault is mended as long as they stay that good */
#define ANEW_GAIN_DB   3.0

/* ---- equalisation -------------------------------------------------------------------------- */

/* Two layers and the tensors between them whose channels can be scaled at will. */
typedef struct bridge {
    int first, second, path[MOST_PATH], n_path;
} bridge;

static bool find_bridge(const pithi_diagnosis *job, int tensor, bridge *out)
{
    for (int i = 0; i < job->n_layers; i++) {
        const pithi_diag_layer *layer = &job->layers[i];
        out->first = i;
        out->second = layer->has_weights ? pithi_diag_next_layer(job, layer, out->path, &out->n_path) : -1;
        for (int k = 0; out->second >= 0 && k < out->n_path; k++) {
            const pithi_diag_layer *next = &job->layers[out->second];
            if (out->path[k] == tensor &&
                layer->weights.n_out ==
                    next->weights.tensor->shape.dims[next->weights.in_axis] * next->weights.groups) {
                return true;
            }
        }
    }
    return false;
}

/* SmoothQuant's balance (Xiao et al., arXiv 2211.10438): a channel is divided by the root of its width over that of the
 * weights that read it; the geometric mean stays. */
static pith_status balance(pithi_diagnosis *job, const bridge *b, const pithi_diag_tensor *tensor, float **factors_out)
{
    const pithi_diag_layer *second = &job->layers[b->second];
    int64_t n = job->layers[b->first].weights.n_out, n_used = 0;
    void *columns = NULL, *block = NULL;
    double logs = 0.0;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)n, sizeof(double), &columns));
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)n, sizeof(float), &block));
    double *widths = columns;
    float *factors = block;
    for (int64_t i = 0; i < pith_shape_elements(&second->weights.tensor->shape); i++) {
        int64_t c = pithi_diag_position(&second->weights, i).in;
        widths[c] = fmax(widths[c], fabs((double)second->target[i]));
    }
    for (int64_t c = 0; c < n; c++) {
        double width = tensor->highs[c] - tensor->lows[c];
        widths[c] = width > 0.0 && widths[c] > 0.0 ? sqrt(width / widths[c]) : 0.0;
        logs += widths[c] > 0.0 ? log(widths[c]) : 0.0;
        n_used += widths[c] > 0.0;
    }
    for (int64_t c = 0; c < n; c++) {
        double s = widths[c] > 0.0 ? widths[c] / exp(logs / (double)pithi_max_s64(n_used, 1)) : 1.0;
        factors[c] = (float)((tensor->factors ? (double)tensor->factors[c] : 1.0) / s);
    }
    *factors_out = factors;
    return PITH_OK;
}

static pith_status refresh(pithi_diagnosis *job, const bridge *b)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(bool), &block));
    for (int i = 0; i < b->n_path; i++) {
        ((bool *)block)[b->path[i]] = job->tensors[b->path[i]].is_seen;
    }
    PITH_TRY(pithi_diag_weigh(job, &job->layers[b->first]));
    PITH_TRY(pithi_diag_weigh(job, &job->layers[b->second]));
    return pithi_diag_histograms(job, block);
}

static pith_status equalize(pithi_diagnosis *job, int number, pithi_changes *changes, bool *is_applied)
{
    bridge b;
    float *factors = NULL;
    double db;
    const pithi_diag_tensor *tensor = &job->tensors[number];
    *is_applied = find_bridge(job, number, &b) && tensor->n_channels == job->layers[b.first].weights.n_out &&
                  (!tensor->factors || tensor->n_factors == tensor->n_channels);
    if (!*is_applied) {
        return PITH_OK;
    }
    PITH_TRY(balance(job, &b, tensor, &factors));
    for (int i = 0; i < b.n_path; i++) {
        job->tensors[b.path[i]].factors = factors;
        job->tensors[b.path[i]].n_factors = job->layers[b.first].weights.n_out;
        job->tensors[b.path[i]].factors_rank = job->layers[b.first].weights.tensor->shape.rank;
    }
    PITH_TRY(refresh(job, &b));
    for (int i = 0; i < b.n_path; i++) {
        if (job->tensors[b.path[i]].q >= 0) {
            changes->tensors[b.path[i]] =
                (pithi_tensor_change){ PITHI_TENSOR_RANGE, pithi_diag_best_range(&job->tensors[b.path[i]], &db) };
        }
    }
    const int ends[] = { b.first, b.second };
    for (int i = 0; i < 2; i++) {
        pithi_layer_change *change = &changes->layers[ends[i]];
        change->mode = change->mode == PITHI_LAYER_FLOAT ? PITHI_LAYER_FLOAT : PITHI_LAYER_ANEW;
        change->has_new_bias = true;
        change->shift = NULL;
    }
    return PITH_OK;
}

typedef struct saved {
    float *factors;
    int64_t n_factors;
} saved;

static pith_status save_factors(pithi_diagnosis *job, saved **out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(saved), &block));
    *out = block;
    for (int i = 0; i < job->n_tensors; i++) {
        (*out)[i] = (saved){ job->tensors[i].factors, job->tensors[i].n_factors };
    }
    return PITH_OK;
}

pith_status pithi_diag_undo_equalize(pithi_diagnosis *job, int number, float *factors, int64_t n_factors)
{
    bridge b;
    if (!find_bridge(job, number, &b)) {
        return PITH_OK;
    }
    for (int i = 0; i < b.n_path; i++) {
        job->tensors[b.path[i]].factors = factors;
        job->tensors[b.path[i]].n_factors = n_factors;
    }
    return refresh(job, &b);
}

/* ---- one repair ---------------------------------------------------------------------------- */

/* The tensor, and those that hold its elements in another order. */
static void set_tensor(const pithi_diagnosis *job, int number, pithi_tensor_mode mode, pithi_range range,
                       pithi_changes *changes)
{
    for (int i = number; i < job->n_tensors; i++) {
        if (i == number || job->tensors[i].root == number) {
            changes->tensors[i] = (pithi_tensor_change){ mode, range };
        }
    }
}

static void set_range(const pithi_diagnosis *job, int number, pithi_changes *changes)
{
    double db;
    set_tensor(job, number, PITHI_TENSOR_RANGE, pithi_diag_best_range(&job->tensors[number], &db), changes);
}

static void recalibrate(const pithi_diagnosis *job, pithi_changes *changes)
{
    for (int i = 0; i < job->n_tensors; i++) {
        if (job->tensors[i].q >= 0 && job->tensors[i].is_seen && job->tensors[i].root == i &&
            changes->tensors[i].mode == PITHI_TENSOR_KEPT) {
            set_range(job, i, changes);
        }
    }
}

/* Everything that was quantised, anew: as simply as can be, but without what was wrong. */
static void requantize(const pithi_diagnosis *job, pithi_changes *changes)
{
    recalibrate(job, changes);
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights && job->layers[i].bits < 32) {
            changes->layers[i] = (pithi_layer_change){ .mode = PITHI_LAYER_ANEW, .has_new_bias = true };
        }
    }
}

pith_status pithi_diag_apply(pithi_diagnosis *job, const pithi_suspect *suspect, pith_repair repair,
                             pithi_changes *changes, bool *is_applied)
{
    const pithi_diag_tensor *tensor = suspect->tensor >= 0 ? &job->tensors[suspect->tensor] : NULL;
    pithi_layer_change *layer = suspect->layer >= 0 ? &changes->layers[suspect->layer] : NULL;
    *is_applied = true;
    switch (repair) {
    case PITH_REPAIR_RECALIBRATE: recalibrate(job, changes); break;
    case PITH_REPAIR_RANGE: set_range(job, suspect->tensor, changes); break;
    case PITH_REPAIR_EQUALIZE: return equalize(job, suspect->tensor, changes, is_applied);
    case PITH_REPAIR_16_BIT:
        set_tensor(job, suspect->tensor, PITHI_TENSOR_WIDE,
                   (pithi_range){ tensor->histogram.low, tensor->histogram.high }, changes);
        break;
    case PITH_REPAIR_WEIGHTS:
        layer->mode = PITHI_LAYER_ANEW;
        layer->has_new_bias = true;
        layer->shift = NULL;
        break;
    case PITH_REPAIR_BIAS: layer->has_new_bias = true; break;
    case PITH_REPAIR_CORRECT_BIAS: layer->shift = job->layers[suspect->layer].means; break;
    case PITH_REPAIR_FLOAT:
        if (tensor) {
            set_tensor(job, suspect->tensor, PITHI_TENSOR_FLOAT, (pithi_range){ 0.0, 0.0 }, changes);
        } else {
            layer->mode = PITHI_LAYER_FLOAT;
            layer->shift = NULL;
        }
        break;
    case PITH_REPAIR_REQUANTIZE: requantize(job, changes); break;
    default: *is_applied = false; break;
    }
    return PITH_OK;
}

/* ---- the repaired network ------------------------------------------------------------------ */

static pith_status score(pithi_diagnosis *job, const pithi_changes *changes, pithi_score *score_out)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_diag_variant(job, changes, &graph));
    return pithi_diag_measure(job, graph, true, 0, score_out);
}

static void copy_changes(const pithi_diagnosis *job, const pithi_changes *from, pithi_changes *to)
{
    memcpy(to->tensors, from->tensors, (size_t)job->n_tensors * sizeof(pithi_tensor_change));
    memcpy(to->layers, from->layers, (size_t)job->n_layers * sizeof(pithi_layer_change));
}

static bool gains(const pithi_suspect *suspect, const pithi_score *after, const pithi_score *best, double least_db)
{
    return after->error.sqnr_db > best->error.sqnr_db + least_db ||
           (suspect->is_fault && after->error.sqnr_db > FINE_DB);
}

/* Tries one repair on top of `changes`; it stays if the outputs gain at least `least_db`. */
static pith_status try_repair(pithi_diagnosis *job, pithi_suspect *suspect, pith_repair repair, double least_db,
                              pithi_changes *changes, pithi_score *best, bool *is_kept)
{
    pithi_changes trial;
    pithi_score after;
    saved *old = NULL;
    bool is_applied = false;
    *is_kept = false;
    PITH_TRY(pithi_diag_new_changes(job, changes, &trial));
    PITH_TRY(save_factors(job, &old));
    PITH_TRY(pithi_diag_apply(job, suspect, repair, &trial, &is_applied));
    if (!is_applied) {
        return PITH_OK;
    }
    PITH_TRY(score(job, &trial, &after));
    *is_kept = gains(suspect, &after, best, least_db);
    if (*is_kept) {
        copy_changes(job, &trial, changes);
        *best = after;
        suspect->repair = repair;
        suspect->is_repaired = true;
    } else if (repair == PITH_REPAIR_EQUALIZE) {
        PITH_TRY(pithi_diag_undo_equalize(job, suspect->tensor, old[suspect->tensor].factors,
                                          old[suspect->tensor].n_factors));
    }
    return PITH_OK;
}

static bool is_free(pith_repair repair) { return repair != PITH_REPAIR_16_BIT && repair != PITH_REPAIR_FLOAT; }

static void tell(const pithi_diagnosis *job, int done, int total)
{
    if (job->options->progress) {
        job->options->progress(job->options->progress_user, "repairing", done, total);
    }
}

static bool is_wanted(const pithi_suspect *s)
{
    return is_free(s->repair) && s->repair != PITH_REPAIR_EQUALIZE && s->local_gain_db > LOCAL_GAIN_DB;
}

/* All repairs that gain where the noise arises, together, since one alone may be hidden by the others. */
static pith_status repair_together(pithi_diagnosis *job, pithi_suspect *suspects, int n, pithi_changes *changes,
                                   pithi_score *best)
{
    pithi_changes all;
    pithi_score after;
    PITH_TRY(pithi_diag_new_changes(job, NULL, &all));
    for (int i = 0; i < n; i++) {
        pithi_suspect *s = &suspects[i];
        if (is_wanted(s)) {
            PITH_TRY(pithi_diag_apply(job, s, s->repair, &all, &s->is_repaired));
        }
    }
    PITH_TRY(score(job, &all, &after));
    if (after.error.sqnr_db > best->error.sqnr_db + GAIN_DB) {
        copy_changes(job, &all, changes);
        *best = after;
    } else {
        for (int i = 0; i < n; i++) {
            suspects[i].is_repaired = false;
        }
    }
    return PITH_OK;
}

/* One after the other, from the one that alone brings most. */
static pith_status repair_in_turn(pithi_diagnosis *job, pithi_suspect *suspects, int n, pithi_changes *changes,
                                  pithi_score *best)
{
    double below = INFINITY;
    for (int round = 0; round < n; round++) {
        pithi_suspect *next = NULL;
        bool is_kept = false;
        for (int i = 0; i < n; i++) {
            pithi_suspect *s = &suspects[i];
            const bool fits = is_wanted(s) && s->is_measured && s->gain_repair_db < below;
            next = fits && (!next || s->gain_repair_db > next->gain_repair_db) ? s : next;
        }
        if (!next) {
            return PITH_OK;
        }
        below = next->gain_repair_db;
        PITH_TRY(try_repair(job, next, next->repair, GAIN_DB, changes, best, &is_kept));
        tell(job, round + 1, n);
    }
    return PITH_OK;
}

/* Repairs at no cost: together or in turn, whatever is better; then what those have left out. */
static pith_status repair_freely(pithi_diagnosis *job, pithi_suspect *suspects, int n, pithi_changes *changes,
                                 pithi_score *best)
{
    pithi_changes in_turn;
    pithi_score start = *best, turn_best = *best;
    void *flags = NULL;
    bool is_kept = false;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)n + 1, sizeof(bool), &flags));
    PITH_TRY(pithi_diag_new_changes(job, NULL, &in_turn));
    PITH_TRY(repair_together(job, suspects, n, changes, best));
    for (int i = 0; i < n; i++) {
        ((bool *)flags)[i] = suspects[i].is_repaired;
        suspects[i].is_repaired = false;
    }
    if (best->error.sqnr_db < FINE_DB) {
        PITH_TRY(repair_in_turn(job, suspects, n, &in_turn, &turn_best));
    }
    if (turn_best.error.sqnr_db > fmax(best->error.sqnr_db, start.error.sqnr_db)) {
        copy_changes(job, &in_turn, changes);
        *best = turn_best;
    } else {
        for (int i = 0; i < n; i++) {
            suspects[i].is_repaired = ((bool *)flags)[i];
        }
    }
    for (int i = 0; i < n; i++) {
        pithi_suspect *s = &suspects[i];
        const bool is_left = !s->is_repaired && (s->repair == PITH_REPAIR_EQUALIZE ||
                                                 (is_wanted(s) && (s->is_measured || s->is_fault)));
        tell(job, i + 1, n);
        if (is_left) {
            PITH_TRY(try_repair(job, s, s->repair, GAIN_DB, changes, best, &is_kept));
        }
    }
    return PITH_OK;
}

/* Weights and histograms in units that have changed. */
static pith_status renew(pithi_diagnosis *job)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(bool), &block));
    for (int i = 0; i < job->n_tensors; i++) {
        ((bool *)block)[i] = job->tensors[i].is_seen;
    }
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights) {
            PITH_TRY(pithi_diag_weigh(job, &job->layers[i]));
        }
    }
    return pithi_diag_histograms(job, block);
}

/* Faults of several places may hide each other, and what channels were balanced by may be past finding: then all is
 * made anew, with the channels' factors and without. */
static pith_status repair_all(pithi_diagnosis *job, pithi_suspect *suspects, int n, pithi_changes *changes,
                              pithi_score *best, bool *is_kept)
{
    pithi_changes trial;
    pithi_score after;
    void *block = NULL;
    double least_db = best->error.sqnr_db + ANEW_GAIN_DB;
    *is_kept = false;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(pithi_diag_tensor), &block));
    for (int is_plain = 0; is_plain < 2 && best->error.sqnr_db < FINE_DB; is_plain++) {
        if (is_plain) {
            memcpy(block, job->tensors, (size_t)job->n_tensors * sizeof(pithi_diag_tensor));
            for (int i = 0; i < job->n_tensors; i++) {
                job->tensors[i].factors = job->tensors[i].shifts = NULL;
            }
            PITH_TRY(renew(job));
        }
        PITH_TRY(pithi_diag_new_changes(job, NULL, &trial));
        requantize(job, &trial);
        PITH_TRY(score(job, &trial, &after));
        if (after.error.sqnr_db > least_db) {
            copy_changes(job, &trial, changes);
            *best = after;
            *is_kept = true;
            least_db = after.error.sqnr_db;
        } else if (is_plain) {
            memcpy(job->tensors, block, (size_t)job->n_tensors * sizeof(pithi_diag_tensor));
            PITH_TRY(renew(job));
        }
    }
    for (int i = 0; i < n && *is_kept; i++) {
        suspects[i].is_repaired = false;
    }
    return PITH_OK;
}

static pith_status repair_at_a_cost(pithi_diagnosis *job, pithi_suspect *suspects, int n, pithi_changes *changes,
                                    pithi_score *best)
{
    double goal = job->options->goal_db > 0.0 ? job->options->goal_db : 20.0;
    bool is_kept = false;
    for (int i = 0, tries = 0; i < n && tries < MOST_COSTLY && best->error.sqnr_db < goal; i++) {
        pithi_suspect *s = &suspects[i];
        if (s->is_repaired || s->share < 1e-5) {
            continue;
        }
        tries++;
        tell(job, tries, MOST_COSTLY);
        if (s->tensor >= 0) {
            PITH_TRY(try_repair(job, s, PITH_REPAIR_16_BIT, COSTLY_GAIN_DB, changes, best, &is_kept));
        }
        if (!s->is_repaired) {
            PITH_TRY(try_repair(job, s, PITH_REPAIR_FLOAT, COSTLY_GAIN_DB, changes, best, &is_kept));
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_repair(pithi_diagnosis *job, pithi_suspect *suspects, int n_suspects, pithi_changes *changes,
                              bool *is_anew_out)
{
    pithi_score best;
    PITH_TRY(pithi_diag_new_changes(job, NULL, changes));
    PITH_TRY(score(job, changes, &best));
    PITH_TRY(repair_freely(job, suspects, n_suspects, changes, &best));
    PITH_TRY(repair_all(job, suspects, n_suspects, changes, &best, is_anew_out));
    return repair_at_a_cost(job, suspects, n_suspects, changes, &best);
}
