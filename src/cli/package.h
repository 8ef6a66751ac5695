/* SPDX-License-Identifier: Apache-2.0 */
/* Model files that verbs write: ONNX, or by the ending `.pith` pith's own, with what belongs to the model. */
#ifndef PITH_CLI_PACKAGE_H
#define PITH_CLI_PACKAGE_H

#include "labels.h"
#include "preprocess.h"

/* A section of the `.pith` file at `path`; empty if there is none, or if it is no such file. */
pith_status cli_package_section(const char *path, const char *kind, cli_bytes *bytes_out);
/* Names of classes: of the file that the settings name, else of the model's own section; none is no failure. */
pith_status cli_labels_of_model(const char *model, const cli_preprocess *settings, cli_labels *labels_out);

typedef struct cli_extras {
    const char *source;             /* the model that `model` was made of, whose labels come along */
    const cli_preprocess *settings; /* NULL: none */
    const char *tuning;             /* file, or NULL: none */
    bool keeps_tuning;              /* without a file: that of the source's section */
    const char *pack;               /* as in pith_package_options */
    const pith_shape *shapes;       /* NULL: as the model says */
} cli_extras;

/* Writes an ONNX model as it is, or as `.pith` if `path` ends so: to "<path>.part" first, which then takes its name. */
pith_status cli_model_write(const char *path, pith_ctx *ctx, const void *model, size_t n_bytes,
                            const cli_extras *extras, size_t *file_bytes_out);

#endif
