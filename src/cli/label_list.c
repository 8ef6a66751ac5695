/* SPDX-License-Identifier: Apache-2.0 */
#include "label_list.h"

#include <stdlib.h>

void cli_label_list_free(cli_label_list *list)
{
    cli_free(list->entries);
    cli_bytes_free(&list->text);
    *list = (cli_label_list){ 0 };
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const cli_label_entry *)a)->name, ((const cli_label_entry *)b)->name);
}

/* Cuts "FILE,...,CLASS" at its commas. A first line that ends without a number is a heading. */
static pith_status add_line(cli_label_list *list, char *line, int number)
{
    char *comma = strchr(line, ','), *last = strrchr(line, ','), *end = NULL;
    void *entries = list->entries;
    if (!*line) {
        return PITH_OK;
    }
    CLI_CHECK(comma, PITH_STATUS_FORMAT, "line %d has no comma; lines are FILE,...,CLASS", number);
    long label = strtol(last + 1, &end, 10);
    bool is_number = end > last + 1 && *end == '\0' && label >= 0;
    if (!is_number && number == 1) {
        return PITH_OK;
    }
    CLI_CHECK(is_number, PITH_STATUS_FORMAT, "line %d ends with '%.40s', which is no class: a number from 0", number,
              last + 1);
    *comma = '\0';
    pith_status status = cli_grow(&entries, &list->capacity, list->n + 1, sizeof *list->entries);
    list->entries = entries;
    CLI_TRY(status);
    list->entries[list->n++] = (cli_label_entry){ line, label };
    return PITH_OK;
}

static pith_status parse(cli_label_list *list)
{
    CLI_TRY(cli_bytes_add(&list->text, "\n", 2)); /* the last line ends, too, and so does the text */
    char *text = (char *)list->text.data;
    int number = 0;
    for (char *line = text, *end = NULL; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        line[strcspn(line, "\r")] = '\0';
        CLI_TRY(add_line(list, line, ++number));
    }
    qsort(list->entries, list->n, sizeof *list->entries, by_name);
    return PITH_OK;
}

static pith_status load(const char *path, cli_label_list *list)
{
    pith_status status = cli_file_read(path, &list->text);
    status = status == PITH_OK ? parse(list) : status;
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
        cli_label_list_free(list);
    }
    return status;
}

pith_status cli_label_list_load(const char *folder, cli_label_list *list_out)
{
    static const char *const names[] = { "y_labels.csv", "labels.csv" };
    cli_label_list list = { 0 };
    for (int i = 0; i < CLI_COUNT(names) && list.n == 0; i++) {
        char *path = NULL;
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, names[i]));
        pith_status status = cli_is_file(path) ? load(path, &list) : PITH_OK;
        cli_free(path);
        CLI_TRY(status);
    }
    *list_out = list;
    return PITH_OK;
}

int64_t cli_label_list_find(const cli_label_list *list, const char *name)
{
    const cli_label_entry key = { name, 0 };
    const cli_label_entry *found =
        list->n > 0 ? bsearch(&key, list->entries, list->n, sizeof key, by_name) : NULL;
    return found ? found->label : -1;
}
