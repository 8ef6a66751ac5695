/* SPDX-License-Identifier: Apache-2.0 */
/* Samples for calibration where there are no data. */
#ifndef PITH_CLI_GENERATE_H
#define PITH_CLI_GENERATE_H

#include "run_inputs.h"

/* Inputs of one sample: what takes a picture by its shape gets one of overlapping discs, prepared as the settings say,
 * whose edges and plain areas are those of photographs far more than noise is (Lee, Mumford and Huang, "Occlusion
 * models for natural images", 2001); everything else random numbers. */
pith_status cli_generate_inputs(const cli_input_reader *reader, const cli_shapes *shapes, uint64_t seed,
                                cli_run_inputs *inputs);
/* Whether one of the inputs gets such a picture. */
bool cli_generates_picture(const cli_net *net, const cli_shapes *shapes);

#endif
