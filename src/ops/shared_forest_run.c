/* SPDX-License-Identifier: Apache-2.0 */
/* Fast trees. Floats become integers of the same order, so that every comparison is `x > key`, zeros and denormals
 * included; EQ, NEQ and MEMBER become a few such nodes. NaN is made the greatest or the least integer of a column,
 * whichever leads where the node wants it. A leaf leads to itself: eight descents go side by side without
 * branches (after Asadi, Lin and de Vries, Runtime optimizations for tree-based machine learning models, 2014). */
#include <stdlib.h>

#include "ops/shared_forest.h"

#define LANES 8
#define BLOCK_BYTES 16384 /* of encoded rows, beside a tree in the first-level cache */
#define MAX_BLOCK_ROWS 64
#define CHUNK_TREES 128   /* a few rows are cut into chunks of trees */

/* What a node reads: a feature, with NaN above or below everything. */
typedef struct key_column {
    int32_t feature;
    bool nan_is_low;
} key_column;

typedef struct forest_state {
    pithi_forest forest;
    const key_column *columns;
    int32_t n_columns;
    const void *nodes;      /* node_s32 or node_s64 */
    const int32_t *roots;   /* into nodes */
    const int32_t *leaf_of; /* node number -> leaf, where it is one */
    int64_t n_rows, n_features, block_rows, n_chunks;
    bool is_single;         /* every leaf has one vote, for one target */
} forest_state;

/* The bits of a float or double as an integer of the same order, with one zero. */
static inline int64_t order_of_f32(uint32_t bits)
{
    bits = bits == 0x80000000u ? 0 : bits;
    return (int32_t)(bits >> 31 ? bits ^ 0x7fffffffu : bits);
}

static inline int64_t order_of_f64(uint64_t bits)
{
    bits = bits == 0x8000000000000000u ? 0 : bits;
    return (int64_t)(bits >> 63 ? bits ^ 0x7fffffffffffffffu : bits);
}

static int64_t f32_order(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return order_of_f32(bits);
}

static int64_t f64_order(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return order_of_f64(bits);
}

#define KEY int32_t
#define NAME(name) name##_s32
#define KEY_MAX INT32_MAX
#define KEY_MIN INT32_MIN
#include "ops/shared_forest_body.h"
#undef KEY
#undef NAME
#undef KEY_MAX
#undef KEY_MIN
#define KEY int64_t
#define NAME(name) name##_s64
#define KEY_MAX INT64_MAX
#define KEY_MIN INT64_MIN
#include "ops/shared_forest_body.h"

/* ---- building ----------------------------------------------------------------------------- */

typedef struct builder {
    const pithi_forest *forest;
    bool is_f32;            /* keys of 32 bits */
    node_s64 *nodes;        /* of 64 bits while building */
    int32_t *leaf_of;
    int32_t *of_node, *of_leaf; /* what a node or leaf became, -1: nothing yet */
    int32_t *path;          /* nodes placed, but not yet filled */
    key_column *columns;
    int32_t *of_feature[2]; /* column of a feature with NaN high or low, -1: none */
    int64_t *bounds;        /* of one set */
    int32_t n_nodes, n_path, n_columns;
} builder;

static int32_t column_of(builder *b, int32_t feature, bool nan_is_low)
{
    int32_t *entry = &b->of_feature[nan_is_low][feature];
    if (*entry < 0) {
        b->columns[b->n_columns] = (key_column){ feature, nan_is_low };
        *entry = b->n_columns++;
    }
    return *entry;
}

static int32_t place(builder *b, int32_t child)
{
    int32_t *entry = child < 0 ? &b->of_leaf[~child] : &b->of_node[child];
    if (*entry < 0) {
        const int32_t at = *entry = b->n_nodes++;
        if (child < 0) {
            b->nodes[at] = (node_s64){ .key = INT64_MAX, .child = { at, at } };
            b->leaf_of[at] = ~child;
        } else {
            b->path[b->n_path++] = child;
        }
    }
    return *entry;
}

/* The largest key that is <= split (is_below: < split). */
static int64_t key_of(const builder *b, double split, bool is_below)
{
    if (!b->is_f32) {
        return f64_order(split) - is_below;
    }
    const float nearest = (float)split;
    const bool is_over = is_below ? (double)nearest >= split : (double)nearest > split;
    return f32_order(nearest) - is_over;
}

/* A search tree over bounds [low, high): an odd number of bounds below x means that x is a member. */
static void fill_set(builder *b, int32_t at, int32_t low, int32_t high, const int32_t leads_to[2], int32_t column)
{
    const int32_t middle = (low + high) / 2;
    int32_t sides[2];
    for (int k = 0; k < 2; k++) {
        const int32_t from = k ? middle + 1 : low, to = k ? high : middle;
        sides[k] = from < to ? b->n_nodes++ : place(b, leads_to[from & 1]);
        if (from < to) {
            fill_set(b, sides[k], from, to, leads_to, column);
        }
    }
    b->nodes[at] = (node_s64){ b->bounds[middle], column, { sides[0], sides[1] } };
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void place_set(builder *b, int32_t at, const pithi_forest_node *node, const double *values, int32_t n_values)
{
    const bool is_inverse = node->mode == PITHI_FOREST_NEQ;
    const int32_t leads_to[2] = { is_inverse ? node->yes : node->no, is_inverse ? node->no : node->yes };
    const bool nan_is_out = is_inverse || !node->missing_is_yes;
    double *sorted = (double *)b->bounds + 2 * (size_t)n_values; /* the bounds have room for both */
    memcpy(sorted, values, (size_t)n_values * sizeof *sorted);
    qsort(sorted, (size_t)n_values, sizeof *sorted, by_value);
    for (int32_t i = 0; i < n_values; i++) {
        b->bounds[2 * i] = key_of(b, sorted[i], true);
        b->bounds[2 * i + 1] = key_of(b, sorted[i], false);
    }
    const int32_t column = column_of(b, node->feature, nan_is_out);
    if (!nan_is_out) { /* NaN, greater than infinity, is one of the set */
        const int32_t rest = b->n_nodes++;
        b->nodes[at] = (node_s64){ key_of(b, INFINITY, false), column, { rest, place(b, leads_to[1]) } };
        at = rest;
    }
    if (n_values > 0) {
        fill_set(b, at, 0, 2 * n_values, leads_to, column);
    } else {
        const int32_t out = place(b, leads_to[0]);
        b->nodes[at] = (node_s64){ 0, column, { out, out } };
    }
}

static void fill_node(builder *b, int32_t number)
{
    const pithi_forest *f = b->forest;
    const pithi_forest_node *node = &f->nodes[number];
    const int32_t at = b->of_node[number];
    if (node->mode >= PITHI_FOREST_EQ) {
        const bool is_set = node->mode == PITHI_FOREST_MEMBER;
        place_set(b, at, node, is_set ? f->members + node->first_member : &f->splits[number],
                  is_set ? node->n_members : 1);
        return;
    }
    const bool is_less = node->mode <= PITHI_FOREST_LT; /* small values take the branch `yes` */
    const bool is_below = node->mode == PITHI_FOREST_LT || node->mode == PITHI_FOREST_GTE;
    const int32_t column = column_of(b, node->feature, is_less == (node->missing_is_yes != 0));
    const int32_t low = place(b, is_less ? node->yes : node->no), high = place(b, is_less ? node->no : node->yes);
    b->nodes[at] = (node_s64){ key_of(b, f->splits[number], is_below), column, { low, high } };
}

/* Nodes that the fast form may need, and the most values of one set. */
static bool count_nodes(const pithi_forest *f, size_t *count_out, size_t *largest_set_out)
{
    size_t count = (size_t)f->n_nodes + (size_t)f->n_leaves, largest = 1;
    for (int64_t i = 0; i < f->n_nodes; i++) {
        const size_t n_values = f->nodes[i].mode == PITHI_FOREST_MEMBER ? (size_t)f->nodes[i].n_members : 1;
        count += f->nodes[i].mode >= PITHI_FOREST_EQ ? 2 * n_values + 1 : 0;
        largest = n_values > largest ? n_values : largest;
    }
    *count_out = count;
    *largest_set_out = largest;
    return count <= INT32_MAX / 2;
}

static void build_trees(builder *b, int32_t *roots)
{
    for (int64_t t = 0; t < b->forest->n_trees; t++) {
        roots[t] = place(b, b->forest->roots[t]);
        while (b->n_path > 0) {
            fill_node(b, b->path[--b->n_path]);
        }
    }
}

static pith_status allocate(pithi_arena *arena, builder *b, size_t n_fast, size_t largest_set, size_t n_features)
{
    const struct {
        void **block;
        size_t count, item_bytes;
    } blocks[] = {
        { (void **)&b->nodes, n_fast, sizeof *b->nodes },
        { (void **)&b->of_node, (size_t)b->forest->n_nodes, sizeof(int32_t) },
        { (void **)&b->of_leaf, (size_t)b->forest->n_leaves, sizeof(int32_t) },
        { (void **)&b->path, (size_t)b->forest->n_nodes + 1, sizeof(int32_t) },
        { (void **)&b->of_feature[0], n_features, sizeof(int32_t) },
        { (void **)&b->of_feature[1], n_features, sizeof(int32_t) },
        { (void **)&b->bounds, 3 * largest_set, sizeof(int64_t) },
    };
    for (int i = 0; i < PITH_COUNT(blocks); i++) {
        PITH_TRY(pithi_arena_array(arena, blocks[i].count, blocks[i].item_bytes, blocks[i].block));
    }
    memset(b->of_node, 0xff, (size_t)b->forest->n_nodes * sizeof(int32_t));
    memset(b->of_leaf, 0xff, (size_t)b->forest->n_leaves * sizeof(int32_t));
    memset(b->of_feature[0], 0xff, n_features * sizeof(int32_t));
    memset(b->of_feature[1], 0xff, n_features * sizeof(int32_t));
    return PITH_OK;
}

/* Copies what build_trees() made into the plan's memory, keys in their final width. */
static pith_status keep(pith_prepare *prepare, const builder *b, forest_state *state)
{
    void *nodes = NULL, *columns = NULL;
    const size_t n_nodes = (size_t)b->n_nodes;
    PITH_TRY(pithi_arena_array(prepare->arena, n_nodes, b->is_f32 ? sizeof(node_s32) : sizeof(node_s64), &nodes));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)b->n_columns + 1, sizeof(key_column), &columns));
    for (size_t i = 0; i < n_nodes && b->is_f32; i++) {
        const node_s64 *n = &b->nodes[i];
        const int32_t key = n->key > INT32_MAX ? INT32_MAX : (int32_t)n->key;
        ((node_s32 *)nodes)[i] = (node_s32){ key, n->column, { n->child[0], n->child[1] } };
    }
    if (!b->is_f32 && n_nodes > 0) {
        memcpy(nodes, b->nodes, n_nodes * sizeof(node_s64));
    }
    memcpy(columns, b->columns, ((size_t)b->n_columns + 1) * sizeof(key_column));
    state->nodes = nodes;
    state->columns = columns;
    state->n_columns = b->n_columns > 0 ? b->n_columns : 1; /* leaves read column 0 */
    return PITH_OK;
}

static pith_status build(pith_prepare *prepare, forest_state *state)
{
    size_t n_fast = 0, largest_set = 0;
    void *roots = NULL, *leaf_of = NULL, *columns = NULL;
    pithi_arena scratch = { .ctx = prepare->ctx };
    builder b = { .forest = &state->forest, .is_f32 = prepare->inputs[0].dtype == PITH_DTYPE_F32 };
    PITH_CHECK(prepare->ctx, count_nodes(&state->forest, &n_fast, &largest_set), PITH_STATUS_LIMIT,
               "the trees have more than 2^30 nodes");
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)state->forest.n_trees, sizeof(int32_t), &roots));
    PITH_TRY(pithi_arena_array(prepare->arena, n_fast, sizeof(int32_t), &leaf_of));
    pith_status status = allocate(&scratch, &b, n_fast, largest_set, (size_t)state->n_features);
    if (status == PITH_OK) {
        status = pithi_arena_array(&scratch, 2 * (size_t)state->n_features + 1, sizeof(key_column), &columns);
    }
    if (status == PITH_OK) {
        b.columns = columns;
        b.leaf_of = leaf_of;
        build_trees(&b, roots);
        state->roots = roots;
        state->leaf_of = leaf_of;
        status = keep(prepare, &b, state);
    }
    pithi_arena_deinit(&scratch);
    return status;
}

/* ---- prepare and run ---------------------------------------------------------------------- */

static bool is_single(const pithi_forest *f)
{
    bool single = f->n_targets == 1 && f->aggregate <= PITHI_FOREST_SUM;
    for (int64_t i = 0; i < f->n_leaves && single; i++) {
        single = f->leaf_begins[i] == i && f->leaf_begins[i + 1] == i + 1;
    }
    return single;
}

pith_status pithi_forest_prepare(pith_prepare *prepare)
{
    const pith_tensor *x = &prepare->inputs[0];
    const pithi_ml_matrix matrix = pithi_ml_matrix_of(&x->shape);
    const size_t key_bytes = x->dtype == PITH_DTYPE_F32 ? sizeof(int32_t) : sizeof(int64_t);
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(forest_state), &block));
    forest_state *state = block;
    state->forest = pithi_forest_of(prepare->attrs);
    state->n_rows = matrix.n_rows;
    state->n_features = matrix.n_columns;
    state->is_single = is_single(&state->forest);
    PITH_TRY(build(prepare, state));
    const int64_t fitting = BLOCK_BYTES / (int64_t)key_bytes / state->n_columns;
    state->block_rows = pithi_max_s64(LANES, pithi_min_s64(fitting, MAX_BLOCK_ROWS));
    const int64_t n_blocks = pithi_div_up(state->n_rows, state->block_rows);
    state->n_chunks = n_blocks < 8 ? pithi_max_s64(1, pithi_min_s64(16, state->forest.n_trees / CHUNK_TREES)) : 1;
    const size_t n_scores = (size_t)state->forest.n_targets;
    prepare->state = state;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_blocks * state->n_chunks, 1024));
    prepare->n_phases = state->n_chunks > 1 ? 2 : 1;
    prepare->shared_bytes = state->n_chunks > 1 ? (size_t)(state->n_chunks * state->n_rows) * n_scores * 8 : 0;
    prepare->scratch_bytes = pithi_align_up((size_t)(state->block_rows * state->n_columns) * key_bytes, 8) +
                             (size_t)state->block_rows * n_scores * sizeof(double) +
                             (size_t)state->n_features * sizeof(double);
    prepare->kernel = "trees";
    prepare->use_run = true;
    return PITH_OK;
}

/* Adds up the chunks of trees in their order. */
static void combine(const pith_run *run, const pith_part *part)
{
    const forest_state *s = run->state;
    const int64_t n_targets = s->forest.n_targets;
    double *all = run->shared;
    int64_t begin, end;
    pithi_part_range(part, s->n_rows, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        double *scores = all + row * n_targets;
        for (int64_t c = 1; c < s->n_chunks; c++) {
            for (int64_t k = 0; k < n_targets; k++) {
                const double vote = all[(c * s->n_rows + row) * n_targets + k];
                scores[k] = isnan(vote) ? scores[k] : pithi_forest_vote(s->forest.aggregate, scores[k], vote);
            }
        }
        pithi_forest_finish(run, &s->forest, row, scores);
    }
}

void pithi_forest_run(const pith_run *run, const pith_part *part)
{
    const forest_state *s = run->state;
    int64_t begin, end;
    if (part->phase == 1) {
        combine(run, part);
        return;
    }
    const int64_t n_blocks = pithi_div_up(s->n_rows, s->block_rows);
    pithi_part_range(part, n_blocks * s->n_chunks, &begin, &end);
    for (int64_t job = begin; job < end; job++) {
        if (run->inputs[0].dtype == PITH_DTYPE_F32) {
            run_block_s32(run, job / s->n_chunks, job % s->n_chunks, part->scratch);
        } else {
            run_block_s64(run, job / s->n_chunks, job % s->n_chunks, part->scratch);
        }
    }
}
