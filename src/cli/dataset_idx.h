/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets of IDX files: which of a folder's are meant, and their labels. */
#ifndef PITH_CLI_DATASET_IDX_H
#define PITH_CLI_DATASET_IDX_H

#include "dataset.h"
#include "idx.h"

/* The file of samples among the names of a folder, NULL if it has no IDX files. Of several sets one for tests, or for
 * training if it is for calibration, which a line on stderr says; fails if that doesn't decide. */
pith_status cli_dataset_find_idx(const char *folder, char **names, int n_names, bool is_calibration, char **path_out);
/* With the labels that lie beside it, if there are any. */
pith_status cli_dataset_open_idx(const char *path, cli_dataset *dataset);
pith_status cli_dataset_read_pixels(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                                    cli_run_inputs *inputs);

#endif
