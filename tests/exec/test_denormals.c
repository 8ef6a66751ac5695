/* SPDX-License-Identifier: Apache-2.0 */
/* Denormal floats count as zero during a run, unless they are kept; the caller's threads stay in the state they had. */
#include <pthread.h>
#include <stdlib.h>

#include "pith/session.h"
#include "platform/platform.h"
#include "support/test.h"

#define COUNT 200000 /* so that there is work for every thread */

/* A denormal result, and a normal one of a denormal operand. */
static const char graph[] = "pith-graph 1\n"
                            "graph \"denormals\"\n"
                            "input %x:f32[200000]\n"
                            "input %small:f32[1]\n"
                            "input %large:f32[1]\n"
                            "%y:f32[200000] = mul(%x, %small)\n"
                            "%z:f32[200000] = mul(%y, %large)\n"
                            "output %y\n"
                            "output %z\n";

static bool is_flushing(void)
{
    volatile float tiny = 1e-30f;
    volatile float product = tiny * 1e-10f;
    return product == 0.0f;
}

typedef struct part_call {
    void (*part)(void *context, int i, int worker);
    void *context;
    int i;
    bool was_flushing, is_flushing_after;
} part_call;

static void *run_part(void *user)
{
    part_call *call = user;
    call->was_flushing = is_flushing();
    call->part(call->context, call->i, 0);
    call->is_flushing_after = is_flushing();
    return NULL;
}

typedef struct caller_pool {
    int n_parts, n_changed; /* parts that left their thread in another state */
} caller_pool;

/* Each part on a thread of its own, one after the other. */
static void parallel_for(void *user, int n_parts, void (*part)(void *context, int i, int worker), void *context)
{
    caller_pool *pool = user;
    for (int i = 0; i < n_parts; i++) {
        part_call call = { part, context, i, false, false };
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_part, &call) == 0) {
            pthread_join(thread, NULL);
            pool->n_parts++;
            pool->n_changed += call.is_flushing_after != call.was_flushing;
        }
    }
}

static void check_run(pith_test *test, const pith_session_options *options, bool keeps)
{
    static float x[COUNT], small = 1e-10f, large = 1e20f;
    pith_model *model = NULL;
    pith_session *session = NULL;
    const pith_tensor inputs[] = { { PITH_DTYPE_F32, { 1, { COUNT } }, x },
                                   { PITH_DTYPE_F32, { 1, { 1 } }, &small },
                                   { PITH_DTYPE_F32, { 1, { 1 } }, &large } };
    for (int i = 0; i < COUNT; i++) {
        x[i] = 1e-30f;
    }
    const bool before = is_flushing();
    TEST_OK(test, pith_model_load_memory(test->ctx, graph, sizeof graph - 1, NULL, &model));
    TEST_OK(test, model ? pith_session_create(model, options, &session) : PITH_STATUS_INTERNAL);
    TEST_OK(test, session ? pith_session_run(session, inputs, 3) : PITH_STATUS_INTERNAL);
    TEST_CHECK(test, is_flushing() == before);
    const float *y = session ? pith_session_output(session, 0)->data : x;
    const float *z = session ? pith_session_output(session, 1)->data : x;
    int n_kept = 0, n_zero = 0;
    for (int i = 0; i < COUNT; i++) { /* by their bits, whatever this thread does with denormals */
        uint32_t y_bits, z_bits;
        memcpy(&y_bits, &y[i], sizeof y_bits);
        memcpy(&z_bits, &z[i], sizeof z_bits);
        n_kept += y_bits != 0 && z[i] > 0.9e-20f && z[i] < 1.1e-20f;
        n_zero += y_bits == 0 && z_bits == 0;
    }
    TEST_CHECK_MESSAGE(test, (keeps ? n_kept : n_zero) == COUNT, "%d kept, %d zero of %d", n_kept, n_zero, COUNT);
    pith_session_destroy(session);
    pith_model_destroy(model);
}

static void check_callers_pool(pith_test *test, bool keeps)
{
    caller_pool pool = { 0 };
    const pith_thread_pool description = { 4, parallel_for, &pool };
    check_run(test, &(pith_session_options){ .keep_denormals = keeps, .pool = &description }, keeps);
    TEST_CHECK_MESSAGE(test, pool.n_parts > 0 && pool.n_changed == 0, "%d of %d parts left another state",
                       pool.n_changed, pool.n_parts);
}

void test_denormals(pith_test *test)
{
    const uint32_t former = pithi_denormals_off();
    const bool can_flush = is_flushing();
    pithi_denormals_restore(former);
    if (!can_flush) {
        pith_test_case(test, "denormals");
        pith_test_skip(test, "this processor has no such mode that pith knows");
        return;
    }
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        pith_test_case(test, "zero, %d threads", n_threads);
        check_run(test, &(pith_session_options){ .n_threads = n_threads, .steady_threads = 1 }, false);
        pith_test_case(test, "kept, %d threads", n_threads);
        check_run(test, &(pith_session_options){ .n_threads = n_threads, .steady_threads = 1, .keep_denormals = 1 },
                  true);
    }
    pith_test_case(test, "zero, the caller's pool");
    check_callers_pool(test, false);
    pith_test_case(test, "kept, the caller's pool");
    check_callers_pool(test, true);
    pith_test_case(test, "a caller whose denormals are zero already");
    pithi_denormals_off();
    check_run(test, &(pith_session_options){ .n_threads = 2 }, false);
    pithi_denormals_restore(former);
}
