/* SPDX-License-Identifier: Apache-2.0 */
#define QUANTIZE_ISA "portable"
#include "kernels/quantize_f32_body.h"

PITH_EXPORT_KERNEL(quantize_f32, portable, records);
