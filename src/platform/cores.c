/* SPDX-License-Identifier: Apache-2.0 */
/* How many threads are worth starting: docs/threads.md has the rule. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/platform.h"

#define MAX_CPUS 1024
#define N_WORDS (MAX_CPUS / 64)
#define PATH_BYTES 512
#define LIST_BYTES 4096
#define SAME_KIND 0.9   /* of the highest clock: turbo bins differ by some percent */
#define LEAST_SPEED 0.6 /* of the fastest core, to be worth a thread: parts go to whoever is free, so AMD's dense cores
                         * (65 to 75 %) add to the others; Arm's little ones (16 to 45 %) would be waited for */

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

/* ---- sets of CPUs ------------------------------------------------------------------------- */

typedef struct cpu_set {
    uint64_t words[N_WORDS];
} cpu_set;

static bool is_in(const cpu_set *set, int cpu)
{
    return set->words[cpu / 64] >> (cpu % 64) & 1u;
}

/* Those of `a` that are in `b`. False, and nothing done, if there are none. */
static bool keep_common(cpu_set *a, const cpu_set *b)
{
    cpu_set both;
    uint64_t any = 0;
    for (int i = 0; i < N_WORDS; i++) {
        both.words[i] = a->words[i] & b->words[i];
        any |= both.words[i];
    }
    *a = any ? both : *a;
    return any != 0;
}

/* A list such as "0-3,8,10-11" in a file, where it can be read. */
static bool read_list(const char *root, const char *path, cpu_set *set)
{
    char text[LIST_BYTES];
    memset(set, 0, sizeof *set);
    if (!read_line(root, path, text, sizeof text)) {
        return false;
    }
    for (const char *at = text; *at;) {
        char *end = NULL;
        long first = strtol(at, &end, 10), last = first;
        if (end == at) {
            break;
        }
        if (*end == '-') {
            last = strtol(end + 1, &end, 10);
        }
        for (long cpu = first; cpu >= 0 && cpu <= last && cpu < MAX_CPUS; cpu++) {
            set->words[cpu / 64] |= (uint64_t)1 << (cpu % 64);
        }
        if (*end != ',') {
            break;
        }
        at = end + 1;
    }
    return true;
}

static bool read_cpu_list(const char *root, int cpu, const char *file, cpu_set *set)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    return read_list(root, path, set);
}

static int first_of(const cpu_set *set)
{
    int cpu = 0;
    while (cpu < MAX_CPUS && !is_in(set, cpu)) {
        cpu++;
    }
    return cpu;
}

static int count_set(const cpu_set *set)
{
    int n = 0;
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        n += is_in(set, cpu);
    }
    return n;
}

/* ---- kinds of cores ----------------------------------------------------------------------- */

/* The first of the usable hardware threads of each core, the others leave. `has_second`: cores with several threads. */
static void keep_first_threads(const char *root, cpu_set *set, cpu_set *has_second)
{
    const cpu_set usable = *set;
    memset(has_second, 0, sizeof *has_second);
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        cpu_set siblings;
        if (!is_in(&usable, cpu) || !read_cpu_list(root, cpu, "topology/thread_siblings_list", &siblings)) {
            continue;
        }
        if (count_set(&siblings) > 1) {
            has_second->words[cpu / 64] |= (uint64_t)1 << (cpu % 64);
        }
        if (keep_common(&siblings, &usable) && first_of(&siblings) < cpu) {
            set->words[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
        }
    }
}

/* Intel names its large cores, where the kernel counts their events (5.13 and newer). Their clocks don't tell: small
 * ones have up to 81 % of it, and half the width. Without that list they are those of the two hardware threads. */
static void keep_large(const char *root, cpu_set *set, const cpu_set *has_second, const long *speeds, long fastest)
{
    cpu_set large, atoms;
    if (read_list(root, "/sys/devices/cpu_atom/cpus", &atoms) &&
        read_list(root, "/sys/devices/cpu_core/cpus", &large)) {
        keep_common(set, &large);
        return;
    }
    bool is_threaded = false;
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        is_threaded = is_threaded || (is_in(set, cpu) && is_in(has_second, cpu) && speeds[cpu] == fastest);
    }
    for (int cpu = 0; is_threaded && cpu < MAX_CPUS; cpu++) {
        if (is_in(set, cpu) && !is_in(has_second, cpu) && (double)speeds[cpu] < SAME_KIND * (double)fastest) {
            set->words[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
        }
    }
}

/* One CPU for each core that is worth a thread. */
static void keep_fast(const char *root, cpu_set *set)
{
    cpu_set has_second;
    long speeds[MAX_CPUS] = { 0 }, fastest = 0;
    keep_first_threads(root, set, &has_second);
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        speeds[cpu] = is_in(set, cpu) ? speed_of(root, cpu) : 0;
        fastest = speeds[cpu] > fastest ? speeds[cpu] : fastest;
    }
    keep_large(root, set, &has_second, speeds, fastest);
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        if ((double)speeds[cpu] < LEAST_SPEED * (double)fastest) {
            set->words[cpu / 64] &= ~((uint64_t)1 << (cpu % 64));
        }
    }
}

/* Most CPUs of the set that share a level-3 cache; if no such caches are known, a node of memory. */
static int count_near(const char *root, const cpu_set *set)
{
    cpu_set left = *set, group;
    int most = 0;
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        if (is_in(&left, cpu) && read_cpu_list(root, cpu, "cache/index3/shared_cpu_list", &group) &&
            keep_common(&group, set)) {
            most = count_set(&group) > most ? count_set(&group) : most;
            for (int i = 0; i < N_WORDS; i++) {
                left.words[i] &= ~group.words[i];
            }
        }
    }
    for (int node = 0; most == 0 && node < MAX_CPUS; node++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
        if (!read_list(root, path, &group)) {
            break;
        }
        int n = keep_common(&group, set) ? count_set(&group) : 0;
        most = n > most ? n : most;
    }
    return most;
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

pithi_cores pithi_cores_below(const char *root, const uint64_t *usable, int n_words)
{
    cpu_set set = { { 0 } }, online;
    for (int i = 0; i < n_words && i < N_WORDS; i++) {
        set.words[i] = usable[i];
    }
    if (read_list(root, "/sys/devices/system/cpu/online", &online)) {
        keep_common(&set, &online);
    }
    keep_fast(root, &set);
    double quota = cpu_quota(root);
    int most = quota >= 1.0 && quota < MAX_CPUS ? (int)quota : quota > 0.0 && quota < 1.0 ? 1 : MAX_CPUS;
    int n = (int)pithi_max_s64(1, pithi_min_s64(count_set(&set), most));
    int n_near = n >= PITHI_LEAST_FAR ? count_near(root, &set) : n;
    return (pithi_cores){ n, n_near >= 2 && n_near < n ? n_near : n };
}

#if defined(__linux__)
pithi_cores pithi_cores_find(void)
{
    cpu_set_t set;
    uint64_t usable[N_WORDS] = { 0 };
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return (pithi_cores){ 1, 1 };
    }
    for (unsigned cpu = 0; cpu < MAX_CPUS && cpu < CPU_SETSIZE; cpu++) {
        usable[cpu / 64] |= (uint64_t)(CPU_ISSET(cpu, &set) != 0) << (cpu % 64);
    }
    return pithi_cores_below("", usable, N_WORDS);
}
#else
pithi_cores pithi_cores_find(void)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int n = n_cpus > 0 ? (int)n_cpus : 1;
    return (pithi_cores){ n, n };
}
#endif

int pithi_cpu_count(void) { return pithi_cores_find().n; }
