/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes of detectors: mean average precision. Detections with a score of 0.001 and more count unless score_threshold is
 * set, since precision is wanted for every recall. */
#include "metric.h"
#include "truth.h"

#define LEAST_SCORE 0.001

typedef struct state {
    const cli_metric_source *source;
    cli_truth truth;
    cli_precision precision;
    int n_found, n_true;
} state;

static pith_status open_boxes(void *self, cli_metric_source *source)
{
    state *s = self;
    s->source = source;
    CLI_CHECK(source->dataset->paths, PITH_STATUS_ARG, "boxes need a folder of pictures as data");
    return cli_truth_open(source->data, source->truth, &s->truth);
}

static pith_status add_boxes(void *self, const cli_result *result, int index)
{
    state *s = self;
    cli_preprocess settings = *result->settings;
    cli_result all = *result;
    cli_boxes found = { 0 };
    cli_truth_boxes truth = { 0 };
    CLI_CHECK(result->picture, PITH_STATUS_ARG, "boxes need pictures as data");
    if (!cli_preprocess_has(&settings, "score_threshold")) {
        settings.score_threshold = LEAST_SCORE;
    }
    all.settings = &settings;
    pith_status status = cli_find_boxes(&all, &found);
    status = status == PITH_OK ? cli_truth_read(&s->truth, s->source->dataset->paths[index], result->picture, &truth)
                               : status;
    status = status == PITH_OK ? cli_precision_add(&s->precision, &found, truth.items, truth.n) : status;
    s->n_found += found.n;
    s->n_true += truth.n;
    cli_boxes_free(&found);
    cli_free(truth.items);
    return status;
}

static pith_status score_boxes(void *self, const int *times, double *values)
{
    state *s = self;
    return cli_precision_score(&s->precision, times, values);
}

static void tell_boxes(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_whole(json, "true_boxes", s->n_true);
        cli_json_whole(json, "found_boxes", s->n_found);
    } else {
        printf("  %d boxes in truth, %d found (with any score)\n", s->n_true, s->n_found);
    }
}

static void close_boxes(void *self)
{
    state *s = self;
    cli_truth_close(&s->truth);
    cli_precision_free(&s->precision);
}

const cli_metric cli_metric_boxes = {
    .name = "boxes", .task = "detect", .help = "mAP of COCO and VOC", .state_bytes = sizeof(state),
    .values = { { "map", "mAP 0.50:0.95 (COCO)", CLI_VALUE_PERCENT, false },
                { "map50", "mAP 0.50 (COCO)", CLI_VALUE_PERCENT, false },
                { "voc_map50", "mAP 0.50 (VOC)", CLI_VALUE_PERCENT, false } },
    .open = open_boxes, .add = add_boxes, .score = score_boxes, .tell = tell_boxes, .close = close_boxes,
};
