/* SPDX-License-Identifier: Apache-2.0 */
/* instance_normalization: y = (x - mean) / sqrt(variance + epsilon) scale + bias, statistics per channel of each image
 * of [N, C, ...]. ONNX InstanceNormalization; Ulyanov et al. 2016. */
#include "ops/shared_group_norm.h"
#include "ops/shared_unary.h"

typedef struct instance_norm_attrs {
    float epsilon;
} instance_norm_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_FLOAT(instance_norm_attrs, epsilon, "epsilon", 1e-5) };

static pithi_group_norm norm_of(const void *attrs, const pith_shape *x)
{
    return (pithi_group_norm){ .n_groups = x->rank > 1 ? x->dims[1] : 0,
                               .epsilon = ((const instance_norm_attrs *)attrs)->epsilon };
}

static pith_status infer(pith_infer *infer)
{
    const pithi_group_norm norm = norm_of(infer->attrs, &infer->inputs[0].shape);
    return pithi_group_norm_infer(infer, &norm);
}

static void ref(const pith_run *run)
{
    const pithi_group_norm norm = norm_of(run->attrs, &run->inputs[0].shape);
    pithi_group_norm_ref(run, &norm);
}

static pith_status prepare(pith_prepare *prepare)
{
    const pithi_group_norm norm = norm_of(prepare->attrs, &prepare->inputs[0].shape);
    return pithi_group_norm_prepare(prepare, &norm);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "InstanceNormalization", 1, pithi_map_consumed_inputs },
    { "onnx", "", "InstanceNormalization", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3,5,7] f32[3] f32[3]", "f32[1,2,130] f32[2] f32[2] | epsilon=0.01", "f16[2,3,4] f16[3] f16[3]",
    "f32[0,3,4] f32[3] f32[3]",
    "f32[2,0,4] f32[0] f32[0]"
};

const pith_op pith_op_instance_normalization = {
    .head = { "instance_normalization", 1, PITH_ATTRS(attrs_table, instance_norm_attrs) },
    PITHI_GROUP_NORM_RECORD,
    .infer = infer,
    .ref = ref, .prepare = prepare,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
