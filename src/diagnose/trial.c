/* SPDX-License-Identifier: Apache-2.0 */
/* What a network made otherwise gives at its outputs, and how long it takes. */
#include <math.h>

#include "diagnose/diagnose.h"

#define MOST_HELD  32
#define N_ROUNDS   9
#define MOST_TIMED 16

static int largest_place(const pith_tensor *tensor)
{
    int64_t n = pith_shape_elements(&tensor->shape), best = 0;
    double most = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double x = pithi_tensor_get_f64(tensor, i);
        best = x > most ? i : best;
        most = fmax(most, x);
    }
    return (int)best;
}

pith_status pithi_diag_keep_references(pithi_diagnosis *job)
{
    int n_samples = job->quant.samples->n_samples;
    void *references = NULL, *best = NULL;
    pith_graph *graph = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    job->n_held = n_samples < MOST_HELD ? n_samples : MOST_HELD;
    job->quant.n_held = job->n_held;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_held * (size_t)job->n_outputs + 1, sizeof(pith_tensor),
                               &references));
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_held, sizeof(int), &best));
    job->references = references;
    job->float_best = best;
    PITH_TRY(pithi_graph_clone(job->graph, &graph));
    PITH_TRY(pithi_quant_start(&job->quant, graph, &runner));
    for (int k = 0; k < job->n_held; k++) {
        PITH_TRY_GOTO(pithi_quant_run(&job->quant, &runner, pithi_quant_held_sample(&job->quant, k)), done);
        for (int i = 0; i < job->n_outputs; i++) {
            const pith_tensor *output = pith_session_output(runner.session, job->output_float[i]);
            pith_tensor *copy = &job->references[k * job->n_outputs + i];
            *copy = *output;
            PITH_TRY_GOTO(pithi_arena_alloc(&job->arena, pith_tensor_bytes(output) + 1, &copy->data), done);
            memcpy(copy->data, output->data, pith_tensor_bytes(output));
        }
        job->float_best[k] = job->n_outputs > 0 ? largest_place(&job->references[k * job->n_outputs]) : 0;
    }
done:
    pithi_quant_stop(&job->quant, &runner);
    return status;
}

/* The mean over outputs; those of another size (what a detector keeps depends on the data) are left out. */
static pithi_score summarise(const pithi_sums *all, int n_outputs, double agreement)
{
    pithi_score score = { .agreement = agreement };
    int n = 0;
    for (int i = 0; i < n_outputs; i++) {
        n += all[i].n > 0;
    }
    score.n_outputs = n;
    for (int i = 0; i < n_outputs && n > 0; i++) {
        pith_tensor_error error = pithi_diag_error(&all[i]);
        if (all[i].n > 0) {
            score.error.sqnr_db += error.sqnr_db / n;
            score.error.cosine += error.cosine / n;
            score.error.mean_shift += error.mean_shift / n;
            score.error.max_error = fmax(score.error.max_error, error.max_error);
            score.noise_share += (all[i].signal > 0.0 ? all[i].noise / all[i].signal : 0.0) / n;
        }
    }
    return score;
}

static pith_status compare_samples(pithi_diagnosis *job, pithi_quant_runner *runner, bool is_twin, int n_samples,
                                   pithi_sums *all, int *n_agree)
{
    for (int k = 0; k < n_samples; k++) {
        PITH_TRY(
            pithi_quant_run(&job->quant, runner, pithi_quant_held_sample(&job->quant, k * (job->n_held / n_samples))));
        for (int i = 0; i < job->n_outputs; i++) {
            const pith_tensor *wanted = &job->references[k * (job->n_held / n_samples) * job->n_outputs + i];
            const int place = is_twin ? job->output_of[i] : job->output_float[i];
            const pith_tensor *got = pith_session_output(runner->session, place);
            int64_t n = pith_shape_elements(&wanted->shape);
            if (i == 0) {
                *n_agree += largest_place(got) == job->float_best[k * (job->n_held / n_samples)];
            }
            for (int64_t e = 0; pith_shape_elements(&got->shape) == n && e < n; e++) {
                pithi_diag_add(&all[i], pithi_tensor_get_f64(wanted, e), pithi_tensor_get_f64(got, e));
            }
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_measure(pithi_diagnosis *job, pith_graph *graph, bool is_twin, int n_samples,
                               pithi_score *score_out)
{
    pithi_quant_runner runner = { 0 };
    void *all = NULL;
    int n_agree = 0, n = n_samples > 0 && n_samples < job->n_held ? n_samples : job->n_held;
    PITH_TRY(pithi_quant_start(&job->quant, graph, &runner));
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_alloc_array(job->ctx, (size_t)job->n_outputs + 1, sizeof(pithi_sums), &all), done);
    PITH_TRY_GOTO(compare_samples(job, &runner, is_twin, n, all, &n_agree), done);
    *score_out = summarise(all, job->n_outputs, (double)n_agree / n);
done:
    pithi_free(job->ctx, all);
    pithi_quant_stop(&job->quant, &runner);
    return status;
}

/* ---- time and bytes ------------------------------------------------------------------------ */

pith_status pithi_diag_time(pithi_diagnosis *job, pith_graph *const *graphs, int n_graphs, double *ms_out)
{
    pithi_quant_runner runners[MOST_TIMED] = { 0 };
    pith_status status = PITH_OK;
    int n_started = 0;
    PITH_CHECK(job->ctx, n_graphs <= MOST_TIMED, PITH_STATUS_INTERNAL, "%d networks to time", n_graphs);
    for (; n_started < n_graphs; n_started++) {
        PITH_TRY_GOTO(pithi_quant_start(&job->quant, graphs[n_started], &runners[n_started]), done);
        ms_out[n_started] = INFINITY;
    }
    for (int round = -1; round < N_ROUNDS; round++) {
        for (int i = 0; i < n_graphs; i++) {
            const pithi_quant_runner *r = &runners[i];
            PITH_TRY_GOTO(pithi_quant_read(&job->quant, 0, r->inputs), done);
            uint64_t start = pithi_clock_ns();
            PITH_TRY_GOTO(pith_session_run(r->session, r->inputs, pith_model_n_inputs(r->model)), done);
            double ms = (double)(pithi_clock_ns() - start) / 1e6;
            ms_out[i] = round >= 0 ? fmin(ms_out[i], ms) : ms_out[i];
        }
    }
done:
    for (int i = n_started + 1; i < n_graphs; i++) {
        pithi_graph_destroy(graphs[i]);
    }
    for (int i = 0; i < n_graphs; i++) {
        pithi_quant_stop(&job->quant, &runners[i]);
    }
    return status;
}

size_t pithi_diag_constant_bytes(pith_graph *graph)
{
    size_t n_bytes = 0;
    pithi_graph_count_uses(graph);
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        n_bytes += value->constant && value->n_uses > 0 ? pith_tensor_bytes(value->constant) : 0;
    }
    return n_bytes;
}
