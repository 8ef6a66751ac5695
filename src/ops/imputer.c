/* SPDX-License-Identifier: Apache-2.0 */
/* imputer: elements equal to a value (NaN included) become another, one for all or one for each item of the last
 * dimension. ai.onnx.ml Imputer. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_ml.h"

typedef struct imputer_attrs {
    pith_floats imputed_value_floats;
    pith_ints imputed_value_int64s;
    float replaced_value_float;
    int64_t replaced_value_int64;
} imputer_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_FLOATS(imputer_attrs, imputed_value_floats, "imputed_value_floats"),
    PITH_ATTR_INTS(imputer_attrs, imputed_value_int64s, "imputed_value_int64s"),
    PITH_ATTR_FLOAT(imputer_attrs, replaced_value_float, "replaced_value_float", 0.0),
    PITH_ATTR_WIDE_INT(imputer_attrs, replaced_value_int64, "replaced_value_int64", 0),
};

static void ref(const pith_run *run)
{
    const imputer_attrs *a = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    const int64_t count = pith_shape_elements(&x->shape);
    const double old = (double)a->replaced_value_float;
    for (int64_t i = 0; i < count; i++) {
        if (pithi_dtype_is_float(x->dtype)) {
            const double value = pithi_tensor_get_f64(x, i);
            const bool is_old = isnan(old) ? isnan(value) : value == old;
            const float fresh = a->imputed_value_floats.items[i % a->imputed_value_floats.n_items];
            pithi_tensor_set_f64(&run->outputs[0], i, is_old ? (double)fresh : value);
        } else {
            const int64_t value = pithi_tensor_get_s64(x, i);
            const int64_t fresh = a->imputed_value_int64s.items[i % a->imputed_value_int64s.n_items];
            pithi_tensor_set_s64(&run->outputs[0], i, value == a->replaced_value_int64 ? fresh : value);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const imputer_attrs *a = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    const bool is_float = pithi_dtype_is_float(infer->inputs[0].dtype);
    const int n_items = is_float ? a->imputed_value_floats.n_items : a->imputed_value_int64s.n_items;
    PITH_CHECK(infer->ctx, n_items == 1 || (n_items > 0 && x->rank > 0 && n_items == x->dims[x->rank - 1]),
               PITH_STATUS_SHAPE,
               "'%s' has %d items; for an input of %s it must have 1, or as many as the last dimension",
               is_float ? "imputed_value_floats" : "imputed_value_int64s", n_items,
               pith_dtype_name(infer->inputs[0].dtype));
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "Imputer", 1, NULL } };
static const char *const samples[] = {
    "f32[2,2]{1,0.5,nan,0.5} | imputed_value_floats=[5,6] replaced_value_float=0.5",
    "f64[2,2]{1,0.5,nan,0.5} | imputed_value_floats=[5] replaced_value_float=nan",
    "s64[7]{0:3} | imputed_value_int64s=[9] replaced_value_int64=1", "s32[0,2] | imputed_value_int64s=[9,8]" };

const pith_op pith_op_imputer = {
    .head = { "imputer", 1, PITH_ATTRS(table, imputer_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
