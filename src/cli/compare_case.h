/* SPDX-License-Identifier: Apache-2.0 */
/* Cases for `pith compare`: named inputs and expected tensors, from npz files, ONNX test data
 * folders, or a second model. */
#ifndef PITH_CLI_COMPARE_CASE_H
#define PITH_CLI_COMPARE_CASE_H

#include "net.h"

typedef struct cli_case {
    char *name;          /* "" or the folder of a test data set */
    cli_tensors inputs;  /* named as the model's inputs, in no order */
    cli_tensors wanted;  /* named as outputs or inner values */
} cli_case;

typedef struct cli_cases {
    cli_case *items;
    int n;
    size_t capacity;
} cli_cases;

/* Arrays in/NAME and out/NAME. */
pith_status cli_cases_from_npz(const char *path, cli_cases *cases);
/* input_K.pb and output_K.pb in the folder itself or in its test_data_set_* folders; K counts the
 * inputs and outputs of the model. */
pith_status cli_cases_from_folder(const cli_net *net, const char *path, cli_cases *cases);
/* Some writers of npz files turn '/' of a name into '_': a name that the model lacks is replaced by the
 * one input or output that differs from it only so. */
pith_status cli_cases_match_names(const cli_net *net, cli_cases *cases);
void cli_cases_free(cli_cases *cases);

/* "NAME=FILE" or "NAME:FILE" (.npy, .pb) added to inputs under that name. */
pith_status cli_load_named_input(const cli_net *net, const char *word, cli_tensors *inputs);
/* Views of the inputs in the model's order; a missing one or one too many is named. */
pith_status cli_order_inputs(const cli_net *net, const cli_tensors *inputs, pith_tensor *views);

#endif
