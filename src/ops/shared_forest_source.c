/* SPDX-License-Identifier: Apache-2.0 */
/* Files' trees -> the tables of tree_ensemble. Version 5 names children by position and keeps leaves apart; before,
 * nodes have ids within their tree, leaves are nodes, and votes name the leaf's ids. */
#include <stdlib.h>

#include "ops/shared_forest.h"

/* ---- lists of a file ----------------------------------------------------------------------- */

/* A list of numbers, from an attribute or its tensor twin. */
typedef struct list {
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    const pith_tensor *tensor;
    int64_t n_items;
    bool is_given;
} list;

static double number_at(const list *l, int64_t i)
{
    return l->floats ? (double)l->floats[i] : l->ints ? (double)l->ints[i] : pithi_tensor_get_f64(l->tensor, i);
}

/* Attribute `name` or, where it is absent, `twin` (NULL: none). */
static pith_status read_list(pith_ctx *ctx, pith_source *source, const char *name, const char *twin, list *list_out)
{
    const pith_source_attr *attr = pithi_source_attr(source, name);
    const pith_source_attr *other = twin ? pithi_source_attr(source, twin) : NULL;
    *list_out = (list){ 0 };
    PITH_CHECK(ctx, !attr || !other || attr->n_items == 0, PITH_STATUS_FORMAT, "both '%s' and '%s' are given", name,
               twin ? twin : "");
    attr = other ? other : attr;
    if (!attr) {
        return PITH_OK;
    }
    const bool is_tensor = attr->kind == PITH_SOURCE_TENSOR;
    PITH_CHECK(ctx, is_tensor || (attr->kind == PITH_SOURCE_INTS || attr->kind == PITH_SOURCE_FLOATS),
               PITH_STATUS_FORMAT, "attribute '%s' is no list of numbers", attr->name);
    *list_out = (list){ .ints = attr->ints, .floats = attr->floats, .n_items = attr->n_items, .is_given = true };
    if (is_tensor) {
        PITH_CHECK(ctx, attr->tensor.data || pith_shape_elements(&attr->tensor.shape) == 0, PITH_STATUS_FORMAT,
                   "attribute '%s' has no data", attr->name);
        PITH_CHECK(ctx, pithi_dtype_is_float(attr->tensor.dtype) || pithi_dtype_is_integer(attr->tensor.dtype),
                   PITH_STATUS_DTYPE, "attribute '%s' has dtype %s, but must hold numbers", attr->name,
                   pith_dtype_name(attr->tensor.dtype));
        list_out->ints = NULL;
        list_out->floats = NULL;
        list_out->tensor = &attr->tensor;
        list_out->n_items = pith_shape_elements(&attr->tensor.shape);
    }
    return PITH_OK;
}

/* The same for one of several lists of a length; an absent optional one has no items. */
static pith_status read_column(pith_ctx *ctx, pith_source *source, const char *name, int64_t n_items, list *list_out)
{
    PITH_TRY(read_list(ctx, source, name, NULL, list_out));
    PITH_CHECK(ctx, list_out->is_given && list_out->n_items == n_items, PITH_STATUS_FORMAT,
               "'%s' has %lld items, but must have %lld like the other lists of its kind", name,
               (long long)list_out->n_items, (long long)n_items);
    PITH_CHECK(ctx, list_out->ints, PITH_STATUS_FORMAT, "'%s' must be a list of ints", name);
    return PITH_OK;
}

static pith_status new_table(pith_source *source, pith_dtype dtype, int64_t n_rows, int64_t n_columns,
                             const pith_tensor **tensor_out, void *data_out)
{
    void *block = NULL;
    size_t n_bytes = 0;
    PITH_TRY(pithi_arena_alloc(&source->graph->arena, sizeof(pith_tensor), &block));
    pith_tensor *tensor = block;
    tensor->dtype = dtype;
    tensor->shape = (pith_shape){ n_columns > 1 ? 2 : 1, { n_rows, n_columns } };
    PITH_TRY(pithi_shape_check(source->graph->ctx, &tensor->shape, dtype, &n_bytes));
    PITH_TRY(pithi_arena_alloc(&source->graph->arena, n_bytes, &tensor->data));
    *tensor_out = tensor;
    memcpy(data_out, &tensor->data, sizeof tensor->data);
    return PITH_OK;
}

static pith_status new_f64s(pith_source *source, const list *values, const pith_tensor **tensor_out)
{
    double *data = NULL;
    PITH_TRY(new_table(source, PITH_DTYPE_F64, values->n_items, 1, tensor_out, &data));
    for (int64_t i = 0; i < values->n_items; i++) {
        data[i] = number_at(values, i);
    }
    return PITH_OK;
}

static pith_status to_s32(pith_ctx *ctx, const char *what, int64_t value, int32_t *out)
{
    PITH_CHECK(ctx, value >= 0 && value <= INT32_MAX, PITH_STATUS_FORMAT,
               "'%s' has an item %lld, which is out of range", what, (long long)value);
    *out = (int32_t)value;
    return PITH_OK;
}

/* ---- version 5 ----------------------------------------------------------------------------- */

/* An INT attribute that numbers a choice. */
static pith_status read_choice(pith_ctx *ctx, pith_source *source, const char *name, int64_t n_choices, int64_t *field)
{
    const pith_source_attr *attr = pithi_source_attr(source, name);
    PITH_CHECK(ctx, !attr || (attr->kind == PITH_SOURCE_INT && attr->i >= 0 && attr->i < n_choices),
               PITH_STATUS_UNSUPPORTED, "attribute '%s' is none of the numbers 0 to %lld", name,
               (long long)n_choices - 1);
    *field = attr ? attr->i : *field;
    return PITH_OK;
}

/* Deals the NaN-terminated sets of `members` to the nodes of mode MEMBER. */
static pith_status deal_members(pith_ctx *ctx, const list *members, pithi_forest_node *nodes, int64_t n_nodes)
{
    int64_t at = 0;
    for (int64_t i = 0; i < n_nodes; i++) {
        if (nodes[i].mode != PITHI_FOREST_MEMBER) {
            continue;
        }
        nodes[i].first_member = (int32_t)at;
        while (at < members->n_items && !isnan(number_at(members, at))) {
            at++;
        }
        PITH_CHECK(ctx, at < members->n_items, PITH_STATUS_FORMAT,
                   "membership_values ends before the set of node %lld; each set ends with NaN", (long long)i);
        nodes[i].n_members = (int32_t)at - nodes[i].first_member;
        at++;
    }
    PITH_CHECK(ctx, at == members->n_items, PITH_STATUS_FORMAT,
               "membership_values has more sets than there are nodes of mode BRANCH_MEMBER");
    return PITH_OK;
}

static pith_status read_branches(pith_ctx *ctx, pith_source *source, bool is_yes, pithi_forest_node *nodes,
                                 int64_t n_nodes)
{
    const char *const ids_name = is_yes ? "nodes_truenodeids" : "nodes_falsenodeids";
    list ids, leaves;
    int32_t child = 0;
    PITH_TRY(read_column(ctx, source, ids_name, n_nodes, &ids));
    PITH_TRY(read_column(ctx, source, is_yes ? "nodes_trueleafs" : "nodes_falseleafs", n_nodes, &leaves));
    for (int64_t i = 0; i < n_nodes; i++) {
        PITH_TRY(to_s32(ctx, ids_name, ids.ints[i], &child));
        child = leaves.ints[i] ? ~child : child;
        if (is_yes) {
            nodes[i].yes = child;
        } else {
            nodes[i].no = child;
        }
    }
    return PITH_OK;
}

static pith_status read_nodes_5(pith_ctx *ctx, pith_source *source, pithi_forest_attrs *attrs)
{
    list features, modes, splits, missing, members;
    pithi_forest_node *nodes = NULL;
    PITH_TRY(read_list(ctx, source, "nodes_featureids", NULL, &features));
    const int64_t n_nodes = features.n_items;
    PITH_TRY(read_column(ctx, source, "nodes_featureids", n_nodes, &features));
    PITH_TRY(read_list(ctx, source, "nodes_modes", NULL, &modes));
    PITH_TRY(read_list(ctx, source, "nodes_splits", NULL, &splits));
    PITH_TRY(read_list(ctx, source, "nodes_missing_value_tracks_true", NULL, &missing));
    PITH_TRY(read_list(ctx, source, "membership_values", NULL, &members));
    PITH_CHECK(ctx, modes.n_items == n_nodes && splits.n_items == n_nodes &&
               (missing.n_items == 0 || (missing.n_items == n_nodes && missing.ints)), PITH_STATUS_FORMAT,
               "the lists nodes_* must all have %lld items", (long long)n_nodes);
    PITH_TRY(new_f64s(source, &splits, &attrs->splits));
    PITH_TRY(new_f64s(source, &members, &attrs->members));
    PITH_TRY(new_table(source, PITH_DTYPE_S32, n_nodes, PITHI_FOREST_NODE_COLUMNS, &attrs->nodes, &nodes));
    for (int64_t i = 0; i < n_nodes; i++) {
        PITH_TRY(to_s32(ctx, "nodes_featureids", features.ints[i], &nodes[i].feature));
        nodes[i].mode = (int32_t)number_at(&modes, i);
        nodes[i].missing_is_yes = missing.n_items && missing.ints[i] != 0;
    }
    PITH_TRY(deal_members(ctx, &members, nodes, n_nodes));
    PITH_TRY(read_branches(ctx, source, true, nodes, n_nodes));
    return read_branches(ctx, source, false, nodes, n_nodes);
}

static pith_status read_leaves_5(pith_ctx *ctx, pith_source *source, pithi_forest_attrs *attrs)
{
    list targets, weights, roots;
    int32_t *begins = NULL, *vote_targets = NULL, *root_numbers = NULL;
    PITH_TRY(read_list(ctx, source, "leaf_weights", NULL, &weights));
    PITH_TRY(read_column(ctx, source, "leaf_targetids", weights.n_items, &targets));
    PITH_TRY(read_list(ctx, source, "tree_roots", NULL, &roots));
    PITH_TRY(read_column(ctx, source, "tree_roots", roots.n_items, &roots));
    PITH_TRY(new_f64s(source, &weights, &attrs->vote_weights));
    PITH_TRY(new_table(source, PITH_DTYPE_S32, weights.n_items, 1, &attrs->vote_targets, &vote_targets));
    PITH_TRY(new_table(source, PITH_DTYPE_S32, weights.n_items + 1, 1, &attrs->leaf_begins, &begins));
    PITH_TRY(new_table(source, PITH_DTYPE_S32, roots.n_items, 1, &attrs->roots, &root_numbers));
    for (int64_t i = 0; i < weights.n_items; i++) {
        PITH_TRY(to_s32(ctx, "leaf_targetids", targets.ints[i], &vote_targets[i]));
        begins[i + 1] = (int32_t)i + 1;
    }
    for (int64_t i = 0; i < roots.n_items; i++) {
        PITH_TRY(to_s32(ctx, "tree_roots", roots.ints[i], &root_numbers[i]));
    }
    return PITH_OK;
}

pith_status pithi_forest_map_5(pith_ctx *ctx, pith_source *source, void *attrs)
{
    pithi_forest_attrs *a = attrs;
    (void)pithi_source_attr(source, "nodes_hitrates"); /* a hint for speed */
    PITH_TRY(read_choice(ctx, source, "aggregate_function", PITHI_FOREST_MAX + 1, &a->aggregate_function));
    PITH_TRY(read_choice(ctx, source, "post_transform", PITHI_ML_PROBIT + 1, &a->post_transform));
    PITH_TRY(read_nodes_5(ctx, source, a));
    return read_leaves_5(ctx, source, a);
}

/* ---- versions 1 to 4 ------------------------------------------------------------------------ */

/* A node's ids and what it becomes. */
typedef struct entry {
    int64_t tree, id;
    int32_t child; /* number of a node, or ~number of a leaf */
    bool has_parent;
} entry;

typedef struct old_nodes {
    list trees, ids, features, yes, no, missing, splits;
    const char *const *modes;
    int64_t n_nodes, n_inner;
    entry *entries; /* sorted by tree and id */
    entry **of;     /* by position in the file */
} old_nodes;

static int by_ids(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return x->tree != y->tree ? (x->tree > y->tree) - (x->tree < y->tree) : (x->id > y->id) - (x->id < y->id);
}

static entry *find(const old_nodes *old, int64_t tree, int64_t id)
{
    const entry wanted = { .tree = tree, .id = id };
    return bsearch(&wanted, old->entries, (size_t)old->n_nodes, sizeof wanted, by_ids);
}

static pith_status mode_of(pith_ctx *ctx, const char *text, int32_t *mode_out)
{
    static const char *const names[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT",
                                         "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF" };
    for (int32_t i = 0; i < PITH_COUNT(names); i++) {
        if (i != PITHI_FOREST_MEMBER && pithi_same_text(text, names[i])) {
            *mode_out = i;
            return PITH_OK;
        }
    }
    PITH_FAIL(ctx, PITH_STATUS_FORMAT, "'nodes_modes' has an item '%.40s', which is no mode", text);
}

static pith_status read_old_lists(pith_ctx *ctx, pith_source *source, old_nodes *old)
{
    const pith_source_attr *modes = pithi_source_attr(source, "nodes_modes");
    PITH_CHECK(ctx, modes && modes->kind == PITH_SOURCE_STRINGS, PITH_STATUS_FORMAT,
               "'nodes_modes' is missing, or no list of strings");
    old->modes = modes->strings;
    old->n_nodes = modes->n_items;
    PITH_TRY(read_column(ctx, source, "nodes_treeids", old->n_nodes, &old->trees));
    PITH_TRY(read_column(ctx, source, "nodes_nodeids", old->n_nodes, &old->ids));
    PITH_TRY(read_column(ctx, source, "nodes_featureids", old->n_nodes, &old->features));
    PITH_TRY(read_column(ctx, source, "nodes_truenodeids", old->n_nodes, &old->yes));
    PITH_TRY(read_column(ctx, source, "nodes_falsenodeids", old->n_nodes, &old->no));
    PITH_TRY(read_list(ctx, source, "nodes_values", "nodes_values_as_tensor", &old->splits));
    PITH_TRY(read_list(ctx, source, "nodes_missing_value_tracks_true", NULL, &old->missing));
    PITH_CHECK(ctx, old->splits.n_items == old->n_nodes &&
               (old->missing.n_items == 0 || (old->missing.n_items == old->n_nodes && old->missing.ints)),
               PITH_STATUS_FORMAT, "the lists nodes_* must all have %lld items", (long long)old->n_nodes);
    (void)pithi_source_attr(source, "nodes_hitrates"); /* hints for speed */
    (void)pithi_source_attr(source, "nodes_hitrates_as_tensor");
    return PITH_OK;
}

/* Numbers inner nodes and leaves in the order of the file. */
static pith_status number_nodes(pith_ctx *ctx, pithi_arena *arena, old_nodes *old)
{
    void *entries = NULL, *of = NULL;
    int64_t n_leaves = 0;
    PITH_TRY(pithi_arena_array(arena, (size_t)old->n_nodes + 1, sizeof *old->entries, &entries));
    PITH_TRY(pithi_arena_array(arena, (size_t)old->n_nodes + 1, sizeof *old->of, &of));
    old->entries = entries;
    old->of = of;
    for (int64_t i = 0; i < old->n_nodes; i++) {
        int32_t mode = 0;
        PITH_TRY(mode_of(ctx, old->modes[i], &mode));
        const int64_t number = mode == PITHI_FOREST_LEAF ? ~n_leaves++ : old->n_inner++;
        old->entries[i] = (entry){ old->trees.ints[i], old->ids.ints[i], (int32_t)number, false };
    }
    qsort(old->entries, (size_t)old->n_nodes, sizeof *old->entries, by_ids);
    for (int64_t i = 1; i < old->n_nodes; i++) {
        const entry *e = &old->entries[i];
        PITH_CHECK(ctx, by_ids(e - 1, e) != 0, PITH_STATUS_FORMAT, "node %lld of tree %lld is there twice",
                   (long long)e->id, (long long)e->tree);
    }
    for (int64_t i = 0; i < old->n_nodes; i++) {
        old->of[i] = find(old, old->trees.ints[i], old->ids.ints[i]);
    }
    return PITH_OK;
}

static pith_status child_of(pith_ctx *ctx, const old_nodes *old, int64_t i, const list *ids, int32_t *child_out)
{
    entry *child = find(old, old->trees.ints[i], ids->ints[i]);
    PITH_CHECK(ctx, child, PITH_STATUS_FORMAT, "node %lld of tree %lld leads to node %lld, which the tree doesn't have",
               (long long)old->ids.ints[i], (long long)old->trees.ints[i], (long long)ids->ints[i]);
    child->has_parent = true;
    *child_out = child->child;
    return PITH_OK;
}

static pith_status convert_nodes(pith_ctx *ctx, pith_source *source, const old_nodes *old, pithi_forest_attrs *attrs)
{
    pithi_forest_node *nodes = NULL;
    double *splits = NULL;
    PITH_TRY(new_table(source, PITH_DTYPE_S32, old->n_inner, PITHI_FOREST_NODE_COLUMNS, &attrs->nodes, &nodes));
    PITH_TRY(new_table(source, PITH_DTYPE_F64, old->n_inner, 1, &attrs->splits, &splits));
    for (int64_t i = 0; i < old->n_nodes; i++) {
        const int32_t number = old->of[i]->child;
        if (number < 0) {
            continue;
        }
        pithi_forest_node *node = &nodes[number];
        PITH_TRY(mode_of(ctx, old->modes[i], &node->mode));
        PITH_TRY(to_s32(ctx, "nodes_featureids", old->features.ints[i], &node->feature));
        node->missing_is_yes = old->missing.n_items && old->missing.ints[i] != 0;
        PITH_TRY(child_of(ctx, old, i, &old->yes, &node->yes));
        PITH_TRY(child_of(ctx, old, i, &old->no, &node->no));
        splits[number] = number_at(&old->splits, i);
    }
    return PITH_OK;
}

/* The root of a tree is its node without parent. */
static pith_status find_roots(pith_ctx *ctx, pith_source *source, const old_nodes *old, pithi_forest_attrs *attrs)
{
    int64_t n_trees = 0;
    int32_t *roots = NULL;
    for (int64_t i = 0; i < old->n_nodes; i++) {
        n_trees += i == 0 || old->entries[i].tree != old->entries[i - 1].tree;
    }
    PITH_TRY(new_table(source, PITH_DTYPE_S32, n_trees, 1, &attrs->roots, &roots));
    for (int64_t i = 0, t = 0; i < old->n_nodes; t++) {
        const int64_t tree = old->entries[i].tree;
        int n_roots = 0;
        for (; i < old->n_nodes && old->entries[i].tree == tree; i++) {
            n_roots += !old->entries[i].has_parent;
            roots[t] = old->entries[i].has_parent ? roots[t] : old->entries[i].child;
        }
        PITH_CHECK(ctx, n_roots == 1, PITH_STATUS_FORMAT,
                   "tree %lld has %d nodes that no other leads to; one, the root, is needed%s", (long long)tree,
                   n_roots, n_roots ? "" : " (the tree runs in a circle)");
    }
    return PITH_OK;
}

/* Votes <kind>_{treeids,nodeids,ids,weights}, sorted by leaf. Votes at inner nodes can't be reached: left out. */
static pith_status convert_votes(pith_ctx *ctx, pith_source *source, const char *kind, const old_nodes *old,
                                 pithi_forest_attrs *attrs)
{
    char names[5][40];
    static const char *const parts[] = { "treeids", "nodeids", "ids", "weights", "weights_as_tensor" };
    list trees, ids, targets, weights;
    int32_t *begins = NULL, *vote_targets = NULL;
    double *vote_weights = NULL;
    for (int i = 0; i < PITH_COUNT(parts); i++) {
        memcpy(names[i], kind, strlen(kind));
        names[i][strlen(kind)] = '_';
        memcpy(names[i] + strlen(kind) + 1, parts[i], strlen(parts[i]) + 1);
    }
    PITH_TRY(read_list(ctx, source, names[3], names[4], &weights));
    PITH_TRY(read_column(ctx, source, names[0], weights.n_items, &trees));
    PITH_TRY(read_column(ctx, source, names[1], weights.n_items, &ids));
    PITH_TRY(read_column(ctx, source, names[2], weights.n_items, &targets));
    const int64_t n_leaves = old->n_nodes - old->n_inner;
    PITH_TRY(new_table(source, PITH_DTYPE_S32, n_leaves + 1, 1, &attrs->leaf_begins, &begins));
    PITH_TRY(new_table(source, PITH_DTYPE_S32, weights.n_items, 1, &attrs->vote_targets, &vote_targets));
    PITH_TRY(new_table(source, PITH_DTYPE_F64, weights.n_items, 1, &attrs->vote_weights, &vote_weights));
    for (int pass = 0; pass < 2; pass++) { /* count, then place: begins[leaf] is where the next vote goes */
        for (int64_t i = 0; i < weights.n_items; i++) {
            const entry *e = find(old, trees.ints[i], ids.ints[i]);
            PITH_CHECK(ctx, e, PITH_STATUS_FORMAT, "'%s' has a weight for node %lld of tree %lld, which isn't there",
                       names[3], (long long)ids.ints[i], (long long)trees.ints[i]);
            if (e->child >= 0) {
                continue;
            }
            const int32_t at = pass == 0 ? ++begins[~e->child + 1] : begins[~e->child]++;
            if (pass == 1) {
                PITH_TRY(to_s32(ctx, names[2], targets.ints[i], &vote_targets[at]));
                vote_weights[at] = number_at(&weights, i);
            }
        }
        for (int64_t i = 0; i < n_leaves && pass == 0; i++) {
            begins[i + 1] += begins[i];
        }
    }
    for (int64_t i = n_leaves; i > 0; i--) {
        begins[i] = begins[i - 1];
    }
    begins[0] = 0;
    return PITH_OK;
}

static pith_status read_base_values(pith_ctx *ctx, pith_source *source, pithi_forest_attrs *attrs)
{
    list base;
    PITH_TRY(read_list(ctx, source, "base_values", "base_values_as_tensor", &base));
    return base.n_items > 0 ? new_f64s(source, &base, &attrs->base_values) : PITH_OK;
}

static pith_status map_old(pith_ctx *ctx, pith_source *source, const char *kind, pithi_forest_attrs *attrs)
{
    pithi_arena scratch = { .ctx = ctx };
    old_nodes old = { 0 };
    pith_status status = PITH_OK;
    attrs->gives_f32 = 1;
    PITH_TRY_GOTO(read_old_lists(ctx, source, &old), done);
    PITH_TRY_GOTO(number_nodes(ctx, &scratch, &old), done);
    PITH_TRY_GOTO(convert_nodes(ctx, source, &old, attrs), done);
    PITH_TRY_GOTO(find_roots(ctx, source, &old, attrs), done);
    PITH_TRY_GOTO(convert_votes(ctx, source, kind, &old, attrs), done);
    PITH_TRY_GOTO(read_base_values(ctx, source, attrs), done);
done:
    pithi_arena_deinit(&scratch);
    return status;
}

pith_status pithi_forest_map_regressor(pith_ctx *ctx, pith_source *source, void *attrs)
{
    return map_old(ctx, source, "target", attrs);
}

pith_status pithi_forest_map_classifier(pith_ctx *ctx, pith_source *source, int64_t n_classes,
                                        pithi_forest_attrs *attrs, pithi_forest_votes *votes_out)
{
    attrs->n_targets = n_classes;
    PITH_TRY(map_old(ctx, source, "class", attrs));
    const pithi_forest f = pithi_forest_of(attrs);
    *votes_out = (pithi_forest_votes){ true, true };
    for (int64_t i = 0; i < f.n_votes; i++) {
        votes_out->is_single_class &= f.vote_targets[i] == 0;
        votes_out->is_positive &= f.vote_weights[i] >= 0.0;
    }
    return PITH_OK;
}
