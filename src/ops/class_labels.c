/* SPDX-License-Identifier: Apache-2.0 */
/* class_labels: the top class of each row of scores [N, S] and the transformed scores, the last step of ai.onnx.ml
 * TreeEnsembleClassifier, LinearClassifier and SVMClassifier, which are spelled here. The class is the greatest vote if
 * there are votes [N, C], else the greatest score.
 *
 * One score s and two classes: s > 0 is the second class. The pair of scores is (-s, s), transformed; with PROBIT, and
 * with `complement` and NONE, it is (1 - s, s); with complement its threshold is then 0.5. That is what ONNX Runtime
 * gives for NONE and LOGISTIC and ONNX's reference for the softmaxes, where the former leaves the scores untransformed.
 * One score and one class: the class for s > 0, else 0 or "". */
#include "ops/sample.h"
#include "ops/shared_forest.h"
#include "ops/shared_index.h"
#include "ops/shared_source.h"

typedef struct labels_attrs {
    int64_t post_transform, complement;
    const pith_tensor *labels; /* s64 or string */
} labels_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_CHOICE(labels_attrs, post_transform, "post_transform", PITHI_ML_NONE, pithi_ml_post_names),
    PITH_ATTR_OWN_INT(labels_attrs, complement, "complement", 0),
    { "labels", PITH_ATTR_KIND_TENSOR, offsetof(labels_attrs, labels), 0, NULL, false, true, false },
};

static int64_t columns_of(const pith_tensor *tensor)
{
    return tensor->shape.dims[1];
}

static int64_t greatest(const double *values, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

/* Class number of a row, -1: none of them. */
static int64_t class_of(const pith_run *run, int64_t row, const double *scores, double *votes)
{
    const labels_attrs *attrs = run->attrs;
    const int64_t n_scores = columns_of(&run->inputs[0]), n_labels = attrs->labels->shape.dims[0];
    if (pithi_has_operand(run->inputs, run->n_inputs, 1) && columns_of(&run->inputs[1]) == n_labels && n_labels > 1) {
        pithi_ml_read(&run->inputs[1], row * n_labels, n_labels, votes);
        return greatest(votes, n_labels);
    }
    if (n_scores > 1) {
        return greatest(scores, n_scores);
    }
    const bool has_half = attrs->complement &&
                          (attrs->post_transform == PITHI_ML_NONE || attrs->post_transform == PITHI_ML_PROBIT);
    const bool is_above = scores[0] > (has_half ? 0.5 : 0.0);
    return n_labels == 1 ? (is_above ? 0 : -1) : is_above;
}

static void set_label(const pith_run *run, int64_t row, int64_t number)
{
    const pith_tensor *labels = ((const labels_attrs *)run->attrs)->labels;
    pith_tensor *y = &run->outputs[0];
    if (y->dtype == PITH_DTYPE_STRING) {
        const pith_string none = { "", 0 };
        ((pith_string *)y->data)[row] = number < 0 ? none : ((const pith_string *)labels->data)[number];
    } else if (y->dtype != PITH_DTYPE_NONE) {
        ((int64_t *)y->data)[row] = number < 0 ? 0 : ((const int64_t *)labels->data)[number];
    }
}

static void rows(const pith_run *run, int64_t begin, int64_t end, double *scratch)
{
    const labels_attrs *attrs = run->attrs;
    const int64_t n_scores = columns_of(&run->inputs[0]), n_labels = attrs->labels->shape.dims[0];
    const int64_t n_given = n_scores == 1 && n_labels == 2 ? 2 : n_scores;
    double *scores = scratch, *votes = scores + n_given;
    for (int64_t row = begin; row < end; row++) {
        pithi_ml_read(&run->inputs[0], row * n_scores, n_scores, scores);
        set_label(run, row, class_of(run, row, scores, votes));
        if (!pithi_has_operand(run->outputs, run->n_outputs, 1)) {
            continue;
        }
        if (n_given > n_scores) {
            const bool is_one = attrs->post_transform == PITHI_ML_PROBIT ||
                                (attrs->complement && attrs->post_transform == PITHI_ML_NONE);
            scores[1] = scores[0];
            scores[0] = (is_one ? 1.0 : 0.0) - scores[0];
        }
        pithi_ml_transform(attrs->post_transform, scores, n_given);
        for (int64_t k = 0; k < n_given; k++) {
            pithi_tensor_set_f64(&run->outputs[1], row * n_given + k, scores[k]);
        }
    }
}

static int64_t scratch_count(const void *attrs, const pith_tensor *inputs)
{
    return columns_of(&inputs[0]) + 1 + ((const labels_attrs *)attrs)->labels->shape.dims[0];
}

PITHI_ML_ROW_FUNCTIONS(rows, scratch_count)

static pith_status infer(pith_infer *infer)
{
    const labels_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    PITH_CHECK(infer->ctx, attrs->labels && attrs->labels->shape.rank == 1 && attrs->labels->shape.dims[0] > 0 &&
               (attrs->labels->dtype == PITH_DTYPE_S64 || attrs->labels->dtype == PITH_DTYPE_STRING),
               PITH_STATUS_FORMAT, "there are no labels of classes");
    PITH_CHECK(infer->ctx, x->rank == 2 && x->dims[1] > 0, PITH_STATUS_SHAPE,
               "the scores have rank %d, but must be [N,S]", x->rank);
    const int64_t n_labels = attrs->labels->shape.dims[0], n_scores = x->dims[1];
    bool has_votes = pithi_has_operand(infer->inputs, infer->n_inputs, 1);
    if (has_votes) {
        const pith_shape *votes = &infer->inputs[1].shape;
        PITH_CHECK(infer->ctx, votes->rank == 2 && votes->dims[0] == x->dims[0] && votes->dims[1] == n_labels,
                   PITH_STATUS_SHAPE, "the votes aren't [N,%lld]", (long long)n_labels);
    }
    PITH_CHECK(infer->ctx, has_votes || n_scores == n_labels || (n_scores == 1 && n_labels == 2), PITH_STATUS_SHAPE,
               "there are %lld scores for %lld classes", (long long)n_scores, (long long)n_labels);
    infer->outputs[0].dtype = attrs->labels->dtype;
    infer->outputs[0].shape = (pith_shape){ 1, { x->dims[0] } };
    if (infer->n_outputs > 1) {
        infer->outputs[1].dtype = PITH_DTYPE_F32;
        infer->outputs[1].shape = (pith_shape){ 2, { x->dims[0], n_scores == 1 && n_labels == 2 ? 2 : n_scores } };
    }
    return PITH_OK;
}

/* ---- import ------------------------------------------------------------------------------- */

/* One of the two lists of labels. */
static pith_status read_labels(pith_ctx *ctx, pith_source *source, const char *ints_name, labels_attrs *attrs)
{
    const pith_tensor *ints = NULL, *strings = NULL;
    PITH_TRY(pithi_source_list(ctx, source, ints_name, &ints));
    PITH_TRY(pithi_source_list(ctx, source, "classlabels_strings", &strings));
    PITH_CHECK(ctx, !ints != !strings, PITH_STATUS_FORMAT,
               "%s of '%s' and 'classlabels_strings' is given; one is needed", ints ? "each" : "none", ints_name);
    attrs->labels = ints ? ints : strings;
    PITH_CHECK(ctx, attrs->labels->dtype == PITH_DTYPE_S64 || attrs->labels->dtype == PITH_DTYPE_STRING,
               PITH_STATUS_FORMAT, "'%s' is no list of ints", ints_name);
    return PITH_OK;
}

static int64_t n_base_values(pith_source *source)
{
    const pith_source_attr *list = pithi_source_attr(source, "base_values");
    const pith_source_attr *tensor = pithi_source_attr(source, "base_values_as_tensor");
    return tensor ? pith_shape_elements(&tensor->tensor.shape) : list ? list->n_items : 0;
}

static pith_status map_trees(pith_ctx *ctx, pith_source *source, void *attrs)
{
    labels_attrs *a = attrs;
    pithi_forest_attrs trees = { .aggregate_function = PITHI_FOREST_SUM };
    pithi_forest_votes votes;
    pith_node *node = NULL;
    PITH_TRY(read_labels(ctx, source, "classlabels_int64s", a));
    const int64_t n_labels = a->labels->shape.dims[0];
    PITH_TRY(pithi_forest_map_classifier(ctx, source, n_labels, &trees, &votes));
    pith_source_attr *post = pithi_source_attr(source, "post_transform"); /* not the trees' */
    PITH_TRY(pithi_source_front(ctx, source, "tree_ensemble", 1, &node));
    if (post) {
        post->is_used = false;
    }
    if (n_labels == 2 && votes.is_single_class && n_base_values(source) < 2) {
        trees.n_targets = 1; /* one score for both classes */
        a->complement = votes.is_positive;
    }
    *(pithi_forest_attrs *)node->attrs = trees;
    return PITH_OK;
}

static pith_status map_linear(pith_ctx *ctx, pith_source *source, void *attrs)
{
    static const int64_t any = 0;
    pith_node *node = NULL;
    PITH_TRY(read_labels(ctx, source, "classlabels_ints", attrs));
    pith_source_attr *post = pithi_source_attr(source, "post_transform"); /* not the scores' */
    (void)pithi_source_attr(source, "multi_class"); /* says how the model was trained; no effect */
    PITH_TRY(pithi_source_front(ctx, source, "linear_regressor", 1, &node));
    if (post) {
        post->is_used = false;
    }
    return pithi_attr_set_int(ctx, node, "targets", any);
}

static pith_status map_svm(pith_ctx *ctx, pith_source *source, void *attrs)
{
    labels_attrs *a = attrs;
    pith_node *node = NULL;
    PITH_TRY(read_labels(ctx, source, "classlabels_ints", attrs));
    PITH_TRY(pithi_source_front(ctx, source, "svm_classifier", 2, &node));
    return pithi_attr_set_int(ctx, node, "n_classes", a->labels->shape.dims[0]);
}

static const pith_operand_spec inputs[] = { { "scores", PITHI_ML_F32, PITH_ONE },
                                            { "votes", PITHI_ML_F32, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = {
    { "labels", PITH_DTYPES(PITH_DTYPE_S64) | PITH_DTYPES_STRING, PITH_ONE },
    { "scores", PITHI_ML_F32, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "TreeEnsembleClassifier", 1, map_trees },
                                           { "onnx", "ai.onnx.ml", "LinearClassifier", 1, map_linear },
                                           { "onnx", "ai.onnx.ml", "SVMClassifier", 1, map_svm } };
static const char *const samples[] = {
    "f32[7,3] | labels=s64[3]{5,-6,7} post_transform=SOFTMAX | 2",
    "f32[7,1] | labels=s64[2]{5,6} post_transform=LOGISTIC | 2",
    "f32[7,1] | labels=s64[2]{5,6} complement=1 | 2",
    "f32[7,1] | labels=string[1]{yes} | 2",
    "f32[7,3] f32[7,3] | labels=string[3]{a,b,c} post_transform=SOFTMAX_ZERO | 2",
    "f32[0,3] | labels=s64[3]{5,6,7}",
};

const pith_op pith_op_class_labels = {
    .head = { "class_labels", 1, PITH_ATTRS(table, labels_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes, .prepare = prepare, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
