/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the steps of a bound plan: into how many parts each is cut, and who runs them. */
#include "exec/internal.h"

#include <stdatomic.h>

#include "platform/platform.h"

/* Parts are claimed one by one, so with more parts than threads a worker that was held up leaves work to others. */
#define PARTS_PER_THREAD 2
#define FINE_PARTS_PER_THREAD 4
#define FINE_PART_NS 10000.0 /* from so much work on a part may be finer */
#define LEAST_PART_NS 500.0
#define FAR 2.0 /* times as much as others a hand-over between threads that share no cache counts: it isn't measured */
#define WORTH 0.9 /* of the time with those near each other, for all to begin */

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

static int count_parts(const pith_step *step, int n_threads, pithi_handover handover)
{
    int most = step->max_parts, fine = n_threads * FINE_PARTS_PER_THREAD;
    if (n_threads == 1 || most <= 1) {
        return 1;
    }
    int width = pithi_handover_width(handover, step->work_ns, most < n_threads ? most : n_threads);
    if (width < n_threads) {
        return width;
    }
    double worth = step->work_ns / LEAST_PART_NS;
    int wanted = step->work_ns > fine * FINE_PART_NS ? fine : n_threads * PARTS_PER_THREAD;
    wanted = worth < wanted ? (int)worth : wanted;
    wanted = wanted > width ? wanted : width;
    return most < wanted ? most : wanted;
}

static double estimate_ns(const pith_plan *plan, int n_threads, pithi_handover handover)
{
    double sum = 0.0;
    for (int i = 0; i < plan->n_steps; i++) {
        const pith_step *step = &plan->steps[i];
        int most = step->max_parts < n_threads ? step->max_parts : n_threads;
        sum += pithi_handover_run_ns(handover, step->work_ns, most);
    }
    return sum;
}

int pithi_session_first_threads(const pith_session *session, const pith_plan *plan)
{
    pithi_handover near = pithi_exec_pool_handover(session->pool);
    pithi_handover far = { FAR * near.base_ns, FAR * near.each_ns };
    bool is_worth = session->n_near >= session->n_threads ||
                    estimate_ns(plan, session->n_threads, far) < WORTH * estimate_ns(plan, session->n_near, near);
    return is_worth ? session->n_threads : session->n_near;
}

/* Returns the number of parts. */
static int run_step(pith_session *session, const pithi_slot *slot, int index, int n_threads, pithi_recorder *recorder)
{
    const pith_step *step = &slot->stretch->plan->steps[index];
    if (!step->use_run) {
        pithi_op_run_ref(&slot->runs[index]);
        return 1;
    }
    step_job job = { &slot->runs[index], step, slot->arena + step->scratch_offset, 0,
                     count_parts(step, n_threads, pithi_exec_pool_handover(session->pool)), recorder };
    if (job.n_parts == 1 && !recorder) {
        for (; job.phase < step->n_phases; job.phase++) {
            run_part(&job, 0, 0, false);
        }
        return 1;
    }
    for (; job.phase < step->n_phases; job.phase++) {
        pithi_exec_pool_run(session->pool, job.n_parts,
                            recorder && recorder->times_parts ? run_part_recorded : run_part, &job);
    }
    return job.n_parts;
}

/* Steps that don't depend on each other as one job: its parts are those of the steps, one step after the other. */
typedef struct joint_job {
    const pith_run *runs;
    const pith_step *steps;
    char *arena;
    int first_part[PITHI_MAX_TOGETHER + 1]; /* of each step, then how many there are */
} joint_job;

static void run_joint_part(void *user, int index, int worker, bool follows)
{
    const joint_job *job = user;
    int i = 0;
    while (index >= job->first_part[i + 1]) {
        i++;
    }
    const pith_step *step = &job->steps[i];
    int first = job->first_part[i], n_parts = job->first_part[i + 1] - first;
    size_t scratch = step->scratch_offset + (n_parts > 1 ? (size_t)worker : 0) * step->scratch_bytes;
    pith_part part = { index - first, n_parts, 0, job->arena + scratch, follows && index > first };
    step->node->op->run(&job->runs[i], &part);
}

/* Parts of equal work, whichever step they are of. */
static void run_joint(pith_session *session, const pithi_slot *slot, int index, int n_threads)
{
    const pith_step *steps = &slot->stretch->plan->steps[index];
    joint_job job = { &slot->runs[index], steps, slot->arena, { 0 } };
    double total_ns = 0.0;
    for (int i = 0; i < steps->n_together; i++) {
        total_ns += steps[i].work_ns;
    }
    int width = pithi_handover_width(pithi_exec_pool_handover(session->pool), total_ns, n_threads);
    double part_ns = total_ns / (width < n_threads ? width : n_threads * PARTS_PER_THREAD);
    part_ns = part_ns > LEAST_PART_NS ? part_ns : LEAST_PART_NS;
    for (int i = 0; i < steps->n_together; i++) {
        int n_parts = (int)(steps[i].work_ns / part_ns + 0.5);
        n_parts = n_parts < steps[i].max_parts ? n_parts : steps[i].max_parts;
        job.first_part[i + 1] = job.first_part[i] + (n_parts > 1 ? n_parts : 1);
    }
    for (int i = 0; width == 1 && i < steps->n_together; i++) { /* each is one part then */
        run_joint_part(&job, i, 0, false);
    }
    if (width > 1) {
        pithi_exec_pool_run(session->pool, job.first_part[steps->n_together], run_joint_part, &job);
    }
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
        int n_together = slot->stretch->plan->steps[n_done].n_together;
        if (n_threads > 1 && n_together > 1) {
            run_joint(session, slot, n_done, n_threads);
            n_done += n_together;
        } else {
            run_step(session, slot, n_done++, n_threads, NULL);
        }
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

static int run_together(pith_session *session, const pithi_slot *slot, int n_threads)
{
    pithi_exec_pool_begin(session->pool, n_threads);
    int n_done = session->recorder ? run_recorded(session, slot) : run_plainly(session, slot, n_threads);
    pithi_exec_pool_end(session->pool);
    return n_done;
}

int pithi_session_run_steps(pith_session *session, pithi_slot *slot)
{
    if (session->n_threads == 1 || session->is_steady || session->recorder) {
        return run_together(session, slot, session->n_threads);
    }
    uint64_t start_ns = pithi_clock_ns();
    int n_threads = pithi_pace_threads(&slot->pace);
    int n_done = n_threads > 1 ? run_together(session, slot, n_threads) : run_plainly(session, slot, 1);
    const bool is_whole = n_done == slot->stretch->plan->n_steps &&
                          !atomic_load_explicit(&session->fault.is_set, memory_order_relaxed);
    if (is_whole) { /* others say nothing about how fast they are */
        pithi_pace_add(&slot->pace, (double)(pithi_clock_ns() - start_ns));
    }
    return n_done;
}
