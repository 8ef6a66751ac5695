/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of tuned steps, and their text form: head lines that say where it holds, then a line per step. */
#include "plan/tuning.h"

#include <stdio.h>

#include "kernels/kernel.h"

#define REASON_BYTES 200
#define MAX_ENTRIES 1000000
#define MAX_LINE 256

/* ---- keys --------------------------------------------------------------------------------- */

static uint64_t hash_tensor(uint64_t hash, const pith_tensor *tensor)
{
    int64_t facts[3 + PITH_MAX_RANK] = { tensor->dtype, tensor->data != NULL, tensor->shape.rank };
    for (int i = 0; i < tensor->shape.rank; i++) {
        facts[3 + i] = tensor->shape.dims[i];
    }
    return pithi_hash(hash, facts, sizeof facts);
}

pith_status pithi_tuning_key(pith_ctx *ctx, const pith_node *node, const pith_tensor *inputs,
                             const pith_tensor *outputs, uint64_t *key_out)
{
    const pith_op_head *head = &node->op->head;
    pithi_text text = { .ctx = ctx };
    pithi_text_add(&text, "%s", head->name);
    if (node->attrs) {
        pithi_attrs_print(head, node->attrs, &text);
    }
    bool failed = text.failed;
    uint64_t hash = failed ? 0 : pithi_hash(PITHI_HASH_START, text.data, text.n_bytes);
    pithi_text_deinit(&text);
    PITH_CHECK(ctx, !failed, PITH_STATUS_NOMEM, "no memory for the attributes' text");
    for (int i = 0; i < node->n_inputs; i++) {
        hash = hash_tensor(hash, &inputs[i]);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        hash = hash_tensor(hash, &outputs[i]);
    }
    *key_out = hash;
    return PITH_OK;
}

/* ---- table -------------------------------------------------------------------------------- */

/* First entry whose key is not below `key`. */
static size_t place_of(const pithi_tuning *tuning, uint64_t key)
{
    size_t low = 0, high = tuning->n_entries;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tuning->entries[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const pithi_tuned *pithi_tuning_find(const pithi_tuning *tuning, uint64_t key)
{
    size_t at = place_of(tuning, key);
    return at < tuning->n_entries && tuning->entries[at].key == key ? &tuning->entries[at] : &tuning->fallback;
}

pith_status pithi_tuning_add(pithi_tuning *tuning, const pithi_tuned *entry)
{
    size_t at = place_of(tuning, entry->key);
    if (at == tuning->n_entries || tuning->entries[at].key != entry->key) {
        void *entries = tuning->entries;
        pith_status status =
            pithi_grow(tuning->ctx, &entries, &tuning->capacity, tuning->n_entries + 1, sizeof *tuning->entries);
        tuning->entries = entries;
        PITH_TRY(status);
        memmove(&tuning->entries[at + 1], &tuning->entries[at],
                (tuning->n_entries++ - at) * sizeof *tuning->entries);
    }
    tuning->entries[at] = *entry;
    return PITH_OK;
}

void pithi_tuning_deinit(pithi_tuning *tuning)
{
    pithi_free(tuning->ctx, tuning->entries);
    tuning->entries = NULL;
    tuning->n_entries = tuning->capacity = 0;
}

/* ---- text --------------------------------------------------------------------------------- */

enum { N_HEADS = 5 };

const char *const pithi_tuning_passes[PITHI_TUNING_PASSES] = { "fuse_separable", "strip_rows", "fuse_region" };

const char *pithi_tuning_list_passes(unsigned passes_off, char list[PITHI_PASS_LIST_BYTES])
{
    list[0] = '\0';
    for (int i = 0; i < PITHI_TUNING_PASSES; i++) {
        if (passes_off >> i & 1u) {
            size_t length = strlen(list);
            snprintf(list + length, PITHI_PASS_LIST_BYTES - length, "%s%s", length ? "," : "", pithi_tuning_passes[i]);
        }
    }
    return list;
}

static void head_lines(const pithi_tuning *tuning, const char *cpu, char lines[N_HEADS][MAX_LINE])
{
    snprintf(lines[0], MAX_LINE, "pith tune 2");
    snprintf(lines[1], MAX_LINE, "version %s", pith_version());
    snprintf(lines[2], MAX_LINE, "cpu %s", cpu);
    snprintf(lines[3], MAX_LINE, "isa %s", pith_ctx_isa(tuning->ctx));
    snprintf(lines[4], MAX_LINE, "float16 %s", tuning->is_float16 ? "yes" : "no");
}

void pithi_tuning_print(const pithi_tuning *tuning, const char *cpu, pithi_text *text)
{
    char lines[N_HEADS][MAX_LINE];
    head_lines(tuning, cpu, lines);
    for (int i = 0; i < N_HEADS; i++) {
        pithi_text_add(text, "%s\n", lines[i]);
    }
    char list[PITHI_PASS_LIST_BYTES];
    pithi_text_add(text, "threads %d without %s\n", tuning->n_threads,
                   tuning->passes_off ? pithi_tuning_list_passes(tuning->passes_off, list) : "-");
    for (size_t i = 0; i < tuning->n_entries; i++) {
        const pithi_tuned *entry = &tuning->entries[i];
        pithi_text_add(text, "step %016llx choice %d isa %s serial %d\n", (unsigned long long)entry->key, entry->choice,
                       entry->isa >= 0 ? pithi_isa_name(entry->isa) : "-", entry->serial_at);
    }
    pithi_text_add(text, "end %zu\n", tuning->n_entries);
}

/* Copies the next line without its newline; false at the end, or if it is too long or has a 0 in it. */
static bool next_line(const char **at, const char *end, char line[MAX_LINE])
{
    const char *newline = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    size_t length = newline ? (size_t)(newline - *at) : 0;
    if (!newline || length >= MAX_LINE || memchr(*at, '\0', length)) {
        return false;
    }
    memcpy(line, *at, length);
    line[length] = '\0';
    *at = newline + 1;
    return true;
}

/* "threads 4 without strip_rows,fuse_region"; "-": without none. */
static bool parse_whole(const char *line, pithi_tuning *tuning)
{
    char list[MAX_LINE], known[PITHI_PASS_LIST_BYTES];
    int n_read = 0;
    if (sscanf(line, "threads %4d without %255s%n", &tuning->n_threads, list, &n_read) != 2 || line[n_read] != '\0') {
        return false;
    }
    for (tuning->passes_off = 0; tuning->passes_off < 1u << PITHI_TUNING_PASSES; tuning->passes_off++) {
        const char *text = tuning->passes_off ? pithi_tuning_list_passes(tuning->passes_off, known) : "-";
        if (pithi_same_text(list, text)) {
            return tuning->n_threads > 0;
        }
    }
    return false;
}

static bool parse_step(const char *line, pithi_tuned *entry)
{
    unsigned long long key = 0;
    char isa[33] = "";
    int n_read = 0;
    int n_items = sscanf(line, "step %16llx choice %d isa %32s serial %d%n", &key, &entry->choice, isa,
                         &entry->serial_at, &n_read);
    if (n_items != 4 || line[n_read] != '\0') {
        return false;
    }
    entry->key = key;
    entry->isa = pithi_same_text(isa, "-") ? -1 : pithi_isa_find(isa);
    return entry->choice >= 0 && entry->serial_at >= 0 && (entry->isa >= 0 || isa[0] == '-');
}

static pith_status parse_steps(pithi_tuning *tuning, const char *at, const char *end, bool *is_good)
{
    char line[MAX_LINE], last[MAX_LINE];
    *is_good = false;
    while (next_line(&at, end, line)) {
        pithi_tuned entry;
        snprintf(last, sizeof last, "end %zu", tuning->n_entries);
        if (pithi_same_text(line, last)) {
            *is_good = at == end;
            return PITH_OK;
        }
        if (!parse_step(line, &entry) || tuning->n_entries >= MAX_ENTRIES ||
            (tuning->n_entries && tuning->entries[tuning->n_entries - 1].key >= entry.key)) {
            return PITH_OK; /* keys rise: a file of any size is read in linear time */
        }
        PITH_TRY(pithi_tuning_add(tuning, &entry));
    }
    return PITH_OK;
}

pith_status pithi_tuning_parse(pithi_tuning *tuning, const char *cpu, const char *data, size_t n_bytes, char *reason)
{
    char wanted[N_HEADS][MAX_LINE], line[MAX_LINE];
    const char *at = data, *end = data ? data + n_bytes : data;
    bool is_good = false;
    head_lines(tuning, cpu, wanted);
    reason[0] = '\0';
    for (int i = 0; i < N_HEADS; i++) {
        if (!next_line(&at, end, line) || (i == 0 && !pithi_same_text(line, wanted[i]))) {
            snprintf(reason, REASON_BYTES, "it is damaged, or no file of 'pith tune'");
            return PITH_OK;
        }
        if (!pithi_same_text(line, wanted[i])) {
            snprintf(reason, REASON_BYTES, "it was made for '%.80s', this is '%.80s'", line, wanted[i]);
            return PITH_OK;
        }
    }
    pith_status status = PITH_OK;
    if (next_line(&at, end, line) && parse_whole(line, tuning)) {
        status = parse_steps(tuning, at, end, &is_good);
    }
    if (status != PITH_OK || !is_good) {
        tuning->passes_off = 0;
        pithi_tuning_deinit(tuning);
        snprintf(reason, REASON_BYTES, "it is damaged");
    }
    return status;
}
