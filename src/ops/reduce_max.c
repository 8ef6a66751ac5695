/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_max: largest x; NaN wins; nothing gives -infinity or the least integer over the given axes. ONNX ReduceMax. */
#include "ops/shared_reduce.h"

static void ref(const pith_run *run)
{
    pithi_reduce_ref(run, PITHI_REDUCE_MAX);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_reduce_prepare(prepare, PITHI_REDUCE_MAX);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "ReduceMax", 1, pithi_map_reduce_axes },
    { "onnx", "", "ReduceMax", 18, NULL },
};
static const char *const samples[] = {
    "f32[3,37] s64[1]{-1}", "f32[150,3] s64[1]{1}",
    "f32[2,5,7,33] s64[2]{1,2} | keepdims=0", "f32[2,3,4,5] s64[2]{1,3}", "f32[4,9] s64[1]{0}",
    "f32[2,3,5]", "f32[2,3] - | noop_with_empty_axes=1", "s32[3,4]{1:5} s64[1]{1}", "f16[2,4] s64[1]{1} | keepdims=0",
    "f32[3,0] s64[1]{0}", "f32[]", "bool[3,2] s64[1]{1}", "s8[2,0] s64[1]{1}", "u64[2,2] s64[1]{0}"
};

const pith_op pith_op_reduce_max = {
    .head = { "reduce_max", 1, PITH_ATTRS(pithi_reduce_attrs_table, pithi_reduce_attrs) },
    .inputs = pithi_reduce_inputs_bool, .n_inputs = 2,
    PITHI_REDUCE_RECORD,
    .ref = ref, .prepare = prepare,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
