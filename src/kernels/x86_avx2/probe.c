/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2, FMA and F16C, with the operating system saving ymm registers. */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_x86_avx2(void);

bool pithi_isa_probe_x86_avx2(void)
{
    const uint32_t fma = 1u << 12, f16c = 1u << 29, avx = 1u << 28, avx2 = 1u << 5;
    const uint64_t ymm_state = 0x6;
    pithi_cpu_words cpu = pithi_cpu_read();
    return (cpu.leaf1_ecx & (fma | f16c | avx)) == (fma | f16c | avx) && (cpu.leaf7_ebx & avx2) &&
           (cpu.xcr0 & ymm_state) == ymm_state;
}
