/* SPDX-License-Identifier: Apache-2.0 */
/* Family norm_f32: the parts of normalisations that reduce_f32 lacks, on contiguous float32 vectors of any length.
 *
 *   centred:       *sum = sum of x[i] - mean, *squares = sum of (x[i] - mean)^2
 *   affine:        y[i] = ((x[i] - mean) * factor + offset) * scale[i] + shift[i]; scale NULL: 1, shift NULL: 0
 *   affine_single: y[i] = (x[i] - mean) * factor + offset
 *
 * The sum corrects a mean that was rounded. y may be x, else must not overlap. Elements' results don't depend on their
 * place. NaN goes through. Exactness: PITH_BOUNDED, the sums with k = n / 64 + 70, the others 3 ULP of the largest
 * term. */
#ifndef PITH_KERNELS_NORM_F32_H
#define PITH_KERNELS_NORM_F32_H

#include "kernels/kernel.h"

typedef struct pith_norm_line {
    float mean, factor, offset;
} pith_norm_line;

typedef struct pith_norm_f32 {
    pith_kernel head;
    void (*centred)(const float *x, size_t n, float mean, float *sum, float *squares);
    void (*affine)(const float *x, float *y, size_t n, const pith_norm_line *line, const float *scale,
                   const float *shift);
    void (*affine_single)(const float *x, float *y, size_t n, const pith_norm_line *line);
} pith_norm_f32;

static inline const pith_norm_f32 *pithi_norm_f32(int isa_limit)
{
    return pithi_kernel_find("norm_f32", isa_limit)->records;
}

#endif
