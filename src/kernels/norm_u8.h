/* SPDX-License-Identifier: Apache-2.0 */
/* Family norm_u8: rows of bytes that are normalised, or scaled by the sign of each number. v = (x ^ flip) - flip.
 *
 *   moments:  *sum = sum of v[i], *squares = sum of v[i]^2
 *   affine:   y[i] = round_half_even( clamp( ((v[i] - mean) * factor) * scale[i] + shift[i], low, high ) )
 *   slopes:   d = v[i] - zero: y[i] = round_half_even( clamp( d * (d < 0 ? slope[i] : factor) + mean, low, high ) )
 *
 * in float32, every operation rounded. step 0: slope[0] serves all. PITH_EXACT. */
#ifndef PITH_KERNELS_NORM_U8_H
#define PITH_KERNELS_NORM_U8_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_norm_u8_row {
    const uint8_t *x;
    uint8_t *y;
    size_t n;
    uint8_t flip;
    int32_t zero, low, high;
    float mean, factor;
    const float *scale, *shift; /* affine; scale is `slope` of slopes */
    int step;
} pith_norm_u8_row;

typedef struct pith_norm_u8 {
    pith_kernel head;
    void (*moments)(const uint8_t *x, size_t n, uint8_t flip, int64_t *sum, int64_t *squares);
    void (*affine)(const pith_norm_u8_row *row);
    void (*slopes)(const pith_norm_u8_row *row);
} pith_norm_u8;

static inline const pith_norm_u8 *pithi_norm_u8(int isa_limit)
{
    return pithi_kernel_find("norm_u8", isa_limit)->records;
}

#endif
