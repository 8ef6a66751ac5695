/* SPDX-License-Identifier: Apache-2.0 */
/* 24 accumulators, 3 vectors of B and broadcasts of A in 32 registers. */
#include "kernels/x86_avx512/gemm_f32_narrow.h"
#include "kernels/x86_avx512/vec_f32.h"

#define GEMM_MR 8
#define GEMM_NV 3
#define GEMM_EVEN_ROWS
#define GEMM_MAX_FOLD 4
#define GEMM_NARROW narrow
#define GEMM_NAME "gemm_f32_8x48__x86_avx512"
#include "kernels/gemm_f32_body.h"

PITH_EXPORT_KERNEL(gemm_f32, x86_avx512, records);
