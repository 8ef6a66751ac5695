/* SPDX-License-Identifier: Apache-2.0 */
/* Import, the passes whose results ONNX can say, export. */
#include "pith/optimize.h"

#include "export/export.h"
#include "import/import.h"
#include "passes/pass.h"
#include "platform/platform.h"

static pith_status check_complete(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_CHECK(graph->ctx, node->op, PITH_STATUS_UNSUPPORTED, "node '%s' (%s) can't be run: %s", node->name,
                   node->source_op, node->unsupported ? node->unsupported : "");
    }
    return PITH_OK;
}

static pith_status set_shape(pith_ctx *ctx, pith_value *input, const pith_shape *shape)
{
    char wanted[PITHI_SHAPE_TEXT_BYTES], is[PITHI_SHAPE_TEXT_BYTES];
    bool fits = !input->has_shape || input->shape.rank == shape->rank;
    for (int i = 0; fits && input->has_shape && i < shape->rank; i++) {
        fits = input->shape.dims[i] < 0 || shape->dims[i] < 0 || input->shape.dims[i] == shape->dims[i];
    }
    PITH_CHECK(ctx, fits, PITH_STATUS_SHAPE, "input '%s' can't have shape %s, the model says %s", input->name,
               pithi_shape_text(shape, wanted), pithi_shape_text(&input->shape, is));
    for (int i = 0; i < shape->rank; i++) {
        int64_t given = input->has_shape ? input->shape.dims[i] : -1;
        input->shape.dims[i] = shape->dims[i] >= 0 ? shape->dims[i] : given;
        if (shape->dims[i] >= 0) {
            input->symbols[i] = NULL;
        }
    }
    input->shape.rank = shape->rank;
    input->has_shape = true;
    return PITH_OK;
}

/* Shapes of inner values and outputs that the file declares may name dimensions that are numbers now. */
static void forget_shapes(pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_outputs; i++) {
            pith_value *value = node->outputs[i];
            for (int k = 0; value && k < PITH_MAX_RANK; k++) {
                value->symbols[k] = NULL;
            }
        }
    }
}

/* Constants are counted once for each value that a node reads. */
static void count(const pith_graph *graph, int *n_nodes, size_t *weight_bytes)
{
    *n_nodes = graph->n_nodes;
    *weight_bytes = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        *weight_bytes += value->constant && value->n_uses > 0 ? pith_tensor_bytes(value->constant) : 0;
    }
}

/* Inference with numbers for the open dimensions; it may end at a node that they don't fit. */
static pith_status infer_with(const pith_graph *graph, int64_t first, int64_t size, pith_graph **clone_out,
                              bool *is_complete)
{
    PITH_TRY(pithi_graph_clone(graph, clone_out));
    for (size_t i = 0; i < (*clone_out)->n_inputs; i++) {
        pith_shape *shape = &(*clone_out)->inputs[i]->shape;
        for (int k = 0; k < shape->rank; k++) {
            shape->dims[k] = shape->dims[k] >= 0 ? shape->dims[k] : k == 0 ? first : size;
        }
    }
    const pith_status status = pithi_graph_infer(*clone_out);
    *is_complete = status == PITH_OK;
    if (!*is_complete) {
        pith_ctx_clear_error(graph->ctx);
    }
    return status == PITH_STATUS_NOMEM ? status : PITH_OK;
}

/* The same rank with other sizes; where inference knows none, unless sizes are known to matter (a Squeeze of whatever
 * is 1). */
static bool is_rank_certain(pith_graph *const *others, int n_others, size_t i, int rank, bool sizes_matter)
{
    bool is_certain = true;
    for (int k = 0; k < n_others; k++) {
        const pith_value *other = others[k]->values[i];
        is_certain = is_certain && (other->has_shape ? other->shape.rank == rank : !sizes_matter);
    }
    return is_certain;
}

/* Dtypes and ranks that inference finds with `size` for every open dimension but the first. */
static pith_status learn_types(pith_graph *graph, int64_t size, bool *is_complete)
{
    enum { N_TRIES = 3 };
    const int64_t tries[N_TRIES][2] = { { 1, size }, { 2, 2 * size }, { 1, 1 } };
    pith_graph *clones[N_TRIES] = { NULL };
    pith_status status = PITH_OK;
    bool sizes_matter = false, ignored = false;
    for (int i = 0; i < N_TRIES; i++) {
        PITH_TRY_GOTO(infer_with(graph, tries[i][0], tries[i][1], &clones[i], i ? &ignored : is_complete), done);
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *from = clones[0]->values[i];
        sizes_matter |= from->has_shape && !is_rank_certain(clones + 1, N_TRIES - 1, i, from->shape.rank, false);
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *from = clones[0]->values[i];
        pith_value *to = graph->values[i];
        to->dtype = to->dtype == PITH_DTYPE_NONE ? from->dtype : to->dtype;
        if (!to->has_shape && from->has_shape &&
            is_rank_certain(clones + 1, N_TRIES - 1, i, from->shape.rank, sizes_matter)) {
            to->has_shape = true;
            to->shape = (pith_shape){ .rank = from->shape.rank, .dims = { -1, -1, -1, -1, -1, -1, -1, -1 } };
        }
    }
done:
    for (int i = 0; i < N_TRIES; i++) {
        pithi_graph_destroy(clones[i]);
    }
    return status;
}

/* Some operators can't be written without knowing the dtype or the rank of what they read. */
static pith_status learn_open_types(pith_graph *graph)
{
    static const int64_t sizes[] = { 224, 64, 32, 16, 1, 1024 };
    bool is_complete = false;
    for (int i = 0; i < PITH_COUNT(sizes) && !is_complete; i++) {
        PITH_TRY(learn_types(graph, sizes[i], &is_complete));
    }
    return PITH_OK;
}

static pith_status optimize(pith_graph *graph, const pith_optimize_options *options, pith_optimize_report *report)
{
    PITH_TRY(check_complete(graph));
    pithi_graph_count_uses(graph);
    count(graph, &report->n_nodes_before, &report->weight_bytes_before);
    for (size_t i = 0; options->input_shapes && i < graph->n_inputs; i++) {
        PITH_TRY(set_shape(graph->ctx, graph->inputs[i], &options->input_shapes[i]));
    }
    if (options->input_shapes) {
        forget_shapes(graph);
        PITH_TRY(pithi_graph_infer(graph));
    }
    graph->keeps_stored = true;
    PITH_TRY(pithi_passes_run_portable(graph, options->disable_passes));
    PITH_TRY(learn_open_types(graph));
    pithi_graph_count_uses(graph);
    count(graph, &report->n_nodes_after, &report->weight_bytes_after);
    return PITH_OK;
}

pith_status pith_optimize(pith_ctx *ctx, const char *path, const pith_optimize_options *options, void **bytes_out,
                          size_t *n_bytes_out, pith_optimize_report *report_out)
{
    static const pith_optimize_options defaults = { 0 };
    pithi_file file = { 0 };
    pithi_import_info info = { 0 };
    pithi_arena arena = { .ctx = ctx };
    pithi_bytes bytes = { .ctx = ctx };
    pith_optimize_report report = { 0 };
    pith_graph *graph = NULL;
    const char *folder = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_file_map(ctx, path, &file), done);
    PITH_TRY_GOTO(pithi_import_folder(&arena, path, &folder), done);
    PITH_TRY_GOTO(pithi_import(ctx, file.data, file.n_bytes, folder, &info, &graph), done);
    PITH_TRY_GOTO(optimize(graph, options ? options : &defaults, &report), done);
    PITH_TRY_GOTO(pithi_export_onnx(graph, &bytes), done);
done:
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(ctx, &info);
    pithi_file_unmap(&file);
    pithi_arena_deinit(&arena);
    if (status != PITH_OK) {
        pithi_free(ctx, bytes.data);
        pithi_add_place(ctx, "optimising %s", path);
        return status;
    }
    *bytes_out = bytes.data;
    *n_bytes_out = bytes.n_bytes;
    if (report_out) {
        *report_out = report;
    }
    return PITH_OK;
}
