/* SPDX-License-Identifier: Apache-2.0 */
/* Family convert_f16: IEEE 754 binary16 to float32 and back, round to nearest even; too large gives infinity, too small
 * denormals or zero.
 *
 * Contiguous vectors of any length and alignment that don't overlap. NaN stays NaN. Exactness: PITH_EXACT but for NaN
 * payloads. */
#ifndef PITH_KERNELS_CONVERT_F16_H
#define PITH_KERNELS_CONVERT_F16_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_convert_f16 {
    pith_kernel head;
    void (*to_f32)(const uint16_t *x, float *y, size_t n);
    void (*to_f16)(const float *x, uint16_t *y, size_t n);
} pith_convert_f16;

static inline const pith_convert_f16 *pithi_convert_f16(int isa_limit)
{
    return pithi_kernel_find("convert_f16", isa_limit)->records;
}

#endif
