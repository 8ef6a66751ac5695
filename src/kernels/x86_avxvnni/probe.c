/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 as in x86_avx2, and VNNI in its VEX encoding (Intel since Alder Lake, AMD since Zen 5). */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_x86_avxvnni(void);

bool pithi_isa_probe_x86_avxvnni(void)
{
    const uint32_t fma = 1u << 12, f16c = 1u << 29, avx = 1u << 28, avx2 = 1u << 5, avx_vnni = 1u << 4;
    const uint64_t ymm_state = 0x6;
    pithi_cpu_words cpu = pithi_cpu_read();
    return (cpu.leaf1_ecx & (fma | f16c | avx)) == (fma | f16c | avx) && (cpu.leaf7_ebx & avx2) &&
           (cpu.leaf7_1_eax & avx_vnni) && (cpu.xcr0 & ymm_state) == ymm_state;
}
