/* SPDX-License-Identifier: Apache-2.0 */
/* JSON writer (RFC 8259): indented objects, lists of numbers on one line. */
#include <assert.h>
#include <math.h>

#include "json.h"

static void write_quoted_bytes(FILE *file, const char *text, size_t n_bytes)
{
    fputc('"', file);
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            fprintf(file, "\\%c", c);
        } else if (c < 32) {
            fprintf(file, "\\u%04x", c);
        } else {
            fputc(c, file);
        }
    }
    fputc('"', file);
}

static void write_quoted(FILE *file, const char *text)
{
    write_quoted_bytes(file, text, strlen(text));
}

/* Comma, newline, indent and key in front of a value. */
static void begin_value(cli_json *json, const char *key)
{
    if (json->depth > 0) {
        fprintf(json->file, "%s\n%*s", json->has_items[json->depth] ? "," : "", 2 * json->depth, "");
        json->has_items[json->depth] = true;
    }
    if (key) {
        write_quoted(json->file, key);
        fputs(": ", json->file);
    }
}

static void open_group(cli_json *json, const char *key, char opener, char closer)
{
    begin_value(json, key);
    fputc(opener, json->file);
    json->depth++;
    assert(json->depth < CLI_COUNT(json->has_items));
    json->has_items[json->depth] = false;
    json->closers[json->depth] = closer;
}

void cli_json_object(cli_json *json, const char *key)
{
    open_group(json, key, '{', '}');
}

void cli_json_list(cli_json *json, const char *key)
{
    open_group(json, key, '[', ']');
}

void cli_json_bytes(cli_json *json, const char *key, const char *data, size_t n_bytes)
{
    begin_value(json, key);
    write_quoted_bytes(json->file, data, n_bytes);
}

void cli_json_end(cli_json *json)
{
    assert(json->depth > 0);
    char closer = json->closers[json->depth];
    if (json->has_items[json->depth]) {
        fprintf(json->file, "\n%*s", 2 * (json->depth - 1), "");
    }
    json->depth--;
    fputc(closer, json->file);
    if (json->depth == 0) {
        fputc('\n', json->file);
    }
}

void cli_json_text(cli_json *json, const char *key, const char *value)
{
    if (!value) {
        cli_json_null(json, key);
        return;
    }
    begin_value(json, key);
    write_quoted(json->file, value);
}

static void write_number(FILE *file, double value)
{
    if (isfinite(value)) {
        fprintf(file, "%.9g", value);
    } else {
        fputs("null", file);
    }
}

void cli_json_number(cli_json *json, const char *key, double value)
{
    begin_value(json, key);
    write_number(json->file, value);
}

void cli_json_whole(cli_json *json, const char *key, int64_t value)
{
    begin_value(json, key);
    fprintf(json->file, "%lld", (long long)value);
}

void cli_json_bool(cli_json *json, const char *key, bool value)
{
    begin_value(json, key);
    fputs(value ? "true" : "false", json->file);
}

void cli_json_null(cli_json *json, const char *key)
{
    begin_value(json, key);
    fputs("null", json->file);
}

void cli_json_numbers(cli_json *json, const char *key, const double *values, int n_values)
{
    begin_value(json, key);
    fputc('[', json->file);
    for (int i = 0; i < n_values; i++) {
        fputs(i ? ", " : "", json->file);
        write_number(json->file, values[i]);
    }
    fputc(']', json->file);
}

void cli_json_shape(cli_json *json, const char *key, const pith_shape *shape)
{
    double dims[PITH_MAX_RANK];
    for (int i = 0; i < shape->rank; i++) {
        dims[i] = (double)shape->dims[i];
    }
    cli_json_numbers(json, key, dims, shape->rank);
}
