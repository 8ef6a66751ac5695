/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/softmax_f32.h"

#include <math.h>

#include "kernels/arm_neon/vec_f32.h"
#include "kernels/vmath_f32.h"
#include "kernels/softmax_f32_body.h"

PITH_EXPORT_KERNEL(softmax_f32, arm_neon, records);
