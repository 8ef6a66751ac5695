/* SPDX-License-Identifier: Apache-2.0 */
#include "class_folders.h"

#include <ctype.h>

enum { MAX_DIGITS = 9, WORD = 256, N_SHOWN = 3 };

/* ---- names --------------------------------------------------------------------------------- */

int cli_compare_natural(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        const size_t n = strspn(x, "0123456789"), m = strspn(y, "0123456789");
        if (n == 0 || m == 0) {
            if (*x != *y) {
                return (unsigned char)*x - (unsigned char)*y;
            }
            x++;
            y++;
            continue;
        }
        const size_t zeros_x = strspn(x, "0"), zeros_y = strspn(y, "0");
        if (n - zeros_x != m - zeros_y) {
            return n - zeros_x < m - zeros_y ? -1 : 1;
        }
        const int order = memcmp(x + zeros_x, y + zeros_y, n - zeros_x);
        if (order != 0) {
            return order;
        }
        x += n;
        y += m;
    }
    return *x || *y ? (unsigned char)*x - (unsigned char)*y : strcmp(a, b);
}

static bool is_number(const char *name, int64_t *number_out)
{
    const size_t n = strspn(name, "0123456789");
    return n > 0 && n <= MAX_DIGITS && name[n] == '\0' && cli_parse_s64(name, number_out);
}

/* Lower case, "_" for whatever stands between words; bytes of UTF-8 stay. */
static void simplify(const char *text, size_t n_bytes, char word[WORD])
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes && n + 1 < WORD; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (isalnum(c) || c >= 0x80) {
            word[n++] = (char)tolower(c);
        } else if (n > 0 && word[n - 1] != '_') {
            word[n++] = '_';
        }
    }
    n -= n > 0 && word[n - 1] == '_';
    word[n] = '\0';
}

typedef enum spelling { AS_WRITTEN, WHOLE, FIRST_NAME, FIRST_WORD, REST, FIRST_OF_REST, N_SPELLINGS } spelling;

/* A first word stands for the label, and the rest for it, if it is a number of some kind: a synset's, or the line's. */
static bool is_spelled(const char *label, const char *name, const char *simple_name, spelling how)
{
    char word[WORD];
    const size_t n_first = strcspn(label, " \t,:"), n_all = strlen(label);
    const bool is_numbered = strcspn(label, "0123456789") < n_first && n_first < n_all;
    const char *start = how >= REST ? label + n_first + 1 : label;
    if (how == AS_WRITTEN) {
        return strcmp(label, name) == 0;
    }
    if (how >= FIRST_WORD && !is_numbered) {
        return false;
    }
    simplify(start, how == FIRST_WORD ? n_first : how == WHOLE || how == REST ? strlen(start) : strcspn(start, ","),
             word);
    return word[0] && strcmp(word, simple_name) == 0;
}

static int64_t find_label(const char *name, const cli_labels *labels)
{
    char simple[WORD];
    simplify(name, strlen(name), simple);
    for (spelling how = AS_WRITTEN; how < N_SPELLINGS; how++) {
        int64_t found = -1;
        for (int i = 0; i < labels->n; i++) {
            if (is_spelled(labels->items[i], name, simple, how)) {
                found = found == -1 ? i : -2;
            }
        }
        if (found != -1) {
            return found;
        }
    }
    return -1;
}

static bool is_listed(const char *name, const cli_labels *labels)
{
    bool is = false;
    for (int i = 0; i < labels->n && !is; i++) {
        is = strcmp(labels->items[i], name) == 0;
    }
    return is;
}

int64_t cli_class_of_name(const char *name, const cli_labels *labels)
{
    int64_t number = -1;
    return is_number(name, &number) ? number : labels && labels->n > 0 ? find_label(name, labels) : -1;
}

/* ---- folders ------------------------------------------------------------------------------- */

static pith_status number_by_label(cli_class_folders *folders, const cli_labels *labels)
{
    int n_found = 0;
    const char *unknown = NULL, *known = NULL;
    for (int i = 0; i < folders->n; i++) {
        cli_class_folder *folder = &folders->items[i];
        folder->label = find_label(folder->name, labels);
        CLI_CHECK(folder->label != -2, PITH_STATUS_ARG,
                  "folder '%s' could be several classes of the list of labels; name all folders by the numbers of "
                  "their classes", folder->name);
        n_found += folder->label >= 0;
        known = folder->label >= 0 ? folder->name : known;
        unknown = folder->label >= 0 ? unknown : folder->name;
    }
    CLI_CHECK(n_found == 0 || !unknown, PITH_STATUS_ARG,
              "folder '%s' is no class of the list of labels, but '%s' is; rename it as there, remove it, or name all "
              "folders by the numbers of their classes", unknown, known);
    folders->rule = n_found > 0 ? CLI_CLASS_BY_LABEL : CLI_CLASS_BY_ORDER;
    return PITH_OK;
}

static bool is_plain(const cli_class_folders *folders)
{
    bool plain = true;
    for (int i = 0; i < folders->n; i++) {
        plain = plain && folders->items[i].label == i &&
                (i == 0 || strcmp(folders->items[i - 1].name, folders->items[i].name) < 0);
    }
    return plain;
}

pith_status cli_class_folders_number(cli_class_folders *folders, const cli_labels *labels)
{
    int n_numbers = 0, n_written = 0;
    for (int i = 0; i < folders->n; i++) {
        n_numbers += is_number(folders->items[i].name, &folders->items[i].label);
        n_written += labels && is_listed(folders->items[i].name, labels);
    }
    const bool has_labels = labels && labels->n > 0, are_numbers = n_numbers == folders->n;
    folders->rule = are_numbers ? CLI_CLASS_BY_NUMBER : CLI_CLASS_BY_ORDER;
    if (has_labels && (!are_numbers || n_written == folders->n)) {
        CLI_TRY(number_by_label(folders, labels));
    }
    for (int i = 0; i < folders->n && folders->rule == CLI_CLASS_BY_ORDER; i++) {
        folders->items[i].label = i;
    }
    for (int i = 0; i < folders->n; i++) {
        const char *other = cli_class_folders_find(folders, folders->items[i].label);
        CLI_CHECK(other == folders->items[i].name, PITH_STATUS_ARG, "folders '%s' and '%s' are the same class, %lld",
                  other, folders->items[i].name, (long long)folders->items[i].label);
    }
    folders->is_plain = is_plain(folders);
    return PITH_OK;
}

const char *cli_class_folders_find(const cli_class_folders *folders, int64_t label)
{
    for (int i = 0; i < folders->n; i++) {
        if (folders->items[i].label == label) {
            return folders->items[i].name;
        }
    }
    return NULL;
}

void cli_class_folders_tell(const cli_class_folders *folders, cli_json *json)
{
    static const char *const rules[] = { "number", "label", "order" };
    static const char *const words[] = { "the numbers that they are called", "the list of labels",
                                         "order of their names, numbers as numbers" };
    if (json && folders->n > 0) {
        cli_json_text(json, "class_rule", rules[folders->rule]);
        cli_json_list(json, "class_folders");
        for (int i = 0; i < folders->n; i++) {
            cli_json_object(json, NULL);
            cli_json_text(json, "folder", folders->items[i].name);
            cli_json_whole(json, "class", folders->items[i].label);
            cli_json_end(json);
        }
        cli_json_end(json);
    } else if (!json && folders->n > 0 && !folders->is_plain) {
        printf("  folders are classes by %s:", words[folders->rule]);
        for (int i = 0; i < folders->n; i++) {
            if (i < N_SHOWN || i == folders->n - 1) {
                printf("%s %s = %lld", i == 0 ? "" : ",", cli_plain(folders->items[i].name),
                       (long long)folders->items[i].label);
            } else if (i == N_SHOWN) {
                printf(", ...");
            }
        }
        printf("\n");
    }
}

void cli_class_folders_free(cli_class_folders *folders)
{
    for (int i = 0; i < folders->n; i++) {
        cli_free(folders->items[i].name);
    }
    cli_free(folders->items);
    *folders = (cli_class_folders){ 0 };
}
