/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_dft.h"

#include <math.h>

typedef struct complex_number {
    double re, im;
} complex_number;

static double angle(int64_t i, int64_t n)
{
    return 6.283185307179586476925 * (double)i / (double)n;
}

/* Value i of the line, with padding, symmetry and window. */
static complex_number load(const pithi_dft_line *line, int64_t i)
{
    bool is_mirrored = line->is_half && i > line->n / 2;
    int64_t from = is_mirrored ? line->n - i : i;
    if (from >= line->n_x) {
        return (complex_number){ 0.0, 0.0 };
    }
    int64_t at = line->x_at + from * line->x_step;
    double factor = line->window ? pithi_tensor_get_f64(line->window, from) : 1.0;
    double im = line->n_x_parts == 2 ? pithi_tensor_get_f64(line->x, at + 1) * factor : 0.0;
    return (complex_number){ pithi_tensor_get_f64(line->x, at) * factor, is_mirrored ? -im : im };
}

static void store(const pithi_dft_line *line, int64_t k, complex_number value)
{
    int64_t at = line->y_at + k * line->y_step;
    double scale = line->is_inverse ? 1.0 / (double)line->n : 1.0;
    pithi_tensor_set_f64(line->y, at, value.re * scale);
    if (line->n_y_parts == 2) {
        pithi_tensor_set_f64(line->y, at + 1, value.im * scale);
    }
}

void pithi_dft_direct(const pithi_dft_line *line)
{
    double sign = line->is_inverse ? 1.0 : -1.0;
    for (int64_t k = 0; k < line->n_y; k++) {
        complex_number sum = { 0.0, 0.0 };
        for (int64_t i = 0; i < line->n; i++) {
            complex_number x = load(line, i);
            double c = cos(angle(i * k % line->n, line->n)), s = sign * sin(angle(i * k % line->n, line->n));
            sum.re += x.re * c - x.im * s;
            sum.im += x.re * s + x.im * c;
        }
        store(line, k, sum);
    }
}

/* ---- fast transform ----------------------------------------------------------------------- */

static int64_t smallest_factor(int64_t n)
{
    for (int64_t p = 2; p * p <= n; p++) {
        if (n % p == 0) {
            return p;
        }
    }
    return n;
}

/* y e^(-2 pi j index / n) */
static complex_number turn(const pithi_fft *fft, complex_number y, int64_t index)
{
    double c = fft->roots[2 * index], s = fft->roots[2 * index + 1];
    return (complex_number){ y.re * c + y.im * s, y.im * c - y.re * s };
}

/* Joins two transforms of length m that stand one after the other. */
static void join_two(const pithi_fft *fft, int64_t m, int64_t step, complex_number *y)
{
    for (int64_t k = 0; k < m; k++) {
        complex_number a = y[k], b = turn(fft, y[m + k], k * step);
        y[k] = (complex_number){ a.re + b.re, a.im + b.im };
        y[m + k] = (complex_number){ a.re - b.re, a.im - b.im };
    }
}

/* The same for p transforms; `work` has room for p values. */
static void join(const pithi_fft *fft, int64_t p, int64_t m, int64_t step, complex_number *y, complex_number *work)
{
    for (int64_t k = 0; k < m; k++) {
        for (int64_t q = 0; q < p; q++) {
            work[q] = y[q * m + k];
        }
        for (int64_t r = 0; r < p; r++) {
            complex_number sum = work[0];
            for (int64_t q = 1; q < p; q++) {
                complex_number term = turn(fft, work[q], q * (k + r * m) % (p * m) * step);
                sum.re += term.re;
                sum.im += term.im;
            }
            y[r * m + k] = sum;
        }
    }
}

/* Transform of n values of x, `step` apart, n * step being the whole length; depth: number of prime factors. */
static void transform(const pithi_fft *fft, int64_t n, int64_t step, const complex_number *x, complex_number *y,
                      complex_number *work)
{
    if (n == 1) {
        *y = *x;
        return;
    }
    int64_t p = smallest_factor(n), m = n / p;
    for (int64_t q = 0; q < p; q++) {
        transform(fft, m, step * p, x + q * step, y + q * m, work);
    }
    if (p == 2) {
        join_two(fft, m, step, y);
    } else {
        join(fft, p, m, step, y, work);
    }
}

pith_status pithi_fft_prepare(pith_prepare *prepare, int64_t n, int64_t n_lines)
{
    void *block = NULL, *roots = NULL;
    if (n < 1) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_fft), &block));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n, 2 * sizeof(double), &roots));
    for (int64_t i = 0; i < n; i++) {
        ((double *)roots)[2 * i] = cos(angle(i, n));
        ((double *)roots)[2 * i + 1] = sin(angle(i, n));
    }
    *(pithi_fft *)block = (pithi_fft){ n, roots };
    prepare->state = block;
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_lines, 1 << 16));
    prepare->scratch_bytes = 3 * (size_t)n * sizeof(complex_number);
    prepare->kernel = "fft";
    return PITH_OK;
}

/* The inverse is the transform of the conjugate values, conjugated. */
void pithi_dft_fast(const pithi_dft_line *line, const pithi_fft *fft, void *scratch)
{
    complex_number *x = scratch, *y = x + line->n, *work = y + line->n;
    double sign = line->is_inverse ? -1.0 : 1.0;
    for (int64_t i = 0; i < line->n; i++) {
        x[i] = load(line, i);
        x[i].im *= sign;
    }
    transform(fft, line->n, 1, x, y, work);
    for (int64_t k = 0; k < line->n_y; k++) {
        store(line, k, (complex_number){ y[k].re, y[k].im * sign });
    }
}
