/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: run a model on inputs. */
#ifndef PITH_SESSION_H
#define PITH_SESSION_H

#include "pith/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Memory and threads for running one model. One thread at a time may use a session. */
typedef struct pith_session pith_session;

/**
 * Threads of the caller's own. Parts may be taken in any order and by any thread, but no two at the same time with the
 * same worker number, which indexes scratch memory.
 */
typedef struct pith_thread_pool {
    int n_threads; /**< Workers that take part at most, the calling thread included: 1 to 1024. */
    /** Calls part(context, i, worker) once for each i in [0, n_parts), worker in [0, n_threads), and returns when all
     *  have returned. Called by the thread that runs the session, never within itself. */
    void (*parallel_for)(void *user, int n_parts, void (*part)(void *context, int i, int worker), void *context);
    void *user;    /**< Passed through. */
} pith_thread_pool;

/** How a session runs. Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_session_options {
    int n_threads;      /**< Caller included; 0: one per physical core of this process's CPU set, without
                             slow kinds of cores (docs/threads.md). */
    int keep_denormals; /**< 1: denormal floats are computed exactly; 0: they count as zero. */
    int spin_us;        /**< How long a worker spins before it parks; 0: 50 us; negative: never spins. */
    int steady_threads; /**< 1: all threads in every run; 0: runs are left to some of them or to the calling one while
                             they are faster so (small networks, cores taken by others), found out by trial runs now
                             and then. */
    const pith_thread_pool *pool; /**< Copied; instead of threads of the session's own (n_threads and spin_us don't
                                       count then). NULL: none. */
} pith_session_options;

/**
 * Creates a session.
 *
 * @param model    Must outlive the session; may be shared by sessions of the same thread.
 * @param options  NULL for defaults.
 */
pith_status pith_session_create(pith_model *model, const pith_session_options *options,
                                pith_session **session_out);

/** Destroys a session and joins its threads; NULL is allowed. */
void pith_session_destroy(pith_session *session);

/**
 * Runs the model once.
 *
 * @param inputs    One view per model input, in order; borrowed during the call. Dtypes must equal
 *                  the model's, shapes must agree with its known dimensions.
 * @param n_inputs  Must equal pith_model_n_inputs().
 * @retval PITH_STATUS_SHAPE  A view disagrees with the model; the message names it.
 * @retval PITH_STATUS_ARG    A value is outside what an operator allows (a gather index, say).
 *
 * The first run with a set of shapes plans and allocates; further runs with the same shapes
 * allocate nothing (unless shapes inside depend on data). The same inputs give the same bits for
 * any number of threads.
 */
pith_status pith_session_run(pith_session *session, const pith_tensor *inputs, int n_inputs);

/** Output of the last successful run. Borrowed until the next run or destroy; NULL before. */
const pith_tensor *pith_session_output(const pith_session *session, int index);

/** Threads that the session uses. */
int pith_session_n_threads(const pith_session *session);

/**
 * Values of the last run by name, when the model was loaded with keep_all_values: the outputs of
 * every node that survived optimisation, in execution order. `name` is the value's name in the
 * file. Returns NULL past the end.
 */
const pith_tensor *pith_session_value(const pith_session *session, int index, const char **name_out);

#ifdef __cplusplus
}
#endif
#endif
