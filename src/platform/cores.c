/* SPDX-License-Identifier: Apache-2.0 */
/* How many threads are worth starting: docs/threads.md has the rule. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/platform.h"

#define MAX_CPUS 1024
#define PATH_BYTES 512

/* Whole first line of root + path, without the newline; false if it can't be read. */
static bool read_line(const char *root, const char *path, char *text, int n_bytes)
{
    char whole[PATH_BYTES];
    int length = snprintf(whole, sizeof whole, "%s%s", root, path);
    FILE *file = length > 0 && length < PATH_BYTES ? fopen(whole, "r") : NULL;
    bool is_read = file && fgets(text, n_bytes, file);
    if (file) {
        fclose(file);
    }
    if (is_read) {
        text[strcspn(text, "\n")] = '\0';
    }
    return is_read;
}

/* Number in a file of a CPU's folder, or `otherwise`. */
static long cpu_number(const char *root, int cpu, const char *file, long otherwise)
{
    char path[PATH_BYTES], text[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    char *end = text;
    long value = read_line(root, path, text, sizeof text) ? strtol(text, &end, 10) : 0;
    return end > text ? value : otherwise;
}

/* Speed of a CPU among the others: capacity where the kernel knows it (Arm, newer x86), else its highest clock. */
static long speed_of(const char *root, int cpu)
{
    long capacity = cpu_number(root, cpu, "cpu_capacity", 0);
    return capacity > 0 ? capacity : cpu_number(root, cpu, "cpufreq/cpuinfo_max_freq", 0);
}

static bool is_in(const uint64_t *set, int n_words, int cpu)
{
    return cpu / 64 < n_words && (set[cpu / 64] >> (cpu % 64) & 1u);
}

/* The first of the usable hardware threads of its core. */
static bool is_first_thread(const char *root, const uint64_t *usable, int n_words, int cpu)
{
    char path[PATH_BYTES], text[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (!read_line(root, path, text, sizeof text)) {
        return true;
    }
    for (const char *at = text; *at;) {
        char *end = NULL;
        long first = strtol(at, &end, 10), last = first;
        if (end == at) {
            return true;
        }
        if (*end == '-') {
            last = strtol(end + 1, &end, 10);
        }
        for (long other = first; other <= last && other < cpu; other++) {
            if (other >= 0 && is_in(usable, n_words, (int)other)) {
                return false;
            }
        }
        at = *end == ',' ? end + 1 : end;
        if (*end != ',') {
            break;
        }
    }
    return true;
}

/* CPUs' worth of time that a control group's file allows; 0: any. Version 2 has "quota period" or "max period". */
static double quota_v2(const char *root, const char *group)
{
    char path[PATH_BYTES], text[96];
    double quota = 0.0, period = 0.0;
    int length = snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    bool is_read = length > 0 && length < PATH_BYTES && read_line(root, path, text, sizeof text);
    return is_read && sscanf(text, "%lf %lf", &quota, &period) == 2 && period > 0.0 ? quota / period : 0.0;
}

static double quota_v1(const char *root)
{
    char text[64];
    const char *folder = "/sys/fs/cgroup/cpu/";
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%scpu.cfs_quota_us", folder);
    double quota = read_line(root, path, text, sizeof text) ? strtod(text, NULL) : 0.0;
    snprintf(path, sizeof path, "%scpu.cfs_period_us", folder);
    double period = read_line(root, path, text, sizeof text) ? strtod(text, NULL) : 0.0;
    return quota > 0.0 && period > 0.0 ? quota / period : 0.0;
}

/* The tightest quota from the process's own group up to the root. */
static double cpu_quota(const char *root)
{
    char line[PATH_BYTES], *group = line + 3;
    double least = quota_v1(root);
    if (!read_line(root, "/proc/self/cgroup", line, 400) || strncmp(line, "0::/", 4) != 0) {
        return least;
    }
    for (;;) {
        double quota = quota_v2(root, group);
        least = quota > 0.0 && (least <= 0.0 || quota < least) ? quota : least;
        char *slash = strrchr(group, '/');
        if (!slash || !group[0]) {
            return least;
        }
        *slash = '\0';
    }
}

int pithi_cpu_count_below(const char *root, const uint64_t *usable, int n_words)
{
    int n_cpus = n_words * 64 < MAX_CPUS ? n_words * 64 : MAX_CPUS, n_cores = 0;
    long speeds[MAX_CPUS], fastest = 0;
    for (int cpu = 0; cpu < n_cpus; cpu++) {
        speeds[cpu] = -1;
        if (is_in(usable, n_words, cpu) && is_first_thread(root, usable, n_words, cpu)) {
            speeds[cpu] = speed_of(root, cpu);
            fastest = speeds[cpu] > fastest ? speeds[cpu] : fastest;
        }
    }
    for (int cpu = 0; cpu < n_cpus; cpu++) { /* turbo bins differ by some percent, kinds of cores by a third and more */
        n_cores += speeds[cpu] >= 0 && speeds[cpu] >= fastest - fastest / 4;
    }
    double quota = cpu_quota(root);
    int most = quota >= 1.0 && quota < MAX_CPUS ? (int)quota : quota > 0.0 && quota < 1.0 ? 1 : MAX_CPUS;
    n_cores = n_cores < most ? n_cores : most;
    return n_cores > 0 ? n_cores : 1;
}

#if defined(__linux__)
int pithi_cpu_count(void)
{
    cpu_set_t set;
    uint64_t usable[MAX_CPUS / 64] = { 0 };
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    for (unsigned cpu = 0; cpu < MAX_CPUS && cpu < CPU_SETSIZE; cpu++) {
        usable[cpu / 64] |= (uint64_t)(CPU_ISSET(cpu, &set) != 0) << (cpu % 64);
    }
    return pithi_cpu_count_below("", usable, MAX_CPUS / 64);
}
#else
int pithi_cpu_count(void)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return n_cpus > 0 ? (int)n_cpus : 1;
}
#endif
