/* SPDX-License-Identifier: Apache-2.0 */
/* Stores of a few bytes. */
#ifndef PITH_KERNELS_PUT_S8_H
#define PITH_KERNELS_PUT_S8_H

#include <stdint.h>
#include <string.h>

/* n < width bytes as two pieces that may overlap: masked stores of bytes are slow. */
#ifdef __OPTIMIZE__ /* else gcc warns of pieces that `width` excludes */
__attribute__((always_inline))
#endif
static inline void s8_put(uint8_t *to, const uint8_t *from, size_t n, const size_t width)
{
    if (width > 32 && n >= 32) {
        memcpy(to, from, 32);
        memcpy(to + n - 32, from + n - 32, 32);
    } else if (width > 16 && n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (width > 8 && n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

#endif
