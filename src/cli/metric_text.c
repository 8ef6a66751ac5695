/* SPDX-License-Identifier: Apache-2.0 */
/* Text of recognisers: characters and whole lines that are right. The error rate of characters is the number of
 * insertions, deletions and substitutions (Levenshtein 1966) over the number of characters that there are.
 *
 * Truth: a file of lines "NAME<tab or blank>TEXT" (--labels, or truth.txt, labels.txt, gt.txt in the folder), or the
 * names of the pictures: NUMBER_TEXT_NUMBER.png, of which both numbers may be missing. */
#include "ctc.h"
#include "metric.h"

enum { DISTANCE, LENGTH, IS_RIGHT, COUNT, BEAM_DISTANCE, BEAM_IS_RIGHT, WIDTH, N_VALUES = 3 };

typedef struct state {
    const cli_metric_source *source;
    cli_bytes file; /* of truth; empty: names */
    cli_rows rows;
} state;

static pith_status open_text(void *self, cli_metric_source *source)
{
    static const char *const names[] = { "truth.txt", "labels.txt", "gt.txt" };
    state *s = self;
    s->source = source;
    CLI_CHECK(source->dataset->paths, PITH_STATUS_ARG, "text needs a folder of pictures as data");
    if (source->truth) {
        return cli_file_read(source->truth, &s->file);
    }
    for (int i = 0; i < CLI_COUNT(names); i++) {
        char *path = NULL;
        CLI_TRY(cli_text_format(&path, "%s/%s", source->data, names[i]));
        pith_status status = cli_is_file(path) ? cli_file_read(path, &s->file) : PITH_OK;
        cli_free(path);
        if (status != PITH_OK || s->file.n > 0) {
            return status;
        }
    }
    return PITH_OK;
}

/* The text behind `name` in the file. */
static bool find_line(const cli_bytes *file, const char *name, const char **text_out, size_t *n_out)
{
    const char *at = (const char *)file->data, *end = at + file->n;
    size_t n_name = strlen(name);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *stop = line_end ? line_end : end;
        bool is_it = (size_t)(stop - at) > n_name && memcmp(at, name, n_name) == 0;
        if (is_it && (at[n_name] == '\t' || at[n_name] == ' ')) {
            const char *text = at + n_name + 1;
            size_t n = (size_t)(stop - text);
            *text_out = text;
            *n_out = n > 0 && text[n - 1] == '\r' ? n - 1 : n;
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* "12_hello_3.png" -> "hello" */
static void text_of_name(const char *name, const char **text_out, size_t *n_out)
{
    size_t n = cli_stem(name), n_digits = strspn(name, "0123456789");
    if (n_digits > 0 && n_digits < n && name[n_digits] == '_') {
        name += n_digits + 1;
        n -= n_digits + 1;
    }
    size_t tail = n;
    while (tail > 0 && name[tail - 1] >= '0' && name[tail - 1] <= '9') {
        tail--;
    }
    *text_out = name;
    *n_out = tail > 1 && tail < n && name[tail - 1] == '_' ? tail - 1 : n;
}

/* Characters of UTF-8: bytes that don't continue one. Returns how many; starts[n] is the end. */
static int split(const char *text, size_t n_bytes, size_t *starts)
{
    int n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (((unsigned char)text[i] & 0xc0u) != 0x80u) {
            starts[n++] = i;
        }
    }
    starts[n] = n_bytes;
    return n;
}

static bool same_character(const char *a, const size_t *a_start, const char *b, const size_t *b_start)
{
    size_t n = a_start[1] - a_start[0];
    return n == b_start[1] - b_start[0] && memcmp(a + a_start[0], b + b_start[0], n) == 0;
}

/* One row of the table of distances between beginnings at a time. */
static int distance(const char *a, const size_t *a_starts, int n_a, const char *b, const size_t *b_starts, int n_b,
                    int *row)
{
    for (int j = 0; j <= n_b; j++) {
        row[j] = j;
    }
    for (int i = 1; i <= n_a; i++) {
        int before = row[0];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int changed = before + !same_character(a, a_starts + i - 1, b, b_starts + j - 1);
            before = row[j];
            int least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = changed < least ? changed : least;
        }
    }
    return row[n_b];
}

static pith_status compare(const char *want, size_t n_want, const char *got, size_t n_got, double *distance_out,
                           double *length_out)
{
    size_t *starts = NULL;
    int *distances = NULL;
    CLI_TRY(cli_alloc(n_want + n_got + 2, sizeof *starts, (void **)&starts));
    pith_status status = cli_alloc(n_got + 1, sizeof *distances, (void **)&distances);
    if (status == PITH_OK) {
        size_t *got_starts = starts + n_want + 1;
        int n = split(want, n_want, starts), m = split(got, n_got, got_starts);
        *distance_out = distance(want, starts, n, got, got_starts, m, distances);
        *length_out = n;
    }
    cli_free(starts);
    cli_free(distances);
    return status;
}

/* How far what the network says is from `want`. */
static pith_status read_text(const cli_result *result, int beam, const char *want, size_t n_want, double *distance_out,
                             double *length_out)
{
    cli_bytes got = { 0 };
    pith_status status = cli_ctc_text(result, beam, &got);
    if (status == PITH_OK) {
        status = compare(want, n_want, (const char *)got.data, got.n - 1, distance_out, length_out);
    }
    cli_bytes_free(&got);
    return status;
}

static pith_status add_text(void *self, const cli_result *result, int index)
{
    state *s = self;
    const char *name = cli_base_name(s->source->dataset->paths[index]), *want = NULL;
    size_t n_want = 0;
    double *row = NULL;
    if (s->file.n > 0) {
        CLI_CHECK(find_line(&s->file, name, &want, &n_want), PITH_STATUS_ARG,
                  "the file of texts has no line for '%s'; lines are NAME, a tab, TEXT", name);
    } else {
        text_of_name(name, &want, &n_want);
    }
    CLI_TRY(cli_rows_add(&s->rows, WIDTH, &row));
    row[COUNT] = 1.0;
    CLI_TRY(read_text(result, 0, want, n_want, &row[DISTANCE], &row[LENGTH]));
    row[IS_RIGHT] = row[DISTANCE] == 0.0;
    if (s->source->beam > 0) {
        CLI_TRY(read_text(result, s->source->beam, want, n_want, &row[BEAM_DISTANCE], &row[LENGTH]));
        row[BEAM_IS_RIGHT] = row[BEAM_DISTANCE] == 0.0;
    }
    return PITH_OK;
}

static void put_values(double distance, double length, double share, double *values)
{
    values[1] = length > 0.0 ? distance / length : distance > 0.0;
    values[0] = values[1] < 1.0 ? 1.0 - values[1] : 0.0;
    values[2] = share;
}

static pith_status score_text(void *self, const int *times, double *values)
{
    const state *s = self;
    double sums[WIDTH];
    cli_rows_sum(&s->rows, times, sums);
    put_values(sums[DISTANCE], sums[LENGTH], sums[IS_RIGHT] / sums[COUNT], values);
    if (s->source->beam > 0) {
        put_values(sums[BEAM_DISTANCE], sums[LENGTH], sums[BEAM_IS_RIGHT] / sums[COUNT], values + N_VALUES);
    }
    return PITH_OK;
}

static double count_characters(const void *self)
{
    const state *s = self;
    double sum = 0.0;
    for (int i = 0; i < s->rows.n; i++) {
        sum += s->rows.items[i * WIDTH + LENGTH];
    }
    return sum > 0.0 ? sum : 1.0;
}

static void close_text(void *self)
{
    state *s = self;
    cli_bytes_free(&s->file);
    cli_free(s->rows.items);
}

static void tell_beam(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_whole(json, "beam", s->source->beam);
    } else {
        printf("  beam: the most probable text of a search of width %d\n", s->source->beam);
    }
}

#define GREEDY                                                                                     \
    { "character_accuracy", "characters right", CLI_VALUE_PERCENT, false },                        \
        { "cer", "character error rate", CLI_VALUE_PERCENT, false },                               \
        { "line_accuracy", "lines right", CLI_VALUE_PERCENT, true }

const cli_metric cli_metric_text = {
    .name = "text", .task = "ctc", .help = "characters and lines read right", .state_bytes = sizeof(state),
    .values = { GREEDY }, .open = open_text, .add = add_text, .score = score_text, .count_units = count_characters,
    .close = close_text,
};

const cli_metric cli_metric_text_beam = {
    .name = "text", .task = "ctc", .help = "characters and lines read right", .state_bytes = sizeof(state),
    .values = { GREEDY,
                { "beam_character_accuracy", "beam: characters", CLI_VALUE_PERCENT, false },
                { "beam_cer", "beam: error rate", CLI_VALUE_PERCENT, false },
                { "beam_line_accuracy", "beam: lines right", CLI_VALUE_PERCENT, true } },
    .open = open_text, .add = add_text, .score = score_text, .count_units = count_characters, .tell = tell_beam,
    .close = close_text,
};
