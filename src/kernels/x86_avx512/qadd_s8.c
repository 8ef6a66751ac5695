/* SPDX-License-Identifier: Apache-2.0 */
#define QADD_NAME "qadd_s8__x86_avx512"
#include "kernels/qadd_s8_body.h"

PITH_EXPORT_KERNEL(qadd_s8, x86_avx512, records);
