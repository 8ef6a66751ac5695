/* SPDX-License-Identifier: Apache-2.0 */
#include "metric.h"

#include <math.h>
#include <stdlib.h>

enum { N_RESAMPLES = 1000, N_ENOUGH = 20000000 }; /* samples drawn in all */

extern const cli_metric cli_metric_boxes, cli_metric_classes, cli_metric_pairs, cli_metric_picture;
extern const cli_metric cli_metric_segments, cli_metric_text;

static const cli_metric *const metrics[] = {
    &cli_metric_classes, &cli_metric_text,  &cli_metric_boxes,
    &cli_metric_picture, &cli_metric_pairs, &cli_metric_segments,
};

const cli_metric *cli_find_metric(const char *name)
{
    for (int i = 0; i < CLI_COUNT(metrics); i++) {
        if (strcmp(metrics[i]->name, name) == 0) {
            return metrics[i];
        }
    }
    return NULL;
}

const cli_metric *cli_metric_of_task(const char *task)
{
    for (int i = 0; i < CLI_COUNT(metrics); i++) {
        if (strcmp(metrics[i]->task, task) == 0) {
            return metrics[i];
        }
    }
    return NULL;
}

void cli_list_metrics(char *text, size_t n_bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < CLI_COUNT(metrics) && at < n_bytes; i++) {
        at += (size_t)snprintf(text + at, n_bytes - at, "%s%s (%s)", i ? ", " : "", metrics[i]->name, metrics[i]->help);
    }
}

int cli_metric_n_values(const cli_metric *metric)
{
    int n = 0;
    while (n < CLI_MAX_METRIC_VALUES && metric->values[n].key) {
        n++;
    }
    return n;
}

/* ---- rows ---------------------------------------------------------------------------------- */

pith_status cli_rows_add(cli_rows *rows, int width, double **row_out)
{
    void *items = rows->items;
    rows->width = width;
    CLI_TRY(cli_grow(&items, &rows->capacity, (size_t)(rows->n + 1) * (size_t)width, sizeof(double)));
    rows->items = items;
    *row_out = rows->items + (size_t)rows->n * (size_t)width;
    memset(*row_out, 0, (size_t)width * sizeof(double));
    rows->n++;
    return PITH_OK;
}

void cli_rows_sum(const cli_rows *rows, const int *times, double *sums)
{
    memset(sums, 0, (size_t)rows->width * sizeof(double));
    for (int i = 0; i < rows->n; i++) {
        const double *row = rows->items + (size_t)i * (size_t)rows->width;
        for (int k = 0; k < rows->width && times[i]; k++) {
            sums[k] += times[i] * row[k];
        }
    }
}

/* ---- intervals ------------------------------------------------------------------------------ */

void cli_wilson(double share, double n, double interval_out[2])
{
    const double z = 1.959963985;
    double middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    double half = z / (1.0 + z * z / n) * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    interval_out[0] = fmax(middle - half, 0.0);
    interval_out[1] = fmin(middle + half, 1.0);
}

/* SplitMix64 (Steele et al., OOPSLA 2014) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static pith_status draw_all(const cli_metric *metric, void *state, int *times, int n, int n_draws, double *drawn)
{
    uint64_t random = 1;
    double values[CLI_MAX_METRIC_VALUES];
    for (int draw = 0; draw < n_draws; draw++) {
        memset(times, 0, (size_t)n * sizeof(int));
        for (int i = 0; i < n; i++) {
            times[next_random(&random) % (uint64_t)n]++;
        }
        CLI_TRY(metric->score(state, times, values));
        for (int k = 0; k < cli_metric_n_values(metric); k++) {
            drawn[(size_t)k * (size_t)n_draws + (size_t)draw] = values[k];
        }
    }
    return PITH_OK;
}

pith_status cli_metric_score(const cli_metric *metric, void *state, int n, double *values, double (*intervals)[2])
{
    int n_draws = n > N_ENOUGH / N_RESAMPLES ? N_ENOUGH / n : N_RESAMPLES, n_values = cli_metric_n_values(metric);
    void *block = NULL;
    double *drawn = NULL;
    n_draws = n_draws < 100 ? 100 : n_draws;
    CLI_TRY(cli_alloc((size_t)n, sizeof(int), &block));
    int *times = block;
    pith_status status = cli_alloc((size_t)n_draws * (size_t)n_values, sizeof(double), (void **)&drawn);
    if (status == PITH_OK) {
        status = draw_all(metric, state, times, n, n_draws, drawn);
    }
    for (int i = 0; i < n; i++) {
        times[i] = 1;
    }
    status = status == PITH_OK ? metric->score(state, times, values) : status;
    for (int k = 0; k < n_values && status == PITH_OK; k++) {
        double *row = drawn + (size_t)k * (size_t)n_draws;
        qsort(row, (size_t)n_draws, sizeof(double), by_size);
        intervals[k][0] = row[(int)(0.025 * n_draws)];
        intervals[k][1] = row[(int)(0.975 * n_draws)];
        bool has_no_spread = intervals[k][0] == intervals[k][1] && (values[k] == 0.0 || values[k] == 1.0);
        if (metric->values[k].is_share) {
            cli_wilson(values[k], n, intervals[k]);
        } else if (has_no_spread && metric->count_units) {
            cli_wilson(values[k], metric->count_units(state), intervals[k]);
        }
    }
    cli_free(drawn);
    cli_free(times);
    return status;
}
