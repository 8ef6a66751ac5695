/* SPDX-License-Identifier: Apache-2.0 */
/* causal_conv_with_state: depthwise convolution that looks back only, and carries the last k - 1 values from one
 * call to the next. ONNX CausalConvWithState.
 *   y[t] = act(b + sum_i w[i] z[t + i]),  z = past, then x;  present = the last k - 1 values of z */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct causal_conv_attrs {
    int64_t activation;
} causal_conv_attrs;

static const char *const activations[] = { "none", "silu", "swish", NULL };
static const pith_attr_spec table[] = { PITH_ATTR_CHOICE(causal_conv_attrs, activation, "activation", 0, activations) };

enum { X, WEIGHT, BIAS, PAST };

/* Value `i` of z in a line (batch item and channel). */
static double value_at(const pith_run *run, int64_t line, int64_t i)
{
    int64_t n_past = run->inputs[WEIGHT].shape.dims[2] - 1, length = run->inputs[X].shape.dims[2];
    if (i >= n_past) {
        return pithi_tensor_get_f64(&run->inputs[X], line * length + i - n_past);
    }
    return pithi_has_operand(run->inputs, run->n_inputs, PAST)
               ? pithi_tensor_get_f64(&run->inputs[PAST], line * n_past + i)
               : 0.0;
}

static void convolve_line(const pith_run *run, int64_t line)
{
    int64_t k = run->inputs[WEIGHT].shape.dims[2], length = run->inputs[X].shape.dims[2];
    int64_t channel = line % run->inputs[X].shape.dims[1];
    bool has_bias = pithi_has_operand(run->inputs, run->n_inputs, BIAS);
    bool is_silu = ((const causal_conv_attrs *)run->attrs)->activation != 0;
    for (int64_t t = 0; t < length && run->outputs[0].data; t++) {
        double sum = has_bias ? pithi_tensor_get_f64(&run->inputs[BIAS], channel) : 0.0;
        for (int64_t i = 0; i < k; i++) {
            sum += pithi_tensor_get_f64(&run->inputs[WEIGHT], channel * k + i) * value_at(run, line, t + i);
        }
        pithi_tensor_set_f64(&run->outputs[0], line * length + t, is_silu ? sum / (1.0 + exp(-sum)) : sum);
    }
    for (int64_t i = 0; i < k - 1 && run->n_outputs > 1 && run->outputs[1].data; i++) {
        pithi_tensor_set_f64(&run->outputs[1], line * (k - 1) + i, value_at(run, line, length + i));
    }
}

static int64_t count_lines(const pith_tensor *x)
{
    return x->shape.dims[0] * x->shape.dims[1];
}

static void ref(const pith_run *run)
{
    for (int64_t line = 0; line < count_lines(&run->inputs[X]); line++) {
        convolve_line(run, line);
    }
}

/* Lines are the parts; the arithmetic is the reference's. */
static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(count_lines(&prepare->inputs[X]), 1 << 20));
    prepare->kernel = "causal_conv_with_state";
    return PITH_OK;
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_range(part, count_lines(&run->inputs[X]), &begin, &end);
    for (int64_t line = begin; line < end; line++) {
        convolve_line(run, line);
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[X].shape, *w = &infer->inputs[WEIGHT].shape;
    char x_text[PITHI_SHAPE_TEXT_BYTES], w_text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx,
               x->rank == 3 && w->rank == 3 && w->dims[0] == x->dims[1] && w->dims[1] == 1 && w->dims[2] >= 1,
               PITH_STATUS_SHAPE, "input %s and weights %s must be [batch, channels, length] and [channels, 1, k]",
               pithi_shape_text(x, x_text), pithi_shape_text(w, w_text));
    pith_shape state = { 3, { x->dims[0], x->dims[1], w->dims[2] - 1 } };
    PITH_CHECK(infer->ctx, !pithi_has_operand(infer->inputs, infer->n_inputs, PAST) ||
               pith_shape_equal(&infer->inputs[PAST].shape, &state), PITH_STATUS_SHAPE, "past_state must be %s",
               pithi_shape_text(&state, x_text));
    PITH_CHECK(infer->ctx,
               !pithi_has_operand(infer->inputs, infer->n_inputs, BIAS) ||
                   (infer->inputs[BIAS].shape.rank == 1 && infer->inputs[BIAS].shape.dims[0] == x->dims[1]),
               PITH_STATUS_SHAPE, "bias must be [%lld]", (long long)x->dims[1]);
    if (infer->n_outputs > 1 && infer->node->outputs[1]) {
        infer->outputs[1].dtype = infer->inputs[X].dtype;
        infer->outputs[1].shape = state;
    }
    return pithi_infer_same(infer);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->macs = (uint64_t)(pith_shape_elements(&infer->inputs[X].shape) * infer->inputs[WEIGHT].shape.dims[2]);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "weight", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "bias", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                            { "past_state", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "present_state", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "CausalConvWithState", 27, NULL } };
static const char *const samples[] = {
    "f32[2,3,9] f32[3,1,4] f32[3] f32[2,3,3] | activation=silu | 2",
    "f32[1,5,2] f32[5,1,4] | | 2",
    "f32[1,2,7] f32[2,1,1] f32[2] | activation=swish | 1",
    "f16[0,3,4] f16[3,1,2] | | 2",
};

const pith_op pith_op_causal_conv_with_state = {
    .head = { "causal_conv_with_state", 1, PITH_ATTRS(table, causal_conv_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
