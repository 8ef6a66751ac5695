/* SPDX-License-Identifier: Apache-2.0 */
/* global_average_pool: mean over all spatial positions of each channel. ONNX GlobalAveragePool. */
#include "ops/shared_global_pool.h"

static void ref(const pith_run *run)
{
    pithi_global_pool_ref(run, PITHI_REDUCE_MEAN);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_global_pool_prepare(prepare, PITHI_REDUCE_MEAN);
}

static const pith_spelling spellings[] = { { "onnx", "", "GlobalAveragePool", 1, NULL } };
static const char *const samples[] = {
    "f32[2,3,5,7]", "f32[2,5,7,37] | channels_last=1", "f32[1,4,9]", "f32[1,9,130] | channels_last=1", "f16[2,3,2,2]",
    "f32[1,3,2,3,4]", "f32[0,3,4,4]"
};

const pith_op pith_op_global_average_pool = {
    .head = { "global_average_pool", 1, PITH_ATTRS(pithi_global_pool_attrs_table, pithi_global_pool_attrs) },
    PITHI_GLOBAL_POOL_RECORD,
    .ref = ref, .prepare = prepare,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
