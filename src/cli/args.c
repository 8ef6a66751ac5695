/* SPDX-License-Identifier: Apache-2.0 */
/* Options by table: parsing, help, and the nearest name for what is unknown. */
#include <stdlib.h>

#include "args.h"

static const cli_option *find_long(const cli_option *options, const char *name, size_t n_name)
{
    for (const cli_option *option = options; option->name; option++) {
        if (strlen(option->name) == n_name && strncmp(option->name, name, n_name) == 0) {
            return option;
        }
    }
    return NULL;
}

static const cli_option *find_letter(const cli_option *options, char letter)
{
    for (const cli_option *option = options; option->name; option++) {
        if (option->letter && option->letter == letter) {
            return option;
        }
    }
    return NULL;
}

static pith_status refuse(const cli_command *command, const char *arg, size_t n_name)
{
    const char *names[64];
    char word[64];
    int n_names = 0;
    for (const cli_option *option = command->options; option->name && n_names < CLI_COUNT(names); option++) {
        names[n_names++] = option->name;
    }
    snprintf(word, sizeof word, "%.*s", (int)n_name, arg);
    const char *nearest = cli_nearest(word + strspn(word, "-"), names, n_names);
    if (nearest) {
        return cli_fail(PITH_STATUS_ARG, "unknown option '%s'; did you mean '--%s'? ('pith %s --help' lists all)",
                        word, nearest, command->name);
    }
    return cli_fail(PITH_STATUS_ARG, "unknown option '%s' ('pith %s --help' lists all)", word, command->name);
}

static pith_status store_number(const cli_option *option, double value, const char *text)
{
    CLI_CHECK((option->min == 0.0 && option->max == 0.0) || (value >= option->min && value <= option->max),
              PITH_STATUS_ARG, "--%s takes %g to %g, not '%s'", option->name, option->min, option->max, text);
    return PITH_OK;
}

/* "1.5G" and the like, powers of 1024. */
static bool parse_bytes(const char *text, double *value_out)
{
    static const char units[] = "KMGT";
    char number[64];
    size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    if (length == 0 || length >= sizeof number) {
        return false;
    }
    length -= unit != NULL;
    memcpy(number, text, length);
    number[length] = '\0';
    if (!cli_parse_number(number, value_out) || *value_out < 0.0) {
        return false;
    }
    for (const char *at = units; unit && at <= unit; at++) {
        *value_out *= 1024.0;
    }
    return true;
}

/* "0.5" and "0.5%" are the same. */
static bool parse_points(const char *text, double *value_out)
{
    char number[64];
    const size_t length = strlen(text), n_sign = length > 0 && text[length - 1] == '%';
    if (length >= sizeof number) {
        return false;
    }
    memcpy(number, text, length - n_sign);
    number[length - n_sign] = '\0';
    return cli_parse_number(number, value_out);
}

static pith_status store(const cli_option *option, const char *text, void *settings)
{
    void *field = (char *)settings + option->offset;
    cli_words *list = field;
    double number;
    switch (option->kind) {
    case CLI_KIND_FLAG:
        *(bool *)field = true;
        return PITH_OK;
    case CLI_KIND_INT:
        CLI_CHECK(cli_parse_s64(text, (int64_t *)field), PITH_STATUS_ARG, "--%s takes a whole number, not '%s'",
                  option->name, text);
        return store_number(option, (double)*(int64_t *)field, text);
    case CLI_KIND_NUMBER:
        CLI_CHECK(cli_parse_number(text, &number), PITH_STATUS_ARG, "--%s takes a number, not '%s'", option->name,
                  text);
        *(double *)field = number;
        return store_number(option, number, text);
    case CLI_KIND_POINTS:
        CLI_CHECK(parse_points(text, &number), PITH_STATUS_ARG,
                  "--%s takes a number of a hundred such as 0.5 or 0.5%%, not '%s'", option->name, text);
        *(double *)field = number;
        return store_number(option, number, text);
    case CLI_KIND_BYTES:
        CLI_CHECK(parse_bytes(text, (double *)field), PITH_STATUS_ARG,
                  "--%s takes a number such as 1000, 512M or 2G, not '%s'", option->name, text);
        return PITH_OK;
    case CLI_KIND_TEXT:
        *(const char **)field = text;
        return PITH_OK;
    case CLI_KIND_WORDS:
        CLI_TRY(cli_grow((void **)&list->items, &list->capacity, (size_t)list->n + 1, sizeof *list->items));
        list->items[list->n++] = text;
        return PITH_OK;
    }
    return PITH_OK;
}

/* One argument that begins with '-'; *at moves on when the value is the next word. */
static pith_status parse_option(const cli_command *command, int n_args, char **args, int *at, void *settings)
{
    const char *arg = args[*at];
    bool is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1);
    size_t n_name = is_long ? strcspn(name, "=") : 1;
    const cli_option *option = is_long ? find_long(command->options, name, n_name)
                                       : find_letter(command->options, name[0]);
    if (!option) {
        return refuse(command, arg, is_long ? n_name + 2 : strlen(arg));
    }
    const char *value = NULL;
    if (is_long && name[n_name] == '=') {
        value = name + n_name + 1;
    } else if (!is_long && name[1]) {
        value = name + 1; /* -t2 */
    }
    if (option->kind == CLI_KIND_FLAG) {
        CLI_CHECK(!value, PITH_STATUS_ARG, "--%s takes no value, but '%s' was given", option->name, arg);
    } else if (!value) {
        CLI_CHECK(*at + 1 < n_args, PITH_STATUS_ARG, "--%s needs %s after it", option->name, option->value);
        value = args[++*at];
    }
    return store(option, value, settings);
}

pith_status cli_parse_args(const cli_command *command, int n_args, char **args, void *settings,
                           cli_words *words, bool *wants_help)
{
    bool only_words = false;
    *wants_help = false;
    for (int i = 0; i < n_args; i++) {
        const char *arg = args[i];
        if (!only_words && strcmp(arg, "--") == 0) {
            only_words = true;
        } else if (!only_words && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            *wants_help = true;
            return PITH_OK;
        } else if (!only_words && arg[0] == '-' && arg[1]) {
            CLI_TRY(parse_option(command, n_args, args, &i, settings));
        } else {
            CLI_TRY(cli_grow((void **)&words->items, &words->capacity, (size_t)words->n + 1, sizeof *words->items));
            words->items[words->n++] = arg;
        }
    }
    return PITH_OK;
}

void cli_free_settings(const cli_command *command, void *settings)
{
    for (const cli_option *option = command->options; option->name; option++) {
        if (option->kind == CLI_KIND_WORDS) {
            cli_words *list = (cli_words *)(void *)((char *)settings + option->offset);
            cli_free(list->items);
            *list = (cli_words){ 0 };
        }
    }
}

void cli_print_help(const cli_command *command)
{
    printf("usage: pith %s %s\n\n%s\n", command->name, command->usage, command->summary);
    if (command->options->name) {
        printf("\noptions\n");
    }
    for (const cli_option *option = command->options; option->name; option++) {
        char left[64];
        int n_left = option->letter ? snprintf(left, sizeof left, "-%c, ", option->letter) : 0;
        snprintf(left + n_left, sizeof left - (size_t)n_left, "--%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        if (strlen(left) > 26) {
            printf("  %s\n  %-26s %s\n", left, "", option->help);
        } else {
            printf("  %-26s %s\n", left, option->help);
        }
    }
    if (command->details) {
        printf("\n%s\n", command->details);
    }
}

bool cli_parse_list(const char *text, double *items, int max_items, int *n_items_out)
{
    char copy[512];
    int n_items = 0;
    if (strlen(text) >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, strlen(text) + 1);
    for (char *item = copy; item;) {
        char *comma = strchr(item, ',');
        if (comma) {
            *comma = '\0';
        }
        item += strspn(item, " \t");
        item[strcspn(item, " \t")] = '\0';
        if (n_items == max_items || !cli_parse_number(item, &items[n_items])) {
            return false;
        }
        n_items++;
        item = comma ? comma + 1 : NULL;
    }
    *n_items_out = n_items;
    return true;
}
