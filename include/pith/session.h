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

/** How a session runs. Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_session_options {
    int n_threads;      /**< Caller included; 0: one per physical core of this process's CPU set. */
    int keep_denormals; /**< 1: denormal floats are computed exactly; 0: they count as zero. */
    int spin_us;        /**< How long a worker spins before it parks; 0: 50 us; negative: never spins. */
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
