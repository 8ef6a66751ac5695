/* SPDX-License-Identifier: Apache-2.0 */
/* The drop of a quantised network against the float one: points of top-1 where there are labels, points of agreement
 * on the class for other classifiers, and for everything else the noise of the outputs in percent of their power. */
#include "quant/mix.h"

#define MAX_KEPT_BYTES ((size_t)256 << 20)
#define N_BACKGROUND_CLASSES 1001 /* of ImageNet networks that count from a background class */

/* Samples held out, or those that measure. */
static pith_status run_sample(const pithi_quant *quant, pithi_quant_runner *runner, int k)
{
    pithi_quant own = *quant;
    if (!quant->options->verify) {
        return pithi_quant_run(quant, runner, pithi_quant_held_sample(quant, k));
    }
    own.samples = quant->options->verify;
    return pithi_quant_run(&own, runner, k);
}

static int64_t best_of(const pith_tensor *scores)
{
    int64_t best = 0;
    for (int64_t i = 1; i < pith_shape_elements(&scores->shape); i++) {
        best = pithi_tensor_get_f64(scores, i) > pithi_tensor_get_f64(scores, best) ? i : best;
    }
    return best;
}

/* One output that is one row of scores. */
static bool is_classifier(const pithi_quant *quant)
{
    const pith_tensor *output = &quant->checks.references[0];
    int64_t n = pith_shape_elements(&output->shape), largest = 0;
    for (int i = 0; i < output->shape.rank; i++) {
        largest = output->shape.dims[i] > largest ? output->shape.dims[i] : largest;
    }
    return quant->n_outputs == 1 && pithi_dtype_is_float(output->dtype) && n >= 2 && n == largest;
}

static int64_t label_of(const pithi_quant *quant, int k)
{
    const int64_t *labels = quant->options->verify ? quant->options->verify_labels : NULL;
    return labels ? labels[k] : -1;
}

/* Networks of 1001 classes for labels of 1000 begin with the background. */
static int64_t label_offset(const pithi_quant *quant)
{
    int64_t largest = 0;
    for (int k = 0; k < quant->checks.n; k++) {
        largest = pithi_max_s64(largest, label_of(quant, k));
    }
    int64_t n_classes = pith_shape_elements(&quant->checks.references[0].shape);
    return n_classes == N_BACKGROUND_CLASSES && largest < N_BACKGROUND_CLASSES - 1 ? 1 : 0;
}

/* ---- the float network --------------------------------------------------------------------- */

static pith_status keep_output(pithi_quant *quant, const pith_tensor *output, pith_tensor *copy)
{
    *copy = *output;
    PITH_TRY(pithi_arena_alloc(&quant->arena, pith_tensor_bytes(output), &copy->data));
    memcpy(copy->data, output->data, pith_tensor_bytes(output));
    return PITH_OK;
}

static pith_status keep_references(pithi_quant *quant)
{
    pithi_quant_checks *checks = &quant->checks;
    pithi_quant_runner runner;
    pith_graph *clone = NULL;
    void *block = NULL;
    size_t n_bytes = 0;
    pith_status status = PITH_OK;
    int n = quant->options->verify ? quant->options->verify->n_samples : quant->n_held;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n * (size_t)quant->n_outputs, sizeof(pith_tensor), &block));
    checks->references = block;
    PITH_TRY(pithi_graph_clone(quant->graph, &clone));
    pithi_quant_number(quant->graph);
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    for (int k = 0; k < n && n_bytes < MAX_KEPT_BYTES; k++) {
        PITH_TRY_GOTO(run_sample(quant, &runner, k), done);
        for (int i = 0; i < quant->n_outputs; i++) {
            const pith_tensor *output = pith_session_output(runner.session, i);
            PITH_TRY_GOTO(keep_output(quant, output, &checks->references[k * quant->n_outputs + i]), done);
            n_bytes += pith_tensor_bytes(output);
        }
        checks->n = k + 1;
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}

/* ---- the quantised one --------------------------------------------------------------------- */

typedef struct tally {
    int n_labelled, n_right, n_float_right, n_agree;
    int64_t offset;
} tally;

static void count(const pithi_quant *quant, const pithi_quant_runner *runner, int k, tally *t)
{
    const pith_tensor *reference = &quant->checks.references[k * quant->n_outputs];
    int64_t wanted = best_of(reference), got = best_of(pith_session_output(runner->session, 0));
    int64_t label = label_of(quant, k);
    t->n_agree += wanted == got;
    t->n_labelled += label >= 0;
    t->n_float_right += label >= 0 && wanted == label + t->offset;
    t->n_right += label >= 0 && got == label + t->offset;
}

static void summarise(const tally *t, bool classifies, pithi_quant_verdict *verdict)
{
    if (!classifies) {
        verdict->kind = PITH_DROP_NOISE;
        verdict->drop = 100.0 * pithi_quant_noise(verdict->sqnr_db);
    } else if (t->n_labelled > 0) {
        verdict->kind = PITH_DROP_TOP1;
        verdict->top1_float = 100.0 * t->n_float_right / t->n_labelled;
        verdict->top1 = 100.0 * t->n_right / t->n_labelled;
        verdict->drop = verdict->top1_float - verdict->top1;
    } else {
        verdict->kind = PITH_DROP_AGREEMENT;
        verdict->drop = 100.0 - 100.0 * t->n_agree / verdict->n;
    }
}

/* Of the plan for the sample that was read last. */
static pith_status learn_ram(const pithi_quant *quant, const pithi_quant_runner *runner, size_t *n_bytes_out)
{
    pith_shape shapes[64];
    pith_cost_report cost;
    int n = pith_model_n_inputs(runner->model);
    if (n > PITH_COUNT(shapes)) {
        return PITH_OK;
    }
    for (int i = 0; i < n; i++) {
        shapes[i] = runner->inputs[i].shape;
    }
    PITH_TRY(pith_model_cost(runner->model, shapes, quant->options->n_threads, &cost));
    *n_bytes_out = cost.arena_bytes;
    return PITH_OK;
}

pith_status pithi_quant_verify(pithi_quant *quant, pith_graph *graph, pithi_quant_verdict *verdict_out)
{
    pithi_quant_runner runner;
    pithi_quant_error_sums sums = { 0 };
    pith_status status = quant->checks.references ? PITH_OK : keep_references(quant);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    bool classifies = is_classifier(quant);
    tally t = { .offset = label_offset(quant) };
    PITH_TRY(pithi_quant_start(quant, graph, &runner));
    PITH_TRY_GOTO(pithi_quant_sums_create(quant, quant->n_outputs, &sums), done);
    for (int k = 0; k < quant->checks.n; k++) {
        PITH_TRY_GOTO(run_sample(quant, &runner, k), done);
        const pith_tensor *references = &quant->checks.references[k * quant->n_outputs];
        PITH_TRY_GOTO(pithi_quant_sums_add(quant, &sums, references, &runner), done);
        if (classifies) {
            count(quant, &runner, k, &t);
        }
    }
    *verdict_out = (pithi_quant_verdict){ .n = quant->checks.n,
                                          .sqnr_db = pithi_quant_sums_error(&sums).sqnr_db };
    summarise(&t, classifies, verdict_out);
    PITH_TRY_GOTO(learn_ram(quant, &runner, &verdict_out->ram_bytes), done);
done:
    pithi_quant_sums_destroy(quant, &sums);
    pithi_quant_stop(quant, &runner);
    return status;
}
