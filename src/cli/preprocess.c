/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing settings as text: one table of keys for sidecar files and options. */
#include <ctype.h>
#include <math.h>

#include "args.h"
#include "package.h"
#include "preprocess.h"

typedef enum key_kind { KEY_CHOICE, KEY_INT, KEY_NUMBER, KEY_CHANNELS, KEY_TEXT, KEY_SIZE } key_kind;

typedef struct key {
    const char *name;
    key_kind kind;
    size_t offset, n_bytes;       /* n_bytes: room of a text */
    double min, max;              /* of numbers */
    const char *const *choices;   /* by enum value, NULL at the end; "" for values without a word */
} key;

static const char *const layouts[] = { "", "nchw", "nhwc", NULL };
static const char *const colors[] = { "", "rgb", "bgr", "gray", NULL };
static const char *const fits[] = { "stretch", "letterbox", "crop", NULL };
static const char *const anchors[] = { "center", "corner", NULL };
static const char *const score_kinds[] = { "auto", "logits", "probs", "logprobs", NULL };

#define FIELD(name) offsetof(cli_preprocess, name), sizeof(((cli_preprocess *)0)->name)

/* At most 64 keys: is_set has a bit for each. The order is that of written files. */
static const key keys[] = {
    { "layout", KEY_CHOICE, FIELD(layout), 0, 0, layouts },
    { "color", KEY_CHOICE, FIELD(color), 0, 0, colors },
    { "size", KEY_SIZE, FIELD(height), 0, 0, NULL },
    { "width_multiple", KEY_INT, FIELD(width_multiple), 1, 4096, NULL },
    { "pad_value", KEY_NUMBER, FIELD(pad_value), 0, 255, NULL },
    { "resize", KEY_CHOICE, FIELD(resize), 0, 0, fits },
    { "anchor", KEY_CHOICE, FIELD(anchor), 0, 0, anchors },
    { "mean", KEY_CHANNELS, FIELD(mean), 0, 0, NULL },
    { "scale", KEY_CHANNELS, FIELD(scale), 0, 0, NULL },
    { "dtype", KEY_TEXT, FIELD(dtype), 0, 0, NULL },
    { "image_input", KEY_TEXT, FIELD(image_input), 0, 0, NULL },
    { "task", KEY_TEXT, FIELD(task), 0, 0, NULL },
    { "labels", KEY_TEXT, FIELD(labels), 0, 0, NULL },
    { "top", KEY_INT, FIELD(top), 1, 100000, NULL },
    { "blank", KEY_INT, FIELD(blank), 0, 1e9, NULL },
    { "ctc_output", KEY_CHOICE, FIELD(ctc_output), 0, 0, score_kinds },
    { "beam", KEY_INT, FIELD(beam), 1, 1000, NULL },
    { "decoder", KEY_TEXT, FIELD(decoder), 0, 0, NULL },
    { "background", KEY_INT, FIELD(background), -1, 1e9, NULL },
    { "score_threshold", KEY_NUMBER, FIELD(score_threshold), 0, 1, NULL },
    { "iou_threshold", KEY_NUMBER, FIELD(iou_threshold), 0, 1, NULL },
    { "output_scale", KEY_NUMBER, FIELD(output_scale), 1e-9, 1e9, NULL },
};

void cli_preprocess_init(cli_preprocess *settings)
{
    *settings = (cli_preprocess){
        .width_multiple = 1, .task = "tensor", .top = 5, .beam = 10, .background = 0, .score_threshold = 0.5,
        .iou_threshold = 0.45,
    };
}

/* -1 if there is none. Options write '-' for '_'. */
static int find_key(const char *name)
{
    for (int i = 0; i < CLI_COUNT(keys); i++) {
        const char *a = keys[i].name;
        const char *b = name;
        while (*a && (*a == *b || (*a == '_' && *b == '-'))) {
            a++;
            b++;
        }
        if (!*a && !*b) {
            return i;
        }
    }
    return -1;
}

bool cli_preprocess_is_key(const char *name)
{
    return find_key(name) >= 0;
}

bool cli_preprocess_has(const cli_preprocess *settings, const char *name)
{
    int index = find_key(name);
    return index >= 0 && (settings->is_set >> index & 1u);
}

void cli_preprocess_forget_labels(cli_preprocess *settings)
{
    settings->labels[0] = '\0';
    settings->is_set &= ~((uint64_t)1 << find_key("labels"));
}

static pith_status set_choice(const key *which, const char *value, int *field)
{
    char all[128] = "";
    for (int i = 0; which->choices[i]; i++) {
        if (which->choices[i][0] && strcmp(which->choices[i], value) == 0) {
            *field = i;
            return PITH_OK;
        }
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s", at ? ", " : "", which->choices[i]);
    }
    return cli_fail(PITH_STATUS_ARG, "%s takes one of %s, not '%s'", which->name, all, value);
}

/* "32xauto": height and width. */
static pith_status set_size(const char *value, int *height, int *width)
{
    int sides[2];
    const char *at = value;
    for (int i = 0; i < 2; i++) {
        size_t n = strcspn(at, "x");
        char side[16];
        int64_t number = 0;
        if (strncmp(at, "auto", 4) == 0) { /* holds an 'x'-free word */
            n = 4;
        }
        snprintf(side, sizeof side, "%.*s", (int)n, at);
        bool is_auto = strcmp(side, "auto") == 0;
        CLI_CHECK(is_auto || (cli_parse_s64(side, &number) && number >= 1 && number <= CLI_MAX_IMAGE_SIDE),
                  PITH_STATUS_ARG, "size takes HEIGHTxWIDTH, either may be auto, not '%s'", value);
        sides[i] = is_auto ? CLI_SIZE_KEEP : (int)number;
        at += n;
        CLI_CHECK(*at == (i ? '\0' : 'x'), PITH_STATUS_ARG, "size takes HEIGHTxWIDTH, not '%s'", value);
        at += i == 0;
    }
    CLI_CHECK(sides[0] != CLI_SIZE_KEEP || sides[1] != CLI_SIZE_KEEP, PITH_STATUS_ARG,
              "size: one side must be a number, not '%s'", value);
    *height = sides[0];
    *width = sides[1];
    return PITH_OK;
}

static pith_status set_number(const key *which, const char *value, void *field)
{
    double number;
    int64_t whole;
    bool is_valid = which->kind == KEY_INT ? cli_parse_s64(value, &whole) : cli_parse_number(value, &number);
    number = !is_valid ? 0.0 : which->kind == KEY_INT ? (double)whole : number;
    CLI_CHECK(is_valid && number >= which->min && number <= which->max, PITH_STATUS_ARG,
              "%s takes a %snumber from %g to %g, not '%s'", which->name, which->kind == KEY_INT ? "whole " : "",
              which->min, which->max, value);
    if (which->kind == KEY_INT) {
        *(int64_t *)field = whole;
    } else {
        *(double *)field = number;
    }
    return PITH_OK;
}

pith_status cli_preprocess_set(cli_preprocess *settings, const char *name, const char *value)
{
    int index = find_key(name);
    const char *names[CLI_COUNT(keys)];
    for (int i = 0; i < CLI_COUNT(keys); i++) {
        names[i] = keys[i].name;
    }
    const char *nearest = index < 0 ? cli_nearest(name, names, CLI_COUNT(keys)) : NULL;
    CLI_CHECK(index >= 0, PITH_STATUS_ARG, "unknown key '%s'%s%s%s", name, nearest ? "; did you mean '" : "",
              nearest ? nearest : "", nearest ? "'?" : "");
    const key *which = &keys[index];
    void *field = (char *)settings + which->offset;
    cli_channel_values *list = field;
    switch (which->kind) {
    case KEY_CHOICE: CLI_TRY(set_choice(which, value, field)); break;
    case KEY_INT:
    case KEY_NUMBER: CLI_TRY(set_number(which, value, field)); break;
    case KEY_SIZE: CLI_TRY(set_size(value, &settings->height, &settings->width)); break;
    case KEY_CHANNELS:
        CLI_CHECK(cli_parse_list(value, list->items, CLI_MAX_CHANNELS, &list->n), PITH_STATUS_ARG,
                  "%s takes one number, or one per channel separated by commas, not '%s'", which->name, value);
        break;
    case KEY_TEXT:
        CLI_CHECK(value[0] && strlen(value) < which->n_bytes, PITH_STATUS_ARG, "%s takes 1 to %zu characters",
                  which->name, which->n_bytes - 1);
        memcpy(field, value, strlen(value) + 1);
        break;
    }
    settings->is_set |= (uint64_t)1 << index;
    return PITH_OK;
}

/* Cuts blanks at both ends of text[0..n). */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) {
        n--;
    }
    text[n] = '\0';
    return text;
}

static pith_status parse_line(char *line, cli_preprocess *settings)
{
    line[strcspn(line, "#")] = '\0';
    char *name = trim(line);
    if (!*name) {
        return PITH_OK;
    }
    char *sign = strchr(name, '=');
    CLI_CHECK(sign, PITH_STATUS_FORMAT, "'%s' is no 'key = value'", name);
    *sign = '\0';
    return cli_preprocess_set(settings, trim(name), trim(sign + 1));
}

pith_status cli_preprocess_parse(const char *text, size_t n_bytes, cli_preprocess *settings)
{
    int n_lines = 0;
    for (size_t at = 0; at < n_bytes;) {
        char line[2048];
        size_t n = 0;
        n_lines++;
        while (at + n < n_bytes && text[at + n] != '\n') {
            n++;
        }
        CLI_CHECK(n < sizeof line, PITH_STATUS_LIMIT, "line %d is longer than %zu bytes", n_lines, sizeof line - 1);
        CLI_CHECK(!memchr(text + at, 0, n), PITH_STATUS_FORMAT, "line %d holds a zero byte", n_lines);
        memcpy(line, text + at, n);
        line[n] = '\0';
        CLI_TRY_AT(parse_line(line, settings), "line %d", n_lines);
        at += n + 1;
    }
    return PITH_OK;
}

/* A name in the file is relative to the file's folder. */
static pith_status resolve_labels(const char *path, cli_preprocess *settings)
{
    const char *slash = strrchr(path, '/');
    char *joined;
    if (!cli_preprocess_has(settings, "labels") || settings->labels[0] == '/' || !slash) {
        return PITH_OK;
    }
    CLI_TRY(cli_text_format(&joined, "%.*s%s", (int)(slash - path) + 1, path, settings->labels));
    pith_status status = cli_preprocess_set(settings, "labels", joined);
    cli_free(joined);
    return status;
}

pith_status cli_preprocess_load(const char *path, cli_preprocess *settings)
{
    cli_bytes bytes;
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = cli_preprocess_parse((const char *)bytes.data, bytes.n, settings);
    cli_bytes_free(&bytes);
    if (status == PITH_OK) {
        status = resolve_labels(path, settings);
    }
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
    }
    return status;
}

static void format_side(int side, char text[16])
{
    if (side == CLI_SIZE_KEEP) {
        snprintf(text, 16, "auto");
    } else {
        snprintf(text, 16, "%d", side);
    }
}

static void format_value(const cli_preprocess *settings, const key *which, char *text, size_t n_bytes)
{
    const void *field = (const char *)settings + which->offset;
    const cli_channel_values *list = field;
    char height[16];
    char width[16];
    size_t at = 0;
    switch (which->kind) {
    case KEY_CHOICE: snprintf(text, n_bytes, "%s", which->choices[*(const int *)field]); break;
    case KEY_INT: snprintf(text, n_bytes, "%lld", (long long)*(const int64_t *)field); break;
    case KEY_NUMBER: snprintf(text, n_bytes, "%.12g", *(const double *)field); break;
    case KEY_TEXT: snprintf(text, n_bytes, "%s", (const char *)field); break;
    case KEY_SIZE:
        format_side(settings->height, height);
        format_side(settings->width, width);
        snprintf(text, n_bytes, "%sx%s", height, width);
        break;
    case KEY_CHANNELS:
        for (int i = 0; i < list->n; i++) {
            at += (size_t)snprintf(text + at, n_bytes - at, "%s%.12g", i ? ", " : "", list->items[i]);
        }
        break;
    }
}

pith_status cli_preprocess_write(const cli_preprocess *settings, cli_bytes *bytes)
{
    for (int i = 0; i < CLI_COUNT(keys); i++) {
        char value[1100];
        char line[1200];
        if (!(settings->is_set >> i & 1u)) {
            continue;
        }
        format_value(settings, &keys[i], value, sizeof value);
        int n = snprintf(line, sizeof line, "%s = %s\n", keys[i].name, value);
        CLI_TRY(cli_bytes_add(bytes, line, (size_t)n));
    }
    return PITH_OK;
}

pith_status cli_preprocess_of_model(const char *model, const char *sidecar, const cli_words *words,
                                    cli_preprocess *settings)
{
    char *beside = NULL;
    pith_status status = PITH_OK;
    cli_preprocess_init(settings);
    CLI_TRY(cli_path_beside(model, ".preprocess", &beside));
    const char *path = sidecar ? sidecar : beside;
    if (sidecar || cli_is_file(path)) {
        status = cli_preprocess_load(path, settings);
    } else {
        cli_bytes bytes;
        status = cli_package_section(model, "preprocess", &bytes);
        status = status == PITH_OK ? cli_preprocess_parse((const char *)bytes.data, bytes.n, settings) : status;
        cli_preprocess_forget_labels(settings); /* a model names no files */
        cli_bytes_free(&bytes);
    }
    for (int i = 0; i < words->n && status == PITH_OK; i++) {
        char name[64];
        const char *word = words->items[i], *sign = strchr(word, '=');
        if (!sign || (size_t)(sign - word) >= sizeof name) {
            status = cli_fail(PITH_STATUS_ARG, "--set takes KEY=VALUE (docs/preprocess.md), not '%s'", word);
        } else {
            snprintf(name, sizeof name, "%.*s", (int)(sign - word), word);
            status = cli_preprocess_set(settings, name, sign + 1);
        }
    }
    cli_free(beside);
    return status;
}
