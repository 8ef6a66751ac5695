/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a comparison and how they are shown. */
#ifndef PITH_CLI_COMPARE_REPORT_H
#define PITH_CLI_COMPARE_REPORT_H

#include "metrics.h"
#include "net.h"

typedef struct cli_row {
    char *name, *case_name; /* set by cli_report_add() */
    bool is_inner;
    pith_shape got, want;
    pith_dtype got_dtype, want_dtype;
    cli_metrics metrics;
} cli_row;

typedef struct cli_report {
    const char *model, *against;
    char isa[64];
    int n_threads;
    bool shows_nodes;
    cli_row *rows;
    int n_rows;
    size_t capacity;
} cli_report;

/* Notes instruction set and threads. */
void cli_report_set_net(cli_report *report, const cli_net *net);
/* Copies the row and the names. */
pith_status cli_report_add(cli_report *report, const char *case_name, const char *name, const cli_row *row);
/* Whether every wanted tensor is inside; inner values of two models don't count. */
bool cli_report_is_within(const cli_report *report);
void cli_report_print(const cli_report *report);
void cli_report_write_json(const cli_report *report);
void cli_report_free(cli_report *report);

#endif
