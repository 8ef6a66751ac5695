/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_control.h"

void pithi_control_ref(const pith_run *run)
{
    pithi_run_fault(run, "operator %s was run without being expanded", pithi_op_head(run->node->op)->name);
}

pith_status pithi_control_map_body(pith_ctx *ctx, pith_source *source)
{
    PITH_CHECK(ctx, pithi_source_attr(source, "body"), PITH_STATUS_FORMAT, "attribute 'body' is missing");
    return PITH_OK;
}

pith_status pithi_control_check_scans(pith_ctx *ctx, int64_t n_scans, int n_inputs)
{
    PITH_CHECK(ctx, n_scans >= 1 && n_scans <= n_inputs, PITH_STATUS_FORMAT,
               "num_scan_inputs is %lld, but must lie in 1..%d, the number of inputs", (long long)n_scans, n_inputs);
    return PITH_OK;
}
