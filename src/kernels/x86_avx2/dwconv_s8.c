/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86_avx2/dot_s8.h"

#define DWCONV_NAME  "dwconv_s8_quads__x86_avx2"
#include "kernels/dwconv_s8_quads_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, x86_avx2, records);
