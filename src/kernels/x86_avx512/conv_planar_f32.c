/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_avx512/vec_f32.h"

#define PLANAR_P1 16
#define PLANAR_P2 8
#define PLANAR_NAME "conv_planar_f32__x86_avx512"
#include "kernels/conv_planar_f32_body.h"

PITH_EXPORT_KERNEL(conv_planar_f32, x86_avx512, records);
