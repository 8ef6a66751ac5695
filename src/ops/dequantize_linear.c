/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize_linear: y = (x - zero_point) * scale, scale and zero point for all elements, for each index of
 * an axis or for each block along it. ONNX DequantizeLinear. */
#include "kernels/quantize_f32.h"
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_onnx.h"
#include "ops/shared_quant.h"

typedef struct dequantize_attrs {
    int64_t axis, block_size, output_dtype;
} dequantize_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(dequantize_attrs, axis, "axis", 1),
    PITH_ATTR_INT(dequantize_attrs, block_size, "block_size", 0),
    PITH_ATTR_INT(dequantize_attrs, output_dtype, "output_dtype", 0),
};

/* In float32, as ONNX defines it, whatever the result's dtype. */
static void ref(const pith_run *run)
{
    const dequantize_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *scale = &run->inputs[1];
    pithi_quant_rows rows = pithi_quant_rows_make(&x->shape, &scale->shape, attrs->axis, attrs->block_size);
    bool has_zero = pithi_has_operand(run->inputs, run->n_inputs, 2);
    for (int64_t i = 0; i < rows.total; i++) { /* differences are exact in double */
        int64_t k = pithi_quant_scale_at(&rows, i);
        double zero = has_zero ? pithi_tensor_get_f64(&run->inputs[2], k) : 0.0;
        float value = (float)(pithi_tensor_get_f64(x, i) - zero) * (float)pithi_tensor_get_f64(scale, k);
        pithi_tensor_set_f64(&run->outputs[0], i, (double)value);
    }
}

/* ---- to float32 --------------------------------------------------------------------------- */

#define DEFINE_ROW(name, type)                                                                     \
    static void name(const type *x, const float *scale, const type *zero, int64_t step, float *y, int64_t n) \
    {                                                                                              \
        if (step == 0 || !zero) {                                                                  \
            int32_t all = zero ? (int32_t)zero[0] : 0;                                             \
            for (int64_t i = 0; step == 0 && i < n; i++) {                                         \
                y[i] = (float)(x[i] - all) * scale[0];                                             \
            }                                                                                      \
            for (int64_t i = 0; step == 1 && i < n; i++) {                                         \
                y[i] = (float)(x[i] - all) * scale[i];                                             \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = (float)(x[i] - zero[i]) * scale[i];                                             \
        }                                                                                          \
    }

DEFINE_ROW(dequantize_row_s16, int16_t)
DEFINE_ROW(dequantize_row_u16, uint16_t)

static void dequantize_row(const pith_run *run, const pithi_quant_rows *rows, int64_t at, int64_t n)
{
    int64_t k = pithi_quant_scale_at(rows, at);
    size_t bytes = pith_dtype_bytes(run->inputs[0].dtype);
    const void *x = (const char *)run->inputs[0].data + (size_t)at * bytes;
    const float *scale = (const float *)run->inputs[1].data + k;
    bool has_zero = pithi_has_operand(run->inputs, run->n_inputs, 2);
    const void *zero = has_zero ? (const char *)run->inputs[2].data + (size_t)k * bytes : NULL;
    float *y = (float *)run->outputs[0].data + at;
    const pith_quantize_f32 *kernel = run->state;
    switch (run->inputs[0].dtype) {
    case PITH_DTYPE_S8: kernel->dequantize_s8(x, scale, zero, rows->step, y, n); break;
    case PITH_DTYPE_U8: kernel->dequantize_u8(x, scale, zero, rows->step, y, n); break;
    case PITH_DTYPE_S16: dequantize_row_s16(x, scale, zero, rows->step, y, n); break;
    default: dequantize_row_u16(x, scale, zero, rows->step, y, n); break;
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const dequantize_attrs *attrs = run->attrs;
    pithi_quant_rows rows = pithi_quant_rows_make(&run->inputs[0].shape, &run->inputs[1].shape, attrs->axis,
                                                  attrs->block_size);
    int64_t begin, end;
    pithi_part_range(part, rows.count, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t at = row * rows.length;
        dequantize_row(run, &rows, at, pithi_min_s64(rows.length, rows.total - at));
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const uint32_t loops = PITHI_QUANT_DTYPES & PITH_DTYPES_INTEGER;
    prepare->use_run = (PITH_DTYPES(prepare->inputs[0].dtype) & loops) &&
                       prepare->inputs[1].dtype == PITH_DTYPE_F32 && prepare->outputs[0].dtype == PITH_DTYPE_F32;
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0]));
    const pith_quantize_f32 *kernel = pithi_quantize_f32(prepare->isa_limit);
    prepare->state = (void *)(uintptr_t)kernel;
    prepare->kernel = kernel->head.name;
    return PITH_OK;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{
    const dequantize_attrs *attrs = infer->attrs;
    pith_dtype dtype = infer->inputs[1].dtype;
    if (attrs->output_dtype) {
        PITH_TRY(pithi_infer_onnx_dtype(infer, "output_dtype", attrs->output_dtype, &dtype));
    }
    PITH_CHECK(infer->ctx, PITH_DTYPES(dtype) & PITH_DTYPES_FLOAT, PITH_STATUS_DTYPE,
               "the result would be %s, not a float of 16 bits or more; attribute output_dtype can say another",
               pith_dtype_name(dtype));
    PITH_CHECK(infer->ctx, !pithi_has_operand(infer->inputs, infer->n_inputs, 2) ||
                               infer->inputs[2].dtype == infer->inputs[0].dtype,
               PITH_STATUS_DTYPE, "the zero point is %s, but x is %s", pith_dtype_name(infer->inputs[2].dtype),
               pith_dtype_name(infer->inputs[0].dtype));
    PITH_TRY(pithi_infer_quant(infer, 1, attrs->axis, attrs->block_size, false));
    infer->outputs[0].dtype = dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

#define DTYPES (PITHI_QUANT_DTYPES | PITH_DTYPES(PITH_DTYPE_S32))
static const pith_operand_spec inputs[] = {
    { "x", DTYPES, PITH_ONE },
    { "scale", PITH_DTYPES_FLOAT | PITH_DTYPES(PITH_DTYPE_F8E8M0), PITH_ONE },
    { "zero_point", DTYPES, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "DequantizeLinear", 10, NULL } };
static const char *const samples[] = {
    "u8[3,9]{0:255} f32[]{0.3} u8[]{128}",
    "s8[2,7,11]{-128:127} f32[7] s8[7]{-9:9} | axis=1",
    "u8[3,5,4] f32[4] u8[4] | axis=-1",
    "s8[100,90]{-128:127} f32[]{0.05}",
    "s16[3,8] f32[3,2] | axis=1 block_size=4",
    "u16[5,6] f32[3,6] u16[3,6] | axis=0 block_size=2",
    "s32[6]{-900:900} f32[]{0.01}",
    "s8[4] f16[]{0.5} s8[]{3}",
    "u8[0,3] f32[]{1}",
    "s8[6,3] f32[3]",
    "u8[4] f32[]{2} | output_dtype=11",
    "s4[3,5]{-8:7} f32[]{0.3} s4[]{2}", "u2[2,6]{0:3} f16[2,3] u2[2,3]{0:3} | block_size=2", "f8e4m3fn[2,3] f32[3]",
    "f4e2m1[3,3]{-6:6} f8e8m0[]{4} | output_dtype=16", "f6e2m3[5]{-6:6} f32[]{0.5}", "f8e5m2[4] f16[]{2} f8e5m2[]{0}",
};

const pith_op pith_op_dequantize_linear = {
    .head = { "dequantize_linear", 1, PITH_ATTRS(attr_table, dequantize_attrs) },
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
