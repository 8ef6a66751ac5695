/* SPDX-License-Identifier: Apache-2.0 */
#define QUANTIZE_ISA "arm_neon"
#include "kernels/quantize_f32_body.h"

PITH_EXPORT_KERNEL(quantize_f32, arm_neon, records);
