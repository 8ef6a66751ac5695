/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_gradient.h"

/* ---- nodes -------------------------------------------------------------------------------- */

pith_value *pithi_gradient_emit(pithi_gradient *g, const char *op, const pith_node *like, pith_value *const *inputs,
                                int n_inputs, pith_node **node_out)
{
    pith_value *output = NULL;
    pith_node *node = NULL;
    for (int i = 0; i < n_inputs && g->status == PITH_OK && !like; i++) {
        if (!inputs[i]) {
            g->status = pithi_fail(g->ctx, PITH_STATUS_INTERNAL, "a gradient's %s has no input %d", op, i);
        }
    }
    if (g->status == PITH_OK) {
        g->status = pithi_graph_add_value(g->graph, NULL, &output);
    }
    if (g->status == PITH_OK) {
        g->status = pithi_graph_insert_node(g->graph, NULL, pithi_op_find(op), g->name, inputs, n_inputs, &output, 1,
                                            &node);
    }
    if (g->status == PITH_OK && like) {
        g->status = pithi_attrs_copy(pithi_op_head(node->op), like->attrs, &g->graph->arena, node->attrs);
    }
    if (g->status != PITH_OK) {
        return NULL;
    }
    node->source_op = g->source_op;
    if (node_out) {
        *node_out = node;
    }
    return output;
}

pith_value *pithi_gradient_1(pithi_gradient *g, const char *op, pith_value *a)
{
    return pithi_gradient_emit(g, op, NULL, &a, 1, NULL);
}

pith_value *pithi_gradient_2(pithi_gradient *g, const char *op, pith_value *a, pith_value *b)
{
    pith_value *const inputs[2] = { a, b };
    return pithi_gradient_emit(g, op, NULL, inputs, 2, NULL);
}

pith_value *pithi_gradient_number(pithi_gradient *g, double number, pith_value *like)
{
    const pith_shape scalar = { 0 };
    pith_tensor tensor;
    pith_value *constant = NULL;
    if (g->status == PITH_OK) {
        g->status = pithi_graph_new_constant(g->graph, NULL, PITH_DTYPE_F64, &scalar, &tensor, &constant);
    }
    if (g->status != PITH_OK) {
        return NULL;
    }
    pithi_tensor_set_f64(&tensor, 0, number);
    return pithi_gradient_2(g, "cast_like", constant, like);
}

pith_value *pithi_gradient_s64s(pithi_gradient *g, const int64_t *items, int n_items)
{
    pith_value *constant = NULL;
    if (g->status == PITH_OK) {
        g->status = pithi_graph_add_s64s(g->graph, items, n_items, &constant);
    }
    return constant;
}

/* ---- gradients ---------------------------------------------------------------------------- */

static bool is_old(const pithi_gradient *g, const pith_value *value)
{
    return value && value->index >= 0 && (size_t)value->index < g->n_values &&
           g->graph->values[value->index] == value;
}

pith_value *pithi_gradient_forward(const pithi_gradient *g, pith_value *value)
{
    return is_old(g, value) && g->forward[value->index] ? g->forward[value->index] : value;
}

bool pithi_gradient_wants(const pithi_gradient_node *n, int index)
{
    const pith_value *value = index < n->node->n_inputs ? n->node->inputs[index] : NULL;
    return n->g->status == PITH_OK && is_old(n->g, value) && n->g->is_active[value->index];
}

void pithi_gradient_add(pithi_gradient_node *n, int index, pith_value *gradient)
{
    if (!gradient || !pithi_gradient_wants(n, index)) {
        return;
    }
    pith_value **sum = &n->g->gradients[n->node->inputs[index]->index];
    *sum = *sum ? pithi_gradient_2(n->g, "add", *sum, gradient) : gradient;
}

void pithi_gradient_add_broadcast(pithi_gradient_node *n, int index, pith_value *gradient)
{
    if (gradient && pithi_gradient_wants(n, index)) {
        pith_value *input = pithi_gradient_forward(n->g, n->node->inputs[index]);
        pithi_gradient_add(n, index, pithi_gradient_2(n->g, "sum_to", gradient, input));
    }
}

void pithi_gradient_fail(pithi_gradient_node *n, const char *why)
{
    if (n->g->status == PITH_OK) {
        n->g->status = pithi_fail(n->g->ctx, PITH_STATUS_UNSUPPORTED, "the gradient of %s (node '%s') %s",
                                  n->node->source_op, n->node->name, why);
    }
}

/* ---- the whole ---------------------------------------------------------------------------- */

static pith_status find_value(pithi_gradient *g, const char *what, const char *name, pith_value **value_out)
{
    for (size_t i = 0; i < g->n_values; i++) {
        if (pithi_same_text(g->graph->values[i]->name, name)) {
            *value_out = g->graph->values[i];
            return PITH_OK;
        }
    }
    PITH_FAIL(g->ctx, PITH_STATUS_FORMAT, "'%s' names '%s', which the graph doesn't have before this node", what, name);
}

static pith_status make_tables(pithi_gradient *g)
{
    pithi_arena *arena = &g->graph->arena;
    void *active = NULL, *leaves = NULL, *forward = NULL, *gradients = NULL;
    g->n_values = g->graph->n_values;
    PITH_TRY(pithi_arena_array(arena, g->n_values, sizeof(bool), &active));
    PITH_TRY(pithi_arena_array(arena, g->n_values, sizeof(bool), &leaves));
    PITH_TRY(pithi_arena_array(arena, g->n_values, sizeof(pith_value *), &forward));
    PITH_TRY(pithi_arena_array(arena, g->n_values, sizeof(pith_value *), &gradients));
    g->is_active = active;
    g->is_leaf = leaves;
    g->forward = forward;
    g->gradients = gradients;
    for (size_t i = 0; i < g->n_values; i++) {
        g->graph->values[i]->index = (int)i;
    }
    return PITH_OK;
}

/* Names of xs or zs become leaves; what is fed for them stands in their place. True in *is_fed if it is another. */
static pith_status mark_leaves(pithi_gradient *g, const pith_source_attr *names, bool is_x, pith_value *const *inputs,
                               bool *is_fed)
{
    for (int i = 0; names && i < names->n_items; i++) {
        pith_value *value = NULL;
        PITH_TRY(find_value(g, is_x ? "xs" : "zs", names->strings[i], &value));
        PITH_CHECK(g->ctx, inputs[i], PITH_STATUS_FORMAT, "nothing is fed for '%s'", names->strings[i]);
        g->is_leaf[value->index] = true;
        g->is_active[value->index] = is_x;
        g->forward[value->index] = inputs[i];
        *is_fed |= inputs[i] != value;
    }
    return PITH_OK;
}

static bool depends(const pithi_gradient *g, const pith_node *node, bool on_fed)
{
    bool result = false;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        result |= is_old(g, input) && (on_fed ? g->forward[input->index] != NULL : g->is_active[input->index]);
    }
    return result;
}

/* A copy of a node that reads what is fed. */
static pith_status copy_forward(pithi_gradient *g, pith_node *node)
{
    void *block = NULL;
    pith_node *copy = NULL;
    PITH_CHECK(g->ctx, node->op && node->n_bodies == 0, PITH_STATUS_UNSUPPORTED,
               "the differentiated function contains %s (node '%s'), which can't be fed other values", node->source_op,
               node->name);
    PITH_TRY(pithi_arena_array(&g->graph->arena, (size_t)(node->n_inputs + node->n_outputs) + 1, sizeof(pith_value *),
                               &block));
    pith_value **inputs = block, **outputs = inputs + node->n_inputs;
    for (int i = 0; i < node->n_inputs; i++) {
        inputs[i] = pithi_gradient_forward(g, node->inputs[i]);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            PITH_TRY(pithi_graph_add_value(g->graph, NULL, &outputs[i]));
            g->forward[node->outputs[i]->index] = outputs[i];
        }
    }
    PITH_TRY(pithi_graph_insert_node(g->graph, NULL, node->op, node->name, inputs, node->n_inputs, outputs,
                                     node->n_outputs, &copy));
    copy->source_op = node->source_op;
    return pithi_attrs_copy(pithi_op_head(node->op), node->attrs, &g->graph->arena, copy->attrs);
}

static bool has_leaf_output(const pithi_gradient *g, const pith_node *node)
{
    bool result = false;
    for (int i = 0; i < node->n_outputs; i++) {
        result |= node->outputs[i] && g->is_leaf[node->outputs[i]->index];
    }
    return result;
}

static pith_status mark_nodes(pithi_gradient *g, pith_node *last, bool is_fed)
{
    for (pith_node *node = g->graph->first; node; node = node == last ? NULL : node->next) {
        if (has_leaf_output(g, node)) {
            continue;
        }
        for (int i = 0; i < node->n_outputs && depends(g, node, false); i++) {
            if (node->outputs[i]) {
                g->is_active[node->outputs[i]->index] = true;
            }
        }
        if (is_fed && depends(g, node, true)) {
            PITH_TRY(copy_forward(g, node));
        }
    }
    return PITH_OK;
}

static pith_status differentiate_node(pithi_gradient *g, pith_node *node)
{
    pithi_gradient_node n = { .g = g, .node = node };
    bool has_gradient = false;
    for (int i = 0; i < node->n_outputs; i++) {
        has_gradient |= node->outputs[i] && g->gradients[node->outputs[i]->index];
    }
    if (!has_gradient || has_leaf_output(g, node) || !depends(g, node, false)) {
        return PITH_OK;
    }
    for (int i = 0; i < node->n_inputs && i < PITH_COUNT(n.x); i++) {
        n.x[i] = pithi_gradient_forward(g, node->inputs[i]);
    }
    if (node->n_outputs > 0 && node->outputs[0]) {
        n.y = pithi_gradient_forward(g, node->outputs[0]);
        n.dy = g->gradients[node->outputs[0]->index];
    }
    const char *op = node->op ? pithi_op_head(node->op)->name : "";
    pithi_gradient_rule_fn *rule = pithi_gradient_rule(op);
    if (rule) {
        rule(&n);
    } else if (!pithi_gradient_ends(op)) {
        pithi_gradient_fail(&n, "is not implemented");
    }
    return g->status;
}

/* The gradient of y itself: ones. */
static pith_value *ones_like(pithi_gradient *g, pith_value *y)
{
    pith_value *one = pithi_gradient_number(g, 1.0, y);
    return pithi_gradient_2(g, "expand", one, pithi_gradient_1(g, "shape", y));
}

pith_status pithi_gradient_build(pithi_gradient *g, const pith_source_attr *xs, const pith_source_attr *zs,
                                 const char *y, pith_value *const *inputs, pith_value **gradients_out)
{
    pith_value *target = NULL;
    pith_node *const last = g->graph->last;
    bool is_fed = false;
    PITH_TRY(make_tables(g));
    PITH_TRY(find_value(g, "y", y, &target));
    PITH_TRY(mark_leaves(g, xs, true, inputs, &is_fed));
    PITH_TRY(mark_leaves(g, zs, false, inputs + xs->n_items, &is_fed));
    PITH_TRY(mark_nodes(g, last, is_fed));
    g->gradients[target->index] = ones_like(g, pithi_gradient_forward(g, target));
    PITH_TRY(g->status);
    for (pith_node *node = last; node; node = node->previous) {
        PITH_TRY(differentiate_node(g, node));
    }
    for (int i = 0; i < xs->n_items; i++) {
        pith_value *x = NULL;
        PITH_TRY(find_value(g, "xs", xs->strings[i], &x));
        gradients_out[i] = g->gradients[x->index];
    }
    return PITH_OK;
}
