/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of operators that move elements: run on the numbers of the elements instead of their values, such an
 * operator says where each came from, and the gradient is added up there. */
#include "graph/attrs.h"
#include "ops/shared_gradient.h"

static pith_value *op1(pithi_gradient_node *n, const char *op, pith_value *a) { return pithi_gradient_1(n->g, op, a); }
static pith_value *op2(pithi_gradient_node *n, const char *op, pith_value *a, pith_value *b)
{
    return pithi_gradient_2(n->g, op, a, b);
}

/* x's shape as numbers from `first` on, 1 each. */
static pith_value *numbered(pithi_gradient_node *n, pith_value *x, int64_t first)
{
    const pith_shape scalar = { 0 };
    pith_value *bounds[3] = { NULL };
    pithi_gradient *g = n->g;
    for (int i = 0; i < 3 && g->status == PITH_OK; i += 2) {
        pith_tensor tensor;
        g->status = pithi_graph_new_constant(g->graph, NULL, PITH_DTYPE_S64, &scalar, &tensor, &bounds[i]);
        if (g->status == PITH_OK) {
            pithi_tensor_set_s64(&tensor, 0, i == 0 ? first : 1);
        }
    }
    bounds[1] = op2(n, "add", op1(n, "size", x), bounds[0]);
    return op2(n, "reshape", pithi_gradient_emit(g, "range", NULL, bounds, 3, NULL), op1(n, "shape", x));
}

pith_value *pithi_gradient_scatter(pithi_gradient_node *n, pith_value *x, pith_value *ids, pith_value *dy)
{
    static const int64_t all[] = { -1 }, one[] = { 1 };
    pith_node *node = NULL;
    pithi_gradient *g = n->g;
    pith_value *flat = pithi_gradient_s64s(g, all, 1), *zero = pithi_gradient_number(g, 0.0, dy);
    pith_value *count = op2(n, "add", op2(n, "reshape", op1(n, "size", x), flat), pithi_gradient_s64s(g, one, 1));
    pith_value *const inputs[3] = { op2(n, "expand", zero, count), op2(n, "reshape", ids, flat),
                                    op2(n, "reshape", dy, flat) };
    pith_value *sums = pithi_gradient_emit(g, "scatter_elements", NULL, inputs, 3, &node);
    if (!sums) {
        return NULL;
    }
    const pith_attr_spec *spec = NULL;
    for (int i = 0; i < pithi_op_head(node->op)->n_attrs; i++) {
        spec = pithi_same_text(pithi_op_head(node->op)->attrs[i].name, "reduction") ? &pithi_op_head(node->op)->attrs[i]
                                                                                   : spec;
    }
    for (int k = 0; spec && spec->choices[k]; k++) {
        if (pithi_same_text(spec->choices[k], "add")) {
            g->status = pithi_attr_set_int(g->ctx, node, "reduction", k);
        }
    }
    pith_value *const cut[3] = { sums, pithi_gradient_s64s(g, one, 1), count };
    return op2(n, "reshape", pithi_gradient_emit(g, "slice", NULL, cut, 3, NULL), op1(n, "shape", x));
}

/* The node again on numbers instead of input `index`; other moved inputs are 0. The result says for each element where
 * it came from. */
static void add_moved(pithi_gradient_node *n, int index, int n_moved)
{
    pithi_gradient *g = n->g;
    const pith_node *node = n->node;
    void *block = NULL;
    pith_node *copy = NULL;
    if (g->status == PITH_OK) {
        g->status = pithi_arena_array(&g->graph->arena, (size_t)(node->n_inputs + node->n_outputs),
                                      sizeof(pith_value *), &block);
    }
    if (g->status != PITH_OK) {
        return;
    }
    pith_value **inputs = block, **outputs = inputs + node->n_inputs;
    pith_value *x = pithi_gradient_forward(g, node->inputs[index]), *ids = numbered(n, x, 1);
    for (int i = 0; i < node->n_inputs; i++) {
        inputs[i] = pithi_gradient_forward(g, node->inputs[i]);
        if (i < n_moved && i != index && inputs[i]) {
            pith_value *others = numbered(n, inputs[i], 1);
            inputs[i] = op2(n, "sub", others, others);
        }
    }
    inputs[index] = ids;
    for (int i = 0; i < node->n_outputs && g->status == PITH_OK; i++) {
        g->status = node->outputs[i] ? pithi_graph_add_value(g->graph, NULL, &outputs[i]) : PITH_OK;
    }
    if (g->status == PITH_OK) {
        g->status = pithi_graph_insert_node(g->graph, NULL, node->op, g->name, inputs, node->n_inputs, outputs,
                                            node->n_outputs, &copy);
    }
    if (g->status == PITH_OK) {
        copy->source_op = g->source_op;
        g->status = pithi_attrs_copy(pithi_op_head(node->op), node->attrs, &g->graph->arena, copy->attrs);
    }
    for (int i = 0; i < node->n_outputs && g->status == PITH_OK; i++) {
        pith_value *dy = node->outputs[i] ? g->gradients[node->outputs[i]->index] : NULL;
        if (dy) {
            pithi_gradient_add(n, index, pithi_gradient_scatter(n, x, outputs[i], dy));
        }
    }
}

void pithi_gradient_move(pithi_gradient_node *n)
{
    if (pithi_gradient_wants(n, 0)) {
        add_moved(n, 0, 1);
    }
}

void pithi_gradient_move_all(pithi_gradient_node *n)
{
    for (int i = 0; i < n->node->n_inputs; i++) {
        if (pithi_gradient_wants(n, i)) {
            add_moved(n, i, n->node->n_inputs);
        }
    }
}

void pithi_gradient_move_padded(pithi_gradient_node *n)
{
    pith_node filled = *n->node;
    pith_value *inputs[4] = { NULL };
    if (n->node->n_inputs > 2 && n->node->inputs[2]) {
        if (pithi_gradient_wants(n, 2)) {
            pithi_gradient_fail(n, "to the padding value is not implemented");
            return;
        }
        for (int i = 0; i < n->node->n_inputs && i < 4; i++) {
            inputs[i] = i == 2 ? NULL : n->node->inputs[i];
        }
        filled.inputs = inputs; /* without it zeros are filled in: nowhere */
        n->node = &filled;
    }
    pithi_gradient_move(n);
}
