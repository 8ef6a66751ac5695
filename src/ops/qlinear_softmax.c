/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_softmax: softmax along an axis from quantised to quantised. com.microsoft QLinearSoftmax,
 * with the arithmetic of ONNX Runtime: exponentials come from a table of 256, in units that keep
 * sums far from overflow,
 *
 *   e[i] = (float)exp((i - 255 + shift) x_scale),  shift = max(0, log((float)(FLT_MAX / n)) - 5) /
 * x_scale, in double
 *
 * read at i = 255 - (largest - x) and summed in float32 with the index rising; then in float32
 *
 *   y = saturate(round_half_even(e floor(1 / y_scale) / sum) + y_zero).
 *
 * The zero point of x has no influence. */
#include <float.h>
#include <math.h>

#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_lookup.h"

typedef struct softmax_attrs {
    int64_t axis, opset;
} softmax_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(softmax_attrs, axis, "axis", -1),
    PITH_ATTR_INT(softmax_attrs, opset, "opset", 13),
};

/* Opsets below 13 flatten everything from the axis on. */
typedef struct softmax_lines {
    int64_t outer, n, inner;
} softmax_lines;

static softmax_lines lines_of(const softmax_attrs *attrs, const pith_shape *x)
{
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    int last = attrs->opset < 13 ? x->rank : axis + 1;
    return (softmax_lines){ pithi_dims_product(x, 0, axis), pithi_dims_product(x, axis, last),
                            pithi_dims_product(x, last, x->rank) };
}

static void fill_table(float x_scale, int64_t n, float table[256])
{
    double room = log((double)(FLT_MAX / (float)n)) - 5.0;
    double shift = (room > 0.0 ? room : 0.0) / (double)x_scale;
    for (int i = 0; i < 256; i++) {
        table[i] = (float)exp(((double)i - 255.0 + shift) * (double)x_scale);
    }
}

static void one_line(const pith_run *run, int64_t first, const softmax_lines *lines,
                     const float *table, const pithi_quant_pair *to)
{
    const pith_tensor *x = &run->inputs[0];
    int64_t largest = INT64_MIN;
    float sum = 0.0f, factor = floorf(1.0f / to->scale);
    for (int64_t i = 0; i < lines->n; i++) {
        largest = pithi_max_s64(largest, pithi_tensor_get_s64(x, first + i * lines->inner));
    }
    for (int64_t i = 0; i < lines->n; i++) {
        sum += table[255 - (largest - pithi_tensor_get_s64(x, first + i * lines->inner))];
    }
    for (int64_t i = 0; i < lines->n; i++) {
        int64_t at = first + i * lines->inner;
        float value = table[255 - (largest - pithi_tensor_get_s64(x, at))] * factor / sum;
        pithi_tensor_set_s64(&run->outputs[0], at,
                             pithi_quantize((double)value, to->zero, run->outputs[0].dtype));
    }
}

static void ref(const pith_run *run)
{
    softmax_lines lines = lines_of(run->attrs, &run->inputs[0].shape);
    float table[256];
    pithi_quant_pair x, y;
    pithi_quant_unary_pairs(run, &x, &y);
    fill_table(x.scale, pithi_max_s64(lines.n, 1), table);
    for (int64_t i = 0; i < lines.outer * lines.inner && lines.n > 0; i++) {
        one_line(run, i / lines.inner * lines.n * lines.inner + i % lines.inner, &lines, table, &y);
    }
}

static pith_status infer(pith_infer *infer)
{
    const softmax_attrs *attrs = infer->attrs;
    int axis = 0;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, infer->inputs[0].shape.rank, &axis));
    return pithi_quant_unary_infer(infer);
}

/* The axis was 1 by default before opset 13. */
static pith_status map_axis(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    (void)ctx;
    const pith_source_attr *axis = pithi_source_attr(source, "axis"),
                           *opset = pithi_source_attr(source, "opset");
    softmax_attrs *attrs = attrs_out;
    attrs->opset = opset ? opset->i : 13;
    attrs->axis = axis ? axis->i : attrs->opset < 13 ? 1 : -1;
    return PITH_OK;
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearSoftmax", 1,
                                             map_axis } };
static const char *const samples[] = {
    "u8[3,70]{100:160} f32[]{0.05} u8[]{128} f32[]{0.00390625} u8[]{0}",
    "s8[2,5,7]{-128:128} f32[1]{0.1} - f32[]{0.00390625} s8[]{-128} | axis=1",
    "u8[2,5,7]{0:256} f32[1]{0.02} - f32[]{0.003} - | axis=1 opset=11",
    "s8[0,3] f32[]{1} s8[]{1} f32[]{1} s8[]{1}",
};

const pith_op pith_op_qlinear_softmax = {
    .head = { "qlinear_softmax", 1, PITH_ATTRS(attr_table, softmax_attrs) },
    .inputs = pithi_quant_unary_inputs,
    .n_inputs = PITH_COUNT(pithi_quant_unary_inputs),
    .outputs = pithi_quant_unary_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
