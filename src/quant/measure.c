/* SPDX-License-Identifier: Apache-2.0 */
/* How far the quantised network's outputs are from the float network's: signal to noise ratio and cosine. */
#include <math.h>

#include "quant/quant.h"

#define MOST_DB 120.0
#define MOST_SCORE 60.0
#define LEAST_UNCERTAIN 1e-6
#define HIDDEN 80.0 /* below the largest of its row a logit adds nothing to a float32 softmax */
#define LOGISTIC_VARIANCE 3.2898681336964528 /* pi^2 / 3: the signal that noise of logits is compared with */

typedef struct pithi_quant_sums {
    double signal, noise, product, square; /* of reference, difference, both, the quantised one */
    double scores;                         /* of the samples, added up */
    double uncertain;                      /* of probabilities: of the squares of p (1 - p) */
    pithi_decisions decisions;
    int n_samples;
} sums;

/* What masks leave in a row that a softmax reads is neither signal nor noise. */
static double least_seen(const pith_tensor *reference, int64_t first, int64_t n, int64_t stride)
{
    double most = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        most = fmax(most, pithi_tensor_get_f64(reference, first + i * stride));
    }
    return most - HIDDEN;
}

static void add(sums *s, const pithi_decision *decision, const pith_tensor *reference, const pith_tensor *output)
{
    const int64_t n_elements = pith_shape_elements(&reference->shape);
    const bool has_rows = decision && decision->kind == PITHI_DECISION_SCORES && decision->are_logits;
    int64_t inner = 1, n = has_rows ? pithi_decision_classes(decision, &reference->shape, &inner) : n_elements;
    double signal = 0.0, noise = 0.0;
    for (int64_t row = 0; row < (n > 0 ? n_elements / n : 0); row++) {
        const int64_t first = row / inner * n * inner + row % inner;
        const double least = has_rows ? least_seen(reference, first, n, inner) : -INFINITY;
        for (int64_t k = 0; k < n; k++) {
            const int64_t i = first + k * inner;
            double x = pithi_tensor_get_f64(reference, i), y = pithi_tensor_get_f64(output, i);
            if ((x < least && y < least) || (isinf(x) && x == y)) {
                continue;
            }
            signal += x * x;
            noise += (x - y) * (x - y);
            s->product += x * y;
            s->square += y * y;
            s->uncertain += x * (1.0 - x) * x * (1.0 - x);
        }
    }
    s->signal += signal;
    s->noise += noise;
    s->scores += fmin(pithi_quant_decibel(signal, noise), MOST_SCORE);
    s->n_samples++;
}

double pithi_quant_decibel(double signal, double noise)
{
    if (!(noise >= 0.0)) {
        return 0.0; /* outputs that are no numbers */
    }
    return noise > 0.0 && signal > 0.0 ? fmin(10.0 * log10(signal / noise), MOST_DB) : noise > 0.0 ? 0.0 : MOST_DB;
}

double pithi_quant_noise(double sqnr_db) { return pow(10.0, -sqnr_db / 10.0); }

pith_status pithi_quant_sums_create(const pithi_quant *quant, int n, pithi_quant_error_sums *all)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)n, sizeof(sums), &block));
    all->items = block;
    all->n = n;
    return PITH_OK;
}

void pithi_quant_sums_destroy(const pithi_quant *quant, pithi_quant_error_sums *all)
{
    for (int i = 0; all->items && i < all->n; i++) {
        pithi_decisions_destroy(quant->ctx, &all->items[i].decisions);
    }
    pithi_free(quant->ctx, all->items);
    all->items = NULL;
}

pith_status pithi_quant_sums_add(const pithi_quant *quant, pithi_quant_error_sums *all, const pith_tensor *references,
                                 const pithi_quant_runner *runner)
{
    for (int i = 0; i < all->n; i++) {
        const pith_tensor *output = pithi_quant_measured(quant, runner, i);
        PITH_CHECK(quant->ctx, pith_shape_equal(&output->shape, &references[i].shape), PITH_STATUS_UNSUPPORTED,
                   "output %d changes its shape when the network is quantised (its size depends on data); name the "
                   "nodes in front of it in keep_float", i);
        const pithi_decision *decision = all->decisions ? &all->decisions[i] : NULL;
        add(&all->items[i], decision, &references[i], output);
        if (decision && decision->kind != PITHI_DECISION_NONE) {
            PITH_TRY(pithi_decisions_add(quant->ctx, &all->items[i].decisions, decision, &references[i], output));
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_set_measured(const pithi_quant *quant, pith_graph *clone)
{
    for (int i = 0; i < quant->n_measured; i++) {
        pith_value *value = clone->values[quant->measured[i]];
        if (i < quant->n_outputs) {
            pithi_graph_set_output(clone, (size_t)i, value);
        } else {
            PITH_TRY(pithi_graph_add_output(clone, value));
        }
    }
    return PITH_OK;
}

const pith_tensor *pithi_quant_measured(const pithi_quant *quant, const pithi_quant_runner *runner, int i)
{
    const int n = pith_model_n_outputs(runner->model);
    return pith_session_output(runner->session, i < quant->n_outputs ? i : n - quant->n_measured + i);
}

/* Where much is decided, errors count near the border; else those of saturated probabilities, which are most, don't. */
static double noise_of(const pithi_quant_error_sums *all, int i)
{
    const sums *own = &all->items[i];
    const pithi_decision_kind kind = all->decisions ? all->decisions[i].kind : PITHI_DECISION_NONE;
    const bool is_probability = kind == PITHI_DECISION_SOFTMAX || kind == PITHI_DECISION_SIGMOID;
    const double signal = is_probability ? fmax(own->uncertain, LEAST_UNCERTAIN * own->signal) : own->signal;
    const double near = kind == PITHI_DECISION_NONE ? -1.0 : pithi_decisions_noise(&own->decisions);
    return pithi_quant_noise(near >= 0.0 ? pithi_quant_decibel(LOGISTIC_VARIANCE, near)
                                         : pithi_quant_decibel(signal, own->noise));
}

/* Of all outputs of a kind together, so that one with a few decisions doesn't stand for the others; of the kinds the
 * most. */
static double changed_of(const pithi_quant_error_sums *all)
{
    double changes[PITHI_DECISION_COUNT] = { 0.0 }, n_decisions[PITHI_DECISION_COUNT] = { 0.0 }, most = -1.0;
    for (int i = 0; i < all->n; i++) {
        const pithi_decision_kind kind = all->decisions ? all->decisions[i].kind : PITHI_DECISION_NONE;
        double n = 0.0;
        changes[kind] += pithi_decisions_changes(&all->items[i].decisions, &n);
        n_decisions[kind] += n;
    }
    for (int k = 0; k < PITHI_DECISION_COUNT; k++) {
        most = n_decisions[k] > 0.0 ? fmax(most, changes[k] / n_decisions[k]) : most;
    }
    return most;
}

/* The mean over outputs, so that an output of large values doesn't hide the others. */
pithi_quant_error pithi_quant_sums_error(const pithi_quant_error_sums *all)
{
    pithi_quant_error error = { .changed = changed_of(all) };
    const int n_outputs = all->n;
    for (int i = 0; i < n_outputs; i++) {
        const sums *own = &all->items[i];
        double lengths = sqrt(own->signal) * sqrt(own->square);
        error.sqnr_db += pithi_quant_decibel(own->signal, own->noise) / n_outputs;
        error.noise += noise_of(all, i) / n_outputs;
        error.score += own->scores / (own->n_samples * n_outputs);
        error.cosine += (lengths > 0.0 ? own->product / lengths : own->noise > 0.0 ? 0.0 : 1.0) / n_outputs;
    }
    return error;
}

bool pithi_quant_is_better(const pithi_quant_error *before, const pithi_quant_error *after, double least_db)
{
    const double gain = after->score - before->score;
    return gain > fmax(least_db, PITHI_QUANT_GAIN_DB) && after->sqnr_db > before->sqnr_db - gain;
}

pith_status pithi_quant_measure(const pithi_quant *quant, int n_samples, pithi_quant_error *error_out)
{
    return pithi_quant_measure_every(quant, 1, n_samples, error_out);
}

pith_status pithi_quant_measure_every(const pithi_quant *quant, int step, int n_samples, pithi_quant_error *error_out)
{
    pith_graph *graph = NULL;
    pithi_quant_runner runner;
    pithi_quant_error_sums all = { 0 };
    PITH_TRY(pithi_graph_clone(quant->graph, &graph));
    pithi_quant_number(quant->graph);
    pith_status status = pithi_quant_set_measured(quant, graph);
    status = status == PITH_OK ? pithi_quant_insert(quant, graph) : status;
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    PITH_TRY(pithi_quant_start(quant, graph, &runner));
    PITH_TRY_GOTO(pithi_quant_sums_create(quant, quant->n_measured, &all), done);
    all.decisions = quant->decisions;
    for (int k = 0; k < n_samples && k < quant->n_held; k += step) {
        PITH_TRY_GOTO(pithi_quant_run(quant, &runner, pithi_quant_held_sample(quant, k)), done);
        PITH_TRY_GOTO(pithi_quant_sums_add(quant, &all, &quant->references[k * quant->n_measured], &runner), done);
    }
    *error_out = pithi_quant_sums_error(&all);
done:
    pithi_quant_sums_destroy(quant, &all);
    pithi_quant_stop(quant, &runner);
    return status;
}
