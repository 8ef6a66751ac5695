/* SPDX-License-Identifier: Apache-2.0 */
/* pith diagnose: the report for people. */
#include "diagnose.h"

enum { N_FINDINGS = 6, N_TENSORS = 8, N_NAMES = 6, WIDTH = 100 };

/* Words of a text in lines. */
static void print_wrapped(const char *text, int indent)
{
    int column = 0;
    for (const char *at = text; *at;) {
        int n = (int)strcspn(at, " ");
        if (column > 0 && column + 1 + n > WIDTH - indent) {
            printf("\n");
            column = 0;
        }
        column += printf("%*s%.*s", column > 0 ? 1 : indent, "", n, at);
        at += n;
        at += strspn(at, " ");
    }
    printf("\n");
}

static const char *signed_ms(double ms, char text[CLI_HUMAN_BYTES])
{
    char plain[CLI_HUMAN_BYTES];
    if (ms > -0.005 && ms < 0.005) {
        snprintf(text, CLI_HUMAN_BYTES, "0 ms");
    } else {
        snprintf(text, CLI_HUMAN_BYTES, "%c%s", ms < 0 ? '-' : '+', cli_human_ms(ms < 0 ? -ms : ms, plain));
    }
    return text;
}

static const char *signed_bytes(double n_bytes, char text[CLI_HUMAN_BYTES])
{
    char plain[CLI_HUMAN_BYTES];
    snprintf(text, CLI_HUMAN_BYTES, "%s%s",
             n_bytes < 0   ? "-"
             : n_bytes > 0 ? "+"
                           : "",
             cli_human_bytes(n_bytes < 0 ? -n_bytes : n_bytes, plain));
    return text;
}

static void print_findings(const cli_diagnosis *d)
{
    const pith_diagnose_report *report = d->report;
    int n = d->all || report->n_findings < N_FINDINGS ? report->n_findings : N_FINDINGS;
    if (n == 0) {
        return;
    }
    printf("\n  %-32s %-26s %9s %-12s %9s %10s %10s %9s\n", "findings", "cause", "alone dB", "repair", "gain dB",
           "time", "bytes", "if float");
    for (int i = 0; i < n; i++) {
        const pith_finding *f = &report->findings[i];
        char ms[CLI_HUMAN_BYTES] = "", bytes[CLI_HUMAN_BYTES] = "", alone[16] = "", gain[16] = "", floats[16] = "";
        if (f->is_measured) {
            snprintf(gain, sizeof gain, "%+.1f", f->gain_repair_db);
        }
        if (f->is_measured && (f->tensor >= 0 || f->layer >= 0)) {
            snprintf(alone, sizeof alone, "%.1f", f->alone_sqnr_db);
            snprintf(floats, sizeof floats, "%+.1f", f->gain_float_db);
        }
        printf("  %-32.32s %-26s %9s %-12s %9s %10s %10s %9s%s\n", cli_plain(f->subject), pith_cause_name(f->cause),
               alone, pith_repair_name(f->repair), gain, f->is_timed ? signed_ms(f->cost_repair_ms, ms) : "",
               f->is_timed ? signed_bytes(f->cost_repair_bytes, bytes) : "", floats,
               f->is_repaired ? "  repaired" : "");
    }
}

static void print_tensor(const pith_diagnosed_tensor *t)
{
    char saturated[16] = "-", used[16] = "-", own[16] = "float", waste[16] = "-";
    if (t->is_quantised) {
        snprintf(saturated, sizeof saturated, "%.2f %%", 100.0 * (t->saturated_low + t->saturated_high));
        snprintf(used, sizeof used, "%.0f %%", 100.0 * t->codes_used);
        snprintf(own, sizeof own, "%.1f", t->own.sqnr_db);
        snprintf(waste, sizeof waste, "%.2f", t->range_waste);
    }
    printf("  %-32.32s %-12.12s %8s %9.1f %10.1f %8.4f %10.3g %10s %7s %9s  %5.1f (%d)\n", cli_plain(t->name), t->op,
           own, t->isolated.sqnr_db, t->cumulative.sqnr_db, t->cumulative.cosine, t->cumulative.max_error, saturated,
           used, waste, t->worst_channel_sqnr_db, t->worst_channel);
}

/* The worst by the error that arises there, or all in order. */
static double arising(const pith_diagnosed_tensor *t)
{
    double own = t->is_quantised ? t->own.sqnr_db : 120.0;
    return own < t->isolated.sqnr_db ? own : t->isolated.sqnr_db;
}

static void print_tensors(const cli_diagnosis *d)
{
    const pith_diagnose_report *report = d->report;
    double above = -1e9;
    if (report->n_tensors == 0) {
        return;
    }
    printf("\n  %-32s %-12s %8s %9s %10s %8s %10s %10s %7s %9s  %s\n", d->all ? "tensors" : "worst tensors", "made by",
           "own dB", "isolated", "cumulative", "cosine", "max error", "clipped", "codes", "range/seen",
           "worst channel");
    for (int row = 0; row < (d->all ? report->n_tensors : N_TENSORS); row++) {
        const pith_diagnosed_tensor *next = d->all ? &report->tensors[row] : NULL;
        for (int i = 0; !d->all && i < report->n_tensors; i++) {
            const pith_diagnosed_tensor *t = &report->tensors[i];
            bool is_next = arising(t) > above && (!next || arising(t) < arising(next));
            next = is_next ? t : next;
        }
        if (!next) {
            return;
        }
        above = arising(next);
        print_tensor(next);
    }
}

static void print_layers(const cli_diagnosis *d)
{
    const pith_diagnose_report *report = d->report;
    if (!d->all || report->n_layers == 0) {
        return;
    }
    printf("\n  %-32s %-12s %5s %11s %9s %9s %9s %12s %8s\n", "weights", "of", "bits", "scales", "SQNR dB", "possible",
           "result", "outlier", "codes");
    for (int i = 0; i < report->n_layers; i++) {
        const pith_diagnosed_layer *l = &report->layers[i];
        printf("  %-32.32s %-12.12s %5d %11s %9.1f %9.1f %9.1f %7.1f (%d) %6.0f %%\n", cli_plain(l->name), l->op,
               l->bits,
               l->bits == 32       ? "-"
               : l->is_per_channel ? "per channel"
                                   : "one",
               l->sqnr_db, l->best_sqnr_db, l->result.sqnr_db, l->outlier_ratio, l->outlier_channel,
               100.0 * l->codes_used);
    }
}

static void print_names(const char *title, const cli_diagnosis *d, const pith_unmatched *list, int n_list, int side)
{
    int n = 0;
    for (int i = 0; i < n_list; i++) {
        const pith_unmatched *u = &list[i];
        if (u->is_float_side == side && (d->all || n < N_NAMES)) {
            printf("%s%s (%s)", n == 0 ? title : ", ", cli_plain(u->name), cli_plain(u->op));
        }
        n += u->is_float_side == side;
    }
    printf("%s%s", n > N_NAMES && !d->all ? ", ..." : "", n > 0 ? "\n" : "");
}

static void print_float_nodes(const cli_diagnosis *d)
{
    const pith_diagnose_report *report = d->report;
    for (int i = 0; i < report->n_float_nodes && (d->all || i < N_NAMES); i++) {
        printf("%s%s", i == 0 ? "  float      " : ", ", cli_plain(report->float_nodes[i]));
    }
    printf("%s", report->n_float_nodes > N_NAMES && !d->all ? ", ...\n" : report->n_float_nodes > 0 ? "\n" : "");
}

static void print_outputs(const char *title, const pith_tensor_error *error, double agreement)
{
    printf("  %-10s SQNR %.1f dB, cosine %.5f, largest error %.3g", title, error->sqnr_db, error->cosine,
           error->max_error);
    if (agreement >= 0.0) {
        printf(", %.1f %% decide alike", 100.0 * agreement);
    }
    printf("\n");
}

void cli_diagnose_print(const cli_diagnosis *d)
{
    const pith_diagnose_report *report = d->report;
    char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];
    int n_named = 0;
    for (int i = 0; i < report->n_tensors; i++) {
        n_named += report->tensors[i].is_matched_by_name;
    }
    printf("%s", cli_colour_on(CLI_STRONG));
    print_wrapped(report->verdict, 0);
    printf("%s", cli_colour_off());
    if (d->command) {
        printf("Repair it with\n  %s\n", d->command);
    }
    printf("\n%s against %s, %d samples\n", d->quantised, d->model, report->n_samples);
    if (report->n_outputs > 0) {
        print_outputs("outputs", &report->outputs, report->agreement);
    }
    if (d->repaired) {
        print_outputs("repaired", &report->repaired, report->repaired_agreement);
        printf("  %-10s %s\n", "written", d->repaired);
    }
    printf("  %-10s float %s, quantised %s", "time", cli_human_ms(report->float_ms, a),
           cli_human_ms(report->quantised_ms, b));
    printf(d->repaired ? ", repaired %s\n" : "\n", cli_human_ms(report->repaired_ms, a));
    printf("  %-10s float %s, quantised %s", "constants", cli_human_bytes((double)report->float_bytes, a),
           cli_human_bytes((double)report->quantised_bytes, b));
    printf(d->repaired ? ", repaired %s\n" : "\n", cli_human_bytes((double)report->repaired_bytes, a));
    printf("  %-10s %d tensors (%d by name, %d by structure), %d layers with weights\n", "matched", report->n_tensors,
           n_named, report->n_tensors - n_named, report->n_layers);
    print_names("  unmatched  in the float network: ", d, report->unmatched, report->n_unmatched, 1);
    print_names("  unmatched  in the quantised network: ", d, report->unmatched, report->n_unmatched, 0);
    print_names("  outputs    only of the float network: ", d, report->lone_outputs, report->n_lone_outputs, 1);
    print_names("  outputs    only of the quantised network: ", d, report->lone_outputs, report->n_lone_outputs, 0);
    print_float_nodes(d);
    print_findings(d);
    print_tensors(d);
    print_layers(d);
}
