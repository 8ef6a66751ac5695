/* SPDX-License-Identifier: Apache-2.0 */
/* What if, loop and scan share. They stand in a graph until the executor expands their bodies
 * (docs/architecture.md), so they have no kernels and their inference names only what must be known first. */
#ifndef PITH_OPS_SHARED_CONTROL_H
#define PITH_OPS_SHARED_CONTROL_H

#include "ops/op.h"

/* scan's attributes; lists may be empty: all axes 0, all directions forward. */
typedef struct pithi_scan_attrs {
    int64_t num_scan_inputs;
    pith_ints scan_input_axes, scan_input_directions; /* directions: 1 is reverse */
    pith_ints scan_output_axes, scan_output_directions;
} pithi_scan_attrs;

void pithi_control_ref(const pith_run *run);                              /* reports a fault */
/* Whether a scan of n_inputs operands can have so many scan inputs; inference may never have seen a node whose
 * operands become known during a run only. */
pith_status pithi_control_check_scans(pith_ctx *ctx, int64_t n_scans, int n_inputs);
pith_status pithi_control_map_body(pith_ctx *ctx, pith_source *source);   /* marks 'body' as used */

#endif
