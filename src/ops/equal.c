/* SPDX-License-Identifier: Apache-2.0 */
/* equal: y = a = b as bool, numpy broadcasting; false where an operand is NaN. ONNX Equal. */
#include "graph/object.h"
#include "ops/shared_binary.h"
#include "ops/shared_broadcast.h"

PITHI_COMPARISON_CODE(==)

static void compare_strings(const pith_run *run)
{
    const pith_tensor *a = &run->inputs[0], *b = &run->inputs[1];
    const pith_shape *to = &run->outputs[0].shape;
    uint8_t *y = run->outputs[0].data;
    for (int64_t i = 0; i < pith_shape_elements(to); i++) {
        y[i] = pithi_string_same((const pith_string *)a->data + pithi_broadcast_offset(&a->shape, to, i),
                                 (const pith_string *)b->data + pithi_broadcast_offset(&b->shape, to, i));
    }
}

static void ref(const pith_run *run)
{
    if (run->inputs[0].dtype == PITH_DTYPE_STRING) {
        compare_strings(run);
        return;
    }
    pithi_binary_ref(run, &fns);
}

static const pith_operand_spec inputs[] = { { "a", PITH_DTYPES_ANY | PITH_DTYPES_STRING, PITH_ONE },
                                            { "b", PITH_DTYPES_ANY | PITH_DTYPES_STRING, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Equal", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Equal", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,33] f32[2,33]{-1:1}", "f32[3,1,4] f32[2,1]", "s64[5]{1,-2,3,4,9} s64[]{3}", "s32[2,3]{0:4} s32[3]{0:4}",
    "f16[7] f16[]{0.5}",
    "u64[3]{0:3} u64[3]{0:3}", "u8[2,1]{0:3} u8[1,3]{0:3}", "f32[0] f32[1]", "bool[4] bool[4]",
    "string[3]{a,,b} string[2,1]{b,a}"
};

const pith_op pith_op_equal = {
    .head = { "equal", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_COMMUTATIVE,
    .inputs = inputs, .n_inputs = 2,
    .outputs = pithi_y_bool, .n_outputs = 1,
    .infer = pithi_infer_compare,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
