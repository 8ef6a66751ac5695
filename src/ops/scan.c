/* SPDX-License-Identifier: Apache-2.0 */
/* scan: runs a body over slices of its last num_scan_inputs inputs, carrying the states that come before
 * them; stacks scan outputs. ONNX Scan since opset 9; that of opset 8, which has a batch axis, becomes a scan over the
 * batch with a scan as its body. Expanded by the executor: the shapes alone say how often. */
#include "ops/shared_control.h"
#include "ops/shared_source.h"

#define MAX_BATCHED 64 /* operands of a Scan of opset 8 */

extern const pith_op pith_op_scan;

static pith_status infer(pith_infer *infer)
{
    const pithi_scan_attrs *attrs = infer->attrs;
    return pithi_control_check_scans(infer->ctx, attrs->num_scan_inputs, infer->n_inputs);
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    return pithi_control_map_body(ctx, source);
}

/* ---- opset 8 ------------------------------------------------------------------------------ */

/* x[begin : end] along axis 0; begin and end are vectors of one element. */
static pith_value *rows(pith_graph *graph, pith_status *status, pith_value *x, pith_value *begin, pith_value *end)
{
    pith_value *operands[] = { x, begin, end, pithi_source_put_s64(graph, status, 0) };
    return pithi_source_put(graph, status, "slice", operands, 4);
}

/* Results of a short sequence, with zeros up to `n_rows` rows. */
static pith_value *padded(pith_graph *graph, pith_status *status, pith_value *x, pith_value *length, pith_value *n_rows)
{
    pith_value *shape = pithi_source_put(graph, status, "shape", &x, 1);
    pith_value *missing = pithi_source_put(graph, status, "sub", (pith_value *[]){ n_rows, length }, 2);
    pith_value *begin = pithi_source_put_s64(graph, status, 1), *end = pithi_source_put_s64(graph, status, INT32_MAX);
    pith_value *rest = rows(graph, status, shape, begin, end), *number = pithi_source_put_s64(graph, status, 0);
    pith_value *zero_shape = pithi_source_put(graph, status, "concat", (pith_value *[]){ missing, rest }, 2);
    pith_value *zero = pithi_source_put(graph, status, "cast_like", (pith_value *[]){ number, x }, 2);
    pith_value *zeros = pithi_source_put(graph, status, "expand", (pith_value *[]){ zero, zero_shape }, 2);
    return pithi_source_put(graph, status, "concat", (pith_value *[]){ x, zeros }, 2);
}

typedef struct batch_body {
    pith_graph *graph;
    pith_value *inputs[MAX_BATCHED]; /* states and scans of one batch item */
    int n_inputs, n_scans;
    pith_value *length, *n_rows;     /* with sequence_lens, else NULL */
} batch_body;

static pith_status add_body_inputs(batch_body *b, const pith_source *source)
{
    for (int i = 1; i < source->n_inputs; i++) {
        PITH_TRY(pithi_graph_add_value(b->graph, NULL, &b->inputs[b->n_inputs]));
        b->inputs[b->n_inputs]->dtype = source->inputs[i]->dtype;
        PITH_TRY(pithi_graph_add_input(b->graph, b->inputs[b->n_inputs++]));
    }
    if (source->inputs[0]) {
        pith_status status = PITH_OK;
        pith_value *item = NULL;
        PITH_TRY(pithi_graph_add_value(b->graph, NULL, &item));
        item->dtype = source->inputs[0]->dtype;
        PITH_TRY(pithi_graph_add_input(b->graph, item));
        pith_value *zero = pithi_source_put_s64(b->graph, &status, 0);
        pith_value *one = pithi_source_put_s64(b->graph, &status, 1);
        b->length = pithi_source_put(b->graph, &status, "reshape", (pith_value *[]){ item, one }, 2);
        pith_value *shape = pithi_source_put(b->graph, &status, "shape", &b->inputs[b->n_inputs - 1], 1);
        b->n_rows = rows(b->graph, &status, shape, zero, one);
        for (int i = b->n_inputs - b->n_scans; i < b->n_inputs; i++) {
            b->inputs[i] = rows(b->graph, &status, b->inputs[i], zero, b->length);
        }
        return status;
    }
    return PITH_OK;
}

/* The scan over one item; takes over `body`. */
static pith_status add_inner_scan(batch_body *b, pith_graph **body, const pith_source_attr *directions)
{
    pith_value *outputs[MAX_BATCHED];
    pith_node *node = NULL;
    void *bodies = NULL;
    const int n_outputs = (int)(*body)->n_outputs, n_states = b->n_inputs - b->n_scans;
    PITH_CHECK(b->graph->ctx, n_outputs <= MAX_BATCHED, PITH_STATUS_LIMIT,
               "the body has %d outputs, at most %d", n_outputs, MAX_BATCHED);
    for (int i = 0; i < n_outputs; i++) {
        PITH_TRY(pithi_graph_add_value(b->graph, NULL, &outputs[i]));
    }
    PITH_TRY(pithi_graph_insert_node(b->graph, NULL, &pith_op_scan, "item", b->inputs, b->n_inputs, outputs, n_outputs,
                                     &node));
    PITH_TRY(pithi_attr_set_int(b->graph->ctx, node, "num_scan_inputs", b->n_scans));
    if (directions) {
        PITH_TRY(pithi_attr_set_ints(&b->graph->arena, node, "scan_input_directions", directions->ints,
                                     directions->n_items));
    }
    PITH_TRY(pithi_arena_array(&b->graph->arena, 1, sizeof(pith_graph *), &bodies));
    node->bodies = bodies;
    node->bodies[0] = *body;
    node->n_bodies = 1;
    (*body)->parent = b->graph;
    *body = NULL;
    for (int i = 0; i < n_outputs; i++) {
        pith_status status = PITH_OK;
        bool is_padded = b->length && i >= n_states;
        PITH_TRY(pithi_graph_add_output(
            b->graph, is_padded ? padded(b->graph, &status, outputs[i], b->length, b->n_rows) : outputs[i]));
        PITH_TRY(status);
    }
    return PITH_OK;
}

/* Scan-8: axis 0 of all operands is the batch, axis 1 of the scanned ones the sequence; input 0 is the lengths. */
static pith_status map_8(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    pith_source_attr *body = pithi_source_attr(source, "body");
    const pith_source_attr *directions = pithi_source_attr(source, "directions");
    const pith_source_attr *n_scans = pithi_source_attr(source, "num_scan_inputs");
    batch_body b = { .n_scans = n_scans && n_scans->i < MAX_BATCHED ? (int)n_scans->i : 0 };
    PITH_CHECK(ctx, body && body->graph, PITH_STATUS_FORMAT, "attribute 'body' is missing");
    PITH_CHECK(ctx, !directions || directions->kind == PITH_SOURCE_INTS, PITH_STATUS_FORMAT,
               "attribute 'directions' must be a list of ints");
    PITH_CHECK(ctx, b.n_scans >= 1 && b.n_scans < source->n_inputs && source->n_inputs <= MAX_BATCHED,
               PITH_STATUS_FORMAT, "num_scan_inputs is %d, but must lie in 1..%d", b.n_scans, source->n_inputs - 1);
    for (int i = 1; i < source->n_inputs; i++) {
        PITH_CHECK(ctx, source->inputs[i], PITH_STATUS_FORMAT, "input %d is missing", i);
    }
    PITH_TRY(pithi_graph_create(ctx, &b.graph));
    b.graph->parent = source->graph;
    b.graph->name = "batch";
    pith_status status = add_body_inputs(&b, source);
    if (status == PITH_OK) {
        status = add_inner_scan(&b, &body->graph, directions);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(b.graph);
        return status;
    }
    body->graph = b.graph;
    pith_value *lengths = source->inputs[0];
    memmove(source->inputs, source->inputs + 1, (size_t)b.n_inputs * sizeof(pith_value *));
    source->inputs[b.n_inputs] = lengths;
    source->n_inputs = b.n_inputs + (lengths ? 1 : 0);
    ((pithi_scan_attrs *)attrs_out)->num_scan_inputs = source->n_inputs;
    return PITH_OK;
}

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(pithi_scan_attrs, num_scan_inputs, "num_scan_inputs", 0),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_input_axes, "scan_input_axes"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_input_directions, "scan_input_directions"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_output_axes, "scan_output_axes"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_output_directions, "scan_output_directions"),
};
static const pith_operand_spec inputs[] = { { "states_and_scans", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "finals_and_scans", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "Scan", 8, map_8 }, { "onnx", "", "Scan", 9, map } };

const pith_op pith_op_scan = {
    .head = { "scan", 1, PITH_ATTRS(table, pithi_scan_attrs) },
    .flags = PITH_OP_CONTROL,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_control_ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
};
