/* SPDX-License-Identifier: Apache-2.0 */
/* Joins and cuts without copies: which of them are left in the plan, and the same bits as when every value is kept for
 * itself, under every ISA cap, with one thread and three. */
#include <stdlib.h>

#include "exec/internal.h"
#include "kernels/kernel.h"
#include "support/graph_text.h"

enum { MAX_OPERANDS = 4 };

typedef struct window_graph {
    const char *name, *text;
    int n_copies; /* steps that join or cut */
} window_graph;

#define R "{-0.1:0.1}" /* weights: sums stay small */
#define IMAGE "input x f32[1,9,8,16]\nconst w f32[24,16,1,1]" R "\nconst k f32[24,16,3,3]" R "\n" \
              "const d f32[24,1,3,3]" R "\n" \
              "const u f32[8,48,1,1]" R "\n"
#define POINTWISE(y, x, w) #y " = conv " #x " " #w " | channels_last=1\n"
#define SAME(y, x, w, more) #y " = conv " #x " " #w " | channels_last=1 pads=[1,1,1,1] " more "\n"

static const window_graph graphs[] = {
    { "ghost module", IMAGE POINTWISE(a, x, w) SAME(b, a, d, "group=24") "c = concat a b | axis=3\n"
      POINTWISE(y, c, u) "output y\n", 0 },
    { "filters of 3x3, with an activation", IMAGE SAME(a, x, k, "activation=3") SAME(b, x, k, "activation=8")
      "c = concat b a | axis=3\n" POINTWISE(y, c, u) "output y\noutput c\n", 0 },
    { "two batches", "input x f32[2,5,6,8]\nconst w f32[5,8,1,1]" R "\nconst k f32[3,8,3,3]" R "\n" POINTWISE(a, x, w)
      SAME(b, x, k, "") "c = concat a b | axis=3\ny = relu c\noutput y\n", 0 },
    { "an operand that somebody reads who can't", IMAGE POINTWISE(a, x, w) SAME(b, x, k, "")
      "c = concat a b | axis=3\ns = softmax a | axis=3\noutput c\noutput s\n", 1 },
    { "an operand that is an output too", IMAGE POINTWISE(a, x, w) SAME(b, x, k, "") "c = concat a b | axis=3\n"
      "output c\noutput a\n", 1 },
    { "an operand twice", IMAGE POINTWISE(a, x, w) SAME(b, a, d, "group=24") "c = concat a b a | axis=3\ny = relu c\n"
      "output y\n", 1 },
    { "in two joins", IMAGE POINTWISE(a, x, w) SAME(b, a, d, "group=24") SAME(e, x, k, "") "c = concat a b | axis=3\n"
      "f = concat e a | axis=3\ny = add c f\noutput y\n", 1 },
    { "constants and inputs", "input x f32[1,9,8,16]\nconst w f32[24,16,1,1]" R "\nconst z f32[1,9,8,3]\n"
      POINTWISE(a, x, w)
      "c = concat x a z | axis=3\ny = relu c\noutput y\n", 1 },
    { "nested", IMAGE "const v f32[8,72,1,1]" R "\n" POINTWISE(a, x, w) SAME(b, a, d, "group=24")
      "c = concat a b | axis=3\n"
      POINTWISE(e, c, u) "f = concat e c | axis=3\ng = concat f x | axis=3\n" POINTWISE(y, g, v) "output y\n", 1 },
    { "views between", IMAGE POINTWISE(a, x, w) SAME(b, a, d, "group=24") "c = concat a b | axis=3\n"
      "const to s64[3]{1,72,48}\nconst half s64[3]{1,72,24}\nr = reshape c to\ne = reshape a half\n"
      "f = concat r r | axis=1\ng = concat e e | axis=2\noutput f\noutput g\n", 3 },
    { "cut for convolutions", IMAGE "const v f32[8,12,3,3]" R "\n" POINTWISE(a, x, w) "p q = split a | axis=3\n"
      SAME(e, p, v, "") SAME(f, q, v, "activation=3") "y = concat f e | axis=3\nz = relu a\noutput y\noutput z\n", 0 },
    { "a piece that is an output", IMAGE "const v f32[8,12,3,3]" R "\n" POINTWISE(a, x, w) "p q = split a | axis=3\n"
      SAME(e, p, v, "") "output e\noutput q\n", 1 },
    { "nothing overwrites a piece", "input x f32[1,6,6,8]\nconst w f32[16,8,1,1]" R "\nconst v f32[8,8,1,1]" R "\n"
      POINTWISE(a, x, w) "p q = split a | axis=3\nr = relu a\ns = add r r\n" POINTWISE(e, p, v) POINTWISE(f, q, v)
      "output s\noutput e\noutput f\n", 0 },
    { "slices", IMAGE "const v f32[8,5,1,1]" R "\nconst b s64[1]{3}\nconst e s64[1]{8}\nconst ax s64[1]{3}\n"
      POINTWISE(a, x, w) "p = slice a b e ax\n" POINTWISE(f, p, v) "output f\n", 0 },
    { "every second channel into a join", IMAGE "const v f32[12,12,1,1]" R "\nconst b s64[1]{1}\nconst e s64[1]{24}\n"
      "const ax s64[1]{3}\nconst two s64[1]{2}\n" POINTWISE(a, x, w) "p = slice a b e ax two\n" POINTWISE(f, p, v)
      "c = concat p f | axis=3\ny = relu c\noutput y\n", 1 },
    { "skip connection", "input x f32[1,16,16,8]\nconst k f32[16,8,3,3]" R "\nconst l f32[32,16,3,3]" R "\n"
      "const t f32[32,16,2,2]" R "\nconst m f32[8,32,3,3]" R "\n" SAME(a, x, k, "activation=3")
      "p = max_pool a | channels_last=1 kernel_shape=[2,2] "
      "strides=[2,2]\n" SAME(b, p, l, "") "v = conv_transpose b t | channels_last=1 strides=[2,2]\n"
      "c = concat a v | axis=3\n" SAME(y, c, m, "") "output y\n", 0 },
    { "pools and a resized image", "input x f32[1,6,6,8]\nconst w f32[8,8,1,1]" R "\nconst s f32[4]{1,2,2,1}\n"
      POINTWISE(a, x, w) "b = max_pool a | channels_last=1 kernel_shape=[5,5] pads=[2,2,2,2]\n"
      "d = average_pool b | channels_last=1 kernel_shape=[3,3] pads=[1,1,1,1]\nc = concat a b d | axis=3\n"
      "e = resize c - s\nf = resize a - s\ng = concat e f | axis=3\noutput g\n", 0 },
    { "rows, of any operator", "input x f32[1,6,5,8]\na = sin x\nb = softmax x | axis=3\nc = concat a b a | axis=1\n"
      "p q r = split c | axis=1\ns = cos r\noutput q\noutput s\noutput c\n", 2 },
};

static pith_model *load(pith_test *test, const pith_graph *graph, int keep_all_values)
{
    pith_graph *clone = NULL;
    pith_model *model = NULL;
    const pith_model_options options = { .keep_all_values = keep_all_values, .disable_passes = "all" };
    TEST_OK(test, pithi_graph_clone(graph, &clone));
    TEST_OK(test, pithi_model_from_graph(clone, &options, &model));
    return model;
}

/* Runs twice, so that what the first run left in the arena is there; copies of the outputs. */
static int run_once(pith_test *test, pith_model *model, int n_threads, const pith_tensor *inputs, pith_tensor *outputs)
{
    pith_session *session = NULL;
    int n_outputs = pith_model_n_outputs(model), n_inputs = pith_model_n_inputs(model), n_copies = 0;
    TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = n_threads }, &session));
    for (int i = 0; i < 2; i++) {
        TEST_OK(test, pith_session_run(session, inputs, n_inputs));
    }
    for (int i = 0; i < n_outputs && pith_session_output(session, i); i++) {
        const pith_tensor *output = pith_session_output(session, i);
        outputs[i] = *output;
        outputs[i].data = malloc(pith_tensor_bytes(output) + 1);
        memcpy(outputs[i].data, output->data, pith_tensor_bytes(output));
    }
    const pith_plan *plan = session->slots[0].stretch->plan;
    for (int i = 0; i < plan->n_steps; i++) {
        n_copies += plan->steps[i].node->op->piece != NULL;
    }
    pith_session_destroy(session);
    return n_copies;
}

static void check(pith_test *test, const pith_graph *graph, int n_wanted, const pith_tensor *inputs)
{
    pith_model *kept = load(test, graph, 1), *joined = load(test, graph, 0);
    pith_tensor wanted[MAX_OPERANDS] = { 0 };
    if (!kept || !joined) {
        return;
    }
    run_once(test, kept, 1, inputs, wanted);
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        pith_tensor got[MAX_OPERANDS] = { 0 };
        int n_copies = run_once(test, joined, n_threads, inputs, got);
        TEST_CHECK_MESSAGE(test, n_copies == n_wanted, "%d copies are left, not %d", n_copies, n_wanted);
        for (int i = 0; i < pith_model_n_outputs(joined); i++) {
            TEST_CHECK_MESSAGE(test, got[i].data && wanted[i].data &&
                                     memcmp(got[i].data, wanted[i].data, pith_tensor_bytes(&wanted[i])) == 0,
                               "output %d has other bits than with copies, %d threads", i, n_threads);
            free(got[i].data);
        }
    }
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(wanted[i].data);
    }
    pith_model_destroy(kept);
    pith_model_destroy(joined);
}

void test_windows(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(graphs); i++) {
        pith_graph *graph = pith_test_graph(test, graphs[i].text);
        pith_tensor x = { 0 };
        pith_test_case(test, "%s", graphs[i].name);
        pith_test_run(test, graphs[i].text, 3, 1e-5);
        if (graph) {
            x = (pith_tensor){ .dtype = graph->inputs[0]->dtype, .shape = graph->inputs[0]->shape };
            x.data = malloc(pith_tensor_bytes(&x));
            pith_test_fill(test, &x, -1.0, 1.0, false);
        }
        for (int isa = 0; graph && isa < pithi_isa_count(); isa++) {
            if (pithi_isa_is_available(isa)) {
                pith_test_case(test, "%s, isa cap %s", graphs[i].name, pithi_isa_name(isa));
                TEST_OK(test, pith_ctx_set_isa_limit(test->ctx, pithi_isa_name(isa)));
                check(test, graph, graphs[i].n_copies, &x);
            }
        }
        TEST_OK(test, pith_ctx_set_isa_limit(test->ctx, NULL));
        free(x.data);
        pithi_graph_destroy(graph);
    }
}
