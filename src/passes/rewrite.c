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

pith_node *pithi_sole_producer(const pith_value *value, const char *op_name)
{
    bool is_sole = value && value->n_uses == 1 && value->producer && value->producer->outputs[0] == value;
    return is_sole && pithi_is(value->producer, op_name) ? value->producer : NULL;
}

pith_node *pithi_sole_reader(const pith_graph *graph, const pith_node *node)
{
    const pith_value *y = pithi_node_result(node);
    const bool has_reader = y && y->n_uses == 1 && !pithi_graph_is_output(graph, y);
    for (pith_node *reader = has_reader ? node->next : NULL; reader; reader = reader->next) {
        for (int i = 0; i < reader->n_inputs; i++) {
            if (reader->inputs[i] == y) {
                return reader;
            }
        }
    }
    return NULL;
}

bool pithi_is_cast_to_f32(const pith_node *node)
{
    const int64_t *to = pithi_is(node, "cast") ? pithi_attr_field(node, "to", PITH_ATTR_KIND_CHOICE) : NULL;
    return to && *to == PITH_DTYPE_F32;
}

pith_activation *pithi_activation_of(const pith_node *node)
{
    size_t offset_plus_1 = node->op ? node->op->fused_activation_plus_1 : 0;
    return offset_plus_1 ? (pith_activation *)(void *)((char *)node->attrs + offset_plus_1 - 1) : NULL;
}

bool pithi_has_no_activation(const pith_node *node)
{
    const pith_activation *activation = pithi_activation_of(node);
    return !activation || activation->kind == 0;
}

bool pithi_is_uniform(const pith_tensor *tensor, double *element_out)
{
    if (!tensor || pith_dtype_bytes(tensor->dtype) == 0 || tensor->dtype >= PITH_DTYPE_C64) {
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
    unsigned seen = 0;
    for (int i = 0; i < *rank_out; i++) {
        perm[i] = given.n_items > 0 ? given.items[i] : *rank_out - 1 - i;
        if (perm[i] < 0 || perm[i] >= *rank_out || seen & 1u << perm[i]) {
            return false; /* inference has not seen it yet */
        }
        seen |= 1u << perm[i];
    }
    return !input->has_shape || input->shape.rank == *rank_out;
}

bool pithi_perm_moves_nothing(const int64_t *perm, const pith_shape *shape)
{
    int64_t last = -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[perm[i]] != 1) {
            if (perm[i] < last) {
                return false;
            }
            last = perm[i];
        }
    }
    return true;
}

pith_shape pithi_permuted_shape(const int64_t *perm, const pith_shape *shape)
{
    pith_shape permuted = { .rank = shape->rank };
    for (int i = 0; i < shape->rank; i++) {
        permuted.dims[i] = shape->dims[perm[i]];
    }
    return permuted;
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

static pith_status find_op(pith_ctx *ctx, const char *name, const pith_op **op_out)
{
    *op_out = pithi_op_find(name);
    PITH_CHECK(ctx, *op_out, PITH_STATUS_INTERNAL, "this build lacks the operator '%s', which a pass needs", name);
    return PITH_OK;
}

static void add_uses(pith_value *const *values, int count)
{
    for (int i = 0; i < count; i++) {
        if (values[i]) {
            values[i]->n_uses++;
        }
    }
}

pith_status pithi_insert(pith_graph *graph, pith_node *before, const char *op_name, pith_value *const *inputs,
                         int n_inputs, pith_node **node_out)
{
    const pith_op *op = NULL;
    pith_value *output = NULL;
    PITH_TRY(find_op(graph->ctx, op_name, &op));
    PITH_TRY(pithi_graph_add_value(graph, NULL, &output));
    PITH_TRY(pithi_graph_insert_node(graph, before, op, before ? before->name : NULL, inputs, n_inputs, &output, 1,
                                     node_out));
    output->dtype = inputs[0]->dtype;
    add_uses(inputs, n_inputs);
    return PITH_OK;
}

pith_status pithi_become(pith_graph *graph, pith_node *node, const char *op_name, pith_value *const *inputs,
                         int n_inputs)
{
    const pith_op *op = NULL;
    void *attrs = NULL, *list = NULL;
    PITH_TRY(find_op(graph->ctx, op_name, &op));
    PITH_TRY(pithi_attrs_new(pithi_op_head(op), &graph->arena, &attrs));
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_inputs, sizeof *inputs, &list));
    memcpy(list, inputs, (size_t)n_inputs * sizeof *inputs);
    drop_uses(node);
    add_uses(inputs, n_inputs);
    node->op = op;
    node->source_op = pithi_op_head(op)->name;
    node->attrs = attrs;
    node->inputs = list;
    node->n_inputs = n_inputs;
    return PITH_OK;
}

pith_status pithi_become_reshape(pith_graph *graph, pith_node *node, pith_value *input, const pith_shape *shape)
{
    pith_value *dims = NULL;
    PITH_TRY(pithi_graph_add_s64s(graph, shape->dims, shape->rank, &dims));
    PITH_TRY(pithi_become(graph, node, "reshape", (pith_value *[]){ input, dims }, 2));
    return pithi_attr_set_int(graph->ctx, node, "allowzero", 1);
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
            if (graph->outputs[i] == old) {
                pithi_graph_set_output(graph, i, fresh);
            }
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
        pithi_graph_set_output(graph, i, pithi_forward_get(forward, graph->outputs[i]));
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
