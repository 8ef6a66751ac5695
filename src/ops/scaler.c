/* SPDX-License-Identifier: Apache-2.0 */
/* scaler: y = (x - offset) scale, as f32; offset and scale have one value, or one for each item of the last
 * dimension. ai.onnx.ml Scaler. */
#include "ops/sample.h"
#include "ops/shared_ml.h"

typedef struct scaler_attrs {
    pith_floats scale, offset; /* empty: 1 and 0 */
} scaler_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_FLOATS(scaler_attrs, scale, "scale"),
                                        PITH_ATTR_FLOATS(scaler_attrs, offset, "offset") };

static double item(const pith_floats *list, int64_t i, double otherwise)
{
    return list->n_items == 0 ? otherwise : (double)list->items[i % list->n_items];
}

static void ref(const pith_run *run)
{
    const scaler_attrs *attrs = run->attrs;
    const int64_t count = pith_shape_elements(&run->inputs[0].shape);
    for (int64_t i = 0; i < count; i++) {
        double centred = pithi_tensor_get_f64(&run->inputs[0], i) - item(&attrs->offset, i, 0.0);
        pithi_tensor_set_f64(&run->outputs[0], i, centred * item(&attrs->scale, i, 1.0));
    }
}

static pith_status infer(pith_infer *infer)
{
    const scaler_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    const int64_t n_features = x->rank > 0 ? x->dims[x->rank - 1] : 1;
    const int n_offsets = attrs->offset.n_items, n_scales = attrs->scale.n_items;
    PITH_CHECK(infer->ctx, (n_offsets <= 1 || n_offsets == n_features) && (n_scales <= 1 || n_scales == n_features) &&
               (n_offsets == n_scales || n_offsets == 0 || n_scales == 0), PITH_STATUS_SHAPE,
               "'offset' has %d and 'scale' %d items; both must have 1, or %lld like the last dimension", n_offsets,
               n_scales, (long long)n_features);
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = *x;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "Scaler", 1, NULL } };
static const char *const samples[] = { "f32[3,2] | offset=[1,-0.5] scale=[2,0.25]", "s64[5] | offset=[2] scale=[0.5]",
                                       "f64[2,3]", "f32[0,3] | scale=[2]" };

const pith_op pith_op_scaler = {
    .head = { "scaler", 1, PITH_ATTRS(table, scaler_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
