/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_s16: the inner block of products of 16-bit numbers and weights of 9 bits, as gemm_s8.h, but:
 *
 *   C[m][n] = zero + round_half_even( clamp( (float)(bias[n] + sum_s sum_k a[m][s][k] * B[s][k][n]) * scale[n], ... ) )
 *
 * A holds numbers of 16 bits; a = (signed)(A ^ 0x8000) where a_flip is 0x80 (unsigned ones: A - 32768), else A. Offsets
 * and lengths of segments count bytes. B is signed, 16 bits, k in groups of two: panel [segment][k / 2, up][nr][2].
 * C has bytes, or 16 bits where c_is_wide; without scale it is int32_t and gets the sums, and B may have all 16 bits
 * (winograd_s8.h) if no sum of two products leaves s32. row_sums is NULL, b_zero isn't read: zero points of B are taken
 * off by whoever packs. Sums wrap around; with a scale the caller sees to it that none, as a whole, leaves s32.
 * PITH_EXACT. */
#ifndef PITH_KERNELS_GEMM_S16_H
#define PITH_KERNELS_GEMM_S16_H

#include "kernels/gemm_s8.h"

typedef struct pith_gemm_s16 {
    pith_kernel head;
    int nr;
    float cycles; /* for two k of a row by a panel, see gemm_s8.h */
    void (*tile)(const pith_gemm_s8_tile *tile);
} pith_gemm_s16;

static inline const pith_gemm_s16 *pithi_gemm_s16(int isa_limit)
{
    return pithi_kernel_find("gemm_s16", isa_limit)->records;
}

#endif
