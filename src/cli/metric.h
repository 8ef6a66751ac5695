/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of `pith evaluate`: how right the answers of a network are on data whose truth is known. One metric is one
 * file metric_<name>.c; the list of them stands in metric.c.
 *
 * A metric keeps what it saw of each sample, so that its values can be computed again with samples left out or taken
 * several times: the 95 % interval is that of the bootstrap (Efron 1979). */
#ifndef PITH_CLI_METRIC_H
#define PITH_CLI_METRIC_H

#include "dataset.h"
#include "task.h"

#define CLI_MAX_METRIC_VALUES 8

typedef enum cli_value_kind { CLI_VALUE_PERCENT, CLI_VALUE_DB, CLI_VALUE_PLAIN } cli_value_kind;

typedef struct cli_metric_value {
    const char *key;   /* in JSON; fractions of 1 */
    const char *name;  /* for people, who see percents */
    cli_value_kind kind;
    bool is_share;     /* of the samples: the interval is Wilson's */
} cli_metric_value;

/* What is evaluated. */
typedef struct cli_metric_source {
    const char *data, *truth;   /* --data, --labels or NULL */
    const cli_dataset *dataset;
    const cli_preprocess *settings;
    const cli_labels *labels;
    int64_t label_offset;       /* of classes; CLI_OFFSET_AUTO */
    int scale;                  /* of super-resolution; 0: as the network has it */
    int beam;                   /* width of the search for texts; 0: greedy only */
    bool is_luma;               /* of pairs: colours don't count */
} cli_metric_source;

#define CLI_OFFSET_AUTO (-1000000)

/* Rows of numbers, one for each sample, of which a metric is made. */
typedef struct cli_rows {
    double *items;
    size_t capacity;
    int n, width;
} cli_rows;

/* A row of zeros behind the others; all have the same width. */
pith_status cli_rows_add(cli_rows *rows, int width, double **row_out);
/* sums[k] = sum over i of times[i] * row i [k]. */
void cli_rows_sum(const cli_rows *rows, const int *times, double *sums);

typedef struct cli_metric {
    const char *name, *help;
    const char *task;          /* of the networks that `--metric auto` takes it for */
    size_t state_bytes;        /* begins with zeros */
    cli_metric_value values[CLI_MAX_METRIC_VALUES]; /* the first is the one that intervals are shown for first */
    /* Reads the truth. NULL: there is none to read. */
    pith_status (*open)(void *state, cli_metric_source *source);
    /* The inputs of sample `index`; NULL: as the data set has them. */
    pith_status (*read)(void *state, const cli_input_reader *reader, int index, cli_run_inputs *inputs);
    /* Sample `index` of the data set has run. */
    pith_status (*add)(void *state, const cli_result *result, int index);
    /* The values, sample i (in order of adding) taken times[i] times. */
    pith_status (*score)(void *state, const int *times, double *values);
    /* How many characters, pixels, ... are right or wrong, for Wilson's interval where no sample has an error, or all
     * have nothing else; NULL: the bootstrap has the word. */
    double (*count_units)(const void *state);
    /* More keys for JSON, more lines for people; may be NULL. */
    void (*tell)(const void *state, cli_json *json);
    void (*close)(void *state);
} cli_metric;

const cli_metric *cli_find_metric(const char *name);
/* For the task of a network: NULL if no metric fits. */
const cli_metric *cli_metric_of_task(const char *task);
/* Whether the data are pictures with those that they should become. (metric_pairs.c) */
bool cli_are_pairs(const char *data, const cli_dataset *dataset);
/* Metric `text` with the values of a beam search too. */
extern const cli_metric cli_metric_text_beam;
void cli_list_metrics(char *text, size_t n_bytes);
int cli_metric_n_values(const cli_metric *metric);

/* Values of all n samples, and 95 % intervals by the bootstrap, from the same random numbers each time. */
pith_status cli_metric_score(const cli_metric *metric, void *state, int n, double *values, double (*intervals)[2]);
/* Wilson's score interval at 95 % (E. B. Wilson, JASA 22, 1927) for a share of n; holds near 0 and 1, for few too. */
void cli_wilson(double share, double n, double interval_out[2]);

#endif
