/* SPDX-License-Identifier: Apache-2.0 */
/* bitwise_and: y = a and b bit by bit, numpy broadcasting. ONNX BitwiseAnd. */
#include "ops/shared_binary.h"

static int64_t fn_s64(int64_t a, int64_t b) { return a & b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .s64 = fn_s64 };
    pithi_binary_ref(run, &fns);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "BitwiseAnd", 18, NULL },
};
static const char *const samples[] = {
    "s32[2,3] s32[3]", "u8[4]{0:255} u8[]{170}", "s64[2,1]{-5,9} s64[1,3]{1,-2,3}", "u64[2] u64[2]", "s8[0] s8[]{3}"
};

const pith_op pith_op_bitwise_and = {
    .head = { "bitwise_and", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE_ANY | PITH_OP_COMMUTATIVE,
    .inputs = pithi_ab_integer, .n_inputs = 2,
    .outputs = pithi_y_integer, .n_outputs = 1,
    .infer = pithi_infer_binary,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
