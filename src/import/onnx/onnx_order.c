/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes in an order that bodies of control flow can be read in. ONNX wants every node behind those it reads, and
 * behind those whose values its bodies read. Tools that sort by inputs alone break the second half of that rule (ONNX
 * Runtime's quantiser does), so such a graph is put in order, by depth-first search from each node in turn. */
#include "import/onnx/onnx.h"

typedef enum state { WAITS, IS_BEGUN, IS_DONE } state;

typedef struct ordered_node {
    pithi_pb_span message;
    state state;
} ordered_node;

typedef struct ordering {
    pithi_onnx *onnx;
    pithi_onnx_scope *scope;
    ordered_node *nodes;
    size_t n_nodes;
    pithi_onnx_names makers; /* name of a value -> its node */
    size_t *stack;           /* nodes to import, the next one last */
    size_t n_stack, capacity;
} ordering;

static pith_status add_outputs(ordering *order, size_t index)
{
    pithi_pb pb;
    pithi_pb_field field;
    PITH_TRY(pithi_pb_open(&order->onnx->file, &order->nodes[index].message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        const char *text = (const char *)field.span.data;
        pithi_onnx_name *entry = NULL;
        if (field.number == NODE_OUTPUT && field.wire == PITHI_PB_LENGTH && field.span.n_bytes > 0 &&
            !pithi_onnx_names_find(&order->makers, text, field.span.n_bytes)) {
            PITH_TRY(pithi_onnx_names_add(order->onnx->ctx, &order->makers, text, field.span.n_bytes, &entry));
            entry->maker = index;
        }
    }
    return pb.status;
}

/* The first n_done nodes are part of the graph already. */
static pith_status list_nodes(ordering *order, size_t n_done, pithi_arena *scratch)
{
    pithi_pb pb;
    pithi_pb_field field;
    void *block = NULL;
    size_t n = 0;
    PITH_TRY(pithi_pb_open(&order->onnx->file, &order->scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        n += field.number == order->scope->node_field;
    }
    PITH_TRY(pithi_arena_array(scratch, n, sizeof(ordered_node), &block));
    order->nodes = block;
    PITH_TRY(pithi_pb_open(&order->onnx->file, &order->scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == order->scope->node_field) {
            ordered_node *node = &order->nodes[order->n_nodes];
            *node = (ordered_node){ .state = order->n_nodes < n_done ? IS_DONE : WAITS };
            PITH_TRY(pithi_pb_get_span(&pb, &field, "node", &node->message));
            PITH_TRY(add_outputs(order, order->n_nodes++));
        }
    }
    return pb.status;
}

static pith_status push(ordering *order, size_t index)
{
    void *stack = order->stack;
    const pith_status status =
        pithi_grow(order->onnx->ctx, &stack, &order->capacity, order->n_stack + 1, sizeof *order->stack);
    order->stack = stack;
    PITH_TRY(status);
    order->stack[order->n_stack++] = index;
    return PITH_OK;
}

/* Looks through a message for names of values that it reads: fields `names`, and below its fields `inner` those of
 * the next level (node, attribute, body, node ...). Pushes nodes that make them and aren't part of the graph yet. */
typedef enum level { NODE, ATTRIBUTE, BODY, N_LEVELS } level;

static pith_status push_makers(ordering *order, const pithi_pb_span *message, level at)
{
    static const struct {
        uint32_t name, inner; /* 0: none */
    } fields[N_LEVELS] = { { NODE_INPUT, NODE_ATTRIBUTE }, { 0, ATTRIBUTE_G }, { 0, GRAPH_NODE } };
    pithi_pb pb;
    pithi_pb_field field;
    if (pithi_pb_open(&order->onnx->file, message, &pb) != PITH_OK) {
        return PITH_OK; /* reading the node will say so */
    }
    while (pithi_pb_next(&pb, &field)) {
        if (field.wire == PITHI_PB_LENGTH && field.number == fields[at].inner) {
            PITH_TRY(push_makers(order, &field.span, (level)((at + 1) % N_LEVELS)));
        } else if (field.wire == PITHI_PB_LENGTH && field.number == fields[at].name) {
            const pithi_onnx_name *entry =
                pithi_onnx_names_find(&order->makers, (const char *)field.span.data, field.span.n_bytes);
            if (entry && order->nodes[entry->maker].state == WAITS) {
                PITH_TRY(push(order, entry->maker));
            }
        }
    }
    return PITH_OK;
}

/* Node `root` with all that it waits for in front of it. A node is looked through once, when it comes to the top of
 * the stack, and imported when it is there again. In a cycle, reading the node fails and says so. */
static pith_status import_behind(ordering *order, size_t root)
{
    PITH_TRY(push(order, root));
    while (order->n_stack > 0) {
        const size_t first = order->n_stack;
        ordered_node *node = &order->nodes[order->stack[first - 1]];
        if (node->state == WAITS) {
            node->state = IS_BEGUN;
            PITH_TRY(push_makers(order, &node->message, NODE));
            for (size_t i = first, k = order->n_stack; i + 1 < k; i++) { /* the first one to the top */
                const size_t last = order->stack[--k];
                order->stack[k] = order->stack[i];
                order->stack[i] = last;
            }
            continue;
        }
        if (node->state == IS_BEGUN) {
            PITH_TRY(pithi_onnx_node_import(order->onnx, order->scope, &node->message));
            node->state = IS_DONE;
        }
        order->n_stack--;
    }
    return PITH_OK;
}

pith_status pithi_onnx_nodes_in_order(pithi_onnx *onnx, pithi_onnx_scope *scope, size_t n_done)
{
    ordering order = { .onnx = onnx, .scope = scope };
    pithi_arena scratch = { .ctx = onnx->ctx };
    pith_status status = list_nodes(&order, n_done, &scratch);
    for (size_t i = 0; status == PITH_OK && i < order.n_nodes; i++) {
        status = order.nodes[i].state == WAITS ? import_behind(&order, i) : PITH_OK;
    }
    pithi_free(onnx->ctx, order.stack);
    pithi_free(onnx->ctx, order.makers.entries);
    pithi_arena_deinit(&scratch);
    return status;
}
