/* SPDX-License-Identifier: Apache-2.0 */
/* Graph -> steps: liveness, prepare of every node, offsets. */
#include "plan/plan.h"

#include "kernels/kernel.h"
#include "platform/platform.h"

typedef struct builder {
    pith_ctx *ctx;
    pith_plan *plan;
    pithi_liveness live;
    const pithi_plan_options *options;
} builder;

static pithi_operand operand_of(const builder *b, const pith_value *value)
{
    pithi_operand operand = { .place = PITHI_AT_NOWHERE };
    if (!value) {
        return operand;
    }
    const pithi_storage *storage = &b->live.storage[value->index];
    operand.tensor = (pith_tensor){ .dtype = value->dtype, .shape = value->shape };
    operand.place = storage->place;
    operand.stride = storage->stride;
    operand.name = value->name;
    if (storage->place == PITHI_AT_CONSTANT) {
        operand.tensor.data = storage->constant->data;
    } else if (storage->place == PITHI_AT_INPUT) {
        operand.where = (size_t)storage->input;
    } else {
        operand.where = (size_t)storage->block; /* becomes an offset once blocks are placed */
        operand.first = storage->first;
    }
    return operand;
}

static bool is_same_place(const pithi_storage *a, const pithi_storage *b)
{
    return a->place == b->place && a->block == b->block && a->input == b->input && a->constant == b->constant &&
           a->first == b->first && a->stride == b->stride;
}

/* True if every piece of a join or cut lies where it belongs in the whole. */
static bool is_in_place(const builder *b, const pith_node *node)
{
    pith_value *const *pieces;
    int n_pieces;
    pith_span span = { 0 };
    const pithi_storage *whole = &b->live.storage[pithi_plan_whole(node, &pieces, &n_pieces)->index];
    for (int i = 0; i < n_pieces; i++) {
        pithi_storage wanted = *whole;
        bool is_piece = pithi_plan_piece(node, i, &span, &wanted.first, &wanted.stride);
        if (pieces[i] && (!is_piece || !is_same_place(&wanted, &b->live.storage[pieces[i]->index]))) {
            return false;
        }
    }
    return true;
}

/* A node that nobody wants needs no step, nor do copies of bytes that already are where they belong. */
static bool needs_step(const builder *b, const pith_node *node)
{
    if (!pithi_node_is_wanted(node)) {
        return false;
    }
    if (node->op->piece) {
        return !is_in_place(b, node);
    }
    if (!(node->op->flags & PITH_OP_VIEW) || !node->outputs[0] || node->n_outputs > 1) {
        return true;
    }
    const pithi_storage *from = &b->live.storage[node->inputs[0]->index];
    const pithi_storage *to = &b->live.storage[node->outputs[0]->index];
    return !is_same_place(from, to);
}

static pith_status count_all(builder *b)
{
    void *steps = NULL, *operands = NULL, *outputs = NULL;
    size_t n_steps = 0, n_operands = 0;
    for (const pith_node *node = b->plan->graph->first; node; node = node->next) {
        n_steps++;
        n_operands += (size_t)node->n_inputs + (size_t)node->n_outputs;
    }
    PITH_CHECK(b->ctx, n_operands < INT32_MAX / 2, PITH_STATUS_LIMIT, "too many operands");
    PITH_TRY(pithi_arena_array(&b->plan->memory, n_steps, sizeof(pith_step), &steps));
    PITH_TRY(pithi_arena_array(&b->plan->memory, n_operands, sizeof(pithi_operand), &operands));
    PITH_TRY(pithi_arena_array(&b->plan->memory, b->plan->graph->n_outputs, sizeof(pithi_operand), &outputs));
    b->plan->steps = steps;
    b->plan->operands = operands;
    b->plan->outputs = outputs;
    return PITH_OK;
}

/* Memory that only this step needs becomes a block that lives for one step. */
static pith_status add_step_block(builder *b, size_t n_bytes, int copies, int step, size_t *block_out)
{
    size_t total = 0;
    PITH_CHECK(b->ctx, pithi_mul_size(pithi_align_up(n_bytes, PITH_ALIGNMENT), (size_t)copies, &total),
               PITH_STATUS_LIMIT, "scratch memory overflows a size");
    b->live.blocks[b->live.n_blocks] = (pithi_block){ total, 0, step, step };
    *block_out = (size_t)b->live.n_blocks++;
    return PITH_OK;
}

/* 64 multiply-accumulates, 8 other operations or 32 bytes per ns: what AVX-512 at 3 GHz does at best. */
static double estimate_ns(const pith_step *step, uint64_t n_bytes)
{
    return (double)step->cost.macs / 64.0 + (double)step->cost.flops / 8.0 + (double)n_bytes / 32.0;
}

static void add_costs(builder *b, pith_step *step, const pith_tensor *inputs, const pith_tensor *outputs)
{
    const pith_node *node = step->node;
    pith_tensor made[PITH_MAX_RANK * 8];
    if (node->n_outputs > PITH_COUNT(made)) {
        return;
    }
    memcpy(made, outputs, (size_t)node->n_outputs * sizeof *made);
    pith_infer infer = { .ctx = b->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = made, .n_outputs = node->n_outputs };
    pithi_op_cost(&infer, &step->cost);
    b->plan->macs += step->cost.macs;
    b->plan->flops += 2 * step->cost.macs + step->cost.flops;
    uint64_t before = b->plan->bytes_read + b->plan->bytes_written;
    for (int i = 0; i < node->n_inputs; i++) {
        b->plan->bytes_read += inputs[i].dtype != PITH_DTYPE_NONE ? pith_tensor_bytes(&inputs[i]) : 0;
    }
    for (int i = 0; i < node->n_outputs; i++) {
        b->plan->bytes_written += outputs[i].dtype != PITH_DTYPE_NONE ? pith_tensor_bytes(&outputs[i]) : 0;
    }
    step->work_ns = estimate_ns(step, b->plan->bytes_read + b->plan->bytes_written - before);
}

/* What was found best for such a step; sums in their plain order leave no choice but how to cut. */
static pith_status find_tuned(const builder *b, pith_step *step, pith_prepare *prepare, pithi_tuned *tuned)
{
    if (!b->options->tuning) {
        return PITH_OK;
    }
    PITH_TRY(pithi_tuning_key(b->ctx, step->node, prepare->inputs, prepare->outputs, &step->tuning_key));
    *tuned = *pithi_tuning_find(b->options->tuning, step->tuning_key);
    if (!b->options->is_exact) {
        prepare->choice = tuned->choice;
        bool is_lower = tuned->isa >= 0 && (prepare->isa_limit < 0 || tuned->isa < prepare->isa_limit);
        prepare->isa_limit = is_lower ? tuned->isa : prepare->isa_limit;
    }
    return PITH_OK;
}

/* Weights that were folded, or lay unaligned in the file, would stay in memory beside the packed ones. */
static void spend_packed(const builder *b, const pith_prepare *prepare)
{
    const pithi_plan_options *options = b->options;
    for (int i = 0; options->spendable && prepare->use_run && i < prepare->n_inputs && i < 64; i++) {
        const pith_tensor *input = &prepare->inputs[i];
        if (prepare->packed >> i & 1 && input->dtype == PITH_DTYPE_F32 &&
            pith_tensor_bytes(input) >= PITHI_SPENDABLE_BYTES &&
            pithi_arena_owns(options->spendable, input->data) && pithi_graph_count_reads(b->plan->graph, input) == 1) {
            *options->has_spent = true;
            pithi_file_forget(input->data, pith_tensor_bytes(input));
        }
    }
}

/* Constants that lie unaligned in the file are copied for this plan, but for those that are `read_anywhere`. */
static pith_status align_constants(builder *b, const pith_step *step, pith_tensor *inputs, uint64_t read_anywhere)
{
    for (int i = 0; i < step->node->n_inputs; i++) {
        pithi_operand *operand = &b->plan->operands[step->first_operand + i];
        const bool is_readable = operand->place != PITHI_AT_CONSTANT || pithi_is_aligned(&inputs[i]);
        if (!is_readable && !(i < 64 && read_anywhere >> i & 1)) {
            PITH_TRY(pithi_tensor_align(&b->plan->graph->arena, &inputs[i]));
            operand->tensor.data = inputs[i].data;
        }
    }
    return PITH_OK;
}

/* Says so where `pith tune` chose the way of a step. */
static pith_status tell_tuned(const builder *b, const pithi_tuned *tuned, pith_step *step)
{
    const bool has_choice = tuned->choice > 0 && tuned->choice < step->n_choices && !b->options->is_exact;
    const bool has_isa = tuned->isa >= 0 && !b->options->is_exact;
    const bool is_serial = tuned->serial_at == b->options->n_threads;
    if (!has_choice && !has_isa && !is_serial) {
        return PITH_OK;
    }
    return pithi_arena_format(&b->plan->memory, &step->why, "by timing (pith tune):%s%s%s%s%s%s%s",
                              has_choice ? " " : "", has_choice ? step->choices[tuned->choice] : "",
                              has_isa ? " kernels of " : "", has_isa ? pithi_isa_name(tuned->isa) : "",
                              is_serial ? " one thread" : "", step->why ? "; " : "", step->why ? step->why : "");
}

static pith_status prepare_step(builder *b, pith_step *step, pith_tensor *inputs, const pith_tensor *outputs)
{
    const pith_node *node = step->node;
    pith_prepare prepare = { .ctx = b->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                             .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs,
                             .isa_limit = pithi_isa_limit(b->ctx), .n_threads = b->options->n_threads,
                             .is_exact = b->options->is_exact, .allows_float16 = b->options->allows_float16,
                             .arena = &b->plan->memory, .packs = b->options->packs,
                             .strides = step->strides, .plan_constants = &b->plan->graph->arena, .max_parts = 1,
                             .n_phases = 1 };
    pithi_tuned tuned = PITHI_TUNED_DEFAULT;
    PITH_TRY(align_constants(b, step, inputs, node->op->packed_inputs | node->op->unaligned_inputs));
    PITH_TRY(find_tuned(b, step, &prepare, &tuned));
    if (node->op->prepare) {
        PITH_TRY(node->op->prepare(&prepare));
    }
    PITH_CHECK(b->ctx, prepare.use_run || !prepare.strides, PITH_STATUS_INTERNAL,
               "%s has no way to run with operands that lie within others, though it said so", node->op->head.name);
    PITH_TRY(align_constants(b, step, inputs, prepare.use_run ? prepare.packed | node->op->unaligned_inputs : 0));
    spend_packed(b, &prepare);
    step->use_run = prepare.use_run;
    step->state = prepare.state;
    bool is_cut = prepare.use_run && tuned.serial_at != b->options->n_threads;
    step->max_parts = is_cut ? prepare.max_parts : 1;
    step->n_phases = prepare.use_run ? prepare.n_phases : 1;
    step->kernel = prepare.use_run ? prepare.kernel : NULL;
    step->why = prepare.why;
    step->choices = prepare.choices;
    step->n_choices = prepare.n_choices;
    PITH_TRY(tell_tuned(b, &tuned, step));
    step->scratch_bytes = pithi_align_up(prepare.scratch_bytes, PITH_ALIGNMENT);
    step->shared_bytes = prepare.shared_bytes;
    if (!prepare.use_run && node->op->ref_bytes) {
        const pith_run run = { .node = node, .attrs = node->attrs, .inputs = inputs, .n_inputs = node->n_inputs };
        step->shared_bytes = node->op->ref_bytes(&run);
    }
    int n_workers = step->max_parts > 1 ? b->options->n_threads : 1; /* any worker may take any part */
    PITH_TRY(add_step_block(b, step->scratch_bytes, n_workers, node->index, &step->scratch_offset));
    return add_step_block(b, step->shared_bytes, 1, node->index, &step->shared_offset);
}

/* NULL where all operands are dense. */
static pith_status list_strides(builder *b, pith_step *step, int n_operands)
{
    const pithi_operand *operands = &b->plan->operands[step->first_operand];
    int64_t *strides = NULL;
    for (int i = 0; i < n_operands; i++) {
        void *block = NULL;
        if (operands[i].stride && !strides) {
            PITH_TRY(pithi_arena_array(&b->plan->memory, (size_t)n_operands, sizeof(int64_t), &block));
            step->strides = strides = block;
        }
        if (strides) {
            strides[i] = operands[i].stride;
        }
    }
    return PITH_OK;
}

static pith_status add_step(builder *b, const pith_node *node)
{
    pith_plan *plan = b->plan;
    pith_step *step = &plan->steps[plan->n_steps];
    void *block = NULL;
    step->node = node;
    step->first_operand = plan->n_operands;
    int n_operands = node->n_inputs + node->n_outputs;
    PITH_TRY(pithi_arena_array(&plan->memory, (size_t)n_operands, sizeof(pith_tensor), &block));
    pith_tensor *tensors = block;
    for (int i = 0; i < n_operands; i++) {
        const pith_value *value = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
        pithi_operand *operand = &plan->operands[plan->n_operands++];
        *operand = operand_of(b, value);
        tensors[i] = operand->tensor;
    }
    PITH_TRY(list_strides(b, step, n_operands));
    PITH_TRY(prepare_step(b, step, tensors, tensors + node->n_inputs));
    add_costs(b, step, tensors, tensors + node->n_inputs);
    plan->n_steps++;
    return PITH_OK;
}

static pith_status add_all_steps(builder *b)
{
    for (const pith_node *node = b->plan->graph->first; node; node = node->next) {
        if (needs_step(b, node)) {
            PITH_TRY_AT(b->ctx, add_step(b, node), "node '%s' (%s)", node->name, node->op->head.name);
        }
    }
    for (size_t i = 0; i < b->plan->graph->n_outputs; i++) {
        b->plan->outputs[b->plan->n_outputs++] = operand_of(b, b->plan->graph->outputs[i]);
    }
    return PITH_OK;
}

static void resolve(const builder *b, pithi_operand *operand)
{
    if (operand->place == PITHI_AT_ARENA) {
        operand->where = b->live.blocks[operand->where].offset +
                         (size_t)operand->first * pith_dtype_bytes(operand->tensor.dtype);
    }
}

static pith_status assign_offsets(builder *b)
{
    pith_plan *plan = b->plan;
    PITH_TRY(pithi_plan_assign_offsets(b->ctx, b->live.blocks, b->live.n_blocks, plan->graph->n_nodes + 1,
                                       &plan->arena_bytes, &plan->arena_lower_bound_bytes));
    for (int i = 0; i < plan->n_operands; i++) {
        resolve(b, &plan->operands[i]);
    }
    for (int i = 0; i < plan->n_outputs; i++) {
        resolve(b, &plan->outputs[i]);
    }
    for (int i = 0; i < plan->n_steps; i++) {
        pith_step *step = &plan->steps[i];
        step->scratch_offset = b->live.blocks[step->scratch_offset].offset;
        step->shared_offset = b->live.blocks[step->shared_offset].offset;
    }
    plan->blocks = b->live.blocks;
    plan->n_blocks = b->live.n_blocks;
    return PITH_OK;
}

static pith_status build(builder *b)
{
    pith_graph *graph = b->plan->graph;
    PITH_CHECK(b->ctx, graph->n_nodes < INT32_MAX / 4, PITH_STATUS_LIMIT, "too many nodes");
    PITH_TRY(pithi_plan_liveness(graph, b->options, 2 * graph->n_nodes, &b->plan->memory, &b->live));
    PITH_TRY(count_all(b));
    PITH_TRY(add_all_steps(b));
    if (b->options->n_threads > 1) {
        PITH_TRY(pithi_plan_together(b->plan, b->live.blocks, b->live.n_blocks));
    }
    return assign_offsets(b);
}

pith_status pithi_plan_create(pith_graph *graph, const pithi_plan_options *options, pith_plan **plan_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(graph->ctx, sizeof(pith_plan), &block));
    pith_plan *plan = block;
    plan->ctx = graph->ctx;
    plan->memory.ctx = graph->ctx;
    plan->graph = graph;
    plan->n_threads = options->n_threads;
    builder b = { .ctx = graph->ctx, .plan = plan, .options = options };
    pith_status status = build(&b);
    if (status != PITH_OK) {
        plan->graph = NULL;
        pithi_plan_destroy(plan);
        return status;
    }
    *plan_out = plan;
    return PITH_OK;
}

void pithi_plan_destroy(pith_plan *plan)
{
    if (plan) {
        pithi_graph_destroy(plan->graph);
        pithi_arena_deinit(&plan->memory);
        pithi_free(plan->ctx, plan);
    }
}
