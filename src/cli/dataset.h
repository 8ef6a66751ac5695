/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets: samples with labels, from a folder, an .npz, an .npy or IDX files.
 *
 *   a folder with one folder per class     class = place among the sorted names
 *   a folder of files                      class = as a list y_labels.csv or labels.csv of lines FILE,...,CLASS says,
 *                                          else the number in front of '_' in each name; without both: no labels
 *   a folder with nothing but a folder     that one
 *   data.npz                               arrays by the inputs' names (or "x" for the only one), first axis =
 *                                          samples; labels in "y", "label(s)", "target(s)" or
 *                                          "y_test" (unless an input is called so), as classes or one-hot rows
 *   data.npy                               one array, first axis = samples; no labels
 *   one picture or tensor file             one sample, no labels
 *   NAME-images-idx3-ubyte[.gz]            with NAME-labels-idx1-ubyte[.gz] beside it; or the folder of both
 *                                          (http://yann.lecun.com/exdb/mnist) */
#ifndef PITH_CLI_DATASET_H
#define PITH_CLI_DATASET_H

#include "run_inputs.h"

typedef struct cli_dataset {
    int n;             /* samples */
    int64_t *labels;   /* NULL if there are none */
    char **paths;      /* of samples that are files */
    cli_tensors arrays; /* of .npz: one per input, without the labels */
    cli_bytes pixels;  /* of IDX: n pictures of height x width */
    int height, width;
} cli_dataset;

pith_status cli_dataset_open(const char *path, const pith_model *model, cli_dataset *dataset_out);
/* All inputs of one sample; the caller frees them. */
pith_status cli_dataset_read(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                             cli_run_inputs *inputs);
void cli_dataset_close(cli_dataset *dataset);

#endif
