/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_avx2/nbits_s8.h"

#define NQ_NAME "gemm_nbits_s8_4x8__x86_avxvnni"

static inline v_i nq_dot(v_i acc, v_i codes, const int8_t *a, int bits)
{
    (void)bits;
    return _mm256_dpbusd_avx_epi32(acc, codes, nq_four(a));
}

#include "kernels/gemm_nbits_s8_body.h"

PITH_EXPORT_KERNEL(gemm_nbits_s8, x86_avxvnni, records);
