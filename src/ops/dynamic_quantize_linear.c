/* SPDX-License-Identifier: Apache-2.0 */
/* dynamic_quantize_linear: x to u8 with the scale that its range, widened to hold 0, needs: scale = (max - min) /
 * 255, zero_point = round(-min / scale). ONNX DynamicQuantizeLinear. */
#include <math.h>

#include "kernels/quantize_f32.h"
#include "kernels/reduce_f32.h"
#include "ops/sample.h"
#include "ops/shared_quant.h"

/* Scale and zero point for a range that holds 0. */
static void finish_range(const pith_run *run, float low, float high, float *scale, uint8_t *zero)
{
    *scale = high > low ? (high - low) / 255.0f : 1.0f;
    *zero = (uint8_t)pithi_quantize((double)((0.0f - low) / *scale), 0, PITH_DTYPE_U8);
    if (run->outputs[1].data) {
        *(float *)run->outputs[1].data = *scale;
    }
    if (run->outputs[2].data) {
        *(uint8_t *)run->outputs[2].data = *zero;
    }
}

static void ref(const pith_run *run)
{
    const float *x = run->inputs[0].data;
    int64_t count = pith_shape_elements(&run->inputs[0].shape);
    float low = 0.0f, high = 0.0f, scale;
    uint8_t zero, *y = run->outputs[0].data;
    for (int64_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    finish_range(run, low, high, &scale, &zero);
    for (int64_t i = 0; y && i < count; i++) {
        y[i] = (uint8_t)pithi_quantize((double)(x[i] / scale), zero, PITH_DTYPE_U8);
    }
}

typedef struct kernels {
    const pith_quantize_f32 *quantize;
    const pith_reduce_f32 *reduce;
} kernels;

static void run_part(const pith_run *run, const pith_part *part)
{
    const float *x = run->inputs[0].data;
    const kernels *kernel = run->state;
    int64_t count = pith_shape_elements(&run->inputs[0].shape);
    float low, high, scale;
    uint8_t zero;
    (void)part; /* one part: the range has to be known first */
    low = kernel->reduce->rows[PITH_REDUCE_MIN](x, (size_t)count);
    high = kernel->reduce->rows[PITH_REDUCE_MAX](x, (size_t)count);
    if (isnan(low) || isnan(high)) { /* counts for nothing there */
        ref(run);
        return;
    }
    low = low < 0.0f ? low : 0.0f;
    high = high > 0.0f ? high : 0.0f;
    finish_range(run, low, high, &scale, &zero);
    if (run->outputs[0].data) {
        kernel->quantize->quantize_u8(x, &scale, &zero, 0, run->outputs[0].data, count);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(kernels), &block));
    kernels *kernel = block;
    *kernel = (kernels){ pithi_quantize_f32(prepare->isa_limit), pithi_reduce_f32(prepare->isa_limit) };
    prepare->use_run = true;
    prepare->state = kernel;
    prepare->kernel = kernel->quantize->head.name;
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    static const pith_dtype dtypes[] = { PITH_DTYPE_U8, PITH_DTYPE_F32, PITH_DTYPE_U8 };
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = dtypes[i];
        infer->outputs[i].shape = i == 0 ? infer->inputs[0].shape : (pith_shape){ 0 };
    }
    return PITH_OK;
}

/* Elementwise, once the range is known. */
static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    (void)node;
    return true;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE },
    { "scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "zero_point", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE },
};
static const pith_spelling spellings[] = { { "onnx", "", "DynamicQuantizeLinear", 11, NULL } };
static const char *const samples[] = { "f32[3,7]", "f32[2,3,5,4]", "f32[4]{1:3}", "f32[2]{0,0}", "f32[0]" };

const pith_op pith_op_dynamic_quantize_linear = {
    .head = { "dynamic_quantize_linear", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
