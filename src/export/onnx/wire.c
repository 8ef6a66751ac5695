/* SPDX-License-Identifier: Apache-2.0 */
#include "export/onnx/wire.h"

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2, WIRE_FIXED32 = 5, LENGTH_BYTES = 5 };

/* ONNX's readers hold sizes of messages in 32 bits. */
#define MAX_MESSAGE_BYTES ((size_t)INT32_MAX)

static pith_status add(pithi_bytes *bytes, const void *data, size_t n_bytes)
{
    size_t needed = 0;
    PITH_CHECK(bytes->ctx, pithi_add_size(bytes->n_bytes, n_bytes, &needed) && needed <= MAX_MESSAGE_BYTES,
               PITH_STATUS_LIMIT,
               "writing an ONNX model: more than 2 GiB, the limit of the format for one file; use a smaller network or "
               "fewer bits");
    void *block = bytes->data;
    pith_status status = pithi_grow(bytes->ctx, &block, &bytes->capacity, needed, 1);
    bytes->data = block;
    PITH_TRY(status);
    if (n_bytes > 0) {
        memcpy(bytes->data + bytes->n_bytes, data, n_bytes);
    }
    bytes->n_bytes = needed;
    return PITH_OK;
}

static pith_status add_varint(pithi_bytes *bytes, uint64_t value)
{
    unsigned char code[10];
    size_t n = 0;
    while (value >= 0x80) {
        code[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    code[n++] = (unsigned char)value;
    return add(bytes, code, n);
}

static pith_status add_tag(pithi_bytes *bytes, uint32_t field, unsigned wire)
{
    return add_varint(bytes, (uint64_t)field << 3 | wire);
}

pith_status pithi_wire_int(pithi_bytes *bytes, uint32_t field, int64_t value)
{
    PITH_TRY(add_tag(bytes, field, WIRE_VARINT));
    return add_varint(bytes, (uint64_t)value);
}

pith_status pithi_wire_float(pithi_bytes *bytes, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const unsigned char code[4] = { (unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
                                    (unsigned char)(bits >> 24) };
    PITH_TRY(add_tag(bytes, field, WIRE_FIXED32));
    return add(bytes, code, sizeof code);
}

pith_status pithi_wire_block(pithi_bytes *bytes, uint32_t field, const void *data, size_t n_bytes)
{
    PITH_TRY(add_tag(bytes, field, WIRE_LENGTH));
    PITH_TRY(add_varint(bytes, n_bytes));
    return add(bytes, data, n_bytes);
}

pith_status pithi_wire_text(pithi_bytes *bytes, uint32_t field, const char *text)
{
    return pithi_wire_block(bytes, field, text, strlen(text));
}

pith_status pithi_wire_begin(pithi_bytes *bytes, uint32_t field, size_t *mark_out)
{
    PITH_TRY(add_tag(bytes, field, WIRE_LENGTH));
    PITH_TRY(add(bytes, "\x80\x80\x80\x80", LENGTH_BYTES));
    *mark_out = bytes->n_bytes;
    return PITH_OK;
}

void pithi_wire_end(pithi_bytes *bytes, size_t mark)
{
    size_t length = bytes->n_bytes - mark;
    unsigned char *code = bytes->data + mark - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++) {
        code[i] = (unsigned char)(length >> (7 * i) & 0x7f) | (unsigned char)(i < LENGTH_BYTES - 1 ? 0x80 : 0);
    }
}
