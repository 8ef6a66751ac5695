/* SPDX-License-Identifier: Apache-2.0 */
#define NORM_NAME "norm_u8__portable"
#define NORM_LANES 4
#include "kernels/norm_u8_body.h"

PITH_EXPORT_KERNEL(norm_u8, portable, records);
