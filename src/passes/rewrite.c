/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/rewrite.h"

bool pithi_value_has_dims(const pith_value *value)
{
    bool known = value && value->has_shape && value->dtype != PITH_DTYPE_NONE;
    for (int i = 0; known && i < value->shape.rank; i++) {
        known = value->shape.dims[i] >= 0;
    }
    return known;
}

pith_node *pithi_sole_producer(const pith_value *value, const pith_op *op)
{
    return value && value->n_uses == 1 && value->producer && value->producer->op == op ? value->producer : NULL;
}

bool pithi_is_uniform(const pith_tensor *tensor, double *element_out)
{
    if (!tensor || tensor->dtype == PITH_DTYPE_NONE) {
        return false;
    }
    int64_t count = pith_shape_elements(&tensor->shape);
    size_t item_bytes = pith_dtype_bytes(tensor->dtype);
    const char *bytes = tensor->data;
    for (int64_t i = 1; i < count; i++) {
        if (memcmp(bytes, bytes + (size_t)i * item_bytes, item_bytes) != 0) {
            return false;
        }
    }
    *element_out = count > 0 ? pithi_tensor_get_f64(tensor, 0) : 0.0;
    return count > 0;
}

int pithi_constant_ints(const pith_tensor *tensor, int64_t *items, int capacity)
{
    if (!tensor || !pithi_dtype_is_integer(tensor->dtype) || tensor->shape.rank > 1) {
        return -1;
    }
    int64_t count = pith_shape_elements(&tensor->shape);
    if (count > capacity) {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        items[i] = pithi_tensor_get_s64(tensor, i);
    }
    return (int)count;
}

int pithi_other_operand(const pith_node *node, const pith_value *value)
{
    if (node->n_inputs != 2 || (node->inputs[0] != value && node->inputs[1] != value)) {
        return -1;
    }
    return node->inputs[0] == value ? 1 : 0;
}

bool pithi_transpose_perm(const pith_node *node, int64_t perm[PITH_MAX_RANK], int *rank_out)
{
    const pith_ints given = pithi_attr_ints(node, "perm");
    const pith_value *input = node->inputs[0];
    *rank_out = given.n_items > 0 ? given.n_items : input->shape.rank;
    if ((given.n_items == 0 && !input->has_shape) || *rank_out > PITH_MAX_RANK) {
        return false;
    }
    for (int i = 0; i < *rank_out; i++) {
        perm[i] = given.n_items > 0 ? given.items[i] : *rank_out - 1 - i;
    }
    return true;
}

/* ---- edits ---------------------------------------------------------------------------------- */

static void drop_uses(const pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            node->inputs[i]->n_uses--;
        }
    }
}

void pithi_absorb(pith_graph *graph, pith_node *producer, pith_node *absorbed)
{
    pith_value *result = absorbed->outputs[0];
    drop_uses(absorbed);
    pithi_graph_remove_node(graph, absorbed);
    producer->outputs[0]->producer = NULL;
    producer->outputs[0] = result;
    result->producer = producer;
}

void pithi_set_input(pith_node *node, int index, pith_value *value)
{
    if (node->inputs[index]) {
        node->inputs[index]->n_uses--;
    }
    node->inputs[index] = value;
    if (value) {
        value->n_uses++;
    }
}

pith_status pithi_reshaped_constant(pith_graph *graph, const pith_tensor *tensor, const pith_shape *shape,
                                    pith_value **value_out)
{
    pith_tensor view = *tensor;
    view.shape = *shape;
    return pithi_graph_add_constant(graph, NULL, &view, value_out);
}

pith_status pithi_insert_unary(pith_graph *graph, pith_node *before, const pith_op *op, const char *name,
                               pith_value *const *inputs, int n_inputs, pith_node **node_out)
{
    pith_value *output = NULL;
    PITH_TRY(pithi_graph_add_value(graph, NULL, &output));
    PITH_TRY(pithi_graph_insert_node(graph, before, op, name, inputs, n_inputs, &output, 1, node_out));
    output->dtype = inputs[0]->dtype;
    output->n_uses = 0;
    for (int i = 0; i < n_inputs; i++) {
        if (inputs[i]) {
            inputs[i]->n_uses++;
        }
    }
    return PITH_OK;
}

/* ---- replacing values in bulk ---------------------------------------------------------------- */

pith_status pithi_forward_init(pithi_forward *forward, pith_graph *graph)
{
    void *block = NULL;
    *forward = (pithi_forward){ .graph = graph };
    PITH_TRY(pithi_alloc_array(graph->ctx, graph->n_values + 1, sizeof *forward->fresh, &block));
    forward->fresh = block;
    forward->n_values = graph->n_values;
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)i;
    }
    return PITH_OK;
}

/* Values of outer graphs and values made meanwhile are not in the table. */
static bool is_in_table(const pithi_forward *forward, const pith_value *value)
{
    return value->index >= 0 && (size_t)value->index < forward->n_values &&
           forward->graph->values[value->index] == value;
}

pith_value *pithi_forward_get(const pithi_forward *forward, pith_value *value)
{
    while (value && is_in_table(forward, value) && forward->fresh[value->index]) {
        value = forward->fresh[value->index];
    }
    return value;
}

bool pithi_forward_put(pithi_forward *forward, pith_value *old, pith_value *fresh)
{
    pith_graph *graph = forward->graph;
    if (!is_in_table(forward, old)) {
        return false;
    }
    if (pithi_graph_is_output(graph, old)) {
        bool is_own = fresh->producer && is_in_table(forward, fresh); /* outer graphs keep their names */
        if (!is_own || pithi_graph_is_output(graph, fresh)) {
            return false;
        }
        for (size_t i = 0; i < graph->n_outputs; i++) {
            graph->outputs[i] = graph->outputs[i] == old ? fresh : graph->outputs[i];
        }
        const char *name = old->name;
        old->name = fresh->name;
        fresh->name = name;
    }
    forward->fresh[old->index] = fresh;
    forward->n_replaced++;
    return true;
}

static void apply_to(const pithi_forward *forward, pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            node->inputs[i] = pithi_forward_get(forward, node->inputs[i]);
        }
        for (int i = 0; i < node->n_bodies; i++) {
            apply_to(forward, node->bodies[i]);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        graph->outputs[i] = pithi_forward_get(forward, graph->outputs[i]);
    }
}

void pithi_forward_apply(pithi_forward *forward)
{
    if (forward->n_replaced > 0) {
        apply_to(forward, forward->graph);
    }
    pithi_free(forward->graph->ctx, forward->fresh);
    *forward = (pithi_forward){ 0 };
}
