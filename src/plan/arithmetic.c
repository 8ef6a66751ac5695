/* SPDX-License-Identifier: Apache-2.0 */
/* Which steps of a plan compute in integers, which in floats, and why. */
#include "passes/fuse_qdq.h"
#include "plan/plan.h"

const char *pith_arithmetic_name(pith_arithmetic arithmetic)
{
    static const char *const names[] = { "other", "integer", "float", "border", "mixed" };
    return arithmetic >= 0 && arithmetic < PITH_COUNT(names) ? names[arithmetic] : NULL;
}

static bool is_small_integer(pith_dtype dtype)
{
    return pithi_is_8bit(dtype) || pithi_is_16bit(dtype) || dtype == PITH_DTYPE_S4 || dtype == PITH_DTYPE_U4 ||
           dtype == PITH_DTYPE_S2 || dtype == PITH_DTYPE_U2;
}

typedef struct kinds {
    bool float_in, float_out, integer_in, integer_out, integer_weights;
} kinds;

static kinds kinds_of(const pith_node *node)
{
    kinds k = { 0 };
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        const bool is_constant = value && value->constant;
        k.float_in = k.float_in || (value && !is_constant && pithi_dtype_is_float(value->dtype));
        k.integer_in = k.integer_in || (value && !is_constant && is_small_integer(value->dtype));
        k.integer_weights = k.integer_weights || (is_constant && is_small_integer(value->constant->dtype));
    }
    for (int i = 0; i < node->n_outputs; i++) {
        const pith_value *value = node->outputs[i];
        k.float_out = k.float_out || (value && pithi_dtype_is_float(value->dtype));
        k.integer_out = k.integer_out || (value && is_small_integer(value->dtype));
    }
    return k;
}

static pithi_step_arithmetic judge(const pith_node *node)
{
    const kinds k = kinds_of(node);
    const bool is_recurrent = pithi_is(node, "rnn") || pithi_is(node, "gru") || pithi_is(node, "lstm");
    const bool is_product = pithi_is(node, "matmul_integer") || pithi_is(node, "conv_integer");
    if (is_recurrent && k.integer_weights) {
        return (pithi_step_arithmetic){ PITH_ARITHMETIC_MIXED, -1, "integer products, float gates" };
    }
    if (is_product) {
        return (pithi_step_arithmetic){ PITH_ARITHMETIC_MIXED, -1,
                                        "integer products of activations that are quantised in each run" };
    }
    if ((k.float_in && k.integer_out) || (k.integer_in && k.float_out)) {
        return (pithi_step_arithmetic){ PITH_ARITHMETIC_BORDER, -1, NULL };
    }
    if (k.float_in || k.float_out) {
        const char *why = node->refusal == PITHI_QDQ_NOT_MET && k.integer_weights
                              ? "its weights are stored in few bits, its activations are floats"
                              : pithi_qdq_refusal_text((pithi_qdq_refusal)node->refusal);
        return (pithi_step_arithmetic){ PITH_ARITHMETIC_FLOAT, -1, why };
    }
    return (pithi_step_arithmetic){ k.integer_in || k.integer_out ? PITH_ARITHMETIC_INTEGER : PITH_ARITHMETIC_OTHER,
                                    -1, NULL };
}

static bool is_float(const pithi_step_arithmetic *row)
{
    return row->arithmetic == PITH_ARITHMETIC_FLOAT || row->arithmetic == PITH_ARITHMETIC_MIXED;
}

static int root_of(const int *parents, int i)
{
    while (parents[i] != i) {
        i = parents[i];
    }
    return i;
}

/* Steps that hand a float to each other belong together; the first of them is the root. Every value has been made by an
 * earlier step. */
static void join(const pith_plan *plan, const pithi_step_arithmetic *rows, int *parents)
{
    for (int i = 0; i < plan->n_steps; i++) {
        const pith_node *node = plan->steps[i].node;
        for (int k = 0; k < node->n_inputs && is_float(&rows[i]); k++) {
            const pith_value *value = node->inputs[k];
            for (int from = 0; value && value->producer && pithi_dtype_is_float(value->dtype) && from < i; from++) {
                if (plan->steps[from].node == value->producer && is_float(&rows[from])) {
                    const int a = root_of(parents, i), b = root_of(parents, from);
                    parents[a > b ? a : b] = a < b ? a : b;
                }
            }
        }
    }
}

pith_status pithi_plan_arithmetic(const pith_plan *plan, pithi_arena *arena, pithi_step_arithmetic **rows_out)
{
    void *block = NULL, *numbers = NULL;
    int n_islands = 0;
    PITH_TRY(pithi_arena_array(arena, (size_t)plan->n_steps + 1, sizeof(pithi_step_arithmetic), &block));
    PITH_TRY(pithi_arena_array(arena, (size_t)plan->n_steps + 1, sizeof(int), &numbers));
    pithi_step_arithmetic *rows = block;
    int *parents = numbers;
    for (int i = 0; i < plan->n_steps; i++) {
        rows[i] = judge(plan->steps[i].node);
        parents[i] = i;
    }
    join(plan, rows, parents);
    for (int i = 0; i < plan->n_steps; i++) { /* roots come first */
        const int root = root_of(parents, i);
        rows[i].island = !is_float(&rows[i]) ? -1 : root == i ? n_islands++ : rows[root].island;
    }
    *rows_out = rows;
    return PITH_OK;
}
