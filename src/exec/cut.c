/* SPDX-License-Identifier: Apache-2.0 */
/* Where shapes depend on data: finding the node at which planning stops, and cutting the graph there into
 * what can be planned now and a rest that waits for values. */
#include "exec/stretch.h"

static bool has_known_shape(const pith_value *value)
{
    if (!value || value->constant) {
        return true;
    }
    bool known = value->has_shape;
    for (int i = 0; known && i < value->shape.rank; i++) {
        known = value->shape.dims[i] >= 0;
    }
    return known;
}

static bool inputs_have_shapes(const pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (!has_known_shape(node->inputs[i])) {
            return false;
        }
    }
    return true;
}

static bool is_planned(const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (!has_known_shape(node->outputs[i])) {
            return false;
        }
    }
    return !(node->op->flags & PITH_OP_CONTROL);
}

/* Asks the operator which value it misses. */
static pith_status needed_value(pith_graph *graph, pith_node *node, pith_value **needed_out)
{
    void *inputs = NULL, *outputs = NULL;
    pith_status status = PITH_OK;
    *needed_out = NULL;
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, (size_t)node->n_inputs, sizeof(pith_tensor), &inputs), done);
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, (size_t)node->n_outputs, sizeof(pith_tensor), &outputs), done);
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        if (value) {
            const pith_tensor *known = value->constant ? value->constant : value->outline;
            ((pith_tensor *)inputs)[i] =
                known ? *known : (pith_tensor){ .dtype = value->dtype, .shape = value->shape };
        }
    }
    pith_infer infer = { .ctx = graph->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs };
    status = pithi_op_infer(&infer);
    if (status == PITHI_STATUS_NEEDS_VALUE) {
        *needed_out = node->inputs[infer.needs_value];
        status = PITH_OK;
    }
done:
    pithi_free(graph->ctx, inputs);
    pithi_free(graph->ctx, outputs);
    return status;
}

pith_status pithi_find_blocked(pith_graph *graph, pith_node **node_out, pith_value **needed_out)
{
    *node_out = NULL;
    *needed_out = NULL;
    bool all_planned = true;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (is_planned(node)) {
            continue;
        }
        all_planned = false;
        if (inputs_have_shapes(node)) {
            *node_out = node;
            bool is_branch = node->n_bodies == 2; /* `if`: only its condition matters, its result is spliced in */
            if (is_branch) {
                *needed_out = node->inputs[0];
                return PITH_OK;
            }
            if (node->op->flags & PITH_OP_CONTROL) {
                return PITH_OK;
            }
            PITH_TRY_AT(graph->ctx, needed_value(graph, node, needed_out), "node '%s' (%s)", node->name,
                        node->op->head.name);
            PITH_CHECK(graph->ctx, *needed_out, PITH_STATUS_INTERNAL, "node '%s' has no shape and asks for no value",
                       node->name);
            return PITH_OK;
        }
    }
    PITH_CHECK(graph->ctx, all_planned, PITH_STATUS_SHAPE,
               "no node has inputs with known shapes: an input lacks a shape");
    return PITH_OK;
}

/* ---- cutting ------------------------------------------------------------------------------ */

/* Two copies of one graph: values and nodes correspond by position. */
typedef struct cut {
    pith_ctx *ctx;
    pithi_stretch *stretch;
    pith_graph *planned, *rest;
    int *available; /* by value index: number among the planned graph's outputs, or -1 */
    pith_node *blocked; /* in rest; executed if it is a control node, else the rest's first node */
} cut;

static void number(pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)i;
    }
    int n_nodes = 0;
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = n_nodes++;
    }
}

/* Leaves the plannable nodes in one copy and the others in the other one. */
static void divide_nodes(cut *c, int blocked_index)
{
    pith_node *in_planned = c->planned->first, *in_rest = c->rest->first;
    while (in_planned) {
        pith_node *next_planned = in_planned->next, *next_rest = in_rest->next;
        if (in_rest->index == blocked_index) {
            c->blocked = in_rest;
        }
        if (is_planned(in_planned)) {
            pithi_graph_remove_node(c->rest, in_rest);
        } else {
            pithi_graph_remove_node(c->planned, in_planned);
        }
        in_planned = next_planned;
        in_rest = next_rest;
    }
}

/* Makes a value of the planned copy an output of it (once), for the rest. */
static pith_status make_available(cut *c, const pith_value *rest_value)
{
    int index = rest_value->index;
    if (rest_value->constant || c->available[index] >= 0) {
        return PITH_OK;
    }
    c->available[index] = (int)c->planned->n_outputs;
    return pithi_graph_add_output(c->planned, c->planned->values[index]);
}

static bool is_own(const pith_graph *graph, const pith_value *value)
{
    return value->index >= 0 && (size_t)value->index < graph->n_values && graph->values[value->index] == value;
}

static pith_status offer_inputs(cut *c, const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            const pith_value *value = node->inputs[i];
            if (value && is_own(c->rest, value) && !value->producer) {
                PITH_TRY(make_available(c, value));
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(offer_inputs(c, node->bodies[i]));
        }
    }
    for (size_t i = 0; i < graph->n_outputs && graph != c->rest; i++) { /* a body may hand out a captured value */
        const pith_value *value = graph->outputs[i];
        if (is_own(c->rest, value) && !value->producer) {
            PITH_TRY(make_available(c, value));
        }
    }
    return PITH_OK;
}

/* Template outputs come from the plan where it makes them, else from the rest. */
static pith_status divide_outputs(cut *c)
{
    size_t n_outputs = c->planned->n_outputs;
    void *from = NULL;
    PITH_TRY(pithi_arena_array(&c->stretch->memory, n_outputs, sizeof(int), &from));
    c->stretch->outputs = from;
    size_t n_planned = 0, n_rest = 0;
    for (size_t i = 0; i < n_outputs; i++) {
        pith_value *planned = c->planned->outputs[i], *rest = c->rest->outputs[i];
        if (rest->producer) {
            c->stretch->outputs[i] = -1 - (int)n_rest;
            c->rest->outputs[n_rest++] = rest;
        } else {
            c->stretch->outputs[i] = (int)n_planned;
            c->available[planned->index] = (int)n_planned;
            c->planned->outputs[n_planned++] = planned;
        }
    }
    c->planned->n_outputs = n_planned;
    c->rest->n_outputs = n_rest;
    return PITH_OK;
}

static pith_status number_of(const cut *c, const pith_value *value, int *number_out)
{
    *number_out = -1;
    if (value && !value->constant) {
        *number_out = c->available[value->index];
        PITH_CHECK(c->ctx, *number_out >= 0, PITH_STATUS_INTERNAL, "value '%s' isn't available at the cut",
                   value->name);
    }
    return PITH_OK;
}

static pith_status fill_control(cut *c, pithi_control *control, pith_value **captured)
{
    pithi_arena *memory = &c->stretch->memory;
    void *inputs = NULL, *numbers = NULL;
    PITH_TRY(pithi_arena_array(memory, (size_t)control->node->n_inputs, sizeof(int), &inputs));
    PITH_TRY(pithi_arena_array(memory, (size_t)control->n_captured, sizeof(int), &numbers));
    control->inputs = inputs;
    control->captured = numbers;
    for (int i = 0; i < control->node->n_inputs; i++) {
        PITH_TRY(number_of(c, control->node->inputs[i], &control->inputs[i]));
    }
    for (int i = 0; i < control->n_captured; i++) {
        PITH_TRY(number_of(c, captured[i], &control->captured[i]));
    }
    return PITH_OK;
}

/* The control node moves into a holder (a clone of the rest), its body becomes a template; in the rest its
 * outputs become inputs. */
static pith_status take_control_node(cut *c)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(c->ctx, sizeof(pithi_control), &block));
    pithi_control *control = block;
    c->stretch->control = control;
    PITH_TRY(pithi_graph_clone(c->rest, &control->holder));
    pith_node *original = c->rest->first, *copy = control->holder->first;
    while (original != c->blocked) {
        original = original->next;
        copy = copy->next;
    }
    control->node = copy;
    pith_graph *body = NULL;
    pith_value **captured = NULL;
    PITH_TRY(pithi_graph_isolate(copy->bodies[0], &body, &captured, &control->n_captured));
    pith_status status = pithi_template_create(c->stretch->of->program, body, false, &control->body);
    if (status != PITH_OK) {
        pithi_graph_destroy(body);
        return status;
    }
    number(control->holder); /* isolate renumbers */
    PITH_TRY(fill_control(c, control, captured));
    return PITH_OK;
}

static pith_status add_rest_inputs(cut *c)
{
    void *list = NULL;
    PITH_TRY(pithi_arena_array(&c->stretch->memory, c->planned->n_outputs, sizeof(int), &list));
    c->stretch->rest_inputs = list;
    c->rest->n_inputs = 0;
    for (size_t i = 0; i < c->rest->n_values; i++) {
        if (c->available[i] >= 0) {
            PITH_TRY(pithi_graph_add_input(c->rest, c->rest->values[i]));
            c->stretch->rest_inputs[c->stretch->n_rest_inputs++] = c->available[i];
        }
    }
    if (c->stretch->control) {
        pith_node *node = c->blocked;
        for (int i = 0; i < node->n_outputs; i++) {
            pith_value *value = node->outputs[i];
            if (!value) {
                PITH_TRY(pithi_graph_add_value(c->rest, NULL, &value));
            }
            PITH_TRY(pithi_graph_add_input(c->rest, value));
        }
        pithi_graph_remove_node(c->rest, node);
    }
    return PITH_OK;
}

static pith_status cut_at(cut *c, int blocked_index)
{
    void *available = NULL;
    PITH_TRY(pithi_arena_array(&c->stretch->memory, c->rest->n_values, sizeof(int), &available));
    c->available = available;
    memset(available, 0xff, c->rest->n_values * sizeof(int)); /* -1 */
    divide_nodes(c, blocked_index);
    PITH_TRY(divide_outputs(c));
    PITH_TRY(offer_inputs(c, c->rest));
    if (c->blocked->op->flags & PITH_OP_CONTROL && c->blocked->n_bodies == 1) {
        PITH_TRY(take_control_node(c));
    }
    PITH_TRY(add_rest_inputs(c));
    pith_status status = pithi_template_create(c->stretch->of->program, c->rest, c->stretch->of->keeps_outputs,
                                               &c->stretch->rest);
    if (status == PITH_OK) {
        c->rest = NULL;
    }
    return status;
}

pith_status pithi_stretch_cut(pithi_stretch *stretch, pith_graph *graph, pith_node *blocked, pith_graph **planned_out)
{
    if (!blocked) {
        void *outputs = NULL;
        PITH_TRY(pithi_arena_array(&stretch->memory, graph->n_outputs, sizeof(int), &outputs));
        stretch->outputs = outputs;
        for (size_t i = 0; i < graph->n_outputs; i++) {
            stretch->outputs[i] = (int)i;
        }
        *planned_out = graph;
        return PITH_OK;
    }
    cut c = { .ctx = graph->ctx, .stretch = stretch, .planned = graph };
    PITH_TRY(pithi_graph_clone(graph, &c.rest));
    number(c.planned);
    number(c.rest);
    pith_status status = cut_at(&c, blocked->index);
    pithi_graph_destroy(c.rest);
    if (status == PITH_OK) {
        *planned_out = graph;
    }
    return status;
}
