/* SPDX-License-Identifier: Apache-2.0 */
/* pow: y = a ^ b in a's dtype, numpy broadcasting. ONNX Pow. Integers to integer powers wrap; negative powers of
 * integers go through floating point and truncate. */
#include "ops/shared_binary.h"

static int64_t integer_power(int64_t base, int64_t exponent)
{
    uint64_t result = 1, square = (uint64_t)base;
    for (uint64_t bits = (uint64_t)exponent; bits; bits >>= 1) {
        result *= bits & 1 ? square : 1;
        square *= square;
    }
    return (int64_t)result;
}

static void ref(const pith_run *run)
{
    const pith_tensor *a = &run->inputs[0], *b = &run->inputs[1];
    pith_tensor *y = &run->outputs[0];
    const bool is_integer = !pithi_dtype_is_float(a->dtype) && !pithi_dtype_is_float(b->dtype);
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        const int64_t at_a = pithi_broadcast_offset(&a->shape, &y->shape, i);
        const int64_t at_b = pithi_broadcast_offset(&b->shape, &y->shape, i);
        const bool is_whole = is_integer && (b->dtype == PITH_DTYPE_U64 || pithi_tensor_get_s64(b, at_b) >= 0);
        if (is_whole) {
            pithi_tensor_set_s64(y, i, integer_power(pithi_tensor_get_s64(a, at_a), pithi_tensor_get_s64(b, at_b)));
        } else {
            pithi_tensor_set_f64(y, i, pow(pithi_tensor_get_f64(a, at_a), pithi_tensor_get_f64(b, at_b)));
        }
    }
}

static void row_f32(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    const float *a = operands[0], *b = operands[1];
    float *to = y;
    const int64_t a_stride = rows->inner_strides[0], b_stride = rows->inner_strides[1];
    const float single = *b; /* b may be y */
    if (a_stride == 1 && b_stride == 0) {
        pithi_power_f32(a, single, to, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        to[i] = powf(a[i * a_stride], b_stride ? b[i] : single);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    bool is_f32 = prepare->inputs[0].dtype == PITH_DTYPE_F32 && prepare->inputs[1].dtype == PITH_DTYPE_F32;
    return pithi_row_prepare(prepare, is_f32 ? row_f32 : NULL);
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return pithi_infer_broadcast(infer, &infer->outputs[0].shape);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Pow", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Pow", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,33]{0.1:3} f32[2,33]", "f32[5,7] f32[]{2}", "f32[5,7] f32[1]{3}", "f32[5,7]{0.5:4} f32[]{-1}",
    "f32[3,1]{0.5:2} f32[4]",
    "f32[9]{0:4} f32[]{0.5}", "s32[4]{2,-3,10,7} s32[4]{10,3,9,0}", "s64[2]{5,-2} s64[2]{-1,63}",
    "f32[3] s64[3]{0,1,2}", "s32[3]{4,9,2} f32[]{0.5}",
    "f16[3]{0.5:2} f16[3]", "f32[0] f32[]"
};

const pith_op pith_op_pow = {
    .head = { "pow", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_ab_number, .n_inputs = 2,
    .outputs = pithi_y_number, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
