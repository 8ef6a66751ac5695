/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/pool_f32.h"

#include <math.h>

#include "kernels/x86_avx512/vec_f32.h"
#include "kernels/pool_f32_body.h"

PITH_EXPORT_KERNEL(pool_f32, x86_avx512, records);
