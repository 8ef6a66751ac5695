/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_avx2/vec_f32.h"

#define DWCONV_NAME "dwconv_f32__x86_avx2"
#include "kernels/dwconv_f32_body.h"

PITH_EXPORT_KERNEL(dwconv_f32, x86_avx2, records);
