/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's array file: magic, version, a Python dictionary as text, elements. */
#include <ctype.h>

#include "file.h"

static const char magic[6] = { '\x93', 'N', 'U', 'M', 'P', 'Y' };

static const struct {
    const char *code; /* kind and bytes, as in "<f4" without the byte order */
    pith_dtype dtype;
} types[] = {
    { "f4", PITH_DTYPE_F32 }, { "f2", PITH_DTYPE_F16 }, { "f8", PITH_DTYPE_F64 }, { "i1", PITH_DTYPE_S8 },
    { "u1", PITH_DTYPE_U8 }, { "i2", PITH_DTYPE_S16 }, { "u2", PITH_DTYPE_U16 }, { "i4", PITH_DTYPE_S32 },
    { "u4", PITH_DTYPE_U32 }, { "i8", PITH_DTYPE_S64 }, { "u8", PITH_DTYPE_U64 }, { "b1", PITH_DTYPE_BOOL },
    { "c8", PITH_DTYPE_C64 }, { "c16", PITH_DTYPE_C128 },
};

typedef struct npy_header {
    pith_dtype dtype;
    bool is_big_endian, is_fortran;
    pith_shape shape;
} npy_header;

/* Text between the header's `at` and `end`; moves over blanks. */
static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at)) {
        at++;
    }
    return at;
}

/* The value of a key, or NULL. Keys are quoted and can't occur inside of values that numpy writes. */
static const char *find_value(const char *text, const char *end, const char *key)
{
    size_t n_key = strlen(key);
    for (const char *at = text; at + n_key + 2 < end; at++) {
        if ((at[0] == '\'' || at[0] == '"') && memcmp(at + 1, key, n_key) == 0 && at[n_key + 1] == at[0]) {
            at = skip_blanks(at + n_key + 2, end);
            return at < end && *at == ':' ? skip_blanks(at + 1, end) : NULL;
        }
    }
    return NULL;
}

static pith_status parse_descr(const char *at, const char *end, npy_header *header)
{
    CLI_CHECK(at && end - at >= 5 && (*at == '\'' || *at == '"'), PITH_STATUS_FORMAT,
              "npy: the header has no plain 'descr'; structured arrays can't be read");
    char order = at[1];
    for (int i = 0; i < CLI_COUNT(types); i++) {
        const size_t n_code = strlen(types[i].code);
        bool is_it = end - at >= (ptrdiff_t)(n_code + 3) && memcmp(types[i].code, at + 2, n_code) == 0 &&
                     at[n_code + 2] == *at;
        if (is_it && strchr("<>|=", order)) {
            header->dtype = types[i].dtype;
            header->is_big_endian = order == '>';
            return PITH_OK;
        }
    }
    int n_shown = 2; /* with both quotes */
    while (n_shown < 12 && n_shown < end - at && at[n_shown - 1] != *at) {
        n_shown++;
    }
    return cli_fail(PITH_STATUS_DTYPE, "npy: element type %.*s has no counterpart in pith", n_shown, at);
}

static pith_status parse_shape(const char *at, const char *end, npy_header *header)
{
    CLI_CHECK(at && at < end && *at == '(', PITH_STATUS_FORMAT, "npy: the header has no 'shape' in brackets");
    at = skip_blanks(at + 1, end);
    while (at < end && *at != ')') {
        int64_t size = 0;
        int n_digits = 0;
        for (; at < end && isdigit((unsigned char)*at); at++, n_digits++) {
            CLI_CHECK(n_digits < 18, PITH_STATUS_LIMIT, "npy: a dimension is too large");
            size = size * 10 + (*at - '0');
        }
        CLI_CHECK(n_digits > 0, PITH_STATUS_FORMAT, "npy: 'shape' holds something else than whole numbers");
        CLI_CHECK(header->shape.rank < PITH_MAX_RANK, PITH_STATUS_LIMIT, "npy: more than %d dimensions",
                  PITH_MAX_RANK);
        header->shape.dims[header->shape.rank++] = size;
        at = skip_blanks(at, end);
        if (at < end && *at == ',') {
            at = skip_blanks(at + 1, end);
        }
    }
    CLI_CHECK(at < end, PITH_STATUS_FORMAT, "npy: 'shape' has no end");
    return PITH_OK;
}

static pith_status parse_header(const uint8_t *data, size_t n_bytes, npy_header *header, size_t *start_out)
{
    CLI_CHECK(n_bytes >= 10 && memcmp(data, magic, sizeof magic) == 0, PITH_STATUS_FORMAT,
              "npy: not a numpy array file");
    int n_length = data[6] == 1 ? 2 : 4;
    CLI_CHECK(data[6] >= 1 && data[6] <= 3, PITH_STATUS_UNSUPPORTED, "npy: version %d is unknown", data[6]);
    CLI_CHECK(n_bytes >= 8 + (size_t)n_length, PITH_STATUS_FORMAT, "npy: the file ends inside of its header");
    size_t length = (size_t)cli_read_le(data + 8, n_length);
    size_t start = 8 + (size_t)n_length;
    CLI_CHECK(length <= n_bytes - start, PITH_STATUS_FORMAT, "npy: the header of %zu bytes is longer than the file",
              length);
    const char *text = (const char *)data + start;
    const char *end = text + length;
    CLI_TRY(parse_descr(find_value(text, end, "descr"), end, header));
    CLI_TRY(parse_shape(find_value(text, end, "shape"), end, header));
    const char *order = find_value(text, end, "fortran_order");
    CLI_CHECK(order, PITH_STATUS_FORMAT, "npy: the header has no 'fortran_order'");
    header->is_fortran = *order == 'T';
    *start_out = start + length;
    return PITH_OK;
}

/* Turns `unit` bytes at a time. */
static void copy_element(uint8_t *to, const uint8_t *from, size_t size, size_t unit)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i / unit * unit + (unit - 1 - i % unit)];
    }
}

/* 1: the file has our order of bytes. */
static size_t swapped_unit(const npy_header *header)
{
    const bool is_complex = header->dtype == PITH_DTYPE_C64 || header->dtype == PITH_DTYPE_C128;
    return !header->is_big_endian ? 1 : pith_dtype_bytes(header->dtype) / (is_complex ? 2 : 1);
}

/* First index fastest in the file: walks the elements in our order, and finds each one's place. */
static void copy_fortran(const npy_header *header, const uint8_t *from, pith_tensor *to)
{
    size_t size = pith_dtype_bytes(to->dtype);
    size_t n = (size_t)pith_shape_elements(&to->shape);
    const pith_shape *shape = &to->shape;
    for (size_t i = 0; i < n; i++) {
        size_t rest = i;
        size_t place = 0;
        size_t above = n; /* product of sizes of dimension d and before */
        for (int d = shape->rank - 1; d >= 0; d--) {
            above /= (size_t)shape->dims[d];
            place += rest % (size_t)shape->dims[d] * above;
            rest /= (size_t)shape->dims[d];
        }
        copy_element((uint8_t *)to->data + i * size, from + place * size, size, swapped_unit(header));
    }
}

pith_status cli_npy_parse(const uint8_t *data, size_t n_bytes, cli_tensor *tensor_out)
{
    npy_header header = { 0 };
    cli_tensor tensor;
    size_t start, n_needed;
    CLI_TRY(parse_header(data, n_bytes, &header, &start));
    CLI_TRY(cli_tensor_check_shape(header.dtype, &header.shape, &n_needed));
    CLI_CHECK(n_bytes - start >= n_needed, PITH_STATUS_FORMAT,
              "npy: the shape needs %zu bytes of elements, the file has %zu", n_needed, n_bytes - start);
    CLI_TRY(cli_tensor_make(header.dtype, &header.shape, &tensor));
    size_t size = pith_dtype_bytes(header.dtype);
    if (header.is_fortran && header.shape.rank > 1) {
        copy_fortran(&header, data + start, &tensor.view);
    } else if (n_needed && !header.is_big_endian) {
        memcpy(tensor.view.data, data + start, n_needed);
    } else {
        for (size_t i = 0; i < n_needed; i += size) {
            copy_element((uint8_t *)tensor.view.data + i, data + start + i, size, swapped_unit(&header));
        }
    }
    *tensor_out = tensor;
    return PITH_OK;
}

static const char *type_code(pith_dtype dtype)
{
    for (int i = 0; i < CLI_COUNT(types); i++) {
        if (types[i].dtype == dtype) {
            return types[i].code;
        }
    }
    return NULL;
}

static pith_status write_header(const pith_tensor *tensor, const char *code, cli_bytes *bytes)
{
    char text[512];
    int at = snprintf(text, sizeof text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                      code[1] == '1' ? '|' : '<', code);
    for (int i = 0; i < tensor->shape.rank; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld%s", i ? " " : "",
                       (long long)tensor->shape.dims[i], i + 1 < tensor->shape.rank || i == 0 ? "," : "");
    }
    at += snprintf(text + at, sizeof text - (size_t)at, "), }");
    while ((at + 11) % 64 != 0) { /* 10 bytes in front, newline behind: elements begin aligned */
        text[at++] = ' ';
    }
    text[at++] = '\n';
    CLI_TRY(cli_bytes_add(bytes, magic, sizeof magic));
    CLI_TRY(cli_bytes_add(bytes, "\x01\x00", 2));
    CLI_TRY(cli_bytes_add_le(bytes, (uint64_t)at, 2));
    return cli_bytes_add(bytes, text, (size_t)at);
}

pith_status cli_npy_write(const pith_tensor *tensor, cli_bytes *bytes)
{
    const char *code = type_code(tensor->dtype);
    if (!code) {
        cli_tensor wide;
        const bool is_int = tensor->dtype >= PITH_DTYPE_S4 && tensor->dtype <= PITH_DTYPE_U2;
        CLI_TRY(cli_tensor_copy(tensor, &wide));
        pith_status status = cli_tensor_convert(&wide, is_int ? PITH_DTYPE_S8 : PITH_DTYPE_F32);
        if (status == PITH_OK) {
            status = cli_npy_write(&wide.view, bytes);
        }
        cli_tensor_free(&wide);
        return status;
    }
    CLI_TRY(write_header(tensor, code, bytes));
    return cli_bytes_add(bytes, tensor->data, pith_tensor_bytes(tensor));
}
