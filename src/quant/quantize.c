/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the work (do not permute): fold, select, equalise, calibrate with float weights, choose ranges by the
 * error of the whole network, correct biases, write. A step that is known to hurt some networks is kept only where the
 * measured error falls. */
#include <stdlib.h>

#include "export/export.h"
#include "quant/quant.h"

#define CLIP_FRACTION 1e-4
#define N_REFINED 24   /* tensors whose observer is chosen one by one */
#define N_QUICK 4      /* samples for that */
#define GAIN_DB 0.02   /* less is noise */

static void tell(const pithi_quant *quant, const char *stage, int done, int total)
{
    if (quant->options->progress) {
        quant->options->progress(quant->options->progress_user, stage, done, total);
    }
}

/* ---- the float network --------------------------------------------------------------------- */

pith_status pithi_quant_simplify(pith_graph *graph, const char *left_out)
{
    static const char *const kept[] = { "fold_constants", "remove_identity", "remove_dead", "merge_common", "fuse_pad",
                                        "fold_batch_norm" };
    pithi_text disabled = { .ctx = graph->ctx };
    for (int i = 0; i < pithi_pass_count(); i++) {
        bool is_kept = false;
        for (int k = 0; k < PITH_COUNT(kept) && !pithi_list_has(left_out, pithi_pass_at(i)->name); k++) {
            is_kept = is_kept || pithi_same_text(kept[k], pithi_pass_at(i)->name);
        }
        if (!is_kept) {
            pithi_text_add(&disabled, "%s%s", disabled.n_bytes ? "," : "", pithi_pass_at(i)->name);
        }
    }
    pith_status status = pithi_passes_run(graph, PITH_STAGE_MODEL, disabled.data);
    pithi_text_deinit(&disabled);
    return status;
}

static pith_status set_shapes(const pithi_quant *quant, pith_graph *graph)
{
    pith_tensor *inputs = NULL;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, graph->n_inputs, sizeof(pith_tensor), &block));
    inputs = block;
    pith_status status = quant->samples->read(quant->samples->user, 0, inputs);
    for (size_t i = 0; i < graph->n_inputs && status == PITH_OK; i++) {
        graph->inputs[i]->has_shape = true;
        graph->inputs[i]->shape = inputs[i].shape;
        graph->inputs[i]->dtype = inputs[i].dtype;
    }
    pithi_free(quant->ctx, block);
    PITH_CHECK(quant->ctx, status == PITH_OK, status, "calibration sample 0 can't be read");
    return PITH_OK;
}

static bool is_static(const pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!pithi_value_has_dims(graph->inputs[i])) {
            return false;
        }
    }
    return true;
}

/* Dtype, and the rank where nothing is known of the shape: dimensions may change from sample to sample. */
static void learn_type(const pith_value *from, pith_value *to)
{
    to->dtype = from->dtype;
    if (!to->has_shape && from->has_shape) {
        to->has_shape = true;
        to->shape.rank = from->shape.rank;
        for (int i = 0; i < from->shape.rank; i++) {
            to->shape.dims[i] = -1;
        }
    }
}

/* Types of all values: with their shapes where the file gives those of the inputs, else by inference on a clone, with
 * the shapes of the first sample. */
static pith_status learn_types(pithi_quant *quant)
{
    if (is_static(quant->graph)) {
        return pithi_graph_infer(quant->graph);
    }
    pith_graph *clone = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_graph_clone(quant->graph, &clone));
    size_t n_values = quant->graph->n_values;
    PITH_TRY_GOTO(set_shapes(quant, clone), done);
    PITH_TRY_GOTO(pithi_graph_infer(clone), done);
    for (size_t i = 0; i < n_values; i++) {
        learn_type(clone->values[i], quant->graph->values[i]);
    }
done:
    pithi_graph_destroy(clone);
    return status;
}

/* ---- choosing ranges ------------------------------------------------------------------------ */

static void observe_all(pithi_quant *quant)
{
    double fraction = quant->options->clip_fraction > 0.0 ? quant->options->clip_fraction : CLIP_FRACTION;
    for (int i = 0; i < quant->n_tensors; i++) {
        pithi_quant_tensor *tensor = &quant->tensors[i];
        for (int k = 1; tensor->source == i && k < PITH_OBSERVER_COUNT; k++) {
            tensor->candidates[k] = pithi_quant_observe(&tensor->histogram, (pith_observer)k, fraction);
        }
        tell(quant, "observers", i + 1, quant->n_tensors);
    }
}

static void take_observer(pithi_quant *quant, pith_observer observer)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].range = quant->tensors[i].candidates[observer];
    }
}

static pith_status choose_observer(pithi_quant *quant, pith_quantize_report *report)
{
    double best = -1.0;
    report->observer = quant->options->observer;
    for (int k = 1; k < PITH_OBSERVER_COUNT && report->observer == PITH_OBSERVER_AUTO; k++) {
        pithi_quant_error error;
        take_observer(quant, (pith_observer)k);
        PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
        report->observer_sqnr_db[k] = error.sqnr_db;
        tell(quant, "trying observers", k, PITH_OBSERVER_COUNT - 1);
    }
    for (int k = 1; k < PITH_OBSERVER_COUNT && quant->options->observer == PITH_OBSERVER_AUTO; k++) {
        if (report->observer_sqnr_db[k] > best + GAIN_DB) {
            best = report->observer_sqnr_db[k];
            report->observer = (pith_observer)k;
        }
    }
    take_observer(quant, report->observer);
    return PITH_OK;
}

typedef struct ranked {
    int tensor;
    double noise_share;
} ranked;

static int by_share(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->noise_share != y->noise_share ? (x->noise_share < y->noise_share ? 1 : -1) : x->tensor - y->tensor;
}

/* Tries the other ranges of one tensor; the best stays. */
static pith_status refine_tensor(pithi_quant *quant, pithi_quant_tensor *tensor, double *best_db)
{
    pithi_range best = tensor->range;
    for (int k = 1; k < PITH_OBSERVER_COUNT; k++) {
        pithi_quant_error error;
        tensor->range = tensor->candidates[k];
        if (tensor->range.low == best.low && tensor->range.high == best.high) {
            continue;
        }
        PITH_TRY(pithi_quant_measure(quant, N_QUICK, &error));
        if (error.sqnr_db > *best_db + GAIN_DB) {
            *best_db = error.sqnr_db;
            best = tensor->range;
        }
    }
    tensor->range = best;
    return PITH_OK;
}

/* The tensors that lose most, one after the other. */
static pith_status refine(pithi_quant *quant)
{
    void *block = NULL;
    pithi_quant_error error;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_tensors, sizeof(ranked), &block));
    ranked *order = block;
    int n = 0;
    for (int i = 0; i < quant->n_tensors; i++) {
        double signal, noise, clipped;
        const pithi_quant_tensor *tensor = &quant->tensors[i];
        pithi_quant_histogram_error(&tensor->histogram, tensor->range, &signal, &noise, &clipped);
        if (tensor->source == i && signal > 0.0) {
            order[n++] = (ranked){ i, noise / signal };
        }
    }
    qsort(order, (size_t)n, sizeof(ranked), by_share);
    n = n < N_REFINED ? n : N_REFINED;
    PITH_TRY(pithi_quant_measure(quant, N_QUICK, &error));
    for (int i = 0; i < n; i++) {
        PITH_TRY(refine_tensor(quant, &quant->tensors[order[i].tensor], &error.sqnr_db));
        tell(quant, "refining ranges", i + 1, n);
    }
    return PITH_OK;
}

static pith_status correct(pithi_quant *quant, pith_quantize_report *report)
{
    pithi_quant_error before, after;
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &before));
    PITH_TRY(pithi_quant_correct_biases(quant));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &after));
    report->is_bias_corrected = after.sqnr_db > before.sqnr_db + GAIN_DB;
    if (!report->is_bias_corrected) {
        memset(quant->bias_shifts, 0, (size_t)quant->n_nodes * sizeof(float *));
    }
    return PITH_OK;
}

/* ---- the report ---------------------------------------------------------------------------- */

typedef struct owned_report {
    pith_quantize_report report; /* first: it is what the caller holds */
    pithi_arena arena;
} owned_report;

void pith_quantize_report_destroy(pith_quantize_report *report)
{
    if (report) {
        owned_report *owned = (owned_report *)(void *)report;
        pith_ctx *ctx = owned->arena.ctx;
        pithi_arena_deinit(&owned->arena);
        pithi_free(ctx, owned);
    }
}

static pith_status report_tensors(const pithi_quant *quant, owned_report *owned)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)quant->n_tensors, sizeof(pith_quantized_tensor), &block));
    pith_quantized_tensor *rows = block;
    for (int i = 0; i < quant->n_tensors; i++) {
        const pithi_quant_tensor *tensor = &quant->tensors[i], *source = &quant->tensors[tensor->source];
        const char *name = quant->graph->values[tensor->value]->name;
        double signal, noise;
        pithi_quant_histogram_error(&source->histogram, source->range, &signal, &noise, &rows[i].clipped);
        pithi_quant_parameters(source->range, &rows[i].scale, &rows[i].zero_point);
        rows[i].low = (float)source->histogram.low;
        rows[i].high = (float)source->histogram.high;
        rows[i].sqnr_db = pithi_quant_decibel(signal, noise);
        PITH_TRY(pithi_arena_text(&owned->arena, name, strlen(name), &rows[i].name));
    }
    owned->report.tensors = rows;
    owned->report.n_tensors = quant->n_tensors;
    return PITH_OK;
}

static pith_status report_nodes(const pithi_quant *quant, owned_report *owned)
{
    pith_quantize_report *report = &owned->report;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)quant->n_nodes, sizeof(char *), &block));
    const char **names = block;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const pith_value *result = pithi_node_result(node);
        bool is_integer = quant->roles[node->index] != PITHI_QUANT_FLOAT;
        pithi_quant_weights weights;
        report->n_nodes++;
        report->n_integer_nodes += is_integer;
        if (!is_integer && result && pithi_dtype_is_float(result->dtype)) {
            PITH_TRY(pithi_arena_format(&owned->arena, &names[report->n_float_nodes++], "%s (%s)", node->name,
                                        node->source_op));
        }
        if (is_integer && pithi_quant_weights_of(node, &weights)) {
            report->quantized_bytes += (size_t)pith_shape_elements(&weights.tensor->shape);
            report->float_bytes += pith_tensor_bytes(weights.tensor);
        }
    }
    report->float_nodes = names;
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status check_complete(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_CHECK(graph->ctx, node->op, PITH_STATUS_UNSUPPORTED, "node '%s' (%s) can't be run: %s", node->name,
                   node->source_op, node->unsupported ? node->unsupported : "");
    }
    return PITH_OK;
}

static pith_status prepare(pithi_quant *quant, pith_quantize_report *report)
{
    PITH_TRY(check_complete(quant->graph));
    PITH_TRY(pithi_quant_simplify(quant->graph, NULL));
    PITH_TRY(learn_types(quant));
    PITH_TRY(pithi_quant_select(quant));
    if (!quant->options->no_equalization) {
        PITH_TRY(pithi_quant_equalize(quant, &report->n_equalized));
    }
    return PITH_OK;
}

static pith_status run(pithi_quant *quant, owned_report *owned, pithi_bytes *bytes)
{
    pith_quantize_report *report = &owned->report;
    pithi_quant_error error;
    PITH_TRY(prepare(quant, report));
    PITH_TRY(pithi_quant_calibrate(quant));
    observe_all(quant);
    PITH_TRY(choose_observer(quant, report));
    if (quant->options->observer == PITH_OBSERVER_AUTO) {
        PITH_TRY(refine(quant));
    }
    if (!quant->options->no_bias_correction) {
        PITH_TRY(correct(quant, report));
    }
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    report->sqnr_db = error.sqnr_db;
    report->cosine = error.cosine;
    PITH_TRY(report_tensors(quant, owned));
    PITH_TRY(report_nodes(quant, owned));
    PITH_TRY(pithi_quant_insert(quant, quant->graph));
    return pithi_export_onnx(quant->graph, bytes);
}

static pith_status import_and_run(pithi_quant *quant, const char *path, owned_report *owned, pithi_bytes *bytes)
{
    pithi_file file = { 0 };
    pithi_import_info info = { 0 };
    const char *folder = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_file_map(quant->ctx, path, &file), done);
    PITH_TRY_GOTO(pithi_import_folder(&quant->arena, path, &folder), done);
    PITH_TRY_GOTO(pithi_import(quant->ctx, file.data, file.n_bytes, folder, &info, &quant->graph), done);
    PITH_TRY_GOTO(run(quant, owned, bytes), done);
done:
    pithi_graph_destroy(quant->graph);
    pithi_import_info_deinit(quant->ctx, &info);
    pithi_file_unmap(&file);
    if (status != PITH_OK) {
        pithi_add_place(quant->ctx, "quantising %s", path);
    }
    return status;
}

static pith_status check_options(pith_ctx *ctx, const pith_quantize_options *options, const pith_samples *samples)
{
    PITH_CHECK(ctx, samples && samples->read && samples->n_samples > 0, PITH_STATUS_ARG,
               "no calibration samples: at least one input of the network is needed, some hundred are better");
    PITH_CHECK(ctx, options->observer >= 0 && options->observer < PITH_OBSERVER_COUNT, PITH_STATUS_ARG,
               "observer %d: it is one of 0 to %d", (int)options->observer, PITH_OBSERVER_COUNT - 1);
    PITH_CHECK(ctx, options->clip_fraction >= 0.0 && options->clip_fraction < 0.5, PITH_STATUS_ARG,
               "clip_fraction %g: it must be at least 0 and below 0.5", options->clip_fraction);
    return PITH_OK;
}

pith_status pith_quantize(pith_ctx *ctx, const char *path, const pith_quantize_options *options,
                          const pith_samples *samples, void **bytes_out, size_t *n_bytes_out,
                          pith_quantize_report **report_out)
{
    static const pith_quantize_options defaults = { 0 };
    pithi_quant quant = { .ctx = ctx, .options = options ? options : &defaults, .samples = samples,
                          .arena = { .ctx = ctx } };
    pithi_bytes bytes = { .ctx = ctx };
    void *block = NULL;
    PITH_TRY(check_options(ctx, quant.options, samples));
    PITH_TRY(pithi_alloc(ctx, sizeof(owned_report), &block));
    owned_report *owned = block;
    owned->arena.ctx = ctx;
    pith_status status = import_and_run(&quant, path, owned, &bytes);
    pithi_arena_deinit(&quant.arena);
    if (status != PITH_OK) {
        pithi_free(ctx, bytes.data);
        pith_quantize_report_destroy(&owned->report);
        return status;
    }
    *bytes_out = bytes.data;
    *n_bytes_out = bytes.n_bytes;
    if (report_out) {
        *report_out = &owned->report;
    } else {
        pith_quantize_report_destroy(&owned->report);
    }
    return PITH_OK;
}

void pith_free_bytes(pith_ctx *ctx, void *bytes) { pithi_free(ctx, bytes); }
