/* SPDX-License-Identifier: Apache-2.0 */
/* How far the quantised network's outputs are from the float network's: signal to noise ratio and cosine. */
#include <math.h>

#include "quant/quant.h"

#define MOST_DB 120.0
#define MOST_SCORE 60.0

typedef struct sums {
    double signal, noise, product, square; /* of reference, difference, both, the quantised one */
    double scores;                         /* of the samples, added up */
    int n_samples;
} sums;

static void add(sums *s, const pith_tensor *reference, const pith_tensor *output)
{
    double signal = 0.0, noise = 0.0;
    for (int64_t i = 0; i < pith_shape_elements(&reference->shape); i++) {
        double x = pithi_tensor_get_f64(reference, i), y = pithi_tensor_get_f64(output, i);
        signal += x * x;
        noise += (x - y) * (x - y);
        s->product += x * y;
        s->square += y * y;
    }
    s->signal += signal;
    s->noise += noise;
    s->scores += fmin(pithi_quant_decibel(signal, noise), MOST_SCORE);
    s->n_samples++;
}

double pithi_quant_decibel(double signal, double noise)
{
    return noise > 0.0 && signal > 0.0 ? fmin(10.0 * log10(signal / noise), MOST_DB) : noise > 0.0 ? 0.0 : MOST_DB;
}

/* The mean over outputs, so that an output of large values doesn't hide the others. */
static pithi_quant_error summarise(const sums *all, int n_outputs)
{
    pithi_quant_error error = { 0.0, 0.0, 0.0 };
    for (int i = 0; i < n_outputs; i++) {
        double lengths = sqrt(all[i].signal) * sqrt(all[i].square);
        error.sqnr_db += pithi_quant_decibel(all[i].signal, all[i].noise) / n_outputs;
        error.score += all[i].scores / (all[i].n_samples * n_outputs);
        error.cosine += (lengths > 0.0 ? all[i].product / lengths : all[i].noise > 0.0 ? 0.0 : 1.0) / n_outputs;
    }
    return error;
}

static pith_status run_samples(const pithi_quant *quant, pithi_quant_runner *runner, int n_samples, sums *all)
{
    for (int k = 0; k < n_samples && k < quant->n_held; k++) {
        PITH_TRY(pithi_quant_run(quant, runner, pithi_quant_held_sample(quant, k)));
        for (int i = 0; i < quant->n_outputs; i++) {
            const pith_tensor *reference = &quant->references[k * quant->n_outputs + i];
            const pith_tensor *output = pith_session_output(runner->session, i);
            PITH_CHECK(quant->ctx, pith_shape_equal(&output->shape, &reference->shape), PITH_STATUS_UNSUPPORTED,
                       "output %d changes its shape when the network is quantised (its size depends on data); name the "
                       "nodes in front of it in keep_float", i);
            add(&all[i], reference, output);
        }
    }
    return PITH_OK;
}

void pithi_quant_set_measured(const pithi_quant *quant, pith_graph *clone)
{
    for (size_t i = 0; i < clone->n_outputs && (int)i < quant->n_outputs; i++) {
        pithi_graph_set_output(clone, i, clone->values[quant->measured[i]]);
    }
}

pith_status pithi_quant_measure(const pithi_quant *quant, int n_samples, pithi_quant_error *error_out)
{
    pith_graph *graph = NULL;
    pithi_quant_runner runner;
    void *all = NULL;
    PITH_TRY(pithi_graph_clone(quant->graph, &graph));
    pithi_quant_number(quant->graph);
    pithi_quant_set_measured(quant, graph);
    pith_status status = pithi_quant_insert(quant, graph);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    PITH_TRY(pithi_quant_start(quant, graph, &runner));
    PITH_TRY_GOTO(pithi_alloc_array(quant->ctx, (size_t)quant->n_outputs, sizeof(sums), &all), done);
    PITH_TRY_GOTO(run_samples(quant, &runner, n_samples, all), done);
    *error_out = summarise(all, quant->n_outputs);
done:
    pithi_free(quant->ctx, all);
    pithi_quant_stop(quant, &runner);
    return status;
}
