/* SPDX-License-Identifier: Apache-2.0 */
/* range: start, start + delta, ... up to (not including) limit. ONNX Range. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct range_attrs {
    int64_t stash_type; /* precision of sums for 16-bit floats; here they are always in double */
} range_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(range_attrs, stash_type, "stash_type", 1) };

static void ref(const pith_run *run)
{
    pith_tensor *y = &run->outputs[0];
    bool is_float = pithi_dtype_is_float(y->dtype);
    for (int64_t i = 0; i < y->shape.dims[0]; i++) {
        if (is_float) {
            double start = pithi_tensor_get_f64(&run->inputs[0], 0), delta = pithi_tensor_get_f64(&run->inputs[2], 0);
            pithi_tensor_set_f64(y, i, start + (double)i * delta);
        } else {
            uint64_t start = (uint64_t)pithi_tensor_get_s64(&run->inputs[0], 0);
            uint64_t delta = (uint64_t)pithi_tensor_get_s64(&run->inputs[2], 0);
            pithi_tensor_set_s64(y, i, (int64_t)(start + (uint64_t)i * delta));
        }
    }
}

/* ceil((limit - start) / delta), at least 0. */
static double count_floats(const pith_tensor *inputs)
{
    double start = pithi_tensor_get_f64(&inputs[0], 0), limit = pithi_tensor_get_f64(&inputs[1], 0);
    double count = ceil((limit - start) / pithi_tensor_get_f64(&inputs[2], 0));
    return count > 0.0 ? count : isnan(count) ? -1.0 : 0.0;
}

static double count_ints(const pith_tensor *inputs)
{
    int64_t start = pithi_tensor_get_s64(&inputs[0], 0), limit = pithi_tensor_get_s64(&inputs[1], 0);
    int64_t delta = pithi_tensor_get_s64(&inputs[2], 0);
    bool is_empty = delta > 0 ? limit <= start : limit >= start;
    uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    return is_empty ? 0.0 : (double)((span - 1) / step) + 1.0;
}

static pith_status infer(pith_infer *infer)
{
    pith_dtype dtype = infer->inputs[0].dtype;
    for (int i = 0; i < 3; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == dtype, PITH_STATUS_DTYPE,
                   "input %d is %s, but input 0 is %s", i, pith_dtype_name(infer->inputs[i].dtype),
                   pith_dtype_name(dtype));
        PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[i].shape) == 1, PITH_STATUS_SHAPE,
                   "input %d must be one number", i);
        if (!infer->inputs[i].data) {
            return pithi_infer_need_value(infer, i);
        }
    }
    double delta = pithi_tensor_get_f64(&infer->inputs[2], 0);
    PITH_CHECK(infer->ctx, delta < 0.0 || delta > 0.0, PITH_STATUS_ARG, "delta is %g, with which the range never ends",
               delta);
    double count = pithi_dtype_is_float(dtype) ? count_floats(infer->inputs) : count_ints(infer->inputs);
    PITH_CHECK(infer->ctx, count >= 0.0 && count < 9e15, PITH_STATUS_LIMIT,
               "the range would have %g elements, more than any tensor may have", count);
    infer->outputs[0].dtype = dtype;
    infer->outputs[0].shape = (pith_shape){ 1, { (int64_t)count } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "start", PITH_DTYPES_NUMBER, PITH_ONE },
    { "limit", PITH_DTYPES_NUMBER, PITH_ONE },
    { "delta", PITH_DTYPES_NUMBER, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Range", 11, NULL } };
static const char *const samples[] = { "s64[]{3} s64[]{11} s64[]{3}", "s32[]{10} s32[]{-4} s32[]{-3}",
                                       "f32[]{0} f32[]{1} f32[]{0.3}", "s16[]{5} s16[]{5} s16[]{1}" };

const pith_op pith_op_range = {
    .head = { "range", 1, PITH_ATTRS(attr_table, range_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
