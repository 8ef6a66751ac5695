/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for src/quant and src/diagnose in a library that only runs models (-DPITH_QUANT=OFF). */
#include "base/base.h"
#include "pith/diagnose.h"
#include "pith/quantize.h"

static pith_status fail(pith_ctx *ctx, const char *what)
{
    PITH_FAIL(ctx, PITH_STATUS_UNSUPPORTED,
              "can't %s a network: this pith was built without it (-DPITH_QUANT=OFF); build it with -DPITH_QUANT=ON",
              what);
}

pith_status pith_quantize(pith_ctx *ctx, const char *path, const pith_quantize_options *options,
                          const pith_samples *samples, void **bytes_out, size_t *n_bytes_out,
                          pith_quantize_report **report_out)
{
    (void)path, (void)options, (void)samples, (void)bytes_out, (void)n_bytes_out, (void)report_out;
    return fail(ctx, "quantise");
}

pith_status pith_diagnose(pith_ctx *ctx, const char *float_path, const char *quantised_path,
                          const pith_diagnose_options *options, const pith_samples *samples,
                          pith_diagnose_report **report_out)
{
    (void)float_path, (void)quantised_path, (void)options, (void)samples, (void)report_out;
    return fail(ctx, "diagnose");
}

/* Nobody has one. */
void pith_quantize_report_destroy(pith_quantize_report *report) { (void)report; }
void pith_diagnose_report_destroy(pith_diagnose_report *report) { (void)report; }
