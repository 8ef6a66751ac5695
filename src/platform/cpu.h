/* SPDX-License-Identifier: Apache-2.0 */
/* Raw CPU feature words, read by kernels/<isa>/probe.c only. */
#ifndef PITH_PLATFORM_CPU_H
#define PITH_PLATFORM_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Registers of CPUID leaf 7 (sub-leaf 0) and leaf 1, and the XCR0 word; of 64-bit Arm under Linux AT_HWCAP. All else is
 * 0. */
typedef struct pithi_cpu_words {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf7_1_eax;
    uint64_t xcr0; /* state that the operating system saves */
    uint64_t hwcap;
} pithi_cpu_words;

pithi_cpu_words pithi_cpu_read(void);

/* Of probes: compilers bring cold functions together, so that a start reads no page of kernels that it won't run. */
#if defined(__GNUC__)
#define PITHI_PROBE __attribute__((cold))
#else
#define PITHI_PROBE
#endif

#endif
