/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_cumulative.h"

#include "ops/shared_copy.h"
#include "ops/shared_unary.h"

const pith_attr_spec pithi_cumulative_attrs_table[2] = {
    PITH_ATTR_INT(pithi_cumulative_attrs, exclusive, "exclusive", 0),
    PITH_ATTR_INT(pithi_cumulative_attrs, reverse, "reverse", 0),
};
const pith_operand_spec pithi_cumulative_inputs[2] = { { "x", PITH_DTYPES_NUMBER, PITH_ONE },
                                                       { "axis", PITH_DTYPES_INDEX, PITH_ONE } };
const pith_operand_spec pithi_cumulative_outputs[1] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };

/* n elements, the k-th at base + k * stride. */
static void one_line(const pith_run *run, int64_t base, int64_t n, int64_t stride, bool is_product)
{
    const pithi_cumulative_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    const bool is_float = pithi_dtype_is_float(x->dtype);
    double total = is_product ? 1.0 : 0.0;
    uint64_t integer = is_product ? 1 : 0; /* wraps */
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = base + (attrs->reverse ? n - 1 - k : k) * stride;
        const double before = total;
        const uint64_t integer_before = integer;
        if (is_float) {
            const double value = pithi_tensor_get_f64(x, at);
            total = is_product ? total * value : total + value;
            pithi_tensor_set_f64(y, at, attrs->exclusive ? before : total);
        } else {
            const uint64_t value = (uint64_t)pithi_tensor_get_s64(x, at);
            integer = is_product ? integer * value : integer + value;
            pithi_tensor_set_s64(y, at, (int64_t)(attrs->exclusive ? integer_before : integer));
        }
    }
}

/* n elements of a line, `stride` lines side by side, n_outer times; false: the axis is wrong. */
static bool find_lines(const pith_run *run, int64_t *n, int64_t *stride, int64_t *n_outer)
{
    const pith_shape *shape = &run->inputs[0].shape;
    const int64_t axis = pithi_tensor_get_s64(&run->inputs[1], 0);
    const int dim = (int)(axis < 0 ? axis + shape->rank : axis);
    if (axis < -shape->rank || axis >= shape->rank) {
        pithi_run_fault(run, "axis %lld is outside an input of rank %d", (long long)axis, shape->rank);
        return false;
    }
    *n = shape->dims[dim];
    *stride = pithi_dims_product(shape, dim + 1, shape->rank);
    *n_outer = pith_shape_elements(shape) > 0 ? pithi_dims_product(shape, 0, dim) : 0;
    return true;
}

void pithi_cumulative_ref(const pith_run *run, bool is_product)
{
    int64_t n, stride, n_outer;
    if (find_lines(run, &n, &stride, &n_outer)) {
        for (int64_t line = 0; line < n_outer * stride; line++) {
            one_line(run, line / stride * n * stride + line % stride, n, stride, is_product);
        }
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

#define LINES 64 /* side by side that go together */

/* The same for `count` float32 lines. */
static void lines_f32(const pith_run *run, int64_t base, int64_t n, int64_t stride, int64_t count, bool is_product)
{
    const pithi_cumulative_attrs *attrs = run->attrs;
    double totals[LINES];
    for (int64_t i = 0; i < count; i++) {
        totals[i] = is_product ? 1.0 : 0.0;
    }
    for (int64_t k = 0; k < n; k++) {
        const int64_t at = base + (attrs->reverse ? n - 1 - k : k) * stride;
        const float *x = (const float *)run->inputs[0].data + at;
        float *y = (float *)run->outputs[0].data + at;
        for (int64_t i = 0; i < count; i++) {
            const double value = (double)x[i], after = is_product ? totals[i] * value : totals[i] + value;
            y[i] = (float)(attrs->exclusive ? totals[i] : after);
            totals[i] = after;
        }
    }
}

pith_status pithi_cumulative_prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->kernel = "lines";
    prepare->max_parts = pithi_element_parts(4 * pith_shape_elements(&prepare->outputs[0].shape));
    return PITH_OK;
}

void pithi_cumulative_run(const pith_run *run, const pith_part *part, bool is_product)
{
    int64_t n, stride, n_outer, begin, end;
    if (!find_lines(run, &n, &stride, &n_outer)) {
        return;
    }
    const int64_t n_blocks = pithi_div_up(stride, LINES);
    pithi_part_range(part, n_outer * n_blocks, &begin, &end);
    for (int64_t block = begin; block < end; block++) {
        const int64_t first = block % n_blocks * LINES, count = pithi_min_s64(LINES, stride - first);
        const int64_t base = block / n_blocks * n * stride + first;
        if (run->inputs[0].dtype == PITH_DTYPE_F32) {
            lines_f32(run, base, n, stride, count, is_product);
            continue;
        }
        for (int64_t i = 0; i < count; i++) {
            one_line(run, base + i, n, stride, is_product);
        }
    }
}

pith_status pithi_cumulative_infer(pith_infer *infer)
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
