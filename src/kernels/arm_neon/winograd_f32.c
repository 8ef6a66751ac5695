/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/arm_neon/vec_f32.h"
#include "kernels/winograd_f32_body.h"

PITH_EXPORT_KERNEL(winograd_f32, arm_neon, records);
