/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of profiling share. */
#ifndef PITH_EXEC_PROFILE_H
#define PITH_EXEC_PROFILE_H

#include "exec/internal.h"
#include "pith/profile.h"
#include "platform/counters.h"
#include "platform/platform.h"

typedef struct pithi_profile_plan {
    const pith_plan *plan;
    int first_row;
} pithi_profile_plan;

/* A profile with what it is made from. */
typedef struct pithi_profile_data {
    pith_profile out; /* first: what the caller holds */
    pithi_arena memory;
    pith_profile_step *steps;
    pith_profile_block *blocks;
    pithi_profile_plan *plans;
    int n_plans;
    size_t steps_capacity, blocks_capacity, plans_capacity;
} pithi_profile_data;

/* Fills out.islands, once steps have their times. */
pith_status pithi_profile_find_islands(pithi_profile_data *data);
/* Copies facts of a bound plan: rows of its steps, blocks of its arena. */
pith_status pithi_profile_meet_plan(pithi_profile_data *data, const pithi_slot *slot);

#endif
