/* SPDX-License-Identifier: Apache-2.0 */
/* Structure-aware changes for fuzz_onnx: walks down the message tree to some message, changes its list of fields, and
 * writes the tree again with right lengths. New nodes come from the operator registry: any operator of pith, with
 * attributes of its table and operands that exist; so do new op_types of old nodes. Graphs also get weights of any
 * type, outputs, and control flow around copies of their own nodes. Two models cross by handing over nodes, weights
 * and inputs of one graph to the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "support/proto.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data_a, size_t n_a, const uint8_t *data_b, size_t n_b, uint8_t *out,
                                 size_t max_bytes, unsigned seed);

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
    OPSET,
    WRAPPED_TYPE, /* sequence, optional */
    LEAF
} kind;

static const struct {
    kind outer;
    int field;
    kind inner;
} children[] = {
    { MODEL, 7, GRAPH },       { MODEL, 8, OPSET },    { MODEL, 25, FUNCTION },  { GRAPH, 1, NODE },
    { GRAPH, 5, TENSOR },      { GRAPH, 11, VALUE },   { GRAPH, 12, VALUE },     { GRAPH, 13, VALUE },
    { GRAPH, 15, SPARSE },     { NODE, 5, ATTRIBUTE }, { ATTRIBUTE, 5, TENSOR }, { ATTRIBUTE, 6, GRAPH },
    { ATTRIBUTE, 22, SPARSE }, { VALUE, 2, TYPE },     { TYPE, 1, TENSOR_TYPE }, { TENSOR_TYPE, 2, SHAPE },
    { SHAPE, 1, LEAF },        { FUNCTION, 7, NODE },  { FUNCTION, 9, OPSET },   { FUNCTION, 11, ATTRIBUTE },
    { SPARSE, 1, TENSOR },     { SPARSE, 2, TENSOR },     { TYPE, 4, WRAPPED_TYPE }, { TYPE, 9, WRAPPED_TYPE },
    { WRAPPED_TYPE, 1, TYPE },
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
    case PITH_ATTR_KIND_STRINGS:
        pith_proto_varint(out, 20, 8);
        for (int i = 0; i < n_items; i++) {
            pith_proto_text(out, 9, any_name(m));
        }
        break;
    case PITH_ATTR_KIND_TYPE: /* a sequence or an optional of tensors */
        pith_proto_varint(out, 20, 13);
        pith_proto_begin(out, 14);
        pith_proto_begin(out, roll(m, 2) ? 4 : 9);
        pith_proto_begin(out, 1);
        pith_proto_begin(out, 1);
        pith_proto_varint(out, 1, roll(m, 30));
        pith_proto_end(out);
        pith_proto_end(out);
        pith_proto_end(out);
        pith_proto_end(out);
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

static const pith_spelling *any_spelling(mutator *m, const pith_op **op_out)
{
    do {
        *op_out = pithi_op_at((int)roll(m, (uint32_t)pithi_op_count()));
    } while ((*op_out)->n_spellings == 0);
    return &(*op_out)->spellings[roll(m, (uint32_t)(*op_out)->n_spellings)];
}

/* A node of any operator; sometimes with an operand too few or too many. Its first result becomes a graph output. */
static void put_new_node(mutator *m, pith_proto *out)
{
    const pith_op *op = NULL;
    const pith_spelling *spelling = any_spelling(m, &op);
    char name[24];
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

/* A weight of any type and a small shape, with as many bytes as they need, or nearly. */
static void put_new_weight(mutator *m, pith_proto *out)
{
    uint8_t data[256];
    char name[24];
    size_t count = 1;
    snprintf(name, sizeof name, "w%u", roll(m, 100000));
    pith_proto_begin(out, 5);
    for (uint32_t i = roll(m, 4); i > 0; i--) {
        uint64_t dim = roll(m, 4);
        pith_proto_varint(out, 1, dim);
        count *= dim;
    }
    uint32_t type = roll(m, 30);
    static const uint8_t bytes_of[] = { 0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1 };
    size_t size = type < sizeof bytes_of ? bytes_of[type] : 1;
    pith_proto_varint(out, 2, type);
    pith_proto_text(out, 8, name);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i % (size + !size) ? 0 : roll(m, 8));
    }
    for (size_t i = 0; type == 8 && i < count; i++) {
        pith_proto_text(out, 6, any_name(m));
    }
    size_t n_bytes = count * size < sizeof data ? count * size : sizeof data;
    if (type != 8) {
        pith_proto_bytes(out, 9, data, n_bytes - (n_bytes > 0 && !roll(m, 20)));
    }
    pith_proto_end(out);
}

static void put_new_output(mutator *m, pith_proto *out)
{
    pith_proto_begin(out, 12);
    pith_proto_text(out, 1, any_name(m));
    pith_proto_end(out);
}

static void put_field(pith_proto *out, const field *from);

/* A body with copies of nodes and weights of the graph around it. */
static void put_body(mutator *m, pith_proto *out, const char *attribute, int n_inputs, const field *fields, int count)
{
    char name[24];
    pith_proto_begin(out, 5);
    pith_proto_text(out, 1, attribute);
    pith_proto_varint(out, 20, 5);
    pith_proto_begin(out, 6);
    for (int i = 0; i < n_inputs; i++) {
        snprintf(name, sizeof name, "b%d", i);
        pith_proto_begin(out, 11);
        pith_proto_text(out, 1, name);
        pith_proto_end(out);
    }
    for (int i = 0; i < count; i++) {
        if ((fields[i].tag == (1u << 3 | 2) && roll(m, 2)) || (fields[i].tag == (5u << 3 | 2) && !roll(m, 4))) {
            put_field(out, &fields[i]);
        }
    }
    for (uint32_t i = roll(m, 4); i > 0; i--) {
        pith_proto_begin(out, 12);
        snprintf(name, sizeof name, "b%u", roll(m, (uint32_t)n_inputs + 1));
        pith_proto_text(out, 1, roll(m, 2) ? name : any_name(m));
        pith_proto_end(out);
    }
    pith_proto_end(out);
    pith_proto_end(out);
}

static void put_control_node(mutator *m, pith_proto *out, const field *fields, int count)
{
    static const char *const types[] = { "If", "Loop", "Scan", "SequenceMap" };
    uint32_t type = roll(m, PITH_COUNT(types));
    char name[24];
    snprintf(name, sizeof name, "c%u", roll(m, 100000));
    pith_proto_begin(out, 1);
    pith_proto_text(out, 4, types[type]);
    for (uint32_t i = 0; i < (type == 0 ? 1 : 1 + roll(m, 4)); i++) {
        pith_proto_text(out, 1, roll(m, 6) ? any_name(m) : "");
    }
    for (uint32_t i = roll(m, 3) + 1; i > 0; i--) {
        pith_proto_text(out, 2, name);
        name[strlen(name) - 1]++;
    }
    put_body(m, out, type == 0 ? "then_branch" : "body", type == 0 ? 0 : (int)roll(m, 5), fields, count);
    if (type == 0) {
        put_body(m, out, "else_branch", 0, fields, count);
    } else if (type == 2) {
        pith_proto_begin(out, 5);
        pith_proto_text(out, 1, "num_scan_inputs");
        pith_proto_varint(out, 20, 2);
        pith_proto_varint(out, 3, roll(m, 4));
        pith_proto_end(out);
    }
    pith_proto_end(out);
    pith_proto_begin(out, 12);
    name[strlen(name) - 1]--;
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
    const pith_op *op = NULL;
    bool is_type = (outer == TENSOR && number == 2) || (outer == TENSOR_TYPE && number == 1);
    if ((from->tag & 7) == 0 && (is_type || outer == OPSET)) {
        pith_proto_varint(out, number, roll(m, 30));
    } else if ((from->tag & 7) == 0) {
        pith_proto_varint(out, number, (uint64_t)any_int(m));
    } else if (outer == NODE && number == 4 && roll(m, 8)) {
        pith_proto_text(out, number, any_spelling(m, &op)->name);
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
    uint32_t what = roll(m, outer == GRAPH ? 11 : 6);
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
    switch (what) {
    case 6:
    case 7: put_new_node(m, out); break;
    case 8: put_new_weight(m, out); break;
    case 9: put_new_output(m, out); break;
    case 10: put_control_node(m, out, fields, count); break;
    default: break;
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

/* ---- crossing ------------------------------------------------------------------------------ */

/* The fields of the model's graph; -1 if there is none. */
static int graph_fields(const uint8_t *data, size_t n_bytes, field fields[MAX_FIELDS])
{
    int count = split(data, n_bytes, fields);
    for (int i = 0; i < count; i++) {
        if (fields[i].tag == (7u << 3 | 2)) {
            return split(fields[i].payload, (size_t)(fields[i].end - fields[i].payload), fields);
        }
    }
    return -1;
}

/* Model a, with some nodes, weights, inputs and outputs of b's graph behind its own. */
static void cross(mutator *m, pith_proto *out, const field *own, int n_own, const field *others, int n_others)
{
    for (int i = 0; i < n_own; i++) {
        if (own[i].tag != (7u << 3 | 2)) {
            put_field(out, &own[i]);
            continue;
        }
        pith_proto_begin(out, 7);
        pith_proto_raw(out, own[i].payload, (size_t)(own[i].end - own[i].payload));
        uint32_t rarity = 1 + roll(m, 3);
        for (int k = 0; k < n_others; k++) {
            if (!roll(m, rarity)) {
                put_field(out, &others[k]);
            }
        }
        pith_proto_end(out);
    }
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data_a, size_t n_a, const uint8_t *data_b, size_t n_b, uint8_t *out,
                                 size_t max_bytes, unsigned seed)
{
    mutator m = { .random = seed * 2862933555777941757u + 1 };
    pith_proto made = { 0 };
    field *own = malloc(sizeof(field) * MAX_FIELDS), *others = malloc(sizeof(field) * MAX_FIELDS);
    int n_own = own ? split(data_a, n_a, own) : -1, n_others = others ? graph_fields(data_b, n_b, others) : -1;
    size_t n_bytes = 0;
    if (n_own >= 0 && n_others >= 0) {
        cross(&m, &made, own, n_own, others, n_others);
        n_bytes = made.n_bytes <= max_bytes ? made.n_bytes : 0;
        if (n_bytes > 0) {
            memcpy(out, made.data, n_bytes);
        }
    }
    pith_proto_free(&made);
    free(own);
    free(others);
    return n_bytes;
}
