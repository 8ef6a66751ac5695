/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes, one per line of a file (blanks in a line belong to the name), and the best classes. */
#ifndef PITH_CLI_LABELS_H
#define PITH_CLI_LABELS_H

#include "tensors.h"

typedef struct cli_labels {
    char *text;   /* the file; lines end in zeros */
    char **items;
    int n;
} cli_labels;

pith_status cli_labels_load(const char *path, cli_labels *labels_out);
pith_status cli_labels_parse(const char *text, size_t n_bytes, cli_labels *labels_out);
void cli_labels_free(cli_labels *labels);
/* "class 17" without labels; written to `scratch` then. */
const char *cli_label(const cli_labels *labels, int class_index, char scratch[32]);

typedef struct cli_score {
    int class_index;
    double score;
} cli_score;

/* The best `n_most` of the n values, best first; equal ones by index. Values are made probabilities by
 * softmax unless they already are (all within 0..1, sum 1). Returns the number filled. */
int cli_top_scores(const pith_tensor *values, int n_most, cli_score *scores);

#endif
