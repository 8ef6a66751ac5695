/* SPDX-License-Identifier: Apache-2.0 */
/* The number of threads on machines that are described by made-up files of /proc and /sys. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/platform.h"
#include "support/test.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *at = whole + strlen(root) + 1; *at; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(whole, 0777);
            *at = '/';
        }
    }
    FILE *file = fopen(whole, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static void put_cpu(int cpu, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    put(path, text);
}

static pithi_cores find(uint64_t usable)
{
    return pithi_cores_below(root, &usable, 1);
}

static int count(uint64_t usable)
{
    return find(usable).n;
}

static void make_root(pith_test *test)
{
    snprintf(root, sizeof root, "/tmp/pith_cores_XXXXXX");
    TEST_CHECK(test, mkdtemp(root) != NULL);
}

static void remove_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command) != 0) {
        root[0] = '\0';
    }
}

/* 4 cores of two threads each (numbers 0 to 7, neighbours share), then 4 slower cores. */
static void hybrid(void)
{
    for (int cpu = 0; cpu < 12; cpu++) {
        char pair[16];
        if (cpu < 8) {
            snprintf(pair, sizeof pair, "%d-%d\n", cpu / 2 * 2, cpu / 2 * 2 + 1);
        } else {
            snprintf(pair, sizeof pair, "%d\n", cpu);
        }
        put_cpu(cpu, "topology/thread_siblings_list", pair);
        put_cpu(cpu, "cpufreq/cpuinfo_max_freq", cpu < 2 ? "5200000\n" : cpu < 8 ? "5000000\n" : "3700000\n");
    }
}

/* A chip of up to 64 CPUs: kinds of cores one after the other, each with its clock (kHz) or capacity, threads per core,
 * and so many cores to a level-3 cache (0: not told). */
typedef struct kind {
    int n_cores, n_threads;
    const char *clock, *capacity;
    int n_near;
} kind;

static uint64_t build(pith_test *test, const kind *kinds, int n_kinds)
{
    int cpu = 0, first_near = 0;
    char list[32];
    remove_root();
    make_root(test);
    for (int k = 0; k < n_kinds; k++) {
        int begin = cpu, n = kinds[k].n_cores * kinds[k].n_threads;
        for (; cpu < begin + n; cpu++) {
            int core = (cpu - begin) / kinds[k].n_threads, first = begin + core * kinds[k].n_threads;
            snprintf(list, sizeof list, "%d-%d\n", first, first + kinds[k].n_threads - 1);
            put_cpu(cpu, "topology/thread_siblings_list", list);
            if (kinds[k].clock) {
                put_cpu(cpu, "cpufreq/cpuinfo_max_freq", kinds[k].clock);
            }
            if (kinds[k].capacity) {
                put_cpu(cpu, "cpu_capacity", kinds[k].capacity);
            }
            if (kinds[k].n_near) {
                int n_near = kinds[k].n_near * kinds[k].n_threads;
                first_near = begin + (cpu - begin) / n_near * n_near;
                snprintf(list, sizeof list, "%d-%d\n", first_near, first_near + n_near - 1);
                put_cpu(cpu, "cache/index3/shared_cpu_list", list);
            }
        }
    }
    return cpu < 64 ? ((uint64_t)1 << cpu) - 1 : ~(uint64_t)0;
}

static bool is_pair(pithi_cores cores, int n, int n_near)
{
    return cores.n == n && cores.n_near == n_near;
}

static void check_intel(pith_test *test)
{
    /* 13600K: 5.1 and 3.9 GHz (76 %); 12700K: 5.0 and 3.8; Core Ultra 9 185H: 5.1, 3.8, 2.5; 285K: 5.7 and 4.6 (81 %),
     * where no core has two threads. */
    static const kind raptor[] = { { 6, 2, "5100000", NULL, 0 }, { 8, 1, "3900000", NULL, 0 } };
    static const kind meteor[] = { { 6, 2, "5100000", NULL, 0 }, { 8, 1, "3800000", NULL, 0 },
                                   { 2, 1, "2500000", NULL, 0 } };
    static const kind arrow[] = { { 8, 1, "5700000", NULL, 0 }, { 16, 1, "4600000", NULL, 0 } };
    pith_test_case(test, "Intel: small cores of 76 %% of the clock");
    uint64_t all = build(test, raptor, 2);
    TEST_CHECK(test, count(all) == 6); /* by their single threads */
    put("/sys/devices/cpu_core/cpus", "0-11\n");
    put("/sys/devices/cpu_atom/cpus", "12-19\n");
    TEST_CHECK(test, count(all) == 6);
    TEST_CHECK(test, count(0xff000) == 8); /* a container of small cores only */
    TEST_CHECK(test, count(0x0f005) == 2); /* of both kinds */
    TEST_CHECK(test, count(0x0300c) == 1); /* one large core's two threads, and two small ones */
    pith_test_case(test, "Intel: three kinds");
    all = build(test, meteor, 3);
    TEST_CHECK(test, count(all) == 6);
    put("/sys/devices/cpu_core/cpus", "0-11\n");
    put("/sys/devices/cpu_atom/cpus", "12-21\n");
    TEST_CHECK(test, count(all) == 6);
    pith_test_case(test, "Intel: one thread each, 81 %% of the clock");
    all = build(test, arrow, 2);
    put("/sys/devices/cpu_core/cpus", "0-7\n");
    put("/sys/devices/cpu_atom/cpus", "8-23\n");
    TEST_CHECK(test, count(all) == 8);
    pith_test_case(test, "Intel: two threads switched off in the firmware, 76 %%");
    static const kind single[] = { { 6, 1, "5100000", NULL, 0 }, { 8, 1, "3900000", NULL, 0 } };
    all = build(test, single, 2);
    put("/sys/devices/cpu_core/cpus", "0-5\n");
    put("/sys/devices/cpu_atom/cpus", "6-13\n");
    TEST_CHECK(test, count(all) == 6);
}

static void check_other_chips(pith_test *test)
{
    /* Ryzen AI 9 HX 370: 4 Zen 5 at 5.1 GHz, 8 Zen 5c at 3.3 (65 %), a level-3 cache each. */
    static const kind strix[] = { { 4, 2, "5157895", NULL, 4 }, { 8, 2, "3300000", NULL, 8 } };
    static const kind snapdragon[] = { { 4, 1, NULL, "278", 0 }, { 3, 1, NULL, "828", 0 }, { 1, 1, NULL, "1024", 0 } };
    static const kind rk3588[] = { { 4, 1, NULL, "414", 0 }, { 4, 1, NULL, "1024", 0 } };
    static const kind epyc[] = { { 32, 2, "3700000", NULL, 8 } };
    static const kind favoured[] = { { 2, 2, "5700000", NULL, 8 }, { 6, 2, "5400000", NULL, 8 } };
    pith_test_case(test, "AMD: dense cores count");
    uint64_t all = build(test, strix, 2);
    TEST_CHECK(test, is_pair(find(all), 12, 8));
    TEST_CHECK(test, is_pair(find(0xff), 4, 4));
    pith_test_case(test, "AMD: some cores clocked higher");
    TEST_CHECK(test, count(build(test, favoured, 2)) == 8);
    pith_test_case(test, "Arm: three kinds, the little ones wait");
    TEST_CHECK(test, is_pair(find(build(test, snapdragon, 3)), 4, 4));
    pith_test_case(test, "Arm: two kinds");
    all = build(test, rk3588, 2);
    TEST_CHECK(test, count(all) == 4);
    TEST_CHECK(test, count(0x0f) == 4); /* a cpuset of the little ones */
    pith_test_case(test, "several level-3 caches");
    all = build(test, epyc, 1);
    TEST_CHECK(test, is_pair(find(all), 32, 8));
    TEST_CHECK(test, is_pair(find(0xffff), 8, 8));        /* a cpuset of one of them */
    TEST_CHECK(test, is_pair(find(0x0f000f000f00ff), 10, 4)); /* parts of four */
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "600000 100000\n");
    TEST_CHECK(test, is_pair(find(all), 6, 6)); /* a quota within one */
    pith_test_case(test, "CPUs that are switched off");
    all = build(test, epyc, 1);
    put("/sys/devices/system/cpu/online", "0-15,32-47\n");
    TEST_CHECK(test, is_pair(find(all), 16, 8));
    put("/sys/devices/system/cpu/online", "\n"); /* nonsense is passed over */
    TEST_CHECK(test, count(all) == 32);
    pith_test_case(test, "nodes of memory");
    static const kind arm_server[] = { { 48, 1, NULL, NULL, 0 } };
    all = build(test, arm_server, 1);
    TEST_CHECK(test, is_pair(find(all), 48, 48));
    put("/sys/devices/system/node/node0/cpulist", "0-23\n");
    put("/sys/devices/system/node/node1/cpulist", "24-47\n");
    TEST_CHECK(test, is_pair(find(all), 48, 24));
}

void test_cores(pith_test *test)
{
    make_root(test);
    pith_test_case(test, "nothing known: every CPU of the set");
    TEST_CHECK(test, count(0xf) == 4 && count(0x5) == 2 && count(0) == 1);
    pith_test_case(test, "hybrid");
    hybrid();
    TEST_CHECK(test, count(0xfff) == 4);      /* fast cores, one thread each */
    TEST_CHECK(test, count(0xf00) == 4);      /* only slow ones: these */
    TEST_CHECK(test, count(0x0aa) == 4);      /* second threads alone count */
    TEST_CHECK(test, count(0xf0f) == 2);
    pith_test_case(test, "capacities go before clocks");
    for (int cpu = 0; cpu < 12; cpu++) {
        put_cpu(cpu, "cpu_capacity", cpu >= 8 ? "1024" : "446");
    }
    TEST_CHECK(test, count(0xfff) == 4);
    TEST_CHECK(test, count(0x0ff) == 4);
    pith_test_case(test, "quota of the control group and of those above it");
    put("/proc/self/cgroup", "0::/outer/inner\n");
    put("/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
    TEST_CHECK(test, count(0xfff) == 4);
    put("/sys/fs/cgroup/outer/cpu.max", "250000 100000\n");
    TEST_CHECK(test, count(0xfff) == 2);
    put("/sys/fs/cgroup/outer/inner/cpu.max", "50000 100000\n");
    TEST_CHECK(test, count(0xfff) == 1);
    pith_test_case(test, "quota of version 1");
    put("/proc/self/cgroup", "4:cpu:/x\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    TEST_CHECK(test, count(0xfff) == 4);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
    TEST_CHECK(test, count(0xfff) == 3);
    check_intel(test);
    check_other_chips(test);
    remove_root();
}
