/* SPDX-License-Identifier: Apache-2.0 */
/* The language of proto.h. Field numbers are written out here on purpose, from onnx.proto: the importer's own
 * table must not check itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/proto.h"

typedef struct parser {
    const char *at;
    char word[256];
    pith_proto *out;
    bool failed;
} parser;

/* ---- words --------------------------------------------------------------------------------- */

static bool is_mark(char c)
{
    return c == '{' || c == '}' || c == ';' || c == ':' || c == '(' || c == ')';
}

/* The next word or mark; "" at the end. A line break reads as ";". */
static const char *next(parser *parse)
{
    size_t n_chars = 0;
    parse->at += strspn(parse->at, " \t");
    if (*parse->at == '\n' || is_mark(*parse->at)) {
        parse->word[n_chars++] = *parse->at == '\n' ? ';' : *parse->at;
        parse->at++;
    } else {
        while (*parse->at && !strchr(" \t\n", *parse->at) && !is_mark(*parse->at) && n_chars + 1 < sizeof parse->word) {
            parse->word[n_chars++] = *parse->at++;
        }
    }
    parse->word[n_chars] = '\0';
    return parse->word;
}

static const char *peek(parser *parse)
{
    const char *at = parse->at;
    next(parse);
    parse->at = at;
    return parse->word;
}

static bool accept(parser *parse, const char *word)
{
    if (strcmp(peek(parse), word) != 0) {
        return false;
    }
    next(parse);
    return true;
}

static void expect(parser *parse, const char *word)
{
    if (!accept(parse, word)) {
        if (!parse->failed) {
            fprintf(stderr, "model text: expected '%s' before '%.40s'\n", word, parse->at);
        }
        parse->failed = true;
        parse->at = "";
    }
}

static bool at_end(parser *parse)
{
    const char *word = peek(parse);
    return !*word || strcmp(word, ";") == 0 || strcmp(word, "}") == 0 || strcmp(word, "{") == 0;
}

static void put_name(parser *parse, int field)
{
    next(parse);
    pith_proto_text(parse->out, field, strcmp(parse->word, "_") == 0 ? "" : parse->word);
}

/* "a,b,_": one text field each; "-" for none. */
static void put_names(parser *parse, int field)
{
    char list[sizeof parse->word];
    memcpy(list, next(parse), sizeof list);
    if (strcmp(list, "-") == 0) {
        return;
    }
    for (char *name = list, *comma; name; name = comma) {
        comma = strchr(name, ',');
        if (comma) {
            *comma++ = '\0';
        }
        pith_proto_text(parse->out, field, strcmp(name, "_") == 0 ? "" : name);
    }
}

/* ---- tensors ------------------------------------------------------------------------------- */

typedef struct type {
    const char *name;
    int code, n_bytes, list_field; /* as TensorProto has it */
    bool is_float;
} type;

static const type types[] = {
    { "f32", 1, 4, 4, true },   { "u8", 2, 1, 5, false },   { "s8", 3, 1, 5, false },    { "u16", 4, 2, 5, false },
    { "s16", 5, 2, 5, false },  { "s32", 6, 4, 5, false },  { "s64", 7, 8, 7, false },   { "str", 8, 1, 6, false },
    { "bool", 9, 1, 5, false }, { "f16", 10, 2, 5, false }, { "f64", 11, 8, 10, true },  { "u32", 12, 4, 11, false },
    { "u64", 13, 8, 11, false }, { "bf16", 16, 2, 5, false }, { "int4", 22, 1, 5, false }, { "none", 0, 1, 5, false },
    { "c64", 14, 4, 4, true },  { "c128", 15, 8, 10, true }, { "f8e4m3fn", 17, 1, 5, false },
    { "f8e4m3fnuz", 18, 1, 5, false }, { "f8e5m2", 19, 1, 5, false }, { "f8e5m2fnuz", 20, 1, 5, false },
    { "u4", 21, 1, 5, false },  { "f4e2m1", 23, 1, 5, false }, { "f8e8m0", 24, 1, 5, false },
    { "u2", 25, 1, 5, false },  { "s2", 26, 1, 5, false },  { "f6e2m3", 27, 1, 5, false },
    { "f6e3m2", 28, 1, 5, false },
    { "t99", 99, 1, 5, false },
};

/* Splits "f32[2,N]" into a type and its dims "2,N". */
static const type *read_type(parser *parse, char dims[64])
{
    const char *word = next(parse);
    size_t n_chars = strcspn(word, "[");
    snprintf(dims, 64, "%.*s", (int)strcspn(word + n_chars, "]"), word + n_chars);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strlen(types[i].name) == n_chars && strncmp(types[i].name, word, n_chars) == 0) {
            return &types[i];
        }
    }
    fprintf(stderr, "model text: no type '%s'\n", word);
    parse->failed = true;
    return &types[0];
}

static void put_number(pith_proto *out, const type *kind, const char *text)
{
    double f64 = strtod(text, NULL);
    float f32 = (float)f64;
    uint64_t bits = (uint64_t)strtoll(text, NULL, 0);
    const void *from =
        kind->is_float ? kind->n_bytes == 4 ? (const void *)&f32 : (const void *)&f64 : (const void *)&bits;
    pith_proto_raw(out, from, (size_t)kind->n_bytes); /* tests run on little-endian machines */
}

static void put_list(parser *parse, const type *kind, bool is_packed)
{
    while (kind->list_field == 6 && !at_end(parse)) { /* strings */
        put_name(parse, 6);
    }
    if (is_packed) {
        pith_proto_begin(parse->out, kind->list_field);
    }
    while (!at_end(parse)) {
        const char *word = next(parse);
        if (!is_packed) {
            pith_proto_item(parse->out,
                            (uint64_t)kind->list_field << 3 | (kind->is_float ? kind->n_bytes == 4 ? 5 : 1 : 0));
        }
        if (kind->is_float) {
            put_number(parse->out, kind, word);
        } else {
            pith_proto_item(parse->out, (uint64_t)strtoll(word, NULL, 0));
        }
    }
    if (is_packed) {
        pith_proto_end(parse->out);
    }
}

static void put_entry(parser *parse, const char *key)
{
    if (at_end(parse)) {
        return;
    }
    pith_proto_begin(parse->out, 13);
    pith_proto_text(parse->out, 1, key);
    put_name(parse, 2);
    pith_proto_end(parse->out);
}

static void put_data(parser *parse, const type *kind)
{
    if (accept(parse, "raw")) {
        pith_proto_begin(parse->out, 9);
        while (!at_end(parse)) {
            put_number(parse->out, kind, next(parse));
        }
        pith_proto_end(parse->out);
    } else if (accept(parse, "external")) {
        pith_proto_varint(parse->out, 14, 1);
        put_entry(parse, "location");
        put_entry(parse, "offset");
        put_entry(parse, "length");
    } else if (accept(parse, "packed")) {
        put_list(parse, kind, true);
    } else if (accept(parse, "list")) {
        put_list(parse, kind, false);
    }
}

static void put_dims(parser *parse, const char *dims, int field)
{
    for (const char *dim = dims; *dim && dim[1]; dim += 1 + strcspn(dim + 1, ",")) {
        pith_proto_varint(parse->out, field, (uint64_t)strtoll(dim + 1, NULL, 0));
    }
}

/* The content of a TensorProto: [name] type data. */
static void put_tensor(parser *parse, bool has_name)
{
    char dims[64];
    if (has_name) {
        put_name(parse, 8);
    }
    const type *kind = read_type(parse, dims);
    put_dims(parse, dims, 1);
    pith_proto_varint(parse->out, 2, (uint64_t)kind->code);
    put_data(parse, kind);
}

/* sparse NAME f32[4] values 1 2 at s64[2] raw 0 3: the content of a SparseTensorProto. */
static void put_sparse(parser *parse, bool has_name)
{
    char name[sizeof parse->word] = "", dims[64], count[64];
    if (has_name) {
        memcpy(name, next(parse), sizeof name);
    }
    const type *kind = read_type(parse, dims);
    put_dims(parse, dims, 3);
    expect(parse, "values");
    pith_proto_begin(parse->out, 1);
    pith_proto_text(parse->out, 8, name);
    pith_proto_varint(parse->out, 2, (uint64_t)kind->code);
    uint64_t n_values = 0;
    pith_proto_begin(parse->out, 9);
    for (; strcmp(peek(parse), "at") != 0 && !at_end(parse); n_values++) {
        put_number(parse->out, kind, next(parse));
    }
    pith_proto_end(parse->out);
    pith_proto_varint(parse->out, 1, n_values);
    pith_proto_end(parse->out);
    expect(parse, "at");
    pith_proto_begin(parse->out, 2);
    kind = read_type(parse, count);
    put_dims(parse, count, 1);
    pith_proto_varint(parse->out, 2, (uint64_t)kind->code);
    put_data(parse, kind);
    pith_proto_end(parse->out);
}

static void put_tensor_type(parser *parse)
{
    char dims[64];
    const type *kind = read_type(parse, dims);
    pith_proto_begin(parse->out, 1);
    pith_proto_varint(parse->out, 1, (uint64_t)kind->code);
    if (*dims) {
        pith_proto_begin(parse->out, 2);
    }
    for (const char *dim = dims; *dim && dim[1]; dim += 1 + strcspn(dim + 1, ",")) {
        pith_proto_begin(parse->out, 1);
        if (strchr("-0123456789", dim[1])) {
            pith_proto_varint(parse->out, 1, (uint64_t)strtoll(dim + 1, NULL, 0));
        } else if (dim[1] != '?') {
            pith_proto_bytes(parse->out, 2, dim + 1, strcspn(dim + 1, ","));
        }
        pith_proto_end(parse->out);
    }
    if (*dims) {
        pith_proto_end(parse->out);
    }
    pith_proto_end(parse->out);
}

/* The content of a TypeProto: type[dims], seq TYPE, opt TYPE, map KEY TYPE, opaque; "seq" may have no TYPE. */
static void put_type(parser *parse)
{
    static const struct {
        const char *word;
        int field;
    } containers[] = { { "seq", 4 }, { "opt", 9 }, { "map", 5 }, { "opaque", 7 } };
    char dims[64];
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++) {
        if (!accept(parse, containers[i].word)) {
            continue;
        }
        pith_proto_begin(parse->out, containers[i].field);
        bool is_map = containers[i].field == 5;
        if (is_map) {
            pith_proto_varint(parse->out, 1, (uint64_t)read_type(parse, dims)->code);
        }
        if (!at_end(parse)) {
            pith_proto_begin(parse->out, is_map ? 2 : 1);
            put_type(parse);
            pith_proto_end(parse->out);
        }
        pith_proto_end(parse->out);
        return;
    }
    put_tensor_type(parse);
}

/* A ValueInfoProto: name [type]. */
static void put_value_info(parser *parse, int field)
{
    pith_proto_begin(parse->out, field);
    put_name(parse, 1);
    if (!at_end(parse)) {
        pith_proto_begin(parse->out, 2);
        put_type(parse);
        pith_proto_end(parse->out);
    }
    pith_proto_end(parse->out);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void put_graph(parser *parse);

/* `field ...` and `bytes ...`; false if the statement is something else. */
static bool put_anything(parser *parse, const char *word)
{
    if (strcmp(word, "field") == 0) {
        int field = atoi(next(parse));
        if (accept(parse, "varint")) {
            pith_proto_varint(parse->out, field, (uint64_t)strtoll(next(parse), NULL, 0));
        } else {
            expect(parse, "text");
            put_name(parse, field);
        }
        return true;
    }
    if (strcmp(word, "bytes") == 0) {
        while (!at_end(parse)) {
            unsigned char byte = (unsigned char)strtol(next(parse), NULL, 16);
            pith_proto_raw(parse->out, &byte, 1);
        }
        return true;
    }
    return false;
}

static void put_numbers(parser *parse, bool is_float)
{
    static const type as_float = { "f32", 1, 4, 7, true }, as_int = { "s64", 7, 8, 8, false };
    put_list(parse, is_float ? &as_float : &as_int, false);
}

static void put_attr_value(parser *parse, const char *kind)
{
    pith_proto *out = parse->out;
    if (strcmp(kind, "int") == 0) {
        pith_proto_varint(out, 3, (uint64_t)strtoll(next(parse), NULL, 0));
    } else if (strcmp(kind, "float") == 0) {
        float value = strtof(next(parse), NULL);
        pith_proto_fixed32(out, 2, &value);
    } else if (strcmp(kind, "string") == 0) {
        put_name(parse, 4);
    } else if (strcmp(kind, "ints") == 0 || strcmp(kind, "floats") == 0) {
        put_numbers(parse, *kind == 'f');
    } else if (strcmp(kind, "strings") == 0) {
        while (!at_end(parse)) {
            put_name(parse, 9);
        }
    } else if (strcmp(kind, "tensor") == 0 || strcmp(kind, "graph") == 0 || strcmp(kind, "sparse") == 0) {
        pith_proto_begin(out, *kind == 't' ? 5 : *kind == 'g' ? 6 : 22);
        if (*kind == 't') {
            put_tensor(parse, false);
        } else if (*kind == 'g') {
            put_graph(parse);
        } else {
            put_sparse(parse, false);
        }
        pith_proto_end(out);
    } else if (strcmp(kind, "type") == 0) {
        pith_proto_begin(out, 14);
        put_type(parse);
        pith_proto_end(out);
    } else {
        fprintf(stderr, "model text: no attribute kind '%s'\n", kind);
        parse->failed = true;
    }
}

/* One attribute; its kind stands in parse->word. */
static void put_attr(parser *parse, int field)
{
    static const struct {
        const char *name;
        int code;
    } kinds[] = { { "float", 1 },  { "int", 2 },  { "string", 3 },  { "tensor", 4 }, { "graph", 5 }, { "floats", 6 },
                  { "ints", 7 }, { "strings", 8 }, { "sparse", 11 }, { "type", 13 } };
    char kind[32];
    snprintf(kind, sizeof kind, "%.31s", parse->word);
    pith_proto_begin(parse->out, field);
    put_name(parse, 1);
    if (strcmp(kind, "ref") == 0) {
        put_name(parse, 21);
    } else {
        put_attr_value(parse, kind);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !accept(parse, "untyped"); i++) {
            if (strcmp(kinds[i].name, kind) == 0) {
                pith_proto_varint(parse->out, 20, (uint64_t)kinds[i].code);
            }
        }
    }
    pith_proto_end(parse->out);
}

static void put_node(parser *parse, int field)
{
    pith_proto_begin(parse->out, field);
    put_name(parse, 4);
    put_names(parse, 1);
    expect(parse, "->");
    put_names(parse, 2);
    while (!at_end(parse) && !parse->failed) {
        const char *word = next(parse);
        put_name(parse, strcmp(word, "as") == 0 ? 3 : strcmp(word, "in") == 0 ? 7 : 8);
    }
    if (accept(parse, "{")) {
        while (!accept(parse, "}") && !parse->failed) {
            if (accept(parse, ";") || put_anything(parse, next(parse))) {
                continue;
            }
            if (!*parse->word) {
                expect(parse, "}");
                break;
            }
            put_attr(parse, 5);
        }
    }
    pith_proto_end(parse->out);
}

/* ---- graphs, functions, models ------------------------------------------------------------- */

static void put_graph_statement(parser *parse, const char *word)
{
    static const struct {
        const char *word;
        int field;
    } infos[] = { { "input", 11 }, { "output", 12 }, { "info", 13 } };
    if (strcmp(word, "name") == 0) {
        put_name(parse, 2);
    } else if (strcmp(word, "node") == 0) {
        put_node(parse, 1);
    } else if (strcmp(word, "weight") == 0 || strcmp(word, "sparse") == 0) {
        pith_proto_begin(parse->out, *word == 'w' ? 5 : 15);
        if (*word == 'w') {
            put_tensor(parse, true);
        } else {
            put_sparse(parse, true);
        }
        pith_proto_end(parse->out);
    } else {
        int field = 0;
        for (int i = 0; i < 3; i++) {
            field = strcmp(word, infos[i].word) == 0 ? infos[i].field : field;
        }
        if (field) {
            put_value_info(parse, field);
        } else {
            expect(parse, "a graph's statement");
        }
    }
}

static void put_graph(parser *parse)
{
    expect(parse, "{");
    while (!accept(parse, "}") && !parse->failed) {
        if (!accept(parse, ";") && !put_anything(parse, next(parse))) {
            put_graph_statement(parse, parse->word);
        }
    }
}

static void put_opset(parser *parse, int field)
{
    char domain[sizeof parse->word] = "";
    memcpy(domain, next(parse), sizeof domain);
    bool has_domain = !at_end(parse);
    pith_proto_begin(parse->out, field);
    if (has_domain) {
        pith_proto_text(parse->out, 1, strcmp(domain, "_") == 0 ? "" : domain);
    }
    pith_proto_varint(parse->out, 2, (uint64_t)strtoll(has_domain ? next(parse) : domain, NULL, 0));
    pith_proto_end(parse->out);
}

/* function DOMAIN NAME [overload NAME] (inputs) -> outputs [: attributes] { ... } */
static void put_function(parser *parse)
{
    pith_proto_begin(parse->out, 25);
    put_name(parse, 10);
    put_name(parse, 1);
    if (accept(parse, "overload")) {
        put_name(parse, 13);
    }
    expect(parse, "(");
    put_names(parse, 4);
    expect(parse, ")");
    expect(parse, "->");
    put_names(parse, 5);
    if (accept(parse, ":")) {
        put_names(parse, 6);
    }
    expect(parse, "{");
    while (!accept(parse, "}") && !parse->failed) {
        if (accept(parse, ";")) {
            continue;
        }
        const char *word = next(parse);
        if (strcmp(word, "opset") == 0) {
            put_opset(parse, 9);
        } else if (strcmp(word, "node") == 0) {
            put_node(parse, 7);
        } else if (strcmp(word, "info") == 0) {
            put_value_info(parse, 12);
        } else if (strcmp(word, "default") == 0) {
            next(parse);
            put_attr(parse, 11);
        } else {
            expect(parse, "a function's statement");
        }
    }
    pith_proto_end(parse->out);
}

bool pith_proto_onnx(pith_proto *proto, const char *text)
{
    parser parse = { .at = text, .out = proto };
    while (*peek(&parse) && !parse.failed) {
        const char *word = next(&parse);
        if (strcmp(word, ";") == 0 || put_anything(&parse, word)) {
            continue;
        }
        if (strcmp(word, "ir") == 0) {
            pith_proto_varint(proto, 1, (uint64_t)strtoll(next(&parse), NULL, 0));
        } else if (strcmp(word, "producer") == 0) {
            put_name(&parse, 2);
        } else if (strcmp(word, "opset") == 0) {
            put_opset(&parse, 8);
        } else if (strcmp(word, "graph") == 0) {
            pith_proto_begin(proto, 7);
            put_graph(&parse);
            pith_proto_end(proto);
        } else if (strcmp(word, "function") == 0) {
            put_function(&parse);
        } else {
            expect(&parse, "a model's statement");
        }
    }
    return !parse.failed;
}
