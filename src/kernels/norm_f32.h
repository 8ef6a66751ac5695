/* SPDX-License-Identifier: Apache-2.0 */
/* Family norm_f32: the parts of normalisations that reduce_f32 lacks, on contiguous float32 vectors of any length.
 *
 *   centred_squares: sum of (x[i] - mean)^2
 *   affine:          y[i] = (x[i] - mean) * factor * scale[i] + shift[i]; scale NULL: 1, shift NULL: 0
 *   affine_single:   y[i] = (x[i] - mean) * factor + shift
 *
 * y may be x, else must not overlap. Elements' results don't depend on their place. NaN goes through. Exactness:
 * PITH_BOUNDED, centred_squares with k = n / 64 + 70, the others 3 ULP of the largest term. */
#ifndef PITH_KERNELS_NORM_F32_H
#define PITH_KERNELS_NORM_F32_H

#include "kernels/kernel.h"

typedef struct pith_norm_f32 {
    pith_kernel head;
    float (*centred_squares)(const float *x, size_t n, float mean);
    void (*affine)(const float *x, float *y, size_t n, float mean, float factor, const float *scale, const float *shift);
    void (*affine_single)(const float *x, float *y, size_t n, float mean, float factor, float shift);
} pith_norm_f32;

static inline const pith_norm_f32 *pithi_norm_f32(int isa_limit)
{
    return pithi_kernel_find("norm_f32", isa_limit)->records;
}

#endif
