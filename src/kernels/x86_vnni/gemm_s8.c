/* SPDX-License-Identifier: Apache-2.0 */
/* vpdpbusd adds four products of unsigned and signed bytes to a 32-bit sum, without saturation. 24 accumulators;
 * beside them up to 4 vectors of B and a broadcast of A. */
#include <immintrin.h>

#include "kernels/x86_vnni/vec_s8.h"

#define S8_NV 4
#define S8_HEIGHTS { 12, 12, 8, 6 }
#define S8_EACH_BLOCK(X)                                                                                               \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(6, 1) X(8, 1) X(10, 1) X(12, 1)                                                  \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(6, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2)                                 \
    X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3) X(6, 3) X(7, 3) X(8, 3)                                                    \
    X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)
#define S8_STEPS  4
#define S8_THIN   2
#define S8_THIN_K 64
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_6x64__x86_vnni", PITH_EXACT }, S8_NR, S8_STRIP, 6, 0.5f, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_vnni, records);
