/* SPDX-License-Identifier: Apache-2.0 */
/* Names of a file -> values of the graph. */
#include "import/onnx/onnx.h"

/* ---- table --------------------------------------------------------------------------------- */

static pithi_onnx_name *slot_of(const pithi_onnx_names *names, const char *text, size_t n_bytes, uint64_t hash)
{
    size_t at = (size_t)hash & (names->capacity - 1);
    for (;; at = (at + 1) & (names->capacity - 1)) {
        pithi_onnx_name *entry = &names->entries[at];
        if (!entry->text ||
            (entry->hash == hash && entry->n_bytes == n_bytes && memcmp(entry->text, text, n_bytes) == 0)) {
            return entry;
        }
    }
}

pithi_onnx_name *pithi_onnx_names_find(const pithi_onnx_names *names, const char *text, size_t n_bytes)
{
    if (names->count == 0) {
        return NULL;
    }
    pithi_onnx_name *entry = slot_of(names, text, n_bytes, pithi_hash(PITHI_HASH_START, text, n_bytes));
    return entry->text ? entry : NULL;
}

static pith_status grow(pith_ctx *ctx, pithi_onnx_names *names)
{
    pithi_onnx_names grown = { .capacity = names->capacity ? names->capacity * 2 : 16, .count = names->count };
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(ctx, grown.capacity, sizeof *grown.entries, &block));
    grown.entries = block;
    for (size_t i = 0; i < names->capacity; i++) {
        const pithi_onnx_name *entry = &names->entries[i];
        if (entry->text) {
            *slot_of(&grown, entry->text, entry->n_bytes, entry->hash) = *entry;
        }
    }
    pithi_free(ctx, names->entries);
    *names = grown;
    return PITH_OK;
}

pith_status pithi_onnx_names_add(pith_ctx *ctx, pithi_onnx_names *names, const char *text, size_t n_bytes,
                                 pithi_onnx_name **entry_out)
{
    if ((names->count + 1) * 4 > names->capacity * 3) {
        PITH_TRY(grow(ctx, names));
    }
    uint64_t hash = pithi_hash(PITHI_HASH_START, text, n_bytes);
    pithi_onnx_name *entry = slot_of(names, text, n_bytes, hash);
    PITH_ASSERT(!entry->text);
    *entry = (pithi_onnx_name){ .text = text, .n_bytes = n_bytes, .hash = hash };
    names->count++;
    *entry_out = entry;
    return PITH_OK;
}

/* ---- scopes -------------------------------------------------------------------------------- */

static pith_status fail_twice(pithi_onnx *onnx, const pithi_pb_span *name)
{
    PITH_FAIL(onnx->ctx, PITH_STATUS_FORMAT,
              "value '%.*s' is defined twice; ONNX gives every input, weight and node output a name of its own (SSA)",
              PITHI_PB_TEXT(name));
}

/* The name under which the graph shows the value; unique in the graph, also across expanded functions. */
static pith_status display_name(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *name,
                                const char **text_out)
{
    if (!*scope->prefix) {
        return pithi_onnx_text(onnx->ctx, &scope->graph->arena, name, "name", text_out);
    }
    const char *inner = NULL;
    pithi_onnx_name *taken = NULL;
    PITH_TRY(pithi_onnx_text(onnx->ctx, &scope->graph->arena, name, "name", &inner));
    PITH_TRY(pithi_arena_format(&scope->graph->arena, text_out, "%s%s", scope->prefix, inner));
    size_t n_bytes = strlen(*text_out);
    if (pithi_onnx_names_find(&scope->root->names, *text_out, n_bytes)) {
        return fail_twice(onnx, name);
    }
    PITH_TRY(pithi_onnx_names_add(onnx->ctx, &scope->root->names, *text_out, n_bytes, &taken));
    taken->is_taken = true;
    return PITH_OK;
}

pith_status pithi_onnx_define(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *name, pith_value *value,
                              const char *problem, pith_value **value_out)
{
    if (name->n_bytes == 0 || pithi_onnx_names_find(&scope->names, (const char *)name->data, name->n_bytes)) {
        PITH_CHECK(onnx->ctx, name->n_bytes > 0, PITH_STATUS_FORMAT, "a value has no name");
        return fail_twice(onnx, name);
    }
    const char *text = NULL;
    pithi_onnx_name *entry = NULL;
    PITH_TRY(display_name(onnx, scope, name, &text));
    if (!value) {
        PITH_TRY(pithi_graph_add_value(scope->graph, "", &value));
    }
    value->name = text;
    pithi_graph_reserve_name(scope->graph, text);
    PITH_TRY(pithi_onnx_names_add(onnx->ctx, &scope->names, text + strlen(scope->prefix), name->n_bytes, &entry));
    entry->value = value;
    entry->problem = problem;
    entry->is_local = true;
    if (value_out) {
        *value_out = value;
    }
    return PITH_OK;
}

pith_status pithi_onnx_define_constant(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *name,
                                       const pith_tensor *tensor, const char *problem)
{
    pith_value *value = NULL;
    if (!problem) {
        PITH_TRY(pithi_graph_add_constant(scope->graph, "", tensor, &value));
    }
    return pithi_onnx_define(onnx, scope, name, value, problem, NULL);
}

pithi_onnx_name *pithi_onnx_lookup(const pithi_onnx_scope *scope, const pithi_pb_span *name)
{
    for (; scope; scope = scope->parent) {
        pithi_onnx_name *entry = pithi_onnx_names_find(&scope->names, (const char *)name->data, name->n_bytes);
        if (entry && !entry->is_taken) {
            return entry;
        }
    }
    return NULL;
}

/* Does this NodeProto make the value? Fills what a message needs. */
static bool makes(const pithi_onnx *onnx, const pithi_pb_span *message, const pithi_pb_span *value,
                  pithi_onnx_node *node_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    bool found = false;
    *node_out = (pithi_onnx_node){ 0 };
    if (pithi_pb_open(&onnx->file, message, &pb) != PITH_OK) {
        return false;
    }
    while (pithi_pb_next(&pb, &field)) {
        if (field.wire != PITHI_PB_LENGTH) {
            continue;
        }
        found |= field.number == NODE_OUTPUT && pithi_pb_same(&field.span, value);
        if (field.number == NODE_NAME) {
            node_out->name = field.span;
        } else if (field.number == NODE_OP_TYPE) {
            node_out->op_type = field.span;
        }
    }
    return found;
}

pith_status pithi_onnx_undefined(pithi_onnx *onnx, pithi_onnx_scope *scope, const char *what,
                                 const pithi_pb_span *name)
{
    for (const pithi_onnx_scope *inner = scope; scope; scope = scope->parent) {
        pithi_pb pb;
        pithi_pb_field field;
        pithi_onnx_node node;
        PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
        while (pithi_pb_next(&pb, &field)) {
            const bool is_maker = field.number == scope->node_field && field.wire == PITHI_PB_LENGTH &&
                                  makes(onnx, &field.span, name, &node);
            scope->is_out_of_order = scope->is_out_of_order || (is_maker && scope != inner);
            PITH_CHECK(onnx->ctx, !is_maker, PITH_STATUS_FORMAT,
                       "%s is '%.*s', which is made by node '%.*s' (%.*s) that comes later or is the same; ONNX wants "
                       "nodes in topological order and without cycles", what, PITHI_PB_TEXT(name),
                       PITHI_PB_TEXT(&node.name), PITHI_PB_TEXT(&node.op_type));
        }
    }
    PITH_FAIL(onnx->ctx, PITH_STATUS_FORMAT, "%s is '%.*s', which no input, weight or node defines", what,
              PITHI_PB_TEXT(name));
}

void pithi_onnx_scope_deinit(pithi_onnx *onnx, pithi_onnx_scope *scope)
{
    pithi_free(onnx->ctx, scope->names.entries);
    scope->names = (pithi_onnx_names){ 0 };
}
