/* SPDX-License-Identifier: Apache-2.0 */
/* 24 accumulators, 3 vectors of B and broadcasts of A in 32 registers. */
#include "kernels/arm_neon/vec_f32.h"

#define GEMM_MR 8
#define GEMM_NV 3
#define GEMM_NAME "gemm_f32_8x12__arm_neon"
#include "kernels/gemm_f32_body.h"

PITH_EXPORT_KERNEL(gemm_f32, arm_neon, records);
