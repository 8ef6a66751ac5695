/* SPDX-License-Identifier: Apache-2.0 */
/* svm_regressor: y = transform(sum over support vectors v of c_v K(x, v) + rho) for each row of [N, F]: [N, 1]; with
 * one_class its sign. ai.onnx.ml SVMRegressor; without support vectors the coefficients are a plain linear model. */
#include "ops/sample.h"
#include "ops/shared_svm.h"

typedef struct svm_attrs {
    int64_t n_supports, one_class, kernel_type, post_transform;
    pith_floats coefficients, kernel_params, rho, support_vectors;
} svm_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(svm_attrs, n_supports, "n_supports", 0),
    PITH_ATTR_INT(svm_attrs, one_class, "one_class", 0),
    PITH_ATTR_CHOICE(svm_attrs, kernel_type, "kernel_type", PITHI_SVM_LINEAR, pithi_svm_kernels),
    PITH_ATTR_CHOICE(svm_attrs, post_transform, "post_transform", PITHI_ML_NONE, pithi_ml_post_names),
    PITH_ATTR_FLOATS(svm_attrs, coefficients, "coefficients"),
    PITH_ATTR_FLOATS(svm_attrs, kernel_params, "kernel_params"),
    PITH_ATTR_FLOATS(svm_attrs, rho, "rho"),
    PITH_ATTR_FLOATS(svm_attrs, support_vectors, "support_vectors"),
};

static void rows(const pith_run *run, int64_t begin, int64_t end, double *scratch)
{
    const svm_attrs *a = run->attrs;
    const int64_t n = pithi_ml_matrix_of(&run->inputs[0].shape).n_columns;
    for (int64_t row = begin; row < end; row++) {
        double sum = (double)a->rho.items[0];
        pithi_ml_read(&run->inputs[0], row * n, n, scratch);
        for (int64_t j = 0; j < a->n_supports; j++) {
            const float *vector = a->support_vectors.items + j * n;
            sum += (double)a->coefficients.items[j] *
                   pithi_svm_product(a->kernel_type, &a->kernel_params, scratch, vector, n);
        }
        if (a->n_supports == 0) {
            sum += pithi_svm_product(PITHI_SVM_LINEAR, &a->kernel_params, scratch, a->coefficients.items, n);
        }
        sum = !a->one_class ? sum : sum > 0 ? 1.0 : -1.0;
        pithi_ml_transform(a->post_transform, &sum, 1);
        pithi_tensor_set_f64(&run->outputs[0], row, sum);
    }
}

static int64_t scratch_count(const void *attrs, const pith_tensor *inputs)
{
    (void)attrs;
    return pithi_ml_matrix_of(&inputs[0].shape).n_columns;
}

PITHI_ML_ROW_FUNCTIONS(rows, scratch_count)

static pith_status infer(pith_infer *infer)
{
    const svm_attrs *a = infer->attrs;
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    PITH_TRY(pithi_infer_svm_params(infer, &a->kernel_params));
    PITH_CHECK(infer->ctx, a->rho.n_items >= 1, PITH_STATUS_FORMAT, "'rho' is empty, but must have one item");
    PITH_CHECK(infer->ctx, a->n_supports >= 0 && a->n_supports <= INT32_MAX &&
               pithi_ml_is_product(a->support_vectors.n_items, a->n_supports, matrix.n_columns), PITH_STATUS_SHAPE,
               "'support_vectors' has %d items, which don't make %lld vectors of %lld features",
               a->support_vectors.n_items, (long long)a->n_supports, (long long)matrix.n_columns);
    const int64_t n_wanted = a->n_supports > 0 ? a->n_supports : matrix.n_columns;
    PITH_CHECK(infer->ctx, a->coefficients.n_items == n_wanted, PITH_STATUS_SHAPE,
               "'coefficients' has %d items, but %lld are needed", a->coefficients.n_items, (long long)n_wanted);
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = (pith_shape){ 2, { matrix.n_rows, 1 } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "SVMRegressor", 1, NULL } };
#define TWO_VECTORS                                                                                                   \
    " | n_supports=2 coefficients=[0.5,-1] rho=[0.1] support_vectors=[1,2,3,-1] kernel_params=[0.5,1,3] "
static const char *const samples[] = {
    "f32[7,2]" TWO_VECTORS "kernel_type=RBF",
    "f64[7,2]" TWO_VECTORS "kernel_type=POLY",
    "s32[7,2]{-3:3}" TWO_VECTORS "kernel_type=SIGMOID post_transform=LOGISTIC",
    "f32[9,2]" TWO_VECTORS "kernel_type=LINEAR one_class=1",
    "f32[2] | coefficients=[0.5,-1] rho=[0.1]",
};

const pith_op pith_op_svm_regressor = {
    .head = { "svm_regressor", 1, PITH_ATTRS(table, svm_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes, .prepare = prepare, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
