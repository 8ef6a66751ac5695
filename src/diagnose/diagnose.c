/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the work: read, one form, match, observe, suspect, try, report, repair. */
#include <math.h>
#include <stdlib.h>

#include "diagnose/report.h"

#define N_SUSPECTS    12
#define N_QUICK       8   /* samples of a trial */
#define N_TIMED       4   /* suspects whose costs are measured */
#define RANGE_SHARE   0.3 /* of the tensors have ranges that don't fit: other data */
#define RANGE_GAIN_DB 6.0
#define OTHER_SIGNS   0.75
#define WORTHWHILE_DB 3.0
#define STANDS_OUT    0.25 /* of the noise of all suspects */
#define WRONG_SHARE   1.0  /* of noise to signal of a layer's result */
#define MOST_OF_IT_DB 10.0 /* nine tenths of the noise */

static void tell(const pithi_diagnosis *job, const char *stage, int done, int total)
{
    if (job->options->progress) {
        job->options->progress(job->options->progress_user, stage, done, total);
    }
}

/* ---- the two networks ---------------------------------------------------------------------- */

typedef struct source {
    const char *path;
    pithi_file file;
    pithi_import_info info;
} source;

static pith_status read_graph(pithi_diagnosis *job, source *from, pith_graph **graph_out)
{
    const char *folder = NULL;
    PITH_TRY(pithi_file_map(job->ctx, from->path, &from->file));
    PITH_TRY(pithi_import_folder(&job->arena, from->path, &folder));
    PITH_TRY_AT(job->ctx, pithi_import(job->ctx, from->file.data, from->file.n_bytes, folder, &from->info, graph_out),
                "%s", from->path);
    for (const pith_node *node = (*graph_out)->first; node; node = node->next) {
        PITH_CHECK(job->ctx, node->op, PITH_STATUS_UNSUPPORTED, "%s: node '%s' (%s) can't be run: %s", from->path,
                   node->name, node->source_op, node->unsupported ? node->unsupported : "");
    }
    return PITH_OK;
}

static int count_op(const pith_graph *graph, const char *op)
{
    int n = 0;
    for (const pith_node *node = graph->first; node; node = node->next) {
        n += pithi_is(node, op);
    }
    return n;
}

static int count_products(const pith_graph *graph)
{
    return count_op(graph, "conv") + count_op(graph, "qlinear_conv");
}

/* A quantiser puts pairs between the nodes of which exporters make functions and norms, so passes find them in the
 * float network alone. Those passes are left out then, and each tensor in between has its counterpart. */
static pith_status find_cut_apart(const pithi_diagnosis *job, pithi_text *left_out)
{
    static const struct {
        const char *pass, *op;
    } made[] = { { "fuse_patterns", "gelu" },
                 { "fuse_patterns", "hard_swish" },
                 { "fuse_patterns", "mish" },
                 { "fuse_patterns", "hard_sigmoid" },
                 { "fuse_patterns", "softplus" },
                 { "fuse_normalization", "layer_normalization" },
                 { "fuse_normalization", "rms_normalization" } };
    pith_graph *whole = NULL;
    PITH_TRY(pithi_graph_clone(job->graph, &whole));
    pith_status status = pithi_quant_simplify(whole, NULL);
    for (int i = 0; i < PITH_COUNT(made) && status == PITH_OK; i++) {
        if (count_op(whole, made[i].op) > count_op(job->twin, made[i].op)) {
            pithi_text_add(left_out, ",%s", made[i].pass);
        }
    }
    pithi_graph_destroy(whole);
    return status;
}

static bool makes(const pith_graph *graph, const char *op, const char *name)
{
    const pith_node *node = graph->first;
    while (node && !(pithi_is(node, op) && pithi_same_text(node->outputs[0]->name, name))) {
        node = node->next;
    }
    return node != NULL;
}

/* As quantisers do that take the functions of ONNX in parts: x hard_sigmoid(x, 1/6, 1/2). Those that the twin has whole
 * stay. */
static pith_status expand_hard_swish(pith_graph *graph, const pith_graph *twin)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_node *gate = NULL;
        if (!pithi_is(node, "hard_swish") || makes(twin, "hard_swish", node->outputs[0]->name)) {
            continue;
        }
        pith_value *x = node->inputs[0];
        PITH_TRY(pithi_insert(graph, node, "hard_sigmoid", &x, 1, &gate));
        PITH_TRY(pithi_attr_set_float(graph->ctx, gate, "alpha", 1.0f / 6.0f));
        PITH_TRY(pithi_attr_set_float(graph->ctx, gate, "beta", 0.5f));
        gate->outputs[0]->dtype = x->dtype;
        PITH_TRY(pithi_become(graph, node, "mul", (pith_value *[]){ x, gate->outputs[0] }, 2));
    }
    return PITH_OK;
}

/* The quantised network with what its quantiser left to passes done, but not those named. */
static pith_status make_twin(pithi_diagnosis *job, const char *left_out)
{
    pithi_text all = { .ctx = job->ctx };
    pithi_graph_destroy(job->twin);
    job->twin = NULL;
    PITH_TRY(pithi_graph_clone(job->given, &job->twin));
    pithi_text_add(&all, "fold_constants,merge_common,fuse_pad,fold_batch_norm,reparameterize%s", left_out);
    pith_status status = all.failed ? PITH_STATUS_NOMEM : pithi_quant_simplify(job->twin, all.data);
    pithi_text_deinit(&all);
    return status;
}

/* Passes that change layers are made on the float side only if the quantiser's source had them made. */
static pith_status simplify_both(pithi_diagnosis *job, pithi_text *cut_apart, pithi_text *left_out)
{
    PITH_TRY(make_twin(job, ""));
    PITH_TRY(find_cut_apart(job, cut_apart));
    if (cut_apart->data) {
        PITH_TRY(make_twin(job, cut_apart->data));
    }
    pithi_text_add(left_out, "merge_common%s%s%s%s", cut_apart->data ? cut_apart->data : "",
                   count_op(job->twin, "batch_normalization") > 0 ? ",fold_batch_norm" : "",
                   count_op(job->twin, "pad") > 0 ? ",fuse_pad" : "",
                   count_products(job->twin) >= count_products(job->graph) ? ",reparameterize" : "");
    PITH_TRY(left_out->failed || cut_apart->failed ? PITH_STATUS_NOMEM
                                                   : pithi_quant_simplify(job->graph, left_out->data));
    return count_op(job->graph, "hard_swish") > count_op(job->twin, "hard_swish")
               ? expand_hard_swish(job->graph, job->twin)
               : PITH_OK;
}

static pith_status bring_to_one_form(pithi_diagnosis *job)
{
    pithi_text cut_apart = { .ctx = job->ctx }, left_out = { .ctx = job->ctx };
    pith_status status = simplify_both(job, &cut_apart, &left_out);
    pithi_text_deinit(&cut_apart);
    pithi_text_deinit(&left_out);
    PITH_TRY(status);
    PITH_TRY(pithi_diag_expand(job));
    PITH_TRY(pithi_diag_rearrange(job));
    pith_graph *const graphs[] = { job->graph, job->twin };
    for (int i = 0; i < 2; i++) {
        PITH_TRY(pithi_quant_learn_types(&job->quant, graphs[i]));
        pithi_quant_number(graphs[i]);
        pithi_graph_count_uses(graphs[i]);
    }
    return PITH_OK;
}

static pith_status compare(pithi_diagnosis *job)
{
    PITH_TRY(pithi_diag_match(job));
    PITH_TRY(pithi_diag_layers(job));
    if (job->n_layers == 0) {
        return pithi_diag_keep_references(job); /* the outputs alone can be compared */
    }
    PITH_TRY(pithi_diag_rescale(job));
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].has_weights) {
            PITH_TRY(pithi_diag_weigh(job, &job->layers[i]));
        }
    }
    PITH_TRY(pithi_diag_keep_references(job));
    return pithi_diag_observe(job);
}

/* ---- trials -------------------------------------------------------------------------------- */

static pith_status measure_alone(pithi_diagnosis *job, const pithi_changes *changes, const pithi_suspect *s,
                                 pithi_score *score)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_diag_alone(job, changes, s->tensor, s->layer, &graph));
    return pithi_diag_measure(job, graph, false, N_QUICK, score);
}

static pith_status measure_variant(pithi_diagnosis *job, const pithi_changes *changes, pithi_score *score)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_diag_variant(job, changes, &graph));
    return pithi_diag_measure(job, graph, true, N_QUICK, score);
}

/* The outputs with only this one quantised, and the twin with this one repaired or float. */
static pith_status try_suspect(pithi_diagnosis *job, pithi_suspect *s, const pithi_score *base)
{
    pithi_changes none, repaired, floats;
    pithi_score alone, better, gain, loss;
    bool is_applied = false;
    float *factors = s->tensor >= 0 ? job->tensors[s->tensor].factors : NULL;
    int64_t n_factors = s->tensor >= 0 ? job->tensors[s->tensor].n_factors : 0;
    PITH_TRY(pithi_diag_new_changes(job, NULL, &none));
    PITH_TRY(pithi_diag_new_changes(job, NULL, &repaired));
    PITH_TRY(pithi_diag_new_changes(job, NULL, &floats));
    PITH_TRY(measure_alone(job, &none, s, &alone));
    PITH_TRY(pithi_diag_apply(job, s, PITH_REPAIR_FLOAT, &floats, &is_applied));
    PITH_TRY(measure_variant(job, &floats, &loss));
    PITH_TRY(pithi_diag_apply(job, s, s->repair, &repaired, &is_applied));
    if (!is_applied) {
        s->repair = PITH_REPAIR_16_BIT;
        PITH_TRY(pithi_diag_apply(job, s, s->repair, &repaired, &is_applied));
    }
    PITH_TRY(measure_alone(job, &repaired, s, &better));
    PITH_TRY(measure_variant(job, &repaired, &gain));
    if (s->repair == PITH_REPAIR_EQUALIZE) {
        PITH_TRY(pithi_diag_undo_equalize(job, s->tensor, factors, n_factors));
    }
    s->alone_share = alone.noise_share;
    s->alone_db = alone.error.sqnr_db;
    s->repaired_share = better.noise_share;
    s->gain_repair_db = gain.error.sqnr_db - base->error.sqnr_db;
    s->gain_float_db = loss.error.sqnr_db - base->error.sqnr_db;
    s->is_measured = true;
    return PITH_OK;
}

/* Noise at the outputs that goes with the repair. What is merely as rough as its bits make it is less to blame than
 * what is wrong. */
static double reducible(const pithi_suspect *s)
{
    double weight = s->cause == PITH_CAUSE_SENSITIVE                                    ? 0.1
                    : s->repair == PITH_REPAIR_16_BIT || s->repair == PITH_REPAIR_FLOAT ? 0.5
                                                                                        : 1.0;
    const double fault = s->is_fault ? 0.01 : 0.0;
    return s->is_measured ? weight * (s->alone_share - s->repaired_share) + fault : -1.0;
}

static int by_reducible(const void *a, const void *b)
{
    const pithi_suspect *x = a, *y = b;
    double p = reducible(x), q = reducible(y);
    return p != q ? (p < q ? 1 : -1) : (x->tensor + x->layer) - (y->tensor + y->layer);
}

static pith_status time_suspect(pithi_diagnosis *job, pithi_suspect *s)
{
    pithi_changes changes[3];
    pith_graph *graphs[3] = { NULL, NULL, NULL };
    double ms[3], bytes[3];
    bool is_applied = false;
    const pith_repair repairs[] = { PITH_REPAIR_NONE, PITH_REPAIR_FLOAT, s->repair };
    pith_status status = PITH_OK;
    for (int i = 0; i < 3; i++) {
        /* Balanced channels cost nothing: the same operators. */
        pith_repair repair = repairs[i] == PITH_REPAIR_EQUALIZE ? PITH_REPAIR_NONE : repairs[i];
        PITH_TRY_GOTO(pithi_diag_new_changes(job, NULL, &changes[i]), done);
        PITH_TRY_GOTO(pithi_diag_apply(job, s, repair, &changes[i], &is_applied), done);
        PITH_TRY_GOTO(pithi_diag_variant(job, &changes[i], &graphs[i]), done);
        bytes[i] = (double)pithi_diag_constant_bytes(graphs[i]);
    }
    PITH_TRY(pithi_diag_time(job, graphs, 3, ms));
    s->cost_float_ms = ms[1] - ms[0];
    s->cost_repair_ms = s->repair == PITH_REPAIR_EQUALIZE ? 0.0 : ms[2] - ms[0];
    s->cost_float_bytes = bytes[1] - bytes[0];
    s->cost_repair_bytes = bytes[2] - bytes[0];
    return PITH_OK;
done:
    for (int i = 0; i < 3; i++) {
        pithi_graph_destroy(graphs[i]);
    }
    return status;
}

static pith_status try_suspects(pithi_diagnosis *job, pithi_suspect *suspects, int n_suspects, int *n_tried)
{
    pithi_changes none;
    pithi_score base;
    int most = job->options->n_suspects > 0 ? job->options->n_suspects : N_SUSPECTS;
    int n = n_suspects < most ? n_suspects : most;
    PITH_TRY(pithi_diag_new_changes(job, NULL, &none));
    PITH_TRY(measure_variant(job, &none, &base));
    for (int i = 0; i < n; i++) {
        PITH_TRY(try_suspect(job, &suspects[i], &base));
        tell(job, "trying suspects", i + 1, n);
    }
    qsort(suspects, (size_t)n, sizeof(pithi_suspect), by_reducible);
    for (int i = 0; i < n && i < N_TIMED; i++) {
        suspects[i].is_timed = true;
        PITH_TRY(time_suspect(job, &suspects[i]));
        tell(job, "costs", i + 1, N_TIMED);
    }
    *n_tried = n;
    return PITH_OK;
}

/* ---- findings about the whole -------------------------------------------------------------- */

static bool is_about_range(const pithi_suspect *s)
{
    return s->tensor >= 0 &&
           (s->cause == PITH_CAUSE_SATURATED || s->cause == PITH_CAUSE_TOO_WIDE || s->cause == PITH_CAUSE_ZERO_POINT) &&
           s->local_gain_db > RANGE_GAIN_DB;
}

/* A layer with wrong weights gives all behind it other ranges, and one wrong range may be all that is wrong. */
static bool is_explained(const pithi_suspect *suspects, int n, double gain_db)
{
    bool is_any = false;
    for (int i = 0; i < n; i++) {
        const pithi_suspect *s = &suspects[i];
        const bool are_weights_wrong = s->layer >= 0 && s->share > WRONG_SHARE &&
                                       (s->cause == PITH_CAUSE_WEIGHT_SCALE || s->cause == PITH_CAUSE_WEIGHTS_DIFFER ||
                                        s->cause == PITH_CAUSE_WEIGHT_OUTLIER);
        is_any = is_any || are_weights_wrong ||
                 (s->is_measured && s->gain_repair_db > MOST_OF_IT_DB && 2.0 * s->gain_repair_db > gain_db);
    }
    return is_any;
}

static pith_status find_other_data(pithi_diagnosis *job, const pithi_suspect *suspects, int n, pithi_suspect *whole,
                                   bool *is_found)
{
    int n_tensors = 0, n_off = 0, n_inputs_off = 0;
    pithi_changes changes, none;
    pithi_score base, after;
    bool is_applied = false;
    for (int i = 0; i < n; i++) {
        n_tensors += suspects[i].tensor >= 0;
        n_off += is_about_range(&suspects[i]);
        n_inputs_off +=
            is_about_range(&suspects[i]) && !job->graph->values[job->tensors[suspects[i].tensor].value]->producer;
    }
    *is_found = (n_inputs_off > 0 && n_off > 1) || (n_off > 2 && n_off > RANGE_SHARE * n_tensors);
    if (!*is_found) {
        return PITH_OK;
    }
    *whole = (pithi_suspect){ .tensor = -1,
                              .layer = -1,
                              .cause = PITH_CAUSE_CALIBRATION_DATA,
                              .repair = PITH_REPAIR_RECALIBRATE,
                              .is_measured = true };
    PITH_TRY(pithi_diag_new_changes(job, NULL, &none));
    PITH_TRY(pithi_diag_new_changes(job, NULL, &changes));
    PITH_TRY(pithi_diag_apply(job, whole, whole->repair, &changes, &is_applied));
    PITH_TRY(measure_variant(job, &none, &base));
    PITH_TRY(measure_variant(job, &changes, &after));
    whole->gain_repair_db = after.error.sqnr_db - base.error.sqnr_db;
    *is_found = whole->gain_repair_db > 1.0 && !is_explained(suspects, n, whole->gain_repair_db);
    return pithi_arena_format(&job->arena, &whole->note, "the ranges of %d of %d tensors don't fit%s", n_off, n_tensors,
                              n_inputs_off > 0 ? ", that of the input too: preprocessing differs from calibration"
                                               : "");
}

static pith_status find_other_network(pithi_diagnosis *job, pithi_suspect *whole, bool *is_found)
{
    int n = 0, n_other = 0;
    for (int i = 0; i < job->n_layers; i++) {
        n += job->layers[i].has_weights;
        n_other += job->layers[i].has_weights && job->layers[i].agreement < OTHER_SIGNS;
    }
    *is_found = n > 1 && 2 * n_other > n;
    *whole = (pithi_suspect){ .tensor = -1, .layer = -1, .cause = PITH_CAUSE_OTHER_NETWORK };
    return pithi_arena_format(&job->arena, &whole->note, "%d of %d layers have other weights", n_other, n);
}

/* Many small errors: the largest one is a small part of them all. */
static pith_status find_accumulation(pithi_diagnosis *job, const pithi_suspect *suspects, int n, pithi_suspect *whole,
                                     bool *is_found)
{
    double all = 0.0, most = 0.0, gain = 0.0;
    for (int i = 0; i < n; i++) {
        gain = fmax(gain, suspects[i].gain_repair_db);
        all += suspects[i].is_measured ? suspects[i].alone_share : 0.0;
        most = suspects[i].is_measured ? fmax(most, suspects[i].alone_share) : most;
    }
    *is_found = all > 0.0 && most < STANDS_OUT * all && gain < WORTHWHILE_DB;
    *whole = (pithi_suspect){ .tensor = -1, .layer = -1, .cause = PITH_CAUSE_ACCUMULATED };
    return pithi_arena_format(&job->arena, &whole->note, "the largest single error makes %.0f %% of what was measured",
                              all > 0.0 ? 100.0 * most / all : 0.0);
}

/* Puts what concerns the whole network in front. */
static pith_status find_all(pithi_diagnosis *job, pithi_suspect **suspects_out, int *n_out, int *n_tried)
{
    pithi_suspect *suspects = NULL, whole;
    void *block = NULL;
    bool is_found = false;
    int n = 0;
    PITH_TRY(pithi_diag_suspects(job, &suspects, &n));
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)n + 3, sizeof(pithi_suspect), &block));
    PITH_TRY(try_suspects(job, suspects, n, n_tried));
    PITH_TRY(find_other_network(job, &whole, &is_found));
    if (!is_found) {
        PITH_TRY(find_other_data(job, suspects, n, &whole, &is_found));
    }
    if (!is_found) {
        PITH_TRY(find_accumulation(job, suspects, *n_tried, &whole, &is_found));
    }
    pithi_suspect *all = block;
    all[0] = whole;
    memcpy(all + is_found, suspects, (size_t)n * sizeof(pithi_suspect));
    *suspects_out = all;
    *n_out = n + is_found;
    *n_tried += is_found;
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status measure_whole(pithi_diagnosis *job, pithi_diag_report *owned)
{
    pith_diagnose_report *report = &owned->report;
    pith_graph *graphs[2] = { NULL, NULL }, *given = NULL;
    pithi_score score;
    double ms[2];
    /* The twin's outputs are those of its file, unless these were quantised. */
    PITH_TRY(pithi_graph_clone(job->twin, &given));
    PITH_TRY(pithi_diag_measure(job, given, true, 0, &score));
    report->outputs = score.error;
    report->n_outputs = score.n_outputs;
    report->is_outputs_only = job->n_layers == 0;
    const pith_shape *shape = &job->references[0].shape;
    bool is_vector = job->n_outputs == 1 && shape->rank > 0 && shape->dims[shape->rank - 1] > 1 &&
                     pith_shape_elements(shape) == shape->dims[shape->rank - 1];
    report->agreement = is_vector ? score.agreement : -1.0;
    report->n_samples = job->quant.samples->n_samples;
    PITH_TRY(pithi_graph_clone(job->graph, &graphs[0]));
    pith_status status = pithi_graph_clone(job->twin, &graphs[1]);
    if (status != PITH_OK) {
        pithi_graph_destroy(graphs[0]);
        return status;
    }
    report->float_bytes = pithi_diag_constant_bytes(graphs[0]);
    report->quantised_bytes = pithi_diag_constant_bytes(graphs[1]);
    PITH_TRY(pithi_diag_time(job, graphs, 2, ms));
    report->float_ms = ms[0];
    report->quantised_ms = ms[1];
    return PITH_OK;
}

static pith_status write_repaired(pithi_diagnosis *job, const pithi_changes *changes, pithi_diag_report *owned)
{
    pith_diagnose_report *report = &owned->report;
    pith_graph *graph = NULL;
    pithi_score score;
    PITH_TRY(pithi_diag_variant(job, changes, &graph));
    report->repaired_bytes = pithi_diag_constant_bytes(graph);
    pith_status status = pithi_export_onnx(graph, &owned->file);
    pithi_graph_destroy(graph);
    PITH_TRY(status);
    PITH_TRY(pithi_diag_variant(job, changes, &graph));
    PITH_TRY(pithi_diag_measure(job, graph, true, 0, &score));
    report->repaired = score.error;
    report->repaired_agreement = report->agreement >= 0.0 ? score.agreement : -1.0;
    PITH_TRY(pithi_diag_variant(job, changes, &graph));
    PITH_TRY(pithi_diag_time(job, &graph, 1, &report->repaired_ms));
    report->repaired_file = owned->file.data;
    report->repaired_file_bytes = owned->file.n_bytes;
    report->is_repaired = 1;
    return PITH_OK;
}

static pith_status run(pithi_diagnosis *job, pithi_diag_report *owned)
{
    pithi_suspect *suspects = NULL;
    pithi_changes changes;
    int n_suspects = 0, n_tried = 0;
    bool is_anew = false;
    PITH_TRY(pithi_diag_join_ends(job));
    PITH_TRY(bring_to_one_form(job));
    PITH_TRY(compare(job));
    PITH_TRY(measure_whole(job, owned));
    PITH_TRY(pithi_diag_report_tables(job, owned));
    if (job->n_layers == 0) {
        return pithi_diag_verdict(job, owned);
    }
    PITH_TRY(find_all(job, &suspects, &n_suspects, &n_tried));
    bool is_hopeless = n_suspects > 0 && suspects[0].cause == PITH_CAUSE_OTHER_NETWORK;
    if (job->options->repair && !is_hopeless) {
        PITH_TRY(pithi_diag_repair(job, suspects, n_suspects, &changes, &is_anew));
        PITH_TRY(write_repaired(job, &changes, owned));
    }
    int n_shown = n_tried;
    for (int i = n_tried; i < n_suspects; i++) { /* those beyond that were repaired */
        if (suspects[i].is_repaired) {
            suspects[n_shown++] = suspects[i];
        }
    }
    if (is_anew) {
        suspects[n_shown++] = (pithi_suspect){ .tensor = -1, .layer = -1, .cause = PITH_CAUSE_SEVERAL_FAULTS,
                                               .repair = PITH_REPAIR_REQUANTIZE, .is_repaired = true,
                                               .note = "repairs of single places did not suffice" };
    }
    if (owned->report.n_float_nodes > 0) {
        suspects[n_shown] = (pithi_suspect){ .tensor = -1, .layer = -1, .cause = PITH_CAUSE_LEFT_FLOAT };
        PITH_TRY(pithi_arena_format(&job->arena, &suspects[n_shown++].note,
                                    "%d nodes compute in float between integer ones, the first is %s",
                                    owned->report.n_float_nodes, owned->report.float_nodes[0]));
    }
    PITH_TRY(pithi_diag_report_findings(job, owned, suspects, n_shown));
    return pithi_diag_verdict(job, owned);
}

static pith_status read_and_run(pithi_diagnosis *job, source sources[2], pithi_diag_report *owned)
{
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(read_graph(job, &sources[0], &job->graph), done);
    PITH_TRY_GOTO(read_graph(job, &sources[1], &job->given), done);
    PITH_TRY_GOTO(run(job, owned), done);
done:
    pithi_graph_destroy(job->twin);
    pithi_graph_destroy(job->given);
    pithi_graph_destroy(job->graph);
    for (int i = 0; i < 2; i++) {
        pithi_import_info_deinit(job->ctx, &sources[i].info);
        pithi_file_unmap(&sources[i].file);
    }
    return status;
}

pith_status pith_diagnose(pith_ctx *ctx, const char *float_path, const char *quantised_path,
                          const pith_diagnose_options *options, const pith_samples *samples,
                          pith_diagnose_report **report_out)
{
    static const pith_diagnose_options defaults = { 0 };
    pithi_diagnosis job = { .ctx = ctx, .options = options ? options : &defaults, .arena = { .ctx = ctx } };
    source sources[2] = { { .path = float_path }, { .path = quantised_path } };
    void *block = NULL;
    PITH_CHECK(ctx, samples && samples->read && samples->n_samples > 0, PITH_STATUS_ARG,
               "no samples: at least one input of the networks is needed, some dozen are better");
    PITH_TRY(pithi_alloc(ctx, sizeof(pithi_diag_report), &block));
    pithi_diag_report *owned = block;
    owned->arena.ctx = ctx;
    owned->file.ctx = ctx;
    job.run_options.n_threads = job.options->n_threads;
    job.quant = (pithi_quant){ .ctx = ctx, .options = &job.run_options, .samples = samples, .arena = { .ctx = ctx } };
    pith_status status = read_and_run(&job, sources, owned);
    pithi_arena_deinit(&job.arena);
    if (status != PITH_OK) {
        pith_diagnose_report_destroy(&owned->report);
        return status;
    }
    *report_out = &owned->report;
    return PITH_OK;
}
