/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_forest.h"

static int64_t rows_of(const pith_tensor *tensor)
{
    return tensor && tensor->shape.rank > 0 ? tensor->shape.dims[0] : 0;
}

static const void *data_of(const pith_tensor *tensor)
{
    return tensor ? tensor->data : NULL;
}

pithi_forest pithi_forest_of(const pithi_forest_attrs *attrs)
{
    return (pithi_forest){
        .roots = data_of(attrs->roots), .leaf_begins = data_of(attrs->leaf_begins),
        .vote_targets = data_of(attrs->vote_targets), .nodes = data_of(attrs->nodes),
        .splits = data_of(attrs->splits), .members = data_of(attrs->members),
        .vote_weights = data_of(attrs->vote_weights), .base_values = data_of(attrs->base_values),
        .n_trees = rows_of(attrs->roots), .n_nodes = rows_of(attrs->nodes), .n_members = rows_of(attrs->members),
        .n_leaves = rows_of(attrs->leaf_begins) - 1, .n_votes = rows_of(attrs->vote_targets),
        .n_targets = attrs->n_targets, .aggregate = (int)attrs->aggregate_function,
    };
}

/* ---- checks ------------------------------------------------------------------------------- */

static pith_status check_table(pith_ctx *ctx, const pith_tensor *tensor, const char *name, pith_dtype dtype,
                               int64_t n_rows, int64_t n_columns)
{
    char text[PITHI_SHAPE_TEXT_BYTES];
    const pith_shape *shape = tensor ? &tensor->shape : NULL;
    PITH_CHECK(ctx, shape, PITH_STATUS_FORMAT, "the trees have no '%s'", name);
    PITH_CHECK(ctx,
               tensor->dtype == dtype && shape->rank == 1 + (n_columns > 0) &&
                   (n_rows < 0 || shape->dims[0] == n_rows) && (n_columns == 0 || shape->dims[1] == n_columns),
               PITH_STATUS_FORMAT, "'%s' is %s%s, which doesn't fit the other tables of the trees", name,
               pith_dtype_name(tensor->dtype), pithi_shape_text(shape, text));
    PITH_CHECK(ctx, shape->dims[0] <= INT32_MAX, PITH_STATUS_LIMIT, "'%s' has more than 2^31 rows", name);
    return PITH_OK;
}

static pith_status check_tables(pith_ctx *ctx, const pithi_forest_attrs *attrs)
{
    PITH_TRY(check_table(ctx, attrs->roots, "roots", PITH_DTYPE_S32, -1, 0));
    PITH_TRY(check_table(ctx, attrs->nodes, "nodes", PITH_DTYPE_S32, -1, PITHI_FOREST_NODE_COLUMNS));
    PITH_TRY(check_table(ctx, attrs->splits, "splits", PITH_DTYPE_F64, attrs->nodes->shape.dims[0], 0));
    PITH_TRY(check_table(ctx, attrs->leaf_begins, "leaf_begins", PITH_DTYPE_S32, -1, 0));
    PITH_TRY(check_table(ctx, attrs->vote_targets, "vote_targets", PITH_DTYPE_S32, -1, 0));
    PITH_TRY(check_table(ctx, attrs->vote_weights, "vote_weights", PITH_DTYPE_F64,
                         attrs->vote_targets->shape.dims[0], 0));
    PITH_CHECK(ctx, attrs->leaf_begins->shape.dims[0] > 0, PITH_STATUS_FORMAT, "the trees have no leaves");
    if (attrs->members) {
        PITH_TRY(check_table(ctx, attrs->members, "members", PITH_DTYPE_F64, -1, 0));
    }
    PITH_CHECK(ctx, attrs->n_targets > 0 && attrs->n_targets <= INT32_MAX, PITH_STATUS_FORMAT,
               "n_targets is %lld, but must be 1 or more", (long long)attrs->n_targets);
    return attrs->base_values
               ? check_table(ctx, attrs->base_values, "base_values", PITH_DTYPE_F64, attrs->n_targets, 0)
               : PITH_OK;
}

static pith_status check_child(pith_ctx *ctx, const pithi_forest *f, int32_t child, const char *what, int64_t at)
{
    int64_t number = child < 0 ? ~(int64_t)child : child, limit = child < 0 ? f->n_leaves : f->n_nodes;
    PITH_CHECK(ctx, number < limit, PITH_STATUS_FORMAT, "%s of %s %lld is %s %lld, but there are only %lld", what,
               what[0] == 'r' ? "tree" : "node", (long long)at, child < 0 ? "leaf" : "node", (long long)number,
               (long long)limit);
    return PITH_OK;
}

static pith_status check_node(pith_ctx *ctx, const pithi_forest *f, int64_t i, int64_t n_features)
{
    const pithi_forest_node *node = &f->nodes[i];
    PITH_TRY(check_child(ctx, f, node->yes, "true branch", i));
    PITH_TRY(check_child(ctx, f, node->no, "false branch", i));
    PITH_CHECK(ctx, node->feature >= 0 && node->feature < n_features, PITH_STATUS_SHAPE,
               "node %lld asks for feature %d, but the input has %lld of them", (long long)i, (int)node->feature,
               (long long)n_features);
    PITH_CHECK(ctx, node->mode >= 0 && node->mode <= PITHI_FOREST_MEMBER, PITH_STATUS_FORMAT,
               "node %lld has mode %d; 0 to %d are known", (long long)i, (int)node->mode, PITHI_FOREST_MEMBER);
    PITH_CHECK(ctx, node->mode == PITHI_FOREST_MEMBER || !isnan(f->splits[i]), PITH_STATUS_FORMAT,
               "the split of node %lld is NaN, which nothing compares with", (long long)i);
    PITH_CHECK(ctx,
               node->mode != PITHI_FOREST_MEMBER ||
                   (node->first_member >= 0 && node->n_members >= 0 &&
                    (int64_t)node->first_member + node->n_members <= f->n_members),
               PITH_STATUS_FORMAT, "node %lld has no set of members in membership_values", (long long)i);
    return PITH_OK;
}

static pith_status check_votes(pith_ctx *ctx, const pithi_forest *f)
{
    for (int64_t i = 0; i < f->n_leaves; i++) {
        PITH_CHECK(ctx, f->leaf_begins[i] >= 0 && f->leaf_begins[i] <= f->leaf_begins[i + 1], PITH_STATUS_FORMAT,
                   "the votes of leaf %lld don't follow each other", (long long)i);
    }
    PITH_CHECK(ctx, f->leaf_begins[f->n_leaves] >= 0 && f->leaf_begins[f->n_leaves] <= f->n_votes, PITH_STATUS_FORMAT,
               "there are leaves without votes in the table");
    for (int64_t i = 0; i < f->n_votes; i++) {
        PITH_CHECK(ctx, f->vote_targets[i] >= 0 && f->vote_targets[i] < f->n_targets, PITH_STATUS_FORMAT,
                   "weight %lld is for target %d, but there are %lld", (long long)i, (int)f->vote_targets[i],
                   (long long)f->n_targets);
        PITH_CHECK(ctx, !isnan(f->vote_weights[i]), PITH_STATUS_FORMAT, "weight %lld is NaN", (long long)i);
    }
    return PITH_OK;
}

/* Depth-first over all nodes; `state` 0: unseen, 1: on the path, 2: done. A child that is on the path closes a
 * cycle. */
static pith_status check_cycles(pith_ctx *ctx, const pithi_forest *f, uint8_t *state, int32_t *path)
{
    for (int64_t start = 0; start < f->n_nodes; start++) {
        int64_t depth = 0;
        if (state[start] == 0) {
            path[depth++] = (int32_t)start;
        }
        while (depth > 0) {
            const int32_t at = path[depth - 1];
            const int32_t children[2] = { f->nodes[at].yes, f->nodes[at].no };
            int32_t next = -1;
            state[at] = 1;
            for (int k = 0; k < 2 && next < 0; k++) {
                const bool is_node = children[k] >= 0;
                PITH_CHECK(ctx, !is_node || state[children[k]] != 1, PITH_STATUS_FORMAT,
                           "node %d leads back to node %d: a tree has no cycles", (int)at, (int)children[k]);
                next = is_node && state[children[k]] == 0 ? children[k] : -1;
            }
            if (next >= 0) {
                path[depth++] = next;
            } else {
                state[at] = 2;
                depth--;
            }
        }
    }
    return PITH_OK;
}

pith_status pithi_forest_check(pith_ctx *ctx, const pithi_forest_attrs *attrs, int64_t n_features)
{
    void *block = NULL;
    PITH_TRY(check_tables(ctx, attrs));
    const pithi_forest f = pithi_forest_of(attrs);
    for (int64_t i = 0; i < f.n_trees; i++) {
        PITH_TRY(check_child(ctx, &f, f.roots[i], "root", i));
    }
    for (int64_t i = 0; i < f.n_nodes; i++) {
        PITH_TRY(check_node(ctx, &f, i, n_features));
    }
    PITH_TRY(check_votes(ctx, &f));
    PITH_TRY(pithi_alloc_array(ctx, (size_t)f.n_nodes + 1, sizeof(int32_t) + 1, &block));
    pith_status status = check_cycles(ctx, &f, (uint8_t *)block + ((size_t)f.n_nodes + 1) * sizeof(int32_t), block);
    pithi_free(ctx, block);
    return status;
}

/* ---- reference ---------------------------------------------------------------------------- */

static bool is_yes(const pithi_forest *f, int64_t i, double x)
{
    const pithi_forest_node *node = &f->nodes[i];
    const double split = f->splits[i];
    bool is_member = false;
    if (node->missing_is_yes && isnan(x)) {
        return true;
    }
    switch (node->mode) {
    case PITHI_FOREST_LEQ: return x <= split;
    case PITHI_FOREST_LT: return x < split;
    case PITHI_FOREST_GTE: return x >= split;
    case PITHI_FOREST_GT: return x > split;
    case PITHI_FOREST_EQ: return x == split;
    case PITHI_FOREST_NEQ: return x != split;
    default: break;
    }
    for (int32_t k = 0; k < node->n_members; k++) {
        is_member |= x == f->members[node->first_member + k];
    }
    return is_member;
}

int64_t pithi_forest_leaf(const pithi_forest *f, int64_t tree, const double *row)
{
    int32_t at = f->roots[tree];
    while (at >= 0) {
        at = is_yes(f, at, row[f->nodes[at].feature]) ? f->nodes[at].yes : f->nodes[at].no;
    }
    return ~at;
}

void pithi_forest_finish(const pith_run *run, const pithi_forest *f, int64_t row, double *scores)
{
    const pithi_forest_attrs *attrs = run->attrs;
    for (int64_t k = 0; k < f->n_targets; k++) {
        scores[k] = f->aggregate >= PITHI_FOREST_MIN && isnan(scores[k]) ? 0.0 : scores[k]; /* nobody voted */
        scores[k] /= f->aggregate == PITHI_FOREST_AVERAGE && f->n_trees > 0 ? (double)f->n_trees : 1.0;
        scores[k] += f->base_values ? f->base_values[k] : 0.0;
    }
    pithi_ml_transform(attrs->post_transform, scores, f->n_targets);
    for (int64_t k = 0; k < f->n_targets; k++) {
        pithi_tensor_set_f64(&run->outputs[0], row * f->n_targets + k, scores[k]);
    }
}
