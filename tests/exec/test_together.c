/* SPDX-License-Identifier: Apache-2.0 */
/* Branches side by side: which steps run as one job, that nothing in a job touches what another step of it writes, and
 * the same bits as with one thread. */
#include <stdlib.h>

#include "exec/internal.h"
#include "support/graph_text.h"

enum { N_THREADS = 8, MAX_OUTPUTS = 4, MAX_JOBS = 4 };

typedef struct branch_graph {
    const char *name, *text;
    int jobs[MAX_JOBS]; /* steps of each job of several */
} branch_graph;

#define R "{-0.1:0.1}" /* weights: sums stay small */
#define CONV(y, x, w) #y " = conv " #x " " #w " | channels_last=1\n"
#define IMAGE "input x f32[1,4,4,64]\nconst w f32[64,64,1,1]" R "\nconst k f32[64,64,1,1]" R "\n" \
              "const u f32[64,128,1,1]" R "\n"
#define TOWER(n) "const w" #n " f32[1,256,64]" R "\nconst r" #n " f32[1,256,64]" R "\n"
#define LSTM(y, x, n) #y " = lstm " #x " w" #n " r" #n " | hidden_size=64\n"

static const branch_graph graphs[] = {
    { "chain", IMAGE CONV(a, x, w) CONV(b, a, k) CONV(y, b, w) "output y\n", { 0 } },
    { "two branches", IMAGE CONV(a, x, w) CONV(b, x, k) "output a\noutput b\n", { 2 } },
    { "branches of two steps each, the second one moves up", IMAGE CONV(a, x, w) CONV(b, a, k) CONV(c, x, k)
      CONV(d, c, w)
      "output b\noutput d\n", { 2, 2 } },
    { "eight at most", IMAGE CONV(a, x, w) CONV(b, x, w) CONV(c, x, k) CONV(d, x, w) CONV(e, x, k) CONV(f, x, w)
      CONV(g, x, k) CONV(h, x, w) CONV(i, x, k) "s = sum a b c d e f g h i\noutput s\n", { 8 } },
    { "pieces of one whole", IMAGE CONV(a, x, w) CONV(b, x, k) "c = concat a b | axis=3\n" CONV(y, c, u) "output y\n",
      { 2 } },
    { "a piece doesn't move in front of the whole's beginning", IMAGE CONV(m, x, w)
      "a = max_pool m | channels_last=1 kernel_shape=[1,1]\n" CONV(b, x, k) "c = concat a b | axis=3\n"
      CONV(y, c, u) "output y\n", { 0 } },
    { "what overwrites its input stays behind who reads that", "input x f32[1,4,4,64]\nconst w f32[64,64,1,1]" R "\n"
      "a = softmax x | axis=3\n" CONV(b, a, w) "c = softmax a | axis=3\n" CONV(y, c, w) "output b\noutput y\n",
      { 0 } },
    { "recurrent towers", "input x f32[9,1,64]\n" TOWER(1) TOWER(2) TOWER(3) TOWER(4)
      "const to s64[3]{9,1,64}\n" LSTM(a, x, 1) "ar = reshape a to\n" LSTM(b, ar, 2) LSTM(c, x, 3) "cr = reshape c to\n"
      LSTM(d, cr, 4) "output b\noutput d\n", { 2, 2 } },
};

static bool overlap(const pithi_operand *a, const pithi_operand *b)
{
    if (a->place != PITHI_AT_ARENA || b->place != PITHI_AT_ARENA || a->stride || b->stride) {
        return false; /* windows of rows: their bits are compared */
    }
    return a->where < b->where + pith_tensor_bytes(&b->tensor) && b->where < a->where + pith_tensor_bytes(&a->tensor);
}

/* True if `a` writes what `b` reads or writes, scratch memory included. */
static bool disturbs(const pith_plan *plan, const pith_step *a, const pith_step *b)
{
    const pithi_operand *made = &plan->operands[a->first_operand + a->node->n_inputs];
    const pithi_operand *touched = &plan->operands[b->first_operand];
    for (int i = 0; i < a->node->n_outputs; i++) {
        for (int k = 0; k < b->node->n_inputs + b->node->n_outputs; k++) {
            if (overlap(&made[i], &touched[k])) {
                return true;
            }
        }
    }
    const pithi_operand scratch = {
        .place = a->scratch_bytes ? PITHI_AT_ARENA : PITHI_AT_NOWHERE, .where = a->scratch_offset,
        .tensor = { .dtype = PITH_DTYPE_U8, .shape = { 1, { (int64_t)a->scratch_bytes } } }
    };
    for (int k = 0; k < b->node->n_inputs + b->node->n_outputs; k++) {
        if (overlap(&scratch, &touched[k])) {
            return true;
        }
    }
    return false;
}

static void check_plan(pith_test *test, const pith_plan *plan, const int *wanted)
{
    int n_jobs = 0, n = 1;
    for (int begin = 0; begin < plan->n_steps; begin += n) {
        const pith_step *steps = &plan->steps[begin];
        n = steps->n_together > 1 ? steps->n_together : 1;
        if (n > 1) {
            TEST_CHECK_MESSAGE(test, n_jobs < MAX_JOBS && wanted[n_jobs] == n, "job %d has %d steps", n_jobs, n);
            n_jobs++;
        }
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < n; k++) {
                TEST_CHECK_MESSAGE(test, i == k || !disturbs(plan, &steps[i], &steps[k]), "'%s' disturbs '%s'",
                                   steps[i].node->name, steps[k].node->name);
            }
        }
    }
    TEST_CHECK_MESSAGE(test, n_jobs == MAX_JOBS || !wanted[n_jobs], "%d jobs only", n_jobs);
}

static pith_session *run(pith_test *test, pith_model *model, int n_threads, const pith_tensor *x)
{
    pith_session *session = NULL;
    const pith_session_options options = { .n_threads = n_threads, .steady_threads = 1 };
    TEST_OK(test, pith_session_create(model, &options, &session));
    for (int i = 0; i < 20 && session; i++) {
        TEST_OK(test, pith_session_run(session, x, 1));
    }
    return session;
}

static void check_graph(pith_test *test, const branch_graph *g, const pith_tensor *x, pith_graph *graph)
{
    pith_model *model = NULL;
    const pith_model_options options = { .disable_passes = "all" };
    TEST_OK(test, pithi_model_from_graph(graph, &options, &model));
    pith_session *alone = run(test, model, 1, x), *together = run(test, model, N_THREADS, x);
    check_plan(test, together->slots[0].stretch->plan, g->jobs);
    for (int i = 0; i < pith_model_n_outputs(model); i++) {
        const pith_tensor *wanted = pith_session_output(alone, i), *got = pith_session_output(together, i);
        TEST_CHECK_MESSAGE(test, wanted && got && memcmp(wanted->data, got->data, pith_tensor_bytes(wanted)) == 0,
                           "output %d has other bits than with one thread", i);
    }
    pith_session_destroy(alone);
    pith_session_destroy(together);
    pith_model_destroy(model);
}

static void parallel_for(void *user, int n_parts, void (*part)(void *context, int i, int worker), void *context)
{
    ++*(int *)user;
    for (int i = 0; i < n_parts; i++) {
        part(context, i, 0);
    }
}

/* Two branches whose work is or isn't worth other threads, by what handing it over takes; the pool is the caller's. */
static void check_handover(pith_test *test, double handover_ns, bool is_worth)
{
    static float data[4 * 4 * 64];
    const pith_tensor x = { PITH_DTYPE_F32, { 4, { 1, 4, 4, 64 } }, data };
    int n_jobs = 0;
    const pith_thread_pool pool = { N_THREADS, parallel_for, &n_jobs };
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_graph *graph = pith_test_graph(test, graphs[1].text);
    pith_test_case(test, "hand-overs of %g ns", handover_ns);
    TEST_OK(test, pithi_model_from_graph(graph, &(pith_model_options){ .disable_passes = "all" }, &model));
    TEST_OK(test, pith_session_create(model, &(pith_session_options){ .pool = &pool, .steady_threads = 1 }, &session));
    pithi_exec_pool_set_handover(session->pool, (pithi_handover){ handover_ns, handover_ns });
    TEST_OK(test, pith_session_run(session, &x, 1));
    TEST_CHECK(test, session->slots[0].stretch->plan->steps[0].n_together == 2);
    TEST_CHECK_MESSAGE(test, (n_jobs > 0) == is_worth, "%d jobs", n_jobs);
    pith_session_destroy(session);
    pith_model_destroy(model);
}

void test_together(pith_test *test)
{
    check_handover(test, 1e-3, true);
    check_handover(test, 1e12, false);
    for (int i = 0; i < PITH_COUNT(graphs); i++) {
        pith_graph *graph = pith_test_graph(test, graphs[i].text);
        pith_test_case(test, "%s", graphs[i].name);
        TEST_CHECK(test, graph != NULL);
        pith_tensor x = { .dtype = graph->inputs[0]->dtype, .shape = graph->inputs[0]->shape };
        x.data = malloc(pith_tensor_bytes(&x));
        pith_test_fill(test, &x, -1.0, 1.0, false);
        check_graph(test, &graphs[i], &x, graph);
        free(x.data);
    }
}
