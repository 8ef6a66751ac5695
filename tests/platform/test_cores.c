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

static int count(uint64_t usable)
{
    return pithi_cpu_count_below(root, &usable, 1);
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
    remove_root();
}
