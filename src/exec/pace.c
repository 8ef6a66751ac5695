/* SPDX-License-Identifier: Apache-2.0 */
/* Runs go together until a few trial runs alone were clearly faster; then alone, with trials of going together at
 * growing distances. What a trial costs is bounded: three runs in 500, or one in 20 milliseconds and more. What
 * disturbed the runs may pass at any moment, so distances are times, and short. */
#include "exec/pace.h"

#define N_TRIAL 3
#define LEAST_TRIAL_NS 300e3  /* of going together: parked threads take some 100 us to come */
#define FIRST_TRIAL 8         /* runs before: the first ones plan, warm caches and wake threads */
#define NEXT_TRIAL 500
#define FIRST_PAUSE_NS 20e6
#define LONGEST_PAUSE_NS 400e6
#define LONGEST_TRIAL_NS 20e6 /* longer runs are worth all threads, and a trial would be felt */
#define NEED 0.98             /* of the time alone, to go together again, */
#define MOST 1.1              /* and to give up going together */

bool pithi_pace_goes_together(const pithi_pace *pace)
{
    return pace->is_alone == pace->is_trial;
}

/* One run that was held up (or found its data out of the caches after a pause) changes little: a sixteenth at most. */
static double smooth(double known, double ns)
{
    double most = 1.5 * known;
    return known > 0.0 ? known + ((ns < most ? ns : most) - known) / 8.0 : ns;
}

static void begin_trial(pithi_pace *pace)
{
    pace->is_trial = true;
    pace->n_left = N_TRIAL;
    pace->spent_ns = 0.0;
    pace->best_ns = 1e300;
}

static void go_alone(pithi_pace *pace)
{
    pace->is_alone = true;
    pace->left_ns = pace->pause_ns;
}

static void end_trial(pithi_pace *pace)
{
    pace->is_trial = false;
    if (!pace->is_alone) { /* tried alone */
        pace->alone_ns = pace->best_ns;
        pace->n_runs = 0;
        pace->pause_ns = FIRST_PAUSE_NS;
    } else if (pace->best_ns < NEED * pace->alone_ns) {
        pace->is_alone = false;
        pace->together_ns = pace->best_ns;
        pace->n_runs = 0;
        pace->pause_ns = FIRST_PAUSE_NS;
    } else {
        pace->pause_ns = 2.0 * pace->pause_ns < LONGEST_PAUSE_NS ? 2.0 * pace->pause_ns : LONGEST_PAUSE_NS;
        go_alone(pace);
    }
}

static void add_trial(pithi_pace *pace, double ns)
{
    pace->best_ns = ns < pace->best_ns ? ns : pace->best_ns;
    pace->spent_ns += ns;
    if (--pace->n_left <= 0 && (!pace->is_alone || pace->spent_ns >= LEAST_TRIAL_NS)) {
        end_trial(pace);
    }
}

static void add_together(pithi_pace *pace, double ns)
{
    pace->n_runs++;
    pace->spent_ns += ns;
    if (pace->alone_ns > 0.0) {
        pace->together_ns = smooth(pace->together_ns, ns);
    } else if (pace->n_runs > 2) { /* the best of the first, as it will be of the trial that they are compared with */
        pace->together_ns = pace->together_ns > 0.0 && pace->together_ns < ns ? pace->together_ns : ns;
    }
    if (pace->alone_ns > 0.0 && pace->together_ns > MOST * pace->alone_ns) {
        go_alone(pace);
    } else if (pace->alone_ns > 0.0 ? pace->n_runs >= NEXT_TRIAL
                                    : pace->n_runs >= FIRST_TRIAL && pace->spent_ns >= LEAST_TRIAL_NS) {
        pace->n_runs = 0;
        if (pace->together_ns < LONGEST_TRIAL_NS) {
            begin_trial(pace);
        }
    }
}

void pithi_pace_add(pithi_pace *pace, double ns)
{
    if (pace->is_trial) {
        add_trial(pace, ns);
    } else if (!pace->is_alone) {
        add_together(pace, ns);
    } else {
        pace->alone_ns = smooth(pace->alone_ns, ns);
        pace->left_ns -= ns;
        if (pace->left_ns <= 0.0) {
            begin_trial(pace);
        }
    }
}
