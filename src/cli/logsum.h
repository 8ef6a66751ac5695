/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of probabilities that are kept as logarithms. */
#ifndef PITH_CLI_LOGSUM_H
#define PITH_CLI_LOGSUM_H

#include <math.h>

/* log(exp(a) + exp(b)); -INFINITY is probability 0. */
static inline double cli_log_add(double a, double b)
{
    double high = a > b ? a : b;
    double low = a > b ? b : a;
    return isinf(low) && low < 0.0 ? high : high + log1p(exp(low - high));
}

#endif
