/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of a graph (docs/text-form.md) -> graph. */
#include "base/ctx.h"
#include "import/text/text.h"
#include "ops/op.h"

#define HEADER "pith-graph "

bool pithi_is_text(const void *data, size_t n_bytes)
{
    return n_bytes >= sizeof HEADER - 1 && memcmp(data, HEADER, sizeof HEADER - 1) == 0;
}

/* ---- values ------------------------------------------------------------------------------- */

static pith_status define(pithi_text_reader *reader, pith_graph *graph, pith_value **value_out)
{
    pithi_scan *scan = &reader->scan;
    const char *name = NULL;
    pithi_onnx_name *entry = NULL;
    PITH_TRY(pithi_scan_word(scan, &graph->arena, &name));
    if (pithi_onnx_names_find(&reader->names, name, strlen(name))) {
        return pithi_scan_fail(scan, "value '%.80s' is defined twice", name);
    }
    PITH_TRY(pithi_graph_add_value(graph, name, value_out));
    PITH_TRY(pithi_onnx_names_add(reader->ctx, &reader->names, (*value_out)->name, strlen(name), &entry));
    entry->value = *value_out;
    return pithi_text_type(reader, &graph->arena, *value_out);
}

/* Values of bodies that have ended are taken out of sight. */
static void hide_values(pithi_text_reader *reader, const pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const char *name = graph->values[i]->name;
        pithi_onnx_names_find(&reader->names, name, strlen(name))->is_taken = true;
    }
}

/* A reference; NULL for "-" where that is allowed. */
static pith_status refer(pithi_text_reader *reader, bool may_be_absent, pith_value **value_out)
{
    pithi_scan *scan = &reader->scan;
    const char *name = NULL;
    *value_out = NULL;
    if (may_be_absent && pithi_scan_take(scan, '-')) {
        return PITH_OK;
    }
    PITH_TRY(pithi_scan_expect(scan, '%'));
    PITH_TRY(pithi_scan_word(scan, &reader->main->arena, &name));
    const pithi_onnx_name *entry = pithi_onnx_names_find(&reader->names, name, strlen(name));
    if (!entry || entry->is_taken) {
        return pithi_scan_fail(scan, "value '%.80s' is not defined above, or only in a body that has ended", name);
    }
    *value_out = entry->value;
    return PITH_OK;
}

/* ---- nodes -------------------------------------------------------------------------------- */

typedef struct value_list {
    pith_value **items;
    size_t count, capacity;
} value_list;

static pith_status append(pithi_text_reader *reader, value_list *list, pith_value *value)
{
    void *items = list->items;
    pith_status status = pithi_grow(reader->ctx, &items, &list->capacity, list->count + 1, sizeof *list->items);
    list->items = items;
    if (status == PITH_OK) {
        list->items[list->count++] = value;
    }
    return status;
}

static pith_status read_outputs(pithi_text_reader *reader, pith_graph *graph, value_list *outputs)
{
    pithi_scan *scan = &reader->scan;
    while (pithi_scan_peek(scan) != '=') {
        pith_value *value = NULL;
        if (outputs->count > 0) {
            PITH_TRY(pithi_scan_expect(scan, ','));
        }
        if (!pithi_scan_take(scan, '-')) {
            PITH_TRY(pithi_scan_expect(scan, '%'));
            PITH_TRY(define(reader, graph, &value));
        }
        PITH_TRY(append(reader, outputs, value));
    }
    return pithi_scan_expect(scan, '=');
}

static pith_status read_inputs(pithi_text_reader *reader, value_list *inputs)
{
    pithi_scan *scan = &reader->scan;
    PITH_TRY(pithi_scan_expect(scan, '('));
    while (pithi_scan_peek(scan) != ')') {
        pith_value *value = NULL;
        if (inputs->count > 0) {
            PITH_TRY(pithi_scan_expect(scan, ','));
        }
        PITH_TRY(refer(reader, true, &value));
        PITH_TRY(append(reader, inputs, value));
    }
    return pithi_scan_expect(scan, ')');
}

static pith_status read_op(pithi_text_reader *reader, pith_graph *graph, const pith_op **op_out, const char **source)
{
    pithi_scan *scan = &reader->scan;
    *op_out = NULL;
    bool is_unsupported = pithi_scan_peek(scan) == '"';
    PITH_TRY(pithi_scan_word(scan, &graph->arena, source));
    if (!is_unsupported) {
        *op_out = pithi_op_find(*source);
        return *op_out ? PITH_OK : pithi_scan_fail(scan, "there is no operator '%.60s'", *source);
    }
    return PITH_OK;
}

static pith_status read_graph(pithi_text_reader *reader, pith_graph *graph);

static pith_status read_bodies(pithi_text_reader *reader, pith_graph *graph, pith_node *node)
{
    pithi_scan *scan = &reader->scan;
    void *bodies = NULL;
    size_t capacity = 0;
    while (pithi_scan_peek(scan) == '{') {
        PITH_TRY(pithi_scan_expect(scan, '{'));
        PITH_TRY(pithi_scan_line_end(scan));
        if (node->n_bodies == (int)capacity) { /* the arena keeps the former list: there are few bodies */
            void *grown = NULL;
            PITH_TRY(pithi_arena_array(&graph->arena, capacity * 2 + 2, sizeof(pith_graph *), &grown));
            memcpy(grown, bodies ? bodies : grown, capacity * sizeof(pith_graph *));
            capacity = capacity * 2 + 2;
            bodies = grown;
            node->bodies = grown;
        }
        PITH_TRY(pithi_graph_create(reader->ctx, &node->bodies[node->n_bodies++]));
        pith_graph *body = node->bodies[node->n_bodies - 1];
        body->parent = graph;
        PITH_CHECK(reader->ctx, ++reader->depth <= reader->ctx->limits.max_nesting, PITH_STATUS_LIMIT,
                   "line %d: bodies are nested deeper than %d; pith_limits.max_nesting raises the ceiling", scan->line,
                   reader->ctx->limits.max_nesting);
        PITH_TRY(read_graph(reader, body));
        hide_values(reader, body);
        reader->depth--;
        PITH_TRY(pithi_scan_expect(scan, '}'));
    }
    return PITH_OK;
}

static pith_status read_parts(pithi_text_reader *reader, pith_graph *graph, value_list *outputs, value_list *inputs)
{
    const pith_op *op = NULL;
    const char *source = NULL;
    pith_node *node = NULL;
    PITH_TRY(read_outputs(reader, graph, outputs));
    PITH_TRY(read_op(reader, graph, &op, &source));
    PITH_TRY(read_inputs(reader, inputs));
    for (size_t i = 0; i < inputs->count; i++) {
        for (size_t k = 0; k < outputs->count; k++) {
            if (inputs->items[i] && inputs->items[i] == outputs->items[k]) {
                return pithi_scan_fail(&reader->scan, "the node reads '%.80s', which it makes itself",
                                       inputs->items[i]->name);
            }
        }
    }
    PITH_TRY(pithi_graph_insert_node(graph, NULL, op, "", inputs->items, (int)inputs->count, outputs->items,
                                     (int)outputs->count, &node));
    node->source_op = source;
    if (!op) {
        node->unsupported = "the text says so";
    }
    PITH_TRY(pithi_op_give_outputs(graph, node));
    PITH_TRY(pithi_text_attrs(reader, graph, node));
    return read_bodies(reader, graph, node);
}

static pith_status read_node(pithi_text_reader *reader, pith_graph *graph)
{
    value_list outputs = { 0 }, inputs = { 0 };
    pith_status status = read_parts(reader, graph, &outputs, &inputs);
    pithi_free(reader->ctx, outputs.items);
    pithi_free(reader->ctx, inputs.items);
    return status;
}

/* ---- graphs ------------------------------------------------------------------------------- */

static pith_status read_input(pithi_text_reader *reader, pith_graph *graph)
{
    pith_value *value = NULL;
    PITH_TRY(pithi_scan_expect(&reader->scan, '%'));
    PITH_TRY(define(reader, graph, &value));
    return pithi_graph_add_input(graph, value);
}

static pith_status read_constant(pithi_text_reader *reader, pith_graph *graph)
{
    pith_value *value = NULL;
    void *block = NULL;
    PITH_TRY(pithi_scan_expect(&reader->scan, '%'));
    PITH_TRY(define(reader, graph, &value));
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_tensor), &block));
    pith_tensor *tensor = block;
    *tensor = (pith_tensor){ .dtype = value->dtype, .shape = value->shape };
    if (!value->has_shape) {
        return pithi_scan_fail(&reader->scan, "constant '%.80s' has no shape", value->name);
    }
    PITH_TRY(pithi_scan_expect(&reader->scan, '='));
    PITH_TRY_AT(reader->ctx, pithi_text_data(reader, graph, tensor), "constant '%.80s'", value->name);
    value->constant = tensor;
    return PITH_OK;
}

static pith_status read_output(pithi_text_reader *reader, pith_graph *graph)
{
    pith_value *value = NULL, declared = { 0 };
    PITH_TRY(refer(reader, false, &value));
    PITH_TRY(pithi_text_type(reader, &graph->arena, &declared));
    if (!graph->parent && pithi_graph_is_output(graph, value)) {
        return pithi_scan_fail(&reader->scan, "output '%.80s' is listed twice", value->name);
    }
    if (declared.dtype != PITH_DTYPE_NONE && declared.dtype != value->dtype) {
        return pithi_scan_fail(&reader->scan, "output '%.80s' is declared as %s, but is %s", value->name,
                               pith_dtype_name(declared.dtype), pith_dtype_name(value->dtype));
    }
    return pithi_graph_add_output(graph, value);
}

static pith_status read_statement(pithi_text_reader *reader, pith_graph *graph)
{
    pithi_scan *scan = &reader->scan;
    char next = pithi_scan_peek(scan);
    if (next == '%' || next == '-' || next == '=') {
        return read_node(reader, graph);
    }
    pithi_word word = pithi_scan_bare(scan);
    if (pithi_word_is(word, "input")) {
        return read_input(reader, graph);
    }
    if (pithi_word_is(word, "const")) {
        return read_constant(reader, graph);
    }
    if (pithi_word_is(word, "output")) {
        return read_output(reader, graph);
    }
    return pithi_scan_fail(scan, "'%.*s' is none of input, const, output, %%value = operator(...)",
                           word.n_bytes > 40 ? 40 : (int)word.n_bytes, word.text);
}

/* Statements up to the end of the text, or of the body. */
static pith_status read_graph(pithi_text_reader *reader, pith_graph *graph)
{
    pithi_scan *scan = &reader->scan;
    while (pithi_scan_next_line(scan)) {
        if (*scan->at == '}' && graph->parent) {
            return PITH_OK;
        }
        PITH_TRY(read_statement(reader, graph));
        PITH_TRY(pithi_scan_line_end(scan));
    }
    return graph->parent ? pithi_scan_fail(scan, "a body doesn't end") : PITH_OK;
}

static pith_status read_file(pithi_text_reader *reader)
{
    pithi_scan *scan = &reader->scan;
    pithi_import_info *info = reader->info;
    const char *name = NULL;
    uint64_t n_bytes = 0;
    if (reader->weights) {
        return pithi_scan_fail(scan, "the graph of a package names a file; its weights must lie in the package");
    }
    PITH_TRY(pithi_scan_word(scan, &reader->main->arena, &name));
    PITH_TRY(pithi_scan_u64(scan, &n_bytes));
    PITH_CHECK(reader->ctx, *reader->folder, PITH_STATUS_UNSUPPORTED,
               "line %d: weights are in the file '%.80s', but the text came from memory; load it by file name",
               scan->line, name);
    if (*name == '/' || strstr(name, "..") || strpbrk(name, "\\:")) {
        return pithi_scan_fail(scan, "'%.80s' isn't a path below the folder of the text", name);
    }
    void *files = info->external_files, *locations = info->locations;
    pith_status status = pithi_grow(reader->ctx, &files, &info->external_capacity, info->n_external_files + 1,
                                    sizeof(pithi_file));
    info->external_files = files;
    PITH_TRY(status);
    status = pithi_grow(reader->ctx, &locations, &info->locations_capacity, info->n_external_files + 1, sizeof(char *));
    info->locations = locations;
    PITH_TRY(status);
    pithi_file *file = &info->external_files[info->n_external_files];
    PITH_TRY_AT(reader->ctx, pithi_file_map_below(reader->ctx, reader->folder, name, file), "line %d", scan->line);
    info->locations[info->n_external_files++] = name;
    if (file->n_bytes != n_bytes) {
        return pithi_scan_fail(scan, "file '%.80s' has %zu bytes, not %llu: it has changed", name, file->n_bytes,
                               (unsigned long long)n_bytes);
    }
    return PITH_OK;
}

/* What the model was made from: IR version, operator set, producer. */
static pith_status read_origin(pithi_text_reader *reader)
{
    pithi_import_info *info = reader->info;
    PITH_TRY(pithi_scan_s64(&reader->scan, &info->ir_version));
    PITH_TRY(pithi_scan_s64(&reader->scan, &info->opset));
    return pithi_scan_word(&reader->scan, &reader->main->arena, &info->producer);
}

static pith_status read_text(pithi_text_reader *reader)
{
    pithi_scan *scan = &reader->scan;
    int64_t version = 0;
    scan->at += sizeof HEADER - 1;
    PITH_TRY(pithi_scan_s64(scan, &version));
    PITH_CHECK(reader->ctx, version == 1, PITH_STATUS_UNSUPPORTED,
               "the text has version %lld, this pith reads version 1; use a newer pith", (long long)version);
    PITH_TRY(pithi_scan_line_end(scan));
    for (;;) {
        pithi_word word = pithi_scan_next_line(scan) ? pithi_scan_bare(scan) : (pithi_word){ "", 0 };
        if (pithi_word_is(word, "graph")) {
            break;
        }
        const bool is_file = pithi_word_is(word, "file");
        if (!is_file && !pithi_word_is(word, "origin")) {
            return pithi_scan_fail(scan, "after the first line come file \"NAME\" BYTES, origin IR OPSET \"PRODUCER\" "
                                         "and graph \"NAME\"");
        }
        PITH_TRY((is_file ? read_file : read_origin)(reader));
        PITH_TRY(pithi_scan_line_end(scan));
    }
    PITH_TRY(pithi_scan_word(scan, &reader->main->arena, &reader->main->name));
    PITH_TRY(pithi_scan_line_end(scan));
    return read_graph(reader, reader->main);
}

static pith_status import_text(pithi_text_reader *reader, const void *data, size_t n_bytes, pith_graph **graph_out)
{
    pith_ctx *ctx = reader->ctx;
    pithi_import_info *info = reader->info;
    const char *text = data;
    reader->scan = (pithi_scan){ .ctx = ctx, .at = text, .end = text + n_bytes, .line = 1 };
    info->producer = "";
    pith_status status = pithi_graph_create(ctx, &reader->main);
    if (status == PITH_OK) {
        status = pithi_is_text(data, n_bytes)
                     ? read_text(reader)
                     : pithi_scan_fail(&reader->scan, "the text doesn't begin with 'pith-graph 1'");
    }
    pithi_free(ctx, reader->names.entries);
    if (status != PITH_OK) {
        pithi_add_place(ctx, reader->weights ? "graph of the package" : "import text");
        pithi_import_info_deinit(ctx, info);
        pithi_graph_destroy(reader->main);
        return status;
    }
    info->format = reader->weights ? "pith" : "pith text";
    *graph_out = reader->main;
    return PITH_OK;
}

pith_status pithi_import_text(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pithi_import_info *info, pith_graph **graph_out)
{
    pithi_text_reader reader = { .ctx = ctx, .folder = folder, .info = info };
    return import_text(&reader, data, n_bytes, graph_out);
}

pith_status pithi_import_packed_text(pith_ctx *ctx, const void *data, size_t n_bytes, const pithi_text_weights *weights,
                                     pithi_import_info *info, pith_graph **graph_out)
{
    pithi_text_reader reader = { .ctx = ctx, .folder = "", .info = info, .weights = weights };
    return import_text(&reader, data, n_bytes, graph_out);
}
