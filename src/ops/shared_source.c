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
