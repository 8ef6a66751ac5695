/* SPDX-License-Identifier: Apache-2.0 */
#define NORM_NAME "norm_u8__x86_avx512"
#define NORM_LANES 16
#include "kernels/norm_u8_body.h"

PITH_EXPORT_KERNEL(norm_u8, x86_avx512, records);
