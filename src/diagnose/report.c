/* SPDX-License-Identifier: Apache-2.0 */
/* The report: everything that was measured, and findings in words. */
#include <math.h>

#include "diagnose/report.h"

#define N_PLOTTED     8
#define GOOD_DB       20.0 /* rule of thumb: no visible loss above, visible loss below POOR_DB */
#define POOR_DB       10.0
#define FINE_DB       30.0 /* above, nothing is worth a repair */
#define WORTHWHILE_DB 3.0

typedef pithi_diag_report owned_report;
void pith_diagnose_report_destroy(pith_diagnose_report *report)
{
    if (report) {
        owned_report *owned = (owned_report *)(void *)report;
        pith_ctx *ctx = owned->arena.ctx;
        pithi_free(ctx, owned->file.data);
        pithi_arena_deinit(&owned->arena);
        pithi_free(ctx, owned);
    }
}

pith_status pithi_diag_copy_text(owned_report *owned, const char *text, const char **copy)
{
    return pithi_arena_text(&owned->arena, text ? text : "", text ? strlen(text) : 0, copy);
}

/* ---- plots --------------------------------------------------------------------------------- */

static pith_status plot_histogram(owned_report *owned, const pithi_histogram *histogram, const pith_plot **out)
{
    void *block = NULL;
    const int per_bin = PITHI_QUANT_BINS / PITH_PLOT_BINS;
    PITH_TRY(pithi_arena_alloc(&owned->arena, sizeof(pith_plot), &block));
    pith_plot *plot = block;
    plot->low = histogram->low;
    plot->high = histogram->high;
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        plot->bins[i / per_bin] +=
            (double)histogram->bins[i] / (double)pithi_max_s64((int64_t)histogram->n_elements, 1);
    }
    *out = plot;
    return PITH_OK;
}

/* The codes of the running twin, as real numbers. */
static pith_status plot_codes(owned_report *owned, const pithi_diag_tensor *tensor, const pith_plot **out)
{
    void *block = NULL;
    const pithi_diag_rounding *r = &tensor->rounding;
    int n_codes = r->high - r->low + 1 < PITHI_N_CODES ? r->high - r->low + 1 : PITHI_N_CODES;
    double total = 0.0;
    PITH_TRY(pithi_arena_alloc(&owned->arena, sizeof(pith_plot), &block));
    pith_plot *plot = block;
    plot->low = (double)r->read_scale * (r->low - r->read_zero);
    plot->high = (double)r->read_scale * (r->high - r->read_zero);
    for (int i = 0; i < n_codes; i++) {
        total += (double)tensor->codes[i];
    }
    for (int i = 0; i < n_codes && total > 0.0; i++) {
        plot->bins[i * PITH_PLOT_BINS / n_codes] += (double)tensor->codes[i] / total;
    }
    *out = plot;
    return PITH_OK;
}

static pith_status plot_weights(owned_report *owned, const float *w, int64_t n, double reach, const pith_plot **out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(&owned->arena, sizeof(pith_plot), &block));
    pith_plot *plot = block;
    plot->low = -reach;
    plot->high = reach;
    for (int64_t i = 0; i < n && reach > 0.0; i++) {
        int bin = (int)(((double)w[i] + reach) / (2.0 * reach) * PITH_PLOT_BINS);
        plot->bins[bin < 0 ? 0 : bin < PITH_PLOT_BINS ? bin : PITH_PLOT_BINS - 1] += 1.0 / (double)n;
    }
    *out = plot;
    return PITH_OK;
}

/* ---- tensors and layers -------------------------------------------------------------------- */

static const char *op_of(const pith_value *value) { return value->producer ? value->producer->source_op : "input"; }

static void report_channels(const pithi_diag_tensor *tensor, pith_diagnosed_tensor *row)
{
    double least = INFINITY;
    row->worst_channel = -1;
    for (int64_t c = 0; c < tensor->n_channels; c++) {
        double db = pithi_quant_decibel(tensor->signals[c], tensor->noises[c]);
        if (tensor->signals[c] > 0.0 && db < least) {
            least = db;
            row->worst_channel = (int)c;
        }
    }
    row->worst_channel_sqnr_db = row->worst_channel >= 0 ? least : 0.0;
}

static double fraction_of_codes(const pithi_diag_tensor *tensor)
{
    int n = tensor->rounding.high - tensor->rounding.low + 1, n_used = 0;
    for (int i = 0; i < PITHI_N_CODES; i++) {
        n_used += tensor->codes[i] > 0;
    }
    return (double)n_used / (n < PITHI_N_CODES ? n : PITHI_N_CODES);
}

static pith_status report_rounding(const pithi_diag_tensor *tensor, pith_diagnosed_tensor *row)
{
    const pithi_diag_rounding *r = &tensor->rounding;
    pithi_range held = pithi_diag_held(r);
    double n = (double)pithi_max_s64(tensor->own.n, 1), seen = row->high - row->low;
    row->is_quantised = 1;
    row->scale = (double)r->scale;
    row->zero_point = r->zero;
    row->bits = r->high - r->low == 65535 ? 16 : r->high - r->low == 255 ? 8 : r->high - r->low == 15 ? 4 : 2;
    row->range_low = held.low;
    row->range_high = held.high;
    row->saturated_low = tensor->n_low / n;
    row->saturated_high = tensor->n_high / n;
    row->codes_used = fraction_of_codes(tensor);
    row->range_waste = seen > 0.0 ? (held.high - held.low) / seen : 0.0;
    pithi_diag_best_range(tensor, &row->best_own_sqnr_db);
    return PITH_OK;
}

/* The float network's, or the quantised one's where a pass has made the float value. */
static const char *name_of(const pithi_diagnosis *job, const pithi_diag_tensor *tensor)
{
    const char *name = job->graph->values[tensor->value]->name;
    return strncmp(name, "pith:", 5) != 0 ? name : job->twin->values[tensor->twin]->name;
}

static pith_status report_tensor(const pithi_diagnosis *job, owned_report *owned, const pithi_diag_tensor *tensor,
                                 pith_diagnosed_tensor *row)
{
    const pith_value *value = job->graph->values[tensor->value];
    PITH_TRY(pithi_diag_copy_text(owned, name_of(job, tensor), &row->name));
    PITH_TRY(pithi_diag_copy_text(owned, job->twin->values[tensor->twin]->name, &row->twin_name));
    PITH_TRY(pithi_diag_copy_text(owned, op_of(value), &row->op));
    row->is_matched_by_name = tensor->by_name;
    row->n_channels = (int)tensor->n_channels;
    row->is_rescaled = tensor->factors != NULL || tensor->shifts != NULL;
    row->low = tensor->histogram.low;
    row->high = tensor->histogram.high;
    row->own = pithi_diag_error(&tensor->own);
    row->isolated = pithi_diag_error(&tensor->isolated);
    row->cumulative = pithi_diag_error(&tensor->cumulative);
    report_channels(tensor, row);
    PITH_TRY(pithi_diag_tensor_outlier(job, tensor, &row->outlier_ratio, &row->outlier_channel));
    return tensor->q >= 0 ? report_rounding(tensor, row) : PITH_OK;
}

static pith_status report_tensors(const pithi_diagnosis *job, owned_report *owned)
{
    void *block = NULL, *rows = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)job->n_tensors + 1, sizeof(pith_diagnosed_tensor), &block));
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)job->n_tensors + 1, sizeof(int), &rows));
    owned->tensors = block;
    owned->row_of = rows;
    for (int i = 0; i < job->n_tensors; i++) {
        owned->row_of[i] = -1;
        if (job->tensors[i].is_seen) {
            owned->row_of[i] = owned->report.n_tensors;
            PITH_TRY(report_tensor(job, owned, &job->tensors[i], &owned->tensors[owned->report.n_tensors++]));
        }
    }
    owned->report.tensors = owned->tensors;
    return PITH_OK;
}

const char *pithi_diag_layer_name(const pithi_diagnosis *job, const pithi_diag_layer *layer)
{
    const pith_value *value = job->graph->values[layer->node];
    return value->producer->name[0] ? value->producer->name : value->name;
}

static pith_status report_layer(const pithi_diagnosis *job, owned_report *owned, const pithi_diag_layer *layer,
                                pith_diagnosed_layer *row)
{
    double least = INFINITY;
    PITH_TRY(pithi_diag_copy_text(owned, pithi_diag_layer_name(job, layer), &row->name));
    PITH_TRY(pithi_diag_copy_text(owned, job->graph->values[layer->node]->producer->source_op, &row->op));
    row->tensor = layer->out >= 0 ? owned->row_of[layer->out] : -1;
    row->bits = layer->bits;
    row->is_per_channel = layer->is_per_channel;
    row->n_channels = (int)layer->weights.n_out;
    row->n_weights = pith_shape_elements(&layer->weights.tensor->shape);
    row->sqnr_db = pithi_diag_decibel(&layer->sums);
    row->best_sqnr_db = pithi_quant_decibel(layer->sums.signal, layer->best_noise);
    row->worst_channel = -1;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        double db = pithi_quant_decibel(layer->signals[c], layer->noises[c]);
        if (layer->signals[c] > 0.0 && db < least) {
            least = db;
            row->worst_channel = (int)c;
        }
    }
    row->worst_channel_sqnr_db = row->worst_channel >= 0 ? least : 0.0;
    row->sign_agreement = layer->agreement;
    row->scale_factor = layer->factor;
    row->codes_used = layer->codes_used;
    row->result = pithi_diag_error(&layer->from_weights);
    return pithi_diag_outlier(job->ctx, layer->peaks, layer->weights.n_out, &row->outlier_ratio, &row->outlier_channel);
}

static pith_status report_layers(const pithi_diagnosis *job, owned_report *owned)
{
    void *block = NULL, *rows = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)job->n_layers + 1, sizeof(pith_diagnosed_layer), &block));
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)job->n_layers + 1, sizeof(int), &rows));
    owned->layers = block;
    owned->layer_row_of = rows;
    for (int i = 0; i < job->n_layers; i++) {
        owned->layer_row_of[i] = -1;
        if (job->layers[i].has_weights) {
            owned->layer_row_of[i] = owned->report.n_layers;
            PITH_TRY(report_layer(job, owned, &job->layers[i], &owned->layers[owned->report.n_layers++]));
        }
    }
    owned->report.layers = owned->layers;
    return PITH_OK;
}

/* ---- findings ------------------------------------------------------------------------------ */

static const char *cause_text(pith_cause cause)
{
    static const char *const texts[PITH_CAUSE_COUNT] = {
        "nothing",
        "its range is too small",
        "its range is too wide",
        "its zero point is wrong",
        "it is read with another scale or zero point than it was made with",
        "one of its channels is much larger than the others",
        "it has few large values, too far out for one scale of 8 bits",
        "one channel of its weights is much larger than the others, and all share one scale",
        "the scale of its weights is wrong",
        "its weights are rounded to too few levels",
        "its weights are not those of the float network",
        "its bias is lost",
        "its bias overflows",
        "its bias is not that of the float network",
        "rounding of its weights shifts the mean of its result",
        "ranges do not fit this data",
        "small errors here grow until the outputs",
        "small errors add up",
        "it computes in float",
        "its weights are not those of the float network",
        "several things are wrong, and only go together"
    };
    return texts[cause];
}

static const char *repair_text(pith_repair repair)
{
    static const char *const texts[PITH_REPAIR_COUNT] = {
        "nothing",
        "a new range from this data",
        "new ranges for all tensors from this data (recalibrating)",
        "its weights anew from the float network, one scale for each output channel",
        "its bias anew from the float network",
        "taking the shift out of its bias (bias correction)",
        "balancing its channels with the next layer (equalisation)",
        "16 bits for it",
        "leaving it float",
        "weights, biases and ranges of everything that is quantised, anew"
    };
    return texts[repair];
}

static void tensor_evidence(const pithi_diagnosis *job, const owned_report *owned, const pithi_suspect *s,
                            pithi_text *text)
{
    const pith_diagnosed_tensor *t = &owned->tensors[owned->row_of[s->tensor]];
    const pithi_diag_rounding *r = &job->tensors[s->tensor].rounding;
    switch (s->cause) {
    case PITH_CAUSE_PARAMETERS_DIFFER:
        pithi_text_add(text,
                       "made with scale %.4g and zero point %d, read with %.4g and %d: every value is off by %.4g; ",
                       (double)r->scale, r->zero, (double)r->read_scale, r->read_zero, t->own.mean_shift);
        break;
    case PITH_CAUSE_ACTIVATION_OUTLIER:
        pithi_text_add(text, "channel %d is %.0f times as wide as the median channel; ", t->outlier_channel,
                       t->outlier_ratio);
        break;
    default:
        pithi_text_add(text, "it can hold [%.4g, %.4g], float values lie in [%.4g, %.4g]: ", t->range_low,
                       t->range_high, t->low, t->high);
        if (t->saturated_low + t->saturated_high > 1e-4) {
            pithi_text_add(text, "%.2f %% are clipped, ", 100.0 * (t->saturated_low + t->saturated_high));
        }
        pithi_text_add(text, "%.0f %% of the codes are used; ", 100.0 * t->codes_used);
        break;
    }
    pithi_text_add(text, "SQNR of this tensor alone %.1f dB", t->own.sqnr_db);
    if (s->local_gain_db > 1.0) {
        pithi_text_add(text, ", %.1f dB with the best range", t->best_own_sqnr_db);
    }
}

static void layer_evidence(const owned_report *owned, const pithi_suspect *s, pithi_text *text)
{
    const pith_diagnosed_layer *l = &owned->layers[owned->layer_row_of[s->layer]];
    switch (s->cause) {
    case PITH_CAUSE_WEIGHTS_DIFFER:
        pithi_text_add(text, "only %.0f %% of the weights have the sign of the float network's; ",
                       100.0 * l->sign_agreement);
        break;
    case PITH_CAUSE_WEIGHT_SCALE:
        pithi_text_add(text, "weights are %.3g times the float network's, worst in channel %d; ", l->scale_factor,
                       l->worst_channel);
        break;
    case PITH_CAUSE_WEIGHT_OUTLIER:
        pithi_text_add(text, "output channel %d has weights %.0f times as large as the median channel; ",
                       l->outlier_channel, l->outlier_ratio);
        break;
    case PITH_CAUSE_BIAS_LOST:
    case PITH_CAUSE_BIAS_OVERFLOW:
    case PITH_CAUSE_BIAS_DIFFERS:
    case PITH_CAUSE_ROUNDING_BIAS:
        pithi_text_add(text, "the mean of its result is off by %.4g (largest error %.4g); ", l->result.mean_shift,
                       l->result.max_error);
        break;
    default: break;
    }
    pithi_text_add(text, "SQNR of the weights %.1f dB (%.1f dB are possible with %d bits), of its result %.1f dB",
                   l->sqnr_db, l->best_sqnr_db, l->bits, l->result.sqnr_db);
}

static void advise(const pithi_suspect *s, pithi_text *text)
{
    if (s->repair == PITH_REPAIR_NONE) {
        pithi_text_add(text, "nothing");
        return;
    }
    pithi_text_add(text, "%s", repair_text(s->repair));
    if (s->is_measured) {
        pithi_text_add(text, ": %+.1f dB at the outputs", s->gain_repair_db);
    }
}

static pith_status finish_text(owned_report *owned, pithi_text *text, const char **out)
{
    pith_status status = pithi_diag_copy_text(owned, text->data, out);
    pithi_text_deinit(text);
    return status;
}

static const char *subject_of(const pithi_diagnosis *job, const pithi_suspect *s)
{
    return s->tensor >= 0  ? name_of(job, &job->tensors[s->tensor])
           : s->layer >= 0 ? pithi_diag_layer_name(job, &job->layers[s->layer])
                           : "the network";
}

static pith_status report_finding(const pithi_diagnosis *job, owned_report *owned, const pithi_suspect *s,
                                  pith_finding *row)
{
    pithi_text evidence = { .ctx = job->ctx }, advice = { .ctx = job->ctx };
    *row = (pith_finding){
        .cause = s->cause,
        .repair = s->repair,
        .tensor = s->tensor >= 0 ? owned->row_of[s->tensor] : -1,
        .layer = s->layer >= 0 ? owned->layer_row_of[s->layer] : -1,
        .alone_sqnr_db = s->alone_db,
        .gain_float_db = s->gain_float_db,
        .gain_repair_db = s->gain_repair_db,
        .cost_float_ms = s->cost_float_ms,
        .cost_repair_ms = s->cost_repair_ms,
        .cost_float_bytes = s->cost_float_bytes,
        .cost_repair_bytes = s->cost_repair_bytes,
        .is_measured = s->is_measured,
        .is_timed = s->is_timed,
        .is_repaired = s->is_repaired,
        .is_fault = s->is_fault,
    };
    PITH_TRY(pithi_diag_copy_text(owned, subject_of(job, s), &row->subject));
    if (s->tensor >= 0) {
        tensor_evidence(job, owned, s, &evidence);
    } else if (s->layer >= 0) {
        layer_evidence(owned, s, &evidence);
    } else {
        pithi_text_add(&evidence, "%s", s->note);
    }
    advise(s, &advice);
    PITH_TRY(finish_text(owned, &evidence, &row->evidence));
    return finish_text(owned, &advice, &row->advice);
}

static pith_status plot_finding(const pithi_diagnosis *job, owned_report *owned, const pithi_suspect *s)
{
    int layer = s->layer;
    if (s->tensor >= 0) {
        pith_diagnosed_tensor *row = &owned->tensors[owned->row_of[s->tensor]];
        PITH_TRY(plot_histogram(owned, &job->tensors[s->tensor].histogram, &row->plot));
        return plot_codes(owned, &job->tensors[s->tensor], &row->twin_plot);
    }
    if (layer >= 0) {
        const pithi_diag_layer *from = &job->layers[layer];
        pith_diagnosed_layer *row = &owned->layers[owned->layer_row_of[layer]];
        double reach = 0.0;
        for (int64_t i = 0; i < row->n_weights; i++) {
            reach = fmax(reach, fmax(fabs((double)from->target[i]), fabs((double)from->now[i])));
        }
        PITH_TRY(plot_weights(owned, from->target, row->n_weights, reach, &row->plot));
        return plot_weights(owned, from->now, row->n_weights, reach, &row->twin_plot);
    }
    return PITH_OK;
}

/* ---- the verdict --------------------------------------------------------------------------- */

static void describe_outputs(const pith_diagnose_report *report, pithi_text *text)
{
    double db = report->outputs.sqnr_db;
    if (report->n_outputs == 0) {
        pithi_text_add(text, "No output of the quantised network has as many elements as one of the float network that "
                             "it belongs to, so none was compared. ");
        return;
    }
    pithi_text_add(text, "The outputs %s (SQNR %.1f dB",
                   db > GOOD_DB   ? "are close to the float network's"
                   : db > POOR_DB ? "lose visibly against the float network's"
                                  : "have little to do with the float network's",
                   db);
    if (report->agreement >= 0.0) {
        pithi_text_add(text, "; %.0f %% of the samples decide alike", 100.0 * report->agreement);
    }
    pithi_text_add(text, "). ");
    if (report->n_lone_outputs > 0) {
        pithi_text_add(text, "Outputs that only one of the networks has, and that were not compared: %d. ",
                       report->n_lone_outputs);
    }
}

static void describe_blame(const pith_finding *first, const pith_finding *named, pithi_text *text)
{
    bool is_worth_it = named->gain_repair_db > 1.0;
    if (first != named) {
        pithi_text_add(text, "%s%s: %s. ",
                       first->cause == PITH_CAUSE_CALIBRATION_DATA ? "It was calibrated on other data: "
                       : first->cause == PITH_CAUSE_ACCUMULATED    ? "No tensor stands out: "
                                                                   : "",
                       cause_text(first->cause), first->evidence);
        if (first->gain_repair_db > 1.0) {
            pithi_text_add(text, "Repair: %s. ", first->advice);
            return;
        }
    }
    pithi_text_add(text, "%s '%s'%s: %s (%s). ", first == named ? "To blame is" : "Most comes from", named->subject,
                   named->layer >= 0 ? ", its weights" : "", cause_text(named->cause), named->evidence);
    if (is_worth_it) {
        pithi_text_add(text, "What helps: %s.", named->advice);
    }
}

pith_status pithi_diag_verdict(const pithi_diagnosis *job, owned_report *owned)
{
    pith_diagnose_report *report = &owned->report;
    const pith_finding *first = report->n_findings > 0 ? &owned->findings[0] : NULL, *named = NULL;
    pithi_text text = { .ctx = job->ctx };
    for (int i = 0; i < report->n_findings && !named; i++) {
        const pith_finding *finding = &owned->findings[i];
        named = finding->tensor >= 0 || finding->layer >= 0 ? finding : NULL;
    }
    describe_outputs(report, &text);
    bool is_fine = report->n_outputs == 0 || report->outputs.sqnr_db > FINE_DB ||
                   (report->outputs.sqnr_db > GOOD_DB && (!first || first->gain_repair_db < WORTHWHILE_DB));
    const bool has_fault = is_fine && named && named->is_fault;
    report->needs_repair = !is_fine || has_fault;
    if (report->is_outputs_only) {
        pithi_text_add(&text, "No layer of the float network was found in the quantised one, neither by name nor by "
                              "structure: where errors arise can't be told, and nothing can be repaired.");
    } else if (first && first->cause == PITH_CAUSE_OTHER_NETWORK) {
        pithi_text_add(&text, "The quantised network was not made from this float network: %s. Quantise it again.",
                       first->evidence);
    } else if (has_fault) {
        pithi_text_add(&text, "Yet '%s' is wrong, which other data may show: %s (%s). What helps: %s.",
                       named->subject, cause_text(named->cause), named->evidence, repair_text(named->repair));
    } else if (is_fine && report->n_outputs > 0) {
        pithi_text_add(&text, "Nothing needs repair.");
    } else if (first && named) {
        describe_blame(first, named, &text);
    }
    if (report->is_repaired) {
        int n_repaired = 0;
        for (int i = 0; i < report->n_findings; i++) {
            n_repaired += owned->findings[i].is_repaired;
        }
        pithi_text_add(&text, " %d repair%s: SQNR %.1f dB", n_repaired, n_repaired == 1 ? "" : "s",
                       report->repaired.sqnr_db);
        if (report->repaired_agreement >= 0.0) {
            pithi_text_add(&text, "; %.0f %% of the samples decide alike", 100.0 * report->repaired_agreement);
        }
        pithi_text_add(&text, ".");
    }
    return finish_text(owned, &text, &report->verdict);
}

pith_status pithi_diag_report_findings(const pithi_diagnosis *job, owned_report *owned, const pithi_suspect *suspects,
                                       int n)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)n + 1, sizeof(pith_finding), &block));
    owned->findings = block;
    for (int i = 0; i < n; i++) {
        PITH_TRY(report_finding(job, owned, &suspects[i], &owned->findings[i]));
        if (i < N_PLOTTED) {
            PITH_TRY(plot_finding(job, owned, &suspects[i]));
        }
    }
    owned->report.findings = owned->findings;
    owned->report.n_findings = n;
    return PITH_OK;
}

pith_status pithi_diag_report_tables(const pithi_diagnosis *job, owned_report *owned)
{
    PITH_TRY(report_tensors(job, owned));
    PITH_TRY(report_layers(job, owned));
    return pithi_diag_report_rest(job, owned);
}
