/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions against a plain interpreter: the same results for any number of threads to the bit, no allocation
 * after planning, changing shapes under a cache ceiling, shapes that depend on data. */
#include <stdlib.h>

#include "exec/internal.h"
#include "support/graph_text.h"

#define MAX_OPERANDS 8

static const char *const graphs[] = {
    /* chains that may run in place, values with several users, an input that is an output */
    "input x f32[2,3,17]\n"
    "a = relu x\n"
    "b = add a x\n"
    "c = mul b b\n"
    "d = sigmoid c\n"
    "e = sub d a\n"
    "output e\noutput b\noutput x\n",
    /* views of inputs and of inner values as outputs */
    "input x f32[4,6]\n"
    "const s s64[1]{24}\n"
    "v = reshape x s\n"
    "r = relu v\n"
    "const t s64[2]{2,12}\n"
    "w = reshape r t\n"
    "output v\noutput w\n",
    /* concat, split, transpose */
    "input x f32[5,4,3]\n"
    "input y f32[5,4,3]\n"
    "c = concat x y | axis=2\n"
    "t = transpose c | perm=[2,0,1]\n"
    "u = tanh t\n"
    "p q = split u - | axis=0 num_outputs=2\n"
    "z = add p q\n"
    "output z\noutput q\n",
    /* broadcasting and a deep tail */
    "input x f32[7,1,9]\n"
    "const w f32[5,1]{1,-2,3,-4,5}\n"
    "a = add x w\n"
    "b = exp a\n"
    "c = neg b\n"
    "d = abs c\n"
    "e = sqrt d\n"
    "f = log e\n"
    "output f\n",
};

typedef struct session_case {
    pith_test *test;
    pith_graph *reference;
    pith_tensor inputs[MAX_OPERANDS], wanted[MAX_OPERANDS];
    int n_inputs, n_outputs;
} session_case;

static bool setup(pith_test *test, const char *text, session_case *c)
{
    *c = (session_case){ .test = test, .reference = pith_test_graph(test, text) };
    if (!c->reference) {
        return false;
    }
    c->n_inputs = (int)c->reference->n_inputs;
    c->n_outputs = (int)c->reference->n_outputs;
    for (int i = 0; i < c->n_inputs; i++) {
        const pith_value *value = c->reference->inputs[i];
        c->inputs[i] = (pith_tensor){ .dtype = value->dtype, .shape = value->shape };
        c->inputs[i].data = malloc(pith_tensor_bytes(&c->inputs[i]) + 1);
        pith_test_fill(test, &c->inputs[i], -2, 2, false);
    }
    return pith_test_interpret(test, c->reference, c->inputs, c->wanted);
}

static void teardown(session_case *c)
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(c->inputs[i].data);
        free(c->wanted[i].data);
    }
    pithi_graph_destroy(c->reference);
}

static pith_model *model_of(pith_test *test, const char *text, const pith_model_options *options)
{
    pith_graph *graph = pith_test_graph(test, text);
    pith_model *model = NULL;
    pith_status status = graph ? pithi_model_from_graph(graph, options, &model) : PITH_STATUS_ARG;
    TEST_OK(test, status);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
    }
    return model;
}

static void check_outputs(const session_case *c, const pith_session *session, double tolerance)
{
    for (int i = 0; i < c->n_outputs; i++) {
        const pith_tensor *output = pith_session_output(session, i);
        TEST_CHECK(c->test, output != NULL);
        double difference = output ? pith_test_difference(output, &c->wanted[i]) : 1.0;
        TEST_CHECK_MESSAGE(c->test, difference <= tolerance, "output %d is off by %g", i, difference);
    }
}

static void check_threads(pith_test *test, const char *text, const pith_model_options *options)
{
    static const int threads[] = { 1, 2, 3, 7 };
    session_case c;
    pith_model *model = setup(test, text, &c) ? model_of(test, text, options) : NULL;
    pith_tensor first[MAX_OPERANDS] = { 0 };
    for (int k = 0; model && k < PITH_COUNT(threads); k++) {
        pith_session *session = NULL;
        TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = threads[k] }, &session));
        for (int round = 0; round < 3; round++) {
            TEST_OK(test, pith_session_run(session, c.inputs, c.n_inputs));
        }
        check_outputs(&c, session, 1e-5);
        for (int i = 0; i < c.n_outputs && pith_session_output(session, i); i++) {
            const pith_tensor *output = pith_session_output(session, i);
            if (!first[i].data) {
                first[i] = *output;
                first[i].data = malloc(pith_tensor_bytes(output) + 1);
                memcpy(first[i].data, output->data, pith_tensor_bytes(output));
            }
            TEST_CHECK(test, memcmp(first[i].data, output->data, pith_tensor_bytes(output)) == 0);
        }
        pith_session_destroy(session);
    }
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(first[i].data);
    }
    pith_model_destroy(model);
    teardown(&c);
}

/* A second run with an allocator that refuses everything. */
static void check_no_allocation(pith_test *test, const char *text)
{
    pith_failing_allocator state = { .n_good = 1000000 };
    pith_allocator allocator = pith_failing_allocator_make(&state);
    pith_ctx *own = NULL, *usual = test->ctx;
    TEST_OK(test, pith_ctx_create(&allocator, &own));
    session_case c;
    bool ready = setup(test, text, &c);
    test->ctx = own;
    pith_model *model = ready ? model_of(test, text, NULL) : NULL;
    pith_session *session = NULL;
    if (model) {
        TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = 2 }, &session));
        TEST_OK(test, pith_session_run(session, c.inputs, c.n_inputs));
        long n_calls = state.n_calls;
        state.n_good = 0;
        TEST_OK(test, pith_session_run(session, c.inputs, c.n_inputs));
        TEST_CHECK(test, state.n_calls == n_calls);
        check_outputs(&c, session, 1e-5);
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
    pith_ctx_destroy(own);
    test->ctx = usual;
    TEST_CHECK(test, state.n_live == 0);
    teardown(&c);
}

/* Load, plan and run with every single allocation failing in turn, then with all after it failing. */
static void check_allocation_failures(pith_test *test, const char *text, bool only_once)
{
    pith_ctx *usual = test->ctx;
    session_case c;
    bool ready = setup(test, text, &c);
    pith_status status = ready ? PITH_STATUS_NOMEM : PITH_OK;
    for (long n_good = 1; status == PITH_STATUS_NOMEM && n_good < 5000; n_good++) {
        pith_failing_allocator state = { .n_good = 1000000, .only_once = only_once };
        pith_allocator allocator = pith_failing_allocator_make(&state);
        pith_ctx *own = NULL;
        TEST_OK(test, pith_ctx_create(&allocator, &own));
        test->ctx = own;
        pith_graph *graph = pith_test_graph(test, text);
        test->ctx = usual;
        state.n_good = state.n_calls + n_good - 1;
        pith_model *model = NULL;
        pith_session *session = NULL;
        status = pithi_model_from_graph(graph, NULL, &model);
        if (status != PITH_OK) {
            pithi_graph_destroy(graph);
        } else {
            status = pith_session_create(model, &(pith_session_options){ .n_threads = 2 }, &session);
            status = status == PITH_OK ? pith_session_run(session, c.inputs, c.n_inputs) : status;
        }
        TEST_CHECK_MESSAGE(test, status == PITH_OK || status == PITH_STATUS_NOMEM, "status %s after %ld allocations",
                           pith_status_name(status), n_good);
        pith_session_destroy(session);
        pith_model_destroy(model);
        pith_ctx_destroy(own);
        TEST_CHECK_MESSAGE(test, state.n_live == 0, "%ld blocks leak after %ld allocations", state.n_live, n_good);
    }
    TEST_CHECK(test, status == PITH_OK);
    teardown(&c);
}

static void check_changing_shapes(pith_test *test)
{
    pith_graph *graph =
        pith_test_graph(test, "input x f32[1,4]\ninput y f32[1,4]\nc = add x y\nd = relu c\noutput d\n");
    graph->inputs[0]->shape.dims[0] = graph->inputs[1]->shape.dims[0] = -1;
    pith_model *model = NULL;
    pith_session *session = NULL;
    TEST_OK(test, pithi_model_from_graph(graph, &(pith_model_options){ .plan_cache_bytes = 1 }, &model));
    TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = 1 }, &session));
    float data[64 * 4];
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)i;
    }
    size_t held = 0;
    for (int round = 0; round < 100; round++) {
        int64_t rows = round * 7 % 64;
        pith_tensor x = { PITH_DTYPE_F32, { 2, { rows, 4 } }, data }, inputs[2] = { x, x };
        TEST_OK(test, pith_session_run(session, inputs, 2));
        const pith_tensor *output = pith_session_output(session, 0);
        TEST_CHECK(test, output && output->shape.dims[0] == rows);
        TEST_CHECK(test, rows == 0 || ((const float *)output->data)[rows * 4 - 1] == 2 * data[rows * 4 - 1]);
        held = round == 70 ? pith_ctx_memory_bytes(test->ctx) : held;
    }
    TEST_CHECK_MESSAGE(test, pith_ctx_memory_bytes(test->ctx) <= held + 4096, "memory grows with the number of shapes");
    pith_tensor wrong = { PITH_DTYPE_F32, { 2, { 3, 5 } }, data }, inputs[2] = { wrong, wrong };
    TEST_STATUS(test, pith_session_run(session, inputs, 2), PITH_STATUS_SHAPE, "the model wants [?,4]");
    wrong.dtype = PITH_DTYPE_F64;
    inputs[0] = wrong;
    TEST_STATUS(test, pith_session_run(session, inputs, 2), PITH_STATUS_DTYPE, "f64");
    pith_session_destroy(session);
    pith_model_destroy(model);
}

/* `range` over a computed limit: the plan stops in front of it and goes on with the value. */
static void check_data_dependent_shapes(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, "input n s64[]\nconst zero s64[]{0}\nconst one s64[]{1}\n"
                                              "m = add n one\nr = range zero m one\nd = add r r\noutput d\noutput m\n");
    pith_model *model = NULL;
    pith_session *session = NULL;
    TEST_OK(test, pithi_model_from_graph(graph, NULL, &model));
    TEST_OK(test, pith_session_create(model, NULL, &session));
    for (int64_t n = 0; n < 20; n++) {
        int64_t value = n % 7;
        pith_tensor input = { PITH_DTYPE_S64, { 0 }, &value };
        TEST_OK(test, pith_session_run(session, &input, 1));
        const pith_tensor *output = pith_session_output(session, 0), *limit = pith_session_output(session, 1);
        TEST_CHECK(test, output && output->shape.dims[0] == value + 1);
        TEST_CHECK(test, output && ((const int64_t *)output->data)[value] == 2 * value);
        TEST_CHECK(test, limit && *(const int64_t *)limit->data == value + 1);
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
}

/* What a run takes that ends early says nothing about the number of threads. */
static void check_stopped_runs(pith_test *test)
{
    int64_t at[3] = { 0, 9, 1 };
    const pith_tensor x = { PITH_DTYPE_S64, { 1, { 3 } }, at };
    pith_model *model = model_of(test, "input x s64[3]\nconst w f32[4,2]\ng = gather w x\ny = softmax g\noutput y\n",
                                 NULL);
    pith_session *session = NULL;
    pith_test_case(test, "runs that end early");
    TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = 3 }, &session));
    for (int i = 0; i < 20; i++) {
        TEST_STATUS(test, pith_session_run(session, &x, 1), PITH_STATUS_ARG, "index 9");
    }
    TEST_CHECK(test, session->slots[0].pace.n_runs == 0);
    at[1] = 3;
    TEST_OK(test, pith_session_run(session, &x, 1));
    TEST_CHECK(test, session->slots[0].pace.n_runs == 1);
    pith_session_destroy(session);
    pith_model_destroy(model);
}

void test_session(pith_test *test)
{
    check_stopped_runs(test);
    for (int i = 0; i < PITH_COUNT(graphs); i++) {
        pith_test_case(test, "graph %d, any number of threads", i);
        check_threads(test, graphs[i], NULL);
        pith_test_case(test, "graph %d, without passes", i);
        check_threads(test, graphs[i], &(pith_model_options){ .disable_passes = "all" });
        pith_test_case(test, "graph %d, all values kept", i);
        check_threads(test, graphs[i], &(pith_model_options){ .keep_all_values = 1 });
        pith_test_case(test, "graph %d, a second run allocates nothing", i);
        check_no_allocation(test, graphs[i]);
        pith_test_case(test, "graph %d, each allocation fails once", i);
        check_allocation_failures(test, graphs[i], true);
        pith_test_case(test, "graph %d, allocations fail from some point on", i);
        check_allocation_failures(test, graphs[i], false);
    }
    pith_test_case(test, "changing shapes under a cache ceiling");
    check_changing_shapes(test);
    pith_test_case(test, "shapes that depend on data");
    check_data_dependent_shapes(test);
}
