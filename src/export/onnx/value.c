/* SPDX-License-Identifier: Apache-2.0 */
/* TypeProto, and values that no tensor can hold: SequenceProto, MapProto, OptionalProto (onnx-data.proto). */
#include "export/onnx/onnx_write.h"
#include "graph/object.h"
#include "import/onnx/onnx_schema.h"
#include "ops/shared_onnx.h"

enum {
    VALUE_ELEMENT_KIND = 2, /* of SequenceProto and OptionalProto; codes below */
    KIND_TENSOR = 1,
    KIND_SEQUENCE = 3,
    KIND_MAP = 4,
    KIND_OPTIONAL = 5,
    MAP_PROTO_KEY_TYPE = 2,
    MAP_PROTO_KEYS = 3,
    MAP_PROTO_STRING_KEYS = 4,
    MAP_PROTO_VALUES = 5
};

pith_status pithi_onnx_write_type(pithi_onnx_writer *writer, uint32_t field, const pith_type *type)
{
    static const uint32_t fields[] = { [PITH_KIND_TENSOR] = TYPE_TENSOR, [PITH_KIND_SEQUENCE] = TYPE_SEQUENCE,
                                       [PITH_KIND_OPTIONAL] = TYPE_OPTIONAL, [PITH_KIND_MAP] = TYPE_MAP };
    size_t outer = 0, inner = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, field, &outer));
    PITH_TRY(pithi_wire_begin(writer->bytes, fields[type->kind], &inner));
    if (type->dtype != PITH_DTYPE_NONE) { /* of elements or keys */
        PITH_TRY(pithi_wire_int(writer->bytes, TENSOR_TYPE_ELEM, pithi_onnx_code(type->dtype)));
    }
    if (type->element) {
        PITH_TRY(pithi_onnx_write_type(writer, type->kind == PITH_KIND_MAP ? MAP_VALUE : ELEMENT_TYPE, type->element));
    }
    pithi_wire_end(writer->bytes, inner);
    pithi_wire_end(writer->bytes, outer);
    return PITH_OK;
}

static pith_status write_value(pithi_onnx_writer *writer, const pith_tensor *value);

/* Field and code of elements of this kind. */
static uint32_t element_field(pith_kind kind, int64_t *code_out)
{
    static const uint8_t fields[] = { [PITH_KIND_TENSOR] = 3, [PITH_KIND_SEQUENCE] = 5, [PITH_KIND_MAP] = 6,
                                      [PITH_KIND_OPTIONAL] = 7 };
    static const uint8_t codes[] = { [PITH_KIND_TENSOR] = KIND_TENSOR, [PITH_KIND_SEQUENCE] = KIND_SEQUENCE,
                                     [PITH_KIND_MAP] = KIND_MAP, [PITH_KIND_OPTIONAL] = KIND_OPTIONAL };
    *code_out = codes[kind];
    return fields[kind];
}

static pith_status write_items(pithi_onnx_writer *writer, const pith_object *object)
{
    int64_t code = 0;
    uint32_t field = element_field(object->type->element->kind, &code);
    PITH_TRY(pithi_wire_int(writer->bytes, VALUE_ELEMENT_KIND, code));
    for (size_t i = 0; i < object->n_items; i++) {
        size_t mark = 0;
        PITH_TRY(pithi_wire_begin(writer->bytes, field, &mark));
        PITH_TRY(write_value(writer, &object->items[i]));
        pithi_wire_end(writer->bytes, mark);
    }
    return PITH_OK;
}

static pith_status write_map(pithi_onnx_writer *writer, const pith_object *map)
{
    const pith_string *strings = map->keys.data;
    size_t mark = 0;
    PITH_TRY(pithi_wire_int(writer->bytes, MAP_PROTO_KEY_TYPE, pithi_onnx_code(map->type->dtype)));
    for (size_t i = 0; i < map->n_items; i++) {
        PITH_TRY(map->type->dtype == PITH_DTYPE_STRING
                     ? pithi_wire_block(writer->bytes, MAP_PROTO_STRING_KEYS, strings[i].data, strings[i].n_bytes)
                     : pithi_wire_int(writer->bytes, MAP_PROTO_KEYS, pithi_tensor_get_s64(&map->keys, (int64_t)i)));
    }
    PITH_TRY(pithi_wire_begin(writer->bytes, MAP_PROTO_VALUES, &mark));
    PITH_TRY(write_items(writer, map));
    pithi_wire_end(writer->bytes, mark);
    return PITH_OK;
}

static pith_status write_value(pithi_onnx_writer *writer, const pith_tensor *value)
{
    const pith_object *object = pith_object_of(value);
    if (!object) {
        return pithi_onnx_write_tensor_fields(writer, "", value);
    }
    return object->type->kind == PITH_KIND_MAP ? write_map(writer, object) : write_items(writer, object);
}

pith_status pithi_export_onnx_value(const pith_tensor *value, pithi_bytes *bytes)
{
    pithi_onnx_writer writer = { .ctx = bytes->ctx, .bytes = bytes };
    return write_value(&writer, value);
}
