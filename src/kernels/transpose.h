/* SPDX-License-Identifier: Apache-2.0 */
/* Family transpose: one 2-D transposition with strides,
 *
 *   dst[c * dst_stride + r] = src[r * src_stride + c]   for 0 <= r < n_rows, 0 <= c < n_cols
 *
 * of elements of 1, 2, 4 or 8 bytes, whose bits are copied as they are. Strides in elements, of any
 * sign. src and dst don't overlap; src has any alignment, elements of dst are aligned. Nothing outside
 * the named elements is read or written. Exactness: PITH_EXACT. Batches are the caller's loop. */
#ifndef PITH_KERNELS_TRANSPOSE_H
#define PITH_KERNELS_TRANSPOSE_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef void pith_transpose_fn(const void *src, int64_t src_stride, void *dst, int64_t dst_stride, int64_t n_rows,
                               int64_t n_cols);

/* Two runs of 4-byte elements by turns, for each of n_rows rows (halves of shuffled channels):
 *
 *   dst[r * dst_stride + 2 i + k] = src[r * src_stride + k * second + i]   for k = 0, 1 and 0 <= i < count
 *
 * under the same conditions. */
typedef void pith_turns_fn(const void *src, int64_t second, int64_t src_stride, void *dst, int64_t dst_stride,
                           int64_t n_rows, int64_t count);

#define PITH_TRANSPOSE_SIZES 4 /* elements of 1, 2, 4 and 8 bytes */

typedef struct pith_transpose {
    pith_kernel head;
    pith_transpose_fn *functions[PITH_TRANSPOSE_SIZES]; /* by log2 of the bytes; NULL: that of a lower ISA */
    pith_turns_fn *turns; /* may be NULL */
} pith_transpose;

/* The function for elements of 1 << log2_bytes bytes of the best ISA under a limit that has one; never NULL. */
static inline pith_transpose_fn *pithi_transpose_find(int isa_limit, int log2_bytes)
{
    const pith_transpose *portable = pithi_kernel_find("transpose", 0)->records;
    for (int isa = isa_limit < 0 ? pithi_isa_count() - 1 : isa_limit; isa > 0; isa--) {
        const pith_transpose *kernel = pithi_kernel_find("transpose", isa)->records;
        if (kernel->functions[log2_bytes]) {
            return kernel->functions[log2_bytes];
        }
    }
    return portable->functions[log2_bytes];
}

#endif
