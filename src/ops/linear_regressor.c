/* SPDX-License-Identifier: Apache-2.0 */
/* linear_regressor: y = transform(x coefficients^T + intercepts) for each row of [N, F]: [N, targets]. ai.onnx.ml
 * LinearRegressor, and the scores of LinearClassifier (class_labels). */
#include "ops/sample.h"
#include "ops/shared_ml.h"

typedef struct linear_attrs {
    int64_t targets, post_transform; /* targets 0: as many as there are coefficients for */
    pith_floats coefficients, intercepts;
} linear_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(linear_attrs, targets, "targets", 1),
    PITH_ATTR_CHOICE(linear_attrs, post_transform, "post_transform", PITHI_ML_NONE, pithi_ml_post_names),
    PITH_ATTR_FLOATS(linear_attrs, coefficients, "coefficients"),
    PITH_ATTR_FLOATS(linear_attrs, intercepts, "intercepts"),
};

static int64_t targets_of(const linear_attrs *attrs, const pith_tensor *inputs)
{
    const int64_t n_features = pithi_ml_matrix_of(&inputs[0].shape).n_columns;
    return attrs->targets > 0 || n_features == 0 ? attrs->targets : attrs->coefficients.n_items / n_features;
}

static void rows(const pith_run *run, int64_t begin, int64_t end, double *scratch)
{
    const linear_attrs *attrs = run->attrs;
    const int64_t n_features = pithi_ml_matrix_of(&run->inputs[0].shape).n_columns;
    const int64_t n_targets = targets_of(attrs, run->inputs);
    double *scores = scratch + n_features;
    for (int64_t row = begin; row < end; row++) {
        pithi_ml_read(&run->inputs[0], row * n_features, n_features, scratch);
        for (int64_t k = 0; k < n_targets; k++) {
            const float *coefficients = attrs->coefficients.items + k * n_features;
            double sum = attrs->intercepts.n_items > 0 ? (double)attrs->intercepts.items[k] : 0.0;
            for (int64_t i = 0; i < n_features; i++) {
                sum += scratch[i] * (double)coefficients[i];
            }
            scores[k] = sum;
        }
        pithi_ml_transform(attrs->post_transform, scores, n_targets);
        for (int64_t k = 0; k < n_targets; k++) {
            pithi_tensor_set_f64(&run->outputs[0], row * n_targets + k, scores[k]);
        }
    }
}

static int64_t scratch_count(const void *attrs, const pith_tensor *inputs)
{
    return pithi_ml_matrix_of(&inputs[0].shape).n_columns + targets_of(attrs, inputs);
}

PITHI_ML_ROW_FUNCTIONS(rows, scratch_count)

static pith_status infer(pith_infer *infer)
{
    const linear_attrs *attrs = infer->attrs;
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    const int64_t n_targets = targets_of(attrs, infer->inputs);
    PITH_CHECK(infer->ctx, n_targets > 0 && n_targets <= INT32_MAX &&
               pithi_ml_is_product(attrs->coefficients.n_items, n_targets, matrix.n_columns), PITH_STATUS_SHAPE,
               "%d coefficients are given, which don't make %lld targets of %lld features each",
               attrs->coefficients.n_items, (long long)n_targets, (long long)matrix.n_columns);
    PITH_CHECK(infer->ctx, attrs->intercepts.n_items == 0 || attrs->intercepts.n_items == n_targets, PITH_STATUS_SHAPE,
               "%d intercepts are given for %lld targets", attrs->intercepts.n_items, (long long)n_targets);
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = (pith_shape){ 2, { matrix.n_rows, n_targets } };
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->macs = (uint64_t)pith_shape_elements(&infer->inputs[0].shape) *
                 (uint64_t)targets_of(infer->attrs, infer->inputs);
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "LinearRegressor", 1, NULL } };
static const char *const samples[] = {
    "f32[7,3] | coefficients=[0.5,-1,2] intercepts=[0.25]",
    "s64[5,2] | coefficients=[0.5,-1,2,0.125] targets=2 post_transform=SOFTMAX",
    "f64[2] | coefficients=[0.5,-1,2,0.125] targets=2 post_transform=LOGISTIC",
    "f32[4,2]{0.1:0.3} | coefficients=[0.5,1,1,0] targets=0 post_transform=PROBIT",
    "f32[0,2] | coefficients=[0.5,1]",
};

const pith_op pith_op_linear_regressor = {
    .head = { "linear_regressor", 1, PITH_ATTRS(table, linear_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes, .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
