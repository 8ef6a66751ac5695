/* SPDX-License-Identifier: Apache-2.0 */
/* ValueInfoProto and TypeProto: element types, shapes, symbolic dimensions. */
#include "import/onnx/onnx.h"

#include "ops/shared_onnx.h"

pith_dtype pithi_onnx_elem_type(int64_t code, const char **name_out)
{
    /* TensorProto.DataType, also those that pith lacks */
    static const char *const names[] = {
        "undefined", "float32",   "uint8",     "int8",         "uint16",       "int16",        "int32",
        "int64",     "string",    "bool",      "float16",      "float64",      "uint32",       "uint64",
        "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
        "uint4",     "int4",      "float4e2m1", "float8e8m0",  "uint2",        "int2",         "float6e2m3",
        "float6e3m2",
    };
    *name_out = code >= 0 && code < PITH_COUNT(names) ? names[code] : NULL;
    return pithi_onnx_dtype(code);
}

pith_status pithi_onnx_value_info(pithi_onnx *onnx, const pithi_pb_span *message, pithi_pb_span *name_out,
                                  pithi_pb_span *type_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    *name_out = *type_out = (pithi_pb_span){ 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == VALUE_INFO_NAME) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "name", name_out));
        } else if (field.number == VALUE_INFO_TYPE) {
            PITH_CHECK(onnx->ctx, !type_out->data, PITH_STATUS_FORMAT, "value '%.*s' has two types",
                       PITHI_PB_TEXT(name_out));
            PITH_TRY(pithi_pb_get_span(&pb, &field, "type", type_out));
        }
    }
    return pb.status;
}

static pith_status read_dim(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, int64_t *dim_out,
                            const char **symbol_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span symbol = { 0 };
    *dim_out = -1;
    *symbol_out = NULL;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == DIM_VALUE) {
            /* Old exporters write negative sizes for "unknown". */
            PITH_TRY(pithi_pb_get_s64(&pb, &field, "dim_value", dim_out));
            *dim_out = *dim_out < 0 ? -1 : *dim_out;
            symbol = (pithi_pb_span){ 0 };
        } else if (field.number == DIM_PARAM) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "dim_param", &symbol));
            *dim_out = -1;
        }
    }
    PITH_TRY(pb.status);
    return symbol.n_bytes ? pithi_onnx_text(onnx->ctx, &graph->arena, &symbol, "dim_param", symbol_out) : PITH_OK;
}

static pith_status read_shape(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, pith_value *value,
                              const char **problem_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span dim;
    int rank = 0;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number != SHAPE_DIM) {
            continue;
        }
        PITH_TRY(pithi_pb_get_span(&pb, &field, "dim", &dim));
        if (rank == PITH_MAX_RANK) {
            return pithi_arena_format(&graph->arena, problem_out, "value '%.80s' has more than %d dimensions",
                                      value->name, PITH_MAX_RANK);
        }
        PITH_TRY(read_dim(onnx, graph, &dim, &value->shape.dims[rank], &value->symbols[rank]));
        rank++;
    }
    PITH_TRY(pb.status);
    value->shape.rank = rank;
    value->has_shape = true;
    return PITH_OK;
}

static pith_status read_tensor_type(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                                    pith_value *value, const char **problem_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span shape = { 0 };
    int64_t code = 0;
    const char *name = NULL;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == TENSOR_TYPE_ELEM) {
            PITH_TRY(pithi_pb_get_s64(&pb, &field, "elem_type", &code));
        } else if (field.number == TENSOR_TYPE_SHAPE) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "shape", &shape));
        }
    }
    PITH_TRY(pb.status);
    value->dtype = pithi_onnx_elem_type(code, &name);
    PITH_CHECK(onnx->ctx, name, PITH_STATUS_FORMAT, "value '%.80s' has element type %lld, which ONNX doesn't have",
               value->name, (long long)code);
    if (value->dtype == PITH_DTYPE_NONE && code != 0) {
        return pithi_arena_format(&graph->arena, problem_out,
                                  "value '%.80s' has element type %s, which pith doesn't have", value->name, name);
    }
    return shape.data ? read_shape(onnx, graph, &shape, value, problem_out) : PITH_OK;
}

/* ---- sequences, optionals, maps ------------------------------------------------------------ */

static pith_status read_element(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, int depth,
                                pith_type *type);

/* The two fields of Sequence, Optional and Map. */
static pith_status read_container(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, int depth,
                                  pith_type *type)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span element = { 0 };
    int64_t code = 0;
    const char *name = NULL;
    void *block = NULL;
    bool is_map = type->kind == PITH_KIND_MAP;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (is_map && field.number == MAP_KEY) {
            PITH_TRY(pithi_pb_get_s64(&pb, &field, "key_type", &code));
        } else if (field.number == (is_map ? MAP_VALUE : ELEMENT_TYPE)) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "elem_type", &element));
        }
    }
    PITH_TRY(pb.status);
    type->dtype = is_map ? pithi_onnx_elem_type(code, &name) : PITH_DTYPE_NONE;
    PITH_CHECK(onnx->ctx, !is_map || type->dtype == PITH_DTYPE_STRING || pithi_dtype_is_integer(type->dtype),
               PITH_STATUS_FORMAT, "a map has keys of type %lld, which are neither integers nor strings",
               (long long)code);
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_type), &block));
    type->element = block;
    return read_element(onnx, graph, &element, depth + 1, block);
}

/* An element without shape: those of items may differ. A tensor of unknown type has dtype NONE. */
static pith_status read_element(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, int depth,
                                pith_type *type)
{
    static const pith_kind kinds[] = { [TYPE_TENSOR] = PITH_KIND_TENSOR, [TYPE_SEQUENCE] = PITH_KIND_SEQUENCE,
                                       [TYPE_MAP] = PITH_KIND_MAP, [TYPE_OPTIONAL] = PITH_KIND_OPTIONAL };
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span inner = { 0 };
    const char *problem = NULL;
    uint32_t number = 0;
    PITH_CHECK(onnx->ctx, depth < PITH_MAX_TYPE_DEPTH, PITH_STATUS_LIMIT, "a type is nested deeper than %d",
               PITH_MAX_TYPE_DEPTH);
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number < PITH_COUNT(kinds) && (field.number == TYPE_TENSOR || kinds[field.number])) {
            PITH_CHECK(onnx->ctx, number == 0, PITH_STATUS_FORMAT, "a type is two types at once");
            number = field.number;
            PITH_TRY(pithi_pb_get_span(&pb, &field, "type", &inner));
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, number > 0, PITH_STATUS_FORMAT,
               "the type of an element is missing or none of tensor, sequence, optional and map");
    type->kind = kinds[number];
    if (number != TYPE_TENSOR) {
        return read_container(onnx, graph, &inner, depth, type);
    }
    pith_value value = { .name = "element" };
    PITH_TRY(read_tensor_type(onnx, graph, &inner, &value, &problem));
    PITH_CHECK(onnx->ctx, !problem, PITH_STATUS_UNSUPPORTED, "%s", problem);
    type->dtype = value.dtype;
    return PITH_OK;
}

pith_status pithi_onnx_full_type(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                                 const pith_type **type_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_type), &block));
    *type_out = block;
    return read_element(onnx, graph, message, 0, block);
}

static const char *kind_name(uint32_t number)
{
    switch (number) {
    case TYPE_OPAQUE: return "an opaque type";
    case TYPE_SPARSE_TENSOR: return "a sparse tensor";
    default: return NULL;
    }
}

pith_status pithi_onnx_type(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, pith_value *value,
                            const char **problem_out)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span tensor = { 0 };
    bool is_object = false;
    *problem_out = NULL;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == TYPE_TENSOR) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "tensor_type", &tensor));
        } else if (kind_name(field.number) && !*problem_out) {
            PITH_TRY(pithi_arena_format(&graph->arena, problem_out, "value '%.80s' is %s, which pith doesn't have",
                                        value->name, kind_name(field.number)));
        }
        is_object |= field.number == TYPE_SEQUENCE || field.number == TYPE_OPTIONAL || field.number == TYPE_MAP;
    }
    PITH_TRY(pb.status);
    if (is_object && !*problem_out) {
        value->dtype = PITH_DTYPE_OBJECT;
        value->has_shape = true; /* rank 0 */
        PITH_TRY_AT(onnx->ctx, pithi_onnx_full_type(onnx, graph, message, &value->type), "value '%.80s'", value->name);
        return PITH_OK;
    }
    return tensor.data && !*problem_out ? read_tensor_type(onnx, graph, &tensor, value, problem_out) : PITH_OK;
}
