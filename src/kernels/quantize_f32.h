/* SPDX-License-Identifier: Apache-2.0 */
/* Family quantize_f32: float32 to and from 8-bit integers, and to 16-bit ones with one scale,
 *
 *   quantize:    y[i] = min(max(round(x[i] / scale), low - zero), high - zero) + zero   (halves to even; NaN gives low)
 *   dequantize:  y[i] = (x[i] - zero) * scale
 *
 * with low and high the limits of the type. step 0: scale[0] and zero[0] serve all; step 1: scale[i] and zero[i]. zero
 * NULL: 0. Any n and alignment; x and y don't overlap. Exactness: PITH_EXACT. */
#ifndef PITH_KERNELS_QUANTIZE_F32_H
#define PITH_KERNELS_QUANTIZE_F32_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_quantize_f32 {
    pith_kernel head;
    void (*quantize_s8)(const float *x, const float *scale, const int8_t *zero, int64_t step, int8_t *y, int64_t n);
    void (*quantize_u8)(const float *x, const float *scale, const uint8_t *zero, int64_t step, uint8_t *y, int64_t n);
    void (*quantize_s16)(const float *x, float scale, int32_t zero, int16_t *y, int64_t n);
    void (*quantize_u16)(const float *x, float scale, int32_t zero, uint16_t *y, int64_t n);
    void (*dequantize_s8)(const int8_t *x, const float *scale, const int8_t *zero, int64_t step, float *y, int64_t n);
    void (*dequantize_u8)(const uint8_t *x, const float *scale, const uint8_t *zero, int64_t step, float *y, int64_t n);
} pith_quantize_f32;

/* The record for an ISA limit; never NULL. */
static inline const pith_quantize_f32 *pithi_quantize_f32(int isa_limit)
{
    return pithi_kernel_find("quantize_f32", isa_limit)->records;
}

#endif
