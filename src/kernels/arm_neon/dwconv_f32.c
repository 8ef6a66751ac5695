/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/arm_neon/vec_f32.h"

#define DWCONV_NAME "dwconv_f32__arm_neon"
#include "kernels/dwconv_f32_body.h"

PITH_EXPORT_KERNEL(dwconv_f32, arm_neon, records);
