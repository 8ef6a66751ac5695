/* SPDX-License-Identifier: Apache-2.0 */
/* Branches side by side: a step that can't be cut for all threads takes others of its kind with it, from among the next
 * ones, as one job of the thread pool. Steps that can be cut stay alone: joined, they were up to 4 % slower with two
 * threads, since a thread then reads rows that another one has made. */
#include "plan/plan.h"

#define MAX_DISTANCE 32   /* steps that a branch may be moved up */
#define MAX_OPERANDS 64   /* of a step that is moved, or lies between: pairs are compared */
#define SPARE_BYTES ((size_t)128 << 10) /* that the arena may grow by: less than the stack of one more thread */
#define LEAST_WORK_NS 500.0 /* of a step: less isn't worth a hand-over */

/* By node->index, which counts steps of blocks' lives. */
typedef struct timeline {
    size_t *alive; /* bytes alive at each one */
    size_t *born;  /* bytes of blocks that begin there */
    int *moved_to; /* where they begin now */
    size_t most;   /* bytes that may be alive at once */
} timeline;

static int count_operands(const pith_step *step) { return step->node->n_inputs + step->node->n_outputs; }

/* True if writing `a` leaves `b` alone, though both lie in one block: pieces of one whole. */
static bool are_apart(const pithi_operand *a, const pithi_operand *b)
{
    if (!a->stride && !b->stride) {
        return a->first + pith_shape_elements(&a->tensor.shape) <= b->first ||
               b->first + pith_shape_elements(&b->tensor.shape) <= a->first;
    }
    if (a->stride != b->stride || !a->tensor.shape.rank || !b->tensor.shape.rank) {
        return false;
    }
    const int64_t distance = ((b->first - a->first) % a->stride + a->stride) % a->stride;
    return distance >= a->tensor.shape.dims[a->tensor.shape.rank - 1] &&
           distance + b->tensor.shape.dims[b->tensor.shape.rank - 1] <= a->stride;
}

/* True if the order of the two steps doesn't matter: neither writes what the other one touches. */
static bool are_independent(const pith_plan *plan, const pith_step *a, const pith_step *b)
{
    for (int i = 0; i < count_operands(a); i++) {
        for (int k = 0; k < count_operands(b); k++) {
            const pithi_operand *x = &plan->operands[a->first_operand + i], *y = &plan->operands[b->first_operand + k];
            bool is_written = i >= a->node->n_inputs || k >= b->node->n_inputs;
            if (is_written && x->place == PITHI_AT_ARENA && y->place == PITHI_AT_ARENA && x->where == y->where &&
                !are_apart(x, y)) {
                return false;
            }
        }
    }
    return true;
}

static bool may_join(const pith_plan *plan, const pith_step *step)
{
    return step->use_run && step->n_phases == 1 && !(step->node->op->flags & PITH_OP_HEAP) &&
           step->max_parts < plan->n_threads && step->work_ns >= LEAST_WORK_NS &&
           count_operands(step) <= MAX_OPERANDS;
}

/* True if step `index` may as well run right behind step `begin`. */
static bool may_move(const pith_plan *plan, int begin, int index)
{
    for (int i = begin; i < index; i++) {
        if (count_operands(&plan->steps[i]) > MAX_OPERANDS ||
            !are_independent(plan, &plan->steps[i], &plan->steps[index])) {
            return false;
        }
    }
    return true;
}

/* True if a whole that the step makes a piece of begins, at another piece, behind node `to`. */
static bool has_late_block(const pith_plan *plan, const pithi_block *blocks, const timeline *t, const pith_step *step,
                           int to)
{
    for (int i = step->node->n_inputs; i < count_operands(step); i++) {
        const pithi_operand *made = &plan->operands[step->first_operand + i];
        int first = made->place == PITHI_AT_ARENA ? blocks[made->where].first_step : to;
        if (first != step->node->index && t->moved_to[first] > to) {
            return true;
        }
    }
    return false;
}

/* What begins at node `from` is alive from `to` on, if the arena has room for that. */
static bool move_blocks(const timeline *t, int from, int to)
{
    for (int i = to; i < from; i++) {
        if (t->alive[i] + t->born[from] > t->most) {
            return false;
        }
    }
    for (int i = to; i < from; i++) {
        t->alive[i] += t->born[from];
    }
    t->moved_to[from] = to;
    return true;
}

static void move_step(pith_plan *plan, int from, int to)
{
    pith_step moved = plan->steps[from];
    memmove(&plan->steps[to + 1], &plan->steps[to], (size_t)(from - to) * sizeof moved);
    plan->steps[to] = moved;
}

/* Steps of the job that begins with step `begin`. */
static int gather(pith_plan *plan, const pithi_block *blocks, const timeline *t, int begin)
{
    int n = 1, to = plan->steps[begin].node->index;
    if (!may_join(plan, &plan->steps[begin])) {
        return n;
    }
    for (int i = begin + 1; i < plan->n_steps && i <= begin + MAX_DISTANCE && n < PITHI_MAX_TOGETHER; i++) {
        const pith_step *step = &plan->steps[i];
        if (may_join(plan, step) && !has_late_block(plan, blocks, t, step, to) && may_move(plan, begin, i) &&
            move_blocks(t, step->node->index, to)) {
            move_step(plan, i, begin + n++);
        }
    }
    return n;
}

/* Differences first, then sums: linear in blocks and steps. */
static pith_status measure(const pithi_block *blocks, int n_blocks, int n_steps, pithi_arena *memory, timeline *t)
{
    void *alive = NULL, *born = NULL, *moved_to = NULL;
    PITH_TRY(pithi_arena_array(memory, (size_t)n_steps + 1, sizeof(size_t), &alive));
    PITH_TRY(pithi_arena_array(memory, (size_t)n_steps, sizeof(size_t), &born));
    PITH_TRY(pithi_arena_array(memory, (size_t)n_steps, sizeof(int), &moved_to));
    *t = (timeline){ .alive = alive, .born = born, .moved_to = moved_to };
    for (int i = 0; i < n_blocks; i++) {
        size_t n_bytes = pithi_align_up(blocks[i].n_bytes, PITH_ALIGNMENT);
        t->born[blocks[i].first_step] += n_bytes;
        t->alive[blocks[i].first_step] += n_bytes;
        t->alive[blocks[i].last_step + 1] -= n_bytes; /* wraps around, and back in the sum */
    }
    for (int i = 0; i < n_steps; i++) {
        t->alive[i] += i > 0 ? t->alive[i - 1] : 0;
        t->most = t->alive[i] > t->most ? t->alive[i] : t->most;
        t->moved_to[i] = i;
    }
    t->most += SPARE_BYTES;
    return PITH_OK;
}

pith_status pithi_plan_together(pith_plan *plan, pithi_block *blocks, int n_blocks)
{
    pithi_arena memory = { .ctx = plan->ctx };
    timeline t;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(measure(blocks, n_blocks, plan->graph->n_nodes + 1, &memory, &t), done);
    for (int begin = 0, n = 1; begin < plan->n_steps; begin += n) {
        n = gather(plan, blocks, &t, begin);
        plan->steps[begin].n_together = n;
    }
    for (pith_node *node = plan->graph->first; node; node = node->next) {
        node->index = t.moved_to[node->index];
    }
    for (int i = 0; i < n_blocks; i++) {
        blocks[i].first_step = t.moved_to[blocks[i].first_step];
    }
done:
    pithi_arena_deinit(&memory);
    return status;
}
