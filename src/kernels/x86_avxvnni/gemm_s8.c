/* SPDX-License-Identifier: Apache-2.0 */
/* 12 accumulators, 2 vectors of B and a broadcast of A in 16 registers. */
#include "kernels/x86_avxvnni/dot_s8.h"

#define S8_NV 2
#define S8_HEIGHTS { 12, 6 }
#define S8_EACH_BLOCK(X)                                                                                               \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(6, 1) X(8, 1) X(10, 1) X(12, 1)                                                  \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
#define S8_THIN   2
#define S8_THIN_K 64
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_6x16__x86_avxvnni", PITH_EXACT }, S8_NR, S8_STRIP, 6, 0.5f, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_avxvnni, records);
