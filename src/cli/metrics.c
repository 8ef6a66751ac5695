/* SPDX-License-Identifier: Apache-2.0 */
/* Error measures between tensors. */
#include <math.h>

#include "metrics.h"

/* A few float32 steps at 1: what is left of a difference of numbers near 1, as in a sigmoid far from 0. */
#define FLOAT32_STEP 1e-6

static double find_largest(const pith_tensor *tensor, size_t n)
{
    double largest = 0.0;
    for (size_t i = 0; i < n; i++) {
        double magnitude = fabs(cli_get(tensor, i));
        if (isfinite(magnitude) && magnitude > largest) {
            largest = magnitude;
        }
    }
    return largest;
}

/* |got - want|; integers without passing through double, which would lose their low bits. */
static double distance(const pith_tensor *got, const pith_tensor *want, size_t index)
{
    if (cli_dtype_is_float(got->dtype)) {
        return fabs(cli_get(got, index) - cli_get(want, index));
    }
    uint64_t a = (uint64_t)cli_get_s64(got, index);
    uint64_t b = (uint64_t)cli_get_s64(want, index);
    bool is_a_larger = got->dtype == PITH_DTYPE_U64 ? a > b : (int64_t)a > (int64_t)b;
    return (double)(is_a_larger ? a - b : b - a);
}

static void choose_tolerance(const pith_tensor *want, double rtol, double atol, cli_metrics *metrics)
{
    bool is_float = cli_dtype_is_float(want->dtype);
    double scale = metrics->largest > 0.0 ? metrics->largest : 1.0;
    metrics->rtol = rtol >= 0.0 ? rtol : is_float ? 1e-4 : 0.0;
    metrics->atol = atol >= 0.0 ? atol : is_float ? fmax(FLOAT32_STEP, 1e-5 * scale) : 0.0;
}

typedef struct sums {
    double got_got, want_want, got_want, noise, distance, worst_excess;
    size_t n_finite;
} sums;

/* How far the element is outside (positive) or inside; infinite where NaN or infinity disagree. */
static double measure_element(const pith_tensor *got, const pith_tensor *want, size_t index, cli_metrics *metrics,
                              sums *total)
{
    double a = cli_get(got, index);
    double b = cli_get(want, index);
    if (!isfinite(a) || !isfinite(b)) {
        bool is_equal = (isnan(a) && isnan(b)) || a == b;
        return is_equal ? -INFINITY : INFINITY;
    }
    double difference = distance(got, want, index);
    total->n_finite++;
    total->got_got += a * a;
    total->want_want += b * b;
    total->got_want += a * b;
    total->noise += difference * difference;
    total->distance += difference;
    if (difference > metrics->max_abs) {
        metrics->max_abs = difference;
    }
    if (fabs(b) >= 1e-3 * metrics->largest && b != 0.0 && difference / fabs(b) > metrics->max_rel) {
        metrics->max_rel = difference / fabs(b);
    }
    return difference - (metrics->atol + metrics->rtol * fabs(b));
}

static void finish(const sums *total, cli_metrics *metrics)
{
    double lengths = sqrt(total->got_got) * sqrt(total->want_want);
    bool are_zero = total->got_got == 0.0 && total->want_want == 0.0;
    metrics->cosine = are_zero ? 1.0 : lengths > 0.0 ? total->got_want / lengths : 0.0;
    metrics->sqnr_db = total->noise > 0.0 ? 10.0 * log10(total->want_want / total->noise) : INFINITY;
    metrics->mean_abs = total->n_finite ? total->distance / (double)total->n_finite : 0.0;
    metrics->of_largest = metrics->max_abs > 0.0 ? metrics->max_abs / metrics->largest : 0.0;
}

void cli_measure(const pith_tensor *got, const pith_tensor *want, double rtol, double atol, cli_metrics *metrics_out)
{
    cli_metrics metrics = { .is_same_kind = got->dtype == want->dtype && pith_shape_equal(&got->shape, &want->shape) };
    sums total = { .worst_excess = -INFINITY };
    const pith_tensor got_parts = cli_tensor_parts(got), want_parts = cli_tensor_parts(want);
    got = &got_parts;
    want = &want_parts;
    metrics.n_elements = (size_t)pith_shape_elements(&want->shape);
    if (!metrics.is_same_kind) {
        metrics.n_outside = metrics.n_elements;
        *metrics_out = metrics;
        return;
    }
    metrics.largest = find_largest(want, metrics.n_elements);
    choose_tolerance(want, rtol, atol, &metrics);
    for (size_t i = 0; i < metrics.n_elements; i++) {
        double excess = measure_element(got, want, i, &metrics, &total);
        metrics.n_outside += excess > 0.0;
        if (excess > total.worst_excess) {
            total.worst_excess = excess;
            metrics.worst = i;
            metrics.worst_got = cli_get(got, i);
            metrics.worst_want = cli_get(want, i);
        }
    }
    finish(&total, &metrics);
    *metrics_out = metrics;
}
