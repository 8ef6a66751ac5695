/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: what the outputs of a model mean, and how they are shown. src/cli/task_<name>.c exports
 * `const cli_task cli_task_<name>`; the name is that of --task. */
#ifndef PITH_CLI_TASK_H
#define PITH_CLI_TASK_H

#include "json.h"
#include "labels.h"
#include "net.h"
#include "preprocess.h"

/* One run, after it has happened. */
typedef struct cli_result {
    const cli_net *net;
    const cli_preprocess *settings;
    const cli_labels *labels;
    const cli_image *picture;    /* NULL where the input was no picture */
    cli_placement placement;     /* of the picture in the input */
    const char *name;            /* of the input file, for messages */
    cli_json *json;              /* NULL: words on stdout */
    cli_image *drawing;          /* NULL unless a drawing is wanted; the task makes it */
} cli_result;

typedef struct cli_task {
    const char *name, *help;
    pith_status (*show)(const cli_result *result);
} cli_task;

/* Text of a recogniser's first output: best class of each frame, or by a search of width `beam` unless that is 0; ends
 * in a zero. (task_ctc.c) */
pith_status cli_ctc_text(const cli_result *result, int beam, cli_bytes *text_out);

/* Boxes of a detector in pixels of the picture, by the settings' decoder and thresholds. (task_detect.c) */
struct cli_boxes;
pith_status cli_find_boxes(const cli_result *result, struct cli_boxes *boxes);

/* NULL if unknown. */
const cli_task *cli_find_task(const char *name);
/* Names and explanations, for --help. */
void cli_list_tasks(char *text, size_t n_bytes);

/* A colour copy of the picture with lines of text in a band below. */
pith_status cli_draw_captions(const cli_result *result, const char *const *lines, int n_lines);
/* Glyph size that suits a picture. */
int cli_caption_zoom(const cli_image *picture);

#endif
