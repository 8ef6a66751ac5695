/* SPDX-License-Identifier: Apache-2.0 */
/* Discrete Fourier transforms of lines of a tensor, in double:
 *   y[k] = sum_i x[i] e^(-2 pi j i k / n), the inverse with the other sign and divided by n. */
#ifndef PITH_OPS_SHARED_DFT_H
#define PITH_OPS_SHARED_DFT_H

#include "ops/op.h"

/* One transform. x and y are read and written at `at` + i * `step` (elements), each value being one (real) or
 * two (complex) neighbouring elements. */
typedef struct pithi_dft_line {
    int64_t n; /* length of the transform; missing values of x are zero */
    bool is_inverse;
    bool is_half; /* x holds values 0..n/2 of a spectrum that is symmetric (y is real) */
    const pith_tensor *x, *window; /* window: NULL or n factors for x */
    int64_t x_at, x_step, n_x;
    int n_x_parts;
    pith_tensor *y;
    int64_t y_at, y_step, n_y;
    int n_y_parts;
} pithi_dft_line;

/* The sum as it stands, n operations per value. */
void pithi_dft_direct(const pithi_dft_line *line);

/* Tables of the fast transform: cos and sin of 2 pi i / n. */
typedef struct pithi_fft {
    int64_t n;
    const double *roots;
} pithi_fft;

/* Sets state (a pithi_fft), use_run and scratch for transforms of length n that are shared by `n_lines` parts. */
pith_status pithi_fft_prepare(pith_prepare *prepare, int64_t n, int64_t n_lines);
/* Mixed radix, Cooley and Tukey 1965. */
void pithi_dft_fast(const pithi_dft_line *line, const pithi_fft *fft, void *scratch);

#endif
