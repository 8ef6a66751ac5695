/* SPDX-License-Identifier: Apache-2.0 */
/* Templates and the cache of their stretches. */
#include "exec/stretch.h"

#include "graph/object.h"
#include "passes/pass.h"

pith_status pithi_template_create(pithi_program *program, pith_graph *graph, bool keeps_outputs,
                                  pithi_template **template_out)
{
    void *block = NULL, *embeds = NULL;
    PITH_TRY(pithi_alloc_array(program->ctx, graph->n_inputs, sizeof(bool), &embeds));
    pith_status status = pithi_alloc(program->ctx, sizeof(pithi_template), &block);
    if (status != PITH_OK) {
        pithi_free(program->ctx, embeds);
        return status;
    }
    pithi_template *template = block;
    *template = (pithi_template){ program, graph, keeps_outputs, embeds, NULL };
    *template_out = template;
    return PITH_OK;
}

static void control_destroy(pith_ctx *ctx, pithi_control *control)
{
    if (control) {
        pithi_template_destroy(control->body);
        pithi_graph_destroy(control->holder);
        pithi_free(ctx, control);
    }
}

static void unlink_from_cache(pithi_stretch *stretch)
{
    pithi_program *program = stretch->of->program;
    if (stretch->newer) {
        stretch->newer->older = stretch->older;
    } else if (program->newest == stretch) {
        program->newest = stretch->older;
    }
    if (stretch->older) {
        stretch->older->newer = stretch->newer;
    } else if (program->oldest == stretch) {
        program->oldest = stretch->newer;
    }
    stretch->newer = stretch->older = NULL;
}

static void link_as_newest(pithi_stretch *stretch)
{
    pithi_program *program = stretch->of->program;
    stretch->older = program->newest;
    if (program->newest) {
        program->newest->newer = stretch;
    } else {
        program->oldest = stretch;
    }
    program->newest = stretch;
}

static void stretch_destroy(pithi_stretch *stretch)
{
    pith_ctx *ctx = stretch->memory.ctx;
    pithi_template_destroy(stretch->rest);
    control_destroy(ctx, stretch->control);
    pithi_plan_destroy(stretch->plan);
    pithi_arena_deinit(&stretch->memory);
    pithi_free(ctx, stretch);
}

static void stretch_forget(pithi_stretch *stretch)
{
    pithi_stretch **link = &stretch->of->stretches;
    while (*link != stretch) {
        link = &(*link)->next;
    }
    *link = stretch->next;
    unlink_from_cache(stretch);
    stretch->of->program->cached_bytes -= stretch->n_bytes;
    stretch_destroy(stretch);
}

void pithi_template_destroy(pithi_template *template)
{
    if (!template) {
        return;
    }
    while (template->stretches) {
        stretch_forget(template->stretches);
    }
    pithi_graph_destroy(template->graph);
    pithi_free(template->program->ctx, template->embeds);
    pithi_free(template->program->ctx, template);
}

/* ---- cache -------------------------------------------------------------------------------- */

static bool matches(const pithi_stretch *stretch, const pith_tensor *inputs, int n_threads)
{
    const pithi_template *template = stretch->of;
    if (stretch->plan->n_threads != n_threads) {
        return false;
    }
    for (size_t i = 0; i < template->graph->n_inputs; i++) {
        const pith_tensor *key = &stretch->key[i];
        if (key->dtype != inputs[i].dtype || !pith_shape_equal(&key->shape, &inputs[i].shape)) {
            return false;
        }
        if (key->data && (!inputs[i].data || !pithi_value_same(key, &inputs[i], PITHI_OUTLINE))) {
            return false;
        }
    }
    return true;
}

/* A stretch can go if neither it nor one further down its chain is bound by a session. */
static bool is_in_use(const pithi_stretch *stretch)
{
    if (stretch->n_users > 0) {
        return true;
    }
    const pithi_template *below[2] = { stretch->rest, stretch->control ? stretch->control->body : NULL };
    for (int i = 0; i < 2; i++) {
        for (const pithi_stretch *inner = below[i] ? below[i]->stretches : NULL; inner; inner = inner->next) {
            if (is_in_use(inner)) {
                return true;
            }
        }
    }
    return false;
}

static void evict_old(pithi_program *program, const pithi_stretch *keep)
{
    pithi_stretch *stretch = program->oldest;
    while (stretch && program->cached_bytes > program->max_cached_bytes) {
        pithi_stretch *newer = stretch->newer;
        if (stretch != keep && !is_in_use(stretch)) {
            stretch_forget(stretch);
            newer = program->oldest; /* stretches below it went too: start again */
        }
        stretch = newer;
    }
}

/* ---- making ------------------------------------------------------------------------------- */

static pith_status embed(pith_graph *graph, pith_value *value, const pith_tensor *input)
{
    PITH_CHECK(graph->ctx, input->data, PITH_STATUS_STATE,
               "shapes depend on the value of input '%s', which isn't known before a run", value->name);
    void *copy = NULL;
    PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof *input, &copy));
    PITH_TRY(pithi_value_copy(&graph->arena, input, PITHI_OUTLINE, copy));
    if (pithi_dtype_has_pointers(input->dtype)) { /* results may point to what it points to, and outlive the plan */
        value->outline = copy;
    } else {
        value->constant = copy;
    }
    return PITH_OK;
}

/* A clone of the template's graph with these shapes, inferred. */
static pith_status instantiate(pithi_template *template, const pith_tensor *inputs, pith_graph **graph_out)
{
    pith_graph *graph = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_graph_clone(template->graph, &graph), done);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        pith_value *value = graph->inputs[i];
        const bool is_declared = value->has_shape && value->dtype == inputs[i].dtype &&
                                 pith_shape_equal(&value->shape, &inputs[i].shape);
        graph->settled = is_declared && !template->embeds[i] ? graph->settled : 0;
        value->dtype = inputs[i].dtype;
        value->shape = inputs[i].shape;
        value->has_shape = true;
        if (template->embeds[i]) {
            PITH_TRY_GOTO(embed(graph, value, &inputs[i]), done);
        }
    }
    PITH_TRY_GOTO(pithi_graph_infer(graph), done);
    *graph_out = graph;
    graph = NULL;
done:
    pithi_graph_destroy(graph);
    return status;
}

static int input_index(const pith_graph *graph, const pith_value *value)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (graph->inputs[i] == value) {
            return (int)i;
        }
    }
    return -1;
}

/* Instantiates, taking branches whose condition is known, until the graph can be planned or cut. */
static pith_status instantiate_fully(pithi_template *template, const pith_tensor *inputs, pith_graph **graph_out,
                                     pith_node **blocked_out)
{
    pith_ctx *ctx = template->program->ctx;
    pith_graph *graph = NULL;
    PITH_TRY(instantiate(template, inputs, &graph));
    pith_status status = PITH_OK;
    for (;;) {
        pith_value *needed = NULL;
        PITH_TRY_GOTO(pithi_find_blocked(graph, blocked_out, &needed), failed);
        int index = needed ? input_index(graph, needed) : -1;
        if (needed && needed->constant) { /* an `if` whose condition is known */
            int64_t condition = pithi_tensor_get_s64(needed->constant, 0);
            PITH_TRY_GOTO(pithi_graph_splice(graph, *blocked_out, condition ? 0 : 1, NULL), failed);
            PITH_TRY_GOTO(pithi_graph_infer(graph), failed);
        } else if (index >= 0) {
            template->embeds[index] = true;
            pithi_graph_destroy(graph);
            graph = NULL;
            PITH_TRY(instantiate(template, inputs, &graph));
        } else {
            break;
        }
    }
    *graph_out = graph;
    return PITH_OK;
failed:
    pithi_add_place(ctx, "shapes");
    pithi_graph_destroy(graph);
    return status;
}

static pith_status make_key(pithi_stretch *stretch, const pith_tensor *inputs)
{
    const pithi_template *template = stretch->of;
    size_t n_inputs = template->graph->n_inputs;
    void *key = NULL;
    PITH_TRY(pithi_arena_array(&stretch->memory, n_inputs, sizeof(pith_tensor), &key));
    stretch->key = key;
    for (size_t i = 0; i < n_inputs; i++) {
        stretch->key[i] = (pith_tensor){ .dtype = inputs[i].dtype, .shape = inputs[i].shape };
        if (template->embeds[i]) {
            PITH_TRY(pithi_value_copy(&stretch->memory, &inputs[i], PITHI_OUTLINE, &stretch->key[i]));
        }
    }
    return PITH_OK;
}

pith_status pithi_program_restore(pithi_program *program)
{
    return program->has_spent ? program->restore(program) : PITH_OK;
}

static pith_status plan_graph(pithi_stretch *stretch, pith_graph *graph, int n_threads)
{
    pithi_program *program = stretch->of->program;
    PITH_TRY(pithi_passes_run(graph, PITH_STAGE_SHAPE, program->disabled_passes));
    bool spends = program->restore && !program->has_plans && !stretch->rest && !program->keep_all_values;
    program->has_plans = true;
    pithi_plan_options options = { .n_threads = n_threads, .keep_all_values = program->keep_all_values,
                                   .n_kept_outputs = stretch->of->keeps_outputs ? (int)graph->n_outputs : 0,
                                   .is_exact = program->is_exact, .allows_float16 = program->allows_float16,
                                   .packs = program->packs,
                                   .tuning = program->tuning,
                                   .spendable = spends ? &stretch->of->graph->arena : NULL,
                                   .has_spent = &program->has_spent };
    return pithi_plan_create(graph, &options, &stretch->plan);
}

static pith_status fill_stretch(pithi_stretch *stretch, const pith_tensor *inputs, int n_threads)
{
    pith_graph *graph = NULL, *planned = NULL;
    pith_node *blocked = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_program_restore(stretch->of->program));
    PITH_TRY_GOTO(instantiate_fully(stretch->of, inputs, &graph, &blocked), done);
    PITH_TRY_GOTO(make_key(stretch, inputs), done);
    PITH_TRY_GOTO(pithi_stretch_cut(stretch, graph, blocked, &planned), done);
    graph = NULL; /* is or went into `planned` and the rest */
    PITH_TRY_GOTO(plan_graph(stretch, planned, n_threads), done);
    planned = NULL;
    pithi_pack_cache_store(stretch->of->program->packs);
    stretch->n_bytes = stretch->memory.n_bytes + stretch->plan->memory.n_bytes + stretch->plan->graph->arena.n_bytes;
done:
    pithi_graph_destroy(graph);
    pithi_graph_destroy(planned);
    return status;
}

pith_status pithi_template_stretch(pithi_template *template, const pith_tensor *inputs, int n_threads,
                                   pithi_stretch **stretch_out)
{
    pithi_program *program = template->program;
    for (pithi_stretch *known = template->stretches; known; known = known->next) {
        if (matches(known, inputs, n_threads)) {
            unlink_from_cache(known);
            link_as_newest(known);
            *stretch_out = known;
            return PITH_OK;
        }
    }
    void *block = NULL;
    PITH_TRY(pithi_alloc(program->ctx, sizeof(pithi_stretch), &block));
    pithi_stretch *stretch = block;
    stretch->of = template;
    stretch->memory.ctx = program->ctx;
    pith_status status = fill_stretch(stretch, inputs, n_threads);
    if (status != PITH_OK) {
        stretch_destroy(stretch);
        return status;
    }
    stretch->next = template->stretches;
    template->stretches = stretch;
    link_as_newest(stretch);
    program->cached_bytes += stretch->n_bytes;
    evict_old(program, stretch);
    *stretch_out = stretch;
    return PITH_OK;
}
