/* SPDX-License-Identifier: Apache-2.0 */
/* Moves a reshape that stands between an operator and elementwise work behind that work, so that activations, biases
 * and shortcuts meet the operator that can take them: f(reshape(W x)) = reshape(f(W x)). The same for softmax of rows
 * that stay, so that attention shows. */
#include "passes/rewrite.h"

static bool has_last_dim_of(const pith_tensor *constant, const pith_shape *a, const pith_shape *b)
{
    return constant->shape.rank == 1 && a->rank > 0 && b->rank > 0 && a->dims[a->rank - 1] == b->dims[b->rank - 1] &&
           constant->shape.dims[0] == a->dims[a->rank - 1];
}

/* The operand means the same (or can be reshaped to do so) when the work is done in the shape `inner` instead of
 * `outer`. */
static bool can_follow(const pith_value *other, const pith_shape *outer, const pith_shape *inner)
{
    if (!other) {
        return true;
    }
    if (other->constant && (other->shape.rank == 0 || has_last_dim_of(other->constant, outer, inner))) {
        return true;
    }
    return pithi_value_has_dims(other) && pith_shape_equal(&other->shape, outer);
}

static bool is_known_work(const pith_node *node)
{
    return node->op->as_activation || pithi_is(node, "add") || pithi_is(node, "sub") || pithi_is(node, "mul") ||
           pithi_is(node, "div");
}

/* Softmax over the last dimension, which the reshape in front leaves alone. */
static bool is_row_work(const pith_node *node)
{
    if (!pithi_is(node, "softmax") || pithi_attr_int(node, "flatten") != 0 || !node->inputs[0]->producer ||
        node->inputs[0]->producer->n_inputs == 0) {
        return false;
    }
    const pith_value *y = node->inputs[0], *x = y->producer->inputs[0];
    const int64_t axis = pithi_attr_int(node, "axis");
    return x && pithi_value_has_dims(x) && pithi_value_has_dims(y) && x->shape.rank > 0 && y->shape.rank > 0 &&
           (axis == -1 || axis == y->shape.rank - 1) &&
           x->shape.dims[x->shape.rank - 1] == y->shape.dims[y->shape.rank - 1];
}

/* The reshape that makes input `index` and may move behind `node`. */
static pith_node *movable(const pith_node *node, int index)
{
    const pith_value *value = node->inputs[index];
    pith_node *view = value && value->n_uses == 1 ? value->producer : NULL;
    if (!view || !view->op || !(view->op->flags & PITH_OP_VIEW) || !view->inputs[0] ||
        !pithi_value_has_dims(view->inputs[0]) || !pithi_value_has_dims(value) ||
        !pithi_value_has_dims(node->outputs[0]) || !pith_shape_equal(&node->outputs[0]->shape, &value->shape)) {
        return NULL;
    }
    const pith_node *maker = view->inputs[0]->n_uses == 1 ? view->inputs[0]->producer : NULL;
    bool takes = maker && pithi_activation_of(maker) && pithi_has_no_activation(maker) &&
                 view->inputs[0]->dtype == value->dtype;
    for (int i = 0; i < node->n_inputs && takes; i++) {
        takes = i == index || can_follow(node->inputs[i], &value->shape, &view->inputs[0]->shape);
    }
    return takes ? view : NULL;
}

static pith_status reshaped(pith_graph *graph, pith_node *before, pith_value *value, const pith_shape *shape,
                            pith_value **value_out)
{
    pith_node *node = NULL;
    pith_value *dims = NULL;
    if (value->constant) {
        return pithi_reshaped_constant(graph, value->constant, shape, value_out);
    }
    PITH_TRY(pithi_graph_add_s64s(graph, shape->dims, shape->rank, &dims));
    PITH_TRY(pithi_insert(graph, before, "reshape", (pith_value *[]){ value, dims }, 2, &node));
    *value_out = node->outputs[0];
    return pithi_attr_set_int(graph->ctx, node, "allowzero", 1);
}

static pith_status move_behind(pith_graph *graph, pith_node *node, int index, const pith_node *view)
{
    const pith_shape inner = view->inputs[0]->shape, outer = node->outputs[0]->shape;
    pith_value *result = node->outputs[0], *work = NULL;
    pith_node *moved = NULL;
    for (int i = 0; i < node->n_inputs; i++) {
        pith_value *input = node->inputs[i];
        if (i == index) {
            pithi_set_input(node, i, view->inputs[0]);
        } else if (input && pith_shape_equal(&input->shape, &outer) && input->shape.rank > 0) {
            PITH_TRY(reshaped(graph, node, input, &inner, &input));
            pithi_set_input(node, i, input);
        }
    }
    PITH_TRY(pithi_graph_add_value(graph, NULL, &work));
    work->dtype = result->dtype;
    work->shape = inner;
    work->has_shape = true;
    work->producer = node;
    node->outputs[0] = work;
    PITH_TRY(pithi_graph_insert_node(graph, node->next, pithi_op_find("reshape"), view->name, &work, 1, &result, 1,
                                     &moved));
    work->n_uses = 1;
    return pithi_become_reshape(graph, moved, work, &outer);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    if (!pithi_op_find("reshape")) {
        return PITH_OK;
    }
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        const bool has_rows = is_row_work(node);
        bool is_work = node->op && node->n_outputs == 1 &&
                       (has_rows || (node->op->layout == PITH_LAYOUT_FREE && is_known_work(node)));
        for (int i = 0; is_work && i < node->n_inputs; i++) {
            const pith_node *view = movable(node, i);
            if (view) {
                PITH_TRY(move_behind(graph, node, i, view));
                if (has_rows) {
                    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "axis", -1));
                }
                ++*n_changes;
                break;
            }
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_sink_reshape = {
    .name = "sink_reshape",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "moves reshapes behind work that the operator before can take",
    .run = run,
};
