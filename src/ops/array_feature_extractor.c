/* SPDX-License-Identifier: Apache-2.0 */
/* array_feature_extractor: z[..., k] = x[..., y[k]]; y counts as one list, and of rank 1 x becomes one row. ai.onnx.ml
 * ArrayFeatureExtractor. */
#include "ops/sample.h"
#include "ops/shared_index.h"
#include "ops/shared_ml.h"

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    const int64_t n_columns = x->shape.dims[x->shape.rank - 1];
    const int64_t n_wanted = pith_shape_elements(&run->inputs[1].shape);
    const int64_t count = pith_shape_elements(&run->outputs[0].shape);
    const size_t n_bytes = pith_dtype_bytes(x->dtype);
    for (int64_t i = 0; i < count; i++) {
        const int64_t column = pithi_run_index(run, &run->inputs[1], i % n_wanted, n_columns);
        memcpy((char *)run->outputs[0].data + (size_t)i * n_bytes,
               (const char *)x->data + (size_t)(i / n_wanted * n_columns + column) * n_bytes, n_bytes);
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    const int64_t n_wanted = pith_shape_elements(&infer->inputs[1].shape);
    pith_shape *z = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, x->rank > 0 && (x->dims[x->rank - 1] > 0 || n_wanted == 0), PITH_STATUS_SHAPE,
               "there is nothing to select from in an input of rank %d", x->rank);
    *z = *x;
    if (x->rank == 1) {
        *z = (pith_shape){ 2, { 1, 0 } };
    }
    z->dims[z->rank - 1] = n_wanted;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES | PITH_DTYPES_STRING, PITH_ONE },
                                            { "y", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_operand_spec outputs[] = { { "z", PITHI_ML_DTYPES | PITH_DTYPES_STRING, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "ArrayFeatureExtractor", 1, NULL } };
static const char *const samples[] = { "f32[3,4] s64[1,2]{3,0}", "s64[2,3,4] s64[3]{1,1,0}", "f64[5] s64[2]{4,2}",
                                       "string[2,2]{a,b,c,d} s64[1]{1}", "s32[0,2] s64[1]{1}" };

const pith_op pith_op_array_feature_extractor = {
    .head = { "array_feature_extractor", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
