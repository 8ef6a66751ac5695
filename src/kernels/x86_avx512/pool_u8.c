/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#define POOL_NAME "pool_u8__x86_avx512"
#define POOL_LANES 64
#define POOL_MAX(a, b) ((bytes_64)_mm512_max_epu8((__m512i)(a), (__m512i)(b)))
#include "kernels/pool_u8_body.h"

PITH_EXPORT_KERNEL(pool_u8, x86_avx512, records);
