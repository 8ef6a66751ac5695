/* SPDX-License-Identifier: Apache-2.0 */
#include "import/onnx/protobuf.h"

#include "base/ctx.h"

#define MAX_VARINT_BYTES 10
#define MAX_FIELD_NUMBER 536870911u /* 2^29 - 1 */

pith_status pithi_pb_open(const pithi_pb *file, const pithi_pb_span *message, pithi_pb *pb_out)
{
    PITH_CHECK(file->ctx, message->depth <= file->ctx->limits.max_nesting, PITH_STATUS_LIMIT,
               "messages are nested deeper than %d; pith_limits.max_nesting raises the ceiling",
               file->ctx->limits.max_nesting);
    *pb_out = (pithi_pb){ .ctx = file->ctx, .origin = file->origin, .at = message->data,
                          .end = message->n_bytes ? message->data + message->n_bytes : message->data,
                          .depth = message->depth };
    return PITH_OK;
}

static size_t offset_of(const pithi_pb *pb)
{
    return (size_t)(pb->at - pb->origin);
}

/* Bytes that a varint at `at` takes, 0 if it doesn't end in time or doesn't fit 64 bits. */
static size_t decode_varint(const unsigned char *at, const unsigned char *end, uint64_t *value_out)
{
    uint64_t value = 0;
    size_t available = (size_t)(end - at);
    for (size_t i = 0; i < MAX_VARINT_BYTES && i < available; i++) {
        if (i == MAX_VARINT_BYTES - 1 && at[i] > 1) {
            return 0;
        }
        value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (at[i] < 0x80) {
            *value_out = value;
            return i + 1;
        }
    }
    return 0;
}

static uint64_t decode_fixed(const unsigned char *at, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static pith_status read_varint(pithi_pb *pb, const char *what, uint64_t *value_out)
{
    size_t n_bytes = decode_varint(pb->at, pb->end, value_out);
    PITH_CHECK(pb->ctx, n_bytes > 0, PITH_STATUS_FORMAT,
               "byte %zu: %s is cut off or longer than 64 bits (is the file complete, and is it ONNX?)",
               offset_of(pb), what);
    pb->at += n_bytes;
    return PITH_OK;
}

static pith_status take_bytes(pithi_pb *pb, uint32_t number, uint64_t n_bytes, pithi_pb_span *span)
{
    PITH_CHECK(pb->ctx, n_bytes <= (uint64_t)(pb->end - pb->at), PITH_STATUS_FORMAT,
               "byte %zu: field %u has %llu bytes, but its message ends after %zu (is the file complete?)",
               offset_of(pb), number, (unsigned long long)n_bytes, (size_t)(pb->end - pb->at));
    *span = (pithi_pb_span){ pb->at, (size_t)n_bytes, pb->depth + 1 };
    pb->at += n_bytes;
    return PITH_OK;
}

static pith_status read_field(pithi_pb *pb, pithi_pb_field *field)
{
    uint64_t tag = 0;
    PITH_TRY(read_varint(pb, "a field's tag", &tag));
    PITH_CHECK(pb->ctx, tag >> 3 >= 1 && tag >> 3 <= MAX_FIELD_NUMBER, PITH_STATUS_FORMAT,
               "byte %zu: field number %llu is outside 1..536870911 (is this an ONNX file?)", offset_of(pb),
               (unsigned long long)(tag >> 3));
    field->number = (uint32_t)(tag >> 3);
    field->wire = (pithi_pb_wire)(tag & 7);
    const unsigned char *start = pb->at;
    switch (tag & 7) {
    case PITHI_PB_VARINT:
        PITH_TRY(read_varint(pb, "a number", &field->value));
        field->span = (pithi_pb_span){ start, (size_t)(pb->at - start), pb->depth + 1 };
        return PITH_OK;
    case PITHI_PB_FIXED32:
    case PITHI_PB_FIXED64:
        PITH_TRY(take_bytes(pb, field->number, (tag & 7) == PITHI_PB_FIXED32 ? 4 : 8, &field->span));
        field->value = decode_fixed(start, field->span.n_bytes);
        return PITH_OK;
    case PITHI_PB_LENGTH:
        PITH_TRY(read_varint(pb, "a length", &field->value));
        return take_bytes(pb, field->number, field->value, &field->span);
    default:
        PITH_FAIL(pb->ctx, PITH_STATUS_FORMAT, "byte %zu: field %u has wire type %d, which ONNX doesn't use (is "
                  "this an ONNX file?)", offset_of(pb), field->number, (int)(tag & 7));
    }
}

bool pithi_pb_next(pithi_pb *pb, pithi_pb_field *field)
{
    if (pb->at == pb->end) {
        return false;
    }
    pb->status = read_field(pb, field);
    return pb->status == PITH_OK;
}

static pith_status expect_wire(const pithi_pb *pb, const pithi_pb_field *field, pithi_pb_wire wire, const char *name)
{
    PITH_CHECK(pb->ctx, field->wire == wire, PITH_STATUS_FORMAT,
               "byte %zu: '%s' (field %u) has wire type %d instead of %d", (size_t)(field->span.data - pb->origin),
               name, field->number, (int)field->wire, (int)wire);
    return PITH_OK;
}

pith_status pithi_pb_get_s64(const pithi_pb *pb, const pithi_pb_field *field, const char *name, int64_t *value_out)
{
    PITH_TRY(expect_wire(pb, field, PITHI_PB_VARINT, name));
    *value_out = (int64_t)field->value;
    return PITH_OK;
}

pith_status pithi_pb_get_f32(const pithi_pb *pb, const pithi_pb_field *field, const char *name, float *value_out)
{
    PITH_TRY(expect_wire(pb, field, PITHI_PB_FIXED32, name));
    uint32_t bits = (uint32_t)field->value;
    memcpy(value_out, &bits, sizeof bits);
    return PITH_OK;
}

pith_status pithi_pb_get_span(const pithi_pb *pb, const pithi_pb_field *field, const char *name,
                              pithi_pb_span *span_out)
{
    PITH_TRY(expect_wire(pb, field, PITHI_PB_LENGTH, name));
    *span_out = field->span;
    return PITH_OK;
}

pith_status pithi_pb_count(const pithi_pb *pb, const pithi_pb_field *field, pithi_pb_wire wire, const char *name,
                           size_t *count_out)
{
    if (field->wire != PITHI_PB_LENGTH) {
        *count_out = 1;
        return expect_wire(pb, field, wire, name);
    }
    const pithi_pb_span *list = &field->span;
    size_t item_bytes = wire == PITHI_PB_FIXED32 ? 4 : 8;
    size_t count = list->n_bytes / item_bytes;
    bool is_whole = list->n_bytes % item_bytes == 0;
    if (wire == PITHI_PB_VARINT) {
        uint64_t unused = 0;
        size_t at = 0, n_bytes = 1;
        for (count = 0; at < list->n_bytes && n_bytes > 0; count++) {
            n_bytes = decode_varint(list->data + at, list->data + list->n_bytes, &unused);
            at += n_bytes;
        }
        is_whole = n_bytes > 0;
    }
    PITH_CHECK(pb->ctx, is_whole, PITH_STATUS_FORMAT, "byte %zu: the packed list '%s' ends inside an item",
               (size_t)(list->data - pb->origin), name);
    *count_out = count;
    return PITH_OK;
}

uint64_t pithi_pb_take(pithi_pb_field *field, pithi_pb_wire wire)
{
    uint64_t value = 0;
    size_t n_bytes = wire == PITHI_PB_FIXED32 ? 4 : 8;
    if (wire == PITHI_PB_VARINT) {
        n_bytes = decode_varint(field->span.data, field->span.data + field->span.n_bytes, &value);
        PITH_ASSERT(n_bytes > 0);
    } else {
        PITH_ASSERT(field->span.n_bytes >= n_bytes);
        value = decode_fixed(field->span.data, n_bytes);
    }
    field->span.data += n_bytes;
    field->span.n_bytes -= n_bytes;
    return value;
}

bool pithi_pb_is(const pithi_pb_span *span, const char *text)
{
    return span->n_bytes == strlen(text) && (span->n_bytes == 0 || memcmp(span->data, text, span->n_bytes) == 0);
}

bool pithi_pb_same(const pithi_pb_span *a, const pithi_pb_span *b)
{
    return a->n_bytes == b->n_bytes && (a->n_bytes == 0 || memcmp(a->data, b->data, a->n_bytes) == 0);
}
