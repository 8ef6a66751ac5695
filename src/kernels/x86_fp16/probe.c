/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512 as in x86_avx512, and float16 arithmetic (Intel since Sapphire Rapids). */
#include "platform/cpu.h"

PITHI_PROBE bool pithi_isa_probe_x86_fp16(void);

bool pithi_isa_probe_x86_fp16(void)
{
    const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, fp16 = 1u << 23;
    const uint64_t zmm_state = 0xe6;
    pithi_cpu_words cpu = pithi_cpu_read();
    return (cpu.leaf7_ebx & (f | dq | bw | vl)) == (f | dq | bw | vl) && (cpu.leaf7_edx & fp16) != 0 &&
           (cpu.xcr0 & zmm_state) == zmm_state;
}
