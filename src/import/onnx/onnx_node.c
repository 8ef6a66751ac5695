/* SPDX-License-Identifier: Apache-2.0 */
/* NodeProto -> node: names become values, the spelling of an operator fills its attributes. What pith
 * can't run stays as a node without operator that carries the reason. */
#include "import/onnx/onnx.h"

#include "base/ctx.h"
#include "import/onnx/onnx_recipe.h"
#include "ops/op.h"

/* ---- fields -------------------------------------------------------------------------------- */

static pith_status read_name(const pithi_pb *pb, const pithi_pb_field *field, pithi_onnx_node *node)
{
    switch (field->number) {
    case NODE_NAME: return pithi_pb_get_span(pb, field, "name", &node->name);
    case NODE_OP_TYPE: return pithi_pb_get_span(pb, field, "op_type", &node->op_type);
    case NODE_DOMAIN: return pithi_pb_get_span(pb, field, "domain", &node->domain);
    case NODE_OVERLOAD: return pithi_pb_get_span(pb, field, "overload", &node->overload);
    default: return PITH_OK;
    }
}

/* Counts the lists; with `fill` also stores their items. */
static pith_status read_fields(pithi_onnx *onnx, const pithi_pb_span *message, bool fill, pithi_onnx_node *node)
{
    pithi_pb pb;
    pithi_pb_field field;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    node->n_inputs = node->n_outputs = node->n_attrs = 0;
    while (pithi_pb_next(&pb, &field)) {
        pithi_pb_span item;
        pithi_pb_span **list = field.number == NODE_INPUT       ? &node->inputs
                               : field.number == NODE_OUTPUT    ? &node->outputs
                               : field.number == NODE_ATTRIBUTE ? &node->attrs
                                                                : NULL;
        if (!list) {
            PITH_TRY(read_name(&pb, &field, node));
            continue;
        }
        PITH_TRY(pithi_pb_get_span(&pb, &field, "input, output or attribute", &item));
        size_t *count = field.number == NODE_INPUT    ? &node->n_inputs
                        : field.number == NODE_OUTPUT ? &node->n_outputs
                                                      : &node->n_attrs;
        if (fill) {
            (*list)[*count] = item;
        }
        ++*count;
    }
    return pb.status;
}

pith_status pithi_onnx_node_read(pithi_onnx *onnx, const pithi_onnx_scope *scope, const pithi_pb_span *message,
                                 pithi_arena *scratch, pithi_onnx_node *node)
{
    void *spans = NULL;
    *node = (pithi_onnx_node){ 0 };
    PITH_TRY(read_fields(onnx, message, false, node));
    size_t total = node->n_inputs + node->n_outputs + node->n_attrs;
    PITH_CHECK(onnx->ctx, total <= INT32_MAX - PITHI_SOURCE_SPARE, PITH_STATUS_LIMIT, "a node has %zu operands", total);
    PITH_TRY(pithi_arena_array(scratch, total + !total, sizeof(pithi_pb_span), &spans));
    node->inputs = spans;
    node->outputs = node->inputs + node->n_inputs;
    node->attrs = node->outputs + node->n_outputs;
    PITH_TRY(read_fields(onnx, message, true, node));
    if (pithi_pb_is(&node->domain, "ai.onnx")) {
        node->domain = (pithi_pb_span){ 0 };
    }
    node->opset = pithi_onnx_opset_of(scope, &node->domain);
    return PITH_OK;
}

/* ---- operands and attributes --------------------------------------------------------------- */

/* A node while it becomes part of the graph. */
typedef struct building {
    pithi_onnx *onnx;
    pithi_onnx_scope *scope;
    const pithi_onnx_node *node;
    pith_source source;
    const char *source_op;
    const char *problem; /* why pith can't run it */
    int since;           /* of the spelling */
} building;

static pith_status resolve_inputs(building *build, pithi_arena *scratch)
{
    const pithi_onnx_node *node = build->node;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(scratch, node->n_inputs + PITHI_SOURCE_SPARE, sizeof(pith_value *), &block));
    build->source.inputs = block;
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i].n_bytes == 0) {
            continue;
        }
        pithi_onnx_name *entry = pithi_onnx_lookup(build->scope, &node->inputs[i]);
        if (!entry) {
            const char *what = NULL;
            PITH_TRY(pithi_arena_format(scratch, &what, "input %zu", i));
            return pithi_onnx_undefined(build->onnx, build->scope, what, &node->inputs[i]);
        }
        entry->is_read = true;
        build->source.inputs[i] = entry->value;
        build->source.n_inputs = entry->value ? (int)i + 1 : build->source.n_inputs; /* drops trailing absent ones */
        build->problem = build->problem ? build->problem : entry->problem;
    }
    return PITH_OK;
}

static pith_status read_attrs(building *build, pithi_arena *scratch)
{
    pith_source *source = &build->source;
    pith_ctx *ctx = build->onnx->ctx;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(scratch, build->node->n_attrs + 1, sizeof(pith_source_attr), &block));
    source->attrs = block;
    for (size_t i = 0; i < build->node->n_attrs; i++) {
        bool is_absent = false;
        const char *problem = NULL;
        pith_source_attr *attr = &source->attrs[source->n_attrs++]; /* counted first: owns its graph on failure */
        PITH_TRY(pithi_onnx_attr(build->onnx, build->scope, build->node, i, attr, &is_absent, &problem));
        build->problem = build->problem ? build->problem : problem;
        if (is_absent) {
            *attr = (pith_source_attr){ 0 };
            source->n_attrs--;
        }
        for (int k = 0; !is_absent && k < source->n_attrs - 1; k++) {
            PITH_CHECK(ctx, !pithi_same_text(source->attrs[k].name, attr->name), PITH_STATUS_FORMAT,
                       "attribute '%s' is given twice", attr->name);
        }
    }
    return PITH_OK;
}

static pith_status make_outputs(building *build, pithi_arena *scratch)
{
    const pithi_onnx_node *node = build->node;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(scratch, node->n_outputs + 1, sizeof(pith_value *), &block));
    build->source.outputs = block;
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i].n_bytes > 0) {
            PITH_TRY(pithi_onnx_define(build->onnx, build->scope, &node->outputs[i], NULL, NULL,
                                       &build->source.outputs[i]));
        }
    }
    return PITH_OK;
}

/* ---- operators ----------------------------------------------------------------------------- */

static pith_status lacks_operator(building *build, int since)
{
    const pith_source *source = &build->source;
    pithi_arena *arena = &source->graph->arena;
    if (since > 0) {
        return pithi_arena_format(arena, &build->problem,
                                  "%s is implemented from opset %d on, the model imports opset %lld; convert it with "
                                  "onnx.version_converter", build->source_op, since, (long long)source->opset);
    }
    return pithi_arena_format(arena, &build->problem,
                              "operator %.100s of domain '%.100s' is not implemented (opset %lld); export the model "
                              "without it, give its meaning as an ONNX function, or add src/ops/<name>.c", source->type,
                              *source->domain ? source->domain : "ai.onnx", (long long)source->opset);
}

/* Graph attributes of control flow move to the node; `then_branch` comes first whatever the file says. */
static pith_status adopt_bodies(building *build, pith_node *node)
{
    pith_source *source = &build->source;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&source->graph->arena, (size_t)source->n_attrs + 1, sizeof(pith_graph *), &block));
    node->bodies = block;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < source->n_attrs; i++) {
            pith_source_attr *attr = &source->attrs[i];
            if (attr->graph && pithi_same_text(attr->name, "then_branch") == (pass == 0)) {
                node->bodies[node->n_bodies++] = attr->graph;
                attr->graph = NULL;
            }
        }
    }
    return PITH_OK;
}

/* Both bodies of an If make what the node wants, of the same types. */
static pith_status check_branches(const building *build, const pith_node *node)
{
    pith_ctx *ctx = build->onnx->ctx;
    if (!node->op || node->n_bodies != 2 || !pithi_same_text(pithi_op_head(node->op)->name, "if")) {
        return PITH_OK;
    }
    for (int i = 0; i < 2; i++) {
        PITH_CHECK(ctx, node->bodies[i]->n_outputs == (size_t)node->n_outputs, PITH_STATUS_FORMAT,
                   "%s has %zu outputs, the node has %d; both branches must make what the node gives",
                   i ? "else_branch" : "then_branch", node->bodies[i]->n_outputs, node->n_outputs);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        pith_dtype a = node->bodies[0]->outputs[i]->dtype, b = node->bodies[1]->outputs[i]->dtype;
        PITH_CHECK(ctx, a == b || a == PITH_DTYPE_NONE || b == PITH_DTYPE_NONE, PITH_STATUS_FORMAT,
                   "output %d is %s in then_branch, but %s in else_branch; both must have one type (add a Cast)", i,
                   pith_dtype_name(a), pith_dtype_name(b));
    }
    return PITH_OK;
}

static const pith_op *spelled(pithi_onnx *onnx, const pith_source *source, const pith_spelling **spelling, int *since)
{
    uint64_t hash = pithi_hash(PITHI_HASH_START, source->type, strlen(source->type));
    pithi_onnx_known *known = &onnx->known[hash % PITH_COUNT(onnx->known)];
    if (!known->spelling || known->opset != source->opset || !pithi_same_text(known->spelling->name, source->type) ||
        !pithi_same_text(known->spelling->domain, source->domain)) {
        *known = (pithi_onnx_known){ .opset = source->opset };
        known->op = pithi_op_spelled("onnx", source->domain, source->type, source->opset, &known->spelling,
                                     &known->since);
    }
    *spelling = known->spelling;
    *since = known->since;
    return known->op;
}

static pith_status find_operator(building *build, const pith_op **op_out, void **attrs_out)
{
    pith_source *source = &build->source;
    pith_ctx *ctx = build->onnx->ctx;
    const pith_spelling *spelling = NULL;
    int since = 0;
    const pith_op *op = spelled(build->onnx, source, &spelling, &since);
    if (!op) {
        return build->problem ? PITH_OK : lacks_operator(build, since);
    }
    build->since = spelling->since;
    for (int i = 0; i < source->n_attrs; i++) {
        source->attrs[i].is_used |= source->attrs[i].graph && (op->flags & PITH_OP_CONTROL);
    }
    if (build->problem) {
        return PITH_OK;
    }
    PITH_TRY(pithi_attrs_new(pithi_op_head(op), &source->graph->arena, attrs_out));
    pith_status status = pithi_op_read_attrs(ctx, op, spelling, source, *attrs_out);
    if (status == PITH_STATUS_UNSUPPORTED) {
        PITH_TRY(pithi_arena_text(&source->graph->arena, pith_ctx_error(ctx), strlen(pith_ctx_error(ctx)),
                                  &build->problem));
        pith_ctx_clear_error(ctx);
        return PITH_OK;
    }
    *op_out = op;
    return status;
}

/* Constant is the format's way to write a weight beside its use: it becomes a constant, not a node. */
static pith_status import_constant(building *build)
{
    pith_source *source = &build->source;
    const pith_op *op = NULL;
    void *attrs = NULL;
    pith_tensor tensor = { .dtype = PITH_DTYPE_NONE };
    PITH_CHECK(build->onnx->ctx, source->n_attrs == 1 && source->n_inputs == 0 && source->n_outputs == 1,
               PITH_STATUS_FORMAT, "a Constant has one attribute, no input and one output; this has %d, %d and %d",
               source->n_attrs, source->n_inputs, source->n_outputs);
    if (pithi_same_text(source->attrs[0].name, "sparse_value")) { /* made dense by the reader */
        source->attrs[0].name = "value";
    }
    PITH_TRY(find_operator(build, &op, &attrs));
    if (op) {
        const pith_attr_spec *spec = &pithi_op_head(op)->attrs[0];
        const pith_tensor *const *value = (const void *)((const char *)attrs + spec->offset);
        PITH_CHECK(build->onnx->ctx, spec->kind == PITH_ATTR_KIND_TENSOR && *value, PITH_STATUS_FORMAT,
                   "the Constant has no value");
        tensor = **value;
    }
    return pithi_onnx_define_constant(build->onnx, build->scope, &build->node->outputs[0], &tensor, build->problem);
}

/* The node `build->source` describes, or those of its recipe. */
static pith_status insert_source(building *build, pithi_arena *scratch);

typedef struct recipe_caller {
    const building *build; /* of the node with the recipe */
    pithi_arena *scratch;
} recipe_caller;

static pith_status insert_recipe_node(void *user, pith_source *node)
{
    const recipe_caller *caller = user;
    building build = { .onnx = caller->build->onnx, .scope = caller->build->scope, .node = caller->build->node,
                       .source = *node, .source_op = node->type };
    return insert_source(&build, caller->scratch);
}

static pith_status insert_source(building *build, pithi_arena *scratch)
{
    void *attrs = NULL;
    pith_node *node = NULL;
    pith_source *source = &build->source;
    const pith_spelling *spelling = NULL;
    int since = 0;
    const pith_op *op = spelled(build->onnx, source, &spelling, &since);
    if (!build->problem && pithi_same_text(source->domain, PITHI_ONNX_NCHWC)) {
        PITH_TRY(pithi_onnx_nchwc(build->onnx, build->scope, source, scratch, &build->problem));
    }
    const pithi_onnx_recipe *recipe = build->problem ? NULL : pithi_onnx_recipe_find(source, op ? spelling->since : 0);
    if (recipe) {
        recipe_caller caller = { build, scratch };
        return pithi_onnx_recipe_expand(build->onnx, recipe, source, scratch, insert_recipe_node, &caller);
    }
    op = NULL;
    PITH_TRY(find_operator(build, &op, &attrs));
    const char *name = source->name;
    if (*build->scope->prefix && *name) {
        PITH_TRY(pithi_arena_format(scratch, &name, "%s%s", build->scope->prefix, source->name));
    }
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, NULL, name, source->inputs, source->n_inputs,
                                     source->outputs, source->n_outputs, &node));
    node->op = op;
    node->attrs = op ? attrs : NULL;
    node->source_op = build->source_op;
    node->unsupported = build->problem;
    node->source_opset = (int)pithi_min_s64(source->opset, INT32_MAX);
    node->source_since = build->since;
    PITH_TRY(pithi_op_give_outputs(source->graph, node));
    PITH_TRY(adopt_bodies(build, node));
    return check_branches(build, node);
}

static pith_status import_operator(building *build, pithi_arena *scratch)
{
    PITH_TRY(make_outputs(build, scratch));
    return insert_source(build, scratch);
}

void pithi_onnx_refuse(pith_node *node, const char *reason)
{
    if (!node->unsupported) {
        node->op = NULL;
        node->attrs = NULL;
        node->unsupported = reason;
    }
}

static pith_status describe(building *build)
{
    const pithi_onnx_node *node = build->node;
    pithi_arena *arena = &build->scope->graph->arena;
    pith_ctx *ctx = build->onnx->ctx;
    pith_source *source = &build->source;
    PITH_TRY(pithi_onnx_text(ctx, arena, &node->name, "node name", &source->name));
    PITH_TRY(pithi_onnx_text(ctx, arena, &node->op_type, "op_type", &source->type));
    PITH_TRY(pithi_onnx_text(ctx, arena, &node->domain, "domain", &source->domain));
    build->source_op = source->type;
    if (*source->domain) {
        PITH_TRY(pithi_arena_format(arena, &build->source_op, "%s.%s", source->domain, source->type));
    }
    return PITH_OK;
}

static pith_status build_node(building *build, pithi_arena *scratch)
{
    build->source.n_outputs = (int)build->node->n_outputs;
    PITH_TRY(describe(build));
    PITH_TRY(resolve_inputs(build, scratch));
    PITH_TRY(read_attrs(build, scratch));
    if (!*build->source.domain && pithi_same_text(build->source.type, "Constant")) {
        return import_constant(build);
    }
    return import_operator(build, scratch);
}

static pith_status import_node(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_onnx_node *node,
                               pithi_arena *scratch)
{
    PITH_CHECK(onnx->ctx, node->op_type.n_bytes > 0, PITH_STATUS_FORMAT, "there is no op_type");
    const pithi_onnx_function *function = pithi_onnx_function_find(onnx, node);
    if (function) {
        return pithi_onnx_function_expand(onnx, scope, node, function, scratch);
    }
    PITH_CHECK(onnx->ctx, node->opset > 0, PITH_STATUS_FORMAT,
               "domain '%.*s' is not in opset_import, so its version is unknown; add it there "
               "(onnx.helper.make_opsetid)",
               PITHI_PB_TEXT(&node->domain));
    building build = { .onnx = onnx, .scope = scope, .node = node };
    build.source.graph = scope->graph;
    build.source.opset = node->opset;
    pith_status status = build_node(&build, scratch);
    for (int i = 0; i < build.source.n_attrs; i++) {
        pithi_graph_destroy(build.source.attrs[i].graph);
    }
    return status;
}

/* Of an error: in words made only then. */
static void add_place(pith_ctx *ctx, const pithi_onnx_node *node, uint64_t index)
{
    if (!node->op_type.data) {
        pithi_add_place(ctx, "node");
    } else if (node->name.n_bytes) {
        pithi_add_place(ctx, "node '%.*s' (%.*s, opset %lld)", PITHI_PB_TEXT(&node->name),
                        PITHI_PB_TEXT(&node->op_type), (long long)node->opset);
    } else {
        pithi_add_place(ctx, "node #%llu (%.*s, opset %lld)", (unsigned long long)index, PITHI_PB_TEXT(&node->op_type),
                        (long long)node->opset);
    }
}

pith_status pithi_onnx_node_import(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_pb_span *message)
{
    pithi_arena scratch = { .ctx = onnx->ctx };
    pithi_onnx_node node = { 0 };
    pith_status status = PITH_OK;
    const uint64_t index = ++onnx->n_nodes;
    PITH_CHECK(onnx->ctx, onnx->n_nodes <= onnx->ctx->limits.max_nodes, PITH_STATUS_LIMIT,
               "more than %llu nodes; pith_limits.max_nodes raises the ceiling",
               (unsigned long long)onnx->ctx->limits.max_nodes);
    PITH_TRY_GOTO(pithi_onnx_node_read(onnx, scope, message, &scratch, &node), done);
    PITH_TRY_GOTO(import_node(onnx, scope, &node, &scratch), done);
done:
    if (status != PITH_OK) {
        add_place(onnx->ctx, &node, index);
    }
    pithi_arena_deinit(&scratch);
    return status;
}

pith_status pithi_onnx_nodes(pithi_onnx *onnx, pithi_onnx_scope *scope)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span node;
    size_t n_done = 0;
    const int nesting = onnx->nesting;
    PITH_TRY(pithi_pb_open(&onnx->file, &scope->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == scope->node_field) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "node", &node));
            pith_status status = pithi_onnx_node_import(onnx, scope, &node);
            if (status != PITH_OK && scope->is_out_of_order) {
                pith_ctx_clear_error(onnx->ctx);
                onnx->nesting = nesting;
                return pithi_onnx_nodes_in_order(onnx, scope, n_done);
            }
            PITH_TRY(status);
            n_done++;
        }
    }
    return pb.status;
}
