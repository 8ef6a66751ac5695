/* SPDX-License-Identifier: Apache-2.0 */
/* Advanced SIMD is part of every 64-bit Arm core. */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_arm_neon(void);

bool pithi_isa_probe_arm_neon(void)
{
    return true;
}
