/* SPDX-License-Identifier: Apache-2.0 */
/* mean: mean of all operands, numpy broadcasting. ONNX Mean. */
#include "ops/shared_binary.h"

static double fn_f64(double a, double b) { return a + b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .f64 = fn_f64, .is_mean = true };
    pithi_binary_ref(run, &fns);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_variadic_prepare(prepare, PITH_VBINARY_ADD, 1.0f / (float)prepare->n_inputs);
}

static const pith_operand_spec inputs[] = { { "data", PITH_DTYPES_FLOAT, PITH_VARIADIC } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Mean", 1, pithi_map_consumed_inputs },
    { "onnx", "", "Mean", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,33] f32[2,33]", "f32[2,5,7] f32[7] f32[5,1] f32[2,5,7]", "f32[9]", "f32[4,3] f32[4,3] f32[4,3] f32[4,3]",
    "f16[3] f16[1]", "f64[2] f64[]", "f32[0,3] f32[3]"
};

const pith_op pith_op_mean = {
    .head = { "mean", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = 1,
    .outputs = pithi_y_float, .n_outputs = 1,
    .infer = pithi_infer_binary,
    .ref = ref, .prepare = prepare, .run = pithi_variadic_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
