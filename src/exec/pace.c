/* SPDX-License-Identifier: Apache-2.0 */
/* Runs go on all threads until a few trial runs with fewer were clearly faster; then with fewer, with trials of more at
 * growing distances. What a trial costs is bounded: of fewer, three runs in 500 and one percent of the time; of more,
 * one in 20 milliseconds and more. What disturbed the runs may pass at any moment, so distances are times, and
 * short. */
#include "exec/pace.h"

#define N_TRIAL 3
#define LEAST_TRIAL_NS 300e3  /* of more threads: parked ones take some 100 us to come */
#define FIRST_TRIAL 8         /* runs before: the first ones plan, warm caches and wake threads */
#define NEXT_TRIAL 500
#define MOST_LOST 0.01        /* of the time since the last trial */
#define FIRST_PAUSE_NS 20e6
#define LONGEST_PAUSE_NS 400e6
#define LONGEST_TRIAL_NS 20e6 /* longer runs are worth all threads, and a trial would be felt */
#define NEED 0.98             /* of the time with fewer threads, to go with more, */
#define MOST 1.1              /* and to give them up */
#define HOPELESS 1.5          /* of the time with more: still fewer threads aren't tried at the start */

static void add_level(pithi_pace *pace, int n_threads)
{
    int at = pace->n_levels;
    while (at > 0 && pace->n_threads[at - 1] < n_threads) {
        pace->n_threads[at] = pace->n_threads[at - 1];
        at--;
    }
    pace->n_threads[at] = n_threads;
    pace->n_levels++;
    for (int i = 0; i + 1 < pace->n_levels; i++) {
        if (pace->n_threads[i] == pace->n_threads[i + 1]) {
            for (int k = i + 1; k + 1 < pace->n_levels; k++) {
                pace->n_threads[k] = pace->n_threads[k + 1];
            }
            pace->n_levels--;
        }
    }
}

void pithi_pace_start(pithi_pace *pace, int n_threads, int n_first)
{
    *pace = (pithi_pace){ .pause_ns = FIRST_PAUSE_NS, .left_ns = FIRST_PAUSE_NS };
    add_level(pace, n_threads);
    add_level(pace, (n_threads + 1) / 2);
    add_level(pace, (n_threads + 3) / 4);
    add_level(pace, n_first);
    add_level(pace, 1);
    while (pace->n_threads[pace->level] > n_first) {
        pace->level++;
    }
    pace->trial = pace->level;
    pace->next_down = pace->level + 1;
}

int pithi_pace_threads(const pithi_pace *pace)
{
    return pace->n_threads[pace->trial];
}

/* One run that was held up (or found its data out of the caches after a pause) changes little: a sixteenth at most. */
static double smooth(double known, double ns)
{
    double most = 1.5 * known;
    return known > 0.0 ? known + ((ns < most ? ns : most) - known) / 8.0 : ns;
}

static void begin_trial(pithi_pace *pace, int level)
{
    pace->trial = level;
    pace->n_left = N_TRIAL;
    pace->trial_ns = 0.0;
    pace->best_ns = 1e300;
}

static void go_to(pithi_pace *pace, int level)
{
    pace->level = pace->trial = level;
    pace->next_down = level + 1;
    pace->n_runs = 0;
    pace->spent_ns = 0.0;
    pace->left_ns = pace->pause_ns;
}

/* After a trial of fewer threads: at the start the next fewer ones, while there is hope. */
static void end_trial_down(pithi_pace *pace)
{
    int tried = pace->trial;
    pace->ns[tried] = pace->best_ns;
    pace->pause_ns = FIRST_PAUSE_NS;
    pace->n_runs = 0;
    pace->spent_ns = 0.0;
    pace->trial = pace->level;
    pace->next_down = tried + 1 < pace->n_levels ? tried + 1 : pace->level + 1;
    if (!pace->is_settled && tried + 1 < pace->n_levels && pace->best_ns < HOPELESS * pace->ns[tried - 1]) {
        begin_trial(pace, tried + 1);
        return;
    }
    pace->is_settled = true;
}

static void end_trial_up(pithi_pace *pace)
{
    int tried = pace->trial;
    if (pace->best_ns < NEED * pace->ns[pace->level]) {
        pace->ns[tried] = pace->best_ns;
        pace->pause_ns = FIRST_PAUSE_NS;
        go_to(pace, tried);
        return;
    }
    pace->pause_ns = 2.0 * pace->pause_ns < LONGEST_PAUSE_NS ? 2.0 * pace->pause_ns : LONGEST_PAUSE_NS;
    pace->trial = pace->level;
    pace->left_ns = pace->pause_ns;
}

static void add_trial(pithi_pace *pace, double ns)
{
    const bool is_up = pace->trial < pace->level;
    pace->best_ns = ns < pace->best_ns ? ns : pace->best_ns;
    pace->trial_ns += ns;
    if (--pace->n_left > 0 || (is_up && pace->trial_ns < LEAST_TRIAL_NS)) {
        return;
    }
    if (is_up) {
        end_trial_up(pace);
    } else {
        end_trial_down(pace);
    }
}

/* The level with fewer threads that runs should go to, or the one they are at. */
static int fewer(const pithi_pace *pace)
{
    int best = pace->level;
    for (int i = pace->level + 1; i < pace->n_levels && pace->is_settled; i++) {
        best = pace->ns[i] > 0.0 && pace->ns[i] * (best == pace->level ? MOST : 1.0) < pace->ns[best] ? i : best;
    }
    return best;
}

static bool must_try_fewer(const pithi_pace *pace)
{
    int next = pace->next_down;
    if (next >= pace->n_levels || pace->ns[pace->level] >= LONGEST_TRIAL_NS) {
        return false;
    }
    if (!pace->is_settled) {
        return pace->n_runs >= FIRST_TRIAL && pace->spent_ns >= LEAST_TRIAL_NS;
    }
    double lost_ns = N_TRIAL * (pace->ns[next] - pace->ns[pace->level]);
    return pace->n_runs >= NEXT_TRIAL && (pace->ns[next] <= 0.0 || lost_ns < MOST_LOST * pace->spent_ns);
}

static void add_usual(pithi_pace *pace, double ns)
{
    double *known = &pace->ns[pace->level];
    pace->n_runs++;
    pace->spent_ns += ns;
    pace->left_ns -= ns;
    if (pace->is_settled) {
        *known = smooth(*known, ns);
    } else if (pace->n_runs > 2) { /* the best of the first, as it will be of the trial that they are compared with */
        *known = *known > 0.0 && *known < ns ? *known : ns;
    }
    int better = fewer(pace);
    if (better != pace->level) {
        go_to(pace, better);
    } else if (must_try_fewer(pace)) {
        begin_trial(pace, pace->next_down);
    } else if (pace->level > 0 && pace->left_ns <= 0.0 && *known > 0.0) {
        begin_trial(pace, pace->level - 1);
    }
}

void pithi_pace_add(pithi_pace *pace, double ns)
{
    if (pace->trial != pace->level) {
        add_trial(pace, ns);
    } else {
        add_usual(pace, ns);
    }
}
