/* SPDX-License-Identifier: Apache-2.0 */
/* Reads results of earlier benchmarks, through jansson. */
#include "json.h"

void cli_baseline_free(cli_baseline *baseline)
{
    cli_free(baseline->samples_ms);
    *baseline = (cli_baseline){ 0 };
}

#if PITH_HAS_JANSSON
#include <jansson.h>

static void copy_text(const json_t *object, const char *key, char *text, size_t n_bytes)
{
    const char *value = json_string_value(json_object_get(object, key));
    snprintf(text, n_bytes, "%s", value ? value : "");
}

static pith_status read_result(const json_t *object, cli_baseline *baseline)
{
    const json_t *median = json_object_get(object, "median_ms");
    const json_t *samples = json_object_get(object, "samples_ms");
    CLI_CHECK(json_is_number(median) && json_is_array(samples) && json_array_size(samples) > 0, PITH_STATUS_FORMAT,
              "no 'median_ms' and 'samples_ms': not written by 'pith bench --json'");
    copy_text(object, "model", baseline->model, sizeof baseline->model);
    copy_text(object, "isa", baseline->isa, sizeof baseline->isa);
    copy_text(object, "shape_text", baseline->shapes, sizeof baseline->shapes);
    baseline->n_threads = (int)json_integer_value(json_object_get(object, "threads"));
    baseline->median_ms = json_number_value(median);
    size_t n = json_array_size(samples);
    CLI_CHECK(n <= 1000000, PITH_STATUS_LIMIT, "%zu samples are more than a million", n);
    CLI_TRY(cli_alloc(n, sizeof *baseline->samples_ms, (void **)&baseline->samples_ms));
    for (size_t i = 0; i < n; i++) {
        const json_t *sample = json_array_get(samples, i);
        CLI_CHECK(json_is_number(sample), PITH_STATUS_FORMAT, "sample %zu is no number", i);
        baseline->samples_ms[i] = json_number_value(sample);
    }
    baseline->n_samples = (int)n;
    return PITH_OK;
}

static pith_status find_result(const json_t *root, int n_threads, cli_baseline *baseline)
{
    if (json_is_object(root)) {
        return read_result(root, baseline);
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *object = json_array_get(root, i);
        if (json_integer_value(json_object_get(object, "threads")) == n_threads) {
            return read_result(object, baseline);
        }
    }
    return cli_fail(PITH_STATUS_FORMAT, "no result with %d threads", n_threads);
}

pith_status cli_baseline_parse(const cli_bytes *bytes, int n_threads, cli_baseline *baseline_out)
{
    json_error_t error;
    cli_baseline baseline = { 0 };
    json_t *root = json_loadb((const char *)bytes->data, bytes->n, JSON_REJECT_DUPLICATES, &error);
    CLI_CHECK(root, PITH_STATUS_FORMAT, "can't read the JSON: line %d: %s", error.line, error.text);
    pith_status status = find_result(root, n_threads, &baseline);
    json_decref(root);
    if (status != PITH_OK) {
        cli_baseline_free(&baseline);
        return status;
    }
    *baseline_out = baseline;
    return PITH_OK;
}
#else
pith_status cli_baseline_parse(const cli_bytes *bytes, int n_threads, cli_baseline *baseline_out)
{
    (void)bytes, (void)n_threads, (void)baseline_out;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "can't read JSON: this tool was built without jansson");
}
#endif

pith_status cli_baseline_load(const char *path, int n_threads, cli_baseline *baseline_out)
{
    cli_bytes bytes = { 0 };
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = cli_baseline_parse(&bytes, n_threads, baseline_out);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("baseline '%s'", path);
    }
    return status;
}
