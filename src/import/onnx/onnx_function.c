/* SPDX-License-Identifier: Apache-2.0 */
/* FunctionProto: operators that the model defines itself. A call is replaced by the body, so that nothing
 * behind the importer knows functions. */
#include "import/onnx/onnx.h"

#include <stdlib.h>

#include "base/ctx.h"
#include "ops/op.h"

/* ---- table --------------------------------------------------------------------------------- */

static uint64_t hash_id(const pithi_pb_span *domain, const pithi_pb_span *name, const pithi_pb_span *overload)
{
    uint64_t hash = pithi_hash(PITHI_HASH_START, domain->data, domain->n_bytes);
    hash = pithi_hash(hash, "/", 1);
    hash = pithi_hash(hash, name->data, name->n_bytes);
    hash = pithi_hash(hash, "/", 1);
    return pithi_hash(hash, overload->data, overload->n_bytes);
}

static bool has_id(const pithi_onnx_function *function, const pithi_pb_span *domain, const pithi_pb_span *name,
                   const pithi_pb_span *overload)
{
    return pithi_pb_same(&function->domain, domain) && pithi_pb_same(&function->name, name) &&
           pithi_pb_same(&function->overload, overload);
}

static pith_status read_header(pithi_onnx *onnx, pithi_onnx_function *function)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span opset;
    PITH_TRY(pithi_pb_open(&onnx->file, &function->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == FUNCTION_NAME) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "name", &function->name));
        } else if (field.number == FUNCTION_DOMAIN) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "domain", &function->domain));
        } else if (field.number == FUNCTION_OVERLOAD) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "overload", &function->overload));
        } else if (field.number == FUNCTION_OPSET_IMPORT) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "opset_import", &opset));
            PITH_TRY(pithi_onnx_add_opset(onnx, &function->opsets, &opset));
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, function->name.n_bytes > 0, PITH_STATUS_FORMAT, "the function has no name");
    if (pithi_pb_is(&function->domain, "ai.onnx")) {
        function->domain = (pithi_pb_span){ 0 };
    }
    function->hash = hash_id(&function->domain, &function->name, &function->overload);
    return PITH_OK;
}

pith_status pithi_onnx_function_add(pithi_onnx *onnx, const pithi_pb_span *message)
{
    void *functions = onnx->functions;
    pith_status status = pithi_grow(onnx->ctx, &functions, &onnx->functions_capacity, onnx->n_functions + 1,
                                    sizeof *onnx->functions);
    onnx->functions = functions;
    PITH_TRY(status);
    pithi_onnx_function *function = &onnx->functions[onnx->n_functions++];
    *function = (pithi_onnx_function){ .message = *message };
    return read_header(onnx, function);
}

static int compare_hash(const void *a, const void *b)
{
    uint64_t first = ((const pithi_onnx_function *)a)->hash, second = ((const pithi_onnx_function *)b)->hash;
    return (first > second) - (first < second);
}

pith_status pithi_onnx_functions_sort(pithi_onnx *onnx)
{
    if (onnx->n_functions > 1) {
        qsort(onnx->functions, onnx->n_functions, sizeof *onnx->functions, compare_hash);
    }
    for (size_t i = 1; i < onnx->n_functions; i++) {
        const pithi_onnx_function *function = &onnx->functions[i];
        PITH_CHECK(onnx->ctx, !has_id(function - 1, &function->domain, &function->name, &function->overload),
                   PITH_STATUS_FORMAT, "function '%.*s' of domain '%.*s' is defined twice",
                   PITHI_PB_TEXT(&function->name), PITHI_PB_TEXT(&function->domain));
    }
    return PITH_OK;
}

const pithi_onnx_function *pithi_onnx_function_find(const pithi_onnx *onnx, const pithi_onnx_node *node)
{
    uint64_t hash = onnx->n_functions ? hash_id(&node->domain, &node->op_type, &node->overload) : 0;
    size_t low = 0, high = onnx->n_functions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (onnx->functions[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < onnx->n_functions && onnx->functions[low].hash == hash; low++) {
        if (has_id(&onnx->functions[low], &node->domain, &node->op_type, &node->overload)) {
            return &onnx->functions[low];
        }
    }
    return NULL;
}

/* ---- binding ------------------------------------------------------------------------------- */

static pith_status bind_call_attrs(pithi_onnx *onnx, const pithi_onnx_node *node, pithi_onnx_call *call)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        pithi_onnx_binding *binding = &call->bindings[call->n_bindings++];
        binding->message = node->attrs[i];
        PITH_TRY(pithi_onnx_attr_name(onnx, &binding->message, &binding->name));
    }
    return PITH_OK;
}

static bool is_bound(const pithi_onnx_call *call, const pithi_pb_span *name)
{
    for (size_t i = 0; i < call->n_bindings; i++) {
        if (pithi_pb_same(&call->bindings[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Defaults of the function for attributes that the call leaves out. Returns how many names of the call
 * the function declares. */
static pith_status bind_defaults(pithi_onnx *onnx, pithi_onnx_call *call, size_t n_given)
{
    pithi_pb pb;
    pithi_pb_field field;
    size_t n_declared = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, &call->function->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        pithi_onnx_binding binding = { .is_default = true };
        if (field.number == FUNCTION_ATTRIBUTE) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "attribute", &binding.name));
            n_declared += is_bound(call, &binding.name);
        } else if (field.number == FUNCTION_ATTRIBUTE_PROTO) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "attribute_proto", &binding.message));
            PITH_TRY(pithi_onnx_attr_name(onnx, &binding.message, &binding.name));
            bool is_given = is_bound(call, &binding.name);
            n_declared += is_given;
            if (!is_given) {
                call->bindings[call->n_bindings++] = binding;
            }
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, n_declared >= n_given, PITH_STATUS_FORMAT,
               "the call has %zu attributes, of which function '%.*s' declares %zu", n_given,
               PITHI_PB_TEXT(&call->function->name), n_declared);
    return PITH_OK;
}

static pith_status count_fields(pithi_onnx *onnx, const pithi_pb_span *message, uint32_t number, size_t *count_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    *count_out = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        *count_out += field.number == number;
    }
    return pb.status;
}

static pith_status bind_attrs(pithi_onnx *onnx, const pithi_onnx_node *node, pithi_onnx_call *call,
                              pithi_arena *scratch)
{
    size_t n_defaults = 0;
    void *block = NULL;
    PITH_TRY(count_fields(onnx, &call->function->message, FUNCTION_ATTRIBUTE_PROTO, &n_defaults));
    PITH_TRY(pithi_arena_array(scratch, node->n_attrs + n_defaults + 1, sizeof(pithi_onnx_binding), &block));
    call->bindings = block;
    PITH_TRY(bind_call_attrs(onnx, node, call));
    return bind_defaults(onnx, call, node->n_attrs);
}

/* The function's i-th input name means the call's i-th argument; missing ones are absent. */
static pith_status bind_input(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node, size_t index,
                              pithi_onnx_scope *scope, const pithi_pb_span *name)
{
    pithi_onnx_name *argument = NULL, *entry = NULL;
    const char *text = NULL;
    if (index < node->n_inputs && node->inputs[index].n_bytes > 0) {
        argument = pithi_onnx_lookup(caller, &node->inputs[index]);
        if (!argument) {
            return pithi_onnx_undefined(onnx, caller, "an input", &node->inputs[index]);
        }
        argument->is_read = true;
    }
    PITH_CHECK(
        onnx->ctx, name->n_bytes && !pithi_onnx_names_find(&scope->names, (const char *)name->data, name->n_bytes),
        PITH_STATUS_FORMAT, "the function's input '%.*s' is listed twice or has no name", PITHI_PB_TEXT(name));
    pith_value *value = argument ? argument->value : NULL;
    const char *problem = argument ? argument->problem : NULL;
    PITH_TRY(pithi_onnx_text(onnx->ctx, &scope->graph->arena, name, "name", &text));
    PITH_TRY(pithi_onnx_names_add(onnx->ctx, &scope->names, text, name->n_bytes, &entry));
    entry->value = value;
    entry->problem = problem;
    return PITH_OK;
}

static pith_status bind_inputs(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node,
                               pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span name;
    size_t index = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == FUNCTION_INPUT) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "input", &name));
            PITH_TRY(bind_input(onnx, caller, node, index, scope, &name));
            index++;
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, node->n_inputs <= index, PITH_STATUS_FORMAT, "the call has %zu inputs, the function %zu",
               node->n_inputs, index);
    return PITH_OK;
}

/* ---- outputs ------------------------------------------------------------------------------- */

/* An argument (or a value that has its name already) gets its second name through an identity node. */
static pith_status copy_value(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_pb_span *name,
                              const pithi_onnx_name *from)
{
    pith_value *copy = NULL, *value = from->value;
    pith_node *node = NULL;
    PITH_CHECK(onnx->ctx, value, PITH_STATUS_FORMAT,
               "the function returns its input '%.80s', which the call leaves out", from->text);
    const char *problem = from->problem;
    PITH_TRY(pithi_onnx_define(onnx, caller, name, NULL, problem, &copy));
    PITH_TRY(pithi_graph_insert_node(caller->graph, NULL, pithi_op_find("identity"), copy->name, &value, 1, &copy, 1,
                                     &node));
    if (problem) {
        pithi_onnx_refuse(node, problem);
    }
    return PITH_OK;
}

static pith_status bind_output(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_pb_span *name,
                               pithi_onnx_scope *scope, const pithi_pb_span *inner)
{
    pithi_onnx_name *from = pithi_onnx_lookup(scope, inner);
    if (!from) {
        return pithi_onnx_undefined(onnx, scope, "the function's output", inner);
    }
    if (from->is_local) {
        from->is_local = false;
        return pithi_onnx_define(onnx, caller, name, from->value, from->problem, NULL);
    }
    return copy_value(onnx, caller, name, from);
}

static pith_status bind_outputs(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node,
                                pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span inner;
    size_t index = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number != FUNCTION_OUTPUT) {
            continue;
        }
        PITH_TRY(pithi_pb_get_span(&pb, &field, "output", &inner));
        if (index < node->n_outputs && node->outputs[index].n_bytes > 0) {
            PITH_TRY(bind_output(onnx, caller, &node->outputs[index], scope, &inner));
        }
        index++;
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, node->n_outputs <= index, PITH_STATUS_FORMAT, "the call has %zu outputs, the function %zu",
               node->n_outputs, index);
    return PITH_OK;
}

/* ---- expansion ----------------------------------------------------------------------------- */

static pith_status expand(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node,
                          pithi_onnx_scope *scope)
{
    PITH_TRY(bind_inputs(onnx, caller, node, scope));
    PITH_TRY_AT(onnx->ctx, pithi_onnx_nodes(onnx, scope), "function '%.*s'",
                PITHI_PB_TEXT(&scope->call->function->name));
    PITH_TRY(pithi_onnx_value_infos(onnx, scope, FUNCTION_VALUE_INFO));
    return bind_outputs(onnx, caller, node, scope);
}

static pith_status check_recursion(pithi_onnx *onnx, const pithi_onnx_scope *caller,
                                   const pithi_onnx_function *function)
{
    for (const pithi_onnx_call *outer = caller->call; outer; outer = outer->caller->call) {
        PITH_CHECK(onnx->ctx, outer->function != function, PITH_STATUS_FORMAT,
                   "function '%.*s' calls itself, which ONNX forbids", PITHI_PB_TEXT(&function->name));
    }
    return PITH_OK;
}

pith_status pithi_onnx_function_expand(pithi_onnx *onnx, pithi_onnx_scope *caller, const pithi_onnx_node *node,
                                       const pithi_onnx_function *function, pithi_arena *scratch)
{
    pithi_onnx_call call = { .function = function, .caller = caller };
    pithi_onnx_scope scope = { .graph = caller->graph, .root = caller->root, .opsets = &function->opsets, .call = &call,
                               .message = function->message, .node_field = FUNCTION_NODE };
    const pithi_pb_span *name = node->name.n_bytes ? &node->name : &node->op_type;
    const char *label = NULL;
    PITH_TRY(check_recursion(onnx, caller, function));
    PITH_TRY(bind_attrs(onnx, node, &call, scratch));
    PITH_TRY(pithi_onnx_text(onnx->ctx, scratch, name, "node name", &label));
    PITH_TRY(pithi_arena_format(scratch, &scope.prefix, "%s%.64s#%llu/", caller->prefix, label,
                                (unsigned long long)++onnx->n_calls));
    PITH_TRY(pithi_onnx_enter(onnx));
    pith_status status = expand(onnx, caller, node, &scope);
    onnx->nesting--;
    pithi_onnx_scope_deinit(onnx, &scope);
    return status;
}
