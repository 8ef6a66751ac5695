/* SPDX-License-Identifier: Apache-2.0 */
/* A pass that found nothing to do rests until something changes, also from one stage to the next. */
#include "passes/rewrite.h"
#include "support/graph_text.h"

static const char text[] = "input x f32[2,4]\nconst w f32[4,3]\nconst b f32[3]\n"
                           "a = matmul x w\nc = add a b\ny = relu c\noutput y\n";

static uint64_t settled_of_all(pith_pass_stage stage)
{
    uint64_t bits = 0;
    for (int i = 0; i < pithi_pass_count(); i++) {
        bits |= (uint64_t)((pithi_pass_at(i)->stages & (unsigned)stage) != 0) << i;
    }
    return bits;
}

static void check_clone(pith_test *test, const pith_graph *graph)
{
    pith_graph *clone = NULL;
    TEST_OK(test, pithi_graph_clone(graph, &clone));
    if (clone) {
        TEST_CHECK(test, clone->settled == graph->settled);
        TEST_OK(test, pithi_graph_infer(clone));
        TEST_CHECK(test, clone->settled == graph->settled);
        clone->inputs[0]->shape.dims[0] = 5;
        TEST_OK(test, pithi_graph_infer(clone));
        TEST_CHECK(test, clone->settled == 0);
    }
    pithi_graph_destroy(clone);
}

void test_settled(pith_test *test)
{
    pith_value *fresh = NULL;
    pith_test_case(test, "what was found to be done is kept until something changes");
    pith_graph *graph = pith_test_graph(test, text);
    if (!graph) {
        return;
    }
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_passes_run(graph, PITH_STAGE_MODEL, NULL));
    TEST_CHECK(test, graph->n_nodes == 1); /* bias and function are the product's */
    TEST_CHECK(test, graph->settled == settled_of_all(PITH_STAGE_MODEL));
    check_clone(test, graph);
    TEST_OK(test, pithi_graph_add_value(graph, NULL, &fresh));
    TEST_OK(test, pithi_graph_insert_node(graph, NULL, pithi_op_find("neg"), "", graph->outputs, 1, &fresh, 1, NULL));
    TEST_CHECK(test, graph->settled == 0);
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_passes_run(graph, PITH_STAGE_SHAPE, NULL));
    TEST_CHECK(test, graph->n_nodes == 1); /* nobody wants it */
    pithi_graph_destroy(graph);
}
