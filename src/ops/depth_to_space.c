/* SPDX-License-Identifier: Apache-2.0 */
/* depth_to_space: groups of b * b channels become blocks of b x b pixels. ONNX DepthToSpace. */
#include "ops/sample.h"
#include "ops/shared_block.h"

static pithi_copy describe(const pith_run *run)
{
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    pithi_block_copy(&copy, run->attrs, &run->outputs[0].shape, true);
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

static pith_status infer(pith_infer *infer)
{
    return pithi_infer_block(infer, true);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "DepthToSpace", 1, NULL } };
static const char *const samples[] = {
    "f32[2,12,3,5] | blocksize=2",
    "s8[1,27,2,4] | blocksize=3 mode=CRD",
    "f32[2,3,5,12] | blocksize=2 channels_last=1",
    "f32[1,7,6,16] | blocksize=2 mode=CRD channels_last=1",
    "f32[1,16,50,40] | blocksize=4",
    "f64[0,4,2,2] | blocksize=2",
};

const pith_op pith_op_depth_to_space = {
    .head = { "depth_to_space", 1, PITH_ATTRS(pithi_block_attr_table, pithi_block_attrs) },
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
