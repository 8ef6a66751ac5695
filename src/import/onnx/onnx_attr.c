/* SPDX-License-Identifier: Apache-2.0 */
/* AttributeProto -> source attribute. Lists live in the graph's arena, since operators keep them. */
#include "import/onnx/onnx.h"

typedef struct attr_fields {
    pithi_pb_span message, name, reference, s, t, g, sparse, tp;
    int64_t type, i;
    int64_t type_seen; /* of the last value that is there */
    float f;
    size_t n_floats, n_ints, n_strings;
} attr_fields;

/* ---- fields -------------------------------------------------------------------------------- */

static pith_status count_items(const pithi_pb *pb, const pithi_pb_field *field, pithi_pb_wire wire, const char *name,
                               size_t *total)
{
    size_t count = 0;
    PITH_TRY(pithi_pb_count(pb, field, wire, name, &count));
    *total += count;
    return PITH_OK;
}

/* What a value's field says about the type; files of 2017 have nothing else. */
static int64_t type_of_field(uint32_t number)
{
    switch (number) {
    case ATTRIBUTE_F: return ATTRIBUTE_TYPE_FLOAT;
    case ATTRIBUTE_I: return ATTRIBUTE_TYPE_INT;
    case ATTRIBUTE_S: return ATTRIBUTE_TYPE_STRING;
    case ATTRIBUTE_T: return ATTRIBUTE_TYPE_TENSOR;
    case ATTRIBUTE_G: return ATTRIBUTE_TYPE_GRAPH;
    case ATTRIBUTE_FLOATS: return ATTRIBUTE_TYPE_FLOATS;
    case ATTRIBUTE_INTS: return ATTRIBUTE_TYPE_INTS;
    case ATTRIBUTE_STRINGS: return ATTRIBUTE_TYPE_STRINGS;
    case ATTRIBUTE_SPARSE_TENSOR: return ATTRIBUTE_TYPE_SPARSE_TENSOR;
    case ATTRIBUTE_TP: return ATTRIBUTE_TYPE_TYPE_PROTO;
    default: return ATTRIBUTE_TYPE_UNDEFINED;
    }
}

static pith_status read_field(const pithi_pb *pb, const pithi_pb_field *field, attr_fields *attr)
{
    pithi_pb_span unused;
    switch (field->number) {
    case ATTRIBUTE_NAME: return pithi_pb_get_span(pb, field, "name", &attr->name);
    case ATTRIBUTE_REF_ATTR_NAME: return pithi_pb_get_span(pb, field, "ref_attr_name", &attr->reference);
    case ATTRIBUTE_TYPE: return pithi_pb_get_s64(pb, field, "type", &attr->type);
    default: break;
    }
    attr->type_seen = type_of_field(field->number) ? type_of_field(field->number) : attr->type_seen;
    switch (field->number) {
    case ATTRIBUTE_F: return pithi_pb_get_f32(pb, field, "f", &attr->f);
    case ATTRIBUTE_I: return pithi_pb_get_s64(pb, field, "i", &attr->i);
    case ATTRIBUTE_S: return pithi_pb_get_span(pb, field, "s", &attr->s);
    case ATTRIBUTE_T: return pithi_pb_get_span(pb, field, "t", &attr->t);
    case ATTRIBUTE_G: return pithi_pb_get_span(pb, field, "g", &attr->g);
    case ATTRIBUTE_SPARSE_TENSOR: return pithi_pb_get_span(pb, field, "sparse_tensor", &attr->sparse);
    case ATTRIBUTE_TP: return pithi_pb_get_span(pb, field, "tp", &attr->tp);
    case ATTRIBUTE_FLOATS: return count_items(pb, field, PITHI_PB_FIXED32, "floats", &attr->n_floats);
    case ATTRIBUTE_INTS: return count_items(pb, field, PITHI_PB_VARINT, "ints", &attr->n_ints);
    case ATTRIBUTE_STRINGS: attr->n_strings++; return pithi_pb_get_span(pb, field, "strings", &unused);
    default: return PITH_OK;
    }
}

static pith_status read_fields(pithi_onnx *onnx, const pithi_pb_span *message, attr_fields *attr)
{
    pithi_pb pb;
    pithi_pb_field field;
    *attr = (attr_fields){ .message = *message };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        PITH_TRY(read_field(&pb, &field, attr));
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, attr->name.n_bytes > 0, PITH_STATUS_FORMAT, "an attribute has no name");
    attr->type = attr->type == ATTRIBUTE_TYPE_UNDEFINED ? attr->type_seen : attr->type;
    PITH_CHECK(onnx->ctx, attr->type_seen == ATTRIBUTE_TYPE_UNDEFINED || attr->type_seen == attr->type,
               PITH_STATUS_FORMAT, "attribute '%.*s' has type %lld, but a value of type %lld",
               PITHI_PB_TEXT(&attr->name), (long long)attr->type, (long long)attr->type_seen);
    PITH_CHECK(onnx->ctx, attr->reference.n_bytes > 0 || (attr->type >= 1 && attr->type <= ATTRIBUTE_TYPE_LAST),
               PITH_STATUS_FORMAT, "attribute '%.*s' has type %lld, which ONNX doesn't have",
               PITHI_PB_TEXT(&attr->name), (long long)attr->type);
    return PITH_OK;
}

pith_status pithi_onnx_attr_name(pithi_onnx *onnx, const pithi_pb_span *message, pithi_pb_span *name_out)
{
    attr_fields fields;
    PITH_TRY(read_fields(onnx, message, &fields));
    *name_out = fields.name;
    return PITH_OK;
}

/* ---- references ---------------------------------------------------------------------------- */

/* Follows ref_attr_name outwards through the calls until somebody gives a value. */
static pith_status follow(pithi_onnx *onnx, pithi_onnx_scope **scope, attr_fields *fields, bool *is_absent_out)
{
    pithi_pb_span name = fields->name;
    while (fields->reference.n_bytes > 0) {
        const pithi_onnx_call *call = (*scope)->call;
        const pithi_onnx_binding *binding = NULL;
        PITH_CHECK(onnx->ctx, call, PITH_STATUS_FORMAT,
                   "attribute '%.*s' refers to '%.*s' of a function, but stands in no function", PITHI_PB_TEXT(&name),
                   PITHI_PB_TEXT(&fields->reference));
        for (size_t i = 0; i < call->n_bindings && !binding; i++) {
            binding = pithi_pb_same(&call->bindings[i].name, &fields->reference) ? &call->bindings[i] : NULL;
        }
        if (!binding) {
            *is_absent_out = true;
            return PITH_OK;
        }
        *scope = call->caller;
        PITH_TRY(read_fields(onnx, &binding->message, fields));
        PITH_CHECK(onnx->ctx, !binding->is_default || fields->reference.n_bytes == 0, PITH_STATUS_FORMAT,
                   "the default of attribute '%.*s' refers to another attribute", PITHI_PB_TEXT(&fields->name));
    }
    fields->name = name;
    return PITH_OK;
}

/* ---- values -------------------------------------------------------------------------------- */

static pith_status read_numbers(pithi_onnx *onnx, pith_graph *graph, const attr_fields *fields, pith_source_attr *attr)
{
    bool is_ints = fields->type == ATTRIBUTE_TYPE_INTS;
    pithi_pb_wire wire = is_ints ? PITHI_PB_VARINT : PITHI_PB_FIXED32;
    size_t total = is_ints ? fields->n_ints : fields->n_floats, at = 0, count = 0;
    pithi_pb pb;
    pithi_pb_field field;
    void *items = NULL;
    PITH_CHECK(onnx->ctx, total <= INT32_MAX, PITH_STATUS_LIMIT, "the list has %zu items", total);
    PITH_TRY(pithi_arena_array(&graph->arena, total + !total, is_ints ? sizeof(int64_t) : sizeof(float), &items));
    PITH_TRY(pithi_pb_open(&onnx->file, &fields->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number != (is_ints ? ATTRIBUTE_INTS : ATTRIBUTE_FLOATS)) {
            continue;
        }
        PITH_TRY(pithi_pb_count(&pb, &field, wire, "items", &count));
        for (size_t i = 0; i < count; i++, at++) {
            uint64_t bits = pithi_pb_take(&field, wire);
            uint32_t low = (uint32_t)bits;
            memcpy((char *)items + at * (is_ints ? 8 : 4), is_ints ? (const void *)&bits : (const void *)&low,
                   is_ints ? 8 : 4);
        }
    }
    attr->kind = is_ints ? PITH_SOURCE_INTS : PITH_SOURCE_FLOATS;
    attr->ints = is_ints ? items : NULL;
    attr->floats = is_ints ? NULL : items;
    attr->n_items = (int)total;
    return pb.status;
}

static pith_status read_strings(pithi_onnx *onnx, pith_graph *graph, const attr_fields *fields, pith_source_attr *attr)
{
    pithi_pb pb;
    pithi_pb_field field;
    void *block = NULL;
    PITH_CHECK(onnx->ctx, fields->n_strings <= INT32_MAX, PITH_STATUS_LIMIT, "the list has %zu items",
               fields->n_strings);
    PITH_TRY(pithi_arena_array(&graph->arena, fields->n_strings + !fields->n_strings, sizeof(char *), &block));
    const char **strings = block;
    PITH_TRY(pithi_pb_open(&onnx->file, &fields->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == ATTRIBUTE_STRINGS) {
            PITH_TRY(pithi_onnx_text(onnx->ctx, &graph->arena, &field.span, "string", &strings[attr->n_items]));
            attr->n_items++;
        }
    }
    attr->kind = PITH_SOURCE_STRINGS;
    attr->strings = strings;
    return pb.status;
}

static pith_status read_graph(pithi_onnx *onnx, pithi_onnx_scope *scope, const attr_fields *fields,
                              pith_source_attr *attr, const char **problem_out)
{
    PITH_CHECK(onnx->ctx, fields->g.data, PITH_STATUS_FORMAT, "there is no graph");
    PITH_TRY(pithi_graph_create(onnx->ctx, &attr->graph));
    attr->kind = PITH_SOURCE_GRAPH;
    attr->graph->parent = scope->graph;
    PITH_TRY(pithi_onnx_enter(onnx));
    PITH_TRY(pithi_onnx_graph(onnx, scope, &fields->g, attr->graph, problem_out));
    onnx->nesting--;
    return PITH_OK;
}

static pith_status read_value(pithi_onnx *onnx, pithi_onnx_scope *scope, bool is_constant, const attr_fields *fields,
                              pith_source_attr *attr, const char **problem_out)
{
    pith_graph *graph = scope->graph;
    switch (fields->type) {
    case ATTRIBUTE_TYPE_FLOAT: attr->kind = PITH_SOURCE_FLOAT; attr->f = fields->f; return PITH_OK;
    case ATTRIBUTE_TYPE_INT: attr->kind = PITH_SOURCE_INT; attr->i = fields->i; return PITH_OK;
    case ATTRIBUTE_TYPE_STRING:
        if (fields->s.n_bytes && memchr(fields->s.data, 0, fields->s.n_bytes)) { /* binary, no text */
            attr->kind = PITH_SOURCE_OTHER;
            return PITH_OK;
        }
        attr->kind = PITH_SOURCE_STRING;
        return pithi_onnx_text(onnx->ctx, &graph->arena, &fields->s, "string", &attr->s);
    case ATTRIBUTE_TYPE_INTS:
    case ATTRIBUTE_TYPE_FLOATS: return read_numbers(onnx, graph, fields, attr);
    case ATTRIBUTE_TYPE_STRINGS: return read_strings(onnx, graph, fields, attr);
    case ATTRIBUTE_TYPE_GRAPH: return read_graph(onnx, scope, fields, attr, problem_out);
    case ATTRIBUTE_TYPE_TENSOR:
        attr->kind = PITH_SOURCE_TENSOR;
        PITH_CHECK(onnx->ctx, fields->t.data, PITH_STATUS_FORMAT, "there is no tensor");
        if (is_constant && pithi_pb_is(&fields->name, "value")) {
            return pithi_onnx_weight(onnx, graph, &fields->t, &attr->tensor, NULL, problem_out);
        }
        return pithi_onnx_tensor(onnx, graph, &fields->t, &attr->tensor, NULL, problem_out);
    case ATTRIBUTE_TYPE_SPARSE_TENSOR:
        attr->kind = PITH_SOURCE_TENSOR;
        PITH_CHECK(onnx->ctx, fields->sparse.data, PITH_STATUS_FORMAT, "there is no sparse tensor");
        return pithi_onnx_sparse(onnx, graph, &fields->sparse, &attr->tensor, NULL, problem_out);
    case ATTRIBUTE_TYPE_TYPE_PROTO:
        attr->kind = PITH_SOURCE_TYPE;
        PITH_CHECK(onnx->ctx, fields->tp.data, PITH_STATUS_FORMAT, "there is no type");
        return pithi_onnx_full_type(onnx, graph, &fields->tp, &attr->type);
    default: attr->kind = PITH_SOURCE_OTHER; return PITH_OK;
    }
}

pith_status pithi_onnx_attr(pithi_onnx *onnx, pithi_onnx_scope *scope, const pithi_onnx_node *node, size_t index,
                            pith_source_attr *attr_out, bool *is_absent_out, const char **problem_out)
{
    const bool is_constant = node->domain.n_bytes == 0 && pithi_pb_is(&node->op_type, "Constant");
    attr_fields fields;
    *is_absent_out = false;
    PITH_TRY(read_fields(onnx, &node->attrs[index], &fields));
    PITH_TRY(follow(onnx, &scope, &fields, is_absent_out));
    if (*is_absent_out) {
        return PITH_OK;
    }
    PITH_TRY(pithi_onnx_text(onnx->ctx, &scope->graph->arena, &fields.name, "name", &attr_out->name));
    PITH_TRY_AT(onnx->ctx, read_value(onnx, scope, is_constant, &fields, attr_out, problem_out), "attribute '%s'",
                attr_out->name);
    return PITH_OK;
}
