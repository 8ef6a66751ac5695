/* SPDX-License-Identifier: Apache-2.0 */
/* 8 accumulators, 4 vectors of B and 2 of A in 16 registers. */
#include "kernels/x86_avx2/dot_s8.h"

#define S8_NV 2
#define S8_HEIGHTS { 8, 4 }
#define S8_EACH_BLOCK(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(6, 1) X(8, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2)
#define S8_THIN   1
#define S8_THIN_K 24
#include "kernels/gemm_s8_body.h"

static const pith_gemm_s8 records[] = {
    { { "gemm_s8_4x16__x86_avx2", PITH_EXACT }, S8_NR, S8_STRIP, 4, 1.5f, tile, row_sums, pack }
};

PITH_EXPORT_KERNEL(gemm_s8, x86_avx2, records);
