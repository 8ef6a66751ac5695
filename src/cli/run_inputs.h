/* SPDX-License-Identifier: Apache-2.0 */
/* From files of any known kind to the inputs of one run. */
#ifndef PITH_CLI_RUN_INPUTS_H
#define PITH_CLI_RUN_INPUTS_H

#include "net.h"
#include "preprocess.h"

typedef struct cli_run_inputs {
    cli_tensors tensors;       /* named as the model's inputs */
    cli_image picture;         /* the last picture that was read; pixels NULL if none */
    cli_placement placement;
} cli_run_inputs;

void cli_run_inputs_free(cli_run_inputs *inputs);

typedef struct cli_input_reader {
    const cli_net *net;
    const cli_preprocess *settings;
    const cli_words *shapes; /* --shape, for raw files and open dimensions */
} cli_input_reader;

/* One file into one input: PNG, JPEG, .npy, .npz with one array, .pb, .raw, .bin. */
pith_status cli_read_input(const cli_input_reader *reader, const char *path, int index, cli_run_inputs *inputs);
/* "NAME=FILE" or "NAME:FILE". */
pith_status cli_read_named_input(const cli_input_reader *reader, const char *word, cli_run_inputs *inputs);
/* A file without name: an .npz gives every input that it names, others the one that `given` leaves open. */
pith_status cli_read_file(const cli_input_reader *reader, const char *path, const cli_run_inputs *given,
                          cli_run_inputs *inputs);
/* Views in the model's order, from the file's inputs first, then from the given ones. */
pith_status cli_collect_views(const cli_net *net, const cli_run_inputs *inputs, const cli_run_inputs *given,
                              pith_tensor *views);

#endif
