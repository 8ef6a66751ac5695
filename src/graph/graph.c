/* SPDX-License-Identifier: Apache-2.0 */
/* Building and editing graphs. */
#include <stdio.h>

#include "base/ctx.h"
#include "graph/attrs.h"
#include "graph/graph.h"

pith_status pithi_graph_create(pith_ctx *ctx, pith_graph **graph_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(ctx, sizeof(pith_graph), &block));
    pith_graph *graph = block;
    graph->ctx = ctx;
    graph->arena.ctx = ctx;
    graph->name = "";
    *graph_out = graph;
    return PITH_OK;
}

void pithi_graph_destroy(pith_graph *graph)
{
    if (!graph) {
        return;
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            pithi_graph_destroy(node->bodies[i]);
        }
    }
    pith_ctx *ctx = graph->ctx;
    pithi_graph_destroy(graph->kept);
    pithi_free(ctx, graph->inputs);
    pithi_free(ctx, graph->outputs);
    pithi_free(ctx, graph->values);
    pithi_arena_deinit(&graph->arena);
    pithi_free(ctx, graph);
}

static pith_status append(pith_ctx *ctx, pith_value ***list, size_t *count, size_t *capacity, pith_value *value)
{
    void *array = *list;
    pith_status status = pithi_grow(ctx, &array, capacity, *count + 1, sizeof(pith_value *));
    *list = array;
    if (status == PITH_OK) {
        (*list)[(*count)++] = value;
    }
    return status;
}

void pithi_graph_reserve_name(pith_graph *graph, const char *name)
{
    uint64_t number = 0;
    if (strncmp(name, "pith:", 5) != 0) {
        return;
    }
    for (name += 5; *name >= '0' && *name <= '9' && number < (uint64_t)1 << 59; name++) {
        number = number * 10 + (uint64_t)(*name - '0');
    }
    if (*name == '\0' && number >= graph->n_unique_names) {
        graph->n_unique_names = number + 1;
    }
}

pith_status pithi_graph_add_value(pith_graph *graph, const char *name, pith_value **value_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_value), &block));
    pith_value *value = block;
    if (name) {
        PITH_TRY(pithi_arena_text(&graph->arena, name, strlen(name), &value->name));
        pithi_graph_reserve_name(graph, name);
    } else {
        PITH_TRY(pithi_arena_format(&graph->arena, &value->name, "pith:%llu",
                                    (unsigned long long)graph->n_unique_names++));
    }
    PITH_TRY(append(graph->ctx, &graph->values, &graph->n_values, &graph->values_capacity, value));
    *value_out = value;
    return PITH_OK;
}

pith_status pithi_graph_add_constant(pith_graph *graph, const char *name, const pith_tensor *tensor,
                                     pith_value **value_out)
{
    pith_value *value = NULL;
    void *copy = NULL;
    PITH_TRY(pithi_graph_add_value(graph, name, &value));
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof *tensor, &copy));
    memcpy(copy, tensor, sizeof *tensor);
    value->constant = copy;
    value->dtype = tensor->dtype;
    value->shape = tensor->shape;
    value->has_shape = true;
    *value_out = value;
    return PITH_OK;
}

pith_status pithi_graph_new_constant(pith_graph *graph, const char *name, pith_dtype dtype,
                                     const pith_shape *shape, pith_tensor *tensor_out, pith_value **value_out)
{
    size_t n_bytes = 0;
    pith_tensor tensor = { .dtype = dtype, .shape = *shape };
    PITH_TRY(pithi_shape_check(graph->ctx, shape, dtype, &n_bytes));
    PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes ? n_bytes : 1, &tensor.data));
    PITH_TRY(pithi_graph_add_constant(graph, name, &tensor, value_out));
    *tensor_out = tensor;
    return PITH_OK;
}

pith_status pithi_graph_add_s64s(pith_graph *graph, const int64_t *items, int n_items, pith_value **value_out)
{
    pith_shape shape = { 1, { n_items } };
    pith_tensor tensor;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S64, &shape, &tensor, value_out));
    if (n_items > 0) {
        memcpy(tensor.data, items, (size_t)n_items * sizeof *items);
    }
    return PITH_OK;
}

pith_status pithi_graph_add_input(pith_graph *graph, pith_value *value)
{
    graph->settled = 0;
    return append(graph->ctx, &graph->inputs, &graph->n_inputs, &graph->inputs_capacity, value);
}

pith_status pithi_graph_add_output(pith_graph *graph, pith_value *value)
{
    graph->settled = 0;
    PITH_TRY(append(graph->ctx, &graph->outputs, &graph->n_outputs, &graph->outputs_capacity, value));
    value->output_hint = graph->n_outputs;
    return PITH_OK;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static void link_before(pith_graph *graph, pith_node *node, pith_node *before)
{
    node->next = before;
    node->previous = before ? before->previous : graph->last;
    if (node->previous) {
        node->previous->next = node;
    } else {
        graph->first = node;
    }
    if (before) {
        before->previous = node;
    } else {
        graph->last = node;
    }
    graph->n_nodes++;
    graph->settled = 0;
}

static void unlink_node(pith_graph *graph, pith_node *node)
{
    if (node->previous) {
        node->previous->next = node->next;
    } else {
        graph->first = node->next;
    }
    if (node->next) {
        node->next->previous = node->previous;
    } else {
        graph->last = node->previous;
    }
    graph->settled = 0;
    node->previous = node->next = NULL;
    graph->n_nodes--;
}

static pith_status copy_list(pith_graph *graph, pith_value *const *list, int count, pith_value ***copy_out)
{
    void *copy = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)count, sizeof *list, &copy));
    if (count > 0) {
        memcpy(copy, list, (size_t)count * sizeof *list);
    }
    *copy_out = copy;
    return PITH_OK;
}

pith_status pithi_graph_insert_node(pith_graph *graph, pith_node *before, const pith_op *op, const char *name,
                                    pith_value *const *inputs, int n_inputs, pith_value *const *outputs,
                                    int n_outputs, pith_node **node_out)
{
    void *block = NULL;
    PITH_CHECK(graph->ctx, (uint64_t)graph->n_nodes < graph->ctx->limits.max_nodes, PITH_STATUS_LIMIT,
               "more than %llu nodes; pith_limits.max_nodes raises the ceiling",
               (unsigned long long)graph->ctx->limits.max_nodes);
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_node), &block));
    pith_node *node = block;
    node->op = op;
    node->source_op = op ? pithi_op_head(op)->name : "";
    PITH_TRY(pithi_arena_text(&graph->arena, name ? name : "", name ? strlen(name) : 0, &node->name));
    PITH_TRY(copy_list(graph, inputs, n_inputs, &node->inputs));
    PITH_TRY(copy_list(graph, outputs, n_outputs, &node->outputs));
    node->n_inputs = n_inputs;
    node->n_outputs = n_outputs;
    if (op) {
        PITH_TRY(pithi_attrs_new(pithi_op_head(op), &graph->arena, &node->attrs));
    }
    for (int i = 0; i < n_outputs; i++) {
        if (node->outputs[i]) {
            node->outputs[i]->producer = node;
        }
    }
    link_before(graph, node, before);
    if (node_out) {
        *node_out = node;
    }
    return PITH_OK;
}

void pithi_graph_remove_node(pith_graph *graph, pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && node->outputs[i]->producer == node) {
            node->outputs[i]->producer = NULL;
        }
    }
    for (int i = 0; i < node->n_bodies; i++) {
        pithi_graph_destroy(node->bodies[i]);
    }
    node->n_bodies = 0;
    unlink_node(graph, node);
}

void pithi_graph_move_node(pith_graph *graph, pith_node *node, pith_node *before)
{
    if (node != before) {
        unlink_node(graph, node);
        link_before(graph, node, before);
    }
}

bool pithi_node_is_wanted(const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            return true;
        }
    }
    return false;
}

pith_status pithi_node_resize_inputs(pith_graph *graph, pith_node *node, int n_inputs)
{
    void *grown = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_inputs, sizeof *node->inputs, &grown));
    int kept = n_inputs < node->n_inputs ? n_inputs : node->n_inputs;
    if (kept > 0) {
        memcpy(grown, node->inputs, (size_t)kept * sizeof *node->inputs);
    }
    node->inputs = grown;
    node->n_inputs = n_inputs;
    return PITH_OK;
}

/* ---- uses --------------------------------------------------------------------------------- */

static bool replace_in_nodes(pith_graph *graph, const pith_value *old, pith_value *fresh)
{
    bool is_output = false;
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i] == old) {
                node->inputs[i] = fresh;
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            replace_in_nodes(node->bodies[i], old, fresh);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i] == old) {
            pithi_graph_set_output(graph, i, fresh);
            is_output = true;
        }
    }
    return is_output;
}

void pithi_graph_replace_uses(pith_graph *graph, pith_value *old, pith_value *fresh)
{
    bool fresh_was_visible = pithi_graph_is_output(graph, fresh);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        fresh_was_visible |= graph->inputs[i] == fresh;
    }
    if (replace_in_nodes(graph, old, fresh) && !fresh_was_visible) {
        const char *name = old->name;
        old->name = fresh->name;
        fresh->name = name;
    }
}

static void count_uses_of(pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i]) {
                node->inputs[i]->n_uses++;
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            count_uses_of(node->bodies[i]);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        graph->outputs[i]->n_uses++;
    }
}

static void clear_uses_of(pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->n_uses = 0;
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            clear_uses_of(node->bodies[i]);
        }
    }
}

void pithi_graph_count_uses(pith_graph *graph)
{
    clear_uses_of(graph);
    count_uses_of(graph);
}

static int reads_from(const pith_value *value, const pith_tensor *memory)
{
    uintptr_t at = value && value->constant ? (uintptr_t)value->constant->data : 0, begin = (uintptr_t)memory->data;
    return at >= begin && at < begin + pith_tensor_bytes(memory);
}

int pithi_graph_count_reads(const pith_graph *graph, const pith_tensor *constant)
{
    int n_reads = 0;
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            n_reads += reads_from(node->inputs[i], constant);
        }
        for (int i = 0; i < node->n_bodies; i++) {
            n_reads += pithi_graph_count_reads(node->bodies[i], constant);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        n_reads += reads_from(graph->outputs[i], constant);
    }
    return n_reads;
}

static int uses_in(const pith_graph *graph, const pith_value *value, pith_node **user_out)
{
    int n_uses = 0;
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i] == value) {
                n_uses++;
                *user_out = node;
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            pith_node *inner = NULL;
            int n_inner = uses_in(node->bodies[i], value, &inner);
            n_uses += n_inner ? n_inner + 1 : 0; /* a capture is never an "only consumer" */
        }
    }
    return n_uses + (pithi_graph_is_output(graph, value) ? 2 : 0);
}

pith_node *pithi_graph_only_consumer(const pith_graph *graph, const pith_value *value)
{
    pith_node *user = NULL;
    return uses_in(graph, value, &user) == 1 ? user : NULL;
}

void pithi_graph_set_output(pith_graph *graph, size_t index, pith_value *value)
{
    graph->outputs[index] = value;
    graph->settled = 0;
    value->output_hint = index + 1;
}

bool pithi_graph_is_output(const pith_graph *graph, const pith_value *value)
{
    size_t hint = value->output_hint;
    if (hint == 0) {
        return false;
    }
    bool found = hint <= graph->n_outputs && graph->outputs[hint - 1] == value;
    for (size_t i = 0; i < graph->n_outputs && !found; i++) {
        found = graph->outputs[i] == value;
    }
    return found;
}
