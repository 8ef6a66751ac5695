/* SPDX-License-Identifier: Apache-2.0 */
/* bitwise_not: y = the complement of x, bit by bit. ONNX BitwiseNot. */
#include "ops/shared_unary.h"

static void apply(const pith_run *run, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        pithi_tensor_set_s64(&run->outputs[0], i, ~pithi_tensor_get_s64(&run->inputs[0], i));
    }
}

static void ref(const pith_run *run)
{
    apply(run, 0, pith_shape_elements(&run->outputs[0].shape));
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    apply(run, begin, end);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "BitwiseNot", 18, NULL },
};
static const char *const samples[] = { "s32[2,33]{-50:50}", "u8[4]{0,1,128,255}", "s64[]{7}", "u16[0]" };

const pith_op pith_op_bitwise_not = {
    .head = { "bitwise_not", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_x_integer, .n_inputs = 1,
    .outputs = pithi_y_integer, .n_outputs = 1,
    .infer = pithi_infer_same,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
