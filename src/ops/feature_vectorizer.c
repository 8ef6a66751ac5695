/* SPDX-License-Identifier: Apache-2.0 */
/* feature_vectorizer: rows of [N, C_i] beside each other as f32, each input cut or filled up with zeros to its
 * inputdimensions. ai.onnx.ml FeatureVectorizer; [C] counts as [1, C]. */
#include "ops/sample.h"
#include "ops/shared_ml.h"

typedef struct vectorizer_attrs {
    pith_ints inputdimensions;
} vectorizer_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_INTS(vectorizer_attrs, inputdimensions, "inputdimensions") };

static void ref(const pith_run *run)
{
    const vectorizer_attrs *attrs = run->attrs;
    const pith_shape *y = &run->outputs[0].shape;
    int64_t start = 0;
    for (int i = 0; i < run->n_inputs; i++) {
        const int64_t n_columns = pithi_ml_matrix_of(&run->inputs[i].shape).n_columns;
        const int64_t width = attrs->inputdimensions.items[i];
        for (int64_t at = 0; at < y->dims[0] * width; at++) {
            const int64_t row = at / width, column = at % width;
            const bool is_there = column < n_columns;
            pithi_tensor_set_f64(&run->outputs[0], row * y->dims[1] + start + column,
                                 is_there ? pithi_tensor_get_f64(&run->inputs[i], row * n_columns + column) : 0.0);
        }
        start += width;
    }
}

static pith_status infer(pith_infer *infer)
{
    const vectorizer_attrs *attrs = infer->attrs;
    pith_shape *y = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, attrs->inputdimensions.n_items == infer->n_inputs, PITH_STATUS_FORMAT,
               "inputdimensions has %d items for %d inputs", attrs->inputdimensions.n_items, infer->n_inputs);
    *y = (pith_shape){ 2, { 0, 0 } };
    for (int i = 0; i < infer->n_inputs; i++) {
        const pithi_ml_matrix matrix = pithi_ml_matrix_of(&infer->inputs[i].shape);
        const int64_t width = attrs->inputdimensions.items[i];
        PITH_CHECK(infer->ctx, matrix.n_rows >= 0 && (i == 0 || matrix.n_rows == y->dims[0]), PITH_STATUS_SHAPE,
                   "input %d has %lld rows, but input 0 has %lld (all must be [N,C] with one N, or [C])", i,
                   (long long)matrix.n_rows, (long long)y->dims[0]);
        PITH_CHECK(infer->ctx, width >= 0 && width <= INT32_MAX, PITH_STATUS_FORMAT,
                   "inputdimensions has an item %lld", (long long)width);
        y->dims[0] = matrix.n_rows;
        y->dims[1] += width;
    }
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "FeatureVectorizer", 1, NULL } };
static const char *const samples[] = { "f32[3,2] f32[3,4] | inputdimensions=[2,4]",
                                       "s64[2] s64[1,3] s64[1] | inputdimensions=[1,5,1]",
                                       "f64[0,2] | inputdimensions=[2]" };

const pith_op pith_op_feature_vectorizer = {
    .head = { "feature_vectorizer", 1, PITH_ATTRS(table, vectorizer_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
