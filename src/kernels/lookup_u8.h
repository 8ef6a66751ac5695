/* SPDX-License-Identifier: Apache-2.0 */
/* Family lookup_u8: y[i] = table[x[i]] for n bytes; x and y may be the same. PITH_EXACT. */
#ifndef PITH_KERNELS_LOOKUP_U8_H
#define PITH_KERNELS_LOOKUP_U8_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef struct pith_lookup_u8 {
    pith_kernel head;
    void (*run)(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n);
} pith_lookup_u8;

static inline const pith_lookup_u8 *pithi_lookup_u8(int isa_limit)
{
    return pithi_kernel_find("lookup_u8", isa_limit)->records;
}

#endif
