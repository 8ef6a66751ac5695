/* SPDX-License-Identifier: Apache-2.0 */
/* hardmax: y = 1 at the first largest x along an axis, else 0. ONNX Hardmax. */
#include "ops/shared_softmax.h"
#include "ops/shared_unary.h"

static void ref(const pith_run *run)
{
    pithi_softmax_ref(run, PITHI_HARDMAX);
}

static void run_part(const pith_run *run, const pith_part *part) { pithi_softmax_ref_part(run, part, PITHI_HARDMAX); }

static const pith_spelling spellings[] = {
    { "onnx", "", "Hardmax", 1, pithi_map_softmax_flatten },
    { "onnx", "", "Hardmax", 13, NULL },
};
static const char *const samples[] = {
    "f32[3,37]", "f32[2,5,33] | axis=1", "f32[2,3,4] | axis=1 flatten=1", "f32[4,9] | axis=0", "f16[2,7]",
    "f32[130]{-30:30}",
    "f32[3,0]", "f32[2,3,1]"
};

const pith_op pith_op_hardmax = {
    .head = { "hardmax", 1, PITH_ATTRS(pithi_softmax_attrs_table, pithi_softmax_attrs) },
    PITHI_SOFTMAX_RECORD,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run_part,
    .to_source = pithi_softmax_to_source,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
