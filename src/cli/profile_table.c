/* SPDX-License-Identifier: Apache-2.0 */
/* pith profile in words: the run, the machine, memory, operators, steps. */
#include <math.h>
#include <stdlib.h>

#include "profile.h"

enum { NAME_COLUMNS = 34, KIND_COLUMNS = 34 };

static const char *const level_names[PITH_MACHINE_LEVELS] = { "L1", "L2", "L3", "memory" };

/* ---- head --------------------------------------------------------------------------------- */

static void print_machine(const cli_profile_view *view)
{
    const pith_machine *m = view->machine;
    char text[CLI_HUMAN_BYTES];
    printf("machine  %s, %s, %.2f GHz measured, %d of %d CPUs, %d core%s\n", m->cpu, m->isa, m->hz / 1e9,
           m->n_usable_cpus, m->n_cpus, m->n_cores, m->n_cores == 1 ? "" : "s");
    printf("limits   %.0f GFLOP/s float32, %.0f GOP/s int8;", m->f32_flops_per_s / 1e9, m->s8_ops_per_s / 1e9);
    for (int i = 0; i < PITH_MACHINE_LEVELS; i++) {
        if (m->levels[i].read_bytes_per_s > 0.0) {
            printf("%s%s", i ? ", " : " ", level_names[i]);
            printf("%s%s", m->levels[i].n_bytes ? " " : "",
                   m->levels[i].n_bytes ? cli_human_bytes((double)m->levels[i].n_bytes, text) : "");
            printf(" %.0f", m->levels[i].read_bytes_per_s / 1e9);
        }
    }
    printf(" GB/s read\n         with %d thread%s; %s\n", m->n_threads, m->n_threads == 1 ? "" : "s",
           view->machine_source);
}

static void print_run(const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("%s%s%s  %s\n", cli_colour_on(CLI_STRONG), view->model, cli_colour_off(), view->shapes);
    printf("run      %s%s%s median", cli_colour_on(CLI_STRONG), cli_human_ms(p->run_median_ns / 1e6, a),
           cli_colour_off());
    printf(", %s at best, %d rounds, %d thread%s, %d steps", cli_human_ms(p->run_min_ns / 1e6, b), p->n_rounds,
           p->n_threads, p->n_threads == 1 ? "" : "s", p->n_steps);
    if (p->n_stretches > 1) {
        printf(" in %d plans (shapes depend on data, or loops)", p->n_stretches);
    }
    double between = p->n_steps ? p->outside_ns / p->n_steps : 0.0;
    printf("\n         %s in steps, %.0f ns between two steps\n", cli_human_ms(p->steps_ns / 1e6, a),
           fmax(between, 0.0));
    if (p->run_median_ns > 0.0) {
        printf("         %.1f GFLOP/s; at the limits of this machine it would take %s, so the run is at %s%.0f %%%s\n",
               view->flops / p->run_median_ns, cli_human_ms(view->limit_ns / 1e6, a), cli_colour_on(CLI_STRONG),
               100.0 * view->limit_ns / p->run_median_ns, cli_colour_off());
    }
}

static int by_size(const void *a, const void *b)
{
    const pith_profile_block *x = *(const pith_profile_block *const *)a, *y = *(const pith_profile_block *const *)b;
    return (x->n_bytes < y->n_bytes) - (x->n_bytes > y->n_bytes);
}

/* The largest blocks alive at the peak. */
static void print_holders(const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    const pith_profile_block **holders = NULL;
    int n = 0;
    if (cli_alloc((size_t)p->n_blocks, sizeof *holders, (void **)&holders) != PITH_OK) {
        return;
    }
    for (int i = 0; i < p->n_blocks; i++) {
        bool is_there = p->blocks[i].first_step <= view->peak_step && view->peak_step <= p->blocks[i].last_step &&
                        p->blocks[i].stretch == p->steps[view->peak_step].stretch;
        if (is_there) {
            holders[n++] = &p->blocks[i];
        }
    }
    qsort(holders, (size_t)n, sizeof *holders, by_size);
    for (int i = 0; i < n && i < 5; i++) {
        char text[CLI_HUMAN_BYTES];
        printf("         %10s  %s%s\n", cli_human_bytes((double)holders[i]->n_bytes, text), holders[i]->name,
               holders[i]->is_scratch ? " (scratch)" : "");
    }
    if (n > 5) {
        printf("         and %d smaller ones\n", n - 5);
    }
    cli_free(holders);
}

static void print_memory(const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    printf("memory   arena %s (lower bound %s)", cli_human_bytes((double)p->arena_bytes, a),
           cli_human_bytes((double)p->arena_lower_bound_bytes, b));
    printf(", packed weights %s\n", cli_human_bytes((double)p->weight_bytes, a));
    if (view->peak_step >= 0) {
        const pith_profile_step *peak = &p->steps[view->peak_step];
        printf("         most is alive at step %d, %s '%s': %s\n", view->peak_step, peak->op,
               view->steps[view->peak_step].label,
               cli_human_bytes((double)peak->live_bytes, a));
        print_holders(view);
    }
}

/* ---- counters ----------------------------------------------------------------------------- */

static void print_topdown(const cli_profile_view *view)
{
    static const char *const names[PITH_PROFILE_TOPDOWN] = { "frontend", "bad speculation", "backend memory",
                                                             "backend core", "retiring" };
    double sums[PITH_PROFILE_TOPDOWN] = { 0 }, weight = 0.0;
    for (int i = 0; i < view->profile->n_steps; i++) {
        const pith_profile_step *step = &view->profile->steps[i];
        if (!isnan(step->topdown[0])) {
            weight += step->median_ns;
            for (int k = 0; k < PITH_PROFILE_TOPDOWN; k++) {
                sums[k] += step->topdown[k] * step->median_ns;
            }
        }
    }
    for (int k = 0; k < PITH_PROFILE_TOPDOWN && weight > 0.0; k++) {
        if (!isnan(sums[k])) {
            printf("%s%s %.0f %%", k ? ", " : "top-down ", names[k], 100.0 * sums[k] / weight);
        }
    }
    printf("%s", weight > 0.0 ? " of pipeline slots\n" : "");
}

static void print_counters(const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    for (int c = 0; c < p->n_counters; c++) {
        double sum = 0.0;
        char text[CLI_HUMAN_BYTES];
        for (int i = 0; i < p->n_steps; i++) {
            sum += p->steps[i].counters ? p->steps[i].counters[c] : 0.0;
        }
        printf("%s%s %s", c == 0 ? "counters " : ", ", p->counter_names[c], cli_human_count(sum, text));
    }
    printf("%s", p->n_counters ? " a run\n" : "");
    print_topdown(view);
    if (p->counters_note[0]) {
        printf("counters %s\n", p->counters_note);
    }
    if (isnan(p->joules_per_run)) {
        printf("energy   %s\n", p->energy_note);
    } else {
        printf("energy   %.4g mJ a run (the whole CPU package, other work included)\n", p->joules_per_run * 1e3);
    }
}

/* ---- rows --------------------------------------------------------------------------------- */

static void print_rates(double ns, double flops, double bytes, double limit_ns)
{
    double seconds = ns > 0.0 ? ns : 1.0;
    printf(" %9.1f %8.1f %6.0f", flops / seconds, bytes / seconds, 100.0 * limit_ns / seconds);
}

static void print_kinds(const cli_profile_view *view)
{
    printf("\n%-*s %6s %10s %7s %9s %10s %9s %8s %6s\n", KIND_COLUMNS, "operator, kernel", "steps", "ms", "share",
           "MMAC", "MB moved", "GFLOP/s", "GB/s", "limit%");
    for (int i = 0; i < view->n_kinds; i++) {
        const cli_kind_view *kind = &view->kinds[i];
        printf("%-*.*s %6d %10.4f %6.1f%% %9.2f %10.3f", KIND_COLUMNS, KIND_COLUMNS, kind->kind, kind->n_steps,
               kind->ns / 1e6, 100.0 * kind->ns / fmax(view->ns, 1.0), kind->macs / 1e6, kind->bytes / 1e6);
        print_rates(kind->ns, kind->flops, kind->bytes, kind->limit_ns);
        printf("\n");
    }
    printf("%-*s %6d %10.4f %6.1f%% %9.2f %10.3f", KIND_COLUMNS, "all", view->profile->n_steps, view->ns / 1e6, 100.0,
           view->macs / 1e6, view->bytes / 1e6);
    print_rates(view->ns, view->flops, view->bytes, view->limit_ns);
    printf("\n");
}

static void print_step(const cli_step_view *step, int index, bool has_threads, bool says_why)
{
    char parts[32] = "", name[NAME_COLUMNS + 1];
    size_t length = strlen(step->label);
    const char *shown = length > NAME_COLUMNS ? step->label + length - NAME_COLUMNS : step->label;
    snprintf(name, sizeof name, "%s", shown);
    printf("%5d %-*s %-*.*s %10.4f %6.1f%%", index, NAME_COLUMNS, name, KIND_COLUMNS, KIND_COLUMNS, step->kind,
           step->ns / 1e6, 100.0 * step->share);
    print_rates(step->ns, step->flops, step->bytes, fmax(step->compute_ns, step->memory_ns));
    if (has_threads) {
        snprintf(parts, sizeof parts, " %5d", step->step->n_parts);
        printf("%s", parts);
        if (isnan(step->balance)) {
            printf("       -");
        } else {
            printf("  %5.0f%%", 100.0 * step->balance);
        }
    }
    printf("  %-9s %s\n", step->bound, step->shapes);
    if (says_why && step->step->why) {
        printf("%6s%s%s%s\n", "", cli_colour_on(CLI_FAINT), step->step->why, cli_colour_off());
    }
}

static int by_time(const void *a, const void *b)
{
    double x = (*(const cli_step_view *const *)a)->ns, y = (*(const cli_step_view *const *)b)->ns;
    return (x < y) - (x > y);
}

static void print_steps(const cli_profile_view *view, int n_top, bool says_why)
{
    const cli_step_view **order = NULL;
    int n = view->profile->n_steps;
    bool has_threads = view->profile->n_threads > 1;
    if (cli_alloc((size_t)n, sizeof *order, (void **)&order) != PITH_OK) {
        return;
    }
    for (int i = 0; i < n; i++) {
        order[i] = &view->steps[i];
    }
    if (n_top >= 0) {
        qsort(order, (size_t)n, sizeof *order, by_time);
        n = n < n_top ? n : n_top;
    }
    printf("\n%5s %-*s %-*s %10s %7s %9s %8s %6s%s  %-9s %s\n", "step", NAME_COLUMNS, "node", KIND_COLUMNS,
           "operator, kernel", "ms", "share", "GFLOP/s", "GB/s", "limit%", has_threads ? " parts balance" : "",
           "bound by", "shapes");
    for (int i = 0; i < n; i++) {
        print_step(order[i], (int)(order[i] - view->steps), has_threads, says_why);
    }
    if (n < view->profile->n_steps) {
        printf("      %d more steps (--all lists every one in order)\n", view->profile->n_steps - n);
    }
    cli_free(order);
}

static void print_conversions(const cli_profile_view *view)
{
    double ns = 0.0;
    int n = 0;
    for (int i = 0; i < view->profile->n_steps; i++) {
        n += view->steps[i].is_conversion;
        ns += view->steps[i].is_conversion ? view->steps[i].ns : 0.0;
    }
    printf("\nlayout   %d conversion%s between channels-first and channels-last remain%s: %.4f ms\n", n,
           n == 1 ? "" : "s", n == 1 ? "s" : "", ns / 1e6);
    for (int i = 0; i < view->profile->n_steps; i++) {
        const cli_step_view *step = &view->steps[i];
        if (step->is_conversion) {
            printf("%5d %10.4f ms  %s  %s\n", i, step->ns / 1e6, step->step->name, step->shapes);
        }
    }
}

/* What a quantised network computes in float: the usual reason why it isn't faster than float. */
static void print_islands(const cli_profile_view *view)
{
    const pith_profile *p = view->profile;
    double ns = 0.0;
    for (int i = 0; i < p->n_islands; i++) {
        ns += p->islands[i].ns + p->islands[i].border_ns;
    }
    if (p->n_integer_steps == 0) {
        return;
    }
    printf("\nfloat    %d stretch%s of float steps in a quantised network, with what quantises and dequantises for "
           "them %.4f ms\n", p->n_islands, p->n_islands == 1 ? "" : "es", ns / 1e6);
    for (int i = 0; i < p->n_islands; i++) {
        const pith_float_island *island = &p->islands[i];
        const cli_step_view *first = &view->steps[island->steps[0]];
        const cli_step_view *last = &view->steps[island->steps[island->n_steps - 1]];
        printf("%5d %10.4f ms and %.4f ms at %d border%s  %s '%s'", island->steps[0], island->ns / 1e6,
               island->border_ns / 1e6, island->n_borders, island->n_borders == 1 ? "" : "s", first->step->op,
               first->label);
        if (island->n_steps > 1) {
            printf(" to '%s' (%d steps)", last->label, island->n_steps);
        }
        printf(": %s\n", island->why);
    }
}

void cli_profile_print(const cli_profile_view *view, int n_top, bool says_why)
{
    print_run(view);
    print_machine(view);
    print_memory(view);
    print_counters(view);
    print_kinds(view);
    print_steps(view, n_top, says_why);
    print_conversions(view);
    print_islands(view);
}
