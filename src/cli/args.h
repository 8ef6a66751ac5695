/* SPDX-License-Identifier: Apache-2.0 */
/* The command line by table: each verb lists its options, this parses, explains and refuses. */
#ifndef PITH_CLI_ARGS_H
#define PITH_CLI_ARGS_H

#include "cli.h"

typedef enum cli_kind {
    CLI_KIND_FLAG,   /* bool */
    CLI_KIND_INT,    /* int64_t, min..max */
    CLI_KIND_NUMBER, /* double, min..max */
    CLI_KIND_POINTS, /* double, min..max, of a hundred; a percent sign may follow */
    CLI_KIND_BYTES,  /* double, at least 0; 512M, 2G and the like */
    CLI_KIND_TEXT,   /* const char * */
    CLI_KIND_WORDS   /* cli_words: the option may be repeated */
} cli_kind;

typedef struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* short form, or 0 */
    cli_kind kind;
    size_t offset;    /* in the verb's settings */
    const char *value; /* what stands after it in the help; NULL for flags */
    const char *help;
    double min, max;  /* of numbers; both 0: no bounds */
} cli_option;

/* Entries that many verbs have, for settings with the field in question. */
#define CLI_OPTION_JSON(settings) { "json", 0, CLI_KIND_FLAG, offsetof(settings, json), NULL, "print JSON", 0, 0 }
#define CLI_OPTION_ALL(settings)                                                                                     \
    { "all", 0, CLI_KIND_FLAG, offsetof(settings, all), NULL, "list every tensor, not only the worst", 0, 0 }
#define CLI_OPTION_THREADS(settings)                                                                                 \
    { "threads", 't', CLI_KIND_INT, offsetof(settings, n_threads), "N", "threads (default: one per core)", 1, 1024 }
#define CLI_OPTION_SHAPE(settings)                                                                                   \
    { "shape", 0, CLI_KIND_WORDS, offsetof(settings, shapes), "NAME=1x3x224x224",                                    \
      "shape of an input (repeat for more)", 0, 0 }
#define CLI_OPTION_PREPROCESS(settings)                                                                              \
    { "preprocess", 0, CLI_KIND_TEXT, offsetof(settings, sidecar), "FILE",                                           \
      "how a picture becomes an input (default: MODEL_STEM.preprocess beside the model)", 0, 0 }
#define CLI_OPTION_SET(settings)                                                                                     \
    { "set", 0, CLI_KIND_WORDS, offsetof(settings, keys), "KEY=VALUE",                                               \
      "one setting of that file, such as mean=127.5 (repeat for more)", 0, 0 }

/* Parses the words after the verb into `settings` (already holding defaults); what is no option
 * goes to `words`. *wants_help is set when --help was met. */
pith_status cli_parse_args(const cli_command *command, int n_args, char **args, void *settings,
                           cli_words *words, bool *wants_help);
/* Frees the lists of repeated options. */
void cli_free_settings(const cli_command *command, void *settings);
void cli_print_help(const cli_command *command);

/* "1,2,4" -> numbers; false if malformed or more than `max_items`. */
bool cli_parse_list(const char *text, double *items, int max_items, int *n_items_out);

#endif
