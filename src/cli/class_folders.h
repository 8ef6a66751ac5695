/* SPDX-License-Identifier: Apache-2.0 */
/* Which class a folder of samples is, by its name:
 *
 *   all names are numbers           the number, whatever is missing between them (unless the list has all as they are)
 *   all are in the list of labels   the line's number; case and signs between words don't count, a label's first
 *                                   name ("tench" of "tench, Tinca tinca") will do, and so will the number in front
 *                                   (n01440764 of "n01440764 tench") or what follows it
 *   else                            place in order of the names, numbers within them as numbers: a2 before a10 */
#ifndef PITH_CLI_CLASS_FOLDERS_H
#define PITH_CLI_CLASS_FOLDERS_H

#include "json.h"
#include "labels.h"

typedef enum cli_class_rule { CLI_CLASS_BY_NUMBER, CLI_CLASS_BY_LABEL, CLI_CLASS_BY_ORDER } cli_class_rule;

typedef struct cli_class_folder {
    char *name;
    int64_t label;
} cli_class_folder;

typedef struct cli_class_folders {
    cli_class_folder *items; /* in natural order of the names */
    int n;
    cli_class_rule rule;
    bool is_plain;           /* names sorted as text count the classes: nobody need be told */
} cli_class_folders;

/* Compares names so that numbers in them count as numbers. */
int cli_compare_natural(const char *a, const char *b);
/* The class that a name says by itself: a number, or one of the labels (may be NULL); -1: none, -2: several. */
int64_t cli_class_of_name(const char *name, const cli_labels *labels);
/* Gives the folders, in natural order, their classes. Fails if some names are labels and others are not, or two
 * folders are one class. */
pith_status cli_class_folders_number(cli_class_folders *folders, const cli_labels *labels);
/* NULL if no folder is that class. */
const char *cli_class_folders_find(const cli_class_folders *folders, int64_t label);
/* A line for people if there is something to tell; with `json` the keys class_rule and class_folders. */
void cli_class_folders_tell(const cli_class_folders *folders, cli_json *json);
void cli_class_folders_free(cli_class_folders *folders);

#endif
