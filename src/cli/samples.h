/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of a data set as inputs of a model, kept in memory while they fit. */
#ifndef PITH_CLI_SAMPLES_H
#define PITH_CLI_SAMPLES_H

#include "dataset.h"

typedef struct cli_samples {
    cli_input_reader reader;
    const cli_dataset *dataset; /* NULL: generated from seeds */
    cli_shapes shapes;          /* of generated ones */
    int *indices;               /* in the data set */
    cli_run_inputs *kept;       /* those read so far */
    cli_run_inputs last;        /* the one beyond the ceiling */
    size_t kept_bytes;
    int n;
} cli_samples;

/* At most `n_most` samples, spread evenly over the data set. */
pith_status cli_samples_open(const cli_input_reader *reader, const cli_dataset *dataset, int n_most,
                             cli_samples *samples_out);
/* At most `n_most` of those that `others` left out, of a data set. */
pith_status cli_samples_open_apart(const cli_samples *others, int n_most, cli_samples *samples_out);
/* Views of one sample of the cli_samples `user`, valid until the next call: a pith_samples reads with it. */
pith_status cli_samples_read(void *user, int index, pith_tensor *inputs);
/* The progress function of pith_quantize() and pith_diagnose(). */
void cli_show_stage(void *user, const char *stage, int done, int total);
void cli_samples_close(cli_samples *samples);

#endif
