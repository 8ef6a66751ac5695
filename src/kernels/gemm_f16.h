/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_f16: gemm_f32 with products and short sums in float16 (IEEE 754 binary16), for models that allow it.
 *
 * A tile is the one of gemm_f32.h, but B is always packed, in panels of `nr` halves (the elements of b_row_stride and
 * b_panel_stride), and there is `tile` only: no folds, no `few`. With h(x) for x rounded to the nearest half, ties to
 * even, and k counted through all segments in runs of PITH_GEMM_F16_RUN steps (the last one may be shorter),
 *
 *   C[m][n] = clamp( start(m, n) + run_0 + run_1 + ... + residual[m][n] )     in float32, one after the other
 *   run:      r = 0;  for each k in turn: r = h(h(A[m][k]) * B[k][n] + r)     one rounding: a fused multiply-add
 *
 * A rounding is off by at most u = 2^-11 of its result, so with S = sum |A||B|, by the bound of blocked sums (Higham,
 * "Accuracy and Stability of Numerical Algorithms", section 4.2) the error is at most
 *
 *   (RUN + 2) u / (1 - (RUN + 2) u) S = 0.017 S,     however long the sum is (all of it in halves: n_k u),
 *
 * and n_runs + 2 roundings of float32. Below 2^-14 halves have steps of 2^-24: that adds up to 2^-25 per product, and
 * 2^-25 (|A| + |B|) for the operands. What exceeds 65504, operand or sum of a run, becomes infinite.
 *
 * Exactness: PITH_EXACT but for which NaN it is. Cut k (accumulate) at multiples of RUN only. */
#ifndef PITH_KERNELS_GEMM_F16_H
#define PITH_KERNELS_GEMM_F16_H

#include "kernels/gemm_f32.h"

#define PITH_GEMM_F16_RUN 32

/* NULL where the CPU has no float16 arithmetic; a cap at `portable` asks for the oracle: the same bits, slowly. */
static inline const pith_gemm_f32 *pithi_gemm_f16(int isa_limit)
{
    const pith_kernel_set *portable = pithi_kernel_of_isa("gemm_f16", 0);
    const pith_kernel_set *best = pithi_kernel_find("gemm_f16", isa_limit);
    return best != portable || isa_limit == 0 ? best->records : NULL;
}

static inline int pithi_gemm_is_half(const pith_gemm_f32 *kernel) { return kernel->b_bytes == (int)sizeof(uint16_t); }

#endif
