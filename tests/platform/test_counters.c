/* SPDX-License-Identifier: Apache-2.0 */
/* Top-down fractions from made-up counts, and energy from made-up files of /sys. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/counters.h"
#include "support/test.h"

enum { FRONTEND, BAD, MEMORY, CORE, RETIRING };

static bool is_near(double a, double b) { return fabs(a - b) < 1e-12; }

static double sum_of(const double topdown[PITHI_TOPDOWN_COUNT])
{
    double sum = 0.0;
    for (int i = 0; i < PITHI_TOPDOWN_COUNT; i++) {
        sum += topdown[i];
    }
    return sum;
}

/* Intel (Yasin 2014, level 1, and memory of level 2): all in slots. Set 0 stands in front. */
static void test_intel(pith_test *test)
{
    pithi_counters counters = { .is_intel = true, .first = { 0, 3 }, .count = { 3, 6 } };
    /* Slots, retiring, bad, frontend, backend, memory behind the first set. */
    const double values[] = { 9, 9, 9, 1000, 500, 50, 150, 300, 120 };
    double topdown[PITHI_TOPDOWN_COUNT];
    pithi_counters_topdown(&counters, values, topdown);
    TEST_CHECK(test, is_near(topdown[RETIRING], 0.5) && is_near(topdown[BAD], 0.05));
    TEST_CHECK(test, is_near(topdown[FRONTEND], 0.15) && is_near(topdown[MEMORY], 0.12));
    TEST_CHECK(test, is_near(topdown[CORE], 0.18) && is_near(sum_of(topdown), 1.0));
    counters.count[1] = 5; /* without memory: the backend is one */
    pithi_counters_topdown(&counters, values, topdown);
    TEST_CHECK(test, isnan(topdown[MEMORY]) && is_near(topdown[CORE], 0.3) && is_near(topdown[RETIRING], 0.5));
}

/* AMD Zen: cycles of `width` slots; what was dispatched and didn't retire was speculation. */
static void test_zen(pith_test *test)
{
    const pithi_counters counters = { .width = 8, .first = { 0, 1 }, .count = { 1, 6 } };
    /* cycles, retired, dispatched, slots lost to frontend and backend, cycles that waited for a load */
    const double values[] = { 7, 100, 400, 440, 120, 240, 20 };
    double topdown[PITHI_TOPDOWN_COUNT];
    pithi_counters_topdown(&counters, values, topdown);
    TEST_CHECK(test, is_near(topdown[RETIRING], 0.5) && is_near(topdown[BAD], 0.05));
    TEST_CHECK(test, is_near(topdown[FRONTEND], 0.15) && is_near(topdown[MEMORY], 0.2));
    TEST_CHECK(test, is_near(topdown[CORE], 0.1) && is_near(sum_of(topdown), 1.0));
    /* Counts of different moments: nothing becomes negative, memory is no more than the backend. */
    const double odd[] = { 7, 100, 400, 390, 120, 240, 90 };
    pithi_counters_topdown(&counters, odd, topdown);
    TEST_CHECK(test, topdown[BAD] == 0.0 && topdown[CORE] == 0.0 && is_near(topdown[MEMORY], 0.3));
}

static void test_nothing(pith_test *test)
{
    const pithi_counters none = { .width = 8 }, idle = { .width = 8, .count = { 0, 6 } };
    const double zeros[8] = { 0 };
    double topdown[PITHI_TOPDOWN_COUNT];
    pithi_counters_topdown(&none, zeros, topdown);
    TEST_CHECK(test, isnan(sum_of(topdown)) && isnan(topdown[RETIRING]));
    pithi_counters_topdown(&idle, zeros, topdown);
    TEST_CHECK(test, isnan(topdown[RETIRING]));
}

#ifdef __linux__
static void put_package(const char *root, int package, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "mkdir -p '%s/sys/class/powercap/intel-rapl:%d'", root, package);
    FILE *file = NULL;
    if (system(path) == 0) {
        snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:%d/energy_uj", root, package);
        file = fopen(path, "w");
    }
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static void test_energy(pith_test *test)
{
    char root[64] = "/tmp/pith_counters_XXXXXX", command[128];
    TEST_CHECK(test, mkdtemp(root) != NULL);
    TEST_CHECK(test, isnan(pithi_energy_joules_below(root)));
    put_package(root, 0, "12500000\n");
    TEST_CHECK(test, is_near(pithi_energy_joules_below(root), 12.5));
    put_package(root, 1, "262143328850\n"); /* more than 32 bits */
    TEST_CHECK(test, fabs(pithi_energy_joules_below(root) - 262155.82885) < 1e-6);
    put_package(root, 1, "not a number\n");
    TEST_CHECK(test, is_near(pithi_energy_joules_below(root), 12.5));
    put_package(root, 3, "1000000\n"); /* behind a gap: packages count up */
    TEST_CHECK(test, is_near(pithi_energy_joules_below(root), 12.5));
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    TEST_CHECK(test, system(command) == 0);
}
#endif

void test_counters(pith_test *test)
{
    pith_test_case(test, "top-down of Intel CPUs");
    test_intel(test);
    pith_test_case(test, "top-down of AMD Zen");
    test_zen(test);
    pith_test_case(test, "nothing counted");
    test_nothing(test);
#ifdef __linux__
    pith_test_case(test, "energy of packages");
    test_energy(test);
#endif
}
