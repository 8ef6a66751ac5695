/* SPDX-License-Identifier: Apache-2.0 */
/* Classes: is the right one the best, is it among the five best. */
#include "metric.h"

enum { N_TOP = 5, TOP1 = 0, TOP5, COUNT, WIDTH };

typedef struct state {
    const cli_metric_source *source;
    int64_t offset, n_classes;
    int n_without_offset; /* top-1 if labels counted from 0 */
    int n_top1, n;
    cli_rows rows;
} state;

static pith_status open_classes(void *self, cli_metric_source *source)
{
    state *s = self;
    s->source = source;
    return cli_dataset_need_labels(source->dataset, source->data);
}

static void learn_offset(state *s)
{
    int64_t largest = 0;
    for (int i = 0; i < s->source->dataset->n; i++) {
        largest = s->source->dataset->labels[i] > largest ? s->source->dataset->labels[i] : largest;
    }
    s->offset = s->source->label_offset;
    if (s->offset == CLI_OFFSET_AUTO) {
        s->offset = s->n_classes == 1001 && largest < 1000;
    }
}

static pith_status add_classes(void *self, const cli_result *result, int index)
{
    state *s = self;
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    int64_t label = s->source->dataset->labels[index];
    cli_score scores[N_TOP];
    double *row = NULL;
    if (s->n == 0) {
        s->n_classes = pith_shape_elements(&output->shape);
        learn_offset(s);
    }
    const char *folder = cli_class_folders_find(&s->source->dataset->classes, label);
    CLI_CHECK(!folder || (label + s->offset >= 0 && label + s->offset < s->n_classes), PITH_STATUS_ARG,
              "folder '%s' is class %lld, the model's first output has %lld elements (one score per class is expected, "
              "classes count from 0; --label-offset shifts them)", folder, (long long)(label + s->offset),
              (long long)s->n_classes);
    CLI_CHECK(label + s->offset >= 0 && label + s->offset < s->n_classes, PITH_STATUS_ARG,
              "sample %d has class %lld, the model's first output has %lld elements (one score per class is expected; "
              "--label-offset shifts labels)", index, (long long)(label + s->offset), (long long)s->n_classes);
    CLI_TRY(cli_rows_add(&s->rows, WIDTH, &row));
    int n_scores = cli_top_scores(output, N_TOP, scores);
    row[TOP1] = scores[0].class_index == label + s->offset;
    row[COUNT] = 1.0;
    for (int i = 0; i < n_scores; i++) {
        row[TOP5] += scores[i].class_index == label + s->offset;
    }
    s->n_without_offset += scores[0].class_index == label;
    s->n_top1 += row[TOP1] != 0.0;
    s->n++;
    return PITH_OK;
}

static pith_status score_classes(void *self, const int *times, double *values)
{
    const state *s = self;
    double sums[WIDTH];
    cli_rows_sum(&s->rows, times, sums);
    values[0] = sums[TOP1] / sums[COUNT];
    values[1] = sums[TOP5] / sums[COUNT];
    return PITH_OK;
}

static void tell_classes(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_whole(json, "classes", s->n_classes);
        cli_json_whole(json, "label_offset", s->offset);
    } else if (s->offset == 1) {
        printf("  labels count from 1 of %lld classes\n", (long long)s->n_classes);
    }
    const cli_class_folders *folders = &s->source->dataset->classes;
    cli_class_folders_tell(folders, json);
    if (folders->n > 0 && folders->rule == CLI_CLASS_BY_ORDER && folders->n + s->offset != s->n_classes) {
        cli_warn("%d folders count as classes 0 to %d of %lld by the order of their names; if they are others, name "
                 "the folders by number or give --set labels=FILE", folders->n, folders->n - 1,
                 (long long)s->n_classes);
    }
    if (s->source->label_offset == CLI_OFFSET_AUTO && s->offset && s->n_without_offset > s->n_top1) {
        cli_warn("labels as they are fit better than labels + 1; give --label-offset 0");
    }
}

static void close_classes(void *self)
{
    state *s = self;
    cli_free(s->rows.items);
}

const cli_metric cli_metric_classes = {
    .name = "top1", .task = "classify", .help = "right class first, among the first five", .state_bytes = sizeof(state),
    .values = { { "top1", "top-1", CLI_VALUE_PERCENT, true }, { "top5", "top-5", CLI_VALUE_PERCENT, true } },
    .open = open_classes, .add = add_classes, .score = score_classes, .tell = tell_classes, .close = close_classes,
};
