/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_portable(void);

bool pithi_isa_probe_portable(void)
{
    return true;
}
