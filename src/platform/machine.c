/* SPDX-License-Identifier: Apache-2.0 */
/* Topology from /proc and /sys; elsewhere what sysconf() knows. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "platform/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/platform.h"

#if defined(__linux__)
/* First line of a file of /sys, without the newline; false if it can't be read. */
static bool read_line(const char *path, char *text, int n_bytes)
{
    FILE *file = fopen(path, "r");
    bool is_read = file && fgets(text, n_bytes, file);
    if (file) {
        fclose(file);
    }
    if (is_read) {
        text[strcspn(text, "\n")] = '\0';
    }
    return is_read;
}

/* CPUs in a list such as "0-3,8,10-11". */
static int count_list(const char *list)
{
    int count = 0;
    while (*list) {
        char *end = NULL;
        long first = strtol(list, &end, 10), last = first;
        if (end == list) {
            break;
        }
        if (*end == '-') {
            last = strtol(end + 1, &end, 10);
        }
        count += last >= first && last - first < 65536 ? (int)(last - first) + 1 : 0;
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

static void read_cache(int cpu, int index, pithi_topology *topology)
{
    static const char *const files[] = { "level", "type", "size", "shared_cpu_list" };
    char path[128], text[4][256];
    for (int i = 0; i < PITH_COUNT(files); i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index, files[i]);
        if (!read_line(path, text[i], sizeof text[i])) {
            return;
        }
    }
    long level = strtol(text[0], NULL, 10);
    if (level < 1 || level > PITHI_CACHE_LEVELS || text[1][0] == 'I') {
        return;
    }
    char *unit = NULL;
    size_t n = (size_t)strtoul(text[2], &unit, 10);
    topology->cache_bytes[level - 1] = n << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 0);
    topology->cache_sharers[level - 1] = count_list(text[3]);
}

/* "model name" on x86; others have parts numbers at most, so the device tree's model serves. */
static void read_name(char *name, size_t n_bytes)
{
    char line[256];
    snprintf(name, n_bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon && colon[1] == ' ') {
            colon[strcspn(colon, "\n")] = '\0';
            snprintf(name, n_bytes, "%.*s", (int)n_bytes - 1, colon + 2);
            fclose(file);
            return;
        }
    }
    if (file) {
        fclose(file);
    }
    if (read_line("/proc/device-tree/model", line, sizeof line)) {
        snprintf(name, n_bytes, "%.*s", (int)n_bytes - 1, line);
    }
}

static int first_usable(const cpu_set_t *set)
{
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, set)) {
            return (int)cpu;
        }
    }
    return 0;
}

void pithi_topology_read(pithi_topology *topology)
{
    cpu_set_t set;
    memset(topology, 0, sizeof *topology);
    read_name(topology->cpu, sizeof topology->cpu);
    topology->n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    topology->n_cores = pithi_cpu_count();
    CPU_ZERO(&set);
    bool is_known = sched_getaffinity(0, sizeof set, &set) == 0;
    topology->n_usable_cpus = is_known ? CPU_COUNT(&set) : topology->n_cpus;
    for (int index = 0; index < 8; index++) {
        read_cache(is_known ? first_usable(&set) : 0, index, topology);
    }
}
#else
void pithi_topology_read(pithi_topology *topology)
{
    memset(topology, 0, sizeof *topology);
    snprintf(topology->cpu, sizeof topology->cpu, "unknown");
    topology->n_cpus = topology->n_usable_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    topology->n_cores = pithi_cpu_count();
}
#endif

/* The C library asks an x86 CPU itself; elsewhere it knows nothing, and files say how many cores share the cache. */
size_t pithi_l2_bytes(void)
{
    long n_bytes = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    n_bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
#if defined(__linux__) && !defined(__x86_64__)
    pithi_topology topology = { 0 };
    read_cache(0, 2, &topology);
    if (n_bytes <= 0 && topology.cache_sharers[1] > 0) {
        n_bytes = (long)(topology.cache_bytes[1] / (size_t)topology.cache_sharers[1]);
    }
#endif
    return n_bytes > 0 ? (size_t)n_bytes : 0;
}

#if defined(__x86_64__)
uint64_t pithi_run_chain(uint64_t n)
{
    uint64_t a = 3;
    for (uint64_t i = 0; i < n / 8; i++) { /* imul: 3 cycles on every Intel core since 2008 and every Zen */
        __asm__ volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0\n\t"
                         "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0" : "+r"(a));
    }
    return n / 8 * 8 * 3;
}
#elif defined(__aarch64__)
uint64_t pithi_run_chain(uint64_t n)
{
    uint64_t a = 3;
    for (uint64_t i = 0; i < n / 8; i++) {
        __asm__ volatile("add %0, %0, %0\n\tadd %0, %0, %0\n\tadd %0, %0, %0\n\tadd %0, %0, %0\n\t"
                         "add %0, %0, %0\n\tadd %0, %0, %0\n\tadd %0, %0, %0\n\tadd %0, %0, %0" : "+r"(a));
    }
    return n / 8 * 8;
}
#else
uint64_t pithi_run_chain(uint64_t n)
{
    (void)n;
    return 0;
}
#endif
