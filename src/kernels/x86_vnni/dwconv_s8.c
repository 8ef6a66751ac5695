/* SPDX-License-Identifier: Apache-2.0 */
/* In 512 bits. */
#include "kernels/x86_vnni/vec_s8.h"

#define DWCONV_NAME  "dwconv_s8_quads__x86_vnni"
#include "kernels/dwconv_s8_quads_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, x86_vnni, records);
