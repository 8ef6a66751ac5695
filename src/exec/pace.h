/* SPDX-License-Identifier: Apache-2.0 */
/* Whether runs of a plan go faster on all threads or on the caller's alone. Decided by their times, since neither a
 * plan nor the system tells whether another program or a neighbour of the virtual machine takes the other cores. */
#ifndef PITH_EXEC_PACE_H
#define PITH_EXEC_PACE_H

#include <stdbool.h>

typedef struct pithi_pace {
    double together_ns, alone_ns; /* smoothed; 0: not known yet */
    double best_ns, spent_ns;     /* of the runs of a trial, or of the first ones */
    int n_runs;                   /* together since the last trial alone */
    int n_left;                   /* runs until the trial ends */
    double left_ns, pause_ns;     /* alone, until the next trial of going together; from trial to trial */
    bool is_alone, is_trial;
} pithi_pace;

/* True: the next run goes on all threads. Zeroed at the start. */
bool pithi_pace_goes_together(const pithi_pace *pace);
/* The time of a run that went as said. */
void pithi_pace_add(pithi_pace *pace, double ns);

#endif
