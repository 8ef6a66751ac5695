/* SPDX-License-Identifier: Apache-2.0 */
/* CPU feature words, read once: CPUID is slow where a hypervisor traps it. */
#include "platform/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <pthread.h>

static pithi_cpu_words words;

static void read_words(void)
{
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return;
    }
    words.leaf1_ecx = c;
    if (c & (1u << 27)) { /* OSXSAVE: xgetbv may be used */
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        words.xcr0 = (uint64_t)high << 32 | low;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        words.leaf7_ebx = b;
        words.leaf7_ecx = c;
        words.leaf7_edx = d;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        words.leaf7_1_eax = a;
    }
}

pithi_cpu_words pithi_cpu_read(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_words);
    return words;
}
#else
pithi_cpu_words pithi_cpu_read(void)
{
    return (pithi_cpu_words){ 0 };
}
#endif
