/* SPDX-License-Identifier: Apache-2.0 */
/* What operators on top of kernels/gemm_f32.h share: cutting over k, and the activation at the end. */
#ifndef PITH_OPS_SHARED_GEMM_H
#define PITH_OPS_SHARED_GEMM_H

#include "kernels/gemm_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/op.h"

#define PITHI_L2_SHARE ((size_t)256 << 10) /* bytes of one operand that should stay in L2 */
#define PITHI_PART_MACS 20000              /* least work of a part: about a microsecond */

/* An activation, split into what the kernel clamps and what follows on finished rows. */
typedef struct pithi_finish {
    float lo, hi;
    pith_vunary_f32_fn *function; /* NULL: nothing follows */
    float alpha, beta;
} pithi_finish;

/* False where the ISA has no kernel for the activation. */
bool pithi_finish_make(const pith_activation *activation, int isa_limit, pithi_finish *finish_out);

/* Runs `block` with k cut so that nv_max panels of B stay in L2; residual and clamp come with the last
 * cut (block->lo, hi are not read), then finish->function. A folded block goes to kernel->narrow. */
void pithi_gemm_f32_block(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish);

/* Runs `block` by kernel->few, with B transposed. */
void pithi_gemm_f32_few(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *block, const pithi_finish *finish);
/* True if `n` columns with sums of n_k go faster with kernel->few: it saves lanes, but has to add them up. */
static inline bool pithi_gemm_f32_wants_few(int64_t n, int64_t n_k)
{
    return n <= 2 ? n_k >= 32 : n <= 4 && n_k >= 128;
}

#endif
