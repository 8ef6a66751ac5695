/* SPDX-License-Identifier: Apache-2.0 */
/* Types and data of the text form. */
#include <math.h>

#include "import/text/text.h"

/* ---- types -------------------------------------------------------------------------------- */

static pith_dtype find_dtype(const char *text, size_t n_bytes)
{
    for (int i = 1; i < PITH_DTYPE_COUNT; i++) {
        const char *name = pith_dtype_name((pith_dtype)i);
        if (strlen(name) == n_bytes && memcmp(name, text, n_bytes) == 0) {
            return (pith_dtype)i;
        }
    }
    return PITH_DTYPE_NONE;
}

pith_status pithi_text_dtype(pithi_text_reader *reader, pith_dtype *dtype_out)
{
    pithi_word word = pithi_scan_bare(&reader->scan);
    *dtype_out = find_dtype(word.text, word.n_bytes);
    if (*dtype_out == PITH_DTYPE_NONE && !pithi_word_is(word, "none")) {
        return pithi_scan_fail(&reader->scan, "'%.*s' is no element type (f32, s64, u8, bool and so on)",
                               word.n_bytes > 40 ? 40 : (int)word.n_bytes, word.text);
    }
    return PITH_OK;
}

static pith_status read_dim(pithi_text_reader *reader, pithi_arena *arena, int64_t *dim_out, const char **symbol)
{
    pithi_scan *scan = &reader->scan;
    char next = pithi_scan_peek(scan);
    if (next >= '0' && next <= '9') {
        PITH_TRY(pithi_scan_s64(scan, dim_out));
        return PITH_OK;
    }
    *dim_out = -1;
    if (!symbol) {
        return pithi_scan_fail(scan, "a dimension must be a number here");
    }
    return pithi_scan_take(scan, '?') ? PITH_OK : pithi_scan_word(scan, arena, symbol);
}

pith_status pithi_text_shape(pithi_text_reader *reader, pithi_arena *arena, pith_shape *shape_out, const char **symbols)
{
    pithi_scan *scan = &reader->scan;
    *shape_out = (pith_shape){ 0 };
    PITH_TRY(pithi_scan_expect(scan, '['));
    while (pithi_scan_peek(scan) != ']') {
        int at = shape_out->rank;
        if (at > 0) {
            PITH_TRY(pithi_scan_expect(scan, ','));
        }
        if (at == PITH_MAX_RANK) {
            return pithi_scan_fail(scan, "a shape has more than %d dimensions", PITH_MAX_RANK);
        }
        PITH_TRY(read_dim(reader, arena, &shape_out->dims[at], symbols ? &symbols[at] : NULL));
        shape_out->rank++;
    }
    return pithi_scan_expect(scan, ']');
}

pith_status pithi_text_object_type(pithi_text_reader *reader, pithi_arena *arena, const char *text,
                                   const pith_type **type_out)
{
    static const char *const names[] = { "tensor(", "seq(", "optional(", "map(" };
    *type_out = NULL;
    for (int depth = 0;; depth++) {
        void *block = NULL;
        int kind = 0;
        while (kind < PITH_COUNT(names) && strncmp(text, names[kind], strlen(names[kind])) != 0) {
            kind++;
        }
        if (kind == PITH_COUNT(names) || depth == PITH_MAX_TYPE_DEPTH) {
            return pithi_scan_fail(&reader->scan, "'%.60s' is no type such as seq(tensor(f32)), or nested too deep",
                                   text);
        }
        text += strlen(names[kind]);
        PITH_TRY(pithi_arena_alloc(arena, sizeof(pith_type), &block));
        pith_type *type = block;
        type->kind = (pith_kind)kind;
        *type_out = type;
        type_out = &type->element;
        if (type->kind == PITH_KIND_TENSOR || type->kind == PITH_KIND_MAP) {
            size_t n_bytes = strcspn(text, ",)");
            type->dtype = find_dtype(text, n_bytes);
            text += n_bytes + (type->kind == PITH_KIND_MAP && text[n_bytes] == ',');
            if (type->dtype == PITH_DTYPE_NONE || type->dtype == PITH_DTYPE_OBJECT) {
                return pithi_scan_fail(&reader->scan, "a type has no element type in front of '%.60s'", text);
            }
        }
        if (type->kind == PITH_KIND_TENSOR) {
            bool closes = strspn(text, ")") == strlen(text) && strlen(text) == (size_t)depth + 1;
            return closes ? PITH_OK : pithi_scan_fail(&reader->scan, "the brackets of a type don't match");
        }
    }
}

pith_status pithi_text_type(pithi_text_reader *reader, pithi_arena *arena, pith_value *value)
{
    pithi_scan *scan = &reader->scan;
    const char *text = NULL;
    if (!pithi_scan_take(scan, ':')) {
        return PITH_OK;
    }
    if (pithi_scan_peek(scan) == '"') {
        PITH_TRY(pithi_scan_word(scan, arena, &text));
        PITH_TRY(pithi_text_object_type(reader, arena, text, &value->type));
        value->dtype = PITH_DTYPE_OBJECT;
    } else {
        PITH_TRY(pithi_text_dtype(reader, &value->dtype));
    }
    if (pithi_scan_peek(scan) == '[') {
        PITH_TRY(pithi_text_shape(reader, arena, &value->shape, value->symbols));
        value->has_shape = true;
    }
    return PITH_OK;
}

/* ---- data --------------------------------------------------------------------------------- */

static pith_status check_range(pithi_text_reader *reader, pith_dtype dtype, int64_t value)
{
    unsigned bits = pith_dtype_bits(dtype);
    bool is_signed = dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_S16 || dtype == PITH_DTYPE_S32 ||
                     dtype == PITH_DTYPE_S64;
    int64_t high = dtype == PITH_DTYPE_BOOL ? 1 : bits == 64 ? INT64_MAX
                                                             : ((int64_t)1 << (bits - is_signed)) - 1;
    int64_t low = is_signed ? -high - 1 : 0;
    if (value < low || value > high) {
        return pithi_scan_fail(&reader->scan, "%lld doesn't fit %s", (long long)value, pith_dtype_name(dtype));
    }
    return PITH_OK;
}

static pith_status read_number(pithi_text_reader *reader, pith_tensor *tensor, int64_t index)
{
    double number = 0.0;
    int64_t whole = 0;
    if (tensor->dtype == PITH_DTYPE_U64) {
        return pithi_scan_u64(&reader->scan, (uint64_t *)tensor->data + index);
    }
    if (pithi_dtype_is_integer(tensor->dtype) || tensor->dtype == PITH_DTYPE_BOOL) {
        PITH_TRY(pithi_scan_s64(&reader->scan, &whole));
        PITH_TRY(check_range(reader, tensor->dtype, whole));
        pithi_tensor_set_s64(tensor, index, whole);
        return PITH_OK;
    }
    PITH_TRY(pithi_scan_f64(&reader->scan, &number));
    pithi_tensor_set_f64(tensor, index, number);
    return PITH_OK;
}

static pith_status read_items(pithi_text_reader *reader, pith_graph *graph, pith_tensor *tensor)
{
    pithi_scan *scan = &reader->scan;
    int64_t count = pith_shape_elements(&tensor->shape), i = 0;
    PITH_TRY(pithi_scan_expect(scan, '{'));
    for (; pithi_scan_peek(scan) != '}'; i++) {
        if (i > 0) {
            PITH_TRY(pithi_scan_expect(scan, ','));
        }
        if (i == count) {
            return pithi_scan_fail(scan, "the shape has %lld elements, more are given", (long long)count);
        }
        if (tensor->dtype == PITH_DTYPE_STRING) {
            pith_string *string = (pith_string *)tensor->data + i;
            PITH_TRY(pithi_scan_quoted(scan, &graph->arena, &string->data, &string->n_bytes));
        } else {
            PITH_TRY(read_number(reader, tensor, i));
        }
    }
    if (i < count) {
        return pithi_scan_fail(scan, "the shape has %lld elements, %lld are given", (long long)count, (long long)i);
    }
    return pithi_scan_expect(scan, '}');
}

pith_status pithi_text_check_bools(const pithi_text_reader *reader, const pith_tensor *tensor, size_t n_bytes)
{
    const unsigned char *data = tensor->data;
    for (size_t i = 0; tensor->dtype == PITH_DTYPE_BOOL && i < n_bytes; i++) {
        if (data[i] > 1) {
            return pithi_scan_fail(&reader->scan, "element %zu of a bool tensor is %d, not 0 or 1", i, data[i]);
        }
    }
    return PITH_OK;
}

static pith_status read_hex(pithi_text_reader *reader, pith_tensor *tensor, size_t n_bytes)
{
    pithi_scan *scan = &reader->scan;
    unsigned char *data = tensor->data;
    pithi_scan_blanks(scan);
    size_t n_digits = 0;
    for (; scan->at < scan->end && n_digits < 2 * n_bytes; n_digits++, scan->at++) {
        char c = *scan->at;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            break;
        }
        data[n_digits / 2] = (unsigned char)(data[n_digits / 2] << 4 | digit);
    }
    if (n_digits < 2 * n_bytes) {
        return pithi_scan_fail(scan, "dtype and shape want %zu bytes, %zu hexadecimal digits are given", n_bytes,
                               n_digits);
    }
    return pithi_text_check_bools(reader, tensor, n_bytes);
}

pith_status pithi_text_data(pithi_text_reader *reader, pith_graph *graph, pith_tensor *tensor)
{
    pithi_scan *scan = &reader->scan;
    size_t n_bytes = 0;
    if (tensor->dtype == PITH_DTYPE_OBJECT || tensor->dtype == PITH_DTYPE_NONE) {
        return pithi_scan_fail(scan, "a constant needs an element type, and can't be an object");
    }
    PITH_TRY(pithi_shape_check(reader->ctx, &tensor->shape, tensor->dtype, &n_bytes));
    if (pithi_scan_take(scan, '@')) {
        return tensor->dtype == PITH_DTYPE_STRING ? pithi_scan_fail(scan, "strings can't stand in a file")
                                                  : pithi_text_place(reader, graph, tensor, n_bytes);
    }
    bool is_list = pithi_scan_peek(scan) == '{';
    /* What is claimed must be there: two characters an element, or two digits a byte. */
    size_t left = (size_t)(scan->end - scan->at);
    size_t wanted = is_list ? (size_t)pith_shape_elements(&tensor->shape) : n_bytes;
    if (wanted > left) {
        return pithi_scan_fail(scan, "the shape has more elements than the rest of the text has characters");
    }
    PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes + !n_bytes, &tensor->data));
    if (is_list) {
        bool has_numbers = pith_dtype_bytes(tensor->dtype) > 0 && tensor->dtype != PITH_DTYPE_C64 &&
                           tensor->dtype != PITH_DTYPE_C128;
        return has_numbers ? read_items(reader, graph, tensor)
                           : pithi_scan_fail(scan, "elements of %s are written as bytes (hex ...)",
                                             pith_dtype_name(tensor->dtype));
    }
    if (!pithi_word_is(pithi_scan_bare(scan), "hex") || tensor->dtype == PITH_DTYPE_STRING) {
        return pithi_scan_fail(scan, "data is {1,2,3}, {\"text\"}, hex 00ff..., or @FILE:OFFSET #HASH");
    }
    return read_hex(reader, tensor, n_bytes);
}
