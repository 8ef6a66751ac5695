/* SPDX-License-Identifier: Apache-2.0 */
/* Average precision of detections: that of COCO (Lin et al., arXiv 1405.0312; 101 recalls, overlaps 0.50 to 0.95), and
 * that of PASCAL VOC 2010 (area under the curve, overlap 0.5). */
#ifndef PITH_CLI_PRECISION_H
#define PITH_CLI_PRECISION_H

#include "detect.h"

enum { CLI_N_OVERLAPS = 10, CLI_N_PRECISIONS = 3 };

typedef struct cli_truth_box {
    cli_box box;
    bool is_crowd; /* many objects in one: what lies in it is neither right nor wrong */
} cli_truth_box;

/* What is known of one detection: bit t, is it right (or of no account) at overlap 0.50 + 0.05 t; bit 10 of VOC. */
typedef struct cli_verdict {
    int sample, class_index;
    float score;
    uint16_t is_right, is_ignored;
} cli_verdict;

typedef struct cli_precision {
    cli_verdict *verdicts;
    int *counts; /* [n_counted]: sample, class of each true box that counts */
    size_t capacity, counts_capacity;
    int n, n_counted, n_samples, n_classes;
    bool is_sorted;
} cli_precision;

/* One picture more, of which at most the best 100 detections of each class are taken, as COCO does. */
pith_status cli_precision_add(cli_precision *p, const cli_boxes *found, const cli_truth_box *truth, int n_truth);
/* mAP at 0.50:0.95, mAP at 0.50, VOC's mAP, sample i taken times[i] times. */
pith_status cli_precision_score(cli_precision *p, const int *times, double values[CLI_N_PRECISIONS]);
void cli_precision_free(cli_precision *p);

#endif
