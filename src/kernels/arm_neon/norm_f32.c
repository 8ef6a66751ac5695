/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/norm_f32.h"

#include <math.h>

#include "kernels/arm_neon/vec_f32.h"
#include "kernels/norm_f32_body.h"

PITH_EXPORT_KERNEL(norm_f32, arm_neon, records);
