/* SPDX-License-Identifier: Apache-2.0 */
/* Family vbinary_f32: y[i] = a[i] op b[i] on contiguous float32 vectors, where one operand may be a single
 * value (form VS: b[0], form SV: a[0]).
 *
 * y may be the same pointer as a or b, else must not overlap them. Any alignment, any n including 0.
 * min and max give NaN if either operand is NaN; of two zeros they give either. Exactness: PITH_EXACT (NaN
 * payloads and the sign of zeros from min and max aside). */
#ifndef PITH_KERNELS_VBINARY_F32_H
#define PITH_KERNELS_VBINARY_F32_H

#include "kernels/kernel.h"

typedef enum pith_vbinary {
    PITH_VBINARY_ADD,
    PITH_VBINARY_SUB,
    PITH_VBINARY_MUL,
    PITH_VBINARY_DIV,
    PITH_VBINARY_MIN,
    PITH_VBINARY_MAX,
    PITH_VBINARY_PRELU, /* a < 0 ? a b : a */
    PITH_VBINARY_COUNT
} pith_vbinary;

typedef enum pith_vbinary_form {
    PITH_VBINARY_VV,
    PITH_VBINARY_VS,
    PITH_VBINARY_SV,
    PITH_VBINARY_FORM_COUNT
} pith_vbinary_form;

typedef void pith_vbinary_f32_fn(const float *a, const float *b, float *y, size_t n);

typedef struct pith_vbinary_f32 {
    pith_kernel head;
    pith_vbinary_f32_fn *functions[PITH_VBINARY_COUNT][PITH_VBINARY_FORM_COUNT];
} pith_vbinary_f32;

static inline const pith_vbinary_f32 *pithi_vbinary_f32(int isa_limit)
{
    return pithi_kernel_find("vbinary_f32", isa_limit)->records;
}

#endif
