/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: a recorder looks on while the model runs again and again; each kind of rounds watches one thing, so that
 * watching doesn't disturb what else is measured. Facts of the plans are copied when a plan is first met. */
#include "exec/profile.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MAX_ROUNDS 1000
#define MIN_ROUNDS 5
#define PART_ROUNDS 7     /* the last one gives the events */
#define COUNTER_ROUNDS 5
#define DEFAULT_SECONDS 2.0

typedef enum mode { MODE_MEET, MODE_TIME, MODE_PARTS, MODE_COUNT } mode;

typedef struct profiler {
    pithi_recorder head;
    pithi_profile_data *data;
    pith_session *session;
    mode mode;
    pith_status status;
    int round, n_rounds;
    float *samples;        /* [row][round], ns */
    double *busy;          /* [row][thread], ns */
    double *counts;        /* [row][counter] */
    pith_profile_event *events;
    int events_capacity;
    _Atomic int n_events;
    bool keeps_events;
    int row;               /* of the step under way */
    _Atomic bool has_parts;
    uint64_t run_start, step_start;
    double clock_ns;
    pithi_counters counters;
    int counter_set;
    double before[PITHI_COUNTERS_MAX], read_cost[PITHI_COUNTERS_MAX];
} profiler;

/* ---- recorder ----------------------------------------------------------------------------- */

/* Row of a step; -1 for a plan that came up after the first run. */
static int row_of(profiler *p, const pithi_slot *slot, int step)
{
    const pith_plan *plan = slot->stretch->plan;
    for (int i = 0; i < p->data->n_plans; i++) {
        if (p->data->plans[i].plan == plan) {
            return p->data->plans[i].first_row + step;
        }
    }
    if (p->mode == MODE_MEET && p->status == PITH_OK) {
        p->status = pithi_profile_meet_plan(p->data, slot);
        return p->status == PITH_OK ? p->data->plans[p->data->n_plans - 1].first_row + step : -1;
    }
    return -1;
}

static void add_event(profiler *p, int worker, uint64_t start, uint64_t stop)
{
    p->has_parts = true;
    int at = atomic_fetch_add_explicit(&p->n_events, 1, memory_order_relaxed);
    if (p->keeps_events && at < p->events_capacity) {
        p->events[at] = (pith_profile_event){ p->row, worker, (double)(start - p->run_start),
                                              (double)(stop - p->run_start) };
    }
}

static void before(pithi_recorder *recorder, const pithi_slot *slot, int step)
{
    profiler *p = (profiler *)recorder;
    p->row = row_of(p, slot, step);
    p->has_parts = false;
    if (p->mode == MODE_COUNT) {
        pithi_counters_read(&p->counters, p->counter_set, p->before);
    }
    p->step_start = pithi_clock_ns();
}

static void count(profiler *p)
{
    double now[PITHI_COUNTERS_MAX];
    if (p->row < 0 || !pithi_counters_read(&p->counters, p->counter_set, now)) {
        return;
    }
    int first = p->counters.first[p->counter_set];
    for (int i = first; i < first + p->counters.count[p->counter_set]; i++) {
        double difference = now[i] - p->before[i] - p->read_cost[i];
        p->counts[p->row * p->counters.n_counters + i] += fmax(difference, 0.0) / COUNTER_ROUNDS;
    }
}

static void after(pithi_recorder *recorder, const pithi_slot *slot, int step, int n_parts)
{
    profiler *p = (profiler *)recorder;
    uint64_t now = pithi_clock_ns();
    (void)slot;
    (void)step;
    if (p->row < 0) {
        return;
    }
    if (p->mode == MODE_MEET) {
        pith_profile_step *row = &p->data->steps[p->row];
        row->n_parts = n_parts;
        row->n_calls += 1.0;
    } else if (p->mode == MODE_TIME) {
        double ns = fmax((double)(now - p->step_start) - p->clock_ns, 0.0);
        p->samples[(size_t)p->row * (size_t)p->n_rounds + (size_t)p->round] += (float)ns;
    } else if (p->mode == MODE_COUNT) {
        count(p);
    } else if (!p->has_parts) { /* the reference runs whole */
        p->head.part(recorder, 0, p->step_start, now);
    }
    if (p->mode == MODE_PARTS && p->keeps_events) {
        pith_profile_step *row = &p->data->steps[p->row];
        row->start_ns = row->stop_ns > 0.0 ? row->start_ns : (double)(p->step_start - p->run_start);
        row->stop_ns = (double)(now - p->run_start);
    }
}

static void part(pithi_recorder *recorder, int worker, uint64_t start_ns, uint64_t stop_ns)
{
    profiler *p = (profiler *)recorder;
    if (p->row >= 0) {
        p->busy[p->row * p->session->n_threads + worker] += (double)(stop_ns - start_ns) / PART_ROUNDS;
        add_event(p, worker, start_ns, stop_ns);
    }
}

/* ---- rounds ------------------------------------------------------------------------------- */

typedef struct call {
    const pith_tensor *inputs;
    int n_inputs;
} call;

static pith_status run_watched(profiler *p, const call *c, mode watched)
{
    p->mode = watched;
    p->head.times_parts = watched == MODE_PARTS;
    p->session->recorder = &p->head;
    p->run_start = pithi_clock_ns();
    pith_status status = pith_session_run(p->session, c->inputs, c->n_inputs);
    p->session->recorder = NULL;
    return status == PITH_OK ? p->status : status;
}

static pith_status run_plain(profiler *p, const call *c, double *ns_out)
{
    uint64_t start = pithi_clock_ns();
    pith_status status = pith_session_run(p->session, c->inputs, c->n_inputs);
    *ns_out = (double)(pithi_clock_ns() - start);
    return status;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double middle(float *values, int n_values)
{
    qsort(values, (size_t)n_values, sizeof *values, by_value);
    return ((double)values[(n_values - 1) / 2] + (double)values[n_values / 2]) / 2.0;
}

/* Median over the rounds of whole run minus steps: single runs that were held up don't count. */
static pith_status find_outside(profiler *p, const float *runs)
{
    void *block = NULL;
    size_t n_rounds = (size_t)p->n_rounds;
    PITH_TRY(pithi_alloc_array(p->session->ctx, n_rounds, sizeof(float), &block));
    float *outside = block;
    for (size_t r = 0; r < n_rounds; r++) {
        double steps = 0.0;
        for (size_t i = 0; i < (size_t)p->data->out.n_steps; i++) {
            steps += (double)p->samples[i * n_rounds + r];
        }
        outside[r] = (float)((double)runs[r] - steps);
    }
    p->data->out.outside_ns = middle(outside, p->n_rounds);
    pithi_free(p->session->ctx, block);
    return PITH_OK;
}

static pith_status time_rounds(profiler *p, const call *c)
{
    pith_profile *out = &p->data->out;
    void *samples = NULL, *runs = NULL;
    size_t n_rounds = (size_t)p->n_rounds;
    pith_status status = PITH_OK;
    double ns;
    PITH_TRY_GOTO(pithi_alloc_array(p->session->ctx, (size_t)out->n_steps * n_rounds, sizeof(float), &samples), done);
    PITH_TRY_GOTO(pithi_alloc_array(p->session->ctx, n_rounds, sizeof(float), &runs), done);
    p->samples = samples;
    double joules = pithi_energy_joules();
    for (p->round = 0; p->round < p->n_rounds; p->round++) {
        PITH_TRY_GOTO(run_plain(p, c, &ns), done);
        ((float *)runs)[p->round] = (float)ns;
        PITH_TRY_GOTO(run_watched(p, c, MODE_TIME), done);
    }
    out->joules_per_run = (pithi_energy_joules() - joules) / (2.0 * p->n_rounds);
    PITH_TRY_GOTO(find_outside(p, runs), done);
    out->run_median_ns = middle(runs, p->n_rounds);
    out->run_min_ns = (double)((float *)runs)[0];
    for (int i = 0; i < out->n_steps; i++) {
        float *row = p->samples + (size_t)i * n_rounds;
        p->data->steps[i].median_ns = middle(row, p->n_rounds);
        p->data->steps[i].min_ns = (double)row[0];
        out->steps_ns += p->data->steps[i].median_ns;
    }
done:
    pithi_free(p->session->ctx, samples);
    pithi_free(p->session->ctx, runs);
    return status;
}

static pith_status part_rounds(profiler *p, const call *c)
{
    pith_profile *out = &p->data->out;
    size_t n_threads = (size_t)p->session->n_threads;
    void *busy = NULL, *events = NULL;
    PITH_TRY(pithi_arena_array(&p->data->memory, (size_t)out->n_steps * n_threads, sizeof(double), &busy));
    p->busy = busy;
    for (int i = 0; i < PART_ROUNDS; i++) {
        if (i == PART_ROUNDS - 1) {
            p->events_capacity = atomic_load(&p->n_events);
            PITH_TRY(pithi_arena_array(&p->data->memory, (size_t)p->events_capacity, sizeof(pith_profile_event),
                                       &events));
            p->events = events;
            p->keeps_events = true;
        }
        atomic_store(&p->n_events, 0);
        PITH_TRY(run_watched(p, c, MODE_PARTS));
    }
    int n_events = atomic_load(&p->n_events);
    out->events = p->events;
    out->n_events = n_events < p->events_capacity ? n_events : p->events_capacity;
    for (int i = 0; i < out->n_steps && n_threads > 1; i++) {
        p->data->steps[i].busy_ns = p->busy + (size_t)i * n_threads;
    }
    return PITH_OK;
}

static void find_read_cost(profiler *p)
{
    double a[PITHI_COUNTERS_MAX] = { 0 }, b[PITHI_COUNTERS_MAX] = { 0 };
    for (int set = 0; set < PITHI_COUNTER_SETS; set++) {
        for (int i = 0; i < 10; i++) {
            pithi_counters_read(&p->counters, set, a);
            pithi_counters_read(&p->counters, set, b);
        }
    }
    for (int i = 0; i < p->counters.n_counters; i++) {
        p->read_cost[i] = b[i] - a[i];
    }
}

static pith_status counter_rounds(profiler *p, const call *c)
{
    pith_profile *out = &p->data->out;
    size_t n = (size_t)p->counters.n_counters;
    void *counts = NULL;
    if (n == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&p->data->memory, (size_t)out->n_steps * n, sizeof(double), &counts));
    p->counts = counts;
    find_read_cost(p);
    for (p->counter_set = 0; p->counter_set < PITHI_COUNTER_SETS; p->counter_set++) {
        for (int i = 0; i < COUNTER_ROUNDS && p->counters.count[p->counter_set]; i++) {
            PITH_TRY(run_watched(p, c, MODE_COUNT));
        }
    }
    for (int i = 0; i < out->n_steps; i++) {
        p->data->steps[i].counters = p->counts + (size_t)i * n;
        pithi_counters_topdown(&p->counters, p->counts + (size_t)i * n, p->data->steps[i].topdown);
    }
    return PITH_OK;
}

/* ---- all ---------------------------------------------------------------------------------- */

static double clock_cost(void)
{
    enum { N = 1000 };
    uint64_t start = pithi_clock_ns(), last = start;
    for (int i = 0; i < N; i++) {
        last = pithi_clock_ns();
    }
    return (double)(last - start) / N;
}

static pith_status open_counters(profiler *p, const pith_profile_options *options)
{
    pith_profile *out = &p->data->out;
    void *names = NULL;
    if (!options->no_counters) {
        pithi_counters_open(&p->counters);
    }
    PITH_TRY(pithi_arena_array(&p->data->memory, PITHI_COUNTERS_MAX, sizeof(char *), &names));
    memcpy(names, p->counters.names, sizeof p->counters.names);
    out->counter_names = names;
    out->n_counters = p->counters.n_counters;
    const char *note = options->no_counters ? "switched off" : p->counters.note;
    return pithi_arena_text(&p->data->memory, note, strlen(note), &out->counters_note);
}

static pith_status profile_all(profiler *p, const call *c, const pith_profile_options *options)
{
    pith_profile *out = &p->data->out;
    double ns = 0.0, seconds = options->max_seconds > 0.0 ? options->max_seconds : DEFAULT_SECONDS;
    PITH_TRY(run_plain(p, c, &ns)); /* plans and packs */
    PITH_TRY(run_watched(p, c, MODE_MEET));
    PITH_TRY(run_plain(p, c, &ns));
    double fitting = seconds * 1e9 / (2.0 * ns + 1.0);
    p->n_rounds = options->n_rounds ? options->n_rounds : (int)fmin(fmax(fitting, MIN_ROUNDS), MAX_ROUNDS);
    p->clock_ns = clock_cost();
    out->n_threads = p->session->n_threads;
    out->n_rounds = p->n_rounds;
    out->energy_note = "this machine shows no energy counter (RAPL), or it may not be read";
    PITH_TRY(open_counters(p, options));
    PITH_TRY(time_rounds(p, c));
    PITH_TRY(part_rounds(p, c));
    if (!isnan(out->joules_per_run)) {
        out->energy_note = "";
    }
    return counter_rounds(p, c);
}

pith_status pith_session_profile(pith_session *session, const pith_tensor *inputs, int n_inputs,
                                 const pith_profile_options *options, pith_profile **profile_out)
{
    static const pith_profile_options defaults = { 0 };
    const pith_profile_options *o = options ? options : &defaults;
    pithi_program *program = &session->model->program;
    PITH_CHECK(session->ctx, o->n_rounds >= 0 && o->n_rounds <= 1000000, PITH_STATUS_ARG,
               "n_rounds is %d; it must be 0 (automatic) to 1000000", o->n_rounds);
    void *block = NULL;
    PITH_TRY(pithi_alloc(session->ctx, sizeof(pithi_profile_data), &block));
    pithi_profile_data *data = block;
    data->memory.ctx = session->ctx;
    profiler p = { .head = { before, after, part, false }, .data = data, .session = session };
    call c = { inputs, n_inputs };
    size_t ceiling = program->max_cached_bytes;
    program->max_cached_bytes = SIZE_MAX; /* plans must stay while their rows are filled */
    pith_status status = profile_all(&p, &c, o);
    program->max_cached_bytes = ceiling;
    pithi_counters_close(&p.counters);
    if (status != PITH_OK) {
        pith_profile_destroy(&data->out);
        return status;
    }
    data->out.weight_bytes = pithi_pack_cache_bytes(program->packs);
    status = pithi_profile_find_islands(data);
    if (status != PITH_OK) {
        pith_profile_destroy(&data->out);
        return status;
    }
    *profile_out = &data->out;
    return PITH_OK;
}

void pith_profile_destroy(pith_profile *profile)
{
    if (profile) {
        pithi_profile_data *data = (pithi_profile_data *)profile; /* `out` is its first member */
        pith_ctx *ctx = data->memory.ctx;
        pithi_free(ctx, data->steps);
        pithi_free(ctx, data->blocks);
        pithi_free(ctx, data->plans);
        pithi_arena_deinit(&data->memory);
        pithi_free(ctx, data);
    }
}
