/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated machines: runs end on the faster side, come back when the machine recovers, and trials cost little. */
#include <stdio.h>
#include <string.h>

#include "exec/pace.h"
#include "support/test.h"

typedef struct machine {
    double together_ns, alone_ns;
    int spike_every; /* a run together that takes 20 times as long; 0: none */
    double late_ns;  /* parked threads come so long after the first run together: until then it takes a little longer
                      * than alone */
    double (*time_ns)(int n_threads); /* instead of the times above */
} machine;

/* Runs n times; returns the share of runs that had `wanted` threads (0: more than one), and the total time. */
static double simulate_for(pithi_pace *pace, machine m, int n, int wanted, double *total_out)
{
    int n_wanted = 0;
    double waited_ns = 0.0;
    *total_out = 0.0;
    for (int i = 0; i < n; i++) {
        int n_threads = pithi_pace_threads(pace);
        bool together = n_threads > 1;
        double ns = m.time_ns ? m.time_ns(n_threads) : together ? m.together_ns : m.alone_ns;
        ns = together && waited_ns < m.late_ns ? 1.05 * m.alone_ns : ns;
        waited_ns = together ? waited_ns + ns : 0.0;
        ns *= together && m.spike_every && i % m.spike_every == m.spike_every - 1 ? 20.0 : 1.0;
        n_wanted += wanted ? n_threads == wanted : together;
        *total_out += ns;
        pithi_pace_add(pace, ns);
    }
    return (double)n_wanted / n;
}

static double simulate(pithi_pace *pace, machine m, int n, double *total_out)
{
    return simulate_for(pace, m, n, 0, total_out);
}

/* Work that is cut evenly; hand-overs that cost more than the work saved beyond four threads; a neighbour who takes
 * half of sixteen cores; steps that a second thread already slows down. */
static double scales(int n) { return 1.6e6 / n; }
static double handed_over(int n) { return 100e3 / n + 6e3 * (n - 1); }
static double half_taken(int n) { return n > 8 ? 1.5e6 : 1.6e6 / n; }
static double serial(int n) { return 50e3 + 2e3 * n; }

static void check_levels(pith_test *test, int n_threads, int n_first, int n_wanted, const char *list)
{
    pithi_pace pace;
    char text[64] = "";
    pithi_pace_start(&pace, n_threads, n_first);
    for (int i = 0; i < pace.n_levels; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", pace.n_threads[i]);
    }
    TEST_CHECK_MESSAGE(test, strcmp(text, list) == 0, "levels %s instead of %s", text, list);
    TEST_CHECK(test, pithi_pace_threads(&pace) == n_wanted);
}

static void check_many(pith_test *test)
{
    pithi_pace pace;
    double total;
    pith_test_case(test, "levels");
    check_levels(test, 2, 2, 2, "2 1 ");
    check_levels(test, 3, 3, 3, "3 2 1 ");
    check_levels(test, 16, 16, 16, "16 8 4 1 ");
    check_levels(test, 64, 8, 8, "64 32 16 8 1 ");
    check_levels(test, 12, 8, 8, "12 8 6 3 1 ");
    pith_test_case(test, "16 threads, work that scales");
    pithi_pace_start(&pace, 16, 16);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = scales }, 10000, 16, &total) > 0.99);
    TEST_CHECK_MESSAGE(test, total < 1.02 * 10000 * scales(16), "%.3f of the best", total / 10000 / scales(16));
    pith_test_case(test, "16 threads, best with a quarter");
    pithi_pace_start(&pace, 16, 16);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = handed_over }, 10000, 4, &total) > 0.97);
    TEST_CHECK_MESSAGE(test, total < 1.05 * 10000 * handed_over(4), "%.3f of the best", total / 10000 / handed_over(4));
    pith_test_case(test, "16 threads, best alone");
    pithi_pace_start(&pace, 16, 16);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = serial }, 10000, 1, &total) > 0.97);
    pith_test_case(test, "half of 16 cores taken, and given back");
    pithi_pace_start(&pace, 16, 16);
    simulate(&pace, (machine){ .time_ns = scales }, 2000, &total);
    simulate(&pace, (machine){ .time_ns = half_taken }, 1000, &total);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = half_taken }, 5000, 8, &total) > 0.97);
    simulate(&pace, (machine){ .time_ns = scales }, 5000, &total);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = scales }, 5000, 16, &total) > 0.98);
    pith_test_case(test, "begins with those near each other, ends with all");
    pithi_pace_start(&pace, 32, 8);
    simulate(&pace, (machine){ .time_ns = scales }, 2000, &total);
    TEST_CHECK(test, simulate_for(&pace, (machine){ .time_ns = scales }, 5000, 32, &total) > 0.98);
    pith_test_case(test, "any machine: ends within a fifth of the best");
    for (int round = 0; round < 50; round++) {
        double left_ns[33], best = 1e300;
        pithi_pace_start(&pace, 32, round % 2 ? 8 : 32);
        for (int n = 1; n <= 32; n *= 2) { /* work / n, and a hand-over of any size */
            left_ns[n] = 1e6 / n + (double)(round * round) * 20.0 * (n - 1);
            best = left_ns[n] < best ? left_ns[n] : best;
        }
        double spent = 0.0;
        for (int i = 0; i < 30000; i++) {
            double ns = left_ns[pithi_pace_threads(&pace)];
            pithi_pace_add(&pace, ns);
            spent += i >= 20000 ? ns : 0.0;
        }
        TEST_CHECK_MESSAGE(test, spent < 1.2 * 10000 * best, "round %d: %.2f of the best", round, spent / 10000 / best);
    }
}

void test_pace(pith_test *test)
{
    pithi_pace pace;
    double total;
    pithi_pace_start(&pace, 2, 2);
    pith_test_case(test, "quiet machine");
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0, NULL }, 2000, &total) > 0.985);
    TEST_CHECK(test, total < 1.02 * 2000 * 1e6);
    pith_test_case(test, "single runs held up");
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 50, 0, NULL }, 2000, &total) > 0.97);
    pith_test_case(test, "the other core is taken");
    TEST_CHECK(test, simulate(&pace, (machine){ 3e6, 1.9e6, 0, 0, NULL }, 2000, &total) < 0.03);
    TEST_CHECK_MESSAGE(test, total < 1.03 * 2000 * 1.9e6, "%.3f of the time alone", total / (2000 * 1.9e6));
    pith_test_case(test, "and given back");
    simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0, NULL }, 1100, &total);
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0, NULL }, 1000, &total) > 0.98);
    pith_test_case(test, "a small network");
    pithi_pace_start(&pace, 2, 2);
    TEST_CHECK(test, simulate(&pace, (machine){ 12e3, 10e3, 0, 0, NULL }, 10000, &total) < 0.02);
    pith_test_case(test, "a small network, and threads that come late");
    pithi_pace_start(&pace, 2, 2);
    TEST_CHECK(test, simulate(&pace, (machine){ 6e3, 8e3, 0, 200e3, NULL }, 10000, &total) > 0.98);
    simulate(&pace, (machine){ 12e3, 8e3, 0, 0, NULL }, 10000, &total); /* the other core is taken for a while */
    simulate(&pace, (machine){ 6e3, 8e3, 0, 200e3, NULL }, 60000, &total);
    TEST_CHECK(test, simulate(&pace, (machine){ 6e3, 8e3, 0, 0, NULL }, 10000, &total) > 0.98);
    pith_test_case(test, "a long run is never tried alone");
    pithi_pace_start(&pace, 2, 2);
    TEST_CHECK(test, simulate(&pace, (machine){ 50e6, 90e6, 0, 0, NULL }, 3000, &total) == 1.0);
    pith_test_case(test, "all slower, the order the same");
    pithi_pace_start(&pace, 2, 2);
    simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0, NULL }, 100, &total);
    simulate(&pace, (machine){ 2.5e6, 4.8e6, 0, 0, NULL }, 100, &total); /* looks worse than alone did: goes alone, */
    TEST_CHECK(test, simulate(&pace, (machine){ 2.5e6, 4.8e6, 0, 0, NULL }, 1000, &total) > 0.98); /* comes back */
    check_many(test);
}
