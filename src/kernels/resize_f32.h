/* SPDX-License-Identifier: Apache-2.0 */
/* Family resize_f32: the two passes of separable resampling, with taps from tables.
 *
 *   columns:  dst[x C + c] = sum over k of weights[k n_out + x] * src[indices[k n_out + x] C + c]
 *   rows:     dst[i]       = sum over k of weights[k] * src[k][i]
 *
 * for 0 <= x < n_out, 0 <= c < C (n_channels), 0 <= k < n_taps, n_taps >= 1, 0 <= i < n. Sums start with k = 0.
 * The indices of a tap never fall, or never rise, with x. Any alignment; dst overlaps nothing. NaN and
 * infinities propagate. Exactness: PITH_BOUNDED, error at most n_taps * eps
 * * sum |weight||src|. An element doesn't depend on n_out or n. */
#ifndef PITH_KERNELS_RESIZE_F32_H
#define PITH_KERNELS_RESIZE_F32_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_resize_taps_f32 {
    const int32_t *indices; /* [n_taps][n_out] */
    const float *weights;   /* [n_taps][n_out] */
    int64_t n_taps, n_out;
} pith_resize_taps_f32;

typedef struct pith_resize_f32 {
    pith_kernel head;
    void (*columns)(const pith_resize_taps_f32 *taps, const float *src, int64_t n_channels, float *dst);
    void (*rows)(const float *const *src, const float *weights, int64_t n_taps, float *dst, int64_t n);
} pith_resize_f32;

/* The record for an ISA limit; never NULL. */
static inline const pith_resize_f32 *pithi_resize_f32(int isa_limit)
{
    return pithi_kernel_find("resize_f32", isa_limit)->records;
}

#endif
