/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: a small writer of our own, and reading of earlier results through jansson. */
#ifndef PITH_CLI_JSON_H
#define PITH_CLI_JSON_H

#include "file.h"

/* Zero-initialise, set file. Keys are NULL inside of lists. */
typedef struct cli_json {
    FILE *file;
    int depth;
    bool has_items[16];
    char closers[16];
} cli_json;

void cli_json_object(cli_json *json, const char *key);
void cli_json_list(cli_json *json, const char *key);
void cli_json_end(cli_json *json); /* of the innermost object or list; a newline after the last */
void cli_json_bytes(cli_json *json, const char *key, const char *data, size_t n_bytes);
void cli_json_text(cli_json *json, const char *key, const char *value); /* NULL: null */
void cli_json_number(cli_json *json, const char *key, double value);    /* not finite: null */
void cli_json_whole(cli_json *json, const char *key, int64_t value);
void cli_json_bool(cli_json *json, const char *key, bool value);
void cli_json_null(cli_json *json, const char *key);
void cli_json_numbers(cli_json *json, const char *key, const double *values, int n_values);
void cli_json_shape(cli_json *json, const char *key, const pith_shape *shape);

/* What `pith bench --json` wrote before. */
typedef struct cli_baseline {
    char model[256], isa[64], shapes[512];
    int n_threads;
    double median_ms;
    double *samples_ms;
    int n_samples;
} cli_baseline;

/* The object with `n_threads` threads in JSON of one result or a list of them. */
pith_status cli_baseline_parse(const cli_bytes *bytes, int n_threads, cli_baseline *baseline_out);
pith_status cli_baseline_load(const char *path, int n_threads, cli_baseline *baseline_out);
void cli_baseline_free(cli_baseline *baseline);

#endif
