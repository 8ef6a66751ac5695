/* SPDX-License-Identifier: Apache-2.0 */
/* Inference over graphs and the running of the pipeline; operators here are those that always exist. */
#include "passes/pass.h"
#include "pith_ops_list.h"
#include "support/test.h"

static pith_value *add_input(pith_test *test, pith_graph *graph, const char *name, pith_shape shape)
{
    pith_value *value = NULL;
    TEST_OK(test, pithi_graph_add_value(graph, name, &value));
    value->dtype = PITH_DTYPE_F32;
    value->shape = shape;
    value->has_shape = true;
    TEST_OK(test, pithi_graph_add_input(graph, value));
    return value;
}

static pith_value *add_identity(pith_test *test, pith_graph *graph, const pith_op *op, pith_value *input)
{
    pith_value *output = NULL;
    TEST_OK(test, pithi_graph_add_value(graph, NULL, &output));
    TEST_OK(test, pithi_graph_insert_node(graph, NULL, op, "n", &input, 1, &output, 1, NULL));
    return output;
}

static void check_shapes(pith_test *test)
{
    pith_graph *graph = NULL;
    pith_test_case(test, "known shapes travel, unknown ones stop quietly");
    TEST_OK(test, pithi_graph_create(test->ctx, &graph));
    pith_value *known = add_input(test, graph, "a", (pith_shape){ 2, { 2, 3 } });
    pith_value *partly = add_input(test, graph, "b", (pith_shape){ 2, { -1, 3 } });
    pith_value *x = add_identity(test, graph, &pith_op_identity, known);
    pith_value *y = add_identity(test, graph, &pith_op_identity, partly);
    pith_value *z = add_identity(test, graph, NULL, known);
    y->has_shape = z->has_shape = true; /* as a file may declare it */
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_CHECK(test, x->has_shape && x->dtype == PITH_DTYPE_F32 && x->shape.dims[1] == 3);
    TEST_CHECK(test, !y->has_shape && !z->has_shape);
    partly->shape.dims[0] = 5;
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_CHECK(test, y->has_shape && y->shape.dims[0] == 5);
    pithi_graph_destroy(graph);
}

static void check_folding(pith_test *test)
{
    pith_graph *graph = NULL;
    pith_value *constant = NULL;
    pith_test_case(test, "a view of a constant is a constant with the same bytes");
    TEST_OK(test, pithi_graph_create(test->ctx, &graph));
    TEST_OK(test, pithi_graph_add_s64s(graph, (const int64_t[]){ 4, 5 }, 2, &constant));
    pith_value *x = add_identity(test, graph, &pith_op_identity, constant);
    TEST_OK(test, pithi_graph_add_output(graph, x));
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_CHECK(test, graph->n_nodes == 0 && x->constant && x->constant->data == constant->constant->data);
    TEST_CHECK(test, !x->producer && x->has_shape && x->shape.dims[0] == 2);
    pithi_graph_destroy(graph);
}

static void check_contradiction(pith_test *test)
{
    pith_graph *graph = NULL;
    pith_test_case(test, "a contradiction names the node");
    TEST_OK(test, pithi_graph_create(test->ctx, &graph));
    pith_value *x = add_input(test, graph, "a", (pith_shape){ 1, { 2 } });
    pith_value *inputs[] = { x, x }, *output = NULL;
    TEST_OK(test, pithi_graph_add_value(graph, "y", &output));
    TEST_OK(test, pithi_graph_insert_node(graph, NULL, &pith_op_identity, "twice", inputs, 2, &output, 1, NULL));
    TEST_STATUS(test, pithi_graph_infer(graph), PITH_STATUS_FORMAT, "twice");
    pithi_graph_destroy(graph);
}

static void check_names(pith_test *test)
{
    pith_graph *graph = NULL;
    pith_test_case(test, "an unknown pass name is refused with the list of names");
    TEST_OK(test, pithi_graph_create(test->ctx, &graph));
    TEST_STATUS(test, pithi_passes_run(graph, PITH_STAGE_MODEL, "all,nonsense"), PITH_STATUS_ARG, "'nonsense'");
    TEST_OK(test, pithi_passes_run(graph, PITH_STAGE_MODEL, "all"));
    TEST_OK(test, pithi_passes_run(graph, PITH_STAGE_SHAPE, NULL));
    for (int i = 0; i < pithi_pass_count(); i++) {
        TEST_OK(test, pithi_passes_run(graph, PITH_STAGE_MODEL, pithi_pass_at(i)->name));
    }
    pithi_graph_destroy(graph);
}

void test_infer_graph(pith_test *test)
{
    check_shapes(test);
    check_folding(test);
    check_contradiction(test);
    check_names(test);
}
