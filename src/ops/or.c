/* SPDX-License-Identifier: Apache-2.0 */
/* or: y = a or b, numpy broadcasting. ONNX Or. */
#include "ops/shared_binary.h"

static int64_t fn_s64(int64_t a, int64_t b) { return a | b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .s64 = fn_s64 };
    pithi_binary_ref(run, &fns);
}

PITHI_ROW_FN(row, uint8_t, uint8_t, (a != 0) | (b != 0))

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_row_prepare(prepare, row);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Or", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Or", 7, NULL },
};
static const char *const samples[] = {
    "bool[2,33] bool[2,33]", "bool[3,1,4] bool[2,1]", "bool[] bool[5]", "bool[0] bool[1]"
};

const pith_op pith_op_or = {
    .head = { "or", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE_ANY | PITH_OP_COMMUTATIVE,
    .inputs = pithi_ab_bool, .n_inputs = 2,
    .outputs = pithi_y_bool, .n_outputs = 1,
    .infer = pithi_infer_binary,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
