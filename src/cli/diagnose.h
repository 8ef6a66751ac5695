/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which `pith diagnose` shows its report. */
#ifndef PITH_CLI_DIAGNOSE_H
#define PITH_CLI_DIAGNOSE_H

#include "json.h"

typedef struct cli_diagnosis {
    const char *model, *quantised, *data; /* data NULL: generated */
    const char *command;                  /* that repairs; NULL: nothing to repair */
    const char *repaired;                 /* file written, or NULL */
    const pith_diagnose_report *report;
    bool all;
} cli_diagnosis;

/* For people. */
void cli_diagnose_print(const cli_diagnosis *diagnosis);
/* Everything. */
void cli_diagnose_write_json(const cli_diagnosis *diagnosis, FILE *file);

#endif
