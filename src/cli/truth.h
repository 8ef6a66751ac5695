/* SPDX-License-Identifier: Apache-2.0 */
/* True boxes of pictures: COCO's JSON (instances), or YOLO's text files, one per picture. */
#ifndef PITH_CLI_TRUTH_H
#define PITH_CLI_TRUTH_H

#include "file.h"
#include "precision.h"

typedef struct cli_truth_boxes {
    cli_truth_box *items;
    int n;
    size_t capacity;
} cli_truth_boxes;

typedef struct cli_truth {
    void *coco;   /* what a COCO file says; NULL: YOLO's files */
    char *folder; /* of YOLO's files; NULL: beside the pictures, or in .../labels/ for .../images/ */
} cli_truth;

/* `given`: a .json file, a folder of .txt files, or NULL: a .json in `data` or `data`/annotations if there is one. */
pith_status cli_truth_open(const char *data, const char *given, cli_truth *truth_out);
/* In pixels of the picture. COCO's classes are counted in order of their ids. */
pith_status cli_truth_read(const cli_truth *truth, const char *path, const cli_image *picture, cli_truth_boxes *boxes);
void cli_truth_close(cli_truth *truth);

#endif
