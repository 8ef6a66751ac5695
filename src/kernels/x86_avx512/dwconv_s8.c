/* SPDX-License-Identifier: Apache-2.0 */
#define DWCONV_NAME "dwconv_s8__x86_avx512"
#include "kernels/dwconv_s8_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, x86_avx512, records);
