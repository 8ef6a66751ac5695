/* SPDX-License-Identifier: Apache-2.0 */
/* Reshape, transpose, reshape in a row that are known by one name: depth_to_space, space_to_depth, and taking every
 * n-th channel (the split of ShuffleNet v2). By name they can be done in either layout. Gathering with one constant
 * index is a slice. */
#include "passes/rewrite.h"

/* x -> split [reshape] -> moved [transpose] -> joined [reshape] */
typedef struct rearrangement {
    pith_value *x;
    const pith_shape *from, *split, *to;
    int64_t perm[PITH_MAX_RANK];
} rearrangement;

static bool find_rearrangement(const pith_node *last, rearrangement *out)
{
    const pith_node *middle = pithi_is(last, "reshape") && last->inputs[0] ? last->inputs[0]->producer : NULL;
    const pith_node *first = pithi_is(middle, "transpose") ? middle->inputs[0]->producer : NULL;
    int rank = 0;
    if (!pithi_is(first, "reshape") || !pithi_value_has_dims(first->inputs[0]) ||
        !pithi_value_has_dims(first->outputs[0]) || !pithi_value_has_dims(last->outputs[0]) ||
        !pithi_transpose_perm(middle, out->perm, &rank)) {
        return false;
    }
    out->x = first->inputs[0];
    out->from = &first->inputs[0]->shape;
    out->split = &first->outputs[0]->shape;
    out->to = &last->outputs[0]->shape;
    return pith_shape_elements(out->from) > 0;
}

/* ---- blocks ----------------------------------------------------------------------------------- */

/* Where the parts stand in the split shape [N, ...]. */
typedef struct block_rule {
    const char *op_name, *mode; /* NULL: the operator has no modes */
    int64_t perm[6];
    int channels, rows, columns, block_rows, block_columns;
} block_rule;

static const block_rule block_rules[] = {
    { "depth_to_space", "DCR", { 0, 3, 4, 1, 5, 2 }, 3, 4, 5, 1, 2 },
    { "depth_to_space", "CRD", { 0, 1, 4, 2, 5, 3 }, 1, 4, 5, 2, 3 },
    { "space_to_depth", NULL, { 0, 3, 5, 1, 2, 4 }, 1, 2, 4, 3, 5 },
};

static bool has_dims(const pith_shape *shape, int64_t n, int64_t c, int64_t h, int64_t w)
{
    return shape->rank == 4 && shape->dims[0] == n && shape->dims[1] == c && shape->dims[2] == h && shape->dims[3] == w;
}

static bool follows(const block_rule *rule, const rearrangement *moves)
{
    if (moves->split->rank != 6 || memcmp(moves->perm, rule->perm, sizeof rule->perm) != 0) {
        return false;
    }
    const int64_t *dims = moves->split->dims;
    int64_t n = dims[0], c = dims[rule->channels], h = dims[rule->rows], w = dims[rule->columns];
    int64_t block = dims[rule->block_rows];
    const pith_shape *fine = rule->mode ? moves->to : moves->from, *deep = rule->mode ? moves->from : moves->to;
    return block == dims[rule->block_columns] && has_dims(deep, n, c * block * block, h, w) &&
           has_dims(fine, n, c, h * block, w * block);
}

static pith_status set_mode(pith_ctx *ctx, pith_node *node, const char *mode)
{
    for (int k = 0; k < 2; k++) {
        PITH_TRY(pithi_attr_set_int(ctx, node, "mode", k));
        if (pithi_same_text(pithi_attr_choice(node, "mode"), mode)) {
            return PITH_OK;
        }
    }
    PITH_FAIL(ctx, PITH_STATUS_INTERNAL, "depth_to_space has no mode '%s'", mode);
}

static pith_status name_block(pith_graph *graph, pith_node *last, int *n_changes)
{
    rearrangement moves;
    if (!find_rearrangement(last, &moves)) {
        return PITH_OK;
    }
    for (int i = 0; i < PITH_COUNT(block_rules); i++) {
        const block_rule *rule = &block_rules[i];
        if (follows(rule, &moves) && pithi_op_find(rule->op_name)) {
            int64_t block = moves.split->dims[rule->block_rows];
            PITH_TRY(pithi_become(graph, last, rule->op_name, &moves.x, 1));
            PITH_TRY(pithi_attr_set_int(graph->ctx, last, "blocksize", block));
            ++*n_changes;
            return rule->mode ? set_mode(graph->ctx, last, rule->mode) : PITH_OK;
        }
    }
    return PITH_OK;
}

/* ---- every n-th channel ------------------------------------------------------------------------- */

/* x [B, c * n, s...] as [B * c, n, S], transposed to [n, B * c, S], as [n, B, c, s...]: entry k has the channels
 * k, k + n, k + 2n, ... */
static bool is_channel_split(const rearrangement *moves)
{
    const pith_shape *x = moves->from, *split = moves->split, *to = moves->to;
    int64_t n_points = 1;
    bool fits = split->rank == 3 && moves->perm[0] == 1 && moves->perm[1] == 0 && moves->perm[2] == 2 && x->rank >= 2 &&
                to->rank == x->rank + 1 && to->dims[1] == x->dims[0] && to->dims[0] * to->dims[2] == x->dims[1];
    for (int i = 2; i < x->rank && fits; i++) {
        fits = to->dims[i + 1] == x->dims[i];
        n_points *= x->dims[i];
    }
    return fits && split->dims[1] == to->dims[0] && split->dims[2] == n_points;
}

static pith_status name_channel_split(pith_graph *graph, pith_node *gather, int *n_changes)
{
    rearrangement moves;
    const pith_tensor *index = pithi_constant_input(gather, 1);
    if (pithi_attr_int(gather, "axis") != 0 || !index || index->shape.rank != 0 || !gather->inputs[0]->producer ||
        !find_rearrangement(gather->inputs[0]->producer, &moves) || !is_channel_split(&moves)) {
        return PITH_OK;
    }
    int64_t n = moves.to->dims[0], k = pithi_tensor_get_s64(index, 0);
    k = k < 0 ? k + n : k;
    if (k < 0 || k >= n) {
        return PITH_OK;
    }
    pith_value *inputs[5] = { moves.x };
    const int64_t numbers[] = { k, moves.from->dims[1], 1, n }; /* start, end, axis, step */
    for (int i = 0; i < 4; i++) {
        PITH_TRY(pithi_graph_add_s64s(graph, &numbers[i], 1, &inputs[i + 1]));
    }
    ++*n_changes;
    return pithi_become(graph, gather, "slice", inputs, 5);
}

/* ---- one index ---------------------------------------------------------------------------------- */

static pith_status slice_of(pith_graph *graph, pith_node *before, pith_value *x, const int64_t numbers[4],
                            pith_node **node_out)
{
    pith_value *inputs[5] = { x };
    for (int i = 0; i < 4; i++) {
        PITH_TRY(pithi_graph_add_s64s(graph, &numbers[i], 1, &inputs[i + 1]));
    }
    PITH_TRY(pithi_insert(graph, before, "slice", inputs, 5, node_out));
    (*node_out)->name = before->name;
    return PITH_OK;
}

static pith_status name_single_gather(pith_graph *graph, pith_node *gather, int *n_changes)
{
    const pith_tensor *index = pithi_constant_input(gather, 1);
    pith_value *x = gather->inputs[0];
    pith_node *slice = NULL;
    if (!pithi_is(gather, "gather") || !index || pith_shape_elements(&index->shape) != 1 || !pithi_value_has_dims(x) ||
        !pithi_value_has_dims(pithi_node_result(gather)) || !pithi_op_find("slice")) {
        return PITH_OK;
    }
    int64_t axis = pithi_attr_int(gather, "axis"), k = pithi_tensor_get_s64(index, 0);
    axis += axis < 0 ? x->shape.rank : 0;
    int64_t dim = axis >= 0 && axis < x->shape.rank ? x->shape.dims[axis] : 0;
    k += k < 0 ? dim : 0;
    if (k < 0 || k >= dim) {
        return PITH_OK; /* a fault of the run */
    }
    const int64_t numbers[] = { k, k + 1, axis, 1 };
    PITH_TRY(slice_of(graph, gather, x, numbers, &slice));
    ++*n_changes;
    return pithi_become_reshape(graph, gather, slice->outputs[0], &gather->outputs[0]->shape);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "reshape")) {
            PITH_TRY(name_block(graph, node, n_changes));
        } else if (pithi_is(node, "gather") && node->inputs[0]) {
            PITH_TRY(name_channel_split(graph, node, n_changes));
            PITH_TRY(name_single_gather(graph, node, n_changes));
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_rearrange = {
    .name = "fuse_rearrange",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "names reshapes and transposes that move blocks or channels",
    .run = run,
};
