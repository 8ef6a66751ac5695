/* SPDX-License-Identifier: Apache-2.0 */
/* prelu: y = x < 0 ? slope x : x; the slope broadcasts to x. ONNX PRelu; He et al. 2015. */
#include "ops/shared_binary.h"

static double fn_f64(double x, double slope) { return x < 0.0 ? slope * x : x; }
static int64_t fn_s64(int64_t x, int64_t slope) { return x < 0 ? (int64_t)((uint64_t)slope * (uint64_t)x) : x; }
static uint64_t fn_u64(uint64_t x, uint64_t slope) { (void)slope; return x; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .f64 = fn_f64, .s64 = fn_s64, .u64 = fn_u64 };
    pithi_binary_ref(run, &fns);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_binary_prepare(prepare, PITH_VBINARY_PRELU);
}

static pith_status infer(pith_infer *infer)
{
    char x[PITHI_SHAPE_TEXT_BYTES], slope[PITHI_SHAPE_TEXT_BYTES];
    PITH_TRY(pithi_infer_binary(infer));
    PITH_CHECK(infer->ctx, pith_shape_equal(&infer->outputs[0].shape, &infer->inputs[0].shape), PITH_STATUS_SHAPE,
               "slope %s doesn't broadcast to x %s", pithi_shape_text(&infer->inputs[1].shape, slope),
               pithi_shape_text(&infer->inputs[0].shape, x));
    return PITH_OK;
}

/* Before opset 7 a slope of more than one value had one for each channel. */
static pith_status map_channels(pith_ctx *ctx, pith_source *source, void *attrs)
{
    PITH_TRY(pithi_map_consumed_inputs(ctx, source, attrs));
    const pith_value *slope = source->n_inputs > 1 ? source->inputs[1] : NULL;
    bool is_single = slope && slope->constant && pith_shape_elements(&slope->constant->shape) == 1;
    return is_single ? PITH_OK : pithi_source_align_input(ctx, source, 1, 1);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "PRelu", 1, map_channels },
    { "onnx", "", "PRelu", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,33] f32[2,33]", "f32[2,3,5,7] f32[3,1,1]", "f32[2,5,37] f32[37]", "f32[9] f32[1]{0.25}",
    "s32[4]{-3,5,-1,0} s32[]{2}",
    "f16[3] f16[3]", "f32[0,2] f32[2]", "u32[3] u32[]"
};

const pith_op pith_op_prelu = {
    .head = { "prelu", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_ab_number, .n_inputs = 2,
    .outputs = pithi_y_number, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
