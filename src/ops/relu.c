/* SPDX-License-Identifier: Apache-2.0 */
/* relu: y = max(x, 0), NaN for NaN. ONNX Relu. */
#include "ops/shared_unary.h"

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    (void)attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_RELU, 0.0f, 0.0f);
}

static int64_t fn_s64(int64_t x)
{
    return (int64_t)(x < 0 ? 0 : (uint64_t)x);
}

static void ref(const pith_run *run)
{
    if (pithi_dtype_is_integer(run->inputs[0].dtype)) {
        pithi_unary_ref_s64(run, fn_s64);
    } else {
        pithi_unary_activation_ref(run);
    }
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Relu", 1, pithi_map_consumed_inputs },
    { "onnx", "", "Relu", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67]", "f16[9]", "bf16[3,1]",
    "f64[]", "f32[0,4]", "s32[5]{0,-1,7,-128,2}", "s8[4]{-128,127,0,-5}"
};

const pith_op pith_op_relu = {
    .head = { "relu", 1, PITH_NO_ATTRS },
    PITHI_UNARY_NUMBER,
    .as_activation = as_activation,
    .ref = ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
