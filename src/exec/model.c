/* SPDX-License-Identifier: Apache-2.0 */
/* Models: file -> imported, optimised graph -> the root template; descriptions and cost reports. */
#include <stdio.h>
#include <stdlib.h>

#include "exec/internal.h"
#include "graph/object.h"
#include "passes/pass.h"
#include "platform/machine.h"
#include "pith_ops_list.h"

#define DEFAULT_PLAN_CACHE_BYTES ((size_t)256 << 20)

/* ---- description -------------------------------------------------------------------------- */

static pith_status describe_values(pith_model *model, pith_value *const *values, size_t count,
                                   pith_value_info **info_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&model->memory, count, sizeof(pith_value_info), &block));
    pith_value_info *infos = block;
    for (size_t i = 0; i < count; i++) {
        const pith_value *value = values[i];
        pith_value_info *info = &infos[i];
        PITH_TRY(pithi_arena_text(&model->memory, value->name, strlen(value->name), &info->name));
        info->dtype = value->dtype;
        PITH_TRY(pithi_type_copy(&model->memory, value->type, &info->type));
        info->shape = value->shape;
        info->shape.rank = value->has_shape ? value->shape.rank : -1;
        for (int k = 0; k < info->shape.rank; k++) {
            if (value->symbols[k] && value->shape.dims[k] < 0) {
                PITH_TRY(pithi_arena_text(&model->memory, value->symbols[k], strlen(value->symbols[k]),
                                          &info->symbols[k]));
            }
        }
    }
    *info_out = infos;
    return PITH_OK;
}

static void count_nodes(const pith_graph *graph, int *n_nodes, int *n_unsupported)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        ++*n_nodes;
        *n_unsupported += node->op == NULL;
        for (int i = 0; i < node->n_bodies; i++) {
            count_nodes(node->bodies[i], n_nodes, n_unsupported);
        }
    }
}

static pith_status list_unsupported(pith_model *model, const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(list_unsupported(model, node->bodies[i]));
        }
        if (!node->op) {
            pith_unsupported *entry = &model->unsupported[model->n_unsupported++];
            const char *reason = node->unsupported ? node->unsupported : "";
            PITH_TRY(pithi_arena_text(&model->memory, node->name, strlen(node->name), &entry->node));
            PITH_TRY(pithi_arena_text(&model->memory, node->source_op, strlen(node->source_op), &entry->op));
            PITH_TRY(pithi_arena_text(&model->memory, reason, strlen(reason), &entry->reason));
        }
    }
    return PITH_OK;
}

static int by_count(const void *a, const void *b)
{
    const pith_op_count *x = a, *y = b;
    return x->n_nodes != y->n_nodes ? y->n_nodes - x->n_nodes : strcmp(x->op, y->op);
}

static const char *op_name(const pith_node *node)
{
    return node->op ? node->op->head.name : node->source_op;
}

static void list_op_names(const pith_graph *graph, const char **names, int *n_names)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        names[(*n_names)++] = op_name(node);
        for (int i = 0; i < node->n_bodies; i++) {
            list_op_names(node->bodies[i], names, n_names);
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted first, so that a file of a hundred thousand different operators takes no time worth mentioning. */
static pith_status count_ops(pith_model *model, const pith_graph *graph, int n_nodes, pith_op_count *rows, int *n_rows)
{
    void *block = NULL;
    int n_names = 0;
    PITH_TRY(pithi_alloc_array(model->ctx, (size_t)n_nodes, sizeof(char *), &block));
    const char **names = block;
    pith_status status = PITH_OK;
    list_op_names(graph, names, &n_names);
    if (n_names > 0) {
        qsort(names, (size_t)n_names, sizeof *names, by_text);
    }
    for (int i = 0; i < n_names && status == PITH_OK; i++) {
        if (i == 0 || !pithi_same_text(names[i], names[i - 1])) {
            status = pithi_arena_text(&model->memory, names[i], strlen(names[i]), &rows[(*n_rows)++].op);
        }
        rows[*n_rows - 1].n_nodes++;
    }
    pithi_free(model->ctx, block);
    return status;
}

static void count_params(const pith_graph *graph, pith_model_summary *summary)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        if (value->constant && value->n_uses > 0) {
            summary->n_params += (uint64_t)pith_shape_elements(&value->shape);
            summary->param_bytes += pith_tensor_bytes(value->constant);
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            count_params(node->bodies[i], summary);
        }
    }
}

static pith_status describe(pith_model *model, pith_graph *graph)
{
    pith_model_summary *summary = &model->summary;
    void *unsupported = NULL, *rows = NULL;
    int n_unsupported = 0;
    PITH_TRY(describe_values(model, graph->inputs, graph->n_inputs, &model->inputs));
    PITH_TRY(describe_values(model, graph->outputs, graph->n_outputs, &model->outputs));
    count_nodes(graph, &summary->n_nodes, &n_unsupported);
    PITH_TRY(pithi_arena_array(&model->memory, (size_t)n_unsupported, sizeof(pith_unsupported), &unsupported));
    PITH_TRY(pithi_arena_array(&model->memory, (size_t)summary->n_nodes, sizeof(pith_op_count), &rows));
    model->unsupported = unsupported;
    PITH_TRY(list_unsupported(model, graph));
    PITH_TRY(count_ops(model, graph, summary->n_nodes, rows, &summary->n_ops));
    qsort(rows, (size_t)summary->n_ops, sizeof(pith_op_count), by_count);
    summary->ops = rows;
    pithi_graph_count_uses(graph);
    count_params(graph, summary);
    summary->format = model->import.format;
    summary->ir_version = model->import.ir_version;
    summary->opset = model->import.opset;
    const char *producer = model->import.producer ? model->import.producer : "";
    return pithi_arena_text(&model->memory, producer, strlen(producer), &summary->producer);
}

/* ---- loading ------------------------------------------------------------------------------ */

/* An output that is an input of the graph gets bytes of its own. */
static pith_status separate_outputs(pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        pith_value *output = graph->outputs[i];
        for (size_t k = 0; k < graph->n_inputs; k++) {
            if (graph->inputs[k] == output) {
                pith_value *copy = NULL;
                PITH_TRY(pithi_graph_add_value(graph, NULL, &copy));
                PITH_TRY(pithi_graph_insert_node(graph, NULL, &pith_op_identity, "", &output, 1, &copy, 1, NULL));
                pithi_graph_set_output(graph, i, copy);
                break;
            }
        }
    }
    return PITH_OK;
}

static bool inputs_are_static(const pith_graph *graph)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const pith_value *value = graph->inputs[i];
        bool known = value->has_shape && value->dtype != PITH_DTYPE_NONE;
        for (int k = 0; known && k < value->shape.rank; k++) {
            known = value->shape.dims[k] >= 0;
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

static pith_status optimise(pith_model *model, pith_graph *graph)
{
    if (model->n_unsupported > 0 || model->describe_only) {
        return PITH_OK; /* only described, never run */
    }
    PITH_TRY(separate_outputs(graph));
    if (inputs_are_static(graph)) {
        PITH_TRY(pithi_graph_infer_declared(graph));
    }
    return pithi_passes_run(graph, PITH_STAGE_MODEL, model->program.disabled_passes);
}

static pith_status take_graph(pith_model *model, pith_graph *graph)
{
    PITH_TRY(describe(model, graph));
    PITH_TRY(optimise(model, graph));
    return pithi_template_create(&model->program, graph, true, &model->root);
}

static pith_status import_into(pith_model *model, const void *data, size_t n_bytes, const char *folder)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_model_open_package(model, data, n_bytes));
    model->import.keeps_unaligned = !model->program.keep_all_values; /* whose values callers see */
    PITH_TRY(pithi_import(model->ctx, data, n_bytes, folder, &model->import, &graph));
    pith_status status = take_graph(model, graph);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
    }
    return status;
}

static pith_status set_options(pith_model *model, const pith_model_options *options)
{
    model->program.ctx = model->tuning.ctx = model->ctx;
    model->tuning.fallback = PITHI_TUNED_DEFAULT;
    model->tuning_note = "";
    model->program.max_cached_bytes = DEFAULT_PLAN_CACHE_BYTES;
    if (options) {
        PITH_CHECK(model->ctx, !options->exact || !options->float16, PITH_STATUS_ARG,
                   "the options `exact` and `float16` contradict each other: leave one out");
        if (options->disable_passes || options->exact) {
            static const char inexact[] = ",widen_dynamic,widen_halves,reparameterize,fuse_recurrent,fold_pooled";
            PITH_TRY(pithi_arena_format(&model->memory, &model->program.disabled_passes, "%s%s",
                                        options->disable_passes ? options->disable_passes : "",
                                        options->exact ? inexact : ""));
        }
        if (options->plan_cache_bytes) {
            model->program.max_cached_bytes = options->plan_cache_bytes;
        }
        model->describe_only = options->describe_only != 0;
        model->import.skips_hashes = options->skip_hashes != 0;
        model->program.keep_all_values = options->keep_all_values != 0;
        model->program.is_exact = options->exact != 0;
        model->program.allows_float16 = options->float16 != 0;
        if (options->cache_folder) {
            PITH_TRY(pithi_arena_text(&model->memory, options->cache_folder, strlen(options->cache_folder),
                                      &model->cache_folder));
        }
        if (options->tuning_file) {
            PITH_TRY(pithi_arena_text(&model->memory, options->tuning_file, strlen(options->tuning_file),
                                      &model->tuning_file));
        }
    }
    return pithi_pack_cache_create(model->ctx, &model->program.packs);
}

static pith_status create(pith_ctx *ctx, const pith_model_options *options, pith_model **model_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(ctx, sizeof(pith_model), &block));
    pith_model *model = block;
    model->ctx = ctx;
    model->memory.ctx = ctx;
    pith_status status = set_options(model, options);
    if (status != PITH_OK) {
        pith_model_destroy(model);
        return status;
    }
    *model_out = model;
    return PITH_OK;
}

pith_status pithi_model_from_graph(pith_graph *graph, const pith_model_options *options, pith_model **model_out)
{
    pith_model *model = NULL;
    PITH_TRY(create(graph->ctx, options, &model));
    model->import.format = "none";
    pith_status status = take_graph(model, graph);
    if (status != PITH_OK) {
        pith_model_destroy(model);
        return status;
    }
    *model_out = model;
    return PITH_OK;
}

pith_status pith_model_load_memory(pith_ctx *ctx, const void *data, size_t n_bytes,
                                   const pith_model_options *options, pith_model **model_out)
{
    pith_model *model = NULL;
    PITH_TRY(create(ctx, options, &model));
    pith_status status = import_into(model, data, n_bytes, "");
    if (status != PITH_OK) {
        pith_model_destroy(model);
        return status;
    }
    *model_out = model;
    return PITH_OK;
}

/* ---- choices by timing -------------------------------------------------------------------- */

static pith_status note_tuning(pith_model *model, const char *name, const char *reason)
{
    if (reason[0]) {
        return pithi_arena_format(&model->memory, &model->tuning_note, "%s is ignored: %s", name, reason);
    }
    char list[PITHI_PASS_LIST_BYTES];
    const char *passes = model->program.disabled_passes;
    model->program.tuning = &model->tuning;
    pithi_tuning_list_passes(model->tuning.passes_off, list);
    if (list[0]) {
        PITH_TRY(pithi_arena_format(&model->memory, &model->program.disabled_passes, "%s%s%s", passes ? passes : "",
                                    passes ? "," : "", list));
    }
    return pithi_arena_format(&model->memory, &model->tuning_note, "%zu steps%s%s from %s, timed with %s%d thread%s",
                              model->tuning.n_entries, list[0] ? ", without " : "", list, name,
                              model->tuning.n_threads > 1 ? "1 and " : "", model->tuning.n_threads,
                              model->tuning.n_threads > 1 ? "s" : "");
}

pith_status pithi_model_take_tuning(pith_model *model, const char *name, const char *data, size_t n_bytes)
{
    char reason[200] = "";
    pithi_topology topology;
    pithi_topology_read(&topology);
    model->tuning.is_float16 = model->program.allows_float16;
    PITH_TRY(pithi_tuning_parse(&model->tuning, topology.cpu, data, n_bytes, reason));
    return note_tuning(model, name, reason);
}

/* A file that can't be used is no failure: the model runs without it. */
static pith_status read_tuning(pith_model *model, const char *path, bool is_wanted)
{
    char reason[200] = "";
    pithi_file file = { 0 };
    pith_ctx *ctx = model->ctx;
    if (!pithi_file_exists(path) && !is_wanted) {
        return PITH_OK;
    }
    if (pithi_file_map(ctx, path, &file) != PITH_OK) {
        snprintf(reason, sizeof reason, "%.150s", pith_ctx_error(ctx));
        pith_ctx_clear_error(ctx);
        return note_tuning(model, path, reason);
    }
    pith_status status = pithi_model_take_tuning(model, path, (const char *)file.data, file.n_bytes);
    pithi_file_unmap(&file);
    return status;
}

static pith_status find_tuning(pith_model *model, const char *path)
{
    const char *beside = NULL;
    if (model->tuning_file) {
        return model->tuning_file[0] ? read_tuning(model, model->tuning_file, true) : PITH_OK;
    }
    PITH_TRY(pithi_arena_format(&model->memory, &beside, "%s.tune", path));
    return read_tuning(model, beside, false);
}

/* ---- stored weights ----------------------------------------------------------------------- */

uint64_t pithi_model_pack_identity(const pith_model *model, uint64_t seed)
{
    const pithi_program *program = &model->program;
    const char *isa = pith_ctx_isa(model->ctx), *passes = program->disabled_passes ? program->disabled_passes : "";
    uint64_t identity = pithi_hash(pithi_hash(seed, isa, strlen(isa)), passes, strlen(passes) + 1);
    identity = pithi_hash(identity, &program->is_exact, sizeof program->is_exact);
    return pithi_hash(identity, &program->allows_float16, sizeof program->allows_float16);
}

/* One file per model and instruction set; its name is a hash, its identity another one with all that matters. */
static pith_status open_cache(pith_model *model, const char *path)
{
    const char *file = NULL;
    if (!model->cache_folder) {
        return PITH_OK;
    }
    uint64_t identity = pithi_file_identity(path);
    PITH_CHECK(model->ctx, identity, PITH_STATUS_IO, "can't find '%s'", path);
    uint64_t library = pithi_library_identity(); /* another build may pack otherwise */
    identity = pithi_model_pack_identity(model, pithi_hash(identity, &library, sizeof library));
    PITH_TRY(pithi_arena_format(&model->memory, &file, "%s/%016llx.pack", model->cache_folder,
                                (unsigned long long)identity));
    return pithi_pack_cache_open(model->program.packs, file, identity);
}

/* Import and passes give the same graph again, so weights are found by their places in it. */
static pith_status copy_weights(pith_model *model, const pith_graph *from)
{
    const pith_graph *to = model->root->graph;
    const pith_node *source = from->first;
    for (const pith_node *node = to->first; node; node = node->next, source = source->next) {
        bool is_same = source && source->op == node->op && source->n_inputs == node->n_inputs;
        for (int i = 0; is_same && i < node->n_inputs; i++) {
            const pith_tensor *lost = node->inputs[i] ? node->inputs[i]->constant : NULL;
            size_t n_bytes = lost ? pith_tensor_bytes(lost) : 0;
            if (n_bytes < PITHI_SPENDABLE_BYTES || lost->dtype != PITH_DTYPE_F32 ||
                !pithi_arena_owns(&to->arena, lost->data)) {
                continue;
            }
            const pith_tensor *found = source->inputs[i] ? source->inputs[i]->constant : NULL;
            is_same = found && found->dtype == lost->dtype && pith_tensor_bytes(found) == n_bytes;
            if (is_same) {
                memcpy(lost->data, found->data, n_bytes);
            }
        }
        PITH_CHECK(model->ctx, is_same, PITH_STATUS_STATE,
                   "can't read the weights of '%s' again for another plan: the file was changed meanwhile", node->name);
    }
    return PITH_OK;
}

static pith_status restore_weights(pithi_program *program)
{
    pith_model *model = (pith_model *)(void *)((char *)program - offsetof(pith_model, program));
    pithi_import_info info = { .is_mapped = model->import.is_mapped,
                               .keeps_unaligned = model->import.keeps_unaligned, .skips_hashes = true };
    pith_graph *graph = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_import(model->ctx, model->file.data, model->file.n_bytes, model->folder, &info, &graph), done);
    PITH_TRY_GOTO(optimise(model, graph), done);
    PITH_TRY_GOTO(copy_weights(model, graph), done);
    program->has_spent = false;
done:
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(model->ctx, &info);
    return status;
}

static pith_status load_file(pith_model *model, const char *path)
{
    PITH_TRY(find_tuning(model, path));
    PITH_TRY(open_cache(model, path));
    PITH_TRY(pithi_file_map(model->ctx, path, &model->file));
    bool is_mapped = !model->file.owner;
    if (is_mapped) {
        pithi_pack_cache_set_mapping(model->program.packs, model->file.data, model->file.n_bytes);
    }
    const char *slash = strrchr(path, '/');
    PITH_TRY(pithi_import_folder(&model->memory, path, &model->folder));
    const char *name = slash ? slash + 1 : path;
    PITH_TRY(pithi_arena_text(&model->memory, name, strlen(name), &model->file_name));
    model->import.is_mapped = is_mapped;
    if (!model->cache_folder && !model->describe_only) { /* weights will be packed, for the most part */
        pithi_alloc_expect(model->ctx, model->file.n_bytes);
    }
    PITH_TRY_AT(model->ctx, import_into(model, model->file.data, model->file.n_bytes, model->folder), "%s", path);
    model->program.restore = restore_weights;
    /* Weights that were copied or folded are not read there again; the others come back when packed.
     */
    if (is_mapped) {
        pithi_file_forget(model->file.data, model->file.n_bytes);
    }
    return PITH_OK;
}

pith_status pith_model_load(pith_ctx *ctx, const char *path, const pith_model_options *options, pith_model **model_out)
{
    pith_model *model = NULL;
    PITH_TRY(create(ctx, options, &model));
    pith_status status = load_file(model, path);
    if (status != PITH_OK) {
        pith_model_destroy(model);
        return status;
    }
    *model_out = model;
    return PITH_OK;
}

void pith_model_destroy(pith_model *model)
{
    if (!model) {
        return;
    }
    pithi_alloc_expect(model->ctx, 0);
    pithi_template_destroy(model->root);
    pithi_pack_cache_destroy(model->program.packs);
    pithi_tuning_deinit(&model->tuning);
    pithi_import_info_deinit(model->ctx, &model->import);
    pithi_file_unmap(&model->file);
    pithi_free(model->ctx, model->layers);
    pithi_arena_deinit(&model->checked);
    pithi_arena_deinit(&model->viewed);
    pithi_arena_deinit(&model->memory);
    pithi_free(model->ctx, model);
}

/* ---- questions ---------------------------------------------------------------------------- */

int pith_model_n_inputs(const pith_model *model) { return (int)model->root->graph->n_inputs; }
int pith_model_n_outputs(const pith_model *model) { return (int)model->root->graph->n_outputs; }
const pith_value_info *pith_model_input(const pith_model *model, int index) { return &model->inputs[index]; }
const pith_value_info *pith_model_output(const pith_model *model, int index) { return &model->outputs[index]; }
const char *pith_model_tuning(const pith_model *model) { return model->tuning_note; }
int pith_model_n_unsupported(const pith_model *model) { return model->n_unsupported; }

const pith_unsupported *pith_model_unsupported(const pith_model *model, int index)
{
    return &model->unsupported[index];
}

void pith_model_summarize(const pith_model *model, pith_model_summary *summary_out)
{
    *summary_out = model->summary;
}

pith_status pithi_model_check_complete(const pith_model *model)
{
    PITH_CHECK(model->ctx, !model->describe_only, PITH_STATUS_STATE,
               "the model was loaded with describe_only; load it without to run or plan it");
    PITH_CHECK(model->ctx, model->n_unsupported == 0, PITH_STATUS_UNSUPPORTED,
               "the model has %d nodes that can't run; the first is '%.100s' (%.100s): %s", model->n_unsupported,
               model->unsupported[0].node, model->unsupported[0].op, model->unsupported[0].reason);
    return PITH_OK;
}

pith_status pithi_model_check_shape(const pith_model *model, int index, const pith_shape *shape)
{
    const pith_shape *declared = &model->inputs[index].shape;
    char given[PITHI_SHAPE_TEXT_BYTES], wanted[PITHI_SHAPE_TEXT_BYTES];
    bool agrees = declared->rank < 0 || declared->rank == shape->rank;
    for (int i = 0; agrees && i < declared->rank; i++) {
        agrees = declared->dims[i] < 0 || declared->dims[i] == shape->dims[i];
    }
    PITH_CHECK(model->ctx, agrees, PITH_STATUS_SHAPE, "shape %s given, the model wants %s",
               pithi_shape_text(shape, given), pithi_shape_text(declared, wanted));
    return pithi_shape_check(model->ctx, shape, model->inputs[index].dtype, NULL);
}

const char *pith_version(void)
{
    return PITH_VERSION;
}
