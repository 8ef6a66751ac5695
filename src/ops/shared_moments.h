/* SPDX-License-Identifier: Apache-2.0 */
/* Mean and variance of contiguous floats by kernels, shared by normalisations. */
#ifndef PITH_OPS_SHARED_MOMENTS_H
#define PITH_OPS_SHARED_MOMENTS_H

#include <math.h>

#include "kernels/norm_f32.h"
#include "kernels/reduce_f32.h"

typedef struct pithi_moments_kernels {
    const pith_reduce_f32 *reduce;
    const pith_norm_f32 *norm;
} pithi_moments_kernels;

static inline pithi_moments_kernels pithi_moments_kernels_of(int isa_limit)
{
    return (pithi_moments_kernels){ pithi_reduce_f32(isa_limit), pithi_norm_f32(isa_limit) };
}

/* The line y = (x - mean) / sqrt(variance + epsilon) of n > 0 elements. Two passes; the second one also tells by how
 * much the first mean was off (Chan, Golub and LeVeque 1983, corrected two-pass algorithm). *mean_out: may be NULL. */
static inline pith_norm_line pithi_moments(const pithi_moments_kernels *kernels, const float *x, size_t n,
                                           float epsilon, float *mean_out)
{
    const float mean = kernels->reduce->rows[PITH_REDUCE_SUM](x, n) / (float)n;
    float sum, squares;
    kernels->norm->centred(x, n, mean, &sum, &squares);
    const float off = sum / (float)n;
    const float factor = 1.0f / sqrtf(fmaxf(0.0f, squares / (float)n - off * off) + epsilon);
    if (mean_out) {
        *mean_out = mean + off;
    }
    return (pith_norm_line){ mean, factor, -off * factor };
}

#endif
