/* SPDX-License-Identifier: Apache-2.0 */
/* one_hot_encoder: y[..., k] = 1 where x is category k, else 0, as f32; floats are cut to integers. ai.onnx.ml
 * OneHotEncoder. With zeros = 0 a value that is no category is an error. */
#include "graph/object.h"
#include "ops/sample.h"
#include "ops/shared_ml.h"
#include "ops/shared_source.h"

typedef struct one_hot_attrs {
    int64_t zeros;
    const pith_tensor *cats; /* s64 or string */
} one_hot_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(one_hot_attrs, zeros, "zeros", 1),
    { "cats", PITH_ATTR_KIND_TENSOR, offsetof(one_hot_attrs, cats), 0, NULL, false, true, false },
};

static bool is_category(const pith_tensor *x, int64_t i, const pith_tensor *cats, int64_t k)
{
    return x->dtype == PITH_DTYPE_STRING
               ? pithi_string_same((const pith_string *)x->data + i, (const pith_string *)cats->data + k)
               : pithi_tensor_get_s64(x, i) == ((const int64_t *)cats->data)[k];
}

static void ref(const pith_run *run)
{
    const one_hot_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    const int64_t count = pith_shape_elements(&x->shape), n_cats = attrs->cats->shape.dims[0];
    float *y = run->outputs[0].data;
    for (int64_t i = 0; i < count; i++) {
        bool is_known = false;
        for (int64_t k = 0; k < n_cats; k++) {
            const bool is_it = is_category(x, i, attrs->cats, k);
            y[i * n_cats + k] = is_it ? 1.0f : 0.0f;
            is_known |= is_it;
        }
        if (!is_known && !attrs->zeros) {
            pithi_run_fault(run, "element %lld is none of the %lld categories, and zeros is 0", (long long)i,
                            (long long)n_cats);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const one_hot_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    PITH_CHECK(infer->ctx, attrs->cats && attrs->cats->shape.rank == 1, PITH_STATUS_FORMAT, "there are no categories");
    PITH_CHECK(infer->ctx, (attrs->cats->dtype == PITH_DTYPE_STRING) == (x->dtype == PITH_DTYPE_STRING) &&
               (attrs->cats->dtype == PITH_DTYPE_STRING || attrs->cats->dtype == PITH_DTYPE_S64), PITH_STATUS_DTYPE,
               "the categories are of %s, but the input is of %s", pith_dtype_name(attrs->cats->dtype),
               pith_dtype_name(x->dtype));
    PITH_CHECK(infer->ctx, x->shape.rank < PITH_MAX_RANK, PITH_STATUS_LIMIT, "the output would have rank %d",
               x->shape.rank + 1);
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = x->shape;
    infer->outputs[0].shape.dims[infer->outputs[0].shape.rank++] = attrs->cats->shape.dims[0];
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_tensor *ints = NULL, *strings = NULL;
    PITH_TRY(pithi_source_list(ctx, source, "cats_int64s", &ints));
    PITH_TRY(pithi_source_list(ctx, source, "cats_strings", &strings));
    PITH_CHECK(ctx, !ints != !strings, PITH_STATUS_FORMAT,
               "%s of 'cats_int64s' and 'cats_strings' is given; one is needed", ints ? "each" : "none");
    ((one_hot_attrs *)attrs)->cats = ints ? ints : strings;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES | PITH_DTYPES_STRING, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "OneHotEncoder", 1, map } };
static const char *const samples[] = { "f32[3,2]{-1:5} | cats=s64[3]{0,2,4}",
                                       "s64[5]{0,1,2,1,0} | cats=s64[3]{0,1,2} zeros=0",
                                       "string[4]{b,x,,a} | cats=string[2]{a,b}", "s32[0,2] | cats=s64[2]{1,2}" };

const pith_op pith_op_one_hot_encoder = {
    .head = { "one_hot_encoder", 1, PITH_ATTRS(table, one_hot_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
