/* SPDX-License-Identifier: Apache-2.0 */
#define S16_NAME "s16__portable"
#include "kernels/s16_body.h"

PITH_EXPORT_KERNEL(s16, portable, records);
