/* SPDX-License-Identifier: Apache-2.0 */
/* min: smallest of all operands, NaN if one is, numpy broadcasting. ONNX Min. */
#include "ops/shared_binary.h"

static double fn_f64(double a, double b) { return a < b || isnan(a) ? a : b; }
static int64_t fn_s64(int64_t a, int64_t b) { return a < b ? a : b; }
static uint64_t fn_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .f64 = fn_f64, .s64 = fn_s64, .u64 = fn_u64 };
    pithi_binary_ref(run, &fns);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_variadic_prepare(prepare, PITH_VBINARY_MIN, 1.0f);
}

static const pith_operand_spec inputs[] = { { "data", PITH_DTYPES_NUMBER, PITH_VARIADIC } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Min", 1, pithi_map_consumed_inputs },
    { "onnx", "", "Min", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,33] f32[2,33]", "f32[2,5,7] f32[7] f32[5,1] f32[2,5,7]", "f32[9]", "f32[4,3] f32[4,3] f32[4,3] f32[4,3]",
    "f16[3] f16[1]", "f64[2] f64[]", "f32[0,3] f32[3]", "s32[4]{1,-5,7,9} s32[]{3}", "u64[3]{0:9} u64[3]{0:9}",
    "s8[2] s8[2] s8[2]"
};

const pith_op pith_op_min = {
    .head = { "min", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = 1,
    .outputs = pithi_y_number, .n_outputs = 1,
    .infer = pithi_infer_binary,
    .ref = ref, .prepare = prepare, .run = pithi_variadic_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
