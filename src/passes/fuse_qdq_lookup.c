/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: elementwise functions between a dq and a q are tables of 256 results, computed
 * here with the operators' own references. */
#include "passes/fuse_qdq.h"

#define MAX_CHAIN 8
#define N_VALUES  256

/* Nodes from the q backwards to the dq. -1 if they aren't all functions of one value. */
static int find_chain(const pithi_qdq *q, pith_node *chain[MAX_CHAIN], pithi_qdq *dq_out)
{
    const pith_value *value = q->node->inputs[0];
    for (int n = 0;; n++) {
        if (pithi_qdq_behind(value, dq_out)) {
            return dq_out->is_single && dq_out->dtype != PITH_DTYPE_S32 && !dq_out->value->constant
                       ? n
                       : -1;
        }
        int argument = value->producer && n < MAX_CHAIN ? pithi_qdq_argument(value->producer) : -1;
        if (argument < 0) {
            return -1;
        }
        chain[n] = value->producer;
        value = value->producer->inputs[argument];
    }
}

/* ---- evaluation -------------------------------------------------------------------------------
 */

typedef struct evaluation {
    pith_ctx *ctx;
    pithi_arena arena;
    pith_tensor result; /* of the node before */
    bool fits;
} evaluation;

static pith_status evaluate(evaluation *e, const pith_node *node, int argument)
{
    pith_tensor inputs[4] = { 0 }, output = { 0 };
    for (int i = 0; i < node->n_inputs; i++) {
        if (i == argument) {
            inputs[i] = e->result;
        } else if (node->inputs[i]) {
            inputs[i] = *node->inputs[i]->constant;
        }
    }
    pith_infer infer = { .ctx = e->ctx,
                         .node = node,
                         .attrs = node->attrs,
                         .inputs = inputs,
                         .n_inputs = node->n_inputs,
                         .outputs = &output,
                         .n_outputs = 1 };
    PITH_TRY(pithi_op_infer(&infer));
    e->fits = e->fits && pith_shape_elements(&output.shape) == N_VALUES;
    if (!e->fits) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(&e->arena, pith_tensor_bytes(&output), &output.data));
    PITH_TRY(pithi_op_eval(e->ctx, node, inputs, node->n_inputs, &output, 1));
    e->result = output;
    return PITH_OK;
}

static pith_status fill_table(evaluation *e, const pithi_qdq *dq, const pithi_qdq *q,
                              pith_node *const *chain, int n)
{
    uint8_t bytes[N_VALUES];
    for (int i = 0; i < N_VALUES; i++) {
        bytes[i] = (uint8_t)i;
    }
    e->fits = true;
    e->result = (pith_tensor){ .dtype = dq->dtype,
                               .shape = { .rank = 1, .dims = { N_VALUES } },
                               .data = bytes };
    PITH_TRY(evaluate(e, dq->node, 0));
    for (int i = n - 1; i >= 0; i--) {
        PITH_TRY(evaluate(e, chain[i], pithi_qdq_argument(chain[i])));
    }
    return evaluate(e, q->node, 0);
}

/* The table as a constant, NULL if the chain can't be evaluated so. */
static pith_status make_table(pith_graph *graph, const pithi_qdq *dq, const pithi_qdq *q,
                              pith_node *const *chain, int n, pith_value **table_out)
{
    evaluation e = { .ctx = graph->ctx, .arena = { .ctx = graph->ctx } };
    const pith_shape shape = { .rank = 1, .dims = { N_VALUES } };
    pith_tensor table;
    *table_out = NULL;
    pith_status status = fill_table(&e, dq, q, chain, n);
    if (status == PITH_OK && e.fits && e.result.dtype == q->dtype) {
        status = pithi_graph_new_constant(graph, NULL, q->dtype, &shape, &table, table_out);
        if (status == PITH_OK) {
            memcpy(table.data, e.result.data, N_VALUES);
        }
    }
    pithi_arena_deinit(&e.arena);
    return status;
}

/* ---- rewriting --------------------------------------------------------------------------------
 */

pith_status pithi_qdq_lookup(pith_graph *graph, const pithi_qdq *q, bool *changed)
{
    pith_node *chain[MAX_CHAIN];
    pith_value *table = NULL;
    pithi_qdq dq;
    int n = find_chain(q, chain, &dq);
    if (n < 0) {
        return PITH_OK;
    }
    *changed = true;
    if (n == 0 && pithi_qdq_same(&dq, q)) {
        return pithi_become(graph, q->node, "identity", &dq.value, 1);
    }
    PITH_TRY(make_table(graph, &dq, q, chain, n, &table));
    *changed = table != NULL;
    return table ? pithi_become(graph, q->node, "qlinear_lookup",
                                (pith_value *[]){ dq.value, table }, 2)
                 : PITH_OK;
}

pith_status pithi_qdq_concat(pith_graph *graph, const pithi_qdq *q, bool *changed)
{
    pith_node *concat = q->node->inputs[0]->producer;
    int64_t axis = pithi_attr_int(concat, "axis");
    void *block = NULL;
    pithi_qdq dq;
    for (int i = 0; i < concat->n_inputs; i++) {
        if (!pithi_qdq_behind(concat->inputs[i], &dq) || !dq.is_single ||
            dq.dtype == PITH_DTYPE_S32) {
            return PITH_OK;
        }
    }
    PITH_TRY(
        pithi_arena_array(&graph->arena, (size_t)concat->n_inputs, sizeof(pith_value *), &block));
    pith_value **inputs = block;
    for (int i = 0; i < concat->n_inputs; i++) {
        pith_value *table = NULL;
        pith_node *lookup = NULL;
        bool found = pithi_qdq_behind(concat->inputs[i], &dq);
        PITH_CHECK(graph->ctx, found, PITH_STATUS_INTERNAL,
                   "an operand of the concat changed meanwhile");
        inputs[i] = dq.value;
        if (!pithi_qdq_same(&dq, q)) {
            PITH_TRY(make_table(graph, &dq, q, NULL, 0, &table));
            PITH_TRY(pithi_insert(graph, q->node, "qlinear_lookup",
                                  (pith_value *[]){ dq.value, table }, 2, &lookup));
            lookup->outputs[0]->dtype = q->dtype;
            inputs[i] = lookup->outputs[0];
        }
    }
    *changed = true;
    PITH_TRY(pithi_become(graph, q->node, "concat", inputs, concat->n_inputs));
    return pithi_attr_set_int(graph->ctx, q->node, "axis", axis);
}
