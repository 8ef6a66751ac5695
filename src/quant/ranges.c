/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of activations: the observer with which the whole network does best, then other ones for the tensors that lose
 * most. */
#include <math.h>
#include <stdlib.h>

#include "quant/quant.h"

#define CLIP_FRACTION 1e-4
#define WIDE_MARGIN 1.5 /* 16 bits have room for what calibration didn't see */
#define ALIGN_STEPS 12
#define ALIGN_STEP 1e-3
#define N_REFINED 16   /* tensors whose observer is chosen one by one; with the best effort all */
#define CLIPPING_DB 1.5 /* gain that is worth it to clip at all: other data go further than calibration's */
#define REFINED_DB 0.1 /* gain that is worth it: many choices on few samples fit those samples */

/* The integer softmax wants 1 / scale for a whole number: 1 / 256 holds all probabilities, smaller powers of two those
 * up to twice what calibration saw. */
static double probability_range(double largest)
{
    double scale = 1.0 / 256.0;
    while (largest > 0.0 && scale > 1e-7 && 127.5 * scale >= 2.0 * largest) {
        scale /= 2.0;
    }
    return 255.0 * scale;
}

pithi_range pithi_quant_range_of(const pithi_quant *quant, const pithi_quant_tensor *tensor)
{
    const pithi_quant_tensor *from = &quant->tensors[tensor->source];
    while (from->shares >= 0 && quant->tensors[from->shares].format == from->format) {
        from = &quant->tensors[from->shares];
    }
    const pithi_histogram *seen = &from->histogram;
    const bool is_wide = from->format == PITHI_ACTIVATION_U16 && seen->high > seen->low;
    return is_wide ? (pithi_range){ WIDE_MARGIN * seen->low, WIDE_MARGIN * seen->high } : from->range;
}

float pithi_quant_scale_of(const pithi_quant *quant, const pith_value *value)
{
    const pithi_quant_tensor *tensor = &quant->tensors[quant->tensor_of[value->index]];
    float scale;
    int zero;
    const pithi_activation_format format = quant->tensors[tensor->source].format;
    pithi_quant_parameters_as(format, pithi_quant_range_of(quant, tensor), &scale, &zero);
    return scale;
}

/* ---- inputs -------------------------------------------------------------------------------- */

static double noise_of_values(const pithi_quant_tensor *tensor, pithi_range range)
{
    float scale;
    int zero;
    double noise = 0.0;
    pithi_quant_parameters(range, &scale, &zero);
    for (int64_t i = 0; i < tensor->n_values; i++) {
        const double x = (double)tensor->values[i], q = nearbyint(x / (double)scale) + zero;
        const double error = x - (double)scale * (fmin(fmax(q, 0.0), 255.0) - zero);
        noise += isfinite(error) ? error * error : 0.0;
    }
    return noise;
}

/* The range of an input by what it really read. Pixels that were scaled to [-1, 1] lie in the middle between codes if
 * the step is theirs, where each is off by half a step: a slightly wider one is off by a third of that power. Those
 * that were scaled to [0, 1] are exact, if the step is theirs. */
static pithi_range align(const pithi_quant_tensor *tensor, pithi_range range)
{
    const pithi_range whole = { tensor->histogram.low, tensor->histogram.high }, starts[] = { range, whole };
    double least = INFINITY;
    for (int k = 0; k < 2 * ALIGN_STEPS; k++) {
        const pithi_range *from = &starts[k / ALIGN_STEPS];
        const double wider = 1.0 + ALIGN_STEP * (k % ALIGN_STEPS);
        const pithi_range trial = { from->low * wider, from->high * wider };
        const double noise = noise_of_values(tensor, trial);
        if (noise < least) {
            least = noise;
            range = trial;
        }
    }
    return range;
}

/* Observers that are tried: with the best effort those too that seldom win. */
static int n_observers(const pithi_quant *quant)
{
    return pithi_quant_effort(quant) > 0 ? PITH_OBSERVER_COUNT : PITH_OBSERVER_ADMM;
}

/* Unless the user has named an observer, what only a table reads is rounded for the table's results, and results of the
 * network aren't clipped: large scores are those that count. */
static pithi_range observe(const pithi_quant *quant, const pithi_quant_tensor *tensor, pith_observer observer,
                           double fraction)
{
    const pithi_histogram *histogram = &tensor->histogram;
    const bool is_free = quant->options->observer == PITH_OBSERVER_AUTO;
    if (tensor->is_probability) {
        return (pithi_range){ 0.0, probability_range(histogram->high) };
    }
    if (is_free && tensor->results) {
        return observer == PITH_OBSERVER_MIN_MAX ? pithi_quant_observe_results(histogram, tensor->results)
                                                 : tensor->candidates[PITH_OBSERVER_MIN_MAX];
    }
    bool is_result = !quant->is_followed[tensor->value];
    return pithi_quant_observe(histogram, is_free && is_result ? PITH_OBSERVER_MIN_MAX : observer, fraction);
}

void pithi_quant_observe_all(pithi_quant *quant)
{
    double fraction = quant->options->clip_fraction > 0.0 ? quant->options->clip_fraction : CLIP_FRACTION;
    for (int i = 0; i < quant->n_tensors; i++) {
        pithi_quant_tensor *tensor = &quant->tensors[i];
        for (int k = 1; tensor->source == i && k < PITH_OBSERVER_COUNT; k++) {
            tensor->candidates[k] = observe(quant, tensor, (pith_observer)k, fraction);
            if (tensor->n_values > 0) {
                tensor->candidates[k] = align(tensor, tensor->candidates[k]);
            }
        }
        pithi_quant_tell(quant, "observers", i + 1, quant->n_tensors);
    }
}

void pithi_quant_observe_apart(pithi_quant *quant)
{
    const double fraction = quant->options->clip_fraction > 0.0 ? quant->options->clip_fraction : CLIP_FRACTION;
    for (int i = 0; i < quant->n_tensors; i++) {
        pithi_quant_tensor *tensor = &quant->tensors[i];
        pithi_histogram part = tensor->apart;
        const pithi_range whole = { part.low, part.high };
        part.low = tensor->histogram.low;
        part.high = tensor->histogram.high;
        part.n_elements = tensor->histogram.n_elements;
        for (int k = 1; tensor->source == i && k < PITH_OBSERVER_COUNT; k++) {
            tensor->trials[k] = k == PITH_OBSERVER_MIN_MAX
                                    ? whole
                                    : pithi_quant_observe(&part, (pith_observer)k, fraction);
        }
    }
}

/* Probabilities, what tables read, inputs and results have one range, whatever the observer. */
static bool is_given(const pithi_quant *quant, const pithi_quant_tensor *tensor)
{
    return tensor->is_probability || tensor->results || tensor->n_values > 0 || !quant->is_followed[tensor->value];
}

void pithi_quant_take_observer(pithi_quant *quant, pith_observer observer)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].observer = observer;
        quant->tensors[i].range = quant->tensors[i].candidates[observer];
    }
}

/* A range chosen on samples that it was made of looks better than it is: they clip nothing that it didn't know of. On
 * pictures without faces, for example, what a face makes is rare, and clipping it costs nothing. */
static void try_observer(const pithi_quant *quant, pithi_quant_tensor *tensor, pith_observer observer)
{
    tensor->range = is_given(quant, tensor) ? tensor->candidates[observer] : tensor->trials[observer];
}

static void try_chosen(pithi_quant *quant)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        try_observer(quant, &quant->tensors[i], quant->tensors[i].observer);
    }
}

/* With the ranges of all samples. */
static pith_status take_chosen(pithi_quant *quant)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].range = quant->tensors[i].candidates[quant->tensors[i].observer];
    }
    return pithi_quant_measure(quant, quant->n_held, &quant->error);
}

/* What is better for most samples only because it clips a few is no gain on others: the noise of all together must not
 * rise either. */
static bool is_safer(const pithi_quant_error *error, const pithi_quant_error *best, double gain_db)
{
    return error->score > best->score + gain_db && error->sqnr_db >= best->sqnr_db;
}

static pith_status choose_freely(pithi_quant *quant, pith_quantize_report *report, pith_observer *taken_out)
{
    pithi_quant_error best = { .score = -INFINITY, .sqnr_db = -INFINITY };
    for (int k = PITH_OBSERVER_MIN_MAX; k < n_observers(quant); k++) { /* which clips nothing */
        pithi_quant_error error;
        pithi_quant_take_observer(quant, (pith_observer)k);
        try_chosen(quant);
        PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
        report->observer_sqnr_db[k] = error.sqnr_db;
        if (is_safer(&error, &best, *taken_out == PITH_OBSERVER_MIN_MAX ? CLIPPING_DB : PITHI_QUANT_GAIN_DB)) {
            best = error;
            *taken_out = (pith_observer)k;
        }
        pithi_quant_tell(quant, "trying observers", k, n_observers(quant) - 1);
    }
    return PITH_OK;
}

pith_status pithi_quant_choose_observer(pithi_quant *quant, pith_quantize_report *report)
{
    const bool is_free = quant->options->observer == PITH_OBSERVER_AUTO;
    const double before = quant->error.score;
    pith_observer taken = is_free ? PITH_OBSERVER_MIN_MAX : quant->options->observer;
    if (is_free) {
        PITH_TRY(choose_freely(quant, report, &taken));
    }
    pithi_quant_take_observer(quant, taken);
    report->observer = quant->observer = taken;
    if (is_free) {
        PITH_TRY(take_chosen(quant));
        pithi_quant_note(quant, pith_observer_name(taken), before, quant->error.score, true);
    }
    return PITH_OK;
}

static bool is_same(const pithi_range *a, const pithi_range *b) { return a->low == b->low && a->high == b->high; }

typedef struct ranked {
    int tensor;
    double noise_share;
} ranked;

static int by_share(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->noise_share != y->noise_share ? (x->noise_share < y->noise_share ? 1 : -1) : x->tensor - y->tensor;
}

/* Tries the other ranges of one tensor; the best stays. */
static pith_status refine_tensor(pithi_quant *quant, pithi_quant_tensor *tensor)
{
    for (int k = 1; k < n_observers(quant); k++) {
        pithi_quant_error error;
        const pith_observer best = tensor->observer;
        bool is_new = !is_same(&tensor->trials[k], &tensor->trials[best]);
        for (int i = 1; i < k; i++) {
            is_new = is_new && !is_same(&tensor->trials[i], &tensor->trials[k]);
        }
        if (!is_new) {
            continue;
        }
        try_observer(quant, tensor, (pith_observer)k);
        PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
        if (is_safer(&error, &quant->error, REFINED_DB)) {
            quant->error = error;
            tensor->observer = (pith_observer)k;
        } else {
            try_observer(quant, tensor, best);
        }
    }
    return PITH_OK;
}

/* The tensors that lose most, one after the other. */
pith_status pithi_quant_refine_ranges(pithi_quant *quant)
{
    void *block = NULL;
    pithi_quant_error before;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_tensors, sizeof(ranked), &block));
    ranked *order = block;
    int n = 0;
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &before));
    try_chosen(quant);
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &quant->error));
    for (int i = 0; i < quant->n_tensors; i++) {
        double signal, noise, clipped;
        const pithi_quant_tensor *tensor = &quant->tensors[i];
        pithi_quant_histogram_error(&tensor->histogram, tensor->range, &signal, &noise, &clipped);
        if (tensor->source == i && tensor->shares < 0 && signal > 0.0 && !is_given(quant, tensor)) {
            order[n++] = (ranked){ i, noise / signal };
        }
    }
    qsort(order, (size_t)n, sizeof(ranked), by_share);
    n = n < N_REFINED || pithi_quant_effort(quant) > 0 ? n : N_REFINED;
    for (int i = 0; i < n && pithi_quant_affords(quant, (n_observers(quant) - 1) * quant->n_held); i++) {
        PITH_TRY(refine_tensor(quant, &quant->tensors[order[i].tensor]));
        pithi_quant_tell(quant, "refining ranges", i + 1, n);
    }
    PITH_TRY(take_chosen(quant));
    const pithi_quant_error after = quant->error;
    const bool is_kept = is_safer(&after, &before, 0.0);
    if (!is_kept) {
        pithi_quant_take_observer(quant, quant->observer);
        quant->error = before;
    }
    pithi_quant_note(quant, "ranges one by one", before.score, after.score, is_kept);
    return PITH_OK;
}
