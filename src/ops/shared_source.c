/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_source.h"

pith_status pithi_source_add_inputs(pith_ctx *ctx, pith_source *source, int other, pith_value *sum)
{
    const pith_op *add = pithi_op_find("add");
    pith_value *const operands[2] = { source->inputs[0], source->inputs[other] };
    pith_node *node = NULL;
    PITH_CHECK(ctx, operands[0] && operands[1], PITH_STATUS_FORMAT, "input 0 or %d of %s is missing", other,
               source->type);
    if (!sum) {
        PITH_TRY(pithi_graph_add_value(source->graph, NULL, &sum));
        sum->dtype = operands[0]->dtype;
    }
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, add, source->name, operands, 2, &sum, 1, &node));
    node->source_op = source->type;
    source->inputs[0] = sum;
    return PITH_OK;
}

pith_status pithi_source_unary_input(pith_ctx *ctx, pith_source *source, int index, const pith_op *op,
                                     pith_node **node_out)
{
    pith_value *value = NULL;
    PITH_CHECK(ctx, index < source->n_inputs && source->inputs[index], PITH_STATUS_FORMAT, "input %d of %s is missing",
               index, source->type);
    PITH_TRY(pithi_graph_add_value(source->graph, NULL, &value));
    value->dtype = source->inputs[index]->dtype;
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, op, source->name, &source->inputs[index], 1, &value, 1,
                                     node_out));
    (*node_out)->source_op = source->type;
    source->inputs[index] = value;
    return PITH_OK;
}

pith_status pithi_source_front(pith_ctx *ctx, pith_source *source, const char *op, int n_outputs, pith_node **node_out)
{
    pith_value *values[PITHI_SOURCE_SPARE];
    PITH_ASSERT(n_outputs <= PITHI_SOURCE_SPARE);
    for (int i = 0; i < n_outputs; i++) {
        PITH_TRY(pithi_graph_add_value(source->graph, NULL, &values[i]));
    }
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, pithi_op_find(op), source->name, source->inputs,
                                     source->n_inputs, values, n_outputs, node_out));
    (*node_out)->source_op = source->type;
    source->n_inputs = n_outputs;
    memcpy(source->inputs, values, (size_t)n_outputs * sizeof *values);
    return pithi_op_take_attrs(ctx, (*node_out)->op, true, source, (*node_out)->attrs);
}

pith_status pithi_source_new_list(pith_source *source, pith_dtype dtype, int64_t n_items, const pith_tensor **list_out,
                                  void *data_out)
{
    void *block = NULL;
    size_t n_bytes = 0;
    PITH_TRY(pithi_arena_alloc(&source->graph->arena, sizeof(pith_tensor), &block));
    pith_tensor *tensor = block;
    *tensor = (pith_tensor){ .dtype = dtype, .shape = { 1, { n_items } } };
    PITH_TRY(pithi_shape_check(source->graph->ctx, &tensor->shape, dtype, &n_bytes));
    PITH_TRY(pithi_arena_alloc(&source->graph->arena, n_bytes, &tensor->data));
    *list_out = tensor;
    memcpy(data_out, &tensor->data, sizeof tensor->data);
    return PITH_OK;
}

pith_status pithi_source_list(pith_ctx *ctx, pith_source *source, const char *name, const pith_tensor **list_out)
{
    const pith_source_attr *attr = pithi_source_attr(source, name);
    const bool is_one = attr && attr->kind <= PITH_SOURCE_STRING;
    const int64_t n_items = !attr ? 0 : attr->kind == PITH_SOURCE_TENSOR ? 1 : is_one ? 1 : attr->n_items;
    char *data = NULL;
    *list_out = NULL;
    if (n_items == 0) {
        return PITH_OK;
    }
    switch (attr->kind) {
    case PITH_SOURCE_INT:
    case PITH_SOURCE_INTS:
        PITH_TRY(pithi_source_new_list(source, PITH_DTYPE_S64, n_items, list_out, &data));
        memcpy(data, is_one ? &attr->i : attr->ints, (size_t)n_items * sizeof(int64_t));
        return PITH_OK;
    case PITH_SOURCE_FLOAT:
    case PITH_SOURCE_FLOATS:
        PITH_TRY(pithi_source_new_list(source, PITH_DTYPE_F32, n_items, list_out, &data));
        memcpy(data, is_one ? &attr->f : attr->floats, (size_t)n_items * sizeof(float));
        return PITH_OK;
    case PITH_SOURCE_STRING:
    case PITH_SOURCE_STRINGS:
        PITH_TRY(pithi_source_new_list(source, PITH_DTYPE_STRING, n_items, list_out, &data));
        for (int64_t i = 0; i < n_items; i++) {
            const char *text = is_one ? attr->s : attr->strings[i];
            ((pith_string *)(void *)data)[i] = (pith_string){ text, strlen(text) };
        }
        return PITH_OK;
    case PITH_SOURCE_TENSOR:
        PITH_TRY(pithi_arena_alloc(&source->graph->arena, sizeof(pith_tensor), (void **)&data));
        memcpy(data, &attr->tensor, sizeof(pith_tensor));
        *list_out = (const pith_tensor *)(void *)data;
        return PITH_OK;
    default: PITH_FAIL(ctx, PITH_STATUS_FORMAT, "attribute '%s' is no list", name);
    }
}

pith_value *pithi_source_put(pith_graph *graph, pith_status *status, const char *op, pith_value *const *inputs,
                             int n_inputs)
{
    pith_value *y = NULL;
    pith_node *node = NULL;
    if (*status == PITH_OK) {
        *status = pithi_graph_add_value(graph, NULL, &y);
    }
    if (*status == PITH_OK) {
        *status = pithi_graph_insert_node(graph, NULL, pithi_op_find(op), op, inputs, n_inputs, &y, 1, &node);
    }
    return y;
}

pith_value *pithi_source_put_s64(pith_graph *graph, pith_status *status, int64_t item)
{
    pith_value *y = NULL;
    if (*status == PITH_OK) {
        *status = pithi_graph_add_s64s(graph, &item, 1, &y);
    }
    return y;
}
