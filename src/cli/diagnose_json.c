/* SPDX-License-Identifier: Apache-2.0 */
/* pith diagnose: the report for programs, and the data of the HTML page. */
#include "diagnose.h"

static void write_error(cli_json *json, const char *key, const pith_tensor_error *error)
{
    cli_json_object(json, key);
    cli_json_number(json, "sqnr_db", error->sqnr_db);
    cli_json_number(json, "cosine", error->cosine);
    cli_json_number(json, "max_error", error->max_error);
    cli_json_number(json, "mean_shift", error->mean_shift);
    cli_json_end(json);
}

static void write_plot(cli_json *json, const char *key, const pith_plot *plot)
{
    if (plot) {
        cli_json_object(json, key);
        cli_json_number(json, "low", plot->low);
        cli_json_number(json, "high", plot->high);
        cli_json_numbers(json, "bins", plot->bins, PITH_PLOT_BINS);
        cli_json_end(json);
    }
}

static void write_tensor(cli_json *json, const pith_diagnosed_tensor *t)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "name", t->name);
    cli_json_text(json, "twin", t->twin_name);
    cli_json_text(json, "op", t->op);
    cli_json_text(json, "matched_by", t->is_matched_by_name ? "name" : "structure");
    cli_json_bool(json, "quantised", t->is_quantised != 0);
    cli_json_bool(json, "rescaled", t->is_rescaled != 0);
    cli_json_number(json, "low", t->low);
    cli_json_number(json, "high", t->high);
    if (t->is_quantised) {
        cli_json_whole(json, "bits", t->bits);
        cli_json_number(json, "scale", t->scale);
        cli_json_whole(json, "zero_point", t->zero_point);
        cli_json_number(json, "range_low", t->range_low);
        cli_json_number(json, "range_high", t->range_high);
        cli_json_number(json, "saturated_low", t->saturated_low);
        cli_json_number(json, "saturated_high", t->saturated_high);
        cli_json_number(json, "codes_used", t->codes_used);
        cli_json_number(json, "range_waste", t->range_waste);
        cli_json_number(json, "best_own_sqnr_db", t->best_own_sqnr_db);
        write_error(json, "own", &t->own);
    }
    write_error(json, "isolated", &t->isolated);
    write_error(json, "cumulative", &t->cumulative);
    cli_json_whole(json, "channels", t->n_channels);
    cli_json_whole(json, "worst_channel", t->worst_channel);
    cli_json_number(json, "worst_channel_sqnr_db", t->worst_channel_sqnr_db);
    cli_json_whole(json, "outlier_channel", t->outlier_channel);
    cli_json_number(json, "outlier_ratio", t->outlier_ratio);
    write_plot(json, "plot", t->plot);
    write_plot(json, "twin_plot", t->twin_plot);
    cli_json_end(json);
}

static void write_layer(cli_json *json, const pith_diagnosed_layer *l)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "name", l->name);
    cli_json_text(json, "op", l->op);
    cli_json_whole(json, "tensor", l->tensor);
    cli_json_whole(json, "bits", l->bits);
    cli_json_bool(json, "per_channel", l->is_per_channel != 0);
    cli_json_whole(json, "weights", l->n_weights);
    cli_json_whole(json, "channels", l->n_channels);
    cli_json_number(json, "sqnr_db", l->sqnr_db);
    cli_json_number(json, "best_sqnr_db", l->best_sqnr_db);
    cli_json_whole(json, "worst_channel", l->worst_channel);
    cli_json_number(json, "worst_channel_sqnr_db", l->worst_channel_sqnr_db);
    cli_json_whole(json, "outlier_channel", l->outlier_channel);
    cli_json_number(json, "outlier_ratio", l->outlier_ratio);
    cli_json_number(json, "sign_agreement", l->sign_agreement);
    cli_json_number(json, "scale_factor", l->scale_factor);
    cli_json_number(json, "codes_used", l->codes_used);
    write_error(json, "result", &l->result);
    write_plot(json, "plot", l->plot);
    write_plot(json, "twin_plot", l->twin_plot);
    cli_json_end(json);
}

static void write_finding(cli_json *json, const pith_finding *f)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "subject", f->subject);
    cli_json_text(json, "cause", pith_cause_name(f->cause));
    cli_json_text(json, "repair", pith_repair_name(f->repair));
    cli_json_text(json, "evidence", f->evidence);
    cli_json_text(json, "advice", f->advice);
    cli_json_whole(json, "tensor", f->tensor);
    cli_json_whole(json, "layer", f->layer);
    cli_json_bool(json, "measured", f->is_measured != 0);
    if (f->is_measured) {
        cli_json_number(json, "alone_sqnr_db", f->alone_sqnr_db);
        cli_json_number(json, "gain_float_db", f->gain_float_db);
        cli_json_number(json, "gain_repair_db", f->gain_repair_db);
    }
    if (f->is_timed) {
        cli_json_number(json, "cost_float_ms", f->cost_float_ms);
        cli_json_number(json, "cost_repair_ms", f->cost_repair_ms);
        cli_json_number(json, "cost_float_bytes", f->cost_float_bytes);
        cli_json_number(json, "cost_repair_bytes", f->cost_repair_bytes);
    }
    cli_json_bool(json, "repaired", f->is_repaired != 0);
    cli_json_bool(json, "fault", f->is_fault != 0);
    cli_json_end(json);
}

static void write_unmatched(cli_json *json, const char *key, const pith_unmatched *rows, int n)
{
    cli_json_list(json, key);
    for (int i = 0; i < n; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "name", rows[i].name);
        cli_json_text(json, "op", rows[i].op);
        cli_json_text(json, "in", rows[i].is_float_side ? "float" : "quantised");
        cli_json_end(json);
    }
    cli_json_end(json);
}

static void write_lists(cli_json *json, const pith_diagnose_report *report)
{
    cli_json_list(json, "findings");
    for (int i = 0; i < report->n_findings; i++) {
        write_finding(json, &report->findings[i]);
    }
    cli_json_end(json);
    cli_json_list(json, "tensors");
    for (int i = 0; i < report->n_tensors; i++) {
        write_tensor(json, &report->tensors[i]);
    }
    cli_json_end(json);
    cli_json_list(json, "layers");
    for (int i = 0; i < report->n_layers; i++) {
        write_layer(json, &report->layers[i]);
    }
    cli_json_end(json);
    write_unmatched(json, "unmatched", report->unmatched, report->n_unmatched);
    write_unmatched(json, "unmatched_outputs", report->lone_outputs, report->n_lone_outputs);
    cli_json_list(json, "float_nodes");
    for (int i = 0; i < report->n_float_nodes; i++) {
        cli_json_text(json, NULL, report->float_nodes[i]);
    }
    cli_json_end(json);
}

void cli_diagnose_write_json(const cli_diagnosis *d, FILE *file)
{
    const pith_diagnose_report *report = d->report;
    cli_json json = { .file = file };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "version", pith_version());
    cli_json_text(&json, "float", d->model);
    cli_json_text(&json, "quantised", d->quantised);
    cli_json_text(&json, "data", d->data);
    cli_json_whole(&json, "samples", report->n_samples);
    cli_json_text(&json, "verdict", report->verdict);
    cli_json_text(&json, "command", d->command);
    cli_json_bool(&json, "outputs_only", report->is_outputs_only != 0);
    cli_json_whole(&json, "outputs_compared", report->n_outputs);
    write_error(&json, "outputs", &report->outputs);
    cli_json_number(&json, "agreement", report->agreement);
    cli_json_number(&json, "float_ms", report->float_ms);
    cli_json_number(&json, "ms", report->quantised_ms);
    cli_json_whole(&json, "float_bytes", (int64_t)report->float_bytes);
    cli_json_whole(&json, "bytes", (int64_t)report->quantised_bytes);
    if (d->repaired) {
        cli_json_object(&json, "repaired");
        cli_json_text(&json, "output", d->repaired);
        write_error(&json, "outputs", &report->repaired);
        cli_json_number(&json, "agreement", report->repaired_agreement);
        cli_json_number(&json, "ms", report->repaired_ms);
        cli_json_whole(&json, "bytes", (int64_t)report->repaired_bytes);
        cli_json_end(&json);
    }
    write_lists(&json, report);
    cli_json_end(&json);
}
