/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware counters of the calling thread, user mode. Events are counted in sets that fit the hardware at once. */
#ifndef PITH_PLATFORM_COUNTERS_H
#define PITH_PLATFORM_COUNTERS_H

#include "base/base.h"

#define PITHI_COUNTERS_MAX 16
#define PITHI_COUNTER_SETS 2
#define PITHI_TOPDOWN_COUNT 5 /* frontend, bad speculation, backend memory, backend core, retiring */

typedef struct pithi_counters {
    int descriptors[PITHI_COUNTERS_MAX];  /* by counter; -1: not counted */
    const char *names[PITHI_COUNTERS_MAX];
    int first[PITHI_COUNTER_SETS], count[PITHI_COUNTER_SETS];
    int n_counters;
    int width;      /* slots per cycle where top-down is counted from cycles */
    bool is_intel;  /* set 1 holds slots, retiring, bad speculation, frontend, backend[, memory] */
    char note[200]; /* why there are none or fewer; "" if all is there */
} pithi_counters;

/* Never fails: what can't be had is said in note. */
void pithi_counters_open(pithi_counters *counters);
void pithi_counters_close(pithi_counters *counters);
/* Running totals of a set into values[first .. first + count - 1]; false if it isn't there. */
bool pithi_counters_read(const pithi_counters *counters, int set, double *values);
/* Fractions of pipeline slots from differences of set 1; NaN where not known. */
void pithi_counters_topdown(const pithi_counters *counters, const double *values, double topdown[PITHI_TOPDOWN_COUNT]);

/* Energy of all CPU packages since some moment in joules (RAPL), or NaN. */
double pithi_energy_joules(void);
/* The same with the system's files below a folder, for tests. */
double pithi_energy_joules_below(const char *root);

#endif
