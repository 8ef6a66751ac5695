/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of the tool shares: error record, memory, words, commands. The tool sees the
 * library only through include/pith, so it has these small helpers of its own; names that cross
 * files begin with cli_, since nothing here is part of the library. */
#ifndef PITH_CLI_H
#define PITH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pith/pith.h"

#if defined(__GNUC__)
#define CLI_PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))
#else
#define CLI_PRINTF(format_index, args_index)
#endif
#define CLI_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* ---- errors ------------------------------------------------------------------------------- */

/* Records the first failure with its message, and returns `status`. */
pith_status cli_fail(pith_status status, const char *format, ...) CLI_PRINTF(2, 3);
/* Puts a place (a file name, an input) in front of the message. */
void cli_add_place(const char *format, ...) CLI_PRINTF(1, 2);
const char *cli_error(void);
void cli_clear_error(void);
/* A line "pith: warning: ..." on stderr. */
void cli_warn(const char *format, ...) CLI_PRINTF(1, 2);

#define CLI_CHECK(condition, status, ...)                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            cli_fail((status), __VA_ARGS__);                                                       \
            return (status); /* not cli_fail()'s: the compiler then sees that it is no PITH_OK */  \
        }                                                                                          \
    } while (0)

#define CLI_TRY(expression)                                                                        \
    do {                                                                                           \
        pith_status try_status_ = (expression);                                                    \
        if (try_status_ != PITH_OK) {                                                              \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

#define CLI_TRY_AT(expression, ...)                                                                \
    do {                                                                                           \
        pith_status try_status_ = (expression);                                                    \
        if (try_status_ != PITH_OK) {                                                              \
            cli_add_place(__VA_ARGS__);                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* For functions that hold resources: needs a local `status` and a label. */
#define CLI_TRY_GOTO(expression, label)                                                            \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != PITH_OK) {                                                                   \
            goto label;                                                                            \
        }                                                                                          \
    } while (0)

/* ---- memory and text ---------------------------------------------------------------------- */

/* Zeroed array; a failure names the size. Freed with cli_free(). Count 0 gives a valid block. */
pith_status cli_alloc(size_t count, size_t item_bytes, void **block_out);
/* Grows an array so that it holds `needed` items (doubling); new items are zero. */
pith_status cli_grow(void **array, size_t *capacity, size_t needed, size_t item_bytes);
void cli_free(void *block);
pith_status cli_text_copy(const char *text, size_t n_bytes, char **copy_out);
/* malloc'ed text by format. */
pith_status cli_text_format(char **text_out, const char *format, ...) CLI_PRINTF(2, 3);

/* Whole text as a number; false if anything is left over or it is out of range. */
bool cli_parse_s64(const char *text, int64_t *value_out);
bool cli_parse_number(const char *text, double *value_out);
bool cli_ends_with(const char *text, const char *ending); /* ASCII case ignored */
/* The name that is most like `word`, or NULL if none is near. */
const char *cli_nearest(const char *word, const char *const *names, int n_names);
/* Number of `name` among `names`, 0 for NULL; fails with a message that lists them. */
pith_status cli_find_name(const char *option, const char *name, const char *const *names, int n_names,
                          int *index_out);
/* What stands behind the last slash. */
const char *cli_base_name(const char *path);
/* Bytes of `path` without its ending: "dir/name" of "dir/name.onnx". */
size_t cli_stem(const char *path);
/* "dir/name.int8.onnx" for "dir/name.onnx" and ".int8.onnx". */
pith_status cli_path_beside(const char *path, const char *ending, char **path_out);
/* The same unless a path was given. */
pith_status cli_choose_path(const char *given, const char *path, const char *ending, char **path_out);
/* "1.50 ms", "2.1 MiB", "41.0 M": three digits and a unit, for people. */
#define CLI_HUMAN_BYTES 32
const char *cli_human_ms(double ms, char text[CLI_HUMAN_BYTES]);
const char *cli_human_bytes(double n_bytes, char text[CLI_HUMAN_BYTES]);
const char *cli_human_count(double count, char text[CLI_HUMAN_BYTES]);
/* A transpose that pith put between channels-first and channels-last, by operator and name of its step. */
bool cli_is_conversion(const char *op, const char *name);
/* Text of a file for a terminal: control characters, which could steer it, as "?"; long ones are cut. One of eight
 * static buffers, used in turn. */
const char *cli_plain(const char *text);
/* "1x3x224x224", "scalar"; -1 as "?". */
#define CLI_SHAPE_BYTES 192
const char *cli_shape_text(const pith_shape *shape, char text[CLI_SHAPE_BYTES]);

/* ---- system (os.c) ------------------------------------------------------------------------ */

double cli_now_ms(void); /* monotonic */
uint64_t cli_peak_rss_bytes(void);
bool cli_is_terminal(FILE *file);
bool cli_is_folder(const char *path);
bool cli_is_file(const char *path);
/* Nothing is there, or a plain file that no link leads to. */
bool cli_is_replaceable(const char *path);
pith_status cli_make_folder(const char *path);
/* Fails if writing a file there would fail for want of a folder or of rights, or would destroy `source`, which is the
 * same file: asked before minutes of work. */
pith_status cli_check_output(const char *path, const char *source);
/* CPU model name, or "unknown". */
void cli_cpu_name(char *text, size_t n_bytes);
/* Names in a folder that begin with `prefix`, sorted; freed item by item. */
pith_status cli_list_folder(const char *path, const char *prefix, char ***names_out, int *n_names_out);
void cli_free_names(char **names, int n_names);

/* ---- messages ----------------------------------------------------------------------------- */

typedef enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_STRONG, CLI_FAINT } cli_colour;
/* Escape sequences if stdout is a terminal (and NO_COLOR is unset), else "". */
const char *cli_colour_on(cli_colour colour);
const char *cli_colour_off(void);
/* One line on stderr that overwrites itself; only on a terminal. Empty text erases it. */
void cli_progress(const char *format, ...) CLI_PRINTF(1, 2);

/* ---- commands ----------------------------------------------------------------------------- */

#define CLI_EXIT_OK 0
#define CLI_EXIT_DIFFERENT 1 /* a comparison out of tolerance */
#define CLI_EXIT_ERROR 2

/* Words of the command line: positional arguments, or a repeated option's values. Borrowed. */
typedef struct cli_words {
    const char **items;
    int n;
    size_t capacity;
} cli_words;

struct cli_option;

/* src/cli/cmd_<verb>.c exports `const cli_command cli_command_<verb>`. */
typedef struct cli_command {
    const char *name, *usage, *summary; /* usage: what follows the verb */
    const char *details;                /* printed by --help after the options, and a line end; may be NULL */
    const struct cli_option *options;   /* ended by a record without name */
    size_t settings_bytes;
    const void *defaults;               /* initial settings; NULL: zero */
    /* Sets *exit_code (OK before) unless it fails. */
    pith_status (*run)(const void *settings, const cli_words *words, int *exit_code);
} cli_command;

#endif
