/* SPDX-License-Identifier: Apache-2.0 */
#define DWCONV_NAME "dwconv_s8__portable"
#include "kernels/dwconv_s8_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, portable, records);
