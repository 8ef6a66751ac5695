/* SPDX-License-Identifier: Apache-2.0 */
/* Error record, memory, and small work on text. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cli.h"

static struct {
    pith_status status;
    char message[2048];
} record;

pith_status cli_fail(pith_status status, const char *format, ...)
{
    if (record.status == PITH_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(record.message, sizeof record.message, format, args);
        va_end(args);
        record.status = status;
    }
    return status;
}

void cli_add_place(const char *format, ...)
{
    char place[512];
    char rest[sizeof record.message];
    va_list args;
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    memcpy(rest, record.message, sizeof rest);
    size_t n_place = strlen(place);
    size_t n_rest = strlen(rest);
    size_t room = sizeof record.message - n_place - 3;
    n_rest = n_rest < room ? n_rest : room;
    memcpy(record.message, place, n_place);
    memcpy(record.message + n_place, ": ", 2);
    memcpy(record.message + n_place + 2, rest, n_rest);
    record.message[n_place + 2 + n_rest] = '\0';
}

const char *cli_error(void)
{
    return record.message;
}

void cli_clear_error(void)
{
    record.status = PITH_OK;
    record.message[0] = '\0';
}

void cli_warn(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "pith: warning: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

pith_status cli_alloc(size_t count, size_t item_bytes, void **block_out)
{
    void *block = calloc(count ? count : 1, item_bytes ? item_bytes : 1);
    CLI_CHECK(block, PITH_STATUS_NOMEM, "no memory for %zu items of %zu bytes", count, item_bytes);
    *block_out = block;
    return PITH_OK;
}

pith_status cli_grow(void **array, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity) {
        return PITH_OK;
    }
    size_t larger = *capacity * 2 > needed ? *capacity * 2 : needed + 8;
    CLI_CHECK(larger < SIZE_MAX / item_bytes, PITH_STATUS_NOMEM, "no memory for %zu items of %zu bytes", larger,
              item_bytes);
    char *moved = realloc(*array, larger * item_bytes);
    CLI_CHECK(moved, PITH_STATUS_NOMEM, "no memory for %zu items of %zu bytes", larger, item_bytes);
    memset(moved + *capacity * item_bytes, 0, (larger - *capacity) * item_bytes);
    *array = moved;
    *capacity = larger;
    return PITH_OK;
}

void cli_free(void *block)
{
    free(block);
}

pith_status cli_text_copy(const char *text, size_t n_bytes, char **copy_out)
{
    void *copy;
    CLI_TRY(cli_alloc(n_bytes + 1, 1, &copy));
    memcpy(copy, text, n_bytes);
    *copy_out = copy;
    return PITH_OK;
}

pith_status cli_text_format(char **text_out, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n_bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CLI_CHECK(n_bytes >= 0 && (size_t)n_bytes < sizeof text, PITH_STATUS_LIMIT, "a name of %d bytes is too long",
              n_bytes);
    return cli_text_copy(text, (size_t)n_bytes, text_out);
}

bool cli_parse_s64(const char *text, int64_t *value_out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || isspace((unsigned char)text[0])) {
        return false;
    }
    *value_out = value;
    return true;
}

bool cli_parse_number(const char *text, double *value_out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || isnan(value) || isspace((unsigned char)text[0])) {
        return false;
    }
    *value_out = value;
    return true;
}

const char *cli_plain(const char *text)
{
    static char buffers[8][512];
    static int turn;
    char *buffer = buffers[turn = (turn + 1) % 8];
    size_t i = 0;
    for (; text[i] && i + 1 < sizeof buffers[0]; i++) {
        unsigned char c = (unsigned char)text[i];
        buffer[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    buffer[i] = '\0';
    return buffer;
}

bool cli_ends_with(const char *text, const char *ending)
{
    size_t n_text = strlen(text);
    size_t n_ending = strlen(ending);
    if (n_text < n_ending) {
        return false;
    }
    for (size_t i = 0; i < n_ending; i++) {
        if (tolower((unsigned char)text[n_text - n_ending + i]) != tolower((unsigned char)ending[i])) {
            return false;
        }
    }
    return true;
}

/* Levenshtein's edit distance, words cut at 63 bytes. */
static int edit_distance(const char *a, const char *b)
{
    int row[64];
    int n_b = (int)strnlen(b, 63);
    for (int j = 0; j <= n_b; j++) {
        row[j] = j;
    }
    for (int i = 1; i < 64 && a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[n_b];
}

const char *cli_nearest(const char *word, const char *const *names, int n_names)
{
    const char *best = NULL;
    int best_distance = (int)strlen(word) / 2 + 1;
    for (int i = 0; i < n_names; i++) {
        int distance = edit_distance(word, names[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

pith_status cli_find_name(const char *option, const char *name, const char *const *names, int n_names,
                          int *index_out)
{
    char all[512];
    size_t at = 0;
    *index_out = 0;
    for (int i = 0; i < n_names; i++) {
        if (!name || strcmp(name, names[i]) == 0) {
            *index_out = i;
            return PITH_OK;
        }
        const char *comma = i == 0 ? "" : i + 1 < n_names ? ", " : " or ";
        at += at < sizeof all ? (size_t)snprintf(all + at, sizeof all - at, "%s%s", comma, names[i]) : 0;
    }
    return cli_fail(PITH_STATUS_ARG, "--%s '%s' is unknown; it is %s", option, name, all);
}

const char *cli_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

size_t cli_stem(const char *path)
{
    const char *name = cli_base_name(path), *dot = strrchr(name, '.');
    return dot && dot > name ? (size_t)(dot - path) : strlen(path);
}

pith_status cli_path_beside(const char *path, const char *ending, char **path_out)
{
    return cli_text_format(path_out, "%.*s%s", (int)cli_stem(path), path, ending);
}

pith_status cli_choose_path(const char *given, const char *path, const char *ending, char **path_out)
{
    return given ? cli_text_copy(given, strlen(given), path_out) : cli_path_beside(path, ending, path_out);
}

/* `value` with three significant digits, without exponent. */
static const char *three_digits(double value, const char *unit, char text[CLI_HUMAN_BYTES])
{
    int decimals = fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
    snprintf(text, CLI_HUMAN_BYTES, "%.*f%s", decimals, value, unit);
    return text;
}

const char *cli_human_ms(double ms, char text[CLI_HUMAN_BYTES])
{
    if (ms < 1.0) {
        return three_digits(ms * 1e3, " us", text);
    }
    return ms < 1e4 ? three_digits(ms, " ms", text) : three_digits(ms / 1e3, " s", text);
}

const char *cli_human_bytes(double n_bytes, char text[CLI_HUMAN_BYTES])
{
    static const char *const units[] = { " KiB", " MiB", " GiB", " TiB" };
    if (n_bytes < 1024) {
        snprintf(text, CLI_HUMAN_BYTES, "%.0f B", n_bytes);
        return text;
    }
    int unit = 0;
    for (n_bytes /= 1024; n_bytes >= 1024 && unit < CLI_COUNT(units) - 1; unit++) {
        n_bytes /= 1024;
    }
    return three_digits(n_bytes, units[unit], text);
}

bool cli_is_conversion(const char *op, const char *name)
{
    return strcmp(op, "transpose") == 0 && (strstr(name, ": channels-last for ") || strstr(name, ": plain for "));
}

const char *cli_human_count(double count, char text[CLI_HUMAN_BYTES])
{
    static const char *const units[] = { " K", " M", " G", " T" };
    if (count < 1000) {
        snprintf(text, CLI_HUMAN_BYTES, "%.0f", count);
        return text;
    }
    int unit = 0;
    for (count /= 1000; count >= 1000 && unit < CLI_COUNT(units) - 1; unit++) {
        count /= 1000;
    }
    return three_digits(count, units[unit], text);
}

const char *cli_shape_text(const pith_shape *shape, char text[CLI_SHAPE_BYTES])
{
    size_t at = 0;
    if (shape->rank == 0) {
        snprintf(text, CLI_SHAPE_BYTES, "scalar");
        return text;
    }
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0) {
            at += (size_t)snprintf(text + at, CLI_SHAPE_BYTES - at, "%s?", i ? "x" : "");
        } else {
            at += (size_t)snprintf(text + at, CLI_SHAPE_BYTES - at, "%s%lld", i ? "x" : "",
                                   (long long)shape->dims[i]);
        }
    }
    return text;
}
