/* SPDX-License-Identifier: Apache-2.0 */
/* From a histogram to the range that is quantised: min-max, percentile, least squared error, and KL divergence
 * (S. Migacz, "8-bit inference with TensorRT", GTC 2017). */
#include <math.h>

#include "quant/quant.h"

#define LEVELS 255.0          /* steps of u8 */
#define SMALLEST_SCALE 1e-8
#define MSE_STEPS 50          /* candidates are 1, 0.98, ... of the range */
#define MOVING_DECAY 0.9
#define ADMM_START 2.5
#define ADMM_STEPS 300
#define EMD_STEPS 36          /* 1, 0.98, ... 0.3 of the range */
#define EMD_STEP 0.02
#define KL_CELLS 128          /* levels for positive and for negative values */

static double levels_of(pithi_activation_format format) { return format == PITHI_ACTIVATION_U16 ? 65535.0 : LEVELS; }

void pithi_quant_parameters_as(pithi_activation_format format, pithi_range range, float *scale_out, int *zero_out)
{
    const double levels = levels_of(format);
    double scale = fmax((range.high - range.low) / levels, SMALLEST_SCALE);
    *scale_out = (float)scale;
    *zero_out = (int)fmin(fmax(nearbyint(-range.low / (double)*scale_out), 0.0), levels);
}

void pithi_quant_parameters(pithi_range range, float *scale_out, int *zero_out)
{
    pithi_quant_parameters_as(PITHI_ACTIVATION_U8, range, scale_out, zero_out);
}

void pithi_histogram_widen(pithi_histogram *histogram, const float *x, int64_t n)
{
    double low = 0.0, high = 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            low = (double)x[i] < low ? (double)x[i] : low;
            high = (double)x[i] > high ? (double)x[i] : high;
        }
    }
    const double share = 1.0 / ++histogram->n_samples, moving = histogram->n_samples == 1 ? 1.0 : 1.0 - MOVING_DECAY;
    histogram->low = fmin(histogram->low, low);
    histogram->high = fmax(histogram->high, high);
    histogram->average_low += share * (low - histogram->average_low);
    histogram->average_high += share * (high - histogram->average_high);
    histogram->moving_low += moving * (low - histogram->moving_low);
    histogram->moving_high += moving * (high - histogram->moving_high);
}

static double bin_center(const pithi_histogram *histogram, int bin)
{
    return histogram->low + (histogram->high - histogram->low) * (bin + 0.5) / PITHI_QUANT_BINS;
}

void pithi_quant_histogram_error_as(pithi_activation_format format, const pithi_histogram *histogram,
                                    pithi_range range, double *signal_out, double *noise_out, double *clipped_out)
{
    const double levels = levels_of(format);
    float scale;
    int zero;
    double signal = 0.0, noise = 0.0, clipped = 0.0;
    pithi_quant_parameters_as(format, range, &scale, &zero);
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        double x = bin_center(histogram, i), count = (double)histogram->bins[i];
        double q = nearbyint(x / (double)scale) + zero;
        double held = fmin(fmax(q, 0.0), levels), error = x - (double)scale * (held - zero);
        bool inside = q == held;
        /* Within a step the error is uniform, whatever the bin's centre says. */
        double least = inside ? (double)scale * (double)scale / 12.0 : 0.0;
        signal += count * x * x;
        noise += count * (inside ? least : error * error);
        clipped += inside ? 0.0 : count;
    }
    *signal_out = signal;
    *noise_out = noise;
    *clipped_out = histogram->n_elements ? clipped / (double)histogram->n_elements : 0.0;
}

void pithi_quant_histogram_error(const pithi_histogram *histogram, pithi_range range, double *signal_out,
                                 double *noise_out, double *clipped_out)
{
    pithi_quant_histogram_error_as(PITHI_ACTIVATION_U8, histogram, range, signal_out, noise_out, clipped_out);
}

/* ---- percentile ---------------------------------------------------------------------------- */

static pithi_range percentile(const pithi_histogram *h, double fraction)
{
    const double allowed = fraction * (double)h->n_elements;
    const double width = (h->high - h->low) / PITHI_QUANT_BINS;
    int first = 0, last = PITHI_QUANT_BINS - 1;
    for (double sum = (double)h->bins[first]; sum <= allowed && first < last;) {
        sum += (double)h->bins[++first];
    }
    for (double sum = (double)h->bins[last]; sum <= allowed && last > first;) {
        sum += (double)h->bins[--last];
    }
    return (pithi_range){ fmin(h->low + first * width, 0.0), fmax(h->low + (last + 1) * width, 0.0) };
}

/* ---- least squares ------------------------------------------------------------------------- */

static double noise_of(const pithi_histogram *h, pithi_range range)
{
    double signal, noise, clipped;
    pithi_quant_histogram_error(h, range, &signal, &noise, &clipped);
    return noise;
}

/* Results lie on lines between the bins' centres. */
static double result_at(const pithi_histogram *h, const double *results, double x)
{
    const double at = (x - h->low) / (h->high - h->low) * PITHI_QUANT_BINS - 0.5;
    const double held = fmin(fmax(at, 0.0), PITHI_QUANT_BINS - 1.0);
    const int left = held < PITHI_QUANT_BINS - 2.0 ? (int)held : PITHI_QUANT_BINS - 2;
    return results[left] + (held - left) * (results[left + 1] - results[left]);
}

/* Of the results of a function, when its argument is rounded: a step is some bins wide, which tell its error. */
static double noise_of_results(const pithi_histogram *h, const double *results, pithi_range range)
{
    float scale;
    int zero;
    double noise = 0.0;
    pithi_quant_parameters(range, &scale, &zero);
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        const double q = nearbyint(bin_center(h, i) / (double)scale) + zero;
        const double error = results[i] - result_at(h, results, (double)scale * (fmin(fmax(q, 0.0), LEVELS) - zero));
        noise += (double)h->bins[i] * error * error;
    }
    return noise;
}

static void improve(const pithi_histogram *h, const double *results, const double steps[2], pithi_range *best)
{
    const pithi_range start = *best;
    double least = INFINITY;
    for (int i = 0; i < MSE_STEPS; i++) {
        pithi_range range = { start.low * (1.0 - steps[0] * i), start.high * (1.0 - steps[1] * i) };
        double noise = results ? noise_of_results(h, results, range) : noise_of(h, range);
        if (noise < least) {
            least = noise;
            *best = range;
        }
    }
}

/* Both ends together, then each by itself. */
static pithi_range least_squares(const pithi_histogram *h, const double *results)
{
    static const double steps[][2] = { { 0.02, 0.02 }, { 0.0, 0.01 }, { 0.01, 0.0 } };
    pithi_range best = { h->low, h->high };
    for (int i = 0; i < PITH_COUNT(steps); i++) {
        improve(h, results, steps[i], &best);
    }
    return best;
}

pithi_range pithi_quant_observe_results(const pithi_histogram *histogram, const double *results)
{
    return histogram->high > histogram->low ? least_squares(histogram, results)
                                            : (pithi_range){ histogram->low, histogram->high };
}

/* ---- divergence ---------------------------------------------------------------------------- */

/* Counts of |x| over [0, largest]; the first bin, where relu's zeros lie, counts as much as the second. */
static double fold_signs(const pithi_histogram *h, double folded[PITHI_QUANT_BINS])
{
    double largest = fmax(-h->low, h->high);
    memset(folded, 0, PITHI_QUANT_BINS * sizeof(double));
    for (int i = 0; i < PITHI_QUANT_BINS && largest > 0.0; i++) {
        int bin = (int)(fabs(bin_center(h, i)) / largest * PITHI_QUANT_BINS);
        folded[bin < PITHI_QUANT_BINS ? bin : PITHI_QUANT_BINS - 1] += (double)h->bins[i];
    }
    folded[0] = folded[1];
    return largest;
}

/* Sum over one cell of P log(P / Q): Q spreads the cell's mass over its bins that aren't empty. */
static double cell_divergence(const double *folded, int begin, int end, int last, double tail, double total)
{
    double inner = 0.0, sum = 0.0;
    int n_filled = 0;
    for (int i = begin; i < end; i++) {
        inner += folded[i];
        n_filled += folded[i] > 0.0;
    }
    double q = n_filled ? inner / n_filled : 0.0;
    for (int i = begin; i < end; i++) {
        double p = folded[i] + (i == last ? tail : 0.0);
        if (p > 0.0) {
            sum += p / total * log(p / fmax(folded[i] > 0.0 ? q : 0.0, 1e-9 * total));
        }
    }
    return sum;
}

static double divergence(const double *folded, int n_bins, int n_cells, double total)
{
    double tail = 0.0, sum = 0.0;
    for (int i = n_bins; i < PITHI_QUANT_BINS; i++) {
        tail += folded[i];
    }
    for (int cell = 0; cell < n_cells; cell++) {
        int begin = (int)((int64_t)n_bins * cell / n_cells), end = (int)((int64_t)n_bins * (cell + 1) / n_cells);
        sum += cell_divergence(folded, begin, end, n_bins - 1, tail, total);
    }
    return sum;
}

double pithi_quant_divergence(const pithi_histogram *histogram, int n_bins)
{
    double folded[PITHI_QUANT_BINS], total = 0.0;
    fold_signs(histogram, folded);
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        total += folded[i];
    }
    return divergence(folded, n_bins, histogram->low < 0.0 ? KL_CELLS : 2 * KL_CELLS, total);
}

static pithi_range least_divergence(const pithi_histogram *h)
{
    double folded[PITHI_QUANT_BINS], total = 0.0, least = INFINITY;
    double largest = fold_signs(h, folded), threshold = largest;
    int n_cells = h->low < 0.0 ? KL_CELLS : 2 * KL_CELLS;
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        total += folded[i];
    }
    for (int n_bins = n_cells; n_bins <= PITHI_QUANT_BINS && total > 0.0; n_bins += 8) {
        double d = divergence(folded, n_bins, n_cells, total);
        if (d < least) {
            least = d;
            threshold = (n_bins + 0.5) * largest / PITHI_QUANT_BINS;
        }
    }
    return (pithi_range){ fmax(h->low, -threshold), fmin(h->high, threshold) };
}

/* ---- distributions -------------------------------------------------------------------------- */

/* Banner et al., "Post training 4-bit quantization of convolutional networks", arXiv 1810.05723, equations 3 and 6:
 * mean squared error of clipping at a and rounding to 2^bits steps, of a distribution of scale 1. */
static double laplace_error(double a, double bits) { return 2.0 * exp(-a) + a * a / (3.0 * pow(4.0, bits)); }

static double normal_error(double a, double bits)
{
    return (1.0 + a * a) * erfc(a / sqrt(2.0)) - sqrt(2.0 / 3.14159265358979323846) * a * exp(-0.5 * a * a) +
           a * a / (3.0 * pow(4.0, bits));
}

static double best_clip(double (*error)(double, double), double bits)
{
    double low = 0.5, high = 40.0;
    for (int i = 0; i < 80; i++) { /* both errors have one minimum: by thirds */
        double left = low + (high - low) / 3.0, right = high - (high - low) / 3.0;
        if (error(left, bits) < error(right, bits)) {
            high = right;
        } else {
            low = left;
        }
    }
    return 0.5 * (low + high);
}

/* The distribution is the one whose mean deviation fits better: sqrt(2/pi) sigma for the normal one, sigma / sqrt(2)
 * for Laplace's. Values of one sign are half of a distribution around zero, with twice the steps. */
static pithi_range analytic(const pithi_histogram *h)
{
    const bool is_half = h->low == 0.0 || h->high == 0.0;
    const double n = (double)h->n_elements, bits = is_half ? 9.0 : 8.0;
    double mean = 0.0, deviation = 0.0, square = 0.0;
    for (int i = 0; i < PITHI_QUANT_BINS && !is_half && n > 0.0; i++) {
        mean += (double)h->bins[i] * bin_center(h, i) / n;
    }
    for (int i = 0; i < PITHI_QUANT_BINS && n > 0.0; i++) {
        double x = bin_center(h, i) - mean;
        deviation += (double)h->bins[i] * fabs(x) / n;
        square += (double)h->bins[i] * x * x / n;
    }
    const double sigma = sqrt(square), ratio = sigma > 0.0 ? deviation / sigma : 1.0;
    const bool is_normal = fabs(ratio - sqrt(2.0 / 3.14159265358979323846)) < fabs(ratio - sqrt(0.5));
    const double clip = is_normal ? sigma * best_clip(normal_error, bits) : deviation * best_clip(laplace_error, bits);
    return (pithi_range){ fmin(fmax(h->low, mean - clip), 0.0), fmax(fmin(h->high, mean + clip), 0.0) };
}

/* ---- scales in turns, and distances of distributions --------------------------------------- */

/* Integers for a scale, then the scale of the least squared error for these integers, in turns: neither step raises
 * the error (Leng et al., "Extremely low bit neural network: squeeze the last bit out with ADMM", arXiv 1707.09870;
 * with the start of the MNN toolkit's quantiser, two fifths of the range). Levels are split between the signs as the
 * range is. */
static pithi_range alternate(const pithi_histogram *h)
{
    const double lowest = nearbyint(LEVELS * h->low / fmax(h->high - h->low, SMALLEST_SCALE));
    const double highest = lowest + LEVELS;
    double scale = fmax((h->high - h->low) / LEVELS, SMALLEST_SCALE) / ADMM_START, last = 0.0;
    for (int i = 0; i < ADMM_STEPS && fabs(scale - last) > 1e-9 * scale; i++) {
        double product = 0.0, square = 0.0;
        last = scale;
        for (int bin = 0; bin < PITHI_QUANT_BINS; bin++) {
            const double x = bin_center(h, bin), count = (double)h->bins[bin];
            const double q = fmin(fmax(nearbyint(x / scale), lowest), highest);
            product += count * q * x;
            square += count * q * q;
        }
        scale = square > 0.0 && product > 0.0 ? product / square : scale;
    }
    return (pithi_range){ fmax(scale * lowest, h->low), fmin(scale * highest, h->high) };
}

/* |mean - mean'| + |deviation - deviation'| over the shares that PaddleSlim's observer of that name tries. */
static pithi_range least_distance(const pithi_histogram *h)
{
    const double n = fmax((double)h->n_elements, 1.0);
    pithi_range best = { h->low, h->high };
    double least = INFINITY;
    for (int i = 0; i < EMD_STEPS; i++) {
        const double share = 1.0 - EMD_STEP * i;
        const pithi_range range = { h->low * share, h->high * share };
        double sums[2] = { 0.0 }, squares[2] = { 0.0 };
        float scale;
        int zero;
        pithi_quant_parameters(range, &scale, &zero);
        for (int bin = 0; bin < PITHI_QUANT_BINS; bin++) {
            const double x = bin_center(h, bin), share_of_all = (double)h->bins[bin] / n;
            const double q = fmin(fmax(nearbyint(x / (double)scale) + zero, 0.0), LEVELS);
            const double y = (double)scale * (q - zero);
            sums[0] += share_of_all * x;
            sums[1] += share_of_all * y;
            squares[0] += share_of_all * x * x;
            squares[1] += share_of_all * y * y;
        }
        const double distance = fabs(sums[0] - sums[1]) + fabs(sqrt(fmax(squares[0] - sums[0] * sums[0], 0.0)) -
                                                               sqrt(fmax(squares[1] - sums[1] * sums[1], 0.0)));
        if (distance < least) {
            least = distance;
            best = range;
        }
    }
    return best;
}

pithi_range pithi_quant_observe(const pithi_histogram *histogram, pith_observer observer, double clip_fraction)
{
    switch (observer) {
    case PITH_OBSERVER_PERCENTILE: return percentile(histogram, clip_fraction);
    case PITH_OBSERVER_MSE: return least_squares(histogram, NULL);
    case PITH_OBSERVER_KL: return least_divergence(histogram);
    case PITH_OBSERVER_ACIQ: return analytic(histogram);
    case PITH_OBSERVER_AVERAGE: return (pithi_range){ histogram->average_low, histogram->average_high };
    case PITH_OBSERVER_MOVING_AVERAGE: return (pithi_range){ histogram->moving_low, histogram->moving_high };
    case PITH_OBSERVER_ADMM: return alternate(histogram);
    case PITH_OBSERVER_EMD: return least_distance(histogram);
    default: return (pithi_range){ histogram->low, histogram->high };
    }
}
