/* SPDX-License-Identifier: Apache-2.0 */
/* GraphProto -> graph: weights, inputs, nodes, declared types, outputs, in this order. */
#include "import/onnx/onnx.h"

#include "base/ctx.h"

pith_status pithi_onnx_enter(pithi_onnx *onnx)
{
    onnx->nesting++;
    PITH_CHECK(onnx->ctx, onnx->nesting <= onnx->ctx->limits.max_nesting, PITH_STATUS_LIMIT,
               "sub-graphs and functions are nested deeper than %d; pith_limits.max_nesting raises the ceiling",
               onnx->ctx->limits.max_nesting);
    return PITH_OK;
}

/* ---- weights ------------------------------------------------------------------------------- */

static pith_status add_weight(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message, bool is_sparse)
{
    pith_tensor tensor;
    pithi_pb_span name = { 0 };
    const char *problem = NULL;
    PITH_TRY_AT(onnx->ctx,
                is_sparse ? pithi_onnx_sparse(onnx, scope->graph, message, &tensor, &name, &problem)
                          : pithi_onnx_weight(onnx, scope->graph, message, &tensor, &name, &problem),
                "initializer");
    PITH_TRY_AT(onnx->ctx, pithi_onnx_define_constant(onnx, scope, &name, &tensor, problem), "initializer");
    return PITH_OK;
}

static pith_status read_weights(pithi_onnx *onnx, pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span message, name = { 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == GRAPH_NAME) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "name", &name));
        } else if (field.number == GRAPH_INITIALIZER || field.number == GRAPH_SPARSE_INITIALIZER) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "initializer", &message));
            PITH_TRY(add_weight(onnx, scope, &message, field.number == GRAPH_SPARSE_INITIALIZER));
        }
    }
    PITH_TRY(pb.status);
    return pithi_onnx_text(onnx->ctx, &scope->graph->arena, &name, "graph name", &scope->graph->name);
}

/* ---- inputs and outputs -------------------------------------------------------------------- */

/* Gives `value` the declared type; what is known already must not contradict it. */
static pith_status declare_type(pithi_onnx *onnx, const pithi_onnx_scope *scope, const pithi_pb_span *type,
                                pithi_onnx_name *entry)
{
    pith_value declared = { .name = entry->value->name };
    const char *problem = NULL;
    if (!type->data) {
        return PITH_OK;
    }
    PITH_TRY(pithi_onnx_type(onnx, scope->graph, type, &declared, &problem));
    pith_value *value = entry->value;
    PITH_CHECK(onnx->ctx, value->dtype == PITH_DTYPE_NONE || declared.dtype == PITH_DTYPE_NONE ||
                              value->dtype == declared.dtype,
               PITH_STATUS_FORMAT, "value '%.80s' is declared as %s, but is %s", value->name,
               pith_dtype_name(declared.dtype), pith_dtype_name(value->dtype));
    char is[PITH_TYPE_TEXT_BYTES], said[PITH_TYPE_TEXT_BYTES];
    PITH_CHECK(onnx->ctx, !value->type || !declared.type || pith_type_equal(value->type, declared.type),
               PITH_STATUS_FORMAT, "value '%.80s' is declared as %s, but is %s", value->name,
               pith_type_text(declared.type, said), pith_type_text(value->type, is));
    entry->problem = entry->problem ? entry->problem : problem;
    if (value->constant) {
        return PITH_OK;
    }
    value->dtype = declared.dtype != PITH_DTYPE_NONE ? declared.dtype : value->dtype;
    value->type = declared.type ? declared.type : value->type;
    if (declared.has_shape && !value->has_shape) {
        value->has_shape = true;
        value->shape = declared.shape;
        memcpy(value->symbols, declared.symbols, sizeof value->symbols);
    }
    return PITH_OK;
}

static pith_status add_input(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message)
{
    pithi_pb_span name, type;
    pith_value *value = NULL;
    PITH_TRY(pithi_onnx_value_info(onnx, message, &name, &type));
    pithi_onnx_name *entry = pithi_onnx_names_find(&scope->names, (const char *)name.data, name.n_bytes);
    bool is_weight = entry && entry->value && !scope->parent && (entry->value->constant || entry->problem);
    if (!is_weight) { /* before IR 4 every weight is listed as an input, too */
        PITH_TRY(pithi_onnx_define(onnx, scope, &name, NULL, NULL, &value));
        PITH_TRY(pithi_graph_add_input(scope->graph, value));
        entry = pithi_onnx_names_find(&scope->names, (const char *)name.data, name.n_bytes);
    }
    PITH_CHECK(onnx->ctx, type.data || scope->parent, PITH_STATUS_FORMAT, "there is no type");
    return declare_type(onnx, scope, &type, entry);
}

static pith_status add_output(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message,
                              const char **problem_out)
{
    pithi_pb_span name, type;
    PITH_TRY(pithi_onnx_value_info(onnx, message, &name, &type));
    pithi_onnx_name *entry = name.n_bytes ? pithi_onnx_lookup(scope, &name) : NULL;
    if (!entry) {
        return pithi_onnx_undefined(onnx, scope, "a graph output", &name);
    }
    PITH_CHECK(onnx->ctx, entry->value && (scope->parent || !pithi_graph_is_output(scope->graph, entry->value)),
               PITH_STATUS_FORMAT, "graph output '%.*s' is listed twice or absent", PITHI_PB_TEXT(&name));
    entry->is_read = true;
    PITH_TRY(declare_type(onnx, scope, &type, entry));
    if (entry->problem && entry->value->producer) {
        pithi_onnx_refuse(entry->value->producer, entry->problem);
    } else if (entry->problem) {
        *problem_out = entry->problem;
    }
    return pithi_graph_add_output(scope->graph, entry->value);
}

static pith_status read_inputs(pithi_onnx *onnx, pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span message;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == GRAPH_INPUT) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "input", &message));
            PITH_TRY_AT(onnx->ctx, add_input(onnx, scope, &message), "graph input #%zu", scope->graph->n_inputs);
        }
    }
    return pb.status;
}

static pith_status read_outputs(pithi_onnx *onnx, pithi_onnx_scope *scope, const char **problem_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span message;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == GRAPH_OUTPUT) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "output", &message));
            PITH_TRY_AT(onnx->ctx, add_output(onnx, scope, &message, problem_out), "graph output #%zu",
                        scope->graph->n_outputs);
        }
    }
    return pb.status;
}

pith_status pithi_onnx_value_infos(pithi_onnx *onnx, const pithi_onnx_scope *scope, uint32_t number)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span message, name, type;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number != number) {
            continue;
        }
        PITH_TRY(pithi_pb_get_span(&pb, &field, "value_info", &message));
        PITH_TRY_AT(onnx->ctx, pithi_onnx_value_info(onnx, &message, &name, &type), "value_info");
        pithi_onnx_name *entry = name.n_bytes
                                     ? pithi_onnx_names_find(&scope->names, (const char *)name.data, name.n_bytes)
                                     : NULL;
        if (entry && entry->value && entry->is_local) { /* others: left behind by tools, harmless */
            PITH_TRY_AT(onnx->ctx, declare_type(onnx, scope, &type, entry), "value_info");
            if (entry->problem && entry->value->producer) {
                pithi_onnx_refuse(entry->value->producer, entry->problem);
            }
        }
    }
    return pb.status;
}

/* Inputs of types that pith lacks may be declared, as long as nothing reads them: the caller has nothing
 * to give for them. */
static void drop_unread_inputs(pithi_onnx_scope *scope)
{
    pith_graph *graph = scope->graph;
    size_t n_kept = 0;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const char *name = graph->inputs[i]->name;
        const pithi_onnx_name *entry = pithi_onnx_names_find(&scope->names, name, strlen(name));
        if (!entry->problem || entry->is_read) {
            graph->inputs[n_kept++] = graph->inputs[i];
        }
    }
    graph->n_inputs = n_kept;
}

static pith_status read_graph(pithi_onnx *onnx, pithi_onnx_scope *scope, const char **problem_out)
{
    PITH_TRY(read_weights(onnx, scope));
    PITH_TRY(read_inputs(onnx, scope));
    PITH_TRY(pithi_onnx_nodes(onnx, scope));
    PITH_TRY(pithi_onnx_value_infos(onnx, scope, GRAPH_VALUE_INFO));
    PITH_TRY(read_outputs(onnx, scope, problem_out));
    if (!scope->parent) {
        drop_unread_inputs(scope);
    }
    return PITH_OK;
}

pith_status pithi_onnx_graph(pithi_onnx *onnx, pithi_onnx_scope *parent, const pithi_pb_span *message,
                             pith_graph *graph, const char **problem_out)
{
    pithi_onnx_scope scope = { .parent = parent, .graph = graph, .prefix = "", .message = *message,
                               .node_field = GRAPH_NODE };
    scope.root = &scope;
    scope.opsets = parent ? parent->opsets : &onnx->opsets;
    scope.call = parent ? parent->call : NULL;
    pith_status status = read_graph(onnx, &scope, problem_out);
    pithi_onnx_scope_deinit(onnx, &scope);
    return status;
}
