/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `pith info`, one file each. */
#ifndef PITH_CLI_INFO_H
#define PITH_CLI_INFO_H

#include "json.h"
#include "net.h"

/* Operators by version and type, and what would not run. *n_problems_out counts that. */
pith_status cli_info_ops(const cli_net *net, const cli_shapes *shapes, bool is_json, int *n_problems_out);
/* Steps with shape, memory and work. */
pith_status cli_info_layers(const cli_net *net, const cli_shapes *shapes, int n_threads, bool is_json);

/* The graph as SVG into a file, or (svg_path NULL) as DOT on stdout. */
pith_status cli_info_draw(const cli_net *net, const pith_shape *shapes, int n_threads, const char *svg_path);
/* Layout conversions that remain, and in a quantised network what computes in float, with the reasons. */
void cli_info_print_notes(const cli_net *net, const cli_shapes *shapes, int n_threads);

#endif
