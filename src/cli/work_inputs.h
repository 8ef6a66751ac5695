/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of what is measured (bench, profile, tune): files as `pith run` takes them, or generated numbers, which are
 * no real work for networks that look at their data (detections, tokens, loops). */
#ifndef PITH_CLI_WORK_INPUTS_H
#define PITH_CLI_WORK_INPUTS_H

#include "run_inputs.h"

typedef struct cli_work {
    cli_words inputs, shapes, keys;
    const char *sidecar;
    int64_t seed;
} cli_work;

#define CLI_WORK_FIELD(settings, field) (offsetof(settings, work) + offsetof(cli_work, field))

/* Entries of an option table whose settings have `cli_work work`, with CLI_WORK_DEFAULTS. */
#define CLI_WORK_OPTIONS(settings)                                                                                   \
    { "input", 'i', CLI_KIND_WORDS, CLI_WORK_FIELD(settings, inputs), "NAME=FILE", "file for a named input (repeat)", \
      0, 0 },                                                                                                        \
        { "shape", 0, CLI_KIND_WORDS, CLI_WORK_FIELD(settings, shapes), "NAME=1x3x224x224",                          \
          "shape of an input (repeat for more)", 0, 0 },                                                             \
        { "seed", 0, CLI_KIND_INT, CLI_WORK_FIELD(settings, seed), "N", "of generated inputs (default 1)", 0, 1e15 }, \
        { "preprocess", 0, CLI_KIND_TEXT, CLI_WORK_FIELD(settings, sidecar), "FILE",                                 \
          "how a picture becomes an input (default: MODEL_STEM.preprocess beside the model)", 0, 0 },                \
        { "set", 0, CLI_KIND_WORDS, CLI_WORK_FIELD(settings, keys), "KEY=VALUE",                                     \
          "one setting of that file, such as mean=127.5 (repeat for more)", 0, 0 }
#define CLI_WORK_DEFAULTS { .seed = 1 }

/* What the words of the command line are: models, and at most one file of inputs behind them (NULL: none). */
pith_status cli_work_words(const cli_words *words, int most_models, const char **models, int *n_models_out,
                           const char **file_out);
/* All inputs of a run of `net`; a preprocess file is looked for beside `model`. With `tells`, a line on stderr says
 * which sizes were assumed. */
pith_status cli_work_read(const cli_work *work, const char *file, const char *model, cli_net *net, bool tells,
                          cli_run_inputs *inputs_out);
/* The same as tensors in the model's order, and in words: "x=1x3x224x224". */
pith_status cli_work_views(const cli_net *net, const cli_run_inputs *inputs, pith_tensor *views, char *text,
                           size_t n_bytes);

#endif
