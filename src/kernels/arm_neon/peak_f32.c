/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/peak_f32.h"

#include "kernels/arm_neon/vec_f32.h"
#include "kernels/peak_f32_body.h"

PITH_EXPORT_KERNEL(peak_f32, arm_neon, records);
