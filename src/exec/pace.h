/* SPDX-License-Identifier: Apache-2.0 */
/* With how many threads runs of a plan go fastest: all, fewer, or the caller's alone. Decided by their times, since
 * neither a plan nor the system tells whether another program or a neighbour of the virtual machine takes the other
 * cores. */
#ifndef PITH_EXEC_PACE_H
#define PITH_EXEC_PACE_H

#include <stdbool.h>

#define PITHI_PACE_LEVELS 5 /* all, a half, a quarter, as many as are near each other, one */

typedef struct pithi_pace {
    int n_threads[PITHI_PACE_LEVELS];  /* falling */
    double ns[PITHI_PACE_LEVELS];      /* of a run, smoothed; 0: not known yet */
    int n_levels, level, trial;        /* trial == level: none is under way */
    int next_down;                     /* level that is tried next among those with fewer threads */
    bool is_settled;                   /* the first trials are over */
    int n_runs;                        /* at this level since the last trial of fewer threads */
    double spent_ns;                   /* in these */
    int n_left;                        /* runs until the trial ends */
    double best_ns, trial_ns;          /* the shortest of them, and their sum */
    double left_ns, pause_ns;          /* until the next trial with more threads; from trial to trial */
} pithi_pace;

/* `n_first` threads (1 to n_threads) go first. */
void pithi_pace_start(pithi_pace *pace, int n_threads, int n_first);
/* Threads of the next run. */
int pithi_pace_threads(const pithi_pace *pace);
/* The time of a run that went as said. */
void pithi_pace_add(pithi_pace *pace, double ns);

#endif
