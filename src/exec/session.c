/* SPDX-License-Identifier: Apache-2.0 */
/* Running plans: binding to memory, walking the steps, following stretches. */
#include "exec/internal.h"

#include <stdatomic.h>

#include "base/ctx.h"
#include "graph/object.h"

#define MAX_DEPTH 1000         /* of stretches and bodies within each other */
#define DEFAULT_SPIN_US 50

/* ---- life --------------------------------------------------------------------------------- */

static void choose_threads(pith_session *session, const pith_session_options *options)
{
    int wanted = options->pool ? options->pool->n_threads : options->n_threads;
    pithi_cores cores = { wanted, wanted };
    if (!wanted || (wanted >= PITHI_LEAST_FAR && !options->pool)) {
        cores = pithi_cores_find();
    }
    session->n_threads = wanted ? wanted : cores.n;
    session->n_near = cores.n_near < session->n_threads ? cores.n_near : session->n_threads;
}

pith_status pith_session_create(pith_model *model, const pith_session_options *options, pith_session **session_out)
{
    static const pith_session_options defaults = { 0 };
    const pith_session_options *o = options ? options : &defaults;
    pith_ctx *ctx = model->ctx;
    PITH_CHECK(ctx, o->n_threads >= 0 && o->n_threads <= 1024, PITH_STATUS_ARG,
               "n_threads is %d; it must be 0 (automatic) to 1024", o->n_threads);
    PITH_CHECK(ctx, !o->pool || (o->pool->parallel_for && o->pool->n_threads >= 1 && o->pool->n_threads <= 1024),
               PITH_STATUS_ARG, "a pool needs parallel_for, and 1 to 1024 threads");
    void *block = NULL, *outputs = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_alloc(ctx, sizeof(pith_session), &block));
    pith_session *session = block;
    session->model = model;
    session->ctx = ctx;
    session->heap.ctx = ctx;
    choose_threads(session, o);
    session->is_steady = o->steady_threads != 0;
    session->keep_denormals = o->keep_denormals != 0;
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)pith_model_n_outputs(model), sizeof(pith_tensor), &outputs), done);
    session->outputs = outputs;
    PITH_TRY_GOTO(pithi_exec_pool_create(ctx, session->n_threads, o->spin_us ? o->spin_us : DEFAULT_SPIN_US,
                                         session->keep_denormals, o->pool, &session->pool), done);
    *session_out = session;
    session = NULL;
done:
    pith_session_destroy(session);
    return status;
}

static void unbind(pithi_slot *slot)
{
    if (slot->stretch) {
        slot->stretch->n_users--;
        slot->stretch = NULL;
    }
}

static void free_kept(pith_session *session)
{
    while (session->kept) {
        pithi_kept *next = session->kept->next;
        pithi_free(session->ctx, session->kept->data);
        pithi_free(session->ctx, session->kept);
        session->kept = next;
    }
}

void pith_session_destroy(pith_session *session)
{
    if (!session) {
        return;
    }
    pith_ctx *ctx = session->ctx;
    pithi_exec_pool_destroy(session->pool);
    for (size_t i = 0; i < session->slots_capacity; i++) {
        pithi_slot *slot = &session->slots[i];
        unbind(slot);
        pithi_free(ctx, slot->arena);
        pithi_free(ctx, slot->tensors);
        pithi_free(ctx, slot->runs);
        pithi_free(ctx, slot->outputs);
        pithi_free(ctx, slot->input_operands);
    }
    free_kept(session);
    pithi_arena_deinit(&session->heap);
    pithi_free(ctx, session->slots);
    pithi_free(ctx, session->outputs);
    pithi_free(ctx, session);
}

int pith_session_n_threads(const pith_session *session) { return session->n_threads; }

pith_status pithi_session_keep(pith_session *session, size_t n_bytes, void **block_out)
{
    void *kept = NULL;
    PITH_TRY(pithi_alloc(session->ctx, sizeof(pithi_kept), &kept));
    pith_status status = pithi_alloc(session->ctx, n_bytes, block_out);
    if (status != PITH_OK) {
        pithi_free(session->ctx, kept);
        return status;
    }
    *(pithi_kept *)kept = (pithi_kept){ session->kept, *block_out };
    session->kept = kept;
    return PITH_OK;
}

/* ---- binding ------------------------------------------------------------------------------ */

static pith_status reserve(pith_ctx *ctx, void **array, size_t *capacity, int needed, size_t item_bytes)
{
    return pithi_grow(ctx, array, capacity, (size_t)needed, item_bytes);
}

static pith_status reserve_slot(pith_ctx *ctx, pithi_slot *slot, const pith_plan *plan)
{
    void *tensors = slot->tensors, *runs = slot->runs, *outputs = slot->outputs, *patches = slot->input_operands;
    pith_status status = reserve(ctx, &tensors, &slot->tensors_capacity, plan->n_operands, sizeof(pith_tensor));
    slot->tensors = tensors;
    PITH_TRY(status);
    status = reserve(ctx, &runs, &slot->runs_capacity, plan->n_steps, sizeof(pith_run));
    slot->runs = runs;
    PITH_TRY(status);
    status = reserve(ctx, &outputs, &slot->outputs_capacity, plan->n_outputs, sizeof(pith_tensor));
    slot->outputs = outputs;
    PITH_TRY(status);
    status = reserve(ctx, &patches, &slot->input_operands_capacity, plan->n_operands + plan->n_outputs, sizeof(int));
    slot->input_operands = patches;
    PITH_TRY(status);
    size_t arena_bytes = plan->arena_bytes + !plan->arena_bytes; /* empty tensors have an address, too */
    if (slot->arena_capacity < arena_bytes) {
        void *arena = NULL;
        pithi_free(ctx, slot->arena);
        slot->arena = NULL;
        slot->arena_capacity = 0;
        PITH_TRY_AT(ctx, pithi_alloc_raw(ctx, arena_bytes, &arena), "arena of a session for %d steps",
                    plan->n_steps);
        pithi_alloc_prefer_huge(ctx, arena, arena_bytes);
        slot->arena = arena;
        slot->arena_capacity = arena_bytes;
    }
    return PITH_OK;
}

static size_t grown_bytes(int needed, size_t item_bytes)
{
    return needed > 0 ? pithi_alloc_bytes(pithi_grown_items(0, (size_t)needed) * item_bytes) : 0;
}

size_t pithi_session_bytes(const pith_model *model, const pith_plan *plan, int n_threads)
{
    return pithi_alloc_bytes(sizeof(pith_session)) + pithi_exec_pool_bytes(n_threads) +
           pithi_alloc_bytes((size_t)pith_model_n_outputs(model) * sizeof(pith_tensor)) +
           grown_bytes(1, sizeof(pithi_slot)) + grown_bytes(plan->n_operands, sizeof(pith_tensor)) +
           grown_bytes(plan->n_steps, sizeof(pith_run)) + grown_bytes(plan->n_outputs, sizeof(pith_tensor)) +
           grown_bytes(plan->n_operands + plan->n_outputs, sizeof(int)) +
           pithi_alloc_bytes(plan->arena_bytes + !plan->arena_bytes);
}

static void bind_operand(pithi_slot *slot, const pithi_operand *operand, int patch, pith_tensor *tensor)
{
    *tensor = operand->tensor;
    if (operand->place == PITHI_AT_ARENA) {
        tensor->data = slot->arena + operand->where;
    } else if (operand->place == PITHI_AT_INPUT) {
        slot->input_operands[slot->n_input_operands++] = patch;
    }
}

static pith_status bind(pith_session *session, pithi_slot *slot, pithi_stretch *stretch)
{
    if (slot->stretch == stretch) {
        return PITH_OK;
    }
    const pith_plan *plan = stretch->plan;
    unbind(slot);
    PITH_TRY(reserve_slot(session->ctx, slot, plan));
    slot->n_input_operands = 0;
    for (int i = 0; i < plan->n_operands; i++) {
        bind_operand(slot, &plan->operands[i], i, &slot->tensors[i]);
    }
    for (int i = 0; i < plan->n_outputs; i++) {
        bind_operand(slot, &plan->outputs[i], -1 - i, &slot->outputs[i]);
    }
    for (int i = 0; i < plan->n_steps; i++) {
        const pith_step *step = &plan->steps[i];
        pith_tensor *tensors = &slot->tensors[step->first_operand];
        slot->runs[i] = (pith_run){ .node = step->node, .attrs = step->node->attrs, .state = step->state,
                                    .inputs = tensors, .n_inputs = step->node->n_inputs,
                                    .outputs = tensors + step->node->n_inputs, .n_outputs = step->node->n_outputs,
                                    .strides = step->strides, .shared = slot->arena + step->shared_offset,
                                    .fault = &session->fault, .heap = &session->heap };
    }
    slot->stretch = stretch;
    pithi_pace_start(&slot->pace, session->n_threads, pithi_session_first_threads(session, plan));
    stretch->n_users++;
    return PITH_OK;
}

static void patch_inputs(pithi_slot *slot, const pith_tensor *inputs)
{
    const pith_plan *plan = slot->stretch->plan;
    for (int i = 0; i < slot->n_input_operands; i++) {
        int patch = slot->input_operands[i];
        if (patch >= 0) {
            slot->tensors[patch].data = inputs[plan->operands[patch].where].data;
        } else {
            slot->outputs[-1 - patch].data = inputs[plan->outputs[-1 - patch].where].data;
        }
    }
}

/* Counts the work of a plan before any of it is done. */
static pith_status spend(pith_session *session, const pith_plan *plan)
{
    uint64_t ceiling = session->ctx->limits.max_operations;
    PITH_CHECK(session->ctx, session->n_operations <= ceiling && plan->flops <= ceiling - session->n_operations,
               PITH_STATUS_LIMIT, "%llu operations after %llu would exceed the ceiling of %llu for a run; "
               "pith_limits.max_operations (--max-operations) raises it", (unsigned long long)plan->flops,
               (unsigned long long)session->n_operations, (unsigned long long)ceiling);
    session->n_operations += plan->flops;
    return PITH_OK;
}

static pith_status run_plan(pith_session *session, pithi_slot *slot, const pith_tensor *inputs)
{
    const pith_plan *plan = slot->stretch->plan;
    PITH_TRY(spend(session, plan));
    uint32_t former = session->keep_denormals ? 0 : pithi_denormals_off();
    patch_inputs(slot, inputs);
    int n_done = pithi_session_run_steps(session, slot);
    if (!session->keep_denormals) {
        pithi_denormals_restore(former);
    }
    if (atomic_load(&session->fault.is_set)) {
        const pith_node *node = plan->steps[n_done - 1].node;
        pith_status status = session->fault.status ? session->fault.status : PITH_STATUS_ARG;
        PITH_FAIL(session->ctx, status, "node '%s' (%s): %s", node->name, node->op->head.name,
                  session->fault.message);
    }
    PITH_CHECK(session->ctx, n_done == plan->n_steps, PITH_STATUS_LIMIT,
               "the run took longer than %llu ms and was stopped after step %d of %d; pith_limits.max_run_ms "
               "(--max-time) raises the ceiling", (unsigned long long)session->ctx->limits.max_run_ms, n_done,
               plan->n_steps);
    return PITH_OK;
}

/* ---- stretches ---------------------------------------------------------------------------- */

static pith_status slot_at(pith_session *session, int depth, pithi_slot **slot_out)
{
    PITH_CHECK(session->ctx, depth < MAX_DEPTH, PITH_STATUS_LIMIT,
               "more than %d stretches and bodies within each other", MAX_DEPTH);
    void *slots = session->slots;
    pith_status status =
        pithi_grow(session->ctx, &slots, &session->slots_capacity, (size_t)depth + 1, sizeof(pithi_slot));
    session->slots = slots;
    PITH_TRY(status);
    *slot_out = &session->slots[depth];
    return PITH_OK;
}

static pith_status run_rest(pith_session *session, const pithi_stretch *stretch, const pith_tensor *available,
                            int depth, pith_tensor *rest_outputs)
{
    pith_ctx *ctx = session->ctx;
    size_t n_inputs = stretch->rest->graph->n_inputs;
    void *block = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_alloc_array(ctx, n_inputs, sizeof(pith_tensor), &block));
    pith_tensor *inputs = block;
    for (int i = 0; i < stretch->n_rest_inputs; i++) {
        inputs[i] = available[stretch->rest_inputs[i]];
    }
    if (stretch->control) {
        PITH_TRY_GOTO(pithi_session_run_control(session, stretch->control, available, depth,
                                                inputs + stretch->n_rest_inputs), done);
    }
    PITH_TRY_GOTO(pithi_session_run_template(session, stretch->rest, inputs, depth, rest_outputs), done);
done:
    pithi_free(ctx, block);
    return status;
}

static pith_status run_chain(pith_session *session, const pithi_stretch *stretch, int depth, pith_tensor *outputs)
{
    pith_ctx *ctx = session->ctx;
    size_t n_outputs = stretch->of->graph->n_outputs;
    int n_available = stretch->plan->n_outputs;
    void *available = NULL, *rest_outputs = NULL;
    pith_status status = PITH_OK;
    /* The slot array may move while the rest runs, so outputs of this stretch are copied out first. */
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_available, sizeof(pith_tensor), &available), done);
    PITH_TRY_GOTO(pithi_alloc_array(ctx, stretch->rest->graph->n_outputs, sizeof(pith_tensor), &rest_outputs), done);
    if (n_available > 0) {
        memcpy(available, session->slots[depth].outputs, (size_t)n_available * sizeof(pith_tensor));
    }
    PITH_TRY_GOTO(run_rest(session, stretch, available, depth + 1, rest_outputs), done);
    for (size_t i = 0; i < n_outputs; i++) {
        int from = stretch->outputs[i];
        outputs[i] = from >= 0 ? ((pith_tensor *)available)[from] : ((pith_tensor *)rest_outputs)[-1 - from];
    }
done:
    pithi_free(ctx, available);
    pithi_free(ctx, rest_outputs);
    return status;
}

pith_status pithi_session_run_template(pith_session *session, pithi_template *template, const pith_tensor *inputs,
                                       int depth, pith_tensor *outputs)
{
    pithi_slot *slot = NULL;
    pithi_stretch *stretch = NULL;
    PITH_TRY(slot_at(session, depth, &slot));
    PITH_TRY(pithi_template_stretch(template, inputs, session->n_threads, &stretch));
    PITH_TRY(bind(session, slot, stretch));
    PITH_TRY(run_plan(session, slot, inputs));
    session->last_depth = depth;
    if (stretch->rest) {
        return run_chain(session, stretch, depth, outputs);
    }
    for (size_t i = 0; i < template->graph->n_outputs; i++) {
        outputs[i] = slot->outputs[stretch->outputs[i]];
    }
    return PITH_OK;
}

/* ---- public ------------------------------------------------------------------------------- */

static pith_status check_type(const pith_session *session, const pith_value_info *wanted, const pith_tensor *input)
{
    const pith_object *object = pith_object_of(input);
    char is[PITH_TYPE_TEXT_BYTES], must[PITH_TYPE_TEXT_BYTES];
    PITH_CHECK(session->ctx, object, PITH_STATUS_ARG, "input '%s' has no object", wanted->name);
    PITH_CHECK(session->ctx, !wanted->type || pith_type_equal(object->type, wanted->type), PITH_STATUS_DTYPE,
               "input '%s' has type %s, the model wants %s", wanted->name, pith_type_text(object->type, is),
               pith_type_text(wanted->type, must));
    return PITH_OK;
}

static pith_status check_inputs(const pith_session *session, const pith_tensor *inputs, int n_inputs)
{
    const pith_model *model = session->model;
    PITH_CHECK(session->ctx, n_inputs == pith_model_n_inputs(model), PITH_STATUS_ARG,
               "%d inputs given, the model has %d", n_inputs, pith_model_n_inputs(model));
    for (int i = 0; i < n_inputs; i++) {
        const pith_value_info *wanted = pith_model_input(model, i);
        PITH_CHECK(session->ctx, inputs[i].dtype == wanted->dtype, PITH_STATUS_DTYPE,
                   "input '%s' has dtype %s, the model wants %s", wanted->name, pith_dtype_name(inputs[i].dtype),
                   pith_dtype_name(wanted->dtype));
        PITH_TRY_AT(session->ctx, pithi_model_check_shape(model, i, &inputs[i].shape), "input '%s'", wanted->name);
        PITH_CHECK(session->ctx, inputs[i].data || pith_tensor_bytes(&inputs[i]) == 0, PITH_STATUS_ARG,
                   "input '%s' has no data", wanted->name);
        if (wanted->dtype == PITH_DTYPE_OBJECT) {
            PITH_TRY(check_type(session, wanted, &inputs[i]));
        }
    }
    return PITH_OK;
}

/* Results may point to what inputs point to, and live longer: such inputs are copied with all that they hold. */
static pith_status adopt_inputs(pith_session *session, const pith_tensor **inputs, int n_inputs)
{
    bool has_pointers = false;
    void *copies = NULL;
    for (int i = 0; i < n_inputs; i++) {
        has_pointers |= pithi_dtype_has_pointers((*inputs)[i].dtype);
    }
    if (!has_pointers) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&session->heap, (size_t)n_inputs, sizeof(pith_tensor), &copies));
    memcpy(copies, *inputs, (size_t)n_inputs * sizeof(pith_tensor));
    for (int i = 0; i < n_inputs; i++) {
        if (pithi_dtype_has_pointers((*inputs)[i].dtype)) {
            PITH_TRY_AT(session->ctx,
                        pithi_value_copy(&session->heap, &(*inputs)[i], PITHI_WHOLE, (pith_tensor *)copies + i),
                        "input '%s'", pith_model_input(session->model, i)->name);
        }
    }
    *inputs = copies;
    return PITH_OK;
}

pith_status pith_session_run(pith_session *session, const pith_tensor *inputs, int n_inputs)
{
    PITH_TRY(pithi_model_check_complete(session->model));
    PITH_TRY(check_inputs(session, inputs, n_inputs));
    free_kept(session);
    session->has_outputs = false;
    atomic_store(&session->fault.is_set, 0);
    const pith_limits *limits = &session->ctx->limits;
    session->n_operations = session->n_iterations = 0;
    bool has_deadline = limits->max_run_ms > 0 && limits->max_run_ms < (uint64_t)1 << 40; /* beyond: 34 years */
    session->deadline_ns = has_deadline ? pithi_clock_ns() + limits->max_run_ms * 1000000u : 0;
    session->fault.status = PITH_OK;
    pithi_arena_deinit(&session->heap);
    PITH_TRY(adopt_inputs(session, &inputs, n_inputs));
    pith_status status = pithi_session_run_template(session, session->model->root, inputs, 0, session->outputs);
    session->has_outputs = status == PITH_OK;
    return status;
}

const pith_tensor *pith_session_output(const pith_session *session, int index)
{
    bool exists = session->has_outputs && index >= 0 && index < pith_model_n_outputs(session->model);
    return exists ? &session->outputs[index] : NULL;
}

const pith_tensor *pith_session_value(const pith_session *session, int index, const char **name_out)
{
    int seen = 0;
    for (int depth = 0; session->has_outputs && depth <= session->last_depth; depth++) {
        const pithi_slot *slot = &session->slots[depth];
        const pith_plan *plan = slot->stretch->plan;
        for (int i = 0; i < plan->n_steps; i++) {
            const pith_run *run = &slot->runs[i];
            for (int k = 0; k < run->n_outputs; k++) {
                if (run->outputs[k].dtype != PITH_DTYPE_NONE && seen++ == index) {
                    *name_out = plan->operands[plan->steps[i].first_operand + run->n_inputs + k].name;
                    return &run->outputs[k];
                }
            }
        }
    }
    return NULL;
}
