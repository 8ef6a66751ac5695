/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the steps of a bound plan: into how many parts each is cut, and who runs them. */
#include "exec/internal.h"

#include <stdatomic.h>

#include "platform/platform.h"

/* Parts are claimed one by one, so with more parts than threads a worker that was held up leaves work to others. */
#define PARTS_PER_THREAD 2
#define FINE_PARTS_PER_THREAD 4
#define FINE_PART_NS 10000.0 /* from so much work on a part may be finer */
/* A hand-over between spinning threads costs 0.1 to 0.3 us: less work than this isn't worth one. */
#define LEAST_PART_NS 500.0

typedef struct step_job {
    const pith_run *run;
    const pith_step *step;
    char *scratch;
    int phase, n_parts;
    pithi_recorder *recorder;
} step_job;

static void run_part(void *user, int index, int worker, bool follows)
{
    const step_job *job = user;
    pith_part part = { index, job->n_parts, job->phase, job->scratch + (size_t)worker * job->step->scratch_bytes,
                       follows };
    job->step->node->op->run(job->run, &part);
}

static void run_part_recorded(void *user, int index, int worker, bool follows)
{
    const step_job *job = user;
    uint64_t start_ns = pithi_clock_ns();
    run_part(user, index, worker, follows);
    job->recorder->part(job->recorder, worker, start_ns, pithi_clock_ns());
}

static int count_parts(const pith_step *step, int n_threads)
{
    double worth = step->work_ns / LEAST_PART_NS;
    int most = step->max_parts, fine = n_threads * FINE_PARTS_PER_THREAD;
    if (n_threads == 1 || most <= 1 || worth < 2.0) {
        return 1;
    }
    int wanted = step->work_ns > fine * FINE_PART_NS ? fine : n_threads * PARTS_PER_THREAD;
    wanted = worth < wanted ? (int)worth : wanted;
    return most < wanted ? most : wanted;
}

/* Returns the number of parts. */
static int run_step(pith_session *session, const pithi_slot *slot, int index, int n_threads, pithi_recorder *recorder)
{
    const pith_step *step = &slot->stretch->plan->steps[index];
    if (!step->use_run) {
        pithi_op_run_ref(&slot->runs[index]);
        return 1;
    }
    step_job job = { &slot->runs[index], step, slot->arena + step->scratch_offset, 0, count_parts(step, n_threads),
                     recorder };
    for (; job.phase < step->n_phases; job.phase++) {
        pithi_exec_pool_run(session->pool, job.n_parts,
                            recorder && recorder->times_parts ? run_part_recorded : run_part, &job);
    }
    return job.n_parts;
}

/* A value that an operator can't take, or the time for the run is over. */
static bool must_stop(const pith_session *session)
{
    return atomic_load_explicit(&session->fault.is_set, memory_order_relaxed) ||
           (session->deadline_ns && pithi_clock_ns() > session->deadline_ns);
}

static int run_plainly(pith_session *session, const pithi_slot *slot, int n_threads)
{
    int n_steps = slot->stretch->plan->n_steps, n_done = 0;
    while (n_done < n_steps && !must_stop(session)) {
        run_step(session, slot, n_done++, n_threads, NULL);
    }
    return n_done;
}

static int run_recorded(pith_session *session, const pithi_slot *slot)
{
    pithi_recorder *recorder = session->recorder;
    int n_steps = slot->stretch->plan->n_steps, n_done = 0;
    while (n_done < n_steps && !must_stop(session)) {
        recorder->before(recorder, slot, n_done);
        int n_parts = run_step(session, slot, n_done, session->n_threads, recorder);
        recorder->after(recorder, slot, n_done++, n_parts);
    }
    return n_done;
}

static int run_together(pith_session *session, const pithi_slot *slot)
{
    pithi_exec_pool_begin(session->pool);
    int n_done = session->recorder ? run_recorded(session, slot) : run_plainly(session, slot, session->n_threads);
    pithi_exec_pool_end(session->pool);
    return n_done;
}

int pithi_session_run_steps(pith_session *session, pithi_slot *slot)
{
    if (session->n_threads == 1 || session->is_steady || session->recorder) {
        return run_together(session, slot);
    }
    uint64_t start_ns = pithi_clock_ns();
    int n_done = pithi_pace_goes_together(&slot->pace) ? run_together(session, slot) : run_plainly(session, slot, 1);
    pithi_pace_add(&slot->pace, (double)(pithi_clock_ns() - start_ns));
    return n_done;
}
