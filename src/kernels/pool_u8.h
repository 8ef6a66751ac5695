/* SPDX-License-Identifier: Apache-2.0 */
/* Family pool_u8: pooling windows of channels-last images of bytes.
 *
 *   max:  y[i][c] = largest of taps[t][i * x_step + c] over t = 0 .. n_taps-1, of n_pixels neighbouring windows i
 *   mean: y[c] = round_half_even( clamp( (sum_t (x - x_zero) * x_scale) / divisor / y_scale + y_zero, low, high ) ),
 *         summed in float32 with t rising, every operation rounded
 *   sums: sums[c] += sum over pixels p = 0 .. n_pixels-1 of x[p * x_step + c], in s32 (n_pixels below 2^23)
 *
 * Bytes are read as (x ^ flip) - flip: 0x80 for signed ones, 0 for unsigned ones. PITH_EXACT. */
#ifndef PITH_KERNELS_POOL_U8_H
#define PITH_KERNELS_POOL_U8_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_pool_u8_mean {
    float x_scale, y_scale, divisor;
    int32_t x_zero, y_zero, low, high;
} pith_pool_u8_mean;

typedef struct pith_pool_u8 {
    pith_kernel head;
    void (*max)(const uint8_t *const *taps, size_t n_taps, size_t x_step, uint8_t *y, size_t n_channels,
                size_t n_pixels, uint8_t flip);
    void (*mean)(const uint8_t *const *taps, size_t n_taps, uint8_t *y, size_t n_channels,
                 const pith_pool_u8_mean *mean, uint8_t flip);
    void (*sums)(const uint8_t *x, size_t n_pixels, size_t x_step, int32_t *sums, size_t n_channels, uint8_t flip);
} pith_pool_u8;

static inline const pith_pool_u8 *pithi_pool_u8(int isa_limit)
{
    return pithi_kernel_find("pool_u8", isa_limit)->records;
}

#endif
