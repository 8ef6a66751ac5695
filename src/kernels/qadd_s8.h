/* SPDX-License-Identifier: Apache-2.0 */
/* Family qadd_s8: sum of two rows of quantised bytes, with fused multiply-adds in float32, and their product, with each
 * operation rounded:
 *
 *   sum:     y[i] = round_half_even( clamp( fma(a, a_scale, fma(b, b_scale, offset)), low, high ) )
 *   product: y[i] = round_half_even( clamp( (a * b) * a_scale + offset, low, high ) ), b_scale unused
 *
 * with a = (a[i] ^ a_flip) + a_base: a_flip 0x80 with a_base -128 reads signed bytes, 0 with 0 unsigned ones; b
 * likewise. Steps are 0 (one element for all) or 1. PITH_EXACT: every ISA gives the same bits; a NaN is clamped to
 * low. */
#ifndef PITH_KERNELS_QADD_S8_H
#define PITH_KERNELS_QADD_S8_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_qadd_s8_row {
    const uint8_t *a, *b;
    uint8_t *y;
    size_t n;
    int a_step, b_step;
    uint8_t a_flip, b_flip;
    int32_t a_base, b_base;
    float a_scale, b_scale, offset;
    int32_t low, high;
} pith_qadd_s8_row;

typedef struct pith_qadd_s8 {
    pith_kernel head;
    void (*sum)(const pith_qadd_s8_row *row);
    void (*product)(const pith_qadd_s8_row *row);
} pith_qadd_s8;

static inline const pith_qadd_s8 *pithi_qadd_s8(int isa_limit)
{
    return pithi_kernel_find("qadd_s8", isa_limit)->records;
}

#endif
