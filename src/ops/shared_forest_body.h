/* SPDX-License-Identifier: Apache-2.0 */
/* Descent of rows through trees with keys of type KEY; included by shared_forest_run.c once per width. */

/* x > key leads to child[1]. A leaf leads to itself. */
typedef struct NAME(node) {
    KEY key;
    int32_t column, child[2];
} NAME(node);

/* One row's used features as keys. */
static void NAME(encode)(const forest_state *s, const pith_tensor *x, int64_t row, KEY *keys, double *values)
{
    const bool is_f32 = sizeof(KEY) == sizeof(int32_t);
    const char *floats = (const char *)x->data + (is_f32 ? row * s->n_features * (int64_t)sizeof(float) : 0);
    if (!is_f32) {
        pithi_ml_read(x, row * s->n_features, s->n_features, values);
    }
    for (int32_t c = 0; c < s->n_columns && s->n_features > 0; c++) {
        const key_column *column = &s->columns[c];
        const int32_t feature = column->feature;
        uint32_t bits = 0;
        if (is_f32) {
            memcpy(&bits, floats + (size_t)feature * sizeof bits, sizeof bits);
        }
        const bool is_nan = is_f32 ? (bits & 0x7fffffffu) > 0x7f800000u : isnan(values[feature]);
        const int64_t order = is_f32 ? order_of_f32(bits) : f64_order(values[feature]);
        keys[c] = !is_nan ? (KEY)order : column->nan_is_low ? KEY_MIN : KEY_MAX;
    }
}

/* LANES descents: from at[i], with the keys x[i], until all are at leaves. */
static void NAME(descend)(const NAME(node) *nodes, const KEY *const x[LANES], int32_t at[LANES])
{
    int32_t moved;
    do {
        for (int step = 0; step < 3; step++) {
#pragma GCC unroll 8
            for (int i = 0; i < LANES; i++) {
                const NAME(node) *node = &nodes[at[i]];
                at[i] = node->child[x[i][node->column] > node->key];
            }
        }
        moved = 0;
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++) { /* the fourth step tells whether anybody is still under way */
            const NAME(node) *node = &nodes[at[i]];
            const int32_t next = node->child[x[i][node->column] > node->key];
            moved |= next ^ at[i];
            at[i] = next;
        }
    } while (moved);
}

static void NAME(vote)(const forest_state *s, int32_t at, double *scores)
{
    const pithi_forest *f = &s->forest;
    const int32_t leaf = s->leaf_of[at];
    if (s->is_single) {
        scores[0] += f->vote_weights[leaf];
        return;
    }
    for (int32_t v = f->leaf_begins[leaf]; v < f->leaf_begins[leaf + 1]; v++) {
        double *score = &scores[f->vote_targets[v]];
        *score = pithi_forest_vote(f->aggregate, *score, f->vote_weights[v]);
    }
}

/* Trees [first, last) for LANES rows: tree by tree, a lane for each row. */
static void NAME(by_rows)(const forest_state *s, const KEY *keys, double *scores, int64_t first, int64_t last)
{
    const KEY *x[LANES];
    int32_t at[LANES];
    for (int i = 0; i < LANES; i++) {
        x[i] = keys + (int64_t)i * s->n_columns;
    }
    for (int64_t t = first; t < last; t++) {
        for (int i = 0; i < LANES; i++) {
            at[i] = s->roots[t];
        }
        NAME(descend)(s->nodes, x, at);
        for (int i = 0; i < LANES; i++) {
            NAME(vote)(s, at[i], scores + i * s->forest.n_targets);
        }
    }
}

/* The same for one row, a lane for each tree. */
static void NAME(by_trees)(const forest_state *s, const KEY *keys, double *scores, int64_t first, int64_t last)
{
    const KEY *x[LANES];
    int32_t at[LANES];
    for (int i = 0; i < LANES; i++) {
        x[i] = keys;
    }
    for (int64_t t = first; t < last; t += LANES) {
        const int64_t count = pithi_min_s64(LANES, last - t);
        for (int i = 0; i < LANES; i++) {
            at[i] = s->roots[i < count ? t + i : t];
        }
        NAME(descend)(s->nodes, x, at);
        for (int i = 0; i < count; i++) {
            NAME(vote)(s, at[i], scores);
        }
    }
}

static void NAME(run_block)(const pith_run *run, int64_t block, int64_t chunk, void *scratch)
{
    const forest_state *s = run->state;
    const pithi_forest *f = &s->forest;
    const int64_t begin = block * s->block_rows, end = pithi_min_s64(s->n_rows, begin + s->block_rows);
    const int64_t first = f->n_trees * chunk / s->n_chunks, last = f->n_trees * (chunk + 1) / s->n_chunks;
    KEY *keys = scratch;
    double *scores = (double *)(void *)((char *)scratch +
                                        pithi_align_up((size_t)(s->block_rows * s->n_columns) * sizeof(KEY), 8));
    double *values = scores + s->block_rows * f->n_targets;
    if (s->n_chunks > 1) {
        scores = (double *)run->shared + (chunk * s->n_rows + begin) * f->n_targets;
    }
    for (int64_t row = begin; row < end; row++) {
        NAME(encode)(s, &run->inputs[0], row, keys + (row - begin) * s->n_columns, values);
    }
    for (int64_t i = 0; i < (end - begin) * f->n_targets; i++) {
        scores[i] = pithi_forest_start(f->aggregate);
    }
    int64_t row = 0;
    for (; row + LANES <= end - begin; row += LANES) {
        NAME(by_rows)(s, keys + row * s->n_columns, scores + row * f->n_targets, first, last);
    }
    for (; row < end - begin; row++) {
        NAME(by_trees)(s, keys + row * s->n_columns, scores + row * f->n_targets, first, last);
    }
    for (row = begin; row < end && s->n_chunks == 1; row++) {
        pithi_forest_finish(run, f, row, scores + (row - begin) * f->n_targets);
    }
}
