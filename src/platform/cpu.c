/* SPDX-License-Identifier: Apache-2.0 */
/* CPU feature words, read once: CPUID is slow where a hypervisor traps it (6 us each on one machine). */
#include "platform/cpu.h"

#if defined(__x86_64__)
#include <pthread.h>

static pithi_cpu_words words;

#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 33) /* on a line of its own: a preprocessor without the macro can't read it */
#define HAS_LOADERS_WORDS
#endif
#endif

#if defined(HAS_LOADERS_WORDS)
#include <sys/platform/x86.h>

/* The program's loader has read them. */
static void read_leaves(void)
{
    const unsigned *leaf7 = __x86_get_cpuid_feature_leaf(CPUID_INDEX_7)->cpuid_array;
    words.leaf1_ecx = __x86_get_cpuid_feature_leaf(CPUID_INDEX_1)->cpuid_array[2];
    words.leaf7_ebx = leaf7[1];
    words.leaf7_ecx = leaf7[2];
    words.leaf7_edx = leaf7[3];
    words.leaf7_1_eax = __x86_get_cpuid_feature_leaf(CPUID_INDEX_7_ECX_1)->cpuid_array[0];
}
#else
#include <cpuid.h>

static void read_leaves(void)
{
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return;
    }
    words.leaf1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        words.leaf7_ebx = b;
        words.leaf7_ecx = c;
        words.leaf7_edx = d;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        words.leaf7_1_eax = a;
    }
}
#endif

static void read_words(void)
{
    read_leaves();
    if (words.leaf1_ecx & (1u << 27)) { /* OSXSAVE: xgetbv may be used */
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        words.xcr0 = (uint64_t)high << 32 | low;
    }
}

pithi_cpu_words pithi_cpu_read(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_words);
    return words;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

pithi_cpu_words pithi_cpu_read(void)
{
    return (pithi_cpu_words){ .hwcap = getauxval(AT_HWCAP) };
}
#else
pithi_cpu_words pithi_cpu_read(void)
{
    return (pithi_cpu_words){ 0 };
}
#endif
