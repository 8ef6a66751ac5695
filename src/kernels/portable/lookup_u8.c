/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/lookup_u8.h"

static void run(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = table[x[i]];
    }
}

static const pith_lookup_u8 records[] = { { { "lookup_u8__portable", PITH_EXACT }, run } };

PITH_EXPORT_KERNEL(lookup_u8, portable, records);
