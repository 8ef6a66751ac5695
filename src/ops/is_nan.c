/* SPDX-License-Identifier: Apache-2.0 */
/* is_nan: y = x is NaN, as bool. ONNX IsNaN. */
#include "ops/shared_unary.h"

static double fn(double x, const void *attrs)
{
    (void)attrs;
    return isnan(x) ? 1.0 : 0.0;
}

static void ref(const pith_run *run)
{
    pithi_unary_ref(run, fn);
}

static void run(const pith_run *run, const pith_part *part)
{
    pithi_unary_ref_part(run, part, fn);
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = PITH_DTYPE_BOOL;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT | PITH_DTYPES_F8, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "IsNaN", 9, NULL },
};
static const char *const samples[] = { "f32[2,33]", "f32[3]{nan,1,inf}", "f16[2]{nan,-inf}", "f64[]{nan}", "f32[0]",
                                       "f8e5m2[3]{nan,1,-inf}" };

const pith_op pith_op_is_nan = {
    .head = { "is_nan", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_y_bool, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
