/* SPDX-License-Identifier: Apache-2.0 */
#include "support/promises.h"

#include <stdlib.h>

#include "exec/internal.h"
#include "graph/object.h"
#include "support/allocations.h"

#define MOST_OVER_BOUND 1.03
#define MAX_OUTPUTS 64

void pith_test_arena(pith_test *test, pith_model *model, const pith_shape *shapes)
{
    static const int threads[] = { 1, 2, 8, 32 };
    for (int i = 0; i < PITH_COUNT(threads); i++) {
        pith_cost_report report = { 0 };
        pith_status status = pith_model_cost(model, shapes, threads[i], &report);
        if (status != PITH_OK) { /* shapes that depend on data have no plan before a run */
            pith_ctx_clear_error(model->ctx);
            return;
        }
        TEST_CHECK_MESSAGE(test, (double)report.arena_bytes <= MOST_OVER_BOUND * (double)report.arena_lower_bound_bytes,
                           "an arena of %zu bytes with %d threads, where %zu are alive at once", report.arena_bytes,
                           threads[i], report.arena_lower_bound_bytes);
    }
}

static void check_same(pith_test *test, pith_tensor *first, const pith_session *session, int n_threads)
{
    for (int i = 0; i < pith_model_n_outputs(session->model) && i < MAX_OUTPUTS; i++) {
        const pith_tensor *output = pith_session_output(session, i);
        if (pithi_dtype_has_pointers(output->dtype)) {
            continue;
        }
        if (!first[i].data) {
            first[i] = *output;
            first[i].data = malloc(pith_tensor_bytes(output) + 1);
            memcpy(first[i].data, output->data, pith_tensor_bytes(output));
        }
        TEST_CHECK_MESSAGE(test, pith_shape_equal(&first[i].shape, &output->shape) &&
                                     memcmp(first[i].data, output->data, pith_tensor_bytes(output)) == 0,
                           "output %d has other bits with %d threads", i, n_threads);
    }
}

static void check_later_run(pith_test *test, pith_session *session, const pith_tensor *inputs, int n_inputs)
{
    if (session->last_depth > 0 || session->heap.n_bytes > 0 || !pith_test_counts_allocations()) {
        return;
    }
    pith_test_allocations_start();
    pith_status status = pith_session_run(session, inputs, n_inputs);
    long n = pith_test_allocations_stop();
    TEST_CHECK_MESSAGE(test, status == PITH_OK && n == 0, "%ld allocations in a later run with %d threads", n,
                       session->n_threads);
}

void pith_test_threads(pith_test *test, pith_model *model, const pith_tensor *inputs, int n_inputs,
                       const int *n_threads)
{
    /* Hand-overs that cost nothing use all threads everywhere; dear ones cut steps otherwise. */
    static const pithi_handover handovers[] = { { 0.0, 0.001 }, { 500.0, 1000.0 } };
    pith_tensor first[MAX_OUTPUTS] = { 0 };
    for (int i = 0; n_threads[i] && !test->case_failed; i++) {
        pith_session *session = NULL;
        pith_status status = pith_session_create(
            model, &(pith_session_options){ .n_threads = n_threads[i], .steady_threads = 1 }, &session);
        for (int h = 0; h < PITH_COUNT(handovers) && status == PITH_OK; h++) {
            pithi_exec_pool_set_handover(session->pool, handovers[h]);
            status = pith_session_run(session, inputs, n_inputs);
            if (status == PITH_OK) {
                check_same(test, first, session, n_threads[i]);
                check_later_run(test, session, inputs, n_inputs);
                check_same(test, first, session, n_threads[i]);
            }
        }
        TEST_CHECK_MESSAGE(test, status == PITH_OK, "%s", pith_ctx_error(model->ctx));
        pith_ctx_clear_error(model->ctx);
        pith_session_destroy(session);
    }
    for (int i = 0; i < MAX_OUTPUTS; i++) {
        free(first[i].data);
    }
}
