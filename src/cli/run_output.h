/* SPDX-License-Identifier: Apache-2.0 */
/* What `pith run` leaves behind: drawings and tensor files. */
#ifndef PITH_CLI_RUN_OUTPUT_H
#define PITH_CLI_RUN_OUTPUT_H

#include "run_inputs.h"

/* A drawing per run. */
typedef struct cli_drawings {
    cli_image *items;
    int n;
    size_t capacity;
} cli_drawings;

/* Takes over the drawing. */
pith_status cli_drawings_add(cli_drawings *drawings, cli_image *drawing);
/* One picture: the drawing itself, or all of them below each other. */
pith_status cli_drawings_save(const cli_drawings *drawings, const char *path);
void cli_drawings_free(cli_drawings *drawings);

/* "FOLDER/STEM.ending" for an input file; "output" where there is none. */
pith_status cli_output_path(const char *folder, const char *input, const char *ending, char **path_out);
/* .npz: inputs as in/NAME and outputs as out/NAME, as `pith compare` reads them. .npy: the only output. */
pith_status cli_save_outputs(const cli_net *net, const pith_tensor *inputs, const char *path);

#endif
