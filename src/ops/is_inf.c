/* SPDX-License-Identifier: Apache-2.0 */
/* is_inf: y = x is an infinity (of a sign that is asked for), as bool. ONNX IsInf. */
#include "ops/shared_unary.h"

typedef struct is_inf_attrs {
    int64_t detect_negative, detect_positive;
} is_inf_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_INT(is_inf_attrs, detect_negative, "detect_negative", 1),
    PITH_ATTR_INT(is_inf_attrs, detect_positive, "detect_positive", 1),
};

static double fn(double x, const void *attrs)
{
    const is_inf_attrs *a = attrs;
    return isinf(x) && (x > 0.0 ? a->detect_positive : a->detect_negative) ? 1.0 : 0.0;
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
    { "onnx", "", "IsInf", 10, NULL },
};
static const char *const samples[] = { "f32[2,33]", "f32[3]{-inf,1,inf}", "f32[3]{-inf,1,inf} | detect_negative=0",
    "f16[2]{nan,-inf} | detect_positive=0", "f64[]{inf}", "f32[0]",
                                       "f8e5m2[3]{nan,1,-inf}" };

const pith_op pith_op_is_inf = {
    .head = { "is_inf", 1, PITH_ATTRS(attrs_table, is_inf_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_y_bool, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
