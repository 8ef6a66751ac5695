/* SPDX-License-Identifier: Apache-2.0 */
/* Family peak_f32: what this core can do at most, for rooflines (Williams, Waterman, Patterson 2009, "Roofline: an
 * insightful visual performance model"). No network runs these.
 *
 *   multiply_add: n_rounds rounds of `chains` independent vector multiply-adds that no memory is needed for; returns a
 *                 value that depends on all of them
 *   read:         sum of x[0 .. n-1], many loads under way
 *   write:        y[0 .. n-1] = value
 *   copy:         y[0 .. n-1] = x[0 .. n-1]
 *
 * n is a multiple of PITH_PEAK_F32_STEP. Exactness: write and copy PITH_EXACT; read adds in an order of its own. */
#ifndef PITH_KERNELS_PEAK_F32_H
#define PITH_KERNELS_PEAK_F32_H

#include "kernels/kernel.h"

#define PITH_PEAK_F32_STEP 256 /* floats */

typedef struct pith_peak_f32 {
    pith_kernel head;
    int n_lanes, n_chains; /* one round is 2 * n_lanes * n_chains operations */
    float (*multiply_add)(size_t n_rounds);
    float (*read)(const float *x, size_t n);
    void (*write)(float *y, size_t n, float value);
    void (*copy)(float *y, const float *x, size_t n);
} pith_peak_f32;

static inline const pith_peak_f32 *pithi_peak_f32(int isa_limit)
{
    return pithi_kernel_find("peak_f32", isa_limit)->records;
}

#endif
