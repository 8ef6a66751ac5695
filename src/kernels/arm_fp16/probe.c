/* SPDX-License-Identifier: Apache-2.0 */
/* Advanced SIMD with float16 arithmetic (FEAT_FP16: Cortex-A55, A75, A76 and later). */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_arm_fp16(void);

bool pithi_isa_probe_arm_fp16(void)
{
    const uint64_t scalar = 1u << 9, vectors = 1u << 10; /* HWCAP_FPHP, HWCAP_ASIMDHP */
    return (pithi_cpu_read().hwcap & (scalar | vectors)) == (scalar | vectors);
}
