/* SPDX-License-Identifier: Apache-2.0 */
/* From measured errors to causes: where noise arises, why, and what would take it away there. */
#include <math.h>
#include <stdlib.h>

#include "diagnose/diagnose.h"

#define GAIN_DB     3.0  /* of a repair that is worth its name: half of the noise */
#define OUTLIER     8.0  /* width of a channel over the median */
#define OTHER_SIGNS 0.75 /* agreement of signs below which weights are others */
#define TAIL_DB     25.0 /* rounding to 8 bits loses less on a tensor without few large values */
#define MOST        0.5  /* of the noise */
#define DROWNED_DB  15.0 /* of a channel that a wider one leaves too few codes */
#define LEAST_SHARE 1e-9 /* of noise to signal that is worth a look */
#define CHANNEL_OFF   5.0 /* times what its weights should be */
#define CHANNEL_RIGHT 0.2 /* of it */
#define LEAST_OFF     0.25 /* its noise, of a channel's mean power */

/* ---- channels ------------------------------------------------------------------------------ */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts `n` > 0 numbers. */
static double median_of(double *numbers, int64_t n)
{
    qsort(numbers, (size_t)n, sizeof(double), compare_numbers);
    return numbers[(n - 1) / 2];
}

pith_status pithi_diag_outlier(pith_ctx *ctx, const double *widths, int64_t n, double *ratio_out, int *channel_out)
{
    void *block = NULL;
    double most = 0.0;
    *ratio_out = 1.0;
    *channel_out = -1;
    if (n < 4) {
        return PITH_OK;
    }
    PITH_TRY(pithi_alloc_array(ctx, (size_t)n, sizeof(double), &block));
    double *alive = block;
    int64_t n_alive = 0; /* a channel without values has no part in the median */
    for (int64_t c = 0; c < n; c++) {
        if (widths[c] > 0.0) {
            alive[n_alive++] = widths[c];
        }
        *channel_out = widths[c] > most ? (int)c : *channel_out;
        most = fmax(most, widths[c]);
    }
    *ratio_out = n_alive > 0 ? most / median_of(alive, n_alive) : 1.0;
    pithi_free(ctx, block);
    return PITH_OK;
}

pith_status pithi_diag_tensor_outlier(const pithi_diagnosis *job, const pithi_diag_tensor *tensor, double *ratio_out,
                                      int *channel_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(job->ctx, (size_t)tensor->n_channels + 1, sizeof(double), &block));
    double *widths = block;
    for (int64_t c = 0; c < tensor->n_channels; c++) {
        widths[c] = tensor->highs[c] - tensor->lows[c];
    }
    pith_status status = pithi_diag_outlier(job->ctx, widths, tensor->n_channels, ratio_out, channel_out);
    pithi_free(job->ctx, block);
    return status;
}

/* ---- activations --------------------------------------------------------------------------- */

pithi_range pithi_diag_held(const pithi_diag_rounding *r)
{
    return (pithi_range){ (double)r->scale * (r->low - r->zero), (double)r->scale * (r->high - r->zero) };
}

/* A range of about the right width that misses values at one end and has room at the other. */
static bool is_shifted(const pithi_diag_tensor *tensor, pithi_range held, pithi_range best)
{
    double width = held.high - held.low, wanted = best.high - best.low;
    double below = held.low - best.low, above = best.high - held.high;
    return wanted > 0.0 && width > 0.55 * wanted && width < 1.8 * wanted && below * above < 0.0 &&
           fabs(below + (wanted - width) / 2.0) > 0.04 * width && tensor->clip_noise > MOST * tensor->own.noise;
}

static double worst_channel_db(const pithi_diag_tensor *tensor)
{
    double worst = INFINITY;
    for (int64_t c = 0; c < tensor->n_channels; c++) {
        worst = tensor->signals[c] > 0.0 ? fmin(worst, pithi_quant_decibel(tensor->signals[c], tensor->own_noises[c]))
                                         : worst;
    }
    return worst;
}

static double mean_channel_share(const pithi_diag_tensor *tensor)
{
    double sum = 0.0;
    for (int64_t c = 0; c < tensor->n_channels; c++) {
        sum += tensor->signals[c] > 0.0 ? fmin(tensor->own_noises[c] / tensor->signals[c], 1.0) : 0.0;
    }
    return sum / (double)pithi_max_s64(tensor->n_channels, 1);
}

static pith_status judge_tensor(const pithi_diagnosis *job, const pithi_diag_tensor *tensor, pithi_suspect *suspect)
{
    const pithi_diag_rounding *r = &tensor->rounding;
    double own_db = pithi_diag_decibel(&tensor->own), best_db, ratio;
    int channel;
    pithi_range best = pithi_diag_best_range(tensor, &best_db), held = pithi_diag_held(r);
    suspect->share = tensor->own.signal > 0.0 ? tensor->own.noise / tensor->own.signal : 0.0;
    suspect->local_gain_db = best_db - own_db;
    suspect->repair = PITH_REPAIR_RANGE;
    if (r->scale != r->read_scale || r->zero != r->read_zero) {
        suspect->cause = PITH_CAUSE_PARAMETERS_DIFFER;
        suspect->is_fault = true;
    } else if (suspect->local_gain_db > GAIN_DB) {
        suspect->cause = is_shifted(tensor, held, best)                  ? PITH_CAUSE_ZERO_POINT
                         : tensor->clip_noise > MOST * tensor->own.noise ? PITH_CAUSE_SATURATED
                                                                         : PITH_CAUSE_TOO_WIDE;
    } else {
        PITH_TRY(pithi_diag_tensor_outlier(job, tensor, &ratio, &channel));
        bool drowns = ratio > OUTLIER && (own_db < TAIL_DB || worst_channel_db(tensor) < DROWNED_DB);
        /* The power of the wide channel would hide what the others lose. */
        suspect->share = drowns ? fmax(suspect->share, mean_channel_share(tensor)) : suspect->share;
        suspect->cause = drowns             ? PITH_CAUSE_ACTIVATION_OUTLIER
                         : own_db < TAIL_DB ? PITH_CAUSE_HEAVY_TAIL
                                            : PITH_CAUSE_SENSITIVE;
        suspect->repair = suspect->cause == PITH_CAUSE_ACTIVATION_OUTLIER ? PITH_REPAIR_EQUALIZE : PITH_REPAIR_16_BIT;
        suspect->local_gain_db = 0.0;
    }
    return PITH_OK;
}

/* ---- weights ------------------------------------------------------------------------------- */

/* What restoring the bias takes from the noise of the result: the means come nearer to zero. */
static double bias_gain_db(const pithi_diag_layer *layer)
{
    const pithi_sums *sums = &layer->from_weights;
    double per_channel = (double)sums->n / (double)layer->weights.n_out, less = 0.0;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        double is = layer->bias_now ? (double)layer->bias_now[c] : 0.0;
        double want = layer->bias_target ? (double)layer->bias_target[c] : 0.0, mean = layer->means[c];
        less += per_channel * (mean * mean - (mean - (is - want)) * (mean - (is - want)));
    }
    return sums->noise > 0.0 ? 10.0 * log10(sums->noise / fmax(sums->noise - less, 1e-6 * sums->noise)) : 0.0;
}

static double shift_share(const pithi_diag_layer *layer)
{
    const pithi_sums *sums = &layer->from_weights;
    double per_channel = (double)sums->n / (double)layer->weights.n_out, shift = 0.0;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        shift += per_channel * layer->means[c] * layer->means[c];
    }
    return sums->noise > 0.0 ? shift / sums->noise : 0.0;
}

/* Share of the weights' noise that a factor for each channel explains. */
static double scale_share(const pithi_diag_layer *layer)
{
    double explained = 0.0;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        double off = layer->signals[c] > 0.0 ? layer->products[c] / layer->signals[c] - 1.0 : 0.0;
        explained += off * off * layer->signals[c];
    }
    return layer->sums.noise > 0.0 ? explained / layer->sums.noise : 0.0;
}

/* Some channels of weights are off by a large factor, while most are right: no quantiser balances like that. */
static bool are_channels_off(const pithi_diag_layer *layer)
{
    int64_t n_off = 0, n_right = 0, n = 0;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        const double ratio = layer->signals[c] > 0.0 ? layer->products[c] / layer->signals[c] : 1.0;
        n += layer->signals[c] > 0.0;
        const bool matters = layer->noises[c] * (double)layer->weights.n_out > LEAST_OFF * layer->sums.signal;
        n_off += matters && (ratio > CHANNEL_OFF || ratio < 1.0 / CHANNEL_OFF);
        n_right += layer->signals[c] > 0.0 && fabs(ratio - 1.0) < CHANNEL_RIGHT;
    }
    return n_off > 0 && 8 * n_off <= n && 4 * n_right >= 3 * n;
}

static void judge_bias(const pithi_diag_layer *layer, pithi_suspect *suspect)
{
    bool is_lost = layer->bias_target && !layer->bias_now;
    double largest = 0.0;
    for (int64_t c = 0; layer->bias_now && c < layer->weights.n_out; c++) {
        largest = fmax(largest, fabs((double)layer->bias_now[c]));
    }
    suspect->cause = is_lost || (layer->bias_target && largest == 0.0) ? PITH_CAUSE_BIAS_LOST
                     : layer->bias_limit > 0.999                       ? PITH_CAUSE_BIAS_OVERFLOW
                                                                       : PITH_CAUSE_BIAS_DIFFERS;
    suspect->repair = PITH_REPAIR_BIAS;
}

/* The median channel's weights have hardly a code left. */
static pith_status are_weights_drowned(const pithi_diagnosis *job, const pithi_diag_layer *layer, bool *drown_out)
{
    void *block = NULL;
    int64_t n = layer->weights.n_out, n_alive = 0;
    *drown_out = false;
    PITH_TRY(pithi_alloc_array(job->ctx, (size_t)n, sizeof(double), &block));
    double *decibels = block;
    for (int64_t c = 0; c < n; c++) {
        if (layer->signals[c] > 0.0) {
            decibels[n_alive++] = pithi_quant_decibel(layer->signals[c], layer->noises[c]);
        }
    }
    *drown_out = n_alive > 0 && median_of(decibels, n_alive) < DROWNED_DB;
    pithi_free(job->ctx, block);
    return PITH_OK;
}

static pith_status judge_layer(const pithi_diagnosis *job, const pithi_diag_layer *layer, pithi_suspect *suspect)
{
    double weights_db = pithi_diag_decibel(&layer->sums), ratio, bias_db = bias_gain_db(layer);
    double best_db = pithi_quant_decibel(layer->sums.signal, layer->best_noise);
    int channel;
    bool drown;
    suspect->share = layer->from_weights.signal > 0.0 ? layer->from_weights.noise / layer->from_weights.signal : 0.0;
    suspect->local_gain_db = best_db - weights_db;
    suspect->repair = PITH_REPAIR_WEIGHTS;
    PITH_TRY(pithi_diag_outlier(job->ctx, layer->peaks, layer->weights.n_out, &ratio, &channel));
    PITH_TRY(are_weights_drowned(job, layer, &drown));
    if (are_channels_off(layer)) {
        suspect->cause = PITH_CAUSE_WEIGHT_SCALE;
        suspect->is_fault = true;
    } else if (drown && ratio > OUTLIER) { /* by signs or means the weights of the others seem to be wrong, too */
        suspect->cause = PITH_CAUSE_WEIGHT_OUTLIER;
        suspect->local_gain_db = fmax(suspect->local_gain_db, 2.0 * GAIN_DB);
    } else if (layer->agreement < OTHER_SIGNS) {
        suspect->cause = PITH_CAUSE_WEIGHTS_DIFFER;
    } else if (bias_db > GAIN_DB) {
        judge_bias(layer, suspect);
        suspect->local_gain_db = bias_db;
    } else if (suspect->local_gain_db > GAIN_DB) {
        suspect->cause = scale_share(layer) > 0.8                        ? PITH_CAUSE_WEIGHT_SCALE
                         : !layer->is_per_channel && ratio > OUTLIER / 2 ? PITH_CAUSE_WEIGHT_OUTLIER
                                                                         : PITH_CAUSE_WEIGHT_ROUNDING;
    } else if (shift_share(layer) > MOST && !pithi_is(job->graph->values[layer->node]->producer, "matmul")) {
        suspect->cause = PITH_CAUSE_ROUNDING_BIAS;
        suspect->repair = PITH_REPAIR_CORRECT_BIAS;
        suspect->local_gain_db = -10.0 * log10(fmax(1.0 - shift_share(layer), 1e-3));
    } else {
        suspect->cause = weights_db < TAIL_DB ? PITH_CAUSE_WEIGHT_ROUNDING : PITH_CAUSE_SENSITIVE;
        suspect->repair = PITH_REPAIR_FLOAT;
        suspect->local_gain_db = 0.0;
    }
    return PITH_OK;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* What can be gained where it arises comes first, then what is largest. */
static double urgency(const pithi_suspect *suspect)
{
    const double gained = 1.0 - pow(10.0, -suspect->local_gain_db / 10.0);
    return (suspect->is_fault ? 1.0 : 0.0) + suspect->share * (gained + 0.05);
}

static int by_urgency(const void *a, const void *b)
{
    const pithi_suspect *x = a, *y = b;
    double p = urgency(x), q = urgency(y);
    return p != q ? (p < q ? 1 : -1) : (x->tensor + x->layer) - (y->tensor + y->layer);
}

pith_status pithi_diag_suspects(pithi_diagnosis *job, pithi_suspect **suspects_out, int *n_out)
{
    void *block = NULL;
    int n = 0;
    PITH_TRY(
        pithi_arena_array(&job->arena, (size_t)(job->n_tensors + job->n_layers) + 1, sizeof(pithi_suspect), &block));
    pithi_suspect *suspects = block;
    for (int i = 0; i < job->n_tensors; i++) {
        if (job->tensors[i].is_seen && job->tensors[i].q >= 0 && job->tensors[i].root == i) {
            suspects[n] = (pithi_suspect){ .tensor = i, .layer = -1 };
            PITH_TRY(judge_tensor(job, &job->tensors[i], &suspects[n]));
            n += suspects[n].share > LEAST_SHARE;
        }
    }
    for (int i = 0; i < job->n_layers; i++) {
        const pithi_diag_layer *layer = &job->layers[i];
        if (layer->has_weights && layer->from_weights.n > 0) {
            suspects[n] = (pithi_suspect){ .tensor = -1, .layer = i };
            PITH_TRY(judge_layer(job, layer, &suspects[n]));
            n += suspects[n].share > LEAST_SHARE;
        }
    }
    qsort(suspects, (size_t)n, sizeof(pithi_suspect), by_urgency);
    *suspects_out = suspects;
    *n_out = n;
    return PITH_OK;
}
