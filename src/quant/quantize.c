/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the work (do not permute): fold, select, equalise, calibrate with float weights, choose ranges by the
 * error of the whole network, correct biases, write. A step that is known to hurt some networks is kept only where the
 * measured error falls. */
#include <math.h>

#include "export/export.h"
#include "quant/mix.h"
#include "quant/nbits.h"

/* Of all stages together, in multiplications: at most about a minute on one core. */
#define NORMAL_WORK 2e12
#define STAGES_SHARE 0.6 /* of it; the rest is for the choice of precisions */

void pithi_quant_tell(const pithi_quant *quant, const char *stage, int done, int total)
{
    if (quant->options->progress) {
        quant->options->progress(quant->options->progress_user, stage, done, total);
    }
}

/* ---- the float network --------------------------------------------------------------------- */

/* ONNX has the function since opset 24 only, which few engines know: x sigmoid(x). */
static pith_status expand_silu(pith_graph *graph, pith_node *node)
{
    pith_value *x = node->inputs[0];
    pith_node *sigmoid = NULL;
    PITH_TRY(pithi_insert(graph, node, "sigmoid", &x, 1, &sigmoid));
    sigmoid->outputs[0]->dtype = x->dtype;
    return pithi_become(graph, node, "mul", (pith_value *[]){ x, sigmoid->outputs[0] }, 2);
}

/* ONNX's MatMul has no factor. */
static pith_status expand_factor(pith_graph *graph, pith_node *matmul)
{
    const pith_shape scalar = { .rank = 0 };
    const pith_op *mul = pithi_op_find("mul");
    pith_value *result = matmul->outputs[0], *product = NULL, *factor = NULL;
    pith_tensor tensor;
    PITH_CHECK(graph->ctx, mul, PITH_STATUS_INTERNAL, "the build lacks mul");
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scalar, &tensor, &factor));
    *(float *)tensor.data = pithi_attr_float(matmul, "alpha");
    PITH_TRY(pithi_attr_set_float(graph->ctx, matmul, "alpha", 1.0f));
    PITH_TRY(pithi_graph_add_value(graph, NULL, &product));
    product->dtype = result->dtype;
    product->producer = matmul;
    matmul->outputs[0] = product;
    result->producer = NULL;
    return pithi_graph_insert_node(graph, matmul->next, mul, "", (pith_value *[]){ product, factor }, 2, &result, 1,
                                   NULL);
}

pith_status pithi_quant_simplify(pith_graph *graph, const char *left_out)
{
    PITH_TRY(pithi_passes_run_portable(graph, left_out));
    for (pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "silu") && pithi_attr_float(node, "alpha") == 1.0f) {
            PITH_TRY(expand_silu(graph, node));
        } else if (pithi_is(node, "matmul") && pithi_attr_float(node, "alpha") != 1.0f) {
            PITH_TRY(expand_factor(graph, node));
        }
    }
    return PITH_OK;
}

static pith_status check_shape(const pith_value *input, const pith_shape *given, pith_ctx *ctx)
{
    char a[PITHI_SHAPE_TEXT_BYTES], b[PITHI_SHAPE_TEXT_BYTES];
    bool agrees = !input->has_shape || input->shape.rank == given->rank;
    for (int i = 0; agrees && input->has_shape && i < given->rank; i++) {
        agrees = input->shape.dims[i] < 0 || input->shape.dims[i] == given->dims[i];
    }
    PITH_CHECK(ctx, agrees, PITH_STATUS_SHAPE, "calibration sample 0: input '%s': shape %s given, the model wants %s",
               input->name, pithi_shape_text(given, a), pithi_shape_text(&input->shape, b));
    return PITH_OK;
}

static pith_status set_shapes(const pithi_quant *quant, pith_graph *graph)
{
    pith_tensor *inputs = NULL;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(quant->ctx, graph->n_inputs, sizeof(pith_tensor), &block));
    inputs = block;
    pith_status status = pithi_quant_read(quant, 0, inputs);
    for (size_t i = 0; i < graph->n_inputs && status == PITH_OK; i++) {
        status = check_shape(graph->inputs[i], &inputs[i].shape, graph->ctx);
        graph->inputs[i]->has_shape = true;
        graph->inputs[i]->shape = inputs[i].shape;
        graph->inputs[i]->dtype = inputs[i].dtype;
    }
    pithi_free(quant->ctx, block);
    return status;
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

pith_status pithi_quant_clone_shaped(const pithi_quant *quant, pith_graph *graph, pith_graph **clone_out)
{
    pith_graph *clone = NULL;
    PITH_TRY(pithi_graph_clone(graph, &clone));
    pith_status status = set_shapes(quant, clone);
    status = status == PITH_OK ? pithi_graph_infer(clone) : status;
    if (status != PITH_OK) {
        pithi_graph_destroy(clone);
        return status;
    }
    *clone_out = clone;
    return PITH_OK;
}

/* With shapes where the file gives those of the inputs, else by inference on a clone, with the shapes of the first
 * sample. */
pith_status pithi_quant_learn_types(const pithi_quant *quant, pith_graph *graph)
{
    if (is_static(graph)) {
        return pithi_graph_infer(graph);
    }
    pith_graph *clone = NULL;
    const size_t n_values = graph->n_values;
    PITH_TRY(pithi_quant_clone_shaped(quant, graph, &clone));
    for (size_t i = 0; i < n_values; i++) {
        learn_type(clone->values[i], graph->values[i]);
    }
    pithi_graph_destroy(clone);
    return PITH_OK;
}

pith_status pithi_quant_try_correction(pithi_quant *quant, pith_quantize_report *report)
{
    pithi_quant_error after;
    const double before = quant->error.score;
    bool is_done = false;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(float *), &block));
    memcpy(block, quant->bias_shifts, (size_t)quant->n_nodes * sizeof(float *));
    quant->rounding_shifts = block;
    PITH_TRY(pithi_quant_correct_biases(quant, &is_done));
    if (!is_done) {
        return PITH_OK;
    }
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &after));
    report->is_bias_corrected = pithi_quant_is_better(&quant->error, &after, 0.0);
    if (!report->is_bias_corrected) {
        memcpy(quant->bias_shifts, block, (size_t)quant->n_nodes * sizeof(float *));
    }
    quant->error = report->is_bias_corrected ? after : quant->error;
    pithi_quant_note(quant, "bias-correction", before, after.score, report->is_bias_corrected);
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

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status check_complete(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_CHECK(graph->ctx, node->op, PITH_STATUS_UNSUPPORTED, "node '%s' (%s) can't be run: %s", node->name,
                   node->source_op, node->unsupported ? node->unsupported : "");
    }
    return PITH_OK;
}

/* Ranges of numbers that are rounded already say nothing, and a second rounding adds to the first. */
static pith_status check_float(const pith_graph *graph)
{
    static const char *const starts[] = { "quantize_linear", "dynamic_quantize_linear", "qlinear_", "matmul_integer",
                                          "conv_integer" };
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < PITH_COUNT(starts); i++) {
            PITH_CHECK(graph->ctx, strncmp(pithi_op_head(node->op)->name, starts[i], strlen(starts[i])) != 0,
                       PITH_STATUS_ARG,
                       "the network is quantised already, by node '%s' (%s) for one; quantise the float network it was "
                       "made of ('pith diagnose FLOAT QUANT' says what a quantised network loses, --repair mends it)",
                       node->name, node->source_op);
        }
    }
    return PITH_OK;
}

static bool is_word(const char *text, const char *word, size_t n)
{
    return strncmp(text, word, n) == 0 && text[n] == 0;
}

/* Adds ",word" for every word of the list that names neither a node nor an operator. */
static void find_unknown(const pith_graph *graph, const char *list, pithi_text *unknown)
{
    for (const char *word = list; word && *word;) {
        const size_t n = strcspn(word, ",");
        const pith_node *node = graph->first;
        while (n > 0 && node && !is_word(node->name, word, n) && !is_word(node->source_op, word, n)) {
            node = node->next;
        }
        if (n > 0 && !node) {
            pithi_text_add(unknown, ",%.*s", (int)n, word);
        }
        word += n + (word[n] == ',');
    }
}

/* keep_float may name nodes of the file, and those that are made of them, which the report has. */
static pith_status simplify(pithi_quant *quant)
{
    pithi_text before = { .ctx = quant->ctx }, after = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    find_unknown(quant->graph, quant->options->keep_float, &before);
    PITH_TRY_GOTO(pithi_quant_simplify(quant->graph, NULL), done);
    find_unknown(quant->graph, before.data, &after);
    if (before.failed || after.failed) {
        status = PITH_STATUS_NOMEM;
    } else if (after.data) {
        const char *word = after.data + 1;
        status = pithi_fail(quant->ctx, PITH_STATUS_ARG,
                            "keep_float: '%.*s' is neither a node nor an operator of the network, upper and lower case "
                            "count ('pith info --layers' lists the nodes)",
                            (int)pithi_min_s64((int64_t)strcspn(word, ","), 200), word);
    }
done:
    pithi_text_deinit(&before);
    pithi_text_deinit(&after);
    return status;
}

static pith_status prepare(pithi_quant *quant)
{
    PITH_TRY(check_complete(quant->graph));
    PITH_TRY(check_float(quant->graph));
    PITH_TRY(simplify(quant));
    PITH_TRY(pithi_quant_learn_types(quant, quant->graph));
    return pithi_quant_select(quant);
}

/* Ranges as they are at first, which stages are compared with. */
static pith_status start(pithi_quant *quant)
{
    bool is_free = quant->options->observer == PITH_OBSERVER_AUTO;
    quant->observer = is_free ? PITH_OBSERVER_MSE : quant->options->observer;
    pithi_quant_observe_all(quant);
    pithi_quant_take_observer(quant, quant->observer);
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &quant->error));
    return pithi_quant_wants(quant, "rounding") ? pithi_quant_round(quant) : PITH_OK;
}

/* Channels rescaled in several ways; each counts from what the one before left. */
static pith_status equalize(pithi_quant *quant, pith_quantize_report *report)
{
    static const pithi_quant_way ways[] = {
        { "equalization", pithi_quant_equalize, 1.0, 0.0 },
        { "absorption", pithi_quant_absorb_biases, 0.0, 0.2 },
        { "smoothing", pithi_quant_smooth, 0.5, 0.3 },
        { "smoothing", pithi_quant_smooth, 0.8, 0.3 },
        { "smoothing", pithi_quant_smooth, 0.25, 0.3 },
        { "relu6", pithi_quant_equalize_relaxed, 0.5, 0.0 },
        { "splitting", pithi_quant_split_channels, 0.0, 1.0 },
    };
    for (int i = 0; i < PITH_COUNT(ways); i++) {
        int n_edited = 0;
        if (pithi_quant_wants(quant, ways[i].stage)) {
            PITH_TRY(pithi_quant_attempt(quant, &ways[i], &n_edited));
            report->n_equalized = n_edited > 0 ? n_edited : report->n_equalized;
        }
    }
    return PITH_OK;
}

static pith_status run_stages(pithi_quant *quant, pith_quantize_report *report)
{
    const pith_quantize_options *options = quant->options;
    PITH_TRY(start(quant));
    if (!options->no_equalization) {
        PITH_TRY(equalize(quant, report));
    }
    PITH_TRY(pithi_quant_choose_observer(quant, report));
    if (pithi_quant_wants(quant, "rounding")) {
        PITH_TRY(pithi_quant_round(quant));
    }
    if (options->observer == PITH_OBSERVER_AUTO && pithi_quant_wants(quant, "refinement")) {
        PITH_TRY(pithi_quant_refine_ranges(quant));
    }
    if (!options->no_bias_correction && pithi_quant_wants(quant, "bias-correction")) {
        PITH_TRY(pithi_quant_try_correction(quant, report));
    }
    return PITH_OK;
}

/* Activations and weights. */
static pith_status run_integers(pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    PITH_TRY(pithi_quant_calibrate(quant));
    const double begin = quant->work->done, all = NORMAL_WORK * pow(10.0, pithi_quant_effort(quant));
    quant->work->limit = begin + STAGES_SHARE * all;
    PITH_TRY(run_stages(quant, report));
    quant->work->limit = fmax(begin, quant->work->done - STAGES_SHARE * all) + all; /* stages may go too far */
    return pithi_quant_choose_mix(quant, arena, report);
}

/* By the plan of what will be written. */
static pith_status report_what_runs(pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    pith_graph *written = NULL;
    PITH_TRY(pithi_graph_clone(quant->graph, &written));
    pithi_quant_number(quant->graph);
    pithi_quant_number(written);
    pith_status status = pithi_quant_name_nodes(written);
    status = status == PITH_OK ? pithi_quant_insert(quant, written) : status;
    if (status != PITH_OK) {
        pithi_graph_destroy(written);
        return status;
    }
    return pithi_quant_report_islands(quant, written, arena, report);
}

static pith_status run(pithi_quant *quant, owned_report *owned, pithi_bytes *bytes)
{
    pith_quantize_report *report = &owned->report;
    pithi_quant_error error;
    PITH_TRY(prepare(quant));
    if (quant->options->dynamic) {
        PITH_TRY(pithi_quant_dynamic(quant, report));
    } else if (quant->options->weights) {
        PITH_TRY(pithi_quant_weights_only(quant, report));
    } else {
        PITH_TRY(run_integers(quant, &owned->arena, report));
    }
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &error));
    report->sqnr_db = error.sqnr_db;
    report->cosine = error.cosine;
    PITH_TRY(pithi_quant_report(quant, &owned->arena, report));
    if (!quant->options->weights && !quant->options->dynamic) {
        PITH_TRY(report_what_runs(quant, &owned->arena, report));
    }
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
    for (int i = 0; i < quant->n_older; i++) {
        pithi_graph_destroy(quant->older[i]);
    }
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
    PITH_CHECK(ctx, options->effort >= PITH_EFFORT_NORMAL && options->effort <= PITH_EFFORT_BEST, PITH_STATUS_ARG,
               "effort %d: it is one of 0 to %d", (int)options->effort, (int)PITH_EFFORT_BEST);
    PITH_CHECK(ctx, options->max_drop >= 0.0 && options->max_ms >= 0.0, PITH_STATUS_ARG,
               "max_drop %g, max_ms %g: limits are positive, 0 means none", options->max_drop, options->max_ms);
    PITH_CHECK(ctx, !options->dynamic || !options->weights, PITH_STATUS_ARG,
               "dynamic with weights '%.40s': dynamic quantisation has weights of 8 bits", options->weights);
    PITH_CHECK(ctx, (unsigned)options->weight_method <= PITH_WEIGHT_ADAROUND, PITH_STATUS_ARG,
               "weight_method %d: it is one of 0 to %d", (int)options->weight_method, PITH_WEIGHT_ADAROUND);
    PITH_CHECK(ctx,
               !options->weights || (options->max_drop == 0.0 && options->max_ms == 0.0 && options->max_bytes == 0 &&
                                     options->max_ram_bytes == 0),
               PITH_STATUS_ARG, "limits with weights alone ('%s'): limits choose formats, but one is given",
               options->weights);
    PITH_CHECK(ctx, options->max_ms == 0.0 || !options->no_timing, PITH_STATUS_ARG,
               "max_ms with no_timing: times are wanted, but nothing may be timed");
    PITH_CHECK(ctx, options->clip_fraction >= 0.0 && options->clip_fraction < 0.5, PITH_STATUS_ARG,
               "clip_fraction %g: it must be at least 0 and below 0.5", options->clip_fraction);
    return pithi_quant_check_stages(ctx, options->without);
}

pith_status pith_quantize(pith_ctx *ctx, const char *path, const pith_quantize_options *options,
                          const pith_samples *samples, void **bytes_out, size_t *n_bytes_out,
                          pith_quantize_report **report_out)
{
    static const pith_quantize_options defaults = { 0 };
    pithi_quant_work work = { .limit = INFINITY };
    pith_quantize_stage stages[PITHI_QUANT_MAX_STAGES];
    pith_graph *older[PITHI_QUANT_MAX_OLDER];
    pithi_quant quant = { .ctx = ctx, .options = options ? options : &defaults, .samples = samples,
                          .arena = { .ctx = ctx }, .work = &work, .stages = stages, .older = older };
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
