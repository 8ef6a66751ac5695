/* SPDX-License-Identifier: Apache-2.0 */
#define POOL_NAME "pool_u8__portable"
#define POOL_LANES 16
#define POOL_MAX(a, b) MASKED_MAX(a, b)
#include "kernels/pool_u8_body.h"

PITH_EXPORT_KERNEL(pool_u8, portable, records);
