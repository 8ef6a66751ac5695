/* SPDX-License-Identifier: Apache-2.0 */
/* Connectionist temporal classification (Graves et al., ICML 2006): from frames of class
 * probabilities to label sequences. A path gives one class per frame; repeats are merged, then
 * blanks dropped; the probability of a text is the sum over its paths. */
#ifndef PITH_CLI_CTC_H
#define PITH_CLI_CTC_H

#include "preprocess.h"

/* Natural logarithms, one row of n_classes per frame. */
typedef struct cli_frames {
    int n_frames, n_classes, blank;
    double *log_probs;
} cli_frames;

typedef struct cli_reading {
    int *classes; /* without blanks; freed with cli_free() */
    int n;
    double log_prob; /* of the text: summed over all paths */
} cli_reading;

/* Takes a tensor [T, C], [1, T, C] or [T, 1, C]; `scores` says what the values are, AUTO decides by
 * their sums. */
pith_status cli_ctc_frames(const pith_tensor *output, int scores, int blank, cli_frames *frames_out);
void cli_ctc_free_frames(cli_frames *frames);
void cli_ctc_free_reading(cli_reading *reading);

/* Best class of each frame. */
pith_status cli_ctc_greedy(const cli_frames *frames, cli_reading *reading_out);
/* Prefix beam search (Hannun et al. 2014, arXiv:1408.2873, without language model): the most probable
 * text among the prefixes that stay within the `beam` best at every frame. */
pith_status cli_ctc_beam(const cli_frames *frames, int beam, cli_reading *reading_out);
/* Log probability of a text by the forward algorithm. */
pith_status cli_ctc_log_prob(const cli_frames *frames, const int *classes, int n, double *log_prob_out);

#endif
