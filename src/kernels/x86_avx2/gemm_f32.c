/* SPDX-License-Identifier: Apache-2.0 */
/* 12 accumulators, 2 vectors of B and broadcasts of A in 16 registers. */
#include "kernels/x86_avx2/vec_f32.h"

#define GEMM_MR 6
#define GEMM_NV 2
#define GEMM_NAME "gemm_f32_6x16__x86_avx2"
#include "kernels/gemm_f32_body.h"

PITH_EXPORT_KERNEL(gemm_f32, x86_avx2, records);
