/* SPDX-License-Identifier: Apache-2.0 */
/* Structure-aware changes for fuzz_onnx: walks down the message tree to some message, changes its list of fields, and
 * writes the tree again with right lengths. New nodes come from the operator registry: any operator of pith, with
 * attributes of its table and operands that exist. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "support/proto.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed);

#define MAX_FIELDS 256
#define MAX_NAMES 64

/* Which fields of which messages are messages again. */
typedef enum kind {
    MODEL,
    GRAPH,
    NODE,
    ATTRIBUTE,
    TENSOR,
    VALUE,
    TYPE,
    TENSOR_TYPE,
    SHAPE,
    FUNCTION,
    SPARSE,
    LEAF
} kind;

static const struct {
    kind outer;
    int field;
    kind inner;
} children[] = {
    { MODEL, 7, GRAPH },       { MODEL, 8, LEAF },     { MODEL, 25, FUNCTION },  { GRAPH, 1, NODE },
    { GRAPH, 5, TENSOR },      { GRAPH, 11, VALUE },   { GRAPH, 12, VALUE },     { GRAPH, 13, VALUE },
    { GRAPH, 15, SPARSE },     { NODE, 5, ATTRIBUTE }, { ATTRIBUTE, 5, TENSOR }, { ATTRIBUTE, 6, GRAPH },
    { ATTRIBUTE, 22, SPARSE }, { VALUE, 2, TYPE },     { TYPE, 1, TENSOR_TYPE }, { TENSOR_TYPE, 2, SHAPE },
    { SHAPE, 1, LEAF },        { FUNCTION, 7, NODE },  { FUNCTION, 9, LEAF },    { FUNCTION, 11, ATTRIBUTE },
    { SPARSE, 1, TENSOR },     { SPARSE, 2, TENSOR },
};

typedef struct field {
    uint64_t tag;
    const uint8_t *start, *payload, *end; /* start: of the tag */
} field;

typedef struct mutator {
    uint64_t random;
    char names[MAX_NAMES][24]; /* of values, found in the model */
    int n_names;
} mutator;

static uint32_t roll(mutator *m, uint32_t below)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % below;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* Splits a message into fields; -1 if it isn't one. */
static int split(const uint8_t *data, size_t n_bytes, field fields[MAX_FIELDS])
{
    const uint8_t *at = data, *end = data + n_bytes;
    int count = 0;
    while (at < end) {
        field next = { .start = at };
        uint64_t value = 0;
        if (count == MAX_FIELDS || !read_varint(&at, end, &next.tag)) {
            return -1;
        }
        next.payload = at;
        size_t fixed = (next.tag & 7) == 5 ? 4 : 8;
        if ((next.tag & 7) == 0 || (next.tag & 7) == 2) {
            if (!read_varint(&at, end, &value)) {
                return -1;
            }
            next.payload = (next.tag & 7) == 2 ? at : next.payload;
            fixed = (next.tag & 7) == 2 ? (size_t)value : 0;
        }
        if (fixed > (size_t)(end - at)) {
            return -1;
        }
        at += fixed;
        next.end = at;
        fields[count++] = next;
    }
    return count;
}

static kind child_kind(kind outer, uint64_t tag)
{
    for (size_t i = 0; i < sizeof children / sizeof children[0] && (tag & 7) == 2; i++) {
        if (children[i].outer == outer && (uint64_t)children[i].field == tag >> 3) {
            return children[i].inner;
        }
    }
    return LEAF;
}

/* Names of inputs, weights and node outputs, at any depth. */
static void collect_names(mutator *m, kind outer, const uint8_t *data, size_t n_bytes)
{
    field *fields = malloc(sizeof(field) * MAX_FIELDS);
    int count = fields ? split(data, n_bytes, fields) : -1;
    for (int i = 0; i < count; i++) {
        size_t size = (size_t)(fields[i].end - fields[i].payload);
        int number = (int)(fields[i].tag >> 3);
        bool is_name =
            (outer == NODE && number == 2) || (outer == TENSOR && number == 8) || (outer == VALUE && number == 1);
        if (is_name && (fields[i].tag & 7) == 2 && m->n_names < MAX_NAMES && size < 24) {
            snprintf(m->names[m->n_names++], 24, "%.*s", (int)size, (const char *)fields[i].payload);
        }
        kind inner = child_kind(outer, fields[i].tag);
        if (inner != LEAF) {
            collect_names(m, inner, fields[i].payload, size);
        }
    }
    free(fields);
}

/* ---- new nodes ----------------------------------------------------------------------------- */

static int64_t any_int(mutator *m)
{
    static const int64_t interesting[] = { 0, 1, 2, 3, -1, -2, 4, 7, 8, 16, 100, 255, 256, 65536, INT32_MAX, INT32_MIN,
                                           (int64_t)1 << 32, INT64_MAX, INT64_MIN, INT64_MAX - 1 };
    return roll(m, 4) ? (int64_t)roll(m, 6) - 1 : interesting[roll(m, PITH_COUNT(interesting))];
}

static float any_float(mutator *m)
{
    static const float interesting[] = { 0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 2.0f, 1e-30f, 1e30f, 3e38f, -3e38f };
    return interesting[roll(m, PITH_COUNT(interesting))];
}

static const char *any_name(mutator *m)
{
    return m->n_names ? m->names[roll(m, (uint32_t)m->n_names)] : "x";
}

static void put_attr(mutator *m, pith_proto *out, const pith_attr_spec *spec)
{
    pith_proto_begin(out, 5);
    pith_proto_text(out, 1, spec->name);
    float f = any_float(m);
    int n_items = (int)roll(m, 6), n_choices = 0;
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT: pith_proto_varint(out, 20, 2); pith_proto_varint(out, 3, (uint64_t)any_int(m)); break;
    case PITH_ATTR_KIND_FLOAT: pith_proto_varint(out, 20, 1); pith_proto_fixed32(out, 2, &f); break;
    case PITH_ATTR_KIND_STRING: pith_proto_varint(out, 20, 3); pith_proto_text(out, 4, any_name(m)); break;
    case PITH_ATTR_KIND_CHOICE:
    case PITH_ATTR_KIND_CHOICES:
        while (spec->choices[n_choices]) {
            n_choices++;
        }
        n_items = spec->kind == PITH_ATTR_KIND_CHOICES ? n_items : 1;
        pith_proto_varint(out, 20, spec->kind == PITH_ATTR_KIND_CHOICES ? 8 : 3);
        for (int i = 0; i < n_items; i++) {
            int number = spec->kind == PITH_ATTR_KIND_CHOICES ? 9 : 4;
            pith_proto_text(out, number, spec->choices[roll(m, (uint32_t)n_choices)]);
        }
        break;
    case PITH_ATTR_KIND_INTS:
    case PITH_ATTR_KIND_FLOATS:
        pith_proto_varint(out, 20, spec->kind == PITH_ATTR_KIND_INTS ? 7 : 6);
        for (int i = 0; i < n_items; i++) {
            f = any_float(m);
            if (spec->kind == PITH_ATTR_KIND_INTS) {
                pith_proto_varint(out, 8, (uint64_t)any_int(m));
            } else {
                pith_proto_fixed32(out, 7, &f);
            }
        }
        break;
    case PITH_ATTR_KIND_TENSOR:
        pith_proto_varint(out, 20, 4);
        pith_proto_begin(out, 5);
        pith_proto_varint(out, 1, 1);
        pith_proto_varint(out, 2, 1);
        pith_proto_bytes(out, 9, &f, sizeof f);
        pith_proto_end(out);
        break;
    }
    pith_proto_end(out);
}

/* A node of any operator; sometimes with an operand too few or too many. Its first result becomes a graph output. */
static void put_new_node(mutator *m, pith_proto *out)
{
    const pith_op *op = pithi_op_at((int)roll(m, (uint32_t)pithi_op_count()));
    char name[24];
    if (op->n_spellings == 0) {
        return;
    }
    const pith_spelling *spelling = &op->spellings[roll(m, (uint32_t)op->n_spellings)];
    pith_proto_begin(out, 1);
    pith_proto_text(out, 4, spelling->name);
    pith_proto_text(out, 7, spelling->domain);
    int n_inputs = op->n_inputs - (int)roll(m, 2) * (int)roll(m, 3) + !roll(m, 8);
    for (int i = 0; i < n_inputs; i++) {
        bool is_optional = i < op->n_inputs && op->inputs[i].arity == PITH_OPTIONAL;
        pith_proto_text(out, 1, is_optional && !roll(m, 3) ? "" : any_name(m));
    }
    snprintf(name, sizeof name, "v%u", roll(m, 100000));
    for (int i = 0; i < op->n_outputs; i++) {
        pith_proto_text(out, 2, name);
        name[strlen(name) - 1]++;
    }
    for (int i = 0; i < op->head.n_attrs; i++) {
        if (!op->head.attrs[i].is_own && (!roll(m, 2) || op->head.attrs[i].is_required)) {
            put_attr(m, out, &op->head.attrs[i]);
        }
    }
    pith_proto_end(out);
    name[strlen(name) - 1] = (char)(name[strlen(name) - 1] - op->n_outputs);
    pith_proto_begin(out, 12);
    pith_proto_text(out, 1, name);
    pith_proto_end(out);
}

/* ---- changing ------------------------------------------------------------------------------ */

static void put_field(pith_proto *out, const field *from)
{
    pith_proto_raw(out, from->start, (size_t)(from->end - from->start));
}

static void put_changed_payload(mutator *m, pith_proto *out, kind outer, const field *from)
{
    uint8_t buffer[512];
    int number = (int)(from->tag >> 3);
    size_t size = (size_t)(from->end - from->payload);
    float f = any_float(m);
    if ((from->tag & 7) == 0) {
        pith_proto_varint(out, number, (uint64_t)any_int(m));
    } else if ((from->tag & 7) == 5) {
        pith_proto_fixed32(out, number, &f);
    } else if ((from->tag & 7) == 2 && outer == NODE && number == 1 && roll(m, 8)) {
        pith_proto_text(out, number, any_name(m));
    } else if ((from->tag & 7) == 2 && size <= sizeof buffer / 2) {
        if (size > 0) {
            memcpy(buffer, from->payload, size);
        }
        pith_proto_bytes(out, number, buffer, LLVMFuzzerMutate(buffer, size, sizeof buffer));
    } else {
        put_field(out, from);
    }
}

/* One change to the fields of this message. */
static void change(mutator *m, pith_proto *out, kind outer, const field *fields, int count)
{
    int victim = count ? (int)roll(m, (uint32_t)count) : -1, other = count ? (int)roll(m, (uint32_t)count) : -1;
    uint32_t what = roll(m, outer == GRAPH ? 8 : 6);
    for (int i = 0; i < count; i++) {
        if (i == victim && what == 0) {
            continue;
        }
        if (i == victim && what >= 2 && what <= 4) {
            put_changed_payload(m, out, outer, &fields[i]);
            continue;
        }
        put_field(out, i == victim && what == 1  ? &fields[other]
                       : i == other && what == 1 ? &fields[victim]
                                                 : &fields[i]);
        if (i == victim && what == 5) {
            put_field(out, &fields[other]);
        }
    }
    if (what >= 6) {
        put_new_node(m, out);
    }
}

/* Writes the message with one change somewhere in it. */
static void rewrite(mutator *m, pith_proto *out, kind outer, const uint8_t *data, size_t n_bytes)
{
    field *fields = malloc(sizeof(field) * MAX_FIELDS);
    int count = fields ? split(data, n_bytes, fields) : -1, n_inner = 0;
    for (int i = 0; i < count; i++) {
        n_inner += child_kind(outer, fields[i].tag) != LEAF;
    }
    bool descends = n_inner > 0 && roll(m, outer == MODEL ? 16 : 3) > 0;
    int chosen = descends ? (int)roll(m, (uint32_t)n_inner) : -1;
    if (count < 0) {
        pith_proto_raw(out, data, n_bytes);
    } else if (!descends) {
        change(m, out, outer, fields, count);
    }
    for (int i = 0; i < count && descends; i++) {
        kind inner = child_kind(outer, fields[i].tag);
        if (inner != LEAF && chosen-- == 0) {
            pith_proto_begin(out, (int)(fields[i].tag >> 3));
            rewrite(m, out, inner, fields[i].payload, (size_t)(fields[i].end - fields[i].payload));
            pith_proto_end(out);
        } else {
            put_field(out, &fields[i]);
        }
    }
    free(fields);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed)
{
    mutator m = { .random = seed * 2862933555777941757u + 1 };
    pith_proto out = { 0 };
    if (roll(&m, 10) == 0) {
        return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    }
    collect_names(&m, MODEL, data, n_bytes);
    rewrite(&m, &out, MODEL, data, n_bytes);
    if (out.n_bytes > 0 && out.n_bytes <= max_bytes) {
        memcpy(data, out.data, out.n_bytes);
        n_bytes = out.n_bytes;
    }
    pith_proto_free(&out);
    return n_bytes;
}
