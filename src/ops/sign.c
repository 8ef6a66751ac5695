/* SPDX-License-Identifier: Apache-2.0 */
/* sign: y = -1, 0 or 1 by the sign of x, NaN for NaN. ONNX Sign. */
#include "ops/shared_unary.h"

static void apply(const pith_run *run, int64_t begin, int64_t end)
{
    const pith_tensor *x = &run->inputs[0];
    const bool is_float = pithi_dtype_is_float(x->dtype), is_u64 = x->dtype == PITH_DTYPE_U64;
    for (int64_t i = begin; i < end; i++) {
        if (is_float) {
            const double value = pithi_tensor_get_f64(x, i);
            pithi_tensor_set_f64(&run->outputs[0], i, isnan(value) ? value : (double)((value > 0.0) - (value < 0.0)));
        } else {
            const int64_t value = pithi_tensor_get_s64(x, i);
            pithi_tensor_set_s64(&run->outputs[0], i, is_u64 ? value != 0 : (value > 0) - (value < 0));
        }
    }
}

static void ref(const pith_run *run)
{
    apply(run, 0, pith_shape_elements(&run->outputs[0].shape));
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    apply(run, begin, end);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Sign", 9, NULL },
};
static const char *const samples[] = { "f32[2,33]", "f32[4]{-0.5,0,2,-3}", "s32[3]{-7,0,9}", "u64[2]{0,5}", "f16[0]",
                                       "f64[]" };

const pith_op pith_op_sign = {
    .head = { "sign", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_x_number, .n_inputs = 1,
    .outputs = pithi_y_number, .n_outputs = 1,
    .infer = pithi_infer_same,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
