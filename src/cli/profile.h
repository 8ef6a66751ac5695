/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `pith profile` share: the library's profile, this machine's limits, and what follows from both. */
#ifndef PITH_CLI_PROFILE_H
#define PITH_CLI_PROFILE_H

#include "net.h"

/* What one step could do at most, and did. */
typedef struct cli_step_view {
    const pith_profile_step *step;
    double ns, share;             /* median; of the sum of all */
    double flops;                 /* 2 * macs + flops */
    double bytes;
    double read_bytes[PITH_MACHINE_LEVELS], write_bytes[PITH_MACHINE_LEVELS]; /* by where they are found */
    double compute_ns, memory_ns; /* at the limits */
    double roof;                  /* share of the limit reached: longest of both / ns */
    double balance;               /* mean / longest busy time of the threads; NaN with one */
    const char *bound;            /* "compute", "L1", "L2", "L3", "memory", "overhead", "reference" */
    const char *label;            /* node's name; its first output's if it has none */
    char kind[80];                /* operator, with the kernel's family */
    char shapes[160];             /* "1x112x112x32 -> 1x56x56x64" */
    bool is_conversion;           /* a transpose that pith put there */
} cli_step_view;

typedef struct cli_kind_view {
    const char *kind;
    int n_steps;
    double ns, flops, macs, bytes, limit_ns;
} cli_kind_view;

typedef struct cli_profile_view {
    const char *model;
    char shapes[512];
    const pith_profile *profile;
    const pith_machine *machine;
    const char *machine_source;   /* where the limits come from */
    cli_step_view *steps;         /* n_steps, in order of execution */
    cli_kind_view *kinds;         /* by time */
    int n_kinds;
    double ns;                    /* sum of medians */
    double flops, macs, bytes, limit_ns;
    int peak_step;                /* -1: none */
} cli_profile_view;

/* Of model path, shapes, profile and machine in `view`, makes the rest. */
pith_status cli_profile_analyse(cli_profile_view *view);
void cli_profile_free(cli_profile_view *view);

/* n_top < 0: all. With `says_why`, a line on each step's kernel. */
void cli_profile_print(const cli_profile_view *view, int n_top, bool says_why);
void cli_profile_write_json(const cli_profile_view *view, FILE *file);
void cli_profile_write_trace(const cli_profile_view *view, FILE *file);
pith_status cli_profile_write_html(const cli_profile_view *view, FILE *file);

/* The machine's limits: from the cache file if it is of this CPU, instruction set and version, else measured and
 * written there. `source_out` says which. */
typedef struct cli_machine_options {
    bool measures_anew, leaves_no_file;
    int n_threads;
} cli_machine_options;
pith_status cli_machine_get(pith_ctx *ctx, const cli_machine_options *options, pith_machine *machine_out,
                            char *source, size_t n_source_bytes);

#endif
