/* SPDX-License-Identifier: Apache-2.0 */
/* Object detection: boxes from the outputs of known network heads. */
#ifndef PITH_CLI_DETECT_H
#define PITH_CLI_DETECT_H

#include "preprocess.h"

typedef struct cli_box {
    double left, top, right, bottom;
    double score;
    int class_index;
} cli_box;

typedef struct cli_boxes {
    cli_box *items;
    int n;
    size_t capacity;
} cli_boxes;

/* Outputs of one run and what the decoders need to know. */
typedef struct cli_head {
    const pith_tensor *const *outputs;
    int n_outputs;
    int width, height; /* of the input tensor */
    double score_threshold;
    int background;    /* class that is no object, or -1 */
} cli_head;

/* Decodes in pixels of the input tensor, boxes above the score threshold only. Known decoders:
 *   ssd    scores [1, N, C] and corners [1, N, 4], as fractions of the input or in pixels
 *   yolox  [1, N, 5 + C]: centre and size relative to the grids of strides 8, 16, 32; objectness; classes */
pith_status cli_detect(const char *decoder, const cli_head *head, cli_boxes *boxes_out);
double cli_iou(const cli_box *a, const cli_box *b);
/* Greedy non-maximum suppression within each class: best first, what overlaps a kept box by more goes. */
void cli_suppress(cli_boxes *boxes, double iou_threshold);
/* To pixels of the picture, cut at its edges. */
void cli_boxes_to_picture(cli_boxes *boxes, const cli_placement *placement, int width, int height);
void cli_boxes_free(cli_boxes *boxes);

#endif
