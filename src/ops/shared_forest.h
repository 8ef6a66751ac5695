/* SPDX-License-Identifier: Apache-2.0 */
/* Decision trees as tree_ensemble keeps them. Every spelling is brought to these tables at import; they are
 * tensors, so that the plans of a model share them. */
#ifndef PITH_OPS_SHARED_FOREST_H
#define PITH_OPS_SHARED_FOREST_H

#include <math.h>

#include "ops/shared_ml.h"

/* Comparisons x <op> split that lead to the child `yes`; numbered as TreeEnsemble of version 5 does. */
typedef enum pithi_forest_mode {
    PITHI_FOREST_LEQ,
    PITHI_FOREST_LT,
    PITHI_FOREST_GTE,
    PITHI_FOREST_GT,
    PITHI_FOREST_EQ,
    PITHI_FOREST_NEQ,
    PITHI_FOREST_MEMBER, /* x is one of a set */
    PITHI_FOREST_LEAF    /* in files only */
} pithi_forest_mode;

/* A row of the table `nodes`, s32[n, 7]. A child is the number of a node, or ~(number of a leaf). */
typedef struct pithi_forest_node {
    int32_t feature, mode;
    int32_t missing_is_yes; /* NaN takes the child `yes` whatever the comparison says */
    int32_t yes, no;
    int32_t first_member, n_members; /* of `members`, for MEMBER */
} pithi_forest_node;
#define PITHI_FOREST_NODE_COLUMNS 7

typedef enum pithi_forest_aggregate { PITHI_FOREST_AVERAGE, PITHI_FOREST_SUM, PITHI_FOREST_MIN, PITHI_FOREST_MAX }
    pithi_forest_aggregate;

typedef struct pithi_forest_attrs {
    int64_t n_targets, aggregate_function, post_transform;
    int64_t gives_f32; /* whatever the input: before version 5 */
    const pith_tensor *roots;        /* s32[n_trees], as a child */
    const pith_tensor *nodes;        /* s32[n_nodes, 7] */
    const pith_tensor *splits;       /* f64[n_nodes] */
    const pith_tensor *members;      /* f64[n_members] */
    const pith_tensor *leaf_begins;  /* s32[n_leaves + 1]: a leaf's votes are from its number to the next one's */
    const pith_tensor *vote_targets; /* s32[n_votes] */
    const pith_tensor *vote_weights; /* f64[n_votes] */
    const pith_tensor *base_values;  /* f64[n_targets], added to the aggregate; NULL: none */
} pithi_forest_attrs;

/* The same as arrays. */
typedef struct pithi_forest {
    const int32_t *roots, *leaf_begins, *vote_targets;
    const pithi_forest_node *nodes;
    const double *splits, *members, *vote_weights, *base_values;
    int64_t n_trees, n_nodes, n_members, n_leaves, n_votes, n_targets;
    int aggregate;
} pithi_forest;

pithi_forest pithi_forest_of(const pithi_forest_attrs *attrs);
/* Tables of one shape that fit, children, features, targets in range, and no cycles. */
pith_status pithi_forest_check(pith_ctx *ctx, const pithi_forest_attrs *attrs, int64_t n_features);

/* The leaf that a row of features comes to; plain descent. */
int64_t pithi_forest_leaf(const pithi_forest *forest, int64_t tree, const double *row);
/* An aggregate before the first vote: NaN where 0 would take part. */
static inline double pithi_forest_start(int aggregate)
{
    return aggregate <= PITHI_FOREST_SUM ? 0.0 : (double)NAN;
}
/* With one vote more. */
static inline double pithi_forest_vote(int aggregate, double so_far, double weight)
{
    if (aggregate <= PITHI_FOREST_SUM) {
        return so_far + weight;
    }
    bool is_better = aggregate == PITHI_FOREST_MIN ? weight < so_far : weight > so_far;
    return is_better || isnan(so_far) ? weight : so_far;
}
/* Average, base values and transform for one row of aggregates, then the result. */
void pithi_forest_finish(const pith_run *run, const pithi_forest *forest, int64_t row, double *scores);

/* The fast path (shared_forest_run.c): prepare and run of tree_ensemble. */
pith_status pithi_forest_prepare(pith_prepare *prepare);
void pithi_forest_run(const pith_run *run, const pith_part *part);

/* ---- import (shared_forest_source.c) ------------------------------------------------------- */

/* TreeEnsemble of version 5. */
pith_status pithi_forest_map_5(pith_ctx *ctx, pith_source *source, void *attrs);
/* TreeEnsembleRegressor. */
pith_status pithi_forest_map_regressor(pith_ctx *ctx, pith_source *source, void *attrs);

typedef struct pithi_forest_votes {
    bool is_single_class; /* all votes are for class 0 */
    bool is_positive;     /* no vote has a negative weight */
} pithi_forest_votes;
/* The trees of TreeEnsembleClassifier into the attributes of a tree_ensemble with n_classes targets. */
pith_status pithi_forest_map_classifier(pith_ctx *ctx, pith_source *source, int64_t n_classes,
                                        pithi_forest_attrs *attrs, pithi_forest_votes *votes_out);

#endif
