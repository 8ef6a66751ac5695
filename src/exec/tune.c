/* SPDX-License-Identifier: Apache-2.0 */
/* pith tune: the model is profiled with each way switched on for all steps at once, so a step is timed where it runs,
 * with its caches and neighbours, and a handful of profiles is all it takes. Then the whole is verified. */
#include "pith/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exec/internal.h"
#include "kernels/kernel.h"
#include "pith/profile.h"
#include "platform/machine.h"
#include "platform/platform.h"

#define MAX_VARIANTS 16
#define N_REPEATS 3          /* of each variant, in turns, if there is time; the best median counts */
#define DEFAULT_SECONDS 8.0
#define LEAST_GAIN 0.03      /* of a step's time: less is noise */
#define LEAST_GAIN_NS 300.0
#define N_TURNS 21           /* of the last comparison */
#define TURN_NS 40e6
#define N_PASS_TURNS 9       /* of a pass left out; all of it is compared again in the end */
#define PASS_TURN_NS 15e6
#define LEAST_WHOLE_GAIN 0.01
#define MOST_LOST_ALONE 0.01

/* Steps of one key: times of all variants. */
typedef struct tuned_step {
    uint64_t key;
    int n_choices, n_uses;
    double ns[MAX_VARIANTS];              /* sum of the uses' medians; INFINITY: not measured */
    bool is_other[MAX_VARIANTS];          /* another kernel, choice or cut than the default's */
    char kernel[64];                      /* the default's */
} tuned_step;

typedef struct tuner {
    pith_ctx *ctx;
    const char *path;
    const pith_tensor *inputs;
    int n_inputs;
    const pith_tune_options *options;
    pith_tune_report *report;
    pithi_tuned variants[MAX_VARIANTS];
    int n_variants, n_threads;
    tuned_step *steps;
    size_t steps_capacity;
    int n_steps;
    pithi_tuning result;
    char *passes;              /* left out: the caller's, and those of the result */
    void *pass_lists;          /* where they lie */
} tuner;

static void tell(const tuner *t, double done, const char *what)
{
    if (t->options->progress) {
        t->options->progress(t->options->user, done, what);
    }
}

/* ---- a model with a tuning ------------------------------------------------------------------ */

typedef struct subject {
    pith_model *model;
    pith_session *session;
} subject;

static void close_subject(subject *s)
{
    pith_session_destroy(s->session);
    pith_model_destroy(s->model);
    *s = (subject){ 0 };
}

static pith_status open_subject(const tuner *t, const pithi_tuning *tuning, const char *passes, int n_threads,
                                subject *s)
{
    pith_model_options model_options = { .disable_passes = passes, .tuning_file = "", .float16 = t->options->float16 };
    pith_session_options session_options = { .n_threads = n_threads };
    *s = (subject){ 0 };
    PITH_TRY(pith_model_load(t->ctx, t->path, &model_options, &s->model));
    s->model->program.tuning = tuning;
    pith_status status = pith_session_create(s->model, &session_options, &s->session);
    if (status == PITH_OK) {
        status = pith_session_run(s->session, t->inputs, t->n_inputs);
    }
    if (status != PITH_OK) {
        close_subject(s);
    }
    return status;
}

/* ---- two subjects in turns ------------------------------------------------------------------ */

typedef struct duel {
    int n_turns, n_won; /* by the second one */
    double turn_ns, ns[2];
} duel;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the runs that fit into one turn. */
static pith_status time_turn(const tuner *t, const subject *s, double turn_ns, double *ns_out)
{
    enum { MOST = 512 };
    double times[MOST];
    int n = 0;
    uint64_t begin = pithi_clock_ns(), now = begin;
    while (n < MOST && (n == 0 || (double)(now - begin) < turn_ns)) {
        uint64_t start = pithi_clock_ns();
        PITH_TRY(pith_session_run(s->session, t->inputs, t->n_inputs));
        now = pithi_clock_ns();
        times[n++] = (double)(now - start);
    }
    qsort(times, (size_t)n, sizeof *times, by_value);
    *ns_out = times[n / 2];
    return PITH_OK;
}

static int count_steps(const subject *s)
{
    int n = 0;
    for (int depth = 0; depth <= s->session->last_depth; depth++) {
        n += s->session->slots[depth].stretch->plan->n_steps;
    }
    return n;
}

static pith_status take_turns(const tuner *t, const subject subjects[2], duel *d)
{
    double ns[2][N_TURNS];
    d->n_won = 0;
    for (int i = 0; i < d->n_turns; i++) {
        tell(t, 0.85 + 0.15 * i / d->n_turns, "default and tuned in turns");
        PITH_TRY(time_turn(t, &subjects[i % 2], d->turn_ns, &ns[i % 2][i]));
        PITH_TRY(time_turn(t, &subjects[1 - i % 2], d->turn_ns, &ns[1 - i % 2][i]));
        d->n_won += ns[1][i] < ns[0][i];
    }
    for (int i = 0; i < 2; i++) {
        qsort(ns[i], (size_t)d->n_turns, sizeof **ns, by_value);
        d->ns[i] = ns[i][d->n_turns / 2];
    }
    return PITH_OK;
}

/* The model without the passes `first`, against it without `second` and with `tuning`. Without a tuning nothing is
 * timed (and nothing won) where the passes change nothing. */
static pith_status fight(const tuner *t, const char *first, const char *second, const pithi_tuning *tuning,
                         int n_threads, duel *d)
{
    subject subjects[2] = { 0 };
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(open_subject(t, NULL, first, n_threads, &subjects[0]), done);
    PITH_TRY_GOTO(open_subject(t, tuning, second, n_threads, &subjects[1]), done);
    if (tuning || count_steps(&subjects[0]) != count_steps(&subjects[1])) {
        PITH_TRY_GOTO(take_turns(t, subjects, d), done);
    }
done:
    close_subject(&subjects[0]);
    close_subject(&subjects[1]);
    return status;
}

/* ---- passes left out ------------------------------------------------------------------------ */

static pith_status try_passes(tuner *t)
{
    const char *given = t->options->disable_passes ? t->options->disable_passes : "";
    const size_t n_given = strlen(given), n_bytes = n_given + 1 + PITHI_PASS_LIST_BYTES;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(t->ctx, 2, n_bytes, &block));
    t->pass_lists = block;
    t->passes = block;
    char *tried = t->passes + n_bytes;
    memcpy(t->passes, given, n_given);
    for (unsigned i = 0; i < PITHI_TUNING_PASSES; i++) {
        char list[PITHI_PASS_LIST_BYTES];
        duel d = { .n_turns = N_PASS_TURNS, .turn_ns = PASS_TURN_NS };
        pithi_tuning_list_passes(t->result.passes_off | 1u << i, list);
        snprintf(tried, n_bytes, "%s%s%s", given, given[0] ? "," : "", list);
        PITH_TRY(fight(t, t->passes, tried, NULL, t->n_threads, &d));
        if (d.n_won >= N_PASS_TURNS - 1 && d.ns[1] < (1.0 - LEAST_WHOLE_GAIN) * d.ns[0]) {
            t->result.passes_off |= 1u << i;
            char *won = tried;
            tried = t->passes;
            t->passes = won;
        }
        t->report->n_variants += d.ns[0] > 0.0;
    }
    pithi_tuning_list_passes(t->result.passes_off, t->report->passes_off);
    return PITH_OK;
}

/* ---- variants ------------------------------------------------------------------------------- */

static pith_status step_of(tuner *t, uint64_t key, tuned_step **step_out)
{
    for (int i = 0; i < t->n_steps; i++) {
        if (t->steps[i].key == key) {
            *step_out = &t->steps[i];
            return PITH_OK;
        }
    }
    void *steps = t->steps;
    pith_status status =
        pithi_grow(t->ctx, &steps, &t->steps_capacity, (size_t)t->n_steps + 1, sizeof *t->steps);
    t->steps = steps;
    PITH_TRY(status);
    *step_out = &t->steps[t->n_steps++];
    (*step_out)->key = key;
    for (int v = 0; v < MAX_VARIANTS; v++) {
        (*step_out)->ns[v] = (double)INFINITY;
    }
    return PITH_OK;
}

/* Does the variant change anything for a step? */
static bool differs(const tuner *t, int variant, const tuned_step *step, const pith_profile_step *row)
{
    const pithi_tuned *tried = &t->variants[variant];
    if (tried->choice) {
        return tried->choice < step->n_choices;
    }
    if (tried->serial_at) {
        return row->max_parts > 1;
    }
    return tried->isa >= 0 && strncmp(step->kernel, row->kernel ? row->kernel : "", sizeof step->kernel - 1) != 0;
}

static pith_status take_rows(tuner *t, int variant, const pith_profile *profile)
{
    for (int i = 0; i < profile->n_steps; i++) {
        const pith_profile_step *row = &profile->steps[i];
        tuned_step *step = NULL;
        PITH_TRY(step_of(t, row->key, &step));
        if (variant == 0) {
            step->n_choices = row->n_choices;
            snprintf(step->kernel, sizeof step->kernel, "%s", row->kernel ? row->kernel : "");
        }
        step->is_other[variant] = differs(t, variant, step, row);
        bool is_first = true;
        for (int k = 0; k < i && is_first; k++) {
            is_first = profile->steps[k].key != row->key;
        }
        if (!is_first) {
            continue;
        }
        double sum = 0.0;
        for (int k = i; k < profile->n_steps; k++) {
            sum += profile->steps[k].key == row->key ? profile->steps[k].median_ns : 0.0;
        }
        step->ns[variant] = fmin(step->ns[variant], sum);
    }
    t->report->n_steps = profile->n_steps;
    return PITH_OK;
}

static pith_status try_variant(tuner *t, int variant, double seconds)
{
    subject s;
    pithi_tuning tuning = { .ctx = t->ctx, .fallback = t->variants[variant] };
    pith_profile_options options = { .max_seconds = seconds, .no_counters = 1 };
    pith_profile *profile = NULL;
    PITH_TRY(open_subject(t, &tuning, t->passes, t->n_threads, &s));
    pith_status status = pith_session_profile(s.session, t->inputs, t->n_inputs, &options, &profile);
    if (status == PITH_OK) {
        status = take_rows(t, variant, profile);
        pith_profile_destroy(profile);
    }
    close_subject(&s);
    return status;
}

static void list_variants(tuner *t)
{
    int most = 0;
    for (int i = 0; i < t->n_steps; i++) {
        most = t->steps[i].n_choices > most ? t->steps[i].n_choices : most;
    }
    for (int choice = 1; choice < most && t->n_variants < MAX_VARIANTS; choice++) {
        t->variants[t->n_variants++] = (pithi_tuned){ .choice = choice, .isa = -1 };
    }
    int best = pithi_isa_find(pith_ctx_isa(t->ctx));
    for (int isa = best - 1; isa > 0 && t->n_variants < MAX_VARIANTS; isa--) { /* 0 is portable: never the best */
        if (pithi_isa_is_available(isa)) {
            t->variants[t->n_variants++] = (pithi_tuned){ .isa = isa };
        }
    }
    if (t->n_threads > 1 && t->n_variants < MAX_VARIANTS) {
        t->variants[t->n_variants++] = (pithi_tuned){ .isa = -1, .serial_at = t->n_threads };
    }
}

static pith_status try_all(tuner *t)
{
    double seconds = t->options->max_seconds > 0.0 ? t->options->max_seconds : DEFAULT_SECONDS;
    uint64_t late_ns = pithi_clock_ns() + (uint64_t)(seconds * 0.85e9); /* loading takes time too */
    t->variants[t->n_variants++] = PITHI_TUNED_DEFAULT;
    tell(t, 0.0, "timing the default");
    PITH_TRY(try_variant(t, 0, seconds / 20.0));
    list_variants(t);
    for (int r = 0; r < N_REPEATS; r++) {
        for (int v = 0; v < t->n_variants && (r == 0 || pithi_clock_ns() < late_ns); v++) {
            char what[80];
            const pithi_tuned *tried = &t->variants[v];
            snprintf(what, sizeof what, "round %d of %d: %s %s", r + 1, N_REPEATS,
                     v == 0 ? "the default" : tried->choice ? "other algorithms"
                     : tried->serial_at ? "one thread a step" : "kernels of",
                     tried->isa >= 0 ? pithi_isa_name(tried->isa) : "");
            tell(t, 0.05 + 0.75 * (r * t->n_variants + v) / (N_REPEATS * t->n_variants), what);
            PITH_TRY(try_variant(t, v, 0.7 * seconds / (N_REPEATS * t->n_variants)));
        }
    }
    return PITH_OK;
}

static pith_status choose(tuner *t)
{
    for (int i = 0; i < t->n_steps; i++) {
        const tuned_step *step = &t->steps[i];
        int best = 0;
        bool has_others = false;
        for (int v = 1; v < t->n_variants; v++) {
            has_others = has_others || step->is_other[v];
            best = step->is_other[v] && step->ns[v] < step->ns[best] ? v : best;
        }
        t->report->n_candidates += has_others;
        double gain = step->ns[0] - step->ns[best];
        if (best > 0 && gain > LEAST_GAIN * step->ns[0] && gain > LEAST_GAIN_NS) {
            pithi_tuned entry = t->variants[best];
            entry.key = step->key;
            PITH_TRY(pithi_tuning_add(&t->result, &entry));
            t->report->n_changed++;
        }
    }
    return PITH_OK;
}

/* ---- verification --------------------------------------------------------------------------- */

static pith_status verify(tuner *t)
{
    pith_tune_report *report = t->report;
    const char *plain = t->options->disable_passes;
    duel all = { .n_turns = N_TURNS, .turn_ns = TURN_NS }, alone = all;
    report->n_rounds = N_TURNS;
    PITH_TRY(fight(t, plain, t->passes, &t->result, t->n_threads, &all));
    report->default_ns = all.ns[0];
    report->tuned_ns = all.ns[1];
    report->n_won = all.n_won;
    /* A fair coin wins 16 of 21 with a probability of 1.3 %. */
    report->is_kept = all.ns[1] < (1.0 - LEAST_WHOLE_GAIN) * all.ns[0] && all.n_won >= 16;
    if (t->n_threads > 1 && report->is_kept) {
        PITH_TRY(fight(t, plain, t->passes, &t->result, 1, &alone));
        report->alone_default_ns = alone.ns[0];
        report->alone_tuned_ns = alone.ns[1];
        report->is_kept = alone.ns[1] < (1.0 + MOST_LOST_ALONE) * alone.ns[0];
    }
    return PITH_OK;
}

static pith_status write_result(const tuner *t)
{
    pithi_topology topology;
    pithi_text text = { .ctx = t->ctx }, path = { .ctx = t->ctx };
    pith_status status = PITH_OK;
    pithi_topology_read(&topology);
    pithi_tuning_print(&t->result, topology.cpu, &text);
    pithi_text_add(&path, t->options->file ? "%s" : "%s.tune", t->options->file ? t->options->file : t->path);
    if (text.failed || path.failed) {
        status = pithi_fail(t->ctx, PITH_STATUS_NOMEM, "no memory for the text of the choices");
    } else {
        status = pithi_file_write(t->ctx, path.data, text.data, text.n_bytes);
    }
    pithi_text_deinit(&text);
    pithi_text_deinit(&path);
    return status;
}

static pith_status tune(tuner *t)
{
    PITH_TRY(try_passes(t));
    PITH_TRY(try_all(t));
    PITH_TRY(choose(t));
    t->report->n_variants += t->n_variants;
    if (t->report->n_changed == 0 && !t->result.passes_off) {
        return PITH_OK;
    }
    PITH_TRY(verify(t));
    return t->report->is_kept ? write_result(t) : PITH_OK;
}

pith_status pith_tune_model(pith_ctx *ctx, const char *path, const pith_tensor *inputs, int n_inputs,
                            const pith_tune_options *options, pith_tune_report *report_out)
{
    static const pith_tune_options defaults = { 0 };
    const pith_tune_options *o = options ? options : &defaults;
    PITH_CHECK(ctx, o->n_threads >= 0 && o->n_threads <= 1024, PITH_STATUS_ARG,
               "n_threads is %d; it must be 0 (automatic) to 1024", o->n_threads);
    *report_out = (pith_tune_report){ 0 };
    tuner t = { .ctx = ctx, .path = path, .inputs = inputs, .n_inputs = n_inputs, .options = o, .report = report_out,
                .n_threads = o->n_threads ? o->n_threads : pithi_cpu_count(),
                .result = { .ctx = ctx, .fallback = PITHI_TUNED_DEFAULT, .is_float16 = o->float16 != 0 } };
    t.result.n_threads = t.n_threads;
    pith_status status = tune(&t);
    pithi_tuning_deinit(&t.result);
    pithi_free(ctx, t.steps);
    pithi_free(ctx, t.pass_lists);
    return status;
}
