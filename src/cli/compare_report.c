/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons as a table and as JSON. */
#include <math.h>

#include "compare_report.h"
#include "json.h"

void cli_report_set_net(cli_report *report, const cli_net *net)
{
    snprintf(report->isa, sizeof report->isa, "%s", pith_ctx_isa(net->ctx));
    report->n_threads = pith_session_n_threads(net->session);
}

pith_status cli_report_add(cli_report *report, const char *case_name, const char *name, const cli_row *row)
{
    CLI_TRY(cli_grow((void **)&report->rows, &report->capacity, (size_t)report->n_rows + 1, sizeof *report->rows));
    cli_row copy = *row;
    CLI_TRY(cli_text_copy(name, strlen(name), &copy.name));
    pith_status status = cli_text_copy(case_name, strlen(case_name), &copy.case_name);
    if (status != PITH_OK) {
        cli_free(copy.name);
        return status;
    }
    report->rows[report->n_rows++] = copy;
    return PITH_OK;
}

void cli_report_free(cli_report *report)
{
    for (int i = 0; i < report->n_rows; i++) {
        cli_free(report->rows[i].name);
        cli_free(report->rows[i].case_name);
    }
    cli_free(report->rows);
    *report = (cli_report){ 0 };
}

/* Inner values that stored tensors name are wanted; those of two models only explain. */
static bool counts(const cli_report *report, const cli_row *row)
{
    bool are_models = !cli_is_folder(report->against) && !cli_ends_with(report->against, ".npz");
    return !row->is_inner || !are_models;
}

bool cli_report_is_within(const cli_report *report)
{
    for (int i = 0; i < report->n_rows; i++) {
        if (counts(report, &report->rows[i]) && !cli_is_within(&report->rows[i].metrics)) {
            return false;
        }
    }
    return true;
}

/* First inner value outside of its tolerance; NULL if there is none. */
static const cli_row *first_parting(const cli_report *report)
{
    for (int i = 0; i < report->n_rows; i++) {
        if (report->rows[i].is_inner && !cli_is_within(&report->rows[i].metrics)) {
            return &report->rows[i];
        }
    }
    return NULL;
}

static void print_row(const cli_row *row)
{
    const cli_metrics *metrics = &row->metrics;
    bool is_within = cli_is_within(metrics);
    char got[CLI_SHAPE_BYTES];
    char want[CLI_SHAPE_BYTES];
    char sqnr[32];
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", row->case_name, row->case_name[0] ? "/" : "", row->name);
    printf("%s%-4s%s", cli_colour_on(is_within ? CLI_GOOD : CLI_BAD), is_within ? "ok" : "OUT", cli_colour_off());
    printf(" %-28s", name);
    if (!metrics->is_same_kind) {
        printf(" is %s %s, expected %s %s\n", pith_dtype_name(row->got_dtype), cli_shape_text(&row->got, got),
               pith_dtype_name(row->want_dtype), cli_shape_text(&row->want, want));
        return;
    }
    snprintf(sqnr, sizeof sqnr, isinf(metrics->sqnr_db) ? "equal" : "%.1f dB", metrics->sqnr_db);
    printf(" %-16s max abs %-9.3g rel %-9.3g of max %-9.3g mean %-9.3g cosine %.9f  SQNR %s\n",
           cli_shape_text(&row->want, want), metrics->max_abs, metrics->max_rel, metrics->of_largest,
           metrics->mean_abs, metrics->cosine, sqnr);
    if (!is_within) {
        printf("     %zu of %zu elements outside of %.3g + %.3g * |want|; worst is element %zu: %.9g, expected %.9g\n",
               metrics->n_outside, metrics->n_elements, metrics->atol, metrics->rtol, metrics->worst,
               metrics->worst_got, metrics->worst_want);
    }
}

static void print_inner(const cli_report *report)
{
    int n_inner = 0;
    const cli_row *parting = first_parting(report);
    for (int i = 0; i < report->n_rows; i++) {
        const cli_row *row = &report->rows[i];
        n_inner += row->is_inner;
        if (row->is_inner && (report->shows_nodes || counts(report, row))) {
            print_row(row);
        }
    }
    if (parting) {
        printf("first inner value that differs, of %d compared: %s\n", n_inner, parting->name);
        if (!report->shows_nodes && !counts(report, parting)) {
            print_row(parting);
        }
    } else if (n_inner) {
        printf("%d inner values agree\n", n_inner);
    }
}

void cli_report_print(const cli_report *report)
{
    int n_counted = 0;
    int n_outside = 0;
    for (int i = 0; i < report->n_rows; i++) {
        const cli_row *row = &report->rows[i];
        if (!row->is_inner) {
            print_row(row);
        }
        n_counted += counts(report, row);
        n_outside += counts(report, row) && !cli_is_within(&row->metrics);
    }
    print_inner(report);
    printf("%s%s%s: %d of %d outputs within tolerance (%s, %d thread%s)\n",
           cli_colour_on(n_outside ? CLI_BAD : CLI_GOOD), n_outside ? "different" : "equal", cli_colour_off(),
           n_counted - n_outside, n_counted, report->isa, report->n_threads, report->n_threads == 1 ? "" : "s");
}

static void write_row(cli_json *json, const cli_row *row)
{
    const cli_metrics *metrics = &row->metrics;
    cli_json_object(json, NULL);
    cli_json_text(json, "name", row->name);
    cli_json_text(json, "case", row->case_name);
    cli_json_bool(json, "within_tolerance", cli_is_within(metrics));
    cli_json_text(json, "dtype", pith_dtype_name(row->got_dtype));
    cli_json_shape(json, "shape", &row->got);
    if (!metrics->is_same_kind) {
        cli_json_text(json, "expected_dtype", pith_dtype_name(row->want_dtype));
        cli_json_shape(json, "expected_shape", &row->want);
        cli_json_end(json);
        return;
    }
    cli_json_number(json, "rtol", metrics->rtol);
    cli_json_number(json, "atol", metrics->atol);
    cli_json_number(json, "max_abs_error", metrics->max_abs);
    cli_json_number(json, "max_rel_error", metrics->max_rel);
    cli_json_number(json, "error_of_largest", metrics->of_largest);
    cli_json_number(json, "largest_expected", metrics->largest);
    cli_json_number(json, "mean_abs_error", metrics->mean_abs);
    cli_json_number(json, "cosine", metrics->cosine);
    cli_json_number(json, "sqnr_db", metrics->sqnr_db); /* null: no error at all */
    cli_json_whole(json, "n_elements", (int64_t)metrics->n_elements);
    cli_json_whole(json, "n_outside", (int64_t)metrics->n_outside);
    cli_json_whole(json, "worst_element", (int64_t)metrics->worst);
    cli_json_end(json);
}

static void write_rows(cli_json *json, const char *key, const cli_report *report, bool are_inner)
{
    cli_json_list(json, key);
    for (int i = 0; i < report->n_rows; i++) {
        if (report->rows[i].is_inner == are_inner) {
            write_row(json, &report->rows[i]);
        }
    }
    cli_json_end(json);
}

void cli_report_write_json(const cli_report *report)
{
    const cli_row *parting = first_parting(report);
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", report->model);
    cli_json_text(&json, "against", report->against);
    cli_json_text(&json, "isa", report->isa);
    cli_json_whole(&json, "threads", report->n_threads);
    cli_json_bool(&json, "within_tolerance", cli_report_is_within(report));
    write_rows(&json, "outputs", report, false);
    write_rows(&json, "nodes", report, true);
    cli_json_text(&json, "first_different_node", parting ? parting->name : NULL);
    cli_json_end(&json);
}
