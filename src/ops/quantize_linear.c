/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_linear: y = saturate(round_half_even(x / scale) + zero_point), for floats of 8 bits and less the nearest one
 * to x / scale + zero_point; scale and zero point for all
 * elements, for each index of an axis or for each block along it. ONNX QuantizeLinear. */
#include "graph/small_float.h"
#include "kernels/quantize_f32.h"
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_onnx.h"
#include "ops/shared_quant.h"

typedef struct quantize_attrs {
    int64_t axis, block_size, output_dtype, precision;
    int64_t saturate; /* about float8 only */
} quantize_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(quantize_attrs, axis, "axis", 1),
    PITH_ATTR_INT(quantize_attrs, block_size, "block_size", 0),
    PITH_ATTR_INT(quantize_attrs, output_dtype, "output_dtype", 0),
    PITH_ATTR_INT(quantize_attrs, precision, "precision", 0),
    PITH_ATTR_INT(quantize_attrs, saturate, "saturate", 1),
};

/* Dtype that the quotient has: of the attribute, else of the scale; where that is no float of 16 bits or more, of x. */
static pith_dtype quotient_dtype(const pith_run *run)
{
    const quantize_attrs *attrs = run->attrs;
    const pith_dtype choices[] = { pithi_onnx_dtype(attrs->precision), run->inputs[1].dtype, run->inputs[0].dtype };
    for (int i = 0; i < PITH_COUNT(choices); i++) {
        if (PITH_DTYPES(choices[i]) & PITH_DTYPES_FLOAT) {
            return choices[i];
        }
    }
    return run->inputs[1].dtype == PITH_DTYPE_F8E8M0 ? PITH_DTYPE_F32 : PITH_DTYPE_F64;
}

/* Halves are rounded after a division in float32. */
static double divide(pith_dtype dtype, double x, double scale)
{
    uint64_t bits = 0;
    pith_tensor quotient = { dtype, { 0 }, &bits };
    if (dtype == PITH_DTYPE_F64) {
        return x / scale;
    }
    pithi_tensor_set_f64(&quotient, 0, (double)((float)x / (float)scale));
    return pithi_tensor_get_f64(&quotient, 0);
}

static void ref(const pith_run *run)
{
    const quantize_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *scale = &run->inputs[1];
    const pith_tensor *zeros = pithi_has_operand(run->inputs, run->n_inputs, 2) ? &run->inputs[2] : NULL;
    pith_tensor *y = &run->outputs[0];
    const pith_dtype precision = quotient_dtype(run);
    pithi_quant_rows rows = pithi_quant_rows_make(&x->shape, &scale->shape, attrs->axis, attrs->block_size);
    for (int64_t i = 0; i < rows.total; i++) {
        int64_t k = pithi_quant_scale_at(&rows, i);
        double quotient = divide(precision, pithi_tensor_get_f64(x, i), pithi_tensor_get_f64(scale, k));
        if (pithi_dtype_is_float(y->dtype)) {
            double zero = zeros ? pithi_tensor_get_f64(zeros, k) : 0.0;
            quotient = zero != 0.0 ? quotient + zero : quotient; /* -0 stays */
            pithi_tensor_set_code(y, i, pithi_small_float_encode(y->dtype, quotient, attrs->saturate != 0));
        } else {
            pithi_tensor_set_s64(y, i, pithi_quantize(quotient, zeros ? pithi_tensor_get_s64(zeros, k) : 0, y->dtype));
        }
    }
}

/* ---- float32 to 8 and 16 bits ------------------------------------------------------------- */

/* One scale. */
static void run_wide(const pith_run *run, const pith_quantize_f32 *kernel, int64_t at, int64_t n)
{
    const float *x = (const float *)run->inputs[0].data + at, scale = *(const float *)run->inputs[1].data;
    const bool has_zero = pithi_has_operand(run->inputs, run->n_inputs, 2);
    const int32_t zero = has_zero ? (int32_t)pithi_tensor_get_s64(&run->inputs[2], 0) : 0;
    if (run->outputs[0].dtype == PITH_DTYPE_S16) {
        kernel->quantize_s16(x, scale, zero, (int16_t *)run->outputs[0].data + at, n);
    } else {
        kernel->quantize_u16(x, scale, zero, (uint16_t *)run->outputs[0].data + at, n);
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const quantize_attrs *attrs = run->attrs;
    const float *x = run->inputs[0].data, *scale = run->inputs[1].data;
    const int8_t *zero = pithi_has_operand(run->inputs, run->n_inputs, 2) ? run->inputs[2].data : NULL;
    int8_t *y = run->outputs[0].data;
    const pith_quantize_f32 *kernel = run->state;
    pithi_quant_rows rows = pithi_quant_rows_make(&run->inputs[0].shape, &run->inputs[1].shape, attrs->axis,
                                                  attrs->block_size);
    int64_t begin, end;
    pithi_part_range(part, rows.count, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t at = row * rows.length, n = pithi_min_s64(rows.length, rows.total - at);
        int64_t k = pithi_quant_scale_at(&rows, at);
        const int8_t *own_zero = zero ? zero + k : NULL;
        if (pithi_is_16bit(run->outputs[0].dtype)) {
            run_wide(run, kernel, at, n);
        } else if (run->outputs[0].dtype == PITH_DTYPE_S8) {
            kernel->quantize_s8(x + at, scale + k, own_zero, rows.step, y + at, n);
        } else {
            kernel->quantize_u8(x + at, scale + k, (const uint8_t *)own_zero, rows.step, (uint8_t *)y + at, n);
        }
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const quantize_attrs *attrs = prepare->attrs;
    pith_dtype dtype = prepare->outputs[0].dtype;
    prepare->use_run = prepare->inputs[0].dtype == PITH_DTYPE_F32 && prepare->inputs[1].dtype == PITH_DTYPE_F32 &&
                       (dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_U8 ||
                        (pithi_is_16bit(dtype) && pith_shape_elements(&prepare->inputs[1].shape) == 1)) &&
                       (attrs->precision == 0 || pithi_onnx_dtype(attrs->precision) == PITH_DTYPE_F32);
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->inputs[0]));
    const pith_quantize_f32 *kernel = pithi_quantize_f32(prepare->isa_limit);
    prepare->state = (void *)(uintptr_t)kernel;
    prepare->kernel = kernel->head.name;
    return PITH_OK;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{
    const quantize_attrs *attrs = infer->attrs;
    pith_dtype dtype = PITH_DTYPE_U8, precision;
    bool has_zero = pithi_has_operand(infer->inputs, infer->n_inputs, 2);
    if (attrs->output_dtype) {
        PITH_TRY(pithi_infer_onnx_dtype(infer, "output_dtype", attrs->output_dtype, &dtype));
        PITH_CHECK(infer->ctx, !has_zero || infer->inputs[2].dtype == dtype, PITH_STATUS_DTYPE,
                   "output_dtype is %s, but the zero point is %s", pith_dtype_name(dtype),
                   pith_dtype_name(infer->inputs[2].dtype));
    } else if (has_zero) {
        dtype = infer->inputs[2].dtype;
    }
    PITH_CHECK(infer->ctx, PITHI_QUANT_DTYPES & PITH_DTYPES(dtype), PITH_STATUS_DTYPE,
               "quantising to %s; integers of 2 to 16 bits and floats of 4 to 8 bits are possible",
               pith_dtype_name(dtype));
    if (attrs->precision) {
        PITH_TRY(pithi_infer_onnx_dtype(infer, "precision", attrs->precision, &precision));
        PITH_CHECK(infer->ctx, PITH_DTYPES(precision) & PITH_DTYPES_FLOAT, PITH_STATUS_DTYPE,
                   "precision is %s, not a float of 16 bits or more", pith_dtype_name(precision));
    }
    PITH_TRY(pithi_infer_quant(infer, 1, attrs->axis, attrs->block_size, true));
    infer->outputs[0].dtype = dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT | PITH_DTYPES(PITH_DTYPE_S32), PITH_ONE },
    { "scale", PITH_DTYPES_FLOAT | PITH_DTYPES(PITH_DTYPE_S32) | PITH_DTYPES(PITH_DTYPE_F8E8M0), PITH_ONE },
    { "zero_point", PITHI_QUANT_DTYPES, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITHI_QUANT_DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "QuantizeLinear", 10, NULL } };
static const char *const samples[] = {
    "f32[3,9]{-300:300} f32[]{1.7} u8[]{128}",
    "f32[2,7,11]{-9:9} f32[7]{0.01:0.1} s8[7]{-9:9} | axis=1",
    "f32[3,5,4]{-9:9} f32[4]{0.01:0.1} u8[4]{90:140} | axis=-1",
    "f32[100,80]{-9:9} f32[]{0.05}",
    "f32[3,8]{-9:9} f32[3,2]{0.01:0.1} - | axis=1 block_size=4 output_dtype=3",
    "f32[5,6]{-9:9} f32[3,6]{0.01:0.1} | axis=0 block_size=2",
    "f16[6]{-9:9} f16[]{0.03} s16[]{7}",
    "s32[4] f32[]{3} s8[]{-2}",
    "f32[0,3] f32[]{1} s8[]{0}",
    "f32[2,4]{-9:9} f32[4]{0.01:0.1} | output_dtype=3",
    "f32[99,80]{-40000:40000} f32[]{1.1} s16[]{9}", "f32[3,30]{-9:9} f32[]{0.0002} u16[]{31000}",
    "f32[3,5]{-9:9} f32[]{1.5} s4[]{1}", "f32[3,5]{-9:9} f32[]{0.7} | output_dtype=26",
    "f16[3,4]{-99:99} f16[]{0.1} f8e4m3fn[]{0}", "f32[4]{-9e6:9e6} f32[]{2} f8e5m2fnuz[]{0} | saturate=0",
    "bf16[2,4]{-9:9} f8e8m0[2,2]{1:8} | block_size=2 output_dtype=23", "f32[5]{-9:9} f32[]{1} f6e3m2[]{2}",
    "s32[3] s32[]{7} u2[]{1}",
};

const pith_op pith_op_quantize_linear = {
    .head = { "quantize_linear", 1, PITH_ATTRS(attr_table, quantize_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = pithi_quant_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
