/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that hand on their input unchanged: those made for that, and others whose operands happen to
 * change nothing. Rules that need shapes pass over nodes whose shapes are unknown. */
#include "passes/rewrite.h"

/* Which input the node hands on, -1: none. */
typedef int handed_on_fn(const pith_node *node);

static bool same_shape_and_dtype(const pith_value *a, const pith_value *b)
{
    return pithi_value_has_dims(a) && pithi_value_has_dims(b) && a->dtype == b->dtype &&
           pith_shape_equal(&a->shape, &b->shape);
}

static int always(const pith_node *node)
{
    (void)node;
    return 0;
}

static int if_same_shape(const pith_node *node)
{
    return same_shape_and_dtype(node->inputs[0], node->outputs[0]) ? 0 : -1;
}

static int if_alone(const pith_node *node)
{
    return node->n_inputs == 1 ? 0 : -1;
}

static bool is_all(const pith_node *node, int index, int64_t wanted)
{
    int64_t items[PITH_MAX_RANK * 2];
    int count = pithi_constant_ints(pithi_constant_input(node, index), items, PITH_COUNT(items));
    for (int i = 0; i < count; i++) {
        if (items[i] != wanted) {
            return false;
        }
    }
    return count >= 0;
}

static int if_no_pads(const pith_node *node)
{
    return is_all(node, 1, 0) ? 0 : -1;
}

static int if_whole_slice(const pith_node *node)
{
    bool forward = !pithi_node_input(node, 4) || is_all(node, 4, 1);
    return forward ? if_same_shape(node) : -1;
}

/* Without the mask, and in inference as everywhere in pith, dropout does nothing. */
static int if_unmasked(const pith_node *node)
{
    for (int i = 1; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            return -1;
        }
    }
    double training = 0.0;
    const pith_value *mode = pithi_node_input(node, 2);
    return !mode || (pithi_is_uniform(mode->constant, &training) && training == 0.0) ? 0 : -1;
}

static int if_perm_in_order(const pith_node *node)
{
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    if (!pithi_transpose_perm(node, perm, &rank)) {
        return -1;
    }
    for (int i = 0; i < rank; i++) {
        if (perm[i] != i) {
            return -1;
        }
    }
    return 0;
}

/* Input `kept` if the other operand is the constant `neutral` and does not widen the result. */
static int if_neutral(const pith_node *node, int kept, double neutral)
{
    const pith_tensor *other = pithi_constant_input(node, 1 - kept);
    double element = 0.0;
    if (node->n_inputs != 2 || !pithi_has_no_activation(node) || !pithi_is_uniform(other, &element) ||
        element != neutral) {
        return -1;
    }
    return other->shape.rank == 0 || same_shape_and_dtype(node->inputs[kept], node->outputs[0]) ? kept : -1;
}

static int if_adds_zero(const pith_node *node)
{
    int kept = if_neutral(node, 0, 0.0);
    return kept >= 0 ? kept : if_neutral(node, 1, 0.0);
}

static int if_multiplies_by_one(const pith_node *node)
{
    int kept = if_neutral(node, 0, 1.0);
    return kept >= 0 ? kept : if_neutral(node, 1, 1.0);
}

static int if_subtracts_zero(const pith_node *node) { return if_neutral(node, 0, 0.0); }
static int if_divides_by_one(const pith_node *node) { return if_neutral(node, 0, 1.0); }

static const struct {
    const char *op_name;
    handed_on_fn *handed_on;
} rules[] = {
    { "identity", always },          { "dropout", if_unmasked },        { "cast", if_same_shape },
    { "transpose", if_perm_in_order }, { "concat", if_alone },          { "pad", if_no_pads },
    { "slice", if_whole_slice },     { "expand", if_same_shape },       { "tile", if_same_shape },
    { "add", if_adds_zero },         { "sub", if_subtracts_zero },      { "mul", if_multiplies_by_one },
    { "div", if_divides_by_one },    { "pow", if_divides_by_one },
};

static int handed_on(const pith_node *node)
{
    if (!node->op || node->n_inputs < 1 || node->n_outputs < 1 || !node->outputs[0] || !node->inputs[0]) {
        return -1;
    }
    for (int i = 0; i < PITH_COUNT(rules); i++) {
        if (pithi_is(node, rules[i].op_name)) {
            return rules[i].handed_on(node);
        }
    }
    return node->op->flags & PITH_OP_VIEW && node->n_outputs == 1 ? if_same_shape(node) : -1;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_forward forward;
    PITH_TRY(pithi_forward_init(&forward, graph));
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        int index = handed_on(node);
        if (index < 0 || !node->inputs[index]) {
            continue;
        }
        pith_value *kept = pithi_forward_get(&forward, node->inputs[index]);
        if (pithi_forward_put(&forward, node->outputs[0], kept)) { /* not from graph input to graph output */
            pithi_graph_remove_node(graph, node);
            ++*n_changes;
        }
    }
    pithi_forward_apply(&forward);
    return PITH_OK;
}

const pith_pass pithi_pass_remove_identity = {
    .name = "remove_identity",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "removes nodes that hand on their input unchanged",
    .run = run,
};
