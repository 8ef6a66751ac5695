/* SPDX-License-Identifier: Apache-2.0 */
#include "support/proto.h"

#include <stdlib.h>
#include <string.h>

void pith_proto_free(pith_proto *proto)
{
    free(proto->data);
    *proto = (pith_proto){ 0 };
}

void pith_proto_raw(pith_proto *proto, const void *data, size_t n_bytes)
{
    if (proto->n_bytes + n_bytes > proto->capacity) {
        proto->capacity = (proto->n_bytes + n_bytes) * 2 + 64;
        unsigned char *grown = realloc(proto->data, proto->capacity);
        if (!grown) {
            abort(); /* a test machine without memory */
        }
        proto->data = grown;
    }
    if (n_bytes > 0) {
        memcpy(proto->data + proto->n_bytes, data, n_bytes);
    }
    proto->n_bytes += n_bytes;
}

static size_t encode(uint64_t value, unsigned char bytes[10])
{
    size_t n_bytes = 0;
    do {
        bytes[n_bytes++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    return n_bytes;
}

void pith_proto_item(pith_proto *proto, uint64_t value)
{
    unsigned char bytes[10];
    pith_proto_raw(proto, bytes, encode(value, bytes));
}

void pith_proto_varint(pith_proto *proto, int field, uint64_t value)
{
    pith_proto_item(proto, (uint64_t)field << 3);
    pith_proto_item(proto, value);
}

void pith_proto_fixed32(pith_proto *proto, int field, const void *bits)
{
    pith_proto_item(proto, (uint64_t)field << 3 | 5);
    pith_proto_raw(proto, bits, 4);
}

void pith_proto_bytes(pith_proto *proto, int field, const void *data, size_t n_bytes)
{
    pith_proto_item(proto, (uint64_t)field << 3 | 2);
    pith_proto_item(proto, n_bytes);
    pith_proto_raw(proto, data, n_bytes);
}

void pith_proto_text(pith_proto *proto, int field, const char *text)
{
    pith_proto_bytes(proto, field, text, strlen(text));
}

void pith_proto_begin(pith_proto *proto, int field)
{
    pith_proto_item(proto, (uint64_t)field << 3 | 2);
    proto->open[proto->n_open++] = proto->n_bytes;
}

void pith_proto_end(pith_proto *proto)
{
    unsigned char length[10];
    size_t start = proto->open[--proto->n_open], payload = proto->n_bytes - start;
    size_t n_bytes = encode(payload, length);
    pith_proto_raw(proto, length, n_bytes); /* makes room */
    memmove(proto->data + start + n_bytes, proto->data + start, payload);
    memcpy(proto->data + start, length, n_bytes);
}
