/* SPDX-License-Identifier: Apache-2.0 */
/* SequenceProto, MapProto and OptionalProto (onnx-data.proto) -> objects: values in files beside models. A value's
 * type comes from the model, since a tensor, a sequence and an optional can't be told apart by their bytes. */
#include "import/onnx/onnx.h"

#include "graph/object.h"

enum {
    SEQUENCE_TENSORS = 3,
    SEQUENCE_SEQUENCES = 5,
    SEQUENCE_MAPS = 6,
    SEQUENCE_OPTIONALS = 7,
    MAP_PROTO_KEYS = 3,
    MAP_PROTO_STRING_KEYS = 4,
    MAP_PROTO_VALUES = 5
};

static pith_status read_value(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                              pith_tensor *value_out);

/* The field of SequenceProto that holds elements of this kind; OptionalProto has the same numbers. */
static uint32_t element_field(pith_kind kind)
{
    static const uint32_t fields[] = { [PITH_KIND_TENSOR] = SEQUENCE_TENSORS, [PITH_KIND_SEQUENCE] = SEQUENCE_SEQUENCES,
                                       [PITH_KIND_MAP] = SEQUENCE_MAPS, [PITH_KIND_OPTIONAL] = SEQUENCE_OPTIONALS };
    return fields[kind];
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

static pith_status new_object(pith_graph *graph, const pith_type *type, size_t n_items, pith_tensor *value_out,
                              pith_object **object_out, pith_tensor **items_out)
{
    void *object = NULL, *items = NULL, *handle = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_object), &object));
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_handle), &handle));
    PITH_TRY(pithi_arena_array(&graph->arena, n_items + !n_items, sizeof(pith_tensor), &items));
    *(pith_object *)object = (pith_object){ .type = type, .n_items = n_items, .items = items };
    *(pith_handle *)handle = (pith_handle){ object, 0 };
    *value_out = pith_object_view(handle);
    *object_out = object;
    *items_out = items;
    return PITH_OK;
}

/* Sequences and optionals: elements are fields of the message. */
static pith_status read_list(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                             pith_tensor *value_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pith_object *object;
    pith_tensor *items;
    uint32_t number = element_field(type->element->kind);
    size_t n_items = 0;
    PITH_TRY(count_fields(onnx, message, number, &n_items));
    PITH_CHECK(onnx->ctx, type->kind != PITH_KIND_OPTIONAL || n_items <= 1, PITH_STATUS_FORMAT,
               "an optional has %zu values", n_items);
    PITH_TRY(new_object(graph, type, n_items, value_out, &object, &items));
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    for (size_t i = 0; pithi_pb_next(&pb, &field);) {
        pithi_pb_span span;
        if (field.number == number) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "value", &span));
            PITH_TRY_AT(onnx->ctx, read_value(onnx, graph, &span, type->element, &items[i]), "item %zu", i);
            i++;
        }
    }
    return pb.status;
}

static pith_status read_keys(pithi_onnx *onnx, const pithi_pb_span *message, pith_tensor *keys)
{
    pithi_pb pb;
    pithi_pb_field field;
    bool are_strings = keys->dtype == PITH_DTYPE_STRING;
    int64_t n_keys = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        pithi_pb_span span;
        size_t count = 0;
        if (are_strings && field.number == MAP_PROTO_STRING_KEYS && n_keys++ < keys->shape.dims[0]) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "string_keys", &span));
            ((pith_string *)keys->data)[n_keys - 1] = (pith_string){ (const char *)span.data, span.n_bytes };
        } else if (!are_strings && field.number == MAP_PROTO_KEYS) {
            PITH_TRY(pithi_pb_count(&pb, &field, PITHI_PB_VARINT, "keys", &count));
            for (; count > 0; count--) {
                int64_t key = (int64_t)pithi_pb_take(&field, PITHI_PB_VARINT);
                if (n_keys++ < keys->shape.dims[0]) {
                    pithi_tensor_set_s64(keys, n_keys - 1, key);
                }
            }
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, n_keys == keys->shape.dims[0], PITH_STATUS_FORMAT, "a map has %lld keys and %lld values",
               (long long)n_keys, (long long)keys->shape.dims[0]);
    return PITH_OK;
}

/* A map: keys in one list, values in a SequenceProto. */
static pith_status read_map(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                            pith_tensor *value_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span values = { 0 };
    pith_type *list = NULL;
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof *list, &block));
    list = block;
    *list = (pith_type){ PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, type->element };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == MAP_PROTO_VALUES) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "values", &values));
        }
    }
    PITH_TRY(pb.status);
    if (!values.data) { /* an empty map */
        values = (pithi_pb_span){ message->data, 0, message->depth };
    }
    PITH_TRY(read_list(onnx, graph, &values, list, value_out));
    pith_object *object = (pith_object *)(uintptr_t)pith_object_of(value_out);
    object->type = type;
    object->keys = (pith_tensor){ .dtype = type->dtype, .shape = { 1, { (int64_t)object->n_items } } };
    PITH_TRY(pithi_arena_array(&graph->arena, object->n_items + 1, pith_dtype_bytes(type->dtype), &object->keys.data));
    return read_keys(onnx, message, &object->keys);
}

static pith_status read_value(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                              pith_tensor *value_out)
{
    const char *problem = NULL;
    switch (type->kind) {
    case PITH_KIND_TENSOR:
        PITH_TRY(pithi_onnx_tensor(onnx, graph, message, value_out, NULL, &problem));
        PITH_CHECK(onnx->ctx, !problem, PITH_STATUS_UNSUPPORTED, "%s", problem);
        PITH_CHECK(onnx->ctx, value_out->dtype == type->dtype, PITH_STATUS_DTYPE, "a tensor is %s, but must be %s",
                   pith_dtype_name(value_out->dtype), pith_dtype_name(type->dtype));
        return PITH_OK;
    case PITH_KIND_MAP: return read_map(onnx, graph, message, type, value_out);
    default: return read_list(onnx, graph, message, type, value_out);
    }
}

pith_status pithi_onnx_value(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, const pith_type *type,
                             pith_tensor *value_out)
{
    return read_value(onnx, graph, message, type, value_out);
}
