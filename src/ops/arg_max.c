/* SPDX-License-Identifier: Apache-2.0 */
/* arg_max: index of the largest element along an axis; the first (or last) of equals. ONNX ArgMax. */
#include "ops/shared_arg.h"

static void ref(const pith_run *run)
{
    pithi_arg_ref(run, 1);
}

static void run(const pith_run *run, const pith_part *part)
{
    pithi_arg_run(run, part, 1);
}

static const pith_spelling spellings[] = { { "onnx", "", "ArgMax", 1, NULL } };
static const char *const samples[] = {
    "f32[3,37] | axis=-1", "f32[2,5,7] | axis=1 keepdims=0", "s32[4,9]{0:3} | axis=1 select_last_index=1", "u8[5]{0:2}",
    "f32[6]{1,nan,3,nan,3,0}", "f32[6]{1,nan,3,nan,3,0} | select_last_index=1",
    "f32[4,2]{2,2,2,2,1,3,1,3} | select_last_index=1", "f16[2,3] | axis=0",
    "f32[2,5,70]{0:3} | axis=1", "f32[3,4]{1,nan,2,2,nan,2,2,1,nan,3,1,2} | axis=0",
    "f32[3,4]{1,nan,2,2,nan,2,2,1,nan,3,1,2} | axis=0 select_last_index=1", "f32[0,3] | axis=1",
    "f32[2,3,4,5] | axis=1",
};

const pith_op pith_op_arg_max = {
    .head = { "arg_max", 1, PITH_ATTRS(pithi_arg_attrs_table, pithi_arg_attrs) },
    PITHI_ARG_RECORD,
    .ref = ref, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
