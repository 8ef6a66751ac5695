/* SPDX-License-Identifier: Apache-2.0 */
/* layer_normalization: y = (x - mean) / sqrt(variance + epsilon) scale + bias over all dimensions from `axis` on. ONNX
 * LayerNormalization; Ba, Kiros and Hinton 2016. com.microsoft SkipLayerNormalization adds two inputs first. */
#include "ops/shared_row_norm.h"

static void ref(const pith_run *run)
{
    pithi_row_norm_ref(run, true);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_row_norm_prepare(prepare, true);
}

static pith_status map_skip(pith_ctx *ctx, pith_source *source, void *attrs)
{
    ((pithi_row_norm_attrs *)attrs)->epsilon = 1e-12f;
    return pithi_map_skip_norm(ctx, source, 4);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "scale", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "bias", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "mean", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "inv_std_dev", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = {
    { "onnx", "", "LayerNormalization", 1, NULL }, /* ONNX has it since 17; exporters wrote it before */
    { "onnx", "com.microsoft", "SkipLayerNormalization", 1, map_skip },
};
static const char *const samples[] = {
    "f32[3,37] f32[37] f32[37]", "f32[2,5,64] f32[64] - | epsilon=0.01", "f32[2,3,7] f32[3,7] f32[3,7] | axis=1 | 3",
    "f32[2,3,7] f32[7] f32[3,1] | axis=1",
    "f16[2,9] f16[9] f16[9] | axis=-1 | 3", "f32[0,4] f32[4]", "f32[4,200]{99:101} f32[200]"
};

const pith_op pith_op_layer_normalization = {
    .head = { "layer_normalization", 1, PITH_ATTRS(pithi_row_norm_attrs_table, pithi_row_norm_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_row_norm_infer,
    .ref = ref, .prepare = prepare, .run = pithi_row_norm_run,
    .cost = pithi_row_norm_cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
