/* SPDX-License-Identifier: Apache-2.0 */
/* Names in the interface of quantising and diagnosis, which are there in a build without them as well. */
#include "base/base.h"
#include "pith/diagnose.h"
#include "pith/quantize.h"

static const char *const observer_names[PITH_OBSERVER_COUNT + 1] = {
    "auto", "min-max", "percentile", "mse", "kl", "aciq", "average", "moving-average", "admm", "emd", NULL
};

static const char *const cause_names[PITH_CAUSE_COUNT + 1] = { "none",
                                                               "saturated-range",
                                                               "range-too-wide",
                                                               "wrong-zero-point",
                                                               "parameters-differ",
                                                               "activation-outlier-channel",
                                                               "activation-heavy-tail",
                                                               "weight-outlier-channel",
                                                               "wrong-weight-scale",
                                                               "weight-rounding",
                                                               "different-weights",
                                                               "bias-lost",
                                                               "bias-overflow",
                                                               "bias-differs",
                                                               "rounding-bias",
                                                               "calibration-data",
                                                               "sensitive",
                                                               "accumulated",
                                                               "left-float",
                                                               "different-network", "several-faults",
                                                               NULL };

static const char *const repair_names[PITH_REPAIR_COUNT + 1] = {
    "none", "range", "recalibrate", "weights", "bias", "correct-bias", "equalize", "16-bit", "float", "requantize", NULL
};

const char *pith_observer_name(pith_observer observer)
{
    return observer >= 0 && observer <= PITH_OBSERVER_COUNT ? observer_names[observer] : NULL;
}

const char *pith_drop_name(pith_drop_kind kind)
{
    static const char *const names[] = { "none", "top-1", "agreement", "noise" };
    return kind >= 0 && kind < PITH_COUNT(names) ? names[kind] : NULL;
}

const char *pith_cause_name(pith_cause cause)
{
    return cause >= 0 && cause <= PITH_CAUSE_COUNT ? cause_names[cause] : NULL;
}

const char *pith_repair_name(pith_repair repair)
{
    return repair >= 0 && repair <= PITH_REPAIR_COUNT ? repair_names[repair] : NULL;
}

void pith_free_bytes(pith_ctx *ctx, void *bytes) { pithi_free(ctx, bytes); }
