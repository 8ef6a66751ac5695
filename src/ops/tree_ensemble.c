/* SPDX-License-Identifier: Apache-2.0 */
/* tree_ensemble: the votes of decision trees for each row of [N, F], summed, averaged or the least or greatest
 * taken per target, then transformed: [N, n_targets]. ai.onnx.ml TreeEnsemble, TreeEnsembleRegressor, and the trees
 * of TreeEnsembleClassifier (class_labels). */
#include "ops/sample.h"
#include "ops/shared_forest.h"

static const char *const aggregates[] = { "AVERAGE", "SUM", "MIN", "MAX", NULL };

#define OWN_TABLE(field) \
    { #field, PITH_ATTR_KIND_TENSOR, offsetof(pithi_forest_attrs, field), 0, NULL, false, true, false }

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(pithi_forest_attrs, n_targets, "n_targets", 1),
    PITH_ATTR_CHOICE(pithi_forest_attrs, aggregate_function, "aggregate_function", PITHI_FOREST_SUM, aggregates),
    PITH_ATTR_CHOICE(pithi_forest_attrs, post_transform, "post_transform", PITHI_ML_NONE, pithi_ml_post_names),
    PITH_ATTR_OWN_INT(pithi_forest_attrs, gives_f32, "gives_f32", 0),
    OWN_TABLE(roots), OWN_TABLE(nodes), OWN_TABLE(splits), OWN_TABLE(members),
    OWN_TABLE(leaf_begins), OWN_TABLE(vote_targets), OWN_TABLE(vote_weights), OWN_TABLE(base_values),
};

static void ref(const pith_run *run)
{
    const pithi_forest f = pithi_forest_of(run->attrs);
    const pithi_ml_matrix matrix = pithi_ml_matrix_of(&run->inputs[0].shape);
    double *features = run->shared, *scores = features + matrix.n_columns;
    for (int64_t row = 0; row < matrix.n_rows; row++) {
        pithi_ml_read(&run->inputs[0], row * matrix.n_columns, matrix.n_columns, features);
        for (int64_t k = 0; k < f.n_targets; k++) {
            scores[k] = pithi_forest_start(f.aggregate);
        }
        for (int64_t t = 0; t < f.n_trees; t++) {
            const int64_t leaf = pithi_forest_leaf(&f, t, features);
            for (int32_t v = f.leaf_begins[leaf]; v < f.leaf_begins[leaf + 1]; v++) {
                double *score = &scores[f.vote_targets[v]];
                *score = pithi_forest_vote(f.aggregate, *score, f.vote_weights[v]);
            }
        }
        pithi_forest_finish(run, &f, row, scores);
    }
}

static size_t ref_bytes(const pith_run *run)
{
    const pithi_forest_attrs *attrs = run->attrs;
    return (size_t)(pithi_ml_matrix_of(&run->inputs[0].shape).n_columns + attrs->n_targets) * sizeof(double);
}

static pith_status infer(pith_infer *infer)
{
    const pithi_forest_attrs *attrs = infer->attrs;
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    PITH_TRY(pithi_forest_check(infer->ctx, attrs, matrix.n_columns));
    const bool is_same = pithi_dtype_is_float(infer->inputs[0].dtype) && !attrs->gives_f32;
    infer->outputs[0].dtype = is_same ? infer->inputs[0].dtype : PITH_DTYPE_F32;
    infer->outputs[0].shape = (pith_shape){ 2, { matrix.n_rows, attrs->n_targets } };
    return PITH_OK;
}

/* One comparison a level. */
static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pithi_forest f = pithi_forest_of(infer->attrs);
    uint64_t n_levels = 1;
    for (int64_t n = f.n_trees > 0 ? f.n_leaves / f.n_trees : 0; n > 1; n /= 2) {
        n_levels++;
    }
    cost->flops = (uint64_t)infer->outputs[0].shape.dims[0] * (uint64_t)f.n_trees * n_levels;
}

static const pith_operand_spec inputs[] = {
    { "x", PITHI_ML_DTYPES | PITH_DTYPES(PITH_DTYPE_F16), PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "y", PITHI_ML_F32 | PITH_DTYPES(PITH_DTYPE_F64) | PITH_DTYPES(PITH_DTYPE_F16), PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "ai.onnx.ml", "TreeEnsembleRegressor", 1, pithi_forest_map_regressor },
    { "onnx", "ai.onnx.ml", "TreeEnsemble", 5, pithi_forest_map_5 },
};
/* Of a node: feature, mode, whether NaN goes to the true branch, true branch, false branch (~n: leaf n), first
 * member, number of members. */
#define ONE_LEAF_ONE_VOTE " leaf_begins=s32[4]{0,1,2,3} vote_targets=s32[3]{0,0,0} vote_weights=f64[3]{1,2,4.5}"
#define TWO_TREES " roots=s32[2]{0,1} splits=f64[3]{0.25,-0.5,0.5}" ONE_LEAF_ONE_VOTE
static const char *const samples[] = {
    "f32[19,3] |" TWO_TREES " nodes=s32[3,7]{0,0,0,-1,-2,0,0,1,1,1,2,-3,0,0,2,3,0,-2,-1,0,0}",
    "f64[11,2] | gives_f32=1" TWO_TREES
    " nodes=s32[3,7]{0,2,1,-1,-2,0,0,1,3,1,2,-3,0,0,1,3,0,-2,-1,0,0} aggregate_function=AVERAGE",
    "s32[9,2]{-1:4} | roots=s32[2]{0,1} splits=f64[3]{1,2,0} members=f64[3]{3,1,-1} n_targets=2 "
    "aggregate_function=MAX nodes=s32[3,7]{0,4,1,-1,-2,0,0,1,5,1,2,-3,0,0,1,6,0,-2,-1,0,3} leaf_begins=s32[4]{0,2,3,3} "
    "vote_targets=s32[3]{0,1,1} vote_weights=f64[3]{-1,2,4.5} base_values=f64[2]{0.5,0.25}",
    "f32[3] |" TWO_TREES " nodes=s32[3,7]{0,0,0,-1,-2,0,0,1,1,1,2,-3,0,0,2,6,1,-2,-1,0,2} members=f64[2]{0.5,0.75} "
    "post_transform=LOGISTIC",
    "f16[5,2] | roots=s32[1]{-1} nodes=s32[0,7]{} splits=f64[0]{} leaf_begins=s32[2]{0,2} vote_targets=s32[2]{1,0} "
    "vote_weights=f64[2]{0.5,-1} n_targets=2 post_transform=SOFTMAX aggregate_function=MIN",
    "s64[0,3] |" TWO_TREES " nodes=s32[3,7]{0,0,0,-1,-2,0,0,1,1,1,2,-3,0,0,2,3,0,-2,-1,0,0}",
};

const pith_op pith_op_tree_ensemble = {
    .head = { "tree_ensemble", 1, PITH_ATTRS(table, pithi_forest_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = pithi_forest_prepare, .run = pithi_forest_run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
