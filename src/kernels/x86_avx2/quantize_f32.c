/* SPDX-License-Identifier: Apache-2.0 */
#define QUANTIZE_ISA "x86_avx2"
#include "kernels/quantize_f32_body.h"

PITH_EXPORT_KERNEL(quantize_f32, x86_avx2, records);
