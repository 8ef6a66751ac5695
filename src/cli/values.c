/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "values.h"

#include "file.h"

enum { N_SHOWN = 6 };

bool cli_value_is_numbers(const pith_tensor *value)
{
    return value->dtype != PITH_DTYPE_STRING && value->dtype != PITH_DTYPE_OBJECT;
}

/* ---- words -------------------------------------------------------------------------------- */

static void print_string(const pith_string *string)
{
    enum { N_CHARS = 60 };
    putchar('"');
    for (size_t i = 0; i < string->n_bytes && i < N_CHARS; i++) {
        unsigned char c = (unsigned char)string->data[i];
        if (c < 32 || c == 127 || c == '"' || c == '\\') { /* nothing that a terminal acts on */
            printf("\\x%02x", c);
        } else {
            putchar(c);
        }
    }
    printf("\"%s", string->n_bytes > N_CHARS ? "..." : "");
}

static void print_elements(const pith_tensor *tensor)
{
    char shape[CLI_SHAPE_BYTES];
    size_t n = (size_t)pith_shape_elements(&tensor->shape);
    printf("%s %s ", pith_dtype_name(tensor->dtype), cli_shape_text(&tensor->shape, shape));
    for (size_t i = 0; i < n && i < N_SHOWN; i++) {
        putchar(' ');
        if (tensor->dtype == PITH_DTYPE_STRING) {
            print_string((const pith_string *)tensor->data + i);
        } else {
            printf("%.6g", cli_get(tensor, i));
        }
    }
    printf("%s\n", n > N_SHOWN ? " ..." : "");
}

static void print_key(const pith_object *map, size_t index)
{
    if (map->type->kind != PITH_KIND_MAP) {
        printf("[%zu] ", index);
    } else if (map->keys.dtype == PITH_DTYPE_STRING) {
        print_string((const pith_string *)map->keys.data + index);
        printf(": ");
    } else {
        printf("%lld: ", (long long)cli_get_s64(&map->keys, index));
    }
}

static void print_value(const pith_tensor *value, int indent)
{
    char type[PITH_TYPE_TEXT_BYTES];
    const pith_object *object = pith_object_of(value);
    if (!object) {
        print_elements(value);
        return;
    }
    bool is_optional = object->type->kind == PITH_KIND_OPTIONAL;
    printf("%s", pith_type_text(object->type, type));
    if (is_optional) {
        printf("  %s\n", object->n_items ? "holds" : "empty");
    } else {
        printf("  %zu item%s\n", object->n_items, object->n_items == 1 ? "" : "s");
    }
    for (size_t i = 0; i < object->n_items && i < N_SHOWN; i++) {
        printf("%*s", indent + 4, "");
        if (!is_optional) {
            print_key(object, i);
        }
        print_value(&object->items[i], indent + 4);
    }
    if (object->n_items > N_SHOWN) {
        printf("%*s... and %zu more\n", indent + 4, "", object->n_items - N_SHOWN);
    }
}

void cli_value_print(const char *name, const pith_tensor *value, int indent)
{
    printf("%*s%-24s ", indent, "", name);
    print_value(value, indent);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void write_element(cli_json *json, const pith_tensor *tensor, size_t index)
{
    if (tensor->dtype == PITH_DTYPE_STRING) {
        const pith_string *string = (const pith_string *)tensor->data + index;
        cli_json_bytes(json, NULL, string->data, string->n_bytes);
    } else if (tensor->dtype == PITH_DTYPE_BOOL) {
        cli_json_bool(json, NULL, cli_get(tensor, index) != 0.0);
    } else if (cli_dtype_is_float(tensor->dtype)) {
        cli_json_number(json, NULL, cli_get(tensor, index));
    } else {
        cli_json_whole(json, NULL, cli_get_s64(tensor, index));
    }
}

static void write_elements(cli_json *json, const char *key, const pith_tensor *tensor)
{
    cli_json_list(json, key);
    for (size_t i = 0; i < (size_t)pith_shape_elements(&tensor->shape); i++) {
        write_element(json, tensor, i);
    }
    cli_json_end(json);
}

void cli_value_write_json(cli_json *json, const char *key, const pith_tensor *value)
{
    const pith_object *object = pith_object_of(value);
    if (!object) {
        cli_json_object(json, key);
        cli_json_text(json, "dtype", pith_dtype_name(value->dtype));
        cli_json_shape(json, "shape", &value->shape);
        write_elements(json, "values", value);
        cli_json_end(json);
        return;
    }
    if (object->type->kind == PITH_KIND_OPTIONAL) {
        if (object->n_items) {
            cli_value_write_json(json, key, &object->items[0]);
        } else {
            cli_json_null(json, key);
        }
        return;
    }
    bool is_map = object->type->kind == PITH_KIND_MAP;
    if (is_map) {
        cli_json_object(json, key);
        write_elements(json, "keys", &object->keys);
    }
    cli_json_list(json, is_map ? "values" : key);
    for (size_t i = 0; i < object->n_items; i++) {
        cli_value_write_json(json, NULL, &object->items[i]);
    }
    cli_json_end(json);
    if (is_map) {
        cli_json_end(json);
    }
}

/* ---- files -------------------------------------------------------------------------------- */

static pith_status save_json(const cli_net *net, const char *path)
{
    FILE *file = fopen(path, "wb");
    CLI_CHECK(file, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    cli_json json = { .file = file };
    cli_json_object(&json, NULL);
    for (int i = 0; i < pith_model_n_outputs(net->model); i++) {
        cli_value_write_json(&json, pith_model_output(net->model, i)->name, pith_session_output(net->session, i));
    }
    cli_json_end(&json);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    CLI_CHECK(!failed, PITH_STATUS_IO, "can't write '%s'", path);
    return PITH_OK;
}

static pith_status save_pb(const cli_net *net, const char *path)
{
    pith_object_store *store = NULL;
    const void *data;
    size_t n_bytes;
    CLI_CHECK(pith_model_n_outputs(net->model) == 1, PITH_STATUS_ARG,
              ".pb holds one value, the model has %d outputs; use .json", pith_model_n_outputs(net->model));
    pith_status status = pith_object_store_create(net->ctx, &store);
    if (status == PITH_OK) {
        status = pith_object_write_onnx(store, pith_session_output(net->session, 0), &data, &n_bytes);
    }
    status = status == PITH_OK ? cli_file_write(path, data, n_bytes) : cli_net_fail(net, status);
    pith_object_store_destroy(store);
    return status;
}

pith_status cli_values_save(const cli_net *net, const char *path)
{
    return cli_ends_with(path, ".json") ? save_json(net, path) : save_pb(net, path);
}
