/* SPDX-License-Identifier: Apache-2.0 */
/* space_to_depth: blocks of b x b pixels become groups of b * b channels. ONNX SpaceToDepth. */
#include "ops/sample.h"
#include "ops/shared_block.h"

static pithi_copy describe(const pith_run *run)
{
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    pithi_block_copy(&copy, run->attrs, &run->inputs[0].shape, false);
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

static pith_status infer(pith_infer *infer)
{
    return pithi_infer_block(infer, false);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "SpaceToDepth", 1, NULL } };
static const char *const samples[] = {
    "f32[2,3,6,4] | blocksize=2", "s8[1,2,6,9] | blocksize=3 mode=CRD", "f32[2,6,8,3] | blocksize=2 channels_last=1",
    "f32[1,4,6,5] | blocksize=2 mode=CRD channels_last=1", "f32[1,3,80,60] | blocksize=2", "f64[1,0,2,2] | blocksize=2",
};

const pith_op pith_op_space_to_depth = {
    .head = { "space_to_depth", 1, PITH_ATTRS(pithi_block_attr_table, pithi_block_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = pithi_block_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
