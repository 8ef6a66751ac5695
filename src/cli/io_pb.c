/* SPDX-License-Identifier: Apache-2.0 */
/* onnx.TensorProto files (ONNX test data): the few wire types of protobuf that they use. */
#include "file.h"

/* Numbers of onnx.TensorProto.DataType. */
static const pith_dtype dtypes[] = {
    [1] = PITH_DTYPE_F32, [2] = PITH_DTYPE_U8, [3] = PITH_DTYPE_S8, [4] = PITH_DTYPE_U16, [5] = PITH_DTYPE_S16,
    [6] = PITH_DTYPE_S32, [7] = PITH_DTYPE_S64, [9] = PITH_DTYPE_BOOL, [10] = PITH_DTYPE_F16, [11] = PITH_DTYPE_F64,
    [12] = PITH_DTYPE_U32, [13] = PITH_DTYPE_U64, [14] = PITH_DTYPE_C64, [15] = PITH_DTYPE_C128, [16] = PITH_DTYPE_BF16,
    [17] = PITH_DTYPE_F8E4M3FN, [18] = PITH_DTYPE_F8E4M3FNUZ, [19] = PITH_DTYPE_F8E5M2, [20] = PITH_DTYPE_F8E5M2FNUZ,
    [21] = PITH_DTYPE_U4, [22] = PITH_DTYPE_S4, [23] = PITH_DTYPE_F4E2M1, [24] = PITH_DTYPE_F8E8M0,
    [25] = PITH_DTYPE_U2, [26] = PITH_DTYPE_S2, [27] = PITH_DTYPE_F6E2M3, [28] = PITH_DTYPE_F6E3M2,
};

enum { WIRE_VARINT = 0, WIRE_8 = 1, WIRE_BYTES = 2, WIRE_4 = 5 };
enum { F_DIMS = 1, F_TYPE = 2, F_SEGMENT = 3, F_FLOATS = 4, F_INT32S = 5, F_STRINGS = 6, F_INT64S = 7, F_NAME = 8,
       F_RAW = 9, F_DOUBLES = 10, F_UINT64S = 11, F_EXTERNAL = 13, F_LOCATION = 14 };

typedef struct pb_reader {
    const uint8_t *at, *end;
} pb_reader;

typedef struct pb_tensor {
    int64_t dims[PITH_MAX_RANK];
    int rank;
    uint64_t type;
    const uint8_t *name, *raw;
    size_t n_name, n_raw;
    bool has_raw;
    uint64_t *items; /* elements of the typed fields, as bits of their wire type */
    size_t n_items, capacity;
} pb_tensor;

static pith_status read_varint(pb_reader *reader, uint64_t *value_out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        CLI_CHECK(reader->at < reader->end, PITH_STATUS_FORMAT, "pb: the file ends inside of a number");
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            *value_out = value;
            return PITH_OK;
        }
    }
    return cli_fail(PITH_STATUS_FORMAT, "pb: a number has more than ten bytes");
}

static pith_status read_fixed(pb_reader *reader, int n_bytes, uint64_t *value_out)
{
    CLI_CHECK(reader->end - reader->at >= n_bytes, PITH_STATUS_FORMAT, "pb: the file ends inside of a number");
    *value_out = cli_read_le(reader->at, n_bytes);
    reader->at += n_bytes;
    return PITH_OK;
}

static pith_status read_scalar(pb_reader *reader, int wire, uint64_t *value_out)
{
    switch (wire) {
    case WIRE_VARINT: return read_varint(reader, value_out);
    case WIRE_8: return read_fixed(reader, 8, value_out);
    case WIRE_4: return read_fixed(reader, 4, value_out);
    default: return cli_fail(PITH_STATUS_FORMAT, "pb: wire type %d is no number", wire);
    }
}

static pith_status read_bytes(pb_reader *reader, pb_reader *bytes_out)
{
    uint64_t n_bytes;
    CLI_TRY(read_varint(reader, &n_bytes));
    CLI_CHECK(n_bytes <= (uint64_t)(reader->end - reader->at), PITH_STATUS_FORMAT,
              "pb: a field of %llu bytes is longer than the file", (unsigned long long)n_bytes);
    *bytes_out = (pb_reader){ reader->at, reader->at + n_bytes };
    reader->at += n_bytes;
    return PITH_OK;
}

static pith_status add_number(pb_tensor *tensor, int field, uint64_t value)
{
    if (field == F_DIMS) {
        CLI_CHECK(tensor->rank < PITH_MAX_RANK, PITH_STATUS_LIMIT, "pb: more than %d dimensions", PITH_MAX_RANK);
        tensor->dims[tensor->rank++] = (int64_t)value;
        return PITH_OK;
    }
    CLI_TRY(cli_grow((void **)&tensor->items, &tensor->capacity, tensor->n_items + 1, sizeof *tensor->items));
    tensor->items[tensor->n_items++] = value;
    return PITH_OK;
}

/* A repeated number: one value, or packed values in a length-delimited field. */
static pith_status read_repeated(pb_reader *reader, int field, int wire, pb_tensor *tensor)
{
    int item_wire = field == F_FLOATS ? WIRE_4 : field == F_DOUBLES ? WIRE_8 : WIRE_VARINT;
    uint64_t value;
    pb_reader packed;
    if (wire != WIRE_BYTES) {
        CLI_CHECK(wire == item_wire, PITH_STATUS_FORMAT, "pb: field %d has wire type %d", field, wire);
        CLI_TRY(read_scalar(reader, wire, &value));
        return add_number(tensor, field, value);
    }
    CLI_TRY(read_bytes(reader, &packed));
    while (packed.at < packed.end) {
        CLI_TRY(read_scalar(&packed, item_wire, &value));
        CLI_TRY(add_number(tensor, field, value));
    }
    return PITH_OK;
}

static pith_status read_field(pb_reader *reader, pb_tensor *tensor)
{
    uint64_t key, value;
    pb_reader bytes;
    CLI_TRY(read_varint(reader, &key));
    int wire = (int)(key & 7);
    uint64_t field = key >> 3;
    switch (field) {
    case F_DIMS: case F_FLOATS: case F_INT32S: case F_INT64S: case F_DOUBLES: case F_UINT64S:
        return read_repeated(reader, (int)field, wire, tensor);
    case F_TYPE:
        CLI_CHECK(wire == WIRE_VARINT, PITH_STATUS_FORMAT, "pb: data_type has wire type %d", wire);
        return read_varint(reader, &tensor->type);
    case F_NAME: case F_RAW:
        CLI_CHECK(wire == WIRE_BYTES, PITH_STATUS_FORMAT, "pb: field %d has wire type %d", (int)field, wire);
        CLI_TRY(read_bytes(reader, &bytes));
        *(field == F_NAME ? &tensor->name : &tensor->raw) = bytes.at;
        *(field == F_NAME ? &tensor->n_name : &tensor->n_raw) = (size_t)(bytes.end - bytes.at);
        tensor->has_raw = tensor->has_raw || field == F_RAW;
        return PITH_OK;
    case F_STRINGS: case F_SEGMENT: case F_EXTERNAL:
        return cli_fail(PITH_STATUS_UNSUPPORTED, "pb: strings, segments and external data can't be read");
    default:
        return wire == WIRE_BYTES ? read_bytes(reader, &bytes) : read_scalar(reader, wire, &value);
    }
}

/* Bytes of an entry of the typed fields: halves of complex numbers; packed elements of less than a byte. */
static size_t entry_bytes(pith_dtype dtype)
{
    const size_t n_bytes = pith_dtype_bytes(dtype);
    return dtype == PITH_DTYPE_C64 || dtype == PITH_DTYPE_C128 ? n_bytes / 2 : n_bytes ? n_bytes : 1;
}

/* The number of elements has been checked. Entries of 6-bit types hold one element each. */
static void fill(const pb_tensor *parsed, pith_tensor *to)
{
    size_t size = entry_bytes(to->dtype);
    const bool are_codes = pith_dtype_bits(to->dtype) == 6;
    if (parsed->has_raw && parsed->n_raw) {
        memcpy(to->data, parsed->raw, parsed->n_raw);
    }
    for (size_t i = 0; i < parsed->n_items && !parsed->has_raw && are_codes; i++) {
        const size_t at = 6 * i;
        const unsigned code = (unsigned)(parsed->items[i] & 63) << at % 8;
        uint8_t *bytes = (uint8_t *)to->data + at / 8;
        bytes[0] = (uint8_t)(bytes[0] | code);
        if (at % 8 > 2) {
            bytes[1] = (uint8_t)(bytes[1] | code >> 8);
        }
    }
    for (size_t i = 0; i < parsed->n_items && !parsed->has_raw && !are_codes; i++) {
        /* Little-endian machines only, as all of pith: the low bytes hold every narrower type. */
        memcpy((uint8_t *)to->data + i * size, &parsed->items[i], size);
    }
}

static pith_status make_tensor(const pb_tensor *parsed, cli_tensor *tensor_out)
{
    cli_tensor tensor = { 0 };
    pith_shape shape = { .rank = parsed->rank };
    pith_dtype dtype = parsed->type < (uint64_t)CLI_COUNT(dtypes) ? dtypes[parsed->type] : PITH_DTYPE_NONE;
    CLI_CHECK(dtype != PITH_DTYPE_NONE, PITH_STATUS_DTYPE, "pb: this is no tensor, or its data_type %llu is unknown",
              (unsigned long long)parsed->type);
    memcpy(shape.dims, parsed->dims, sizeof shape.dims);
    size_t n_bytes;
    CLI_TRY(cli_tensor_check_shape(dtype, &shape, &n_bytes));
    size_t n_entries = pith_dtype_bits(dtype) == 6 ? (size_t)pith_shape_elements(&shape) : n_bytes / entry_bytes(dtype);
    CLI_CHECK(parsed->has_raw ? parsed->n_raw == n_bytes : parsed->n_items == n_entries, PITH_STATUS_FORMAT,
              "pb: the shape needs %zu %s, the file has %zu", parsed->has_raw ? n_bytes : n_entries,
              parsed->has_raw ? "bytes" : "elements", parsed->has_raw ? parsed->n_raw : parsed->n_items);
    CLI_TRY(cli_tensor_make(dtype, &shape, &tensor));
    pith_status status = PITH_OK;
    fill(parsed, &tensor.view);
    if (parsed->n_name) {
        status = cli_tensor_set_name(&tensor, (const char *)parsed->name, parsed->n_name);
    }
    if (status != PITH_OK) {
        cli_tensor_free(&tensor);
        return status;
    }
    *tensor_out = tensor;
    return PITH_OK;
}

pith_status cli_pb_parse(const uint8_t *data, size_t n_bytes, cli_tensor *tensor_out)
{
    pb_tensor parsed = { 0 };
    pith_status status = PITH_OK;
    CLI_CHECK(n_bytes > 0, PITH_STATUS_FORMAT, "pb: the file is empty");
    pb_reader reader = { data, data + n_bytes };
    while (reader.at < reader.end && status == PITH_OK) {
        status = read_field(&reader, &parsed);
    }
    if (status == PITH_OK) {
        status = make_tensor(&parsed, tensor_out);
    }
    cli_free(parsed.items);
    return status;
}
