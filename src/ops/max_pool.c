/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool: largest value of each window, padding excluded; NaN wins. Optionally its index in the flattened
 * input (channels-first order). ONNX MaxPool. */
#include "ops/shared_pool.h"
#include "ops/shared_quant.h"

static const pith_attr_spec attrs_table[] = {
    PITHI_POOL_ATTRS,
    PITH_ATTR_INT(pithi_pool_attrs, storage_order, "storage_order", 0),
};

static void ref(const pith_run *run)
{
    pithi_pool_ref(run, PITHI_POOL_MAX);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_pool_prepare(prepare, PITHI_POOL_MAX);
}

#define DTYPES (PITH_DTYPES_FLOAT | PITH_DTYPES_8OR16)
static const pith_operand_spec inputs[] = { { "x", DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", DTYPES, PITH_ONE },
                                             { "indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "MaxPool", 1, NULL } };
static const char *const samples[] = {
    "f32[1,3,9,8] | kernel_shape=[2,2] strides=[2,2]",
    "f32[2,2,7,6] | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] storage_order=1 | 2",
    "f32[2,7,6,37] | kernel_shape=[3,2] strides=[2,1] pads=[1,0,1,1] channels_last=1",
    "f32[1,2,8] | kernel_shape=[3] strides=[2] ceil_mode=1 dilations=[2]",
    "f32[1,3,7,7] | kernel_shape=[3,3] strides=[2,2] auto_pad=SAME_LOWER ceil_mode=1",
    "s8[1,2,5,5] | kernel_shape=[2,2] auto_pad=SAME_UPPER | 2",
    "f32[1,4,3,5,2] | kernel_shape=[2,2,2] channels_last=1 auto_pad=VALID",
    "f32[2,9,11,21] | kernel_shape=[5,5] pads=[2,2,2,2] channels_last=1",
    "f32[1,13,12,3] | kernel_shape=[9,7] strides=[1,2] pads=[4,3,4,3] channels_last=1",
    "f32[2,7,5,3] | kernel_shape=[1,4] strides=[1,3] dilations=[2,2] ceil_mode=1 channels_last=1",
    "u8[2,9,11,85]{0:256} | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] channels_last=1",
    "s8[1,13,12,27]{-128:128} | kernel_shape=[9,7] pads=[4,3,4,3] channels_last=1",
    "u16[2,9,11,85]{0:65536} | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] channels_last=1",
    "s16[1,13,12,7]{-32768:32768} | kernel_shape=[9,7] pads=[4,3,4,3] channels_last=1",
    "f32[2,3,7,5] | kernel_shape=[1,4] strides=[1,3] dilations=[2,2] ceil_mode=1", "f32[0,2,4,4] | kernel_shape=[2,2]"
};

const pith_op pith_op_max_pool = {
    .head = { "max_pool", 1, PITH_ATTRS(attrs_table, pithi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_pool_infer,
    .ref = ref, .prepare = prepare, .run = pithi_pool_run, .takes_window = pithi_pool_takes_window,
    .cost = pithi_pool_cost,
    .layout = PITH_LAYOUT_LAST, .to_channels_last = pithi_pool_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
