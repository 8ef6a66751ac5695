/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated machines: runs end on the faster side, come back when the machine recovers, and trials cost little. */
#include "exec/pace.h"
#include "support/test.h"

typedef struct machine {
    double together_ns, alone_ns;
    int spike_every; /* a run together that takes 20 times as long; 0: none */
    double late_ns;  /* parked threads come so long after the first run together: until then it takes a little longer
                      * than alone */
} machine;

/* Runs n times; returns the share of runs together, and the total time. */
static double simulate(pithi_pace *pace, machine m, int n, double *total_out)
{
    int n_together = 0;
    double waited_ns = 0.0;
    *total_out = 0.0;
    for (int i = 0; i < n; i++) {
        bool together = pithi_pace_goes_together(pace);
        double ns = together ? m.together_ns : m.alone_ns;
        ns = together && waited_ns < m.late_ns ? 1.05 * m.alone_ns : ns;
        waited_ns = together ? waited_ns + ns : 0.0;
        ns *= together && m.spike_every && i % m.spike_every == m.spike_every - 1 ? 20.0 : 1.0;
        n_together += together;
        *total_out += ns;
        pithi_pace_add(pace, ns);
    }
    return (double)n_together / n;
}

void test_pace(pith_test *test)
{
    pithi_pace pace = { 0 };
    double total;
    pith_test_case(test, "quiet machine");
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0 }, 2000, &total) > 0.985);
    TEST_CHECK(test, total < 1.02 * 2000 * 1e6);
    pith_test_case(test, "single runs held up");
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 50, 0 }, 2000, &total) > 0.97);
    pith_test_case(test, "the other core is taken");
    TEST_CHECK(test, simulate(&pace, (machine){ 3e6, 1.9e6, 0, 0 }, 2000, &total) < 0.03);
    TEST_CHECK_MESSAGE(test, total < 1.03 * 2000 * 1.9e6, "%.3f of the time alone", total / (2000 * 1.9e6));
    pith_test_case(test, "and given back");
    simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0 }, 1100, &total);
    TEST_CHECK(test, simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0 }, 1000, &total) > 0.98);
    pith_test_case(test, "a small network");
    pace = (pithi_pace){ 0 };
    TEST_CHECK(test, simulate(&pace, (machine){ 12e3, 10e3, 0, 0 }, 10000, &total) < 0.02);
    pith_test_case(test, "a small network, and threads that come late");
    pace = (pithi_pace){ 0 };
    TEST_CHECK(test, simulate(&pace, (machine){ 6e3, 8e3, 0, 200e3 }, 10000, &total) > 0.98);
    simulate(&pace, (machine){ 12e3, 8e3, 0, 0 }, 10000, &total); /* the other core is taken for a while */
    simulate(&pace, (machine){ 6e3, 8e3, 0, 200e3 }, 60000, &total);
    TEST_CHECK(test, simulate(&pace, (machine){ 6e3, 8e3, 0, 0 }, 10000, &total) > 0.98);
    pith_test_case(test, "a long run is never tried alone");
    pace = (pithi_pace){ 0 };
    TEST_CHECK(test, simulate(&pace, (machine){ 50e6, 90e6, 0, 0 }, 3000, &total) == 1.0);
    pith_test_case(test, "all slower, the order the same");
    pace = (pithi_pace){ 0 };
    simulate(&pace, (machine){ 1e6, 1.9e6, 0, 0 }, 100, &total);
    simulate(&pace, (machine){ 2.5e6, 4.8e6, 0, 0 }, 100, &total); /* looks worse than alone did: goes alone, */
    TEST_CHECK(test, simulate(&pace, (machine){ 2.5e6, 4.8e6, 0, 0 }, 1000, &total) > 0.98); /* sees, comes back */
}
