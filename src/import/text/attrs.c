/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of the text form, through the tables of the operators. */
#include "import/text/text.h"

#include "graph/attrs.h"
#include "ops/op.h"

static pith_status read_choice(pithi_text_reader *reader, const pith_attr_spec *spec, int64_t *index_out)
{
    const char *text = NULL;
    PITH_TRY(pithi_scan_word(&reader->scan, &reader->main->arena, &text));
    for (int k = 0; spec->choices[k]; k++) {
        if (pithi_same_text(spec->choices[k], text)) {
            *index_out = k;
            return PITH_OK;
        }
    }
    return pithi_scan_fail(&reader->scan, "attribute '%s' is '%.60s', none of the known values ('%s', ...)", spec->name,
                           text, spec->choices[0]);
}

static pith_status read_item(pithi_text_reader *reader, pithi_arena *arena, const pith_attr_spec *spec, void *item)
{
    pith_string *string = item;
    double number = 0.0;
    switch (spec->kind) {
    case PITH_ATTR_KIND_INTS: return pithi_scan_s64(&reader->scan, item);
    case PITH_ATTR_KIND_CHOICES: return read_choice(reader, spec, item);
    case PITH_ATTR_KIND_STRINGS: return pithi_scan_quoted(&reader->scan, arena, &string->data, &string->n_bytes);
    default:
        PITH_TRY(pithi_scan_f64(&reader->scan, &number));
        *(float *)item = (float)number;
        return PITH_OK;
    }
}

static size_t item_bytes_of(pith_attr_kind kind)
{
    return kind == PITH_ATTR_KIND_FLOATS ? sizeof(float) : kind == PITH_ATTR_KIND_STRINGS ? sizeof(pith_string) : 8;
}

/* All lists are a pointer and a number. */
static pith_status read_list(pithi_text_reader *reader, pithi_arena *arena, const pith_attr_spec *spec, void *field)
{
    pithi_scan *scan = &reader->scan;
    size_t item_bytes = item_bytes_of(spec->kind), capacity = 0, count = 0;
    void *items = NULL, *kept = NULL;
    pith_status status = pithi_scan_expect(scan, '[');
    while (status == PITH_OK && pithi_scan_peek(scan) != ']') {
        status = count > 0 ? pithi_scan_expect(scan, ',') : PITH_OK;
        status = status == PITH_OK ? pithi_grow(reader->ctx, &items, &capacity, count + 1, item_bytes) : status;
        status = status == PITH_OK ? read_item(reader, arena, spec, (char *)items + count++ * item_bytes) : status;
    }
    status = status == PITH_OK ? pithi_scan_expect(scan, ']') : status;
    if (status == PITH_OK && count >= INT32_MAX) {
        status = pithi_scan_fail(scan, "a list has %zu items", count);
    }
    status = status == PITH_OK ? pithi_arena_array(arena, count, item_bytes, &kept) : status;
    if (status == PITH_OK) {
        if (count > 0) {
            memcpy(kept, items, count * item_bytes);
        }
        *(pith_ints *)field = (pith_ints){ kept, (int)count };
    }
    pithi_free(reader->ctx, items);
    return status;
}

static pith_status read_tensor(pithi_text_reader *reader, pith_graph *graph, const pith_tensor **field)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_tensor), &block));
    pith_tensor *tensor = block;
    PITH_TRY(pithi_text_dtype(reader, &tensor->dtype));
    PITH_TRY(pithi_text_shape(reader, &graph->arena, &tensor->shape, NULL));
    PITH_TRY(pithi_scan_expect(&reader->scan, '='));
    PITH_TRY(pithi_text_data(reader, graph, tensor));
    *field = tensor;
    return PITH_OK;
}

static pith_status read_attr(pithi_text_reader *reader, pith_graph *graph, const pith_attr_spec *spec, void *field)
{
    pithi_scan *scan = &reader->scan;
    const char *text = NULL;
    double number = 0.0;
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT:
        PITH_TRY(pithi_scan_s64(scan, field));
        return pithi_attr_check_int(graph->ctx, spec, *(const int64_t *)field);
    case PITH_ATTR_KIND_CHOICE: return read_choice(reader, spec, field);
    case PITH_ATTR_KIND_TENSOR: return read_tensor(reader, graph, field);
    case PITH_ATTR_KIND_STRING: return pithi_scan_word(scan, &graph->arena, field);
    case PITH_ATTR_KIND_FLOAT:
        PITH_TRY(pithi_scan_f64(scan, &number));
        *(float *)field = (float)number;
        return PITH_OK;
    case PITH_ATTR_KIND_TYPE:
        PITH_TRY(pithi_scan_word(scan, &graph->arena, &text));
        return pithi_text_object_type(reader, &graph->arena, text, field);
    default: return read_list(reader, &graph->arena, spec, field);
    }
}

/* "!name=...": where the node comes from. */
static pith_status read_origin(pithi_text_reader *reader, pith_graph *graph, pith_node *node)
{
    pithi_scan *scan = &reader->scan;
    pithi_word key = pithi_scan_bare(scan);
    int64_t number = 0;
    PITH_TRY(pithi_scan_expect(scan, '='));
    if (pithi_word_is(key, "name")) {
        return pithi_scan_word(scan, &graph->arena, &node->name);
    }
    if (pithi_word_is(key, "source")) {
        return pithi_scan_word(scan, &graph->arena, &node->source_op);
    }
    if (pithi_word_is(key, "reason") && !node->op) {
        return pithi_scan_word(scan, &graph->arena, &node->unsupported);
    }
    bool is_opset = pithi_word_is(key, "opset");
    if (!is_opset && !pithi_word_is(key, "since")) {
        return pithi_scan_fail(scan, "'!%.*s' is none of !name, !source, !opset, !since, !reason",
                               key.n_bytes > 40 ? 40 : (int)key.n_bytes, key.text);
    }
    PITH_TRY(pithi_scan_s64(scan, &number));
    if (number < 0 || number > INT32_MAX) {
        return pithi_scan_fail(scan, "version %lld is out of range", (long long)number);
    }
    *(is_opset ? &node->source_opset : &node->source_since) = (int)number;
    return PITH_OK;
}

static const pith_attr_spec *find_attr(const pith_node *node, pithi_word name)
{
    const pith_op_head *head = node->op ? pithi_op_head(node->op) : NULL;
    for (int i = 0; head && i < head->n_attrs; i++) {
        if (pithi_word_is(name, head->attrs[i].name)) {
            return &head->attrs[i];
        }
    }
    return NULL;
}

static pith_status check_required(pithi_text_reader *reader, const pith_node *node)
{
    const pith_op_head *head = node->op ? pithi_op_head(node->op) : NULL;
    for (int i = 0; head && i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        bool is_pointer = spec->kind == PITH_ATTR_KIND_STRING || spec->kind == PITH_ATTR_KIND_TENSOR;
        if (spec->is_required && is_pointer && !*(void **)((char *)node->attrs + spec->offset)) {
            return pithi_scan_fail(&reader->scan, "attribute '%s' of %s is missing", spec->name, head->name);
        }
    }
    return PITH_OK;
}

pith_status pithi_text_attrs(pithi_text_reader *reader, pith_graph *graph, pith_node *node)
{
    pithi_scan *scan = &reader->scan;
    for (;;) {
        char next = pithi_scan_peek(scan);
        if (next == '\0' || next == '\n' || next == '{') {
            return check_required(reader, node);
        }
        if (pithi_scan_take(scan, '!')) {
            PITH_TRY(read_origin(reader, graph, node));
            continue;
        }
        pithi_word name = pithi_scan_bare(scan);
        const pith_attr_spec *spec = find_attr(node, name);
        if (!spec) {
            return pithi_scan_fail(scan, "%s has no attribute '%.*s'", node->source_op,
                                   name.n_bytes > 60 ? 60 : (int)name.n_bytes, name.text);
        }
        PITH_TRY(pithi_scan_expect(scan, '='));
        PITH_TRY(read_attr(reader, graph, spec, (char *)node->attrs + spec->offset));
    }
}
