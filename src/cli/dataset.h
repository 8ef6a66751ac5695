/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets: samples with labels, from a folder, an .npz, an .npy or IDX files.
 *
 *   a folder with one folder per class     class as class_folders.h says
 *   a folder of files                      class = as a list y_labels.csv or labels.csv of lines FILE,...,CLASS says,
 *                                          else the number in front of '_' in each name; without both: no labels
 *   a folder with nothing but a folder     that one
 *   data.npz                               arrays by the inputs' names (or "x" for the only one), first axis =
 *                                          samples; labels in "y", "label(s)", "target(s)" or
 *                                          "y_test" (unless an input is called so), as classes or one-hot rows; of
 *                                          three axes and more they are what the network should make
 *   data.npy                               one array, first axis = samples; no labels
 *   one picture or tensor file             one sample, no labels
 *   an IDX file, or a folder of some       known by how they begin (http://yann.lecun.com/exdb/mnist), with the labels
 *                                          beside */
#ifndef PITH_CLI_DATASET_H
#define PITH_CLI_DATASET_H

#include "class_folders.h"
#include "run_inputs.h"

typedef struct cli_dataset {
    int n;             /* samples */
    int64_t *labels;   /* NULL if there are none, or not for all */
    int n_labelled, unlabelled; /* samples of files with a class, and one without */
    char **paths;      /* of samples that are files */
    cli_class_folders classes; /* none: classes aren't folders */
    cli_tensors arrays; /* of .npz and IDX: one per input, without the labels */
    cli_tensor targets; /* of .npz: what the network should make; data NULL if there is none */
    cli_bytes pixels;  /* of IDX: the file */
    const uint8_t *first_pixel; /* in it, of n pictures of height x width x channels; NULL: no pictures */
    int height, width, channels;
    bool is_planar;    /* channels come before rows */
} cli_dataset;

/* What the data are wanted for. */
typedef struct cli_dataset_wish {
    const pith_model *model;
    const cli_labels *labels; /* names of its classes, or NULL */
    bool is_calibration;      /* of data for training and for tests side by side, take the former */
} cli_dataset_wish;

pith_status cli_dataset_open(const char *path, const cli_dataset_wish *wish, cli_dataset *dataset_out);
/* Fails, and says why, unless every sample has a class. */
pith_status cli_dataset_need_labels(const cli_dataset *dataset, const char *path);
/* The class that an element of an array of labels gives sample `index`: a whole number, or it fails. */
pith_status cli_label_get(const pith_tensor *labels, size_t element, int index, int64_t *label_out);
/* All inputs of one sample; the caller frees them. */
pith_status cli_dataset_read(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                             cli_run_inputs *inputs);
void cli_dataset_close(cli_dataset *dataset);

/* Whether a name ends as those of files that hold inputs. */
bool cli_is_sample_name(const char *name);

#endif
