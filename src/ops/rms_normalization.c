/* SPDX-License-Identifier: Apache-2.0 */
/* rms_normalization: y = x / sqrt(mean of x^2 + epsilon) scale over all dimensions from `axis` on. ONNX
 * RMSNormalization; Zhang and Sennrich 2019. Exporters before it wrote SimplifiedLayerNormalization. */
#include "ops/shared_row_norm.h"

static void ref(const pith_run *run)
{
    pithi_row_norm_ref(run, false);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_row_norm_prepare(prepare, false);
}

/* Their second output is 1 / sqrt(...), which here isn't one. */
static pith_status check_outputs(pith_ctx *ctx, pith_source *source)
{
    for (int i = 1; i < source->n_outputs; i++) {
        PITH_CHECK(ctx, !source->outputs[i], PITH_STATUS_UNSUPPORTED,
                   "output %d (statistics of training) is not supported", i);
    }
    source->n_outputs = 1;
    return PITH_OK;
}

static pith_status map_simplified(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    return check_outputs(ctx, source);
}

static pith_status map_skip(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    PITH_TRY(pithi_map_skip_norm(ctx, source, 3));
    return check_outputs(ctx, source);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "scale", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "RMSNormalization", 23, NULL },
    { "onnx", "", "SimplifiedLayerNormalization", 1, map_simplified },
    { "onnx", "com.microsoft", "SimplifiedLayerNormalization", 1, map_simplified },
    { "onnx", "com.microsoft", "SkipSimplifiedLayerNormalization", 1, map_skip },
};
static const char *const samples[] = {
    "f32[3,37] f32[37]", "f32[2,5,64] f32[64] | epsilon=0.01", "f32[2,3,7] f32[3,7] | axis=1",
    "f32[2,3,7] f32[7] | axis=1", "f16[2,9] f16[9]", "f32[0,4] f32[4]"
};

const pith_op pith_op_rms_normalization = {
    .head = { "rms_normalization", 1, PITH_ATTRS(pithi_row_norm_attrs_table, pithi_row_norm_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_row_norm_infer,
    .ref = ref, .prepare = prepare, .run = pithi_row_norm_run,
    .cost = pithi_row_norm_cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
