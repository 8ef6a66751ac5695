/* SPDX-License-Identifier: Apache-2.0 */
/* A graph as text that can be read back (import/text): docs/text-form.md. Weights of a mapped file stay there, by
 * offset and hash; small ones are written as numbers, others as hexadecimal bytes. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "export/text/text.h"
#include "graph/attrs.h"
#include "graph/object.h"

#define MAX_NUMBERS 16     /* larger constants are bytes */
#define MIN_SEARCHED 65    /* bytes; smaller constants are not looked for in files */
#define SEARCHES_PER_FILE 64

typedef struct name_slot {
    const char *text;
} name_slot;

/* Where bytes stand in a mapped file. */
typedef struct place {
    int file; /* -1: nowhere */
    size_t offset;
} place;

typedef struct writer {
    pith_ctx *ctx;
    pithi_text *out;
    const pithi_text_file *files;
    size_t n_files;
    pithi_arena memory;
    const char **names; /* by value->index: unique in the whole text */
    name_slot *slots;   /* open addressing */
    size_t n_slots;
    int n_values;
    pithi_weight_store *store; /* takes what is no number; NULL: it is looked for in files */
    place last;           /* behind the last bytes that were found by searching */
    size_t search_budget; /* bytes that may yet be looked at */
} writer;

/* ---- words -------------------------------------------------------------------------------- */

static bool is_bare(const char *text)
{
    bool bare = *text && !isdigit((unsigned char)*text) && *text != '-';
    for (; bare && *text; text++) {
        bare = isalnum((unsigned char)*text) || strchr("_./-", *text);
    }
    return bare;
}

static void quote_bytes(writer *w, const char *text, size_t n_bytes)
{
    pithi_text_add(w->out, "\"");
    for (size_t i = 0; i < n_bytes;) {
        size_t plain = 0;
        while (i + plain < n_bytes && plain < 1000 && text[i + plain] >= 0x20 && text[i + plain] < 0x7f &&
               text[i + plain] != '"' && text[i + plain] != '\\') {
            plain++;
        }
        if (plain > 0) {
            pithi_text_add(w->out, "%.*s", (int)plain, text + i);
        } else {
            pithi_text_add(w->out, "\\x%02x", (unsigned)(unsigned char)text[i]);
            plain = 1;
        }
        i += plain;
    }
    pithi_text_add(w->out, "\"");
}

static void quote(writer *w, const char *text) { quote_bytes(w, text, strlen(text)); }

static void word(writer *w, const char *text)
{
    if (is_bare(text)) {
        pithi_text_add(w->out, "%s", text);
    } else {
        quote(w, text);
    }
}

static void indent(writer *w, int depth) { pithi_text_add(w->out, "%*s", depth * 2, ""); }

/* ---- unique names ------------------------------------------------------------------------- */

static bool claim(writer *w, const char *text)
{
    size_t at = (size_t)pithi_hash(PITHI_HASH_START, text, strlen(text)) & (w->n_slots - 1);
    for (; w->slots[at].text; at = (at + 1) & (w->n_slots - 1)) {
        if (pithi_same_text(w->slots[at].text, text)) {
            return false;
        }
    }
    w->slots[at].text = text;
    return true;
}

static void count_values(const pith_graph *graph, int *n_values)
{
    *n_values += (int)graph->n_values;
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            count_values(node->bodies[i], n_values);
        }
    }
}

static pith_status name_value(writer *w, pith_value *value)
{
    const char *text = value->name;
    value->index = w->n_values++;
    for (int i = 1; !claim(w, text); i++) { /* a body's name may be one of the graph around it */
        PITH_TRY(pithi_arena_format(&w->memory, &text, "%s~%d.%d", value->name, value->index, i));
    }
    w->names[value->index] = text;
    return PITH_OK;
}

/* What can be seen from outside first, so that it keeps its names. */
static pith_status name_values(writer *w, const pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = -1;
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        PITH_TRY(name_value(w, graph->inputs[i]));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i]->index < 0) {
            PITH_TRY(name_value(w, graph->outputs[i]));
        }
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        if (graph->values[i]->index < 0) {
            PITH_TRY(name_value(w, graph->values[i]));
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(name_values(w, node->bodies[i]));
        }
    }
    return PITH_OK;
}

static pith_status prepare_names(writer *w, const pith_graph *graph)
{
    int n_values = 0;
    void *names = NULL, *slots = NULL;
    count_values(graph, &n_values);
    for (w->n_slots = 16; w->n_slots < 2 * (size_t)n_values;) {
        w->n_slots *= 2;
    }
    PITH_TRY(pithi_arena_array(&w->memory, (size_t)n_values, sizeof(char *), &names));
    PITH_TRY(pithi_arena_array(&w->memory, w->n_slots, sizeof(name_slot), &slots));
    w->names = names;
    w->slots = slots;
    return name_values(w, graph);
}

/* ---- values ------------------------------------------------------------------------------- */

static void reference(writer *w, const pith_value *value)
{
    if (!value) {
        pithi_text_add(w->out, "-");
        return;
    }
    pithi_text_add(w->out, "%%");
    word(w, w->names[value->index]);
}

static void shape_text(writer *w, const pith_shape *shape, const char *const *symbols)
{
    pithi_text_add(w->out, "[");
    for (int i = 0; i < shape->rank; i++) {
        pithi_text_add(w->out, "%s", i ? "," : "");
        if (shape->dims[i] >= 0) {
            pithi_text_add(w->out, "%lld", (long long)shape->dims[i]);
        } else if (symbols && symbols[i]) {
            word(w, symbols[i]);
        } else {
            pithi_text_add(w->out, "?");
        }
    }
    pithi_text_add(w->out, "]");
}

static void type_of(writer *w, const pith_value *value)
{
    char type[PITH_TYPE_TEXT_BYTES];
    if (value->type) {
        pithi_text_add(w->out, ":\"%s\"", pith_type_text(value->type, type));
    } else if (value->dtype != PITH_DTYPE_NONE || value->has_shape) {
        pithi_text_add(w->out, ":%s", pith_dtype_name(value->dtype));
    }
    if (value->has_shape) {
        shape_text(w, &value->shape, value->symbols);
    }
}

/* ---- data --------------------------------------------------------------------------------- */

static bool has_finite_numbers(const pith_tensor *tensor)
{
    bool is_float = tensor->dtype == PITH_DTYPE_F32 || tensor->dtype == PITH_DTYPE_F64;
    bool is_whole = (pithi_dtype_is_integer(tensor->dtype) && pith_dtype_bytes(tensor->dtype) > 0) ||
                    tensor->dtype == PITH_DTYPE_BOOL;
    int64_t count = pith_shape_elements(&tensor->shape);
    for (int64_t i = 0; is_float && count <= MAX_NUMBERS && i < count; i++) {
        is_float = isfinite(pithi_tensor_get_f64(tensor, i));
    }
    return (is_float || is_whole) && count <= MAX_NUMBERS;
}

static void numbers(writer *w, const pith_tensor *tensor)
{
    pithi_text_add(w->out, "{");
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        const char *comma = i ? "," : "";
        if (tensor->dtype == PITH_DTYPE_F32) {
            pithi_text_add(w->out, "%s%.9g", comma, pithi_tensor_get_f64(tensor, i));
        } else if (tensor->dtype == PITH_DTYPE_F64) {
            pithi_text_add(w->out, "%s%.17g", comma, pithi_tensor_get_f64(tensor, i));
        } else if (tensor->dtype == PITH_DTYPE_U64) {
            pithi_text_add(w->out, "%s%llu", comma, (unsigned long long)((const uint64_t *)tensor->data)[i]);
        } else {
            pithi_text_add(w->out, "%s%lld", comma, (long long)pithi_tensor_get_s64(tensor, i));
        }
    }
    pithi_text_add(w->out, "}");
}

static void hexadecimal(writer *w, const unsigned char *data, size_t n_bytes)
{
    static const char digits[] = "0123456789abcdef";
    char line[129];
    pithi_text_add(w->out, "hex ");
    for (size_t i = 0; i < n_bytes;) {
        size_t used = 0;
        for (; i < n_bytes && used < 128; i++) {
            line[used++] = digits[data[i] >> 4];
            line[used++] = digits[data[i] & 15];
        }
        line[used] = '\0';
        pithi_text_add(w->out, "%s", line);
    }
}

static void strings(writer *w, const pith_string *items, int64_t count, const char *brackets)
{
    pithi_text_add(w->out, "%c", brackets[0]);
    for (int64_t i = 0; i < count; i++) {
        pithi_text_add(w->out, "%s", i ? "," : "");
        quote_bytes(w, items[i].data, items[i].n_bytes);
    }
    pithi_text_add(w->out, "%c", brackets[1]);
}

/* The first occurrence in [from, to), as far as the budget goes. */
static const unsigned char *search(writer *w, const unsigned char *from, const unsigned char *to,
                                   const unsigned char *data, size_t n_bytes)
{
    while ((size_t)(to - from) >= n_bytes) {
        size_t n_starts = (size_t)(to - from) - n_bytes + 1;
        const unsigned char *hit = memchr(from, data[0], n_starts);
        size_t n_passed = hit ? (size_t)(hit - from) + 16 : n_starts;
        if (w->search_budget < n_passed) {
            return NULL;
        }
        w->search_budget -= n_passed;
        if (!hit || memcmp(hit, data, n_bytes) == 0) {
            return hit;
        }
        from = hit + 1;
    }
    return NULL;
}

/* Where the bytes stand in a mapped file. Importers copy weights that lie at odd addresses, so what is elsewhere in
 * memory is looked for: behind the last hit first, since weights come in the order of the file. */
static place find_bytes(writer *w, const unsigned char *data, size_t n_bytes)
{
    for (size_t i = 0; i < w->n_files && n_bytes > 0; i++) {
        uintptr_t begin = (uintptr_t)w->files[i].data, at = (uintptr_t)data;
        if (at >= begin && at - begin <= w->files[i].n_bytes && n_bytes <= w->files[i].n_bytes - (at - begin)) {
            return (place){ (int)i, (size_t)(at - begin) };
        }
    }
    for (size_t i = 0; i < w->n_files && n_bytes >= MIN_SEARCHED; i++) {
        const unsigned char *begin = w->files[i].data, *end = begin + w->files[i].n_bytes;
        const unsigned char *last = w->last.file == (int)i ? begin + w->last.offset : begin;
        const unsigned char *hit = search(w, last, end, data, n_bytes);
        hit = hit ? hit : search(w, begin, end, data, n_bytes);
        if (hit) {
            w->last = (place){ (int)i, (size_t)(hit - begin) + n_bytes };
            return (place){ (int)i, (size_t)(hit - begin) };
        }
    }
    return (place){ -1, 0 };
}

static pith_status stored(writer *w, const pith_tensor *tensor)
{
    pithi_stored at;
    PITH_TRY(pithi_weight_store_add(w->store, tensor, &at));
    pithi_text_add(w->out, "@0:%zu", at.offset);
    if (at.n_bits) {
        pithi_text_add(w->out, "/%d,%lld", at.n_bits, (long long)at.low);
    }
    return PITH_OK;
}

static pith_status tensor_data(writer *w, const pith_tensor *tensor)
{
    PITH_CHECK(w->ctx, tensor->dtype != PITH_DTYPE_OBJECT, PITH_STATUS_UNSUPPORTED,
               "the text form has no constant sequences, optionals or maps; write it without constant folding");
    size_t n_bytes = pith_tensor_bytes(tensor);
    if (tensor->dtype == PITH_DTYPE_STRING) {
        strings(w, tensor->data, pith_shape_elements(&tensor->shape), "{}");
        return PITH_OK;
    }
    if (has_finite_numbers(tensor)) {
        numbers(w, tensor);
        return PITH_OK;
    }
    if (w->store && n_bytes >= MIN_SEARCHED) {
        return stored(w, tensor);
    }
    place at = find_bytes(w, tensor->data, n_bytes);
    if (at.file >= 0) {
        pithi_text_add(w->out, "@%d:%zu #%016llx", at.file, at.offset,
                       (unsigned long long)pithi_hash(PITHI_HASH_START, tensor->data, n_bytes));
    } else {
        hexadecimal(w, tensor->data, n_bytes);
    }
    return PITH_OK;
}

/* ---- attributes --------------------------------------------------------------------------- */

static void choice(writer *w, const pith_attr_spec *spec, int64_t index) { word(w, spec->choices[index]); }

static pith_status attribute(writer *w, const pith_attr_spec *spec, const void *field)
{
    const pith_ints *ints = field;
    const pith_floats *floats = field;
    const pith_tensor *tensor = NULL;
    char type[PITH_TYPE_TEXT_BYTES];
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT: pithi_text_add(w->out, "%lld", (long long)*(const int64_t *)field); break;
    case PITH_ATTR_KIND_FLOAT: pithi_text_add(w->out, "%.9g", (double)*(const float *)field); break;
    case PITH_ATTR_KIND_CHOICE: choice(w, spec, *(const int64_t *)field); break;
    case PITH_ATTR_KIND_STRING: quote(w, *(const char *const *)field); break;
    case PITH_ATTR_KIND_TYPE: quote(w, pith_type_text(*(const pith_type *const *)field, type)); break;
    case PITH_ATTR_KIND_STRINGS:
        strings(w, ((const pith_strings *)field)->items, ((const pith_strings *)field)->n_items, "[]");
        break;
    case PITH_ATTR_KIND_TENSOR:
        tensor = *(const pith_tensor *const *)field;
        pithi_text_add(w->out, "%s", pith_dtype_name(tensor->dtype));
        shape_text(w, &tensor->shape, NULL);
        pithi_text_add(w->out, " = ");
        return tensor_data(w, tensor);
    case PITH_ATTR_KIND_INTS:
    case PITH_ATTR_KIND_CHOICES:
    case PITH_ATTR_KIND_FLOATS:
        pithi_text_add(w->out, "[");
        for (int i = 0; i < ints->n_items; i++) {
            pithi_text_add(w->out, "%s", i ? "," : "");
            if (spec->kind == PITH_ATTR_KIND_INTS) {
                pithi_text_add(w->out, "%lld", (long long)ints->items[i]);
            } else if (spec->kind == PITH_ATTR_KIND_FLOATS) {
                pithi_text_add(w->out, "%.9g", (double)floats->items[i]);
            } else {
                choice(w, spec, ints->items[i]);
            }
        }
        pithi_text_add(w->out, "]");
        break;
    }
    return PITH_OK;
}

static pith_status attributes(writer *w, const pith_node *node)
{
    const pith_op_head *head = pithi_op_head(node->op);
    for (int i = 0; i < head->n_attrs && node->attrs; i++) {
        const void *field = (const char *)node->attrs + head->attrs[i].offset;
        if (!pithi_attr_is_default(&head->attrs[i], field)) {
            pithi_text_add(w->out, " %s=", head->attrs[i].name);
            PITH_TRY(attribute(w, &head->attrs[i], field));
        }
    }
    return PITH_OK;
}

/* ---- graphs ------------------------------------------------------------------------------- */

static pith_status write_graph(writer *w, const pith_graph *graph, int depth);

/* Where the node comes from: not part of its meaning. */
static void origin(writer *w, const pith_node *node)
{
    if (*node->name) {
        pithi_text_add(w->out, " !name=");
        quote(w, node->name);
    }
    if (node->op && !pithi_same_text(node->source_op, pithi_op_head(node->op)->name)) {
        pithi_text_add(w->out, " !source=");
        quote(w, node->source_op);
    }
    if (node->source_opset) {
        pithi_text_add(w->out, " !opset=%d", node->source_opset);
    }
    if (node->source_since) {
        pithi_text_add(w->out, " !since=%d", node->source_since);
    }
    if (!node->op) {
        pithi_text_add(w->out, " !reason=");
        quote(w, node->unsupported ? node->unsupported : "");
    }
}

static pith_status write_node(writer *w, const pith_node *node, int depth)
{
    indent(w, depth);
    for (int i = 0; i < node->n_outputs; i++) {
        pithi_text_add(w->out, "%s", i ? ", " : "");
        reference(w, node->outputs[i]);
        if (node->outputs[i]) {
            type_of(w, node->outputs[i]);
        }
    }
    pithi_text_add(w->out, "%s= ", node->n_outputs ? " " : "");
    if (node->op) {
        pithi_text_add(w->out, "%s", pithi_op_head(node->op)->name);
    } else {
        quote(w, node->source_op);
    }
    pithi_text_add(w->out, "(");
    for (int i = 0; i < node->n_inputs; i++) {
        pithi_text_add(w->out, "%s", i ? ", " : "");
        reference(w, node->inputs[i]);
    }
    pithi_text_add(w->out, ")");
    if (node->op) {
        PITH_TRY(attributes(w, node));
    }
    origin(w, node);
    for (int i = 0; i < node->n_bodies; i++) {
        pithi_text_add(w->out, " {\n");
        PITH_TRY(write_graph(w, node->bodies[i], depth + 1));
        indent(w, depth);
        pithi_text_add(w->out, "}");
    }
    pithi_text_add(w->out, "\n");
    return PITH_OK;
}

static pith_status write_constants(writer *w, const pith_graph *graph, int depth)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        if (!value->constant || value->n_uses == 0) {
            continue;
        }
        indent(w, depth);
        pithi_text_add(w->out, "const ");
        reference(w, value);
        type_of(w, value);
        pithi_text_add(w->out, " = ");
        PITH_TRY_AT(w->ctx, tensor_data(w, value->constant), "constant '%s'", value->name);
        pithi_text_add(w->out, "\n");
    }
    return PITH_OK;
}

static pith_status write_graph(writer *w, const pith_graph *graph, int depth)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        indent(w, depth);
        pithi_text_add(w->out, "input ");
        reference(w, graph->inputs[i]);
        type_of(w, graph->inputs[i]);
        pithi_text_add(w->out, "\n");
    }
    PITH_TRY(write_constants(w, graph, depth));
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(write_node(w, node, depth));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        indent(w, depth);
        pithi_text_add(w->out, "output ");
        reference(w, graph->outputs[i]);
        if (graph->outputs[i]->producer == NULL || depth > 0) { /* a body's output may stand further out */
            type_of(w, graph->outputs[i]);
        }
        pithi_text_add(w->out, "\n");
    }
    return w->out->failed ? PITH_STATUS_NOMEM : PITH_OK;
}

static pith_status write_text(writer *w, pith_graph *graph, const pithi_import_info *origin)
{
    pithi_graph_count_uses(graph);
    PITH_TRY(prepare_names(w, graph));
    pithi_text_add(w->out, "pith-graph 1\n");
    for (size_t i = 0; i < w->n_files; i++) {
        pithi_text_add(w->out, "file ");
        quote(w, w->files[i].name);
        pithi_text_add(w->out, " %zu\n", w->files[i].n_bytes);
    }
    if (origin) {
        pithi_text_add(w->out, "origin %lld %lld ", (long long)origin->ir_version, (long long)origin->opset);
        quote(w, origin->producer ? origin->producer : "");
        pithi_text_add(w->out, "\n");
    }
    pithi_text_add(w->out, "graph ");
    quote(w, graph->name);
    pithi_text_add(w->out, "\n");
    return write_graph(w, graph, 0);
}

static pith_status export_text(writer *w, pith_graph *graph, const pithi_import_info *origin)
{
    w->memory.ctx = graph->ctx;
    pith_status status = write_text(w, graph, origin);
    pithi_arena_deinit(&w->memory);
    PITH_CHECK(graph->ctx, status != PITH_STATUS_NOMEM || !w->out->failed, PITH_STATUS_NOMEM,
               "no memory for the text of the graph");
    return status;
}

pith_status pithi_export_text(pith_graph *graph, const pithi_text_file *files, size_t n_files, pithi_text *text)
{
    writer w = { .ctx = graph->ctx, .out = text, .files = files, .n_files = n_files };
    for (size_t i = 0; i < n_files; i++) {
        w.search_budget += files[i].n_bytes * SEARCHES_PER_FILE;
    }
    return export_text(&w, graph, NULL);
}

pith_status pithi_export_packed_text(pith_graph *graph, const pithi_import_info *origin, pithi_weight_store *store,
                                     pithi_text *text)
{
    writer w = { .ctx = graph->ctx, .out = text, .store = store };
    return export_text(&w, graph, origin);
}
