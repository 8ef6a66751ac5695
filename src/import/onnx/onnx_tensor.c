/* SPDX-License-Identifier: Apache-2.0 */
/* TensorProto -> dense tensor. Bytes are borrowed from the file where they lie as pith wants them:
 * little-endian and aligned to the element; else they are copied or decoded into the graph's arena. */
#include "import/onnx/onnx.h"
#include "ops/op.h"
#include "platform/platform.h"

typedef struct tensor_fields {
    pithi_pb_span message, name, raw;
    pith_shape shape;
    int n_dims; /* may exceed PITH_MAX_RANK */
    int64_t data_type, data_location;
    size_t n_typed;       /* items in the typed lists */
    uint32_t typed_field; /* the list that has items, 0: none */
    int n_chunks;         /* fields that hold them */
    pithi_onnx_external external;
    bool has_segment;
    bool may_stay; /* where it lies unaligned */
} tensor_fields;

/* ---- fields -------------------------------------------------------------------------------- */

static pith_status read_dims(pithi_onnx *onnx, const pithi_pb *pb, pithi_pb_field *field, pith_shape *shape,
                             int *n_dims)
{
    size_t count = 0;
    PITH_TRY(pithi_pb_count(pb, field, PITHI_PB_VARINT, "dims", &count));
    for (size_t i = 0; i < count; i++) {
        int64_t dim = (int64_t)pithi_pb_take(field, PITHI_PB_VARINT);
        PITH_CHECK(onnx->ctx, dim >= 0, PITH_STATUS_FORMAT, "dimension %d is %lld; sizes can't be negative", *n_dims,
                   (long long)dim);
        if (*n_dims < PITH_MAX_RANK) {
            shape->dims[*n_dims] = dim;
            shape->rank = *n_dims + 1;
        }
        *n_dims = *n_dims < INT32_MAX ? *n_dims + 1 : *n_dims;
    }
    return PITH_OK;
}

static pith_status read_entry(pithi_onnx *onnx, const pithi_pb_span *message, pithi_onnx_external *external)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_pb_span key = { 0 }, value = { 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == ENTRY_KEY) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "key", &key));
        } else if (field.number == ENTRY_VALUE) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "value", &value));
        }
    }
    PITH_TRY(pb.status);
    if (pithi_pb_is(&key, "location")) {
        external->location = value;
    } else if (pithi_pb_is(&key, "offset")) {
        external->offset = value;
    } else if (pithi_pb_is(&key, "length")) {
        external->length = value;
    } else {
        PITH_CHECK(onnx->ctx, pithi_pb_is(&key, "checksum") || pithi_pb_is(&key, "basepath"), PITH_STATUS_FORMAT,
                   "external data has the key '%.*s', which ONNX doesn't have (location, offset, length, checksum)",
                   PITHI_PB_TEXT(&key));
    }
    return PITH_OK;
}

/* Wire type of the items in a typed list. */
static pithi_pb_wire list_wire(uint32_t number)
{
    return number == TENSOR_FLOAT_DATA    ? PITHI_PB_FIXED32
           : number == TENSOR_DOUBLE_DATA ? PITHI_PB_FIXED64
                                          : PITHI_PB_VARINT;
}

static pith_status read_list(pithi_onnx *onnx, const pithi_pb *pb, const pithi_pb_field *field, tensor_fields *tensor)
{
    pithi_pb_span string;
    size_t count = 1;
    PITH_TRY(field->number == TENSOR_STRING_DATA
                 ? pithi_pb_get_span(pb, field, "string_data", &string)
                 : pithi_pb_count(pb, field, list_wire(field->number), "data", &count));
    if (count > 0) {
        PITH_CHECK(onnx->ctx, !tensor->typed_field || tensor->typed_field == field->number, PITH_STATUS_FORMAT,
                   "data is given in two lists (fields %u and %u)", tensor->typed_field, field->number);
        tensor->typed_field = field->number;
        tensor->n_typed += count;
        tensor->n_chunks++;
    }
    return PITH_OK;
}

static pith_status read_field(pithi_onnx *onnx, const pithi_pb *pb, pithi_pb_field *field, tensor_fields *tensor)
{
    pithi_pb_span span;
    switch (field->number) {
    case TENSOR_DIMS: return read_dims(onnx, pb, field, &tensor->shape, &tensor->n_dims);
    case TENSOR_DATA_TYPE: return pithi_pb_get_s64(pb, field, "data_type", &tensor->data_type);
    case TENSOR_DATA_LOCATION: return pithi_pb_get_s64(pb, field, "data_location", &tensor->data_location);
    case TENSOR_NAME: return pithi_pb_get_span(pb, field, "name", &tensor->name);
    case TENSOR_RAW_DATA: return pithi_pb_get_span(pb, field, "raw_data", &tensor->raw);
    case TENSOR_SEGMENT: tensor->has_segment = true; return PITH_OK;
    case TENSOR_STRING_DATA:
    case TENSOR_FLOAT_DATA:
    case TENSOR_INT32_DATA:
    case TENSOR_INT64_DATA:
    case TENSOR_DOUBLE_DATA:
    case TENSOR_UINT64_DATA: return read_list(onnx, pb, field, tensor);
    case TENSOR_EXTERNAL_DATA:
        PITH_TRY(pithi_pb_get_span(pb, field, "external_data", &span));
        return read_entry(onnx, &span, &tensor->external);
    default: return PITH_OK;
    }
}

static pith_status read_fields(pithi_onnx *onnx, const pithi_pb_span *message, tensor_fields *tensor)
{
    pithi_pb pb;
    pithi_pb_field field;
    *tensor = (tensor_fields){ .message = *message };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        PITH_TRY(read_field(onnx, &pb, &field, tensor));
    }
    return pb.status;
}

/* ---- bytes that are there ------------------------------------------------------------------ */

static bool host_is_little_endian(void)
{
    const uint16_t probe = 1;
    unsigned char first;
    memcpy(&first, &probe, 1);
    return first == 1;
}

/* Bytes of what is aligned and has an order: halves of complex numbers, one where elements share bytes. */
static size_t unit_bytes(pith_dtype dtype)
{
    const size_t n_bytes = pith_dtype_bytes(dtype);
    return n_bytes == 0 ? 1 : PITH_DTYPES(dtype) & PITH_DTYPES_COMPLEX ? n_bytes / 2 : n_bytes;
}

#define COPIED_AT_ONCE ((size_t)4 << 20) /* so that little lies in memory twice */
#define LARGE_BYTES ((size_t)16 << 20) /* a product may read such weights where they lie instead of packing them */

/* Pages of a mapped file are given back as it goes. */
static pith_status copy_bytes(const pithi_onnx *onnx, pith_graph *graph, const unsigned char *bytes, size_t n_bytes,
                              void **copy_out)
{
    bool is_mapped = onnx->info->is_mapped && bytes >= onnx->file.origin && bytes < onnx->file.end;
    PITH_TRY(pithi_arena_alloc_raw(&graph->arena, n_bytes ? n_bytes : 1, copy_out));
    for (size_t at = 0; at < n_bytes; at += COPIED_AT_ONCE) {
        size_t n = n_bytes - at < COPIED_AT_ONCE ? n_bytes - at : COPIED_AT_ONCE;
        memcpy((char *)*copy_out + at, bytes + at, n);
        if (is_mapped) {
            pithi_file_forget(bytes + at, n);
        }
    }
    return PITH_OK;
}

/* Borrows little-endian bytes, or copies what has the wrong byte order, or is unaligned and small or read by anyone. */
static pith_status adopt_bytes(const pithi_onnx *onnx, pith_graph *graph, const tensor_fields *fields,
                               const unsigned char *bytes, size_t n_bytes, pith_tensor *tensor)
{
    size_t item_bytes = unit_bytes(tensor->dtype);
    const bool may_stay = fields->may_stay && tensor->dtype == PITH_DTYPE_F32 && n_bytes >= PITHI_UNALIGNED_BYTES;
    if (n_bytes > 0 && host_is_little_endian() && (may_stay || (uintptr_t)bytes % item_bytes == 0)) {
        tensor->data = (void *)(uintptr_t)bytes;
        return PITH_OK;
    }
    PITH_TRY(copy_bytes(onnx, graph, bytes, n_bytes, &tensor->data));
    for (size_t i = 0; i < n_bytes && !host_is_little_endian(); i++) {
        ((unsigned char *)tensor->data)[i / item_bytes * item_bytes + (item_bytes - 1 - i % item_bytes)] = bytes[i];
    }
    return PITH_OK;
}

/* ---- bytes that stay unaligned ----------------------------------------------------------------- */

static pith_status align_value(const pithi_onnx *onnx, pith_value *value)
{
    void *block = NULL;
    if (!value || !value->constant || pithi_is_aligned(value->constant)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(&onnx->main->arena, sizeof(pith_tensor), &block));
    pith_tensor *aligned = block;
    *aligned = *value->constant;
    PITH_TRY(copy_bytes(onnx, onnx->main, value->constant->data, pith_tensor_bytes(aligned), &aligned->data));
    value->constant = aligned;
    return PITH_OK;
}

static bool is_read_anywhere(const pith_node *node, int input)
{
    const pith_tensor *constant = node->inputs[input] ? node->inputs[input]->constant : NULL;
    if (!node->op || !constant || input >= 32) {
        return false;
    }
    uint32_t inputs = node->op->unaligned_inputs;
    inputs |= pith_tensor_bytes(constant) < LARGE_BYTES ? node->op->packed_inputs : 0;
    return inputs >> input & 1;
}

/* Whatever a body reads is copied. */
static pith_status align_graph(const pithi_onnx *onnx, const pith_graph *graph, bool is_body)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            if (is_body || !is_read_anywhere(node, i)) {
                PITH_TRY(align_value(onnx, node->inputs[i]));
            }
        }
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(align_graph(onnx, node->bodies[i], true));
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        PITH_TRY(align_value(onnx, graph->outputs[i]));
    }
    return PITH_OK;
}

pith_status pithi_onnx_align(const pithi_onnx *onnx)
{
    return onnx->info->keeps_unaligned ? align_graph(onnx, onnx->main, false) : PITH_OK;
}

static pith_status check_bools(pithi_onnx *onnx, const unsigned char *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        PITH_CHECK(onnx->ctx, bytes[i] <= 1, PITH_STATUS_FORMAT, "element %zu of a bool tensor is %u, not 0 or 1", i,
                   bytes[i]);
    }
    return PITH_OK;
}

static pith_status take_raw(pithi_onnx *onnx, pith_graph *graph, const tensor_fields *fields, size_t n_bytes,
                            pith_tensor *tensor)
{
    const unsigned char *bytes = fields->raw.data;
    if (fields->data_location != 0) {
        PITH_CHECK(onnx->ctx, fields->data_location == 1, PITH_STATUS_FORMAT, "data_location is %lld, not 0 or 1",
                   (long long)fields->data_location);
        PITH_CHECK(onnx->ctx, !fields->raw.data, PITH_STATUS_FORMAT, "data is both in the file and outside");
        PITH_TRY(pithi_onnx_external_data(onnx, &fields->external, n_bytes, &bytes));
    } else {
        PITH_CHECK(onnx->ctx, fields->raw.n_bytes == n_bytes, PITH_STATUS_FORMAT,
                   "raw_data has %zu bytes, dtype and shape want %zu", fields->raw.n_bytes, n_bytes);
    }
    if (tensor->dtype == PITH_DTYPE_BOOL) {
        PITH_TRY(check_bools(onnx, bytes, n_bytes));
    }
    return adopt_bytes(onnx, graph, fields, bytes, n_bytes, tensor);
}

/* ---- typed lists --------------------------------------------------------------------------- */

/* An entry holds an element, half of a complex one, or a byte of packed ones (of 6 bits: one element). */
typedef struct typed_rule {
    uint32_t field; /* the list that ONNX prescribes for the dtype */
    int64_t low, high;
} typed_rule;

#define CODES(bits) { TENSOR_INT32_DATA, 0, (1 << (bits)) - 1 }

static const typed_rule rules[PITH_DTYPE_COUNT] = {
    [PITH_DTYPE_F32] = { TENSOR_FLOAT_DATA, 0, 0 },
    [PITH_DTYPE_F64] = { TENSOR_DOUBLE_DATA, 0, 0 },
    [PITH_DTYPE_F16] = { TENSOR_INT32_DATA, 0, UINT16_MAX }, /* bit patterns */
    [PITH_DTYPE_BF16] = { TENSOR_INT32_DATA, 0, UINT16_MAX },
    [PITH_DTYPE_S8] = { TENSOR_INT32_DATA, INT8_MIN, INT8_MAX },
    [PITH_DTYPE_U8] = { TENSOR_INT32_DATA, 0, UINT8_MAX },
    [PITH_DTYPE_S16] = { TENSOR_INT32_DATA, INT16_MIN, INT16_MAX },
    [PITH_DTYPE_U16] = { TENSOR_INT32_DATA, 0, UINT16_MAX },
    [PITH_DTYPE_S32] = { TENSOR_INT32_DATA, INT32_MIN, INT32_MAX },
    [PITH_DTYPE_U32] = { TENSOR_UINT64_DATA, 0, UINT32_MAX },
    [PITH_DTYPE_S64] = { TENSOR_INT64_DATA, INT64_MIN, INT64_MAX },
    [PITH_DTYPE_U64] = { TENSOR_UINT64_DATA, INT64_MIN, INT64_MAX }, /* all 64 bits */
    [PITH_DTYPE_BOOL] = { TENSOR_INT32_DATA, 0, 1 },
    [PITH_DTYPE_STRING] = { TENSOR_STRING_DATA, 0, 0 },
    [PITH_DTYPE_C64] = { TENSOR_FLOAT_DATA, 0, 0 },
    [PITH_DTYPE_C128] = { TENSOR_DOUBLE_DATA, 0, 0 },
    [PITH_DTYPE_F8E4M3FN] = CODES(8),
    [PITH_DTYPE_F8E4M3FNUZ] = CODES(8),
    [PITH_DTYPE_F8E5M2] = CODES(8),
    [PITH_DTYPE_F8E5M2FNUZ] = CODES(8),
    [PITH_DTYPE_F8E8M0] = CODES(8),
    [PITH_DTYPE_F6E2M3] = CODES(6),
    [PITH_DTYPE_F6E3M2] = CODES(6),
    [PITH_DTYPE_F4E2M1] = CODES(8),
    [PITH_DTYPE_S4] = CODES(8),
    [PITH_DTYPE_U4] = CODES(8),
    [PITH_DTYPE_S2] = CODES(8),
    [PITH_DTYPE_U2] = CODES(8),
};

/* Stores the low bytes of `bits` in host order. */
static void store_item(void *data, size_t index, size_t item_bytes, uint64_t bits)
{
    const uint8_t b1 = (uint8_t)bits;
    const uint16_t b2 = (uint16_t)bits;
    const uint32_t b4 = (uint32_t)bits;
    const void *from = item_bytes == 1 ? (const void *)&b1 : item_bytes == 2 ? (const void *)&b2
                     : item_bytes == 4 ? (const void *)&b4 : (const void *)&bits;
    memcpy((char *)data + index * item_bytes, from, item_bytes);
}

static pith_status decode_chunk(pithi_onnx *onnx, const pithi_pb *pb, pithi_pb_field *field, pith_tensor *tensor,
                                size_t *n_done)
{
    const typed_rule *rule = &rules[tensor->dtype];
    pithi_pb_wire wire = list_wire(field->number);
    size_t count = 0, item_bytes = unit_bytes(tensor->dtype);
    if (field->number == TENSOR_STRING_DATA) { /* bytes stay in the file */
        pith_string string = { (const char *)field->span.data, field->span.n_bytes };
        ((pith_string *)tensor->data)[(*n_done)++] = string;
        return PITH_OK;
    }
    PITH_TRY(pithi_pb_count(pb, field, wire, "data", &count));
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = pithi_pb_take(field, wire);
        PITH_CHECK(onnx->ctx, wire != PITHI_PB_VARINT || ((int64_t)bits >= rule->low && (int64_t)bits <= rule->high),
                   PITH_STATUS_FORMAT, "element %zu is %lld, which %s can't hold", *n_done, (long long)bits,
                   pith_dtype_name(tensor->dtype));
        if (pith_dtype_bits(tensor->dtype) == 6) {
            pithi_tensor_set_code(tensor, (int64_t)(*n_done)++, (unsigned)bits);
        } else {
            store_item(tensor->data, (*n_done)++, item_bytes, bits);
        }
    }
    return PITH_OK;
}

static pith_status take_typed(pithi_onnx *onnx, pith_graph *graph, const tensor_fields *fields, size_t n_bytes,
                              pith_tensor *tensor)
{
    uint32_t wanted = rules[tensor->dtype].field;
    PITH_CHECK(onnx->ctx, fields->typed_field == wanted, PITH_STATUS_FORMAT,
               "data of dtype %s stands in field %u instead of %u", pith_dtype_name(tensor->dtype), fields->typed_field,
               wanted);
    size_t n_wanted = pith_dtype_bits(tensor->dtype) == 6 ? (size_t)pith_shape_elements(&tensor->shape)
                                                          : n_bytes / unit_bytes(tensor->dtype);
    PITH_CHECK(onnx->ctx, fields->n_typed == n_wanted, PITH_STATUS_FORMAT,
               "the data has %zu elements, the shape wants %zu", fields->n_typed, n_wanted);
    pithi_pb pb;
    pithi_pb_field field;
    size_t n_done = 0;
    bool is_string = wanted == TENSOR_STRING_DATA;
    bool is_plain = fields->n_chunks == 1 && !is_string && list_wire(wanted) != PITHI_PB_VARINT;
    if (!is_plain) {
        PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes, &tensor->data));
    }
    PITH_TRY(pithi_pb_open(&onnx->file, &fields->message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == wanted && field.span.n_bytes > 0) {
            if (is_plain) { /* packed floats are little-endian bytes */
                return adopt_bytes(onnx, graph, fields, field.span.data, n_bytes, tensor);
            }
            PITH_TRY(decode_chunk(onnx, &pb, &field, tensor, &n_done));
        } else if (field.number == wanted && is_string) { /* an empty one */
            n_done++;
        }
    }
    return pb.status;
}

/* ---- dense --------------------------------------------------------------------------------- */

static pith_status lacks_type(pithi_onnx *onnx, pith_graph *graph, const tensor_fields *fields, pith_dtype dtype,
                              const char **problem_out)
{
    const char *name = NULL;
    pithi_onnx_elem_type(fields->data_type, &name);
    PITH_CHECK(onnx->ctx, name && fields->data_type != 0, PITH_STATUS_FORMAT,
               "data_type is %lld, which ONNX doesn't have", (long long)fields->data_type);
    if (dtype == PITH_DTYPE_NONE) {
        return pithi_arena_format(&graph->arena, problem_out,
                                  "tensor '%.*s' has element type %s, which pith doesn't have",
                                  PITHI_PB_TEXT(&fields->name), name);
    }
    if (fields->n_dims > PITH_MAX_RANK) {
        return pithi_arena_format(&graph->arena, problem_out, "tensor '%.*s' has %d dimensions, pith goes up to %d",
                                  PITHI_PB_TEXT(&fields->name), fields->n_dims, PITH_MAX_RANK);
    }
    if (fields->has_segment) {
        return pithi_arena_format(&graph->arena, problem_out, "tensor '%.*s' is split into segments",
                                  PITHI_PB_TEXT(&fields->name));
    }
    return PITH_OK;
}

static pith_status take_data(pithi_onnx *onnx, pith_graph *graph, const tensor_fields *fields, pith_tensor *tensor)
{
    size_t n_bytes = 0;
    PITH_TRY(pithi_shape_check(onnx->ctx, &fields->shape, tensor->dtype, &n_bytes));
    tensor->shape = fields->shape;
    bool is_string = tensor->dtype == PITH_DTYPE_STRING;
    PITH_CHECK(onnx->ctx, !is_string || (!fields->raw.data && fields->data_location == 0), PITH_STATUS_FORMAT,
               "strings can only be given as string_data");
    if (fields->n_typed == 0 && !(is_string && n_bytes > 0)) {
        return take_raw(onnx, graph, fields, n_bytes, tensor);
    }
    PITH_CHECK(onnx->ctx, !fields->raw.data && fields->data_location == 0, PITH_STATUS_FORMAT, "data is given twice");
    return take_typed(onnx, graph, fields, n_bytes, tensor);
}

static pith_status read_tensor(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message, bool may_stay,
                               pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out)
{
    tensor_fields fields;
    const char *unused = NULL;
    *problem_out = NULL;
    PITH_TRY(read_fields(onnx, message, &fields));
    fields.may_stay = may_stay;
    *tensor_out = (pith_tensor){ .dtype = pithi_onnx_elem_type(fields.data_type, &unused) };
    PITH_TRY_AT(onnx->ctx, lacks_type(onnx, graph, &fields, tensor_out->dtype, problem_out), "tensor '%.*s'",
                PITHI_PB_TEXT(&fields.name));
    if (!*problem_out) {
        PITH_TRY_AT(onnx->ctx, take_data(onnx, graph, &fields, tensor_out), "tensor '%.*s'",
                    PITHI_PB_TEXT(&fields.name));
    }
    if (name_out) {
        *name_out = fields.name;
    }
    return PITH_OK;
}

pith_status pithi_onnx_tensor(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out)
{
    return read_tensor(onnx, graph, message, false, tensor_out, name_out, problem_out);
}

pith_status pithi_onnx_weight(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out)
{
    bool may_stay = onnx->info->keeps_unaligned && graph == onnx->main;
    return read_tensor(onnx, graph, message, may_stay, tensor_out, name_out, problem_out);
}

/* ---- sparse -------------------------------------------------------------------------------- */

/* Places values[i] at indices[i] (linear, or one coordinate per dimension). Indices ascend, as ONNX
 * demands, so that no place is written twice. */
static pith_status scatter(pithi_onnx *onnx, const pith_tensor *values, const pith_tensor *indices, pith_tensor *dense)
{
    int64_t n_values = values->shape.dims[0], n_elements = pith_shape_elements(&dense->shape), last = -1;
    int n_coordinates = indices->shape.rank == 2 ? dense->shape.rank : 1;
    for (int64_t i = 0; i < n_values; i++) {
        int64_t at = 0;
        for (int k = 0; k < n_coordinates; k++) {
            int64_t index = pithi_tensor_get_s64(indices, i * n_coordinates + k);
            int64_t size = indices->shape.rank == 2 ? dense->shape.dims[k] : n_elements;
            PITH_CHECK(onnx->ctx, index >= 0 && index < size, PITH_STATUS_FORMAT,
                       "sparse index %lld of value %lld is outside [0, %lld)", (long long)index, (long long)i,
                       (long long)size);
            at = at * size + index;
        }
        PITH_CHECK(onnx->ctx, at > last, PITH_STATUS_FORMAT, "sparse indices must ascend, value %lld doesn't",
                   (long long)i);
        last = at;
        pithi_tensor_copy_elements(dense, at, values, i, 1);
    }
    return PITH_OK;
}

typedef struct sparse_fields {
    pithi_pb_span values, indices;
    pith_shape shape;
    int n_dims;
} sparse_fields;

static pith_status read_sparse(pithi_onnx *onnx, const pithi_pb_span *message, sparse_fields *sparse)
{
    pithi_pb pb;
    pithi_pb_field field;
    *sparse = (sparse_fields){ 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == SPARSE_VALUES) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "values", &sparse->values));
        } else if (field.number == SPARSE_INDICES) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "indices", &sparse->indices));
        } else if (field.number == SPARSE_DIMS) {
            PITH_TRY(read_dims(onnx, &pb, &field, &sparse->shape, &sparse->n_dims));
        }
    }
    PITH_TRY(pb.status);
    PITH_CHECK(onnx->ctx, sparse->values.data && sparse->indices.data, PITH_STATUS_FORMAT,
               "a sparse tensor lacks values or indices");
    PITH_CHECK(onnx->ctx, sparse->n_dims >= 1 && sparse->n_dims <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "a sparse tensor has %d dimensions, pith takes 1 to %d", sparse->n_dims, PITH_MAX_RANK);
    return PITH_OK;
}

static pith_status check_sparse(pithi_onnx *onnx, const sparse_fields *sparse, const pith_tensor *values,
                                const pith_tensor *indices)
{
    bool is_list = values->shape.rank == 1 && indices->dtype == PITH_DTYPE_S64;
    bool is_linear = indices->shape.rank == 1;
    bool has_coordinates = indices->shape.rank == 2 && indices->shape.dims[1] == sparse->shape.rank;
    PITH_CHECK(onnx->ctx, is_list && (is_linear || has_coordinates) && indices->shape.dims[0] == values->shape.dims[0],
               PITH_STATUS_FORMAT, "a sparse tensor wants values [n] and int64 indices [n] or [n, %d]",
               sparse->shape.rank);
    return PITH_OK;
}

pith_status pithi_onnx_sparse(pithi_onnx *onnx, pith_graph *graph, const pithi_pb_span *message,
                              pith_tensor *tensor_out, pithi_pb_span *name_out, const char **problem_out)
{
    sparse_fields sparse;
    pith_tensor values, indices;
    size_t n_bytes = 0;
    *tensor_out = (pith_tensor){ .dtype = PITH_DTYPE_NONE };
    PITH_TRY(read_sparse(onnx, message, &sparse));
    PITH_TRY(pithi_onnx_tensor(onnx, graph, &sparse.values, &values, name_out, problem_out));
    if (*problem_out) {
        return PITH_OK;
    }
    PITH_TRY(pithi_onnx_tensor(onnx, graph, &sparse.indices, &indices, NULL, problem_out));
    if (*problem_out) {
        return PITH_OK;
    }
    PITH_TRY(check_sparse(onnx, &sparse, &values, &indices));
    pith_tensor dense = { .dtype = values.dtype, .shape = sparse.shape };
    PITH_TRY(pithi_shape_check(onnx->ctx, &dense.shape, dense.dtype, &n_bytes));
    PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes ? n_bytes : 1, &dense.data));
    PITH_TRY(scatter(onnx, &values, &indices, &dense));
    *tensor_out = dense;
    return PITH_OK;
}
