/* SPDX-License-Identifier: Apache-2.0 */
/* cum_sum: running sums along an axis (a second operand), from the end if reverse, without the element itself if
 * exclusive. ONNX CumSum. */
#include "ops/op.h"
#include "ops/sample.h"

typedef struct cum_sum_attrs {
    int64_t exclusive, reverse;
} cum_sum_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_INT(cum_sum_attrs, exclusive, "exclusive", 0),
    PITH_ATTR_INT(cum_sum_attrs, reverse, "reverse", 0),
};

/* n elements, the k-th at base + k * stride. */
static void one_line(const pith_run *run, int64_t base, int64_t n, int64_t stride)
{
    const cum_sum_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    const bool is_float = pithi_dtype_is_float(x->dtype);
    double sum = 0.0;
    uint64_t integer_sum = 0; /* wraps */
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = base + (attrs->reverse ? n - 1 - k : k) * stride;
        const double before = sum;
        const uint64_t integer_before = integer_sum;
        if (is_float) {
            sum += pithi_tensor_get_f64(x, at);
            pithi_tensor_set_f64(y, at, attrs->exclusive ? before : sum);
        } else {
            integer_sum += (uint64_t)pithi_tensor_get_s64(x, at);
            pithi_tensor_set_s64(y, at, (int64_t)(attrs->exclusive ? integer_before : integer_sum));
        }
    }
}

static void ref(const pith_run *run)
{
    const pith_shape *shape = &run->inputs[0].shape;
    const int64_t axis = pithi_tensor_get_s64(&run->inputs[1], 0);
    const int dim = (int)(axis < 0 ? axis + shape->rank : axis);
    int64_t stride = 1;
    if (axis < -shape->rank || axis >= shape->rank) {
        pithi_run_fault(run, "cum_sum: axis %lld is outside an input of rank %d", (long long)axis, shape->rank);
        return;
    }
    for (int i = dim + 1; i < shape->rank; i++) {
        stride *= shape->dims[i];
    }
    const int64_t n = shape->dims[dim], n_lines = n > 0 ? pith_shape_elements(shape) / n : 0;
    for (int64_t line = 0; line < n_lines; line++) {
        one_line(run, line / stride * n * stride + line % stride, n, stride);
    }
}

static pith_status infer(pith_infer *infer)
{
    int axis = 0;
    PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[1].shape) == 1, PITH_STATUS_SHAPE,
               "'axis' must be a scalar");
    if (infer->inputs[1].data) {
        PITH_TRY(pithi_infer_axis(infer, pithi_tensor_get_s64(&infer->inputs[1], 0), infer->inputs[0].shape.rank,
                                  &axis));
    }
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_NUMBER, PITH_ONE },
                                            { "axis", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "CumSum", 11, NULL } };
static const char *const samples[] = {
    "f32[5] s32[]{0}", "f32[2,3,4] s64[]{-2} | exclusive=1", "s64[2,5]{1:9} s32[]{1} | reverse=1",
    "f64[4,3] s64[1]{0} | exclusive=1 reverse=1",
    "f32[0,3] s64[]{1}"
};

const pith_op pith_op_cum_sum = {
    .head = { "cum_sum", 1, PITH_ATTRS(attrs_table, cum_sum_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
