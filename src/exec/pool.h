/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pool: the caller takes part; workers spin for a while after work, then park and take no CPU. */
#ifndef PITH_EXEC_POOL_H
#define PITH_EXEC_POOL_H

#include "pith/session.h"

#include "base/base.h"

typedef struct pithi_exec_pool pithi_exec_pool;

/* `n_threads` counts the caller. Workers treat denormals as zero unless `keep_denormals`. */
/* Bytes that a pool allocates. */
size_t pithi_exec_pool_bytes(int n_threads);
/* With `own` (copied; NULL: none) no threads are started: the caller's run the parts. */
pith_status pithi_exec_pool_create(pith_ctx *ctx, int n_threads, int spin_us, bool keep_denormals,
                                   const pith_thread_pool *own, pithi_exec_pool **pool_out);
void pithi_exec_pool_destroy(pithi_exec_pool *pool); /* NULL is allowed */

/* What a job takes beyond its work: base_ns + each_ns (n - 1) for n threads. */
typedef struct pithi_handover {
    double base_ns, each_ns;
} pithi_handover;

/* Threads for a job of so much work (on one thread), up to `most`: work / n + a multiple of each_ns (n - 1) is least at
 * the square root. 1 where that gains nothing. */
int pithi_handover_width(pithi_handover handover, double work_ns, int most);
/* What such a job then takes, by that estimate. */
double pithi_handover_run_ns(pithi_handover handover, double work_ns, int most);
/* Measured between spinning threads of the pool, in a run soon after the first one. */
pithi_handover pithi_exec_pool_handover(const pithi_exec_pool *pool);
/* For tests: isn't measured, then. */
void pithi_exec_pool_set_handover(pithi_exec_pool *pool, pithi_handover handover);

/* Between begin and end the first `n_active` threads don't park: wakes them once for many small jobs. Jobs from then on
 * go to these; another that still looks through shares of the run before may take a part: memory is for all workers. */
void pithi_exec_pool_begin(pithi_exec_pool *pool, int n_active);
void pithi_exec_pool_end(pithi_exec_pool *pool);

/* `follows`: this worker has just run part - 1 of the same job. */
typedef void pithi_job_fn(void *user, int part, int worker, bool follows);

/* Calls fn for every part in [0, n_parts), n_parts < 65536; returns when all are done. worker is in
 * [0, n_threads); 0 is the caller. Equal shares of neighbouring parts go to the same workers in each job of as
 * many parts, as long as all keep up; a job of fewer parts than threads touches no more threads than that. One
 * job at a time. */
void pithi_exec_pool_run(pithi_exec_pool *pool, int n_parts, pithi_job_fn *fn, void *user);

#endif
