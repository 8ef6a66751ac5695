/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf wire format, read in place: strict, bounded, without copies. A message is a span of the
 * file; the reader hands out one field after the other, and every length is checked against the span.
 * https://protobuf.dev/programming-guides/encoding/ */
#ifndef PITH_IMPORT_PROTOBUF_H
#define PITH_IMPORT_PROTOBUF_H

#include "base/base.h"

typedef enum pithi_pb_wire {
    PITHI_PB_VARINT = 0,
    PITHI_PB_FIXED64 = 1,
    PITHI_PB_LENGTH = 2, /* text, bytes, messages, packed lists */
    PITHI_PB_FIXED32 = 5
} pithi_pb_wire;

/* Bytes of the file. `depth` counts the messages around them. */
typedef struct pithi_pb_span {
    const unsigned char *data; /* NULL: the field is absent */
    size_t n_bytes;
    int depth;
} pithi_pb_span;

typedef struct pithi_pb_field {
    uint32_t number;
    pithi_pb_wire wire;
    uint64_t value;     /* of VARINT, FIXED32, FIXED64 */
    pithi_pb_span span; /* LENGTH: the payload; else the bytes that encode the value */
} pithi_pb_field;

typedef struct pithi_pb {
    pith_ctx *ctx;
    const unsigned char *origin; /* of the file, for messages */
    const unsigned char *at, *end;
    int depth;
    pith_status status; /* why pithi_pb_next() ended */
} pithi_pb;

/* Begins to read a message; `file` is any reader of the same file. Fails beyond limits.max_nesting. */
pith_status pithi_pb_open(const pithi_pb *file, const pithi_pb_span *message, pithi_pb *pb_out);
/* Reads one field. False at the end or at a fault: pb->status tells which. */
bool pithi_pb_next(pithi_pb *pb, pithi_pb_field *field);

/* A field's value, if its wire type is right; `name` is for the message. */
pith_status pithi_pb_get_s64(const pithi_pb *pb, const pithi_pb_field *field, const char *name, int64_t *value_out);
pith_status pithi_pb_get_f32(const pithi_pb *pb, const pithi_pb_field *field, const char *name, float *value_out);
pith_status pithi_pb_get_span(const pithi_pb *pb, const pithi_pb_field *field, const char *name,
                              pithi_pb_span *span_out);

/* Repeated numbers: a field holds one (its own wire type) or a packed list of them. */
pith_status pithi_pb_count(const pithi_pb *pb, const pithi_pb_field *field, pithi_pb_wire wire, const char *name,
                           size_t *count_out);
/* Takes the next number off the front of field->span, which pithi_pb_count() has accepted. */
uint64_t pithi_pb_take(pithi_pb_field *field, pithi_pb_wire wire);

/* True if the span holds exactly the characters of `text`. */
bool pithi_pb_is(const pithi_pb_span *span, const char *text);
bool pithi_pb_same(const pithi_pb_span *a, const pithi_pb_span *b);

/* For "%.*s" in messages: at most 80 characters of a span. */
#define PITHI_PB_TEXT(span) \
    ((span)->n_bytes > 80 ? 80 : (int)(span)->n_bytes), (span)->data ? (const char *)(span)->data : ""

#endif
