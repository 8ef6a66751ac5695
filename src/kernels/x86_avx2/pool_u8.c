/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#define POOL_NAME "pool_u8__x86_avx2"
#define POOL_LANES 32
#define POOL_MAX(a, b) ((bytes_32)_mm256_max_epu8((__m256i)(a), (__m256i)(b)))
#define POOL_MAX_16(a, b) ((bytes_16)_mm_max_epu8((__m128i)(a), (__m128i)(b)))
#include "kernels/pool_u8_body.h"

PITH_EXPORT_KERNEL(pool_u8, x86_avx2, records);
