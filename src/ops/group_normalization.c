/* SPDX-License-Identifier: Apache-2.0 */
/* group_normalization: y = (x - mean) / sqrt(variance + epsilon) scale + bias, statistics per group of channels of each
 * image of [N, C, ...]. ONNX GroupNormalization (before 21 scale and bias were per group); Wu and He 2018. */
#include "ops/shared_group_norm.h"

typedef struct group_norm_attrs {
    int64_t num_groups, stash_type, per_group;
    float epsilon;
} group_norm_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_REQUIRED_INT(group_norm_attrs, num_groups, "num_groups"),
    PITH_ATTR_INT(group_norm_attrs, stash_type, "stash_type", 1),
    PITH_ATTR_OWN_INT(group_norm_attrs, per_group, "per_group", 0),
    PITH_ATTR_FLOAT(group_norm_attrs, epsilon, "epsilon", 1e-5),
};

static pithi_group_norm norm_of(const void *attrs)
{
    const group_norm_attrs *a = attrs;
    return (pithi_group_norm){ .n_groups = a->num_groups, .epsilon = a->epsilon, .is_per_group = a->per_group != 0 };
}

static pith_status infer(pith_infer *infer)
{
    const pithi_group_norm norm = norm_of(infer->attrs);
    return pithi_group_norm_infer(infer, &norm);
}

static void ref(const pith_run *run)
{
    const pithi_group_norm norm = norm_of(run->attrs);
    pithi_group_norm_ref(run, &norm);
}

static pith_status prepare(pith_prepare *prepare)
{
    const pithi_group_norm norm = norm_of(prepare->attrs);
    return pithi_group_norm_prepare(prepare, &norm);
}

static pith_status map_18(pith_ctx *ctx, pith_source *source, void *attrs)
{
    group_norm_attrs *a = attrs;
    PITH_CHECK(ctx, pithi_source_attr(source, "num_groups"), PITH_STATUS_FORMAT, "attribute 'num_groups' is missing");
    a->num_groups = pithi_source_attr(source, "num_groups")->i;
    a->per_group = 1;
    return PITH_OK;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "GroupNormalization", 18, map_18 },
    { "onnx", "", "GroupNormalization", 21, NULL },
};
static const char *const samples[] = {
    "f32[2,6,5,7] f32[6] f32[6] | num_groups=3", "f32[2,6,5,7] f32[3] f32[3] | num_groups=3 per_group=1",
    "f32[1,4,130] f32[4] f32[4] | num_groups=1 epsilon=0.01",
    "f16[2,4,4] f16[4] f16[4] | num_groups=2", "f32[0,4,4] f32[4] f32[4] | num_groups=2"
};

const pith_op pith_op_group_normalization = {
    .head = { "group_normalization", 1, PITH_ATTRS(attrs_table, group_norm_attrs) },
    PITHI_GROUP_NORM_RECORD,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = pithi_group_norm_run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
