/* SPDX-License-Identifier: Apache-2.0 */
#include "quality.h"

#include <math.h>

enum { MAX_PSNR = 100, WINDOW = 11, N_MOMENTS = 5 };

pith_status cli_pixels_make(int width, int height, cli_pixels *pixels_out)
{
    *pixels_out = (cli_pixels){ .width = width, .height = height };
    return cli_alloc((size_t)width * (size_t)height, sizeof(double), (void **)&pixels_out->items);
}

double cli_luma(double red, double green, double blue)
{
    return 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255.0;
}

void cli_pixels_round(cli_pixels *pixels)
{
    for (size_t i = 0; i < (size_t)pixels->width * (size_t)pixels->height; i++) {
        pixels->items[i] = fmin(fmax(floor(pixels->items[i] + 0.5), 0.0), 255.0);
    }
}

/* ---- scaling -------------------------------------------------------------------------------- */

static double cubic(double x)
{
    x = fabs(x);
    return x <= 1.0   ? (1.5 * x - 2.5) * x * x + 1.0
           : x <= 2.0 ? ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
                      : 0.0;
}

static int mirror(int index, int n)
{
    int period = 2 * n;
    index = (index % period + period) % period;
    return index < n ? index : period - 1 - index;
}

/* One line of `n_in` pixels `step` apart to one of `n_out`. */
static void scale_line(const double *from, int n_in, double *to, int n_out, size_t step_in, size_t step_out)
{
    double scale = (double)n_out / n_in, narrow = scale < 1.0 ? scale : 1.0, reach = 2.0 / narrow;
    for (int i = 0; i < n_out; i++) {
        double centre = (i + 0.5) / scale - 0.5, sum = 0.0, weights = 0.0;
        for (int k = (int)ceil(centre - reach); k <= (int)floor(centre + reach); k++) {
            double weight = cubic((centre - k) * narrow);
            sum += weight * from[(size_t)mirror(k, n_in) * step_in];
            weights += weight;
        }
        to[(size_t)i * step_out] = sum / weights;
    }
}

pith_status cli_pixels_bicubic(const cli_pixels *from, int width, int height, cli_pixels *pixels_out)
{
    cli_pixels rows;
    CLI_TRY(cli_pixels_make(from->width, height, &rows));
    pith_status status = cli_pixels_make(width, height, pixels_out);
    for (int x = 0; x < from->width && status == PITH_OK; x++) {
        scale_line(from->items + x, from->height, rows.items + x, height, (size_t)from->width, (size_t)from->width);
    }
    for (int y = 0; y < height && status == PITH_OK; y++) {
        scale_line(rows.items + (size_t)y * (size_t)from->width, from->width,
                   pixels_out->items + (size_t)y * (size_t)width, width, 1, 1);
    }
    cli_free(rows.items);
    return status;
}

/* ---- comparing ------------------------------------------------------------------------------ */

double cli_mean_square(const cli_pixels *a, const cli_pixels *b, int border)
{
    double sum = 0.0;
    size_t n = 0;
    for (int y = border; y < a->height - border; y++) {
        for (int x = border; x < a->width - border; x++) {
            size_t at = (size_t)y * (size_t)a->width + (size_t)x;
            double difference = a->items[at] - b->items[at];
            sum += difference * difference;
            n++;
        }
    }
    return n > 0 ? sum / (double)n : 0.0;
}

double cli_psnr(double mean_square)
{
    const double psnr = mean_square == 0.0 ? MAX_PSNR : 10.0 * log10(255.0 * 255.0 / mean_square);
    return psnr > MAX_PSNR ? MAX_PSNR : psnr;
}

/* Sums of a, b, aa, bb, ab over a window along x, weighted. */
static void add_moments(const cli_pixels *a, const cli_pixels *b, const double weights[WINDOW], int x, int y,
                        double sums[N_MOMENTS])
{
    const double *p = a->items + (size_t)y * (size_t)a->width + (size_t)x;
    const double *q = b->items + (size_t)y * (size_t)b->width + (size_t)x;
    for (int k = 0; k < WINDOW; k++) {
        sums[0] += weights[k] * p[k];
        sums[1] += weights[k] * q[k];
        sums[2] += weights[k] * p[k] * p[k];
        sums[3] += weights[k] * q[k] * q[k];
        sums[4] += weights[k] * p[k] * q[k];
    }
}

static double similarity(const double m[N_MOMENTS])
{
    const double c1 = 0.01 * 255.0 * 0.01 * 255.0, c2 = 0.03 * 255.0 * 0.03 * 255.0;
    double variance_a = m[2] - m[0] * m[0], variance_b = m[3] - m[1] * m[1], common = m[4] - m[0] * m[1];
    return (2.0 * m[0] * m[1] + c1) * (2.0 * common + c2) /
           ((m[0] * m[0] + m[1] * m[1] + c1) * (variance_a + variance_b + c2));
}

/* Moments along x for all rows first, then along y. */
static double sum_similarities(const cli_pixels *a, const cli_pixels *b, int border, const double weights[WINDOW],
                               double *rows)
{
    double sum = 0.0;
    for (int x = border; x + WINDOW <= a->width - border; x++) {
        memset(rows, 0, (size_t)a->height * N_MOMENTS * sizeof(double));
        for (int y = border; y < a->height - border; y++) {
            add_moments(a, b, weights, x, y, rows + (size_t)y * N_MOMENTS);
        }
        for (int y = border; y + WINDOW <= a->height - border; y++) {
            double moments[N_MOMENTS] = { 0 };
            for (int k = 0; k < WINDOW; k++) {
                for (int i = 0; i < N_MOMENTS; i++) {
                    moments[i] += weights[k] * rows[(size_t)(y + k) * N_MOMENTS + (size_t)i];
                }
            }
            sum += similarity(moments);
        }
    }
    return sum;
}

pith_status cli_ssim(const cli_pixels *a, const cli_pixels *b, int border, double *ssim_out)
{
    double weights[WINDOW], total = 0.0;
    void *rows = NULL;
    int64_t across = a->width - 2 * border - WINDOW + 1, down = a->height - 2 * border - WINDOW + 1;
    CLI_CHECK(across > 0 && down > 0, PITH_STATUS_SHAPE,
              "SSIM needs %d x %d pixels, %d x %d are left of the picture without %d at each border", WINDOW, WINDOW,
              a->width - 2 * border, a->height - 2 * border, border);
    CLI_TRY(cli_alloc((size_t)a->height * N_MOMENTS, sizeof(double), &rows));
    for (int i = 0; i < WINDOW; i++) {
        double d = i - WINDOW / 2;
        weights[i] = exp(-d * d / (2.0 * 1.5 * 1.5));
        total += weights[i];
    }
    for (int i = 0; i < WINDOW; i++) {
        weights[i] /= total;
    }
    *ssim_out = sum_similarities(a, b, border, weights, rows) / (double)(across * down);
    cli_free(rows);
    return PITH_OK;
}
