/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of files by a list beside them: lines "FILE,...,CLASS", as MLPerf Tiny has them (y_labels.csv). */
#ifndef PITH_CLI_LABEL_LIST_H
#define PITH_CLI_LABEL_LIST_H

#include "file.h"

typedef struct cli_label_entry {
    const char *name;
    int64_t label;
} cli_label_entry;

typedef struct cli_label_list {
    cli_bytes text; /* that the names lie in */
    cli_label_entry *entries; /* by name */
    size_t n, capacity;
} cli_label_list;

/* y_labels.csv or labels.csv of the folder; an empty list if there is neither. */
pith_status cli_label_list_load(const char *folder, cli_label_list *list_out);
/* -1 if the name isn't listed. */
int64_t cli_label_list_find(const cli_label_list *list, const char *name);
void cli_label_list_free(cli_label_list *list);

#endif
