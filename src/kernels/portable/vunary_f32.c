/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vunary_f32.h"

static const pith_vunary_f32 records[] = { { .head = { "vunary_f32__portable", PITH_BOUNDED } } };

PITH_EXPORT_KERNEL(vunary_f32, portable, records);
