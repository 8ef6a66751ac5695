/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/sample.h"

#include <stdlib.h>

#define MAX_OPERANDS 16

typedef struct reader {
    pith_ctx *ctx;
    const char *at;
} reader;

static void skip_spaces(reader *in)
{
    while (*in->at == ' ') {
        in->at++;
    }
}

static bool take(reader *in, char wanted)
{
    if (*in->at != wanted) {
        return false;
    }
    in->at++;
    return true;
}

static double read_number(reader *in)
{
    char *end = NULL;
    double number = strtod(in->at, &end);
    in->at = end > in->at ? end : in->at + (*in->at != '\0'); /* never stands still */
    return number;
}

static pith_status read_word(reader *in, const char *stops, char *word, size_t capacity)
{
    size_t n_bytes = strcspn(in->at, stops);
    PITH_CHECK(in->ctx, n_bytes < capacity, PITH_STATUS_FORMAT, "sample: word too long at '%s'", in->at);
    memcpy(word, in->at, n_bytes);
    word[n_bytes] = '\0';
    in->at += n_bytes;
    return PITH_OK;
}

static pith_status read_dtype(reader *in, pith_dtype *dtype_out)
{
    char word[16];
    PITH_TRY(read_word(in, "[ |{", word, sizeof word));
    for (int dtype = PITH_DTYPE_NONE + 1; dtype < PITH_DTYPE_COUNT; dtype++) {
        if (pithi_same_text(pith_dtype_name((pith_dtype)dtype), word)) {
            *dtype_out = (pith_dtype)dtype;
            return PITH_OK;
        }
    }
    PITH_FAIL(in->ctx, PITH_STATUS_FORMAT, "sample: unknown dtype '%s'", word);
}

static pith_status read_shape(reader *in, pith_shape *shape)
{
    *shape = (pith_shape){ 0 };
    PITH_CHECK(in->ctx, take(in, '['), PITH_STATUS_FORMAT, "sample: '[' expected at '%s'", in->at);
    while (!take(in, ']')) {
        PITH_CHECK(in->ctx, *in->at && shape->rank < PITH_MAX_RANK, PITH_STATUS_FORMAT, "sample: bad shape");
        shape->dims[shape->rank++] = (int64_t)read_number(in);
        take(in, ',');
    }
    return PITH_OK;
}

/* One word as a string; its text lives in the graph's arena. */
static pith_status read_string(reader *in, pith_graph *graph, const char *stops, pith_string *string)
{
    char word[64];
    PITH_TRY(read_word(in, stops, word, sizeof word));
    string->n_bytes = strlen(word);
    return pithi_arena_text(&graph->arena, word, string->n_bytes, &string->data);
}

static pith_status read_values(reader *in, pith_graph *graph, pith_dtype dtype, const pith_shape *shape,
                               double *low, double *high, pith_value **value_out)
{
    const char *start = in->at;
    *low = dtype == PITH_DTYPE_STRING ? 0.0 : read_number(in);
    if (dtype != PITH_DTYPE_STRING && take(in, ':')) {
        *high = read_number(in);
        PITH_CHECK(in->ctx, take(in, '}'), PITH_STATUS_FORMAT, "sample: '}' expected at '%s'", in->at);
        return PITH_OK;
    }
    in->at = start;
    pith_tensor tensor;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, shape, &tensor, value_out));
    int64_t count = pith_shape_elements(shape);
    int64_t i = 0;
    for (; !take(in, '}') && *in->at; i++) {
        if (dtype == PITH_DTYPE_STRING) {
            pith_string unused;
            PITH_TRY(read_string(in, graph, ",}", i < count ? (pith_string *)tensor.data + i : &unused));
            take(in, ',');
            continue;
        }
        double value = read_number(in);
        if (i < count) {
            pithi_tensor_set_f64(&tensor, i, value);
        }
        take(in, ',');
    }
    PITH_CHECK(in->ctx, i == count || count == 0, PITH_STATUS_FORMAT, "sample: %lld values for %lld elements",
               (long long)i, (long long)count);
    return PITH_OK;
}

static pith_status read_input(reader *in, pith_graph *graph, double *low, double *high, pith_value **value_out);

/* A map from its keys and its values, tensors of rank 1. */
static pith_status make_map(reader *in, pith_graph *graph, const pith_tensor parts[2], pith_object *map)
{
    void *type = NULL, *items = NULL;
    const size_t n_items = (size_t)parts[0].shape.dims[0], n_bytes = pith_dtype_bytes(parts[1].dtype);
    PITH_CHECK(in->ctx, pith_shape_equal(&parts[0].shape, &parts[1].shape) && parts[0].shape.rank == 1,
               PITH_STATUS_FORMAT, "sample: keys and values of a map must be lists of one length");
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_type), &type));
    PITH_TRY(pithi_arena_array(&graph->arena, n_items, sizeof(pith_tensor), &items));
    for (size_t i = 0; i < n_items; i++) {
        ((pith_tensor *)items)[i] = (pith_tensor){ .dtype = parts[1].dtype,
                                                   .data = (char *)parts[1].data + i * n_bytes };
    }
    *(pith_type *)type = (pith_type){ PITH_KIND_MAP, parts[0].dtype, pith_type_tensor(parts[1].dtype) };
    *map = (pith_object){ .type = type, .n_items = n_items, .items = items, .keys = parts[0] };
    return PITH_OK;
}

/* "seq:f32{f32[2]{1,2} f32[1]{3}}": a sequence or an optional of constants, or a map of keys and values. */
static pith_status read_object(reader *in, pith_graph *graph, pith_value **value_out)
{
    bool is_sequence = *in->at == 's', is_map = *in->at == 'm';
    void *object = NULL, *items = NULL;
    pith_dtype dtype;
    pith_tensor handle;
    pith_shape scalar = { 0 };
    in->at += 4;
    PITH_TRY(read_dtype(in, &dtype));
    PITH_CHECK(in->ctx, take(in, '{'), PITH_STATUS_FORMAT, "sample: '{' expected at '%s'", in->at);
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_object), &object));
    PITH_TRY(pithi_arena_array(&graph->arena, MAX_OPERANDS, sizeof(pith_tensor), &items));
    size_t n_items = 0;
    for (skip_spaces(in); !take(in, '}'); skip_spaces(in)) {
        double low, high;
        pith_value *item = NULL;
        PITH_TRY(read_input(in, graph, &low, &high, &item));
        PITH_CHECK(in->ctx, item && item->constant && n_items < MAX_OPERANDS, PITH_STATUS_FORMAT,
                   "sample: an item needs values");
        ((pith_tensor *)items)[n_items++] = *item->constant;
    }
    *(pith_object *)object = (pith_object){ .type = is_sequence ? pith_type_sequence(dtype) : pith_type_optional(dtype),
                                            .n_items = n_items, .items = items };
    if (is_map) {
        PITH_CHECK(in->ctx, n_items == 2, PITH_STATUS_FORMAT, "sample: a map needs keys and values");
        PITH_TRY(make_map(in, graph, items, object));
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_OBJECT, &scalar, &handle, value_out));
    *(pith_handle *)handle.data = (pith_handle){ object, 0 };
    return PITH_OK;
}

static pith_status read_input(reader *in, pith_graph *graph, double *low, double *high, pith_value **value_out)
{
    pith_dtype dtype = PITH_DTYPE_NONE;
    pith_shape shape;
    *value_out = NULL;
    if (take(in, '-')) {
        return PITH_OK;
    }
    if (strncmp(in->at, "seq:", 4) == 0 || strncmp(in->at, "opt:", 4) == 0 || strncmp(in->at, "map:", 4) == 0) {
        return read_object(in, graph, value_out);
    }
    PITH_TRY(read_dtype(in, &dtype));
    PITH_TRY(read_shape(in, &shape));
    *low = pithi_dtype_is_float(dtype) ? -2.0 : 0.0;
    *high = pithi_dtype_is_float(dtype) ? 2.0 : dtype == PITH_DTYPE_BOOL ? 2.0 : 100.0;
    if (take(in, '{')) {
        PITH_TRY(read_values(in, graph, dtype, &shape, low, high, value_out));
    }
    if (!*value_out) {
        PITH_TRY(pithi_graph_add_value(graph, NULL, value_out));
        (*value_out)->dtype = dtype;
        (*value_out)->shape = shape;
        (*value_out)->has_shape = true;
        PITH_TRY(pithi_graph_add_input(graph, *value_out));
    }
    return PITH_OK;
}

static pith_status read_list(reader *in, pith_graph *graph, bool is_float, void *field)
{
    double numbers[64];
    int n_items = 0;
    PITH_CHECK(in->ctx, take(in, '['), PITH_STATUS_FORMAT, "sample: '[' expected at '%s'", in->at);
    while (!take(in, ']')) {
        PITH_CHECK(in->ctx, *in->at && n_items < PITH_COUNT(numbers), PITH_STATUS_FORMAT, "sample: bad list");
        numbers[n_items++] = read_number(in);
        take(in, ',');
    }
    void *items = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_items, 8, &items));
    for (int i = 0; i < n_items; i++) {
        if (is_float) {
            ((float *)items)[i] = (float)numbers[i];
        } else {
            ((int64_t *)items)[i] = (int64_t)numbers[i];
        }
    }
    if (is_float) {
        *(pith_floats *)field = (pith_floats){ items, n_items };
    } else {
        *(pith_ints *)field = (pith_ints){ items, n_items };
    }
    return PITH_OK;
}

static pith_status find_choice(reader *in, const pith_attr_spec *spec, const char *word, int64_t *index_out)
{
    for (int k = 0; spec->choices[k]; k++) {
        if (pithi_same_text(spec->choices[k], word)) {
            *index_out = k;
            return PITH_OK;
        }
    }
    PITH_FAIL(in->ctx, PITH_STATUS_FORMAT, "sample: '%s' has no choice '%s'", spec->name, word);
}

static pith_status read_choices(reader *in, pith_graph *graph, const pith_attr_spec *spec, pith_ints *field)
{
    int64_t indices[64];
    int n_items = 0;
    char word[48];
    PITH_CHECK(in->ctx, take(in, '['), PITH_STATUS_FORMAT, "sample: '[' expected at '%s'", in->at);
    while (!take(in, ']')) {
        PITH_CHECK(in->ctx, *in->at && n_items < PITH_COUNT(indices), PITH_STATUS_FORMAT, "sample: bad list");
        PITH_TRY(read_word(in, ",] |", word, sizeof word));
        PITH_TRY(find_choice(in, spec, word, &indices[n_items]));
        n_items++;
        take(in, ',');
    }
    void *items = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_items, sizeof *indices, &items));
    memcpy(items, indices, (size_t)n_items * sizeof *indices);
    *field = (pith_ints){ items, n_items };
    return PITH_OK;
}

static pith_status read_strings(reader *in, pith_graph *graph, pith_strings *field)
{
    pith_string strings[64];
    int n_items = 0;
    void *items = NULL;
    PITH_CHECK(in->ctx, take(in, '['), PITH_STATUS_FORMAT, "sample: '[' expected at '%s'", in->at);
    while (!take(in, ']')) {
        PITH_CHECK(in->ctx, *in->at && n_items < PITH_COUNT(strings), PITH_STATUS_FORMAT, "sample: bad list");
        PITH_TRY(read_string(in, graph, ",]", &strings[n_items++]));
        take(in, ',');
    }
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_items, sizeof *strings, &items));
    memcpy(items, strings, (size_t)n_items * sizeof *strings);
    *field = (pith_strings){ items, n_items };
    return PITH_OK;
}

/* A tensor with its values, "f32[2]{1,2}". */
static pith_status read_tensor(reader *in, pith_graph *graph, const pith_tensor **field)
{
    double low = 0, high = 0;
    pith_value *value = NULL;
    PITH_TRY(read_input(in, graph, &low, &high, &value));
    PITH_CHECK(in->ctx, value && value->constant, PITH_STATUS_FORMAT, "sample: a tensor attribute needs values");
    *field = value->constant;
    return PITH_OK;
}

static pith_status read_attr(reader *in, pith_graph *graph, const pith_op *op, void *attrs)
{
    char name[48], word[48];
    PITH_TRY(read_word(in, "= |", name, sizeof name));
    PITH_CHECK(in->ctx, take(in, '='), PITH_STATUS_FORMAT, "sample: '=' expected after '%s'", name);
    for (int i = 0; i < op->head.n_attrs; i++) {
        const pith_attr_spec *spec = &op->head.attrs[i];
        void *field = (char *)attrs + spec->offset;
        if (!pithi_same_text(spec->name, name)) {
            continue;
        }
        switch (spec->kind) {
        case PITH_ATTR_KIND_INT: *(int64_t *)field = (int64_t)read_number(in); return PITH_OK;
        case PITH_ATTR_KIND_FLOAT: *(float *)field = (float)read_number(in); return PITH_OK;
        case PITH_ATTR_KIND_INTS: return read_list(in, graph, false, field);
        case PITH_ATTR_KIND_FLOATS: return read_list(in, graph, true, field);
        case PITH_ATTR_KIND_CHOICE:
            PITH_TRY(read_word(in, " |", word, sizeof word));
            return find_choice(in, spec, word, field);
        case PITH_ATTR_KIND_CHOICES: return read_choices(in, graph, spec, field);
        case PITH_ATTR_KIND_STRING:
            PITH_TRY(read_word(in, " |", word, sizeof word));
            return pithi_arena_text(&graph->arena, word, strlen(word), field);
        case PITH_ATTR_KIND_TENSOR: return read_tensor(in, graph, field);
        case PITH_ATTR_KIND_STRINGS: return read_strings(in, graph, field);
        case PITH_ATTR_KIND_TYPE: { /* of a sequence of tensors of this dtype */
            pith_dtype dtype;
            PITH_TRY(read_dtype(in, &dtype));
            *(const pith_type **)field = pith_type_sequence(dtype);
            return PITH_OK;
        }
        }
    }
    PITH_FAIL(in->ctx, PITH_STATUS_FORMAT, "sample: unknown attribute '%s'", name);
}

static pith_status parse_into(pith_ctx *ctx, const pith_op *op, const char *text, pith_sample *sample)
{
    reader in = { ctx, text };
    pith_value *inputs[MAX_OPERANDS], *outputs[MAX_OPERANDS];
    int n_inputs = 0, n_outputs = 0;
    for (skip_spaces(&in); *in.at && *in.at != '|'; skip_spaces(&in)) {
        PITH_CHECK(ctx, n_inputs < MAX_OPERANDS, PITH_STATUS_FORMAT, "sample: more than %d inputs", MAX_OPERANDS);
        PITH_TRY(read_input(&in, sample->graph, &sample->low[n_inputs], &sample->high[n_inputs], &inputs[n_inputs]));
        n_inputs++;
    }
    const char *last_bar = strrchr(text, '|');
    bool has_count = last_bar && last_bar != strchr(text, '|');
    for (int i = 0; i < op->n_outputs; i++) {
        n_outputs += op->outputs[i].arity != PITH_OPTIONAL;
    }
    n_outputs = has_count ? atoi(last_bar + 1) : n_outputs;
    PITH_CHECK(ctx, n_outputs > 0 && n_outputs <= MAX_OPERANDS, PITH_STATUS_FORMAT, "sample: bad number of outputs");
    for (int i = 0; i < n_outputs; i++) {
        PITH_TRY(pithi_graph_add_value(sample->graph, NULL, &outputs[i]));
        PITH_TRY(pithi_graph_add_output(sample->graph, outputs[i]));
    }
    PITH_TRY(pithi_graph_insert_node(sample->graph, NULL, op, "sample", inputs, n_inputs, outputs, n_outputs,
                                     &sample->node));
    if (take(&in, '|')) {
        for (skip_spaces(&in); *in.at && *in.at != '|'; skip_spaces(&in)) {
            PITH_TRY(read_attr(&in, sample->graph, op, sample->node->attrs));
        }
    }
    return PITH_OK;
}

pith_status pithi_sample_parse(pith_ctx *ctx, const pith_op *op, const char *text, pith_sample *sample)
{
    *sample = (pith_sample){ 0 };
    PITH_TRY(pithi_graph_create(ctx, &sample->graph));
    pith_status status = parse_into(ctx, op, text, sample);
    if (status != PITH_OK) {
        pithi_add_place(ctx, "operator %s, sample \"%s\"", op->head.name, text);
        pithi_graph_destroy(sample->graph);
        sample->graph = NULL;
    }
    return status;
}
