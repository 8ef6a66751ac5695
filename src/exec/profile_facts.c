/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a plan for a profile: what its steps are and read, and who holds the arena when. */
#include "exec/profile.h"

#include <math.h>

static pith_status copy_text(pithi_profile_data *data, const char *text, const char **copy_out)
{
    *copy_out = NULL;
    return text ? pithi_arena_text(&data->memory, text, strlen(text), copy_out) : PITH_OK;
}

static pith_status copy_operands(pithi_profile_data *data, const pith_plan *plan, const pith_step *step,
                                 const pithi_slot *slot, pith_profile_step *row)
{
    int n_inputs = step->node->n_inputs, n = n_inputs + step->node->n_outputs;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&data->memory, (size_t)n, sizeof(pith_profile_operand), &block));
    pith_profile_operand *operands = block;
    for (int i = 0; i < n; i++) {
        const pithi_operand *from = &plan->operands[step->first_operand + i];
        const pith_tensor *tensor = &slot->tensors[step->first_operand + i];
        if (tensor->dtype == PITH_DTYPE_NONE) {
            continue;
        }
        pith_profile_operand *to = &operands[row->n_operands++];
        *to = (pith_profile_operand){ .dtype = tensor->dtype, .shape = tensor->shape,
                                      .n_bytes = pith_tensor_bytes(tensor), .address = (uintptr_t)tensor->data,
                                      .role = i >= n_inputs ? PITH_PROFILE_OUTPUT
                                              : from->place == PITHI_AT_CONSTANT ? PITH_PROFILE_WEIGHT
                                                                                 : PITH_PROFILE_INPUT };
        PITH_TRY(copy_text(data, from->name ? from->name : "", &to->name));
        *(i < n_inputs ? &row->bytes_read : &row->bytes_written) += to->n_bytes;
    }
    row->operands = operands;
    return PITH_OK;
}

static pith_status copy_choices(pithi_profile_data *data, const pith_step *step, pith_profile_step *row)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&data->memory, (size_t)step->n_choices, sizeof(char *), &block));
    const char **names = block;
    for (int i = 0; i < step->n_choices; i++) {
        PITH_TRY(copy_text(data, step->choices[i], &names[i]));
    }
    row->choices = names;
    row->n_choices = step->n_choices;
    return PITH_OK;
}

static size_t bytes_alive(const pith_plan *plan, int at)
{
    size_t n_bytes = 0;
    for (int i = 0; i < plan->n_blocks; i++) {
        const pithi_block *block = &plan->blocks[i];
        n_bytes += block->first_step <= at && at <= block->last_step ? block->n_bytes : 0;
    }
    return n_bytes;
}

static pith_status copy_step(pithi_profile_data *data, const pithi_slot *slot, int index, pith_profile_step *row)
{
    const pith_plan *plan = slot->stretch->plan;
    const pith_step *step = &plan->steps[index];
    const pith_node *node = step->node;
    *row = (pith_profile_step){ .macs = step->cost.macs, .flops = step->cost.flops, .max_parts = step->max_parts,
                                .n_phases = step->n_phases, .stretch = data->n_plans,
                                .key = step->tuning_key, .live_bytes = bytes_alive(plan, node->index) };
    for (int i = 0; i < PITH_PROFILE_TOPDOWN; i++) {
        row->topdown[i] = (double)NAN;
    }
    PITH_TRY(copy_text(data, node->name, &row->name));
    PITH_TRY(copy_text(data, node->op->head.name, &row->op));
    PITH_TRY(copy_text(data, node->source_op, &row->source_op));
    PITH_TRY(copy_text(data, step->use_run ? (step->kernel ? step->kernel : "") : NULL, &row->kernel));
    const char *why = step->why         ? step->why
                      : !step->use_run  ? "the plain reference: the operator has no fast path for these types or shapes"
                      : step->n_choices > 1 ? NULL : "the operator's only way for these types and shapes";
    PITH_TRY(copy_text(data, why, &row->why));
    PITH_TRY(copy_choices(data, step, row));
    return copy_operands(data, plan, step, slot, row);
}

/* ---- blocks ------------------------------------------------------------------------------- */

/* The rows that begin and end a life counted in nodes; false if no step falls in it. */
static bool rows_of_life(const pith_plan *plan, const pithi_block *life, int first_row, pith_profile_block *block)
{
    block->first_step = block->last_step = -1;
    for (int i = 0; i < plan->n_steps; i++) {
        int at = plan->steps[i].node->index;
        if (at >= life->first_step && at <= life->last_step) {
            block->first_step = block->first_step < 0 ? first_row + i : block->first_step;
            block->last_step = first_row + i;
        }
    }
    return block->first_step >= 0;
}

static const pithi_operand *find_result(const pith_plan *plan, const pith_step *step, const pithi_block *life)
{
    for (int k = 0; k < step->node->n_outputs; k++) {
        const pithi_operand *operand = &plan->operands[step->first_operand + step->node->n_inputs + k];
        if (operand->place == PITHI_AT_ARENA && operand->where >= life->offset &&
            operand->where < life->offset + life->n_bytes) {
            return operand;
        }
    }
    return NULL;
}

/* Name of the value whose step made the block, or of the node whose scratch memory it is. */
static const char *owner_of(const pith_plan *plan, const pithi_block *life, int *is_scratch_out)
{
    const char *node_name = NULL;
    for (int i = 0; i < plan->n_steps; i++) {
        const pith_step *step = &plan->steps[i];
        bool is_here = step->node->index == life->first_step; /* steps of one job all are */
        const pithi_operand *result = is_here ? find_result(plan, step, life) : NULL;
        if (result) {
            *is_scratch_out = 0;
            return result->name;
        }
        node_name = is_here && !node_name ? step->node->name : node_name;
    }
    *is_scratch_out = node_name != NULL;
    return node_name ? node_name : "";
}

static pith_status copy_blocks(pithi_profile_data *data, const pith_plan *plan, int first_row)
{
    void *blocks = data->blocks;
    pith_status status = pithi_grow(data->memory.ctx, &blocks, &data->blocks_capacity,
                                    (size_t)(data->out.n_blocks + plan->n_blocks), sizeof *data->blocks);
    data->blocks = blocks;
    PITH_TRY(status);
    for (int i = 0; i < plan->n_blocks; i++) {
        const pithi_block *from = &plan->blocks[i];
        pith_profile_block *to = &data->blocks[data->out.n_blocks];
        *to = (pith_profile_block){ .n_bytes = from->n_bytes, .offset = from->offset, .stretch = data->n_plans };
        if (from->n_bytes && rows_of_life(plan, from, first_row, to)) {
            PITH_TRY(copy_text(data, owner_of(plan, from, &to->is_scratch), &to->name));
            data->out.n_blocks++;
        }
    }
    data->out.blocks = data->blocks;
    return PITH_OK;
}

pith_status pithi_profile_meet_plan(pithi_profile_data *data, const pithi_slot *slot)
{
    const pith_plan *plan = slot->stretch->plan;
    pith_ctx *ctx = data->memory.ctx;
    int first_row = data->out.n_steps;
    void *steps = data->steps, *plans = data->plans;
    pith_status status = pithi_grow(ctx, &steps, &data->steps_capacity, (size_t)(first_row + plan->n_steps),
                                    sizeof *data->steps);
    data->steps = steps;
    PITH_TRY(status);
    status = pithi_grow(ctx, &plans, &data->plans_capacity, (size_t)data->n_plans + 1, sizeof *data->plans);
    data->plans = plans;
    PITH_TRY(status);
    pithi_step_arithmetic *arithmetic = NULL;
    PITH_TRY(pithi_plan_arithmetic(plan, &data->memory, &arithmetic));
    for (int i = 0; i < plan->n_steps; i++) {
        pith_profile_step *row = &data->steps[first_row + i];
        PITH_TRY(copy_step(data, slot, i, row));
        row->arithmetic = arithmetic[i].arithmetic;
        row->island = arithmetic[i].island;
        row->why_float = arithmetic[i].why;
    }
    PITH_TRY(copy_blocks(data, plan, first_row));
    data->plans[data->n_plans++] = (pithi_profile_plan){ plan, first_row };
    data->out.steps = data->steps;
    data->out.n_steps += plan->n_steps;
    data->out.n_stretches = data->n_plans;
    data->out.arena_bytes += plan->arena_bytes;
    data->out.arena_lower_bound_bytes += plan->arena_lower_bound_bytes;
    return PITH_OK;
}
