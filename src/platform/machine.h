/* SPDX-License-Identifier: Apache-2.0 */
/* What the system tells of the machine: names, counts, caches; and a clock for its clock. */
#ifndef PITH_PLATFORM_MACHINE_H
#define PITH_PLATFORM_MACHINE_H

#include "base/base.h"

#define PITHI_CACHE_LEVELS 3

typedef struct pithi_topology {
    char cpu[96];
    int n_cpus, n_usable_cpus, n_cores; /* of the system; in the CPU set; physical among these */
    size_t cache_bytes[PITHI_CACHE_LEVELS]; /* data or unified, of the first usable CPU; 0: none or not known */
    int cache_sharers[PITHI_CACHE_LEVELS];
} pithi_topology;

void pithi_topology_read(pithi_topology *topology);

/* Bytes of a core's level-2 cache; 0: not known. Quicker than all of the above. */
size_t pithi_l2_bytes(void);

/* Runs n instructions that wait for each other and returns the cycles that they take; 0 where that isn't known. */
uint64_t pithi_run_chain(uint64_t n);

#endif
