/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: y = e^x / sum of e^x along an axis. ONNX Softmax. */
#include "ops/shared_softmax.h"
#include "ops/shared_unary.h"

static void ref(const pith_run *run)
{
    pithi_softmax_ref(run, PITHI_SOFTMAX);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_softmax_prepare(prepare, PITHI_SOFTMAX);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Softmax", 1, pithi_map_softmax_flatten },
    { "onnx", "", "Softmax", 13, NULL },
};
static const char *const samples[] = {
    "f32[3,37]", "f32[150,3]", "f32[70,8]",
    "f32[2,5,33] | axis=1", "f32[2,3,4] | axis=1 flatten=1", "f32[4,9] | axis=0", "f16[2,7]",
    "f32[130]{-30:30}",
    "f32[3,0]", "f32[2,3,1]"
};

const pith_op pith_op_softmax = {
    .head = { "softmax", 1, PITH_ATTRS(pithi_softmax_attrs_table, pithi_softmax_attrs) },
    PITHI_SOFTMAX_RECORD,
    .ref = ref, .prepare = prepare, .run = pithi_softmax_run,
    .to_source = pithi_softmax_to_source,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
