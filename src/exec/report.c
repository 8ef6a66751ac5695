/* SPDX-License-Identifier: Apache-2.0 */
/* What a run will take, before it runs: operations, exact memory, layer by layer. */
#include "base/ctx.h"
#include "exec/internal.h"
#include "export/text/text.h"

/* Plans for these shapes. The stretch stays in the model's cache. */
static pith_status plan_for(pith_model *model, const pith_shape *shapes, int n_threads, pithi_stretch **stretch_out)
{
    pith_ctx *ctx = model->ctx;
    int n_inputs = pith_model_n_inputs(model);
    void *block = NULL;
    PITH_TRY(pithi_model_check_complete(model));
    PITH_TRY(pithi_alloc_array(ctx, (size_t)n_inputs, sizeof(pith_tensor), &block));
    pith_tensor *inputs = block;
    pith_status status = PITH_OK;
    for (int i = 0; i < n_inputs; i++) {
        PITH_TRY_GOTO(pithi_model_check_shape(model, i, &shapes[i]), done);
        inputs[i] = (pith_tensor){ .dtype = model->inputs[i].dtype, .shape = shapes[i] };
    }
    PITH_TRY_GOTO(pithi_template_stretch(model->root, inputs, n_threads, stretch_out), done);
done:
    pithi_free(ctx, block);
    return status;
}

static size_t max_scratch(const pith_plan *plan)
{
    size_t most = 0;
    for (int i = 0; i < plan->n_steps; i++) {
        const pith_step *step = &plan->steps[i];
        size_t n_workers = step->max_parts > 1 ? (size_t)plan->n_threads : 1;
        size_t n_bytes = step->scratch_bytes * n_workers + step->shared_bytes;
        most = n_bytes > most ? n_bytes : most;
    }
    return most;
}

static size_t mapped_bytes(const pith_model *model)
{
    size_t n_bytes = model->file.n_bytes;
    for (size_t i = 0; i < model->import.n_external_files; i++) {
        n_bytes += model->import.external_files[i].n_bytes;
    }
    return n_bytes;
}

pith_status pith_model_cost(pith_model *model, const pith_shape *shapes, int n_threads, pith_cost_report *report_out)
{
    pithi_stretch *stretch = NULL;
    int n_workers = n_threads > 0 ? n_threads : pithi_cpu_count();
    PITH_TRY(plan_for(model, shapes, n_workers, &stretch));
    const pith_plan *plan = stretch->plan;
    *report_out = (pith_cost_report){
        .macs = plan->macs,
        .flops = plan->flops,
        .bytes_read = plan->bytes_read,
        .bytes_written = plan->bytes_written,
        .arena_bytes = plan->arena_bytes,
        .arena_lower_bound_bytes = plan->arena_lower_bound_bytes,
        .weight_bytes = pithi_pack_cache_bytes(model->program.packs),
        .n_steps = plan->n_steps,
        .n_stretches = 1,
        .is_complete = stretch->rest == NULL,
        .scratch_bytes = max_scratch(plan),
        .mapped_bytes = mapped_bytes(model),
        .model_bytes = model->ctx->held_bytes,
        .session_bytes = pithi_session_bytes(model, plan, n_workers),
    };
    report_out->peak_bytes = report_out->model_bytes + report_out->session_bytes;
    if (report_out->peak_bytes < model->ctx->peak_bytes) {
        report_out->peak_bytes = model->ctx->peak_bytes;
    }
    return PITH_OK;
}

/* ---- layers ------------------------------------------------------------------------------- */

static const pith_value *output_of(const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            return node->outputs[i];
        }
    }
    return NULL;
}

static size_t weight_bytes_of(const pith_node *node)
{
    size_t n_bytes = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        n_bytes += input && input->constant ? pith_tensor_bytes(input->constant) : 0;
    }
    return n_bytes;
}

static pith_layer layer_of(const pith_step *step)
{
    const pith_node *node = step->node;
    const pith_value *output = output_of(node);
    pith_layer layer = { .name = node->name, .op = node->op->head.name, .kernel = step->kernel,
                         .macs = step->cost.macs, .flops = 2 * step->cost.macs + step->cost.flops,
                         .weight_bytes = weight_bytes_of(node), .scratch_bytes = step->scratch_bytes };
    if (output) {
        layer.output = (pith_tensor){ .dtype = output->dtype, .shape = output->shape };
        layer.output_bytes = pith_tensor_bytes(&layer.output);
    }
    return layer;
}

pith_status pith_model_layers(pith_model *model, const pith_shape *shapes, int n_threads,
                              const pith_layer **layers_out, int *n_layers_out)
{
    pithi_stretch *stretch = NULL;
    void *block = NULL;
    PITH_TRY(plan_for(model, shapes, n_threads > 0 ? n_threads : pithi_cpu_count(), &stretch));
    const pith_plan *plan = stretch->plan;
    pithi_free(model->ctx, model->layers);
    model->layers = NULL;
    PITH_TRY(pithi_alloc_array(model->ctx, (size_t)plan->n_steps, sizeof(pith_layer), &block));
    model->layers = block;
    pithi_arena arena = { .ctx = model->ctx };
    pithi_step_arithmetic *rows = NULL;
    pith_status status = pithi_plan_arithmetic(plan, &arena, &rows);
    for (int i = 0; i < plan->n_steps && status == PITH_OK; i++) {
        model->layers[i] = layer_of(&plan->steps[i]);
        model->layers[i].arithmetic = rows[i].arithmetic;
        model->layers[i].island = rows[i].island;
        model->layers[i].why_float = rows[i].why;
    }
    pithi_arena_deinit(&arena);
    PITH_TRY(status);
    *layers_out = model->layers;
    *n_layers_out = plan->n_steps;
    return PITH_OK;
}

pith_status pith_model_output_shapes(pith_model *model, const pith_shape *shapes, int n_threads, pith_shape *shapes_out)
{
    pithi_stretch *stretch = NULL;
    PITH_TRY(plan_for(model, shapes, n_threads > 0 ? n_threads : pithi_cpu_count(), &stretch));
    for (int i = 0; i < pith_model_n_outputs(model); i++) {
        int from = stretch->outputs[i];
        shapes_out[i] = from >= 0 ? stretch->plan->outputs[from].tensor.shape : (pith_shape){ .rank = -1 };
    }
    return PITH_OK;
}

/* ---- text --------------------------------------------------------------------------------- */

/* The model's own file first, unless it is text itself. */
static pith_status list_files(const pith_model *model, pithi_text_file **files_out, size_t *n_files_out)
{
    const pithi_import_info *info = &model->import;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(model->ctx, info->n_external_files + 1, sizeof(pithi_text_file), &block));
    pithi_text_file *files = block;
    size_t n_files = 0;
    if (model->file_name && !pithi_is_text(model->file.data, model->file.n_bytes)) {
        files[n_files++] = (pithi_text_file){ model->file_name, model->file.data, model->file.n_bytes };
    }
    for (size_t i = 0; i < info->n_external_files; i++) {
        const pithi_file *file = &info->external_files[i];
        files[n_files++] = (pithi_text_file){ info->locations[i], file->data, file->n_bytes };
    }
    *files_out = files;
    *n_files_out = n_files;
    return PITH_OK;
}

pith_status pithi_model_clone_graph(pith_model *model, const pith_shape *shapes, int n_threads, pith_graph **clone_out)
{
    pithi_stretch *stretch = NULL;
    if (shapes) {
        PITH_TRY(plan_for(model, shapes, n_threads > 0 ? n_threads : pithi_cpu_count(), &stretch));
    }
    PITH_TRY(pithi_program_restore(&model->program));
    return pithi_graph_clone(stretch ? stretch->plan->graph : model->root->graph, clone_out);
}

pith_status pith_model_text(pith_model *model, const pith_shape *shapes, int n_threads,
                            void (*write)(void *user, const char *text, size_t n_bytes), void *user)
{
    pithi_text text = { .ctx = model->ctx };
    pithi_text_file *files = NULL;
    size_t n_files = 0;
    pith_graph *clone = NULL; /* the writer numbers values, and graphs of plans are shared */
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(list_files(model, &files, &n_files), done);
    PITH_TRY_GOTO(pithi_model_clone_graph(model, shapes, n_threads, &clone), done);
    PITH_TRY_GOTO(pithi_export_text(clone, files, n_files, &text), done);
    write(user, text.data, text.n_bytes);
done:
    pithi_graph_destroy(clone);
    pithi_free(model->ctx, files);
    pithi_text_deinit(&text);
    return status;
}
