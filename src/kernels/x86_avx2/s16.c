/* SPDX-License-Identifier: Apache-2.0 */
#define S16_NAME "s16__x86_avx2"
#include "kernels/s16_body.h"

PITH_EXPORT_KERNEL(s16, x86_avx2, records);
