/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/arm_neon/vec_f32.h"

#define PLANAR_P1 16
#define PLANAR_P2 12
#define PLANAR_NAME "conv_planar_f32__arm_neon"
#include "kernels/conv_planar_f32_body.h"

PITH_EXPORT_KERNEL(conv_planar_f32, arm_neon, records);
