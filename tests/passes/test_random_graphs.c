/* SPDX-License-Identifier: Apache-2.0 */
/* Random graphs through the whole pipeline, half of them without one of the passes: the outputs keep names, shapes
 * and values. */
#include "support/graph_text.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_VALUES 40
#define N_GRAPHS 400

typedef struct builder {
    pith_test *test;
    pith_graph *graph;
    pith_value *pool[MAX_VALUES]; /* values made so far, inputs first */
    int n_values;
} builder;

static int pick(builder *b, int n)
{
    return (int)(pith_test_random(b->test) % (uint64_t)n);
}

static pith_value *constant(builder *b, pith_shape shape, double low, double high)
{
    pith_tensor tensor;
    pith_value *value = NULL;
    TEST_OK(b->test, pithi_graph_new_constant(b->graph, NULL, PITH_DTYPE_F32, &shape, &tensor, &value));
    pith_test_fill(b->test, &tensor, low, high, false);
    return value;
}

static pith_value *numbers(builder *b, const int64_t *items, int count)
{
    pith_value *value = NULL;
    TEST_OK(b->test, pithi_graph_add_s64s(b->graph, items, count, &value));
    return value;
}

/* A node whose output shape is inferred at once; it is taken back where the shapes don't fit. */
static pith_node *add_node(builder *b, const char *op_name, pith_value *const *inputs, int n_inputs)
{
    pith_value *output = NULL;
    pith_node *node = NULL;
    char name[32];
    snprintf(name, sizeof name, "v%d", b->n_values);
    TEST_OK(b->test, pithi_graph_add_value(b->graph, name, &output));
    TEST_OK(b->test, pithi_graph_insert_node(b->graph, NULL, pithi_op_find(op_name), name, inputs, n_inputs, &output, 1,
                                             &node));
    return node;
}

static void keep_node(builder *b, pith_node *node)
{
    pith_tensor inputs[8] = { 0 }, output = { 0 };
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        if (value) {
            inputs[i] = value->constant ? *value->constant : (pith_tensor){ value->dtype, value->shape, NULL };
        }
    }
    pith_infer infer = { .ctx = b->test->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = &output, .n_outputs = 1 };
    pith_status status = pithi_op_infer(&infer);
    int64_t count = status == PITH_OK ? pith_shape_elements(&output.shape) : 0;
    if (count == 0 || count > 4000) {
        pith_ctx_clear_error(b->test->ctx);
        pithi_graph_remove_node(b->graph, node);
        return;
    }
    node->outputs[0]->dtype = output.dtype;
    node->outputs[0]->shape = output.shape;
    node->outputs[0]->has_shape = true;
    b->pool[b->n_values++] = node->outputs[0];
}

static void set_ints(builder *b, pith_node *node, const char *name, const int64_t *items, int count)
{
    TEST_OK(b->test, pithi_attr_set_ints(&b->graph->arena, node, name, items, count));
}

static void set_int(builder *b, pith_node *node, const char *name, int64_t value)
{
    TEST_OK(b->test, pithi_attr_set_int(b->test->ctx, node, name, value));
}

/* ---- kinds of nodes --------------------------------------------------------------------------- */

static void make_conv(builder *b, pith_value *x)
{
    int rank = x->shape.rank;
    if (rank != 3 && rank != 4) {
        return;
    }
    int64_t c = x->shape.dims[1], k = pick(b, 2) ? 1 : 3, group = pick(b, 3) == 0 ? c : 1;
    int64_t m = group == c ? c : 1 + pick(b, 6), pad = pick(b, 2), stride = 1 + (pick(b, 4) == 0);
    bool is_transposed = pick(b, 6) == 0;
    pith_shape w = { rank, { is_transposed ? c : m, is_transposed ? m / group : c / group, k, k } };
    pith_value *inputs[] = { x, constant(b, w, -0.6, 0.6), constant(b, (pith_shape){ 1, { m } }, -1, 1) };
    pith_node *node = add_node(b, is_transposed ? "conv_transpose" : "conv", inputs, pick(b, 2) ? 3 : 2);
    set_ints(b, node, "pads", (const int64_t[]){ pad, pad, pad, pad }, 2 * (rank - 2));
    set_ints(b, node, "strides", (const int64_t[]){ stride, stride }, rank - 2);
    set_int(b, node, "group", group);
    keep_node(b, node);
}

static void make_pool(builder *b, pith_value *x)
{
    static const char *const names[] = { "max_pool", "average_pool", "global_average_pool" };
    if (x->shape.rank != 4 && x->shape.rank != 3) {
        return;
    }
    int kind = pick(b, 3);
    pith_node *node = add_node(b, names[kind], &x, 1);
    if (kind < 2) {
        set_ints(b, node, "kernel_shape", (const int64_t[]){ 2, 2 }, x->shape.rank - 2);
        set_ints(b, node, "strides", (const int64_t[]){ 1 + pick(b, 2), 1 }, x->shape.rank - 2);
    }
    keep_node(b, node);
}

static void make_unary(builder *b, pith_value *x)
{
    static const char *const names[] = { "relu", "sigmoid", "leaky_relu", "hard_swish", "abs", "identity", "tanh" };
    keep_node(b, add_node(b, names[pick(b, PITH_COUNT(names))], &x, 1));
}

/* The other operand: another value, or a constant that broadcasts in one of the usual ways. */
static void make_binary(builder *b, pith_value *x)
{
    static const char *const names[] = { "add", "mul", "sub", "add" };
    pith_shape shape = { 0 };
    pith_value *other = b->pool[pick(b, b->n_values)];
    int rank = x->shape.rank, way = pick(b, 7);
    if (way < 4 && rank > 0) {
        shape.rank = way == 0 ? 0 : way == 1 ? 1 : way == 2 && rank > 1 ? rank - 1 : rank;
        for (int i = 0; i < shape.rank; i++) {
            int axis = rank - shape.rank + i;
            bool is_whole = way == 1 || axis == 1;
            shape.dims[i] = is_whole ? x->shape.dims[axis] : 1;
        }
        other = constant(b, shape, -1.5, 1.5);
    }
    bool swap = pick(b, 3) == 0;
    pith_value *inputs[] = { swap ? other : x, swap ? x : other };
    keep_node(b, add_node(b, names[pick(b, PITH_COUNT(names))], inputs, 2));
}

static void make_norm(builder *b, pith_value *x)
{
    if (x->shape.rank < 2) {
        return;
    }
    pith_shape shape = { 1, { x->shape.dims[1] } };
    pith_value *inputs[] = { x, constant(b, shape, -1, 1), constant(b, shape, -1, 1), constant(b, shape, -1, 1),
                             constant(b, shape, 0.5, 2) };
    keep_node(b, add_node(b, "batch_normalization", inputs, 5));
}

static void make_transpose(builder *b, pith_value *x)
{
    static const int64_t usual[][4] = {
        { 0, 2, 3, 1 }, { 0, 3, 1, 2 }, { 0, 1, 2, 3 }, { 0, 2, 1, 3 }, { 0, 1, 3, 2 },
    };
    pith_node *node = add_node(b, "transpose", &x, 1);
    if (x->shape.rank == 4) {
        set_ints(b, node, "perm", usual[pick(b, PITH_COUNT(usual))], 4);
    } else if (x->shape.rank == 3 && pick(b, 3)) {
        set_ints(b, node, "perm", (const int64_t[]){ 0, 2, 1 }, 3);
    }
    keep_node(b, node);
}

static void make_reshape(builder *b, pith_value *x)
{
    const int64_t *dims = x->shape.dims;
    const int64_t ways[][5] = {
        { 0, 0, -1 }, { 0, -1 }, { 0, 1, -1, 1 }, { 0, -1, 1, 2 }, { 0, 2, -1, dims[2], dims[3] },
    };
    static const int counts[] = { 3, 2, 4, 4, 5 };
    int way = x->shape.rank == 4 ? pick(b, 5) : 1 + pick(b, 3);
    if (x->shape.rank >= 2 && pith_shape_elements(&x->shape) > 0) {
        pith_value *inputs[] = { x, numbers(b, ways[way], counts[way]) };
        keep_node(b, add_node(b, "reshape", inputs, 2));
    }
}

static void make_concat(builder *b, pith_value *x)
{
    pith_value *inputs[] = { x, b->pool[pick(b, b->n_values)], x };
    pith_node *node = add_node(b, "concat", inputs, 1 + pick(b, 3));
    if (x->shape.rank > 1) {
        set_int(b, node, "axis", 1 + pick(b, x->shape.rank - 1));
    }
    keep_node(b, node);
}

static void make_slice(builder *b, pith_value *x)
{
    const int64_t start = pick(b, 2), end = 100, axis = pick(b, 3), step = 1 + pick(b, 2);
    pith_value *inputs[] = { x, numbers(b, &start, 1), numbers(b, &end, 1), numbers(b, &axis, 1),
                             numbers(b, &step, 1) };
    keep_node(b, add_node(b, "slice", inputs, 5));
}

static void make_pad(builder *b, pith_value *x)
{
    if (x->shape.rank == 4) {
        const int64_t pads[] = { 0, 0, pick(b, 2), 1, 0, 0, pick(b, 2), 0 };
        pith_value *inputs[] = { x, numbers(b, pads, 8) };
        keep_node(b, add_node(b, "pad", inputs, 2));
    }
}

static void make_product(builder *b, pith_value *x)
{
    int rank = x->shape.rank;
    if (rank < 2) {
        return;
    }
    int64_t k = x->shape.dims[rank - 1];
    pith_value *other = pick(b, 2) ? constant(b, (pith_shape){ 2, { k, 1 + pick(b, 5) } }, -0.6, 0.6)
                                   : b->pool[pick(b, b->n_values)];
    keep_node(b, add_node(b, "matmul", (pith_value *[]){ x, other }, 2));
}

static void make_reduction(builder *b, pith_value *x)
{
    static const char *const names[] = { "reduce_mean", "reduce_max", "softmax" };
    int kind = pick(b, 3);
    int64_t axes[] = { 1 + pick(b, 3), 2 };
    if (kind == 2) {
        pith_node *node = add_node(b, names[kind], &x, 1);
        set_int(b, node, "axis", axes[0]);
        keep_node(b, node);
        return;
    }
    pith_value *inputs[] = { x, numbers(b, axes, axes[0] == 2 ? 1 : 2) };
    pith_node *node = add_node(b, names[kind], inputs, 2);
    set_int(b, node, "keepdims", pick(b, 2));
    keep_node(b, node);
}

static void make_resize(builder *b, pith_value *x)
{
    pith_tensor scales;
    pith_value *inputs[] = { x, NULL, NULL };
    if (x->shape.rank == 4) {
        TEST_OK(b->test, pithi_graph_new_constant(b->graph, NULL, PITH_DTYPE_F32, &(pith_shape){ 1, { 4 } }, &scales,
                                                  &inputs[2]));
        memcpy(scales.data, (const float[]){ 1.0f, 1.0f, 2.0f, 1.5f }, 4 * sizeof(float));
        keep_node(b, add_node(b, "resize", inputs, 3));
    }
}

static void make_index(builder *b, pith_value *x)
{
    const int64_t axis = pick(b, x->shape.rank + 1);
    const int64_t index = axis < x->shape.rank ? pick(b, (int)x->shape.dims[axis]) : 0;
    int way = pick(b, 3);
    pith_value *number = numbers(b, way == 0 ? &index : &axis, 1);
    static const char *const names[] = { "gather", "unsqueeze", "squeeze" };
    pith_node *node = add_node(b, names[way], (pith_value *[]){ x, number }, 2);
    if (way == 0) {
        set_int(b, node, "axis", axis);
    }
    keep_node(b, node);
}

/* x * clip(x + 3, 0, 6) / 6, or a normalisation of rows. */
static void make_function(builder *b, pith_value *x)
{
    static const float values[] = { 3.0f, 6.0f, 1e-3f };
    pith_tensor tensor;
    pith_value *constants[3], *last = numbers(b, (const int64_t[]){ -1 }, 1);
    for (int i = 0; i < 3; i++) {
        TEST_OK(b->test, pithi_graph_new_constant(b->graph, NULL, PITH_DTYPE_F32, &(pith_shape){ 0 }, &tensor,
                                                  &constants[i]));
        *(float *)tensor.data = values[i];
    }
    bool is_norm = pick(b, 2);
    const char *const steps[2][4] = { { "add", "clip", "mul", "div" }, { "mul", "reduce_mean", "add", "sqrt" } };
    pith_value *at = x;
    for (int i = 0; i < 4 && b->n_values < MAX_VALUES - 2; i++) {
        pith_value *second = is_norm ? (i == 0 ? x : i == 1 ? last : constants[2])
                                     : (i == 2 ? x : i == 0 ? constants[0] : constants[1]);
        bool is_unary = is_norm ? i == 3 : i == 1;
        int n_before = b->n_values;
        pith_node *node = add_node(b, steps[is_norm][i], (pith_value *[]){ at, second }, is_unary ? 1 : 2);
        if (!is_norm && i == 1) {
            TEST_OK(b->test, pithi_attr_set_float(b->test->ctx, node, "min", 0.0f));
            TEST_OK(b->test, pithi_attr_set_float(b->test->ctx, node, "max", 6.0f));
        }
        keep_node(b, node);
        if (b->n_values == n_before) {
            return;
        }
        at = b->pool[b->n_values - 1];
    }
    if (is_norm) {
        keep_node(b, add_node(b, "div", (pith_value *[]){ x, at }, 2));
    }
}

/* ---- graphs ----------------------------------------------------------------------------------- */

typedef void make_fn(builder *b, pith_value *x);

static void build(builder *b)
{
    static make_fn *const makers[] = {
        make_conv,      make_conv,    make_conv,   make_pool,  make_unary, make_unary,   make_binary,
        make_binary,    make_binary,  make_norm,   make_transpose, make_transpose, make_reshape, make_concat,
        make_slice,     make_pad,     make_product, make_reduction, make_resize, make_index, make_function,
    };
    static const pith_shape shapes[] = {
        { 4, { 1, 4, 6, 5 } }, { 4, { 2, 3, 5, 5 } }, { 4, { 1, 1, 4, 6 } }, { 3, { 2, 6, 5 } },
    };
    TEST_OK(b->test, pithi_graph_create(b->test->ctx, &b->graph));
    for (int i = 0; i < 2; i++) {
        pith_value *input = NULL;
        TEST_OK(b->test, pithi_graph_add_value(b->graph, i ? "in1" : "in0", &input));
        input->dtype = PITH_DTYPE_F32;
        input->shape = shapes[pick(b, PITH_COUNT(shapes))];
        input->has_shape = true;
        TEST_OK(b->test, pithi_graph_add_input(b->graph, input));
        b->pool[b->n_values++] = input;
    }
    int n_wanted = 4 + pick(b, MAX_VALUES - 6);
    for (int tries = 0; tries < 200 && b->n_values < n_wanted; tries++) {
        bool recent = pick(b, 3) > 0;
        int index = recent ? b->n_values - 1 - pick(b, b->n_values < 3 ? b->n_values : 3) : pick(b, b->n_values);
        makers[pick(b, PITH_COUNT(makers))](b, b->pool[index]);
    }
    pithi_graph_count_uses(b->graph);
    for (int i = 2; i < b->n_values; i++) {
        if (b->pool[i]->n_uses == 0 || pick(b, 12) == 0) {
            TEST_OK(b->test, pithi_graph_add_output(b->graph, b->pool[i]));
        }
    }
}

/* Errors of sums grow with the numbers in them, which the random chains let grow. */
static void compare(builder *b, const pith_graph *graph, pith_tensor *before, pith_tensor *after)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        double difference = pith_test_difference(&after[i], &before[i]);
        TEST_CHECK_MESSAGE(b->test, difference <= 2e-4, "output %s is off by %g", graph->outputs[i]->name, difference);
        TEST_CHECK(b->test, pithi_same_text(graph->outputs[i]->name, b->graph->outputs[i]->name));
        free(before[i].data);
        free(after[i].data);
    }
}

static void check_graph(builder *b)
{
    pith_tensor inputs[2] = { 0 }, before[MAX_VALUES] = { 0 }, after[MAX_VALUES] = { 0 };
    pith_graph *model = NULL, *clone = NULL;
    for (int i = 0; i < 2; i++) {
        inputs[i] = (pith_tensor){ PITH_DTYPE_F32, b->graph->inputs[i]->shape, NULL };
        inputs[i].data = malloc(pith_tensor_bytes(&inputs[i]) + 1);
        pith_test_fill(b->test, &inputs[i], -2, 2, false);
    }
    TEST_OK(b->test, pithi_graph_clone(b->graph, &model));
    bool knows_shapes = pick(b, 2);
    const char *disabled = pick(b, 2) ? NULL : pithi_pass_at(pick(b, pithi_pass_count()))->name;
    if (knows_shapes) {
        TEST_OK(b->test, pithi_graph_infer(model));
    }
    TEST_OK(b->test, pithi_passes_run(model, PITH_STAGE_MODEL, disabled));
    TEST_OK(b->test, pithi_graph_verify(model));
    TEST_OK(b->test, pithi_graph_clone(model, &clone));
    TEST_OK(b->test, pithi_graph_infer(clone));
    TEST_OK(b->test, pithi_passes_run(clone, PITH_STAGE_SHAPE, disabled));
    TEST_OK(b->test, pithi_graph_verify(clone));
    for (size_t i = 0; i < clone->n_outputs; i++) {
        TEST_CHECK(b->test, clone->outputs[i]->has_shape);
    }
    if (pith_test_interpret(b->test, b->graph, inputs, before) && pith_test_interpret(b->test, clone, inputs, after)) {
        compare(b, clone, before, after);
    }
    free(inputs[0].data);
    free(inputs[1].data);
    pithi_graph_destroy(clone);
    pithi_graph_destroy(model);
}

void test_random_graphs(pith_test *test)
{
    for (int i = 0; i < N_GRAPHS; i++) {
        builder b = { .test = test };
        pith_test_case(test, "random graph %d", i);
        build(&b);
        check_graph(&b);
        pithi_graph_destroy(b.graph);
    }
}
