/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's limits are measured once per CPU, instruction set, number of threads and version, and kept as lines
 * "key value" in the user's cache folder: $PITH_CACHE_DIR, else $XDG_CACHE_HOME/pith, else ~/.cache/pith. */
#include <math.h>
#include <stdlib.h>

#include "profile.h"

#define HEAD "pith machine 1"

typedef struct number {
    const char *key;
    double *value;
} number;

enum { N_NUMBERS = 5 + 3 * PITH_MACHINE_LEVELS };

static void list_numbers(pith_machine *m, number numbers[N_NUMBERS])
{
    static const char *const keys[PITH_MACHINE_LEVELS][3] = {
        { "l1_read", "l1_write", "l1_copy" },
        { "l2_read", "l2_write", "l2_copy" },
        { "l3_read", "l3_write", "l3_copy" },
        { "memory_read", "memory_write", "memory_copy" },
    };
    int n = 0;
    numbers[n++] = (number){ "hz", &m->hz };
    numbers[n++] = (number){ "f32", &m->f32_flops_per_s };
    numbers[n++] = (number){ "s8", &m->s8_ops_per_s };
    numbers[n++] = (number){ "clock", &m->clock_ns };
    numbers[n++] = (number){ "handover", &m->handover_ns };
    for (int i = 0; i < PITH_MACHINE_LEVELS; i++) {
        numbers[n++] = (number){ keys[i][0], &m->levels[i].read_bytes_per_s };
        numbers[n++] = (number){ keys[i][1], &m->levels[i].write_bytes_per_s };
        numbers[n++] = (number){ keys[i][2], &m->levels[i].copy_bytes_per_s };
    }
}

/* The first line of a file that holds for this machine. */
static void head_of(const pith_machine *m, char *text, size_t n_bytes)
{
    snprintf(text, n_bytes, HEAD "; pith %s; %s; %s; %d CPUs; %d threads; L3 %zu", pith_version(), m->cpu, m->isa,
             m->n_cpus, m->n_threads, m->levels[2].n_bytes);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    }
    return hash;
}

/* Makes the folder with its parent; false if there is no home. */
static bool cache_path(const char *head, char *path, size_t n_bytes)
{
    const char *own = getenv("PITH_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[1024];
    int n = -1;
    if (own && *own) {
        n = snprintf(folder, sizeof folder, "%s", own);
    } else if (xdg && *xdg) {
        n = snprintf(folder, sizeof folder, "%s/pith", xdg);
    } else if (home && *home) {
        n = snprintf(folder, sizeof folder, "%s/.cache", home);
        if (n > 0 && (size_t)n < sizeof folder && !cli_is_folder(folder) && cli_make_folder(folder) != PITH_OK) {
            cli_clear_error();
        }
        n = snprintf(folder, sizeof folder, "%s/.cache/pith", home);
    }
    if (n < 0 || (size_t)n >= sizeof folder || cli_make_folder(folder) != PITH_OK) {
        cli_clear_error();
        return false;
    }
    n = snprintf(path, n_bytes, "%s/machine-%016llx.txt", folder, (unsigned long long)hash_text(head));
    return n > 0 && (size_t)n < n_bytes;
}

static bool read_file(const char *path, const char *head, pith_machine *machine)
{
    number numbers[N_NUMBERS];
    char line[512], key[32];
    double value;
    int n_found = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    list_numbers(machine, numbers);
    bool fits = fgets(line, sizeof line, file) != NULL;
    line[strcspn(line, "\n")] = '\0';
    fits = fits && strcmp(line, head) == 0;
    while (fits && fgets(line, sizeof line, file)) {
        fits = sscanf(line, "%31s %lf", key, &value) == 2 && isfinite(value) && value >= 0.0;
        for (int i = 0; fits && i < N_NUMBERS; i++) {
            if (strcmp(numbers[i].key, key) == 0) {
                *numbers[i].value = value;
                n_found++;
            }
        }
    }
    fclose(file);
    return fits && n_found == N_NUMBERS && machine->f32_flops_per_s > 0.0;
}

static bool write_file(const char *path, const char *head, pith_machine *machine)
{
    number numbers[N_NUMBERS];
    FILE *file = fopen(path, "w");
    if (!file) {
        return false;
    }
    list_numbers(machine, numbers);
    fprintf(file, "%s\n", head);
    for (int i = 0; i < N_NUMBERS; i++) {
        fprintf(file, "%s %.6g\n", numbers[i].key, *numbers[i].value);
    }
    bool is_written = !ferror(file);
    return fclose(file) == 0 && is_written;
}

pith_status cli_machine_get(pith_ctx *ctx, const cli_machine_options *options, pith_machine *machine_out,
                            char *source, size_t n_source_bytes)
{
    char head[512], path[1200];
    pith_machine known;
    pith_machine_describe(ctx, &known);
    known.n_threads = options->n_threads;
    head_of(&known, head, sizeof head);
    bool has_path = !options->leaves_no_file && cache_path(head, path, sizeof path);
    if (has_path && !options->measures_anew && read_file(path, head, &known)) {
        *machine_out = known;
        snprintf(source, n_source_bytes, "measured before, kept in %s (--remeasure does it again)", path);
        return PITH_OK;
    }
    cli_progress("measuring this machine's limits");
    if (pith_machine_measure(ctx, options->n_threads, machine_out) != PITH_OK) {
        return cli_fail(PITH_STATUS_NOMEM, "measuring the machine: %s", pith_ctx_error(ctx));
    }
    cli_progress("%s", "");
    if (has_path && write_file(path, head, machine_out)) {
        snprintf(source, n_source_bytes, "measured now, kept in %s", path);
    } else {
        snprintf(source, n_source_bytes, "measured now, not kept");
    }
    return PITH_OK;
}
