/* SPDX-License-Identifier: Apache-2.0 */
/* Values from .pb files, which the library reads, and from JSON, through jansson. */
#include "file.h"
#include "values.h"

static pith_status parse_pb(const cli_net *net, const cli_bytes *bytes, const pith_value_info *input,
                            cli_tensor *tensor)
{
    pith_status status = pith_object_read_onnx(tensor->store, bytes->data, bytes->n, input->type, &tensor->view);
    return status == PITH_OK ? PITH_OK : cli_net_fail(net, status);
}

#if PITH_HAS_JANSSON
#include <jansson.h>

typedef struct json_source {
    const cli_net *net;
    pith_object_store *store;
} json_source;

static pith_status read_value(const json_source *source, const json_t *json, const pith_type *type,
                              pith_tensor *value_out);

/* Sizes of nested lists, as deep as the first items go. */
static pith_status nested_shape(const json_t *json, pith_shape *shape)
{
    *shape = (pith_shape){ 0 };
    while (json_is_array(json)) {
        CLI_CHECK(shape->rank < PITH_MAX_RANK, PITH_STATUS_LIMIT, "JSON: lists are nested deeper than %d",
                  PITH_MAX_RANK);
        shape->dims[shape->rank++] = (int64_t)json_array_size(json);
        json = json_array_get(json, 0);
    }
    return PITH_OK;
}

static pith_status set_element(const json_t *json, pith_tensor *tensor, size_t index)
{
    if (tensor->dtype == PITH_DTYPE_STRING) {
        CLI_CHECK(json_is_string(json), PITH_STATUS_FORMAT, "JSON: element %zu is no text", index);
        ((pith_string *)tensor->data)[index] = (pith_string){ json_string_value(json), json_string_length(json) };
        return PITH_OK;
    }
    CLI_CHECK(json_is_number(json) || json_is_boolean(json), PITH_STATUS_FORMAT, "JSON: element %zu is no number",
              index);
    cli_set(tensor, index, json_is_number(json) ? json_number_value(json) : json_is_true(json));
    if (tensor->dtype == PITH_DTYPE_S64 && json_is_integer(json)) {
        ((int64_t *)tensor->data)[index] = json_integer_value(json); /* all digits */
    }
    return PITH_OK;
}

static pith_status set_elements(const json_t *json, const pith_shape *shape, int axis, pith_tensor *tensor,
                                size_t *index)
{
    if (axis == shape->rank) {
        return set_element(json, tensor, (*index)++);
    }
    CLI_CHECK(json_is_array(json) && (int64_t)json_array_size(json) == shape->dims[axis], PITH_STATUS_FORMAT,
              "JSON: lists beside each other differ in length (at depth %d)", axis);
    for (size_t i = 0; i < json_array_size(json); i++) {
        CLI_TRY(set_elements(json_array_get(json, i), shape, axis + 1, tensor, index));
    }
    return PITH_OK;
}

/* Nested lists, or { "shape": [...], "values": [...] }. */
static pith_status fill_tensor(const json_t *json, pith_dtype dtype, cli_tensor *tensor)
{
    const json_t *values = json_is_object(json) ? json_object_get(json, "values") : json;
    const json_t *given = json_is_object(json) ? json_object_get(json, "shape") : NULL;
    pith_shape shape, listed;
    size_t index = 0;
    CLI_TRY(nested_shape(values, &listed));
    shape = listed;
    for (size_t i = 0; i < json_array_size(given); i++) {
        CLI_CHECK(i < PITH_MAX_RANK, PITH_STATUS_LIMIT, "JSON: the shape has more than %d sizes", PITH_MAX_RANK);
        shape.dims[i] = json_integer_value(json_array_get(given, i));
        shape.rank = (int)i + 1;
    }
    shape.rank = given ? (int)json_array_size(given) : shape.rank;
    CLI_TRY(cli_tensor_make(dtype, &shape, tensor));
    CLI_CHECK(pith_shape_elements(&shape) == pith_shape_elements(&listed), PITH_STATUS_FORMAT,
              "JSON: the shape wants %lld values, there are %lld", (long long)pith_shape_elements(&shape),
              (long long)pith_shape_elements(&listed));
    return set_elements(values, &listed, 0, &tensor->view, &index);
}

static pith_status read_tensor(const json_source *source, const json_t *json, pith_dtype dtype, pith_tensor *value_out)
{
    cli_tensor tensor = { 0 };
    pith_status status = fill_tensor(json, dtype, &tensor);
    if (status == PITH_OK) { /* the text belongs to the JSON */
        status = pith_object_copy(source->store, &tensor.view, value_out);
        status = status == PITH_OK ? status : cli_net_fail(source->net, status);
    }
    cli_tensor_free(&tensor);
    return status;
}

static pith_status read_items(const json_source *source, const json_t *json, const pith_type *type,
                              pith_tensor *items, size_t n_items)
{
    for (size_t i = 0; i < n_items; i++) {
        const json_t *item = json_is_array(json) && type->kind != PITH_KIND_OPTIONAL ? json_array_get(json, i) : json;
        CLI_TRY_AT(read_value(source, item, type->element, &items[i]), "item %zu", i);
    }
    return PITH_OK;
}

static pith_status read_object(const json_source *source, const json_t *json, const pith_type *type,
                               pith_tensor *value_out)
{
    bool is_map = type->kind == PITH_KIND_MAP, is_optional = type->kind == PITH_KIND_OPTIONAL;
    const json_t *list = is_map ? json_object_get(json, "values") : json;
    pith_tensor keys = { 0 };
    void *items;
    CLI_CHECK(is_optional || json_is_array(list), PITH_STATUS_FORMAT,
              is_map ? "JSON: a map is written as { \"keys\": [...], \"values\": [...] }"
                     : "JSON: a sequence is written as a list");
    size_t n_items = is_optional ? !json_is_null(json) : json_array_size(list);
    CLI_TRY(cli_alloc(n_items, sizeof(pith_tensor), &items));
    pith_status status = read_items(source, list, type, items, n_items);
    if (status == PITH_OK && is_map) {
        status = read_tensor(source, json_object_get(json, "keys"), type->dtype, &keys);
    }
    if (status == PITH_OK) {
        status = pith_object_make(source->store, type, items, n_items, is_map ? &keys : NULL, value_out);
        status = status == PITH_OK ? status : cli_net_fail(source->net, status);
    }
    cli_free(items);
    return status;
}

static pith_status read_value(const json_source *source, const json_t *json, const pith_type *type,
                              pith_tensor *value_out)
{
    CLI_CHECK(json, PITH_STATUS_FORMAT, "JSON: a value is missing");
    return type->kind == PITH_KIND_TENSOR ? read_tensor(source, json, type->dtype, value_out)
                                          : read_object(source, json, type, value_out);
}

static pith_status parse_json(const cli_net *net, const cli_bytes *bytes, const pith_value_info *input,
                              cli_tensor *tensor)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)bytes->data, bytes->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    const json_source source = { net, tensor->store };
    CLI_CHECK(json, PITH_STATUS_FORMAT, "JSON: line %d: %s", error.line, error.text);
    const pith_type *type = input->type ? input->type : pith_type_tensor(input->dtype);
    pith_status status = read_value(&source, json, type, &tensor->view);
    json_decref(json);
    return status;
}

#else

static pith_status parse_json(const cli_net *net, const cli_bytes *bytes, const pith_value_info *input,
                              cli_tensor *tensor)
{
    (void)net, (void)bytes, (void)input, (void)tensor;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "can't read JSON: this tool was built without jansson; give a .pb");
}

#endif

pith_status cli_value_parse(const cli_net *net, const cli_bytes *bytes, bool is_json, const pith_value_info *input,
                            cli_tensor *tensor_out)
{
    cli_tensor tensor = { 0 };
    pith_status status = pith_object_store_create(net->ctx, &tensor.store);
    status = status != PITH_OK ? cli_net_fail(net, status)
             : is_json         ? parse_json(net, bytes, input, &tensor)
                               : parse_pb(net, bytes, input, &tensor);
    if (status != PITH_OK) {
        cli_tensor_free(&tensor);
        return status;
    }
    *tensor_out = tensor;
    return PITH_OK;
}

pith_status cli_value_load(const cli_net *net, const char *path, const pith_value_info *input, cli_tensor *tensor_out)
{
    cli_bytes bytes = { 0 };
    char type[PITH_TYPE_TEXT_BYTES];
    bool is_json = cli_ends_with(path, ".json");
    CLI_CHECK(is_json || cli_ends_with(path, ".pb"), PITH_STATUS_ARG,
              "input '%s' is a %s, which is read from .json or .pb, not from '%s'", input->name,
              input->type ? pith_type_text(input->type, type) : pith_dtype_name(input->dtype), path);
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = cli_value_parse(net, &bytes, is_json, input, tensor_out);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("'%s' for input '%s'", path, input->name);
    }
    return status;
}
