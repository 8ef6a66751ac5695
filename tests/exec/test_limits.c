/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings of a run: what would go beyond is refused before it is computed, the message names the ceiling, and the
 * session can be used again. */
#include "base/ctx.h"
#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

/* A loop that runs until its condition is false, which is never. */
static const char endless[] =
    "ir 8 ; opset 13 ; graph { input x f32[2,2] ; weight go bool[] raw 1\n"
    "node Loop _,go,x -> y as forever { graph body { input i s64[] ; input c bool[] ; input s f32[2,2]\n"
    "node Identity c -> d\nnode Add s,s -> t\noutput d bool[] ; output t f32[2,2] } }\noutput y f32[2,2] }";

static const char product[] =
    "ir 8 ; opset 13 ; graph { input x f32[64,64]\nnode MatMul x,x -> y\noutput y f32[64,64] }";

typedef struct running {
    pith_test *test;
    pith_proto proto;
    pith_model *model;
    pith_session *session;
} running;

static void start(running *r, const char *text)
{
    static const pith_session_options options = { .n_threads = 1 };
    TEST_CHECK(r->test, pith_proto_onnx(&r->proto, text));
    TEST_OK(r->test, pith_model_load_memory(r->test->ctx, r->proto.data, r->proto.n_bytes, NULL, &r->model));
    TEST_OK(r->test, pith_session_create(r->model, &options, &r->session));
}

static pith_status run(running *r)
{
    static float data[64 * 64];
    pith_tensor input = { PITH_DTYPE_F32, pith_model_input(r->model, 0)->shape, data };
    return pith_session_run(r->session, &input, 1);
}

static void stop(running *r)
{
    pith_session_destroy(r->session);
    pith_model_destroy(r->model);
    pith_proto_free(&r->proto);
}

void test_limits(pith_test *test)
{
    pith_limits saved = test->ctx->limits, *limits = &test->ctx->limits;
    pith_test_case(test, "iterations of a loop");
    running r = { .test = test };
    start(&r, endless);
    limits->max_iterations = 100;
    TEST_STATUS(test, run(&r), PITH_STATUS_LIMIT, "more than 100 iterations; pith_limits.max_iterations");
    pith_ctx_clear_error(test->ctx);

    pith_test_case(test, "time of a run");
    *limits = saved;
    limits->max_run_ms = 5;
    TEST_STATUS(test, run(&r), PITH_STATUS_LIMIT, "longer than 5 ms");
    pith_ctx_clear_error(test->ctx);
    stop(&r);

    pith_test_case(test, "operations of a run");
    *limits = saved;
    r = (running){ .test = test };
    start(&r, product);
    limits->max_operations = 1000;
    TEST_STATUS(test, run(&r), PITH_STATUS_LIMIT, "pith_limits.max_operations");
    pith_ctx_clear_error(test->ctx);
    *limits = saved;
    TEST_OK(test, run(&r));
    stop(&r);

    pith_test_case(test, "memory of a session");
    r = (running){ .test = test };
    start(&r, product);
    limits->max_memory_bytes = pith_ctx_memory_bytes(test->ctx) + 20000;
    TEST_STATUS(test, run(&r), PITH_STATUS_LIMIT, "pith_limits.max_memory_bytes (--max-memory) raises it");
    pith_ctx_clear_error(test->ctx);
    *limits = saved;
    TEST_OK(test, run(&r));
    stop(&r);
    TEST_CHECK(test, pith_ctx_memory_bytes(test->ctx) == 0);
}
