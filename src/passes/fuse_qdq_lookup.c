/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: elementwise functions between a dq and a q are tables of 256 results (65536 of 16 bits), computed here
 * with the operators' own references. */
#include "passes/fuse_qdq.h"

#define MAX_NODES 16

/* ---- what a value is a function of ---------------------------------------------------------- */

/* The tensor of 8 or 16 bits of which each element alone decides on an element of the result. */
typedef struct root {
    pith_value *x;
    pith_dtype dtype; /* of x, which need not have learnt it yet */
    int n_nodes;
} root;

/* What a table has been made for already is looked up in one go with what follows. */
static root root_of(const pithi_qdq *dq)
{
    const pith_node *lookup = dq->value->producer;
    pith_value *x = pithi_is(lookup, "qlinear_lookup") && lookup->inputs[1]->constant ? lookup->inputs[0] : NULL;
    if (x && (x->dtype == PITH_DTYPE_S8 || x->dtype == PITH_DTYPE_U8)) {
        return (root){ .x = x, .dtype = x->dtype };
    }
    return (root){ .x = dq->value, .dtype = dq->dtype };
}

static bool has_one_element(const pith_value *value)
{
    return value->constant && pith_shape_elements(&value->constant->shape) == 1;
}

/* `value` is made of one such tensor and constants of one element by elementwise functions, however often it occurs:
 * x * sigmoid(x) is a function of x. */
static bool find_root(const pith_value *value, root *r)
{
    const pith_node *node = value->producer;
    pithi_qdq dq;
    if (has_one_element(value)) {
        return pithi_dtype_is_float(value->constant->dtype);
    }
    if (pithi_qdq_behind(value, &dq)) {
        if (has_one_element(dq.value)) {
            return dq.is_single;
        }
        if (!dq.is_single || dq.dtype == PITH_DTYPE_S32 || dq.value->constant) {
            return false;
        }
        const root here = root_of(&dq);
        bool is_same = !r->x || r->x == here.x;
        r->x = here.x;
        r->dtype = here.dtype;
        return is_same;
    }
    if (!node || !pithi_qdq_is_function(node) || ++r->n_nodes > MAX_NODES) {
        return false;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const bool is_limit = i > 0 && pithi_is(node, "clip"); /* one number, also where x has many */
        if (node->inputs[i] && (is_limit ? !has_one_element(node->inputs[i]) : !find_root(node->inputs[i], r))) {
            return false;
        }
    }
    return true;
}

/* ---- evaluation ----------------------------------------------------------------------------- */

typedef struct evaluation {
    pith_ctx *ctx;
    pithi_arena arena;
    const pith_value *x; /* takes all values of its dtype */
    pith_tensor numbers;
} evaluation;

static pith_status run_node(evaluation *e, const pith_node *node, const pith_tensor *inputs, pith_tensor *output_out)
{
    pith_tensor output = { 0 };
    pith_infer infer = { .ctx = e->ctx,
                         .node = node,
                         .attrs = node->attrs,
                         .inputs = inputs,
                         .n_inputs = node->n_inputs,
                         .outputs = &output,
                         .n_outputs = 1 };
    PITH_TRY(pithi_op_infer(&infer));
    PITH_TRY(pithi_arena_alloc(&e->arena, pith_tensor_bytes(&output), &output.data));
    PITH_TRY(pithi_op_eval(e->ctx, node, inputs, node->n_inputs, &output, 1));
    *output_out = output;
    return PITH_OK;
}

static pith_status evaluate(evaluation *e, const pith_value *value, pith_tensor *output_out)
{
    pith_tensor inputs[4] = { 0 };
    const pith_node *node = value->producer;
    if (value == e->x || value->constant) {
        *output_out = value == e->x ? e->numbers : *value->constant;
        return PITH_OK;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            PITH_TRY(evaluate(e, node->inputs[i], &inputs[i]));
        }
    }
    return run_node(e, node, inputs, output_out);
}

static pith_status fill_table(evaluation *e, const pith_value *value, const pithi_qdq *q, pith_tensor *table_out)
{
    pith_tensor inputs[4] = { 0 };
    PITH_TRY(evaluate(e, value, &inputs[0]));
    for (int i = 1; i < q->node->n_inputs; i++) {
        inputs[i] = q->node->inputs[i] ? *q->node->inputs[i]->constant : (pith_tensor){ 0 };
    }
    return run_node(e, q->node, inputs, table_out);
}

/* The constant of an equal table that an earlier node has, or NULL. Only of large ones: they take up to 128 KiB. */
static pith_value *find_table(const pith_node *before, const pith_tensor *table)
{
    for (const pith_node *node = before->previous; node && table->shape.dims[0] > 256; node = node->previous) {
        const pith_tensor *other = pithi_is(node, "qlinear_lookup") ? node->inputs[1]->constant : NULL;
        if (other && other->dtype == table->dtype && pith_shape_equal(&other->shape, &table->shape) &&
            memcmp(other->data, table->data, pith_tensor_bytes(table)) == 0) {
            return node->inputs[1];
        }
    }
    return NULL;
}

/* q of `value`, a function of the root, for each of its numbers; as a constant, NULL if it can't be evaluated so. */
static pith_status make_table(pith_graph *graph, const root *r, const pith_value *value, const pithi_qdq *q,
                              pith_value **table_out)
{
    const int n_values = pithi_is_16bit(r->dtype) ? 65536 : 256;
    const pith_shape shape = { .rank = 1, .dims = { n_values } };
    evaluation e = { .ctx = graph->ctx, .arena = { .ctx = graph->ctx }, .x = r->x,
                     .numbers = { r->dtype, shape, NULL } };
    pith_tensor table, result = { 0 };
    *table_out = NULL;
    pith_status status = pithi_arena_alloc(&e.arena, pith_tensor_bytes(&e.numbers), &e.numbers.data);
    for (int i = 0; i < n_values && status == PITH_OK; i++) { /* keeps the low bits: x by its bits */
        pithi_tensor_set_s64(&e.numbers, i, i);
    }
    status = status == PITH_OK ? fill_table(&e, value, q, &result) : status;
    if (status == PITH_OK && result.dtype == q->dtype && pith_shape_elements(&result.shape) == n_values) {
        result.shape = shape;
        *table_out = find_table(q->node, &result);
        if (!*table_out) {
            status = pithi_graph_new_constant(graph, NULL, q->dtype, &shape, &table, table_out);
            if (status == PITH_OK) {
                memcpy(table.data, result.data, pith_tensor_bytes(&table));
            }
        }
    }
    pithi_arena_deinit(&e.arena);
    return status;
}

/* ---- rewriting ------------------------------------------------------------------------------ */

pith_status pithi_qdq_lookup(pith_graph *graph, const pithi_qdq *q, bool *changed)
{
    const pith_value *value = q->node->inputs[0];
    pith_value *table = NULL;
    pithi_qdq dq;
    root r = { 0 };
    if (!find_root(value, &r) || !r.x) {
        return PITH_OK;
    }
    *changed = true;
    if (pithi_qdq_behind(value, &dq) && pithi_qdq_same(&dq, q)) {
        return pithi_become(graph, q->node, "identity", &dq.value, 1);
    }
    if (r.x->has_shape && value->has_shape && r.x->shape.rank != value->shape.rank) {
        *changed = false; /* a constant of more dimensions */
        return PITH_OK;
    }
    PITH_TRY(make_table(graph, &r, value, q, &table));
    *changed = table != NULL;
    return table ? pithi_become(graph, q->node, "qlinear_lookup", (pith_value *[]){ r.x, table }, 2) : PITH_OK;
}

pith_status pithi_qdq_widen(pith_graph *graph, pith_node *before, pithi_qdq *x)
{
    const bool is_signed = x->dtype == PITH_DTYPE_S8;
    const pith_dtype dtype = is_signed ? PITH_DTYPE_S16 : PITH_DTYPE_U16;
    const pith_shape shape = { .rank = 1, .dims = { 256 } }, scalar = { 0 };
    const int64_t zero = pithi_qdq_zero(x);
    pith_value *table_value = NULL;
    pith_tensor table, wide_zero;
    pith_node *lookup = NULL;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &shape, &table, &table_value));
    for (int i = 0; i < 256; i++) {
        pithi_tensor_set_s64(&table, i, is_signed ? (int8_t)i : i);
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &scalar, &wide_zero, &x->zero));
    pithi_tensor_set_s64(&wide_zero, 0, zero);
    PITH_TRY(pithi_insert(graph, before, "qlinear_lookup", (pith_value *[]){ x->value, table_value }, 2, &lookup));
    lookup->outputs[0]->dtype = dtype;
    x->value = lookup->outputs[0];
    x->dtype = dtype;
    return PITH_OK;
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
            const root r = root_of(&dq);
            PITH_TRY(make_table(graph, &r, concat->inputs[i], q, &table));
            if (!table) {
                return PITH_OK;
            }
            PITH_TRY(pithi_insert(graph, q->node, "qlinear_lookup", (pith_value *[]){ r.x, table }, 2, &lookup));
            lookup->outputs[0]->dtype = q->dtype;
            inputs[i] = lookup->outputs[0];
        }
    }
    *changed = true;
    PITH_TRY(pithi_become(graph, q->node, "concat", inputs, concat->n_inputs));
    return pithi_attr_set_int(graph->ctx, q->node, "axis", axis);
}
