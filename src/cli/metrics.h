/* SPDX-License-Identifier: Apache-2.0 */
/* How far two tensors are apart. */
#ifndef PITH_CLI_METRICS_H
#define PITH_CLI_METRICS_H

#include "tensors.h"

/* An element is inside when |got - want| <= atol + rtol * |want|, both are NaN, or both are the same
 * infinity. Negative tolerances take the defaults: floats rtol 1e-4 and atol 1e-5 times the largest
 * |want| of the tensor (rounding errors of sums follow the size of what is summed, so elements near
 * zero carry the error of their large neighbours); integers and bool exact. */
typedef struct cli_metrics {
    bool is_same_kind;   /* dtype and shape agree; else all of it counts as outside */
    double rtol, atol;   /* as used */
    size_t n_elements, n_outside;
    size_t worst;        /* index of the element that is most outside (or nearest to being) */
    double worst_got, worst_want;
    double max_abs;      /* largest |got - want| over finite pairs */
    double max_rel;      /* largest |got - want| / |want|, where |want| >= 1e-3 * largest */
    double largest;      /* largest finite |want| */
    double of_largest;   /* max_abs / largest; 0 if there is no difference */
    double mean_abs;
    double cosine;       /* 1 if both are zero */
    double sqnr_db;      /* 10 log10(sum want^2 / sum (got - want)^2); infinite if equal */
} cli_metrics;

void cli_measure(const pith_tensor *got, const pith_tensor *want, double rtol, double atol, cli_metrics *metrics_out);
static inline bool cli_is_within(const cli_metrics *metrics)
{
    return metrics->is_same_kind && metrics->n_outside == 0;
}

#endif
