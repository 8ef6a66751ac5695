/* SPDX-License-Identifier: Apache-2.0 */
/* cum_prod: running products along an axis. ONNX CumProd. */
#include "ops/shared_cumulative.h"

static void ref(const pith_run *run)
{
    pithi_cumulative_ref(run, true);
}

static void run_part(const pith_run *run, const pith_part *part) { pithi_cumulative_run(run, part, true); }

static const pith_spelling spellings[] = { { "onnx", "", "CumProd", 26, NULL } };
static const char *const samples[] = {
    "f32[5] s32[]{0}", "f32[2,3,4] s64[]{-2} | exclusive=1", "s64[2,5]{1:9} s32[]{1} | reverse=1",
    "f64[4,3] s64[1]{0} | exclusive=1 reverse=1", "f32[0,3] s64[]{1}",
    "f32[3,9,130] s64[]{1} | reverse=1", "f32[40,300] s64[]{1} | exclusive=1"
};

const pith_op pith_op_cum_prod = {
    .head = { "cum_prod", 1, PITH_ATTRS(pithi_cumulative_attrs_table, pithi_cumulative_attrs) },
    PITHI_CUMULATIVE_RECORD,
    .ref = ref, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
