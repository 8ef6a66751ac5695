/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool: mean of each window; with count_include_pad the padding counts as zeros. ONNX AveragePool. */
#include "ops/shared_pool.h"

static const pith_attr_spec attrs_table[] = {
    PITHI_POOL_ATTRS,
    PITH_ATTR_INT(pithi_pool_attrs, count_include_pad, "count_include_pad", 0),
};

static void ref(const pith_run *run)
{
    pithi_pool_ref(run, PITHI_POOL_AVERAGE);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_pool_prepare(prepare, PITHI_POOL_AVERAGE);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "AveragePool", 1, NULL } };
static const char *const samples[] = {
    "f32[1,3,9,8] | kernel_shape=[2,2] strides=[2,2]",
    "f32[2,2,7,6] | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] count_include_pad=1 ceil_mode=1",
    "f32[2,7,6,37] | kernel_shape=[3,2] strides=[2,1] pads=[1,0,1,1] channels_last=1",
    "f32[2,7,6,19] | kernel_shape=[3,3] strides=[2,2] ceil_mode=1 count_include_pad=1 pads=[1,1,0,0] channels_last=1",
    "f32[1,2,8] | kernel_shape=[3] strides=[2] ceil_mode=1 dilations=[2]",
    "f32[1,3,7,7] | kernel_shape=[3,3] strides=[2,2] auto_pad=SAME_LOWER",
    "f16[1,2,5,5] | kernel_shape=[2,2] auto_pad=SAME_UPPER",
    "f32[2,9,11,21] | kernel_shape=[5,5] pads=[2,2,2,2] channels_last=1",
    "f32[2,9,11,3] | kernel_shape=[5,6] pads=[2,2,2,2] strides=[1,2] ceil_mode=1 count_include_pad=1 channels_last=1",
    "f32[1,4,3,5,2] | kernel_shape=[2,2,2] channels_last=1 auto_pad=VALID"
};

const pith_op pith_op_average_pool = {
    .head = { "average_pool", 1, PITH_ATTRS(attrs_table, pithi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_pool_infer,
    .ref = ref, .prepare = prepare, .run = pithi_pool_run, .takes_window = pithi_pool_takes_window,
    .cost = pithi_pool_cost,
    .layout = PITH_LAYOUT_LAST, .to_channels_last = pithi_pool_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
