/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes in an order that bodies of control flow can be read in. ONNX wants every node behind those it reads, and
 * behind those whose values its bodies read. Tools that sort by inputs alone break the second half of that rule (ONNX
 * Runtime's quantiser does), so such a graph is put in order, by depth-first search from each node in turn. */
#include "import/onnx/onnx.h"

typedef enum state { WAITS, IS_BEGUN, IS_DONE } state;

typedef struct ordered_node {
    pithi_pb_span message;
    state state;
    size_t parent; /* that waits for this one */
} ordered_node;

typedef struct ordering {
    pithi_onnx *onnx;
    pithi_onnx_scope *scope;
    ordered_node *nodes;
    size_t n_nodes;
    pithi_onnx_names makers; /* name of a value -> its node */
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

/* Looks through a message for names of values that it reads: fields `names`, and below its fields `inner` those of
 * the next level (node, attribute, body, node ...). Finds a node that makes one and isn't part of the graph yet. */
typedef enum level { NODE, ATTRIBUTE, BODY, N_LEVELS } level;

static bool finds_maker(const ordering *order, const pithi_pb_span *message, level at, size_t *maker_out)
{
    static const struct {
        uint32_t name, inner; /* 0: none */
    } fields[N_LEVELS] = { { NODE_INPUT, NODE_ATTRIBUTE }, { 0, ATTRIBUTE_G }, { 0, GRAPH_NODE } };
    pithi_pb pb;
    pithi_pb_field field;
    bool found = false;
    if (pithi_pb_open(&order->onnx->file, message, &pb) != PITH_OK) {
        return false; /* reading the node will say so */
    }
    while (!found && pithi_pb_next(&pb, &field)) {
        if (field.wire == PITHI_PB_LENGTH && field.number == fields[at].inner) {
            found = finds_maker(order, &field.span, (level)((at + 1) % N_LEVELS), maker_out);
        } else if (field.wire == PITHI_PB_LENGTH && field.number == fields[at].name) {
            const pithi_onnx_name *entry =
                pithi_onnx_names_find(&order->makers, (const char *)field.span.data, field.span.n_bytes);
            found = entry && order->nodes[entry->maker].state == WAITS;
            *maker_out = found ? entry->maker : *maker_out;
        }
    }
    return found;
}

/* Node `root` with all that it waits for in front of it. In a cycle, reading the node fails and says so. */
static pith_status import_behind(ordering *order, size_t root)
{
    for (size_t at = root;;) {
        ordered_node *node = &order->nodes[at];
        size_t maker = 0;
        node->state = IS_BEGUN;
        if (finds_maker(order, &node->message, NODE, &maker)) {
            order->nodes[maker].parent = at;
            at = maker;
            continue;
        }
        PITH_TRY(pithi_onnx_node_import(order->onnx, order->scope, &node->message));
        node->state = IS_DONE;
        if (at == root) {
            return PITH_OK;
        }
        at = node->parent;
    }
}

pith_status pithi_onnx_nodes_in_order(pithi_onnx *onnx, pithi_onnx_scope *scope, size_t n_done)
{
    ordering order = { .onnx = onnx, .scope = scope };
    pithi_arena scratch = { .ctx = onnx->ctx };
    pith_status status = list_nodes(&order, n_done, &scratch);
    for (size_t i = 0; status == PITH_OK && i < order.n_nodes; i++) {
        status = order.nodes[i].state == WAITS ? import_behind(&order, i) : PITH_OK;
    }
    pithi_free(onnx->ctx, order.makers.entries);
    pithi_arena_deinit(&scratch);
    return status;
}
