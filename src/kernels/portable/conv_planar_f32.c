/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/portable/vec_f32.h"

#define PLANAR_P1 8
#define PLANAR_NAME "conv_planar_f32__portable"
#include "kernels/conv_planar_f32_body.h"

PITH_EXPORT_KERNEL(conv_planar_f32, portable, records);
