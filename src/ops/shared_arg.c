/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_arg.h"

#include <math.h>

#include "kernels/reduce_f32.h"
#include "ops/shared_reduce.h"
#include "ops/shared_unary.h"

const pith_attr_spec pithi_arg_attrs_table[3] = {
    PITH_ATTR_INT(pithi_arg_attrs, axis, "axis", 0),
    PITH_ATTR_INT(pithi_arg_attrs, keepdims, "keepdims", 1),
    PITH_ATTR_INT(pithi_arg_attrs, select_last_index, "select_last_index", 0),
};
const pith_operand_spec pithi_arg_inputs[1] = { { "data", PITH_DTYPES_NUMBER, PITH_ONE } };
const pith_operand_spec pithi_arg_outputs[1] = { { "index", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };

pith_status pithi_arg_infer(pith_infer *infer)
{
    const pithi_arg_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    pith_shape *y = &infer->outputs[0].shape;
    int axis = 0;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->rank, &axis));
    *y = (pith_shape){ 0 };
    infer->outputs[0].dtype = PITH_DTYPE_S64;
    for (int i = 0; i < x->rank; i++) {
        if (i != axis || attrs->keepdims) {
            y->dims[y->rank++] = i == axis ? 1 : x->dims[i];
        }
    }
    PITH_CHECK(infer->ctx, x->dims[axis] > 0 || pith_shape_elements(y) == 0, PITH_STATUS_SHAPE,
               "axis %d has no elements, so none of them is the largest or smallest", axis);
    return PITH_OK;
}

void pithi_arg_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = (uint64_t)pith_shape_elements(&infer->inputs[0].shape);
}

/* -1, 0, 1 as element i is below, equal to or above element j; NaN is above everything. */
static int compare(const pith_tensor *x, int64_t i, int64_t j, int sign)
{
    if (pithi_dtype_is_float(x->dtype)) {
        const double a = sign * pithi_tensor_get_f64(x, i), b = sign * pithi_tensor_get_f64(x, j);
        return isnan(a) || isnan(b) ? isnan(a) - isnan(b) : (a > b) - (a < b);
    }
    const uint64_t flip = x->dtype == PITH_DTYPE_U64 ? (uint64_t)1 << 63 : 0;
    const int64_t a = (int64_t)((uint64_t)pithi_tensor_get_s64(x, i) ^ flip);
    const int64_t b = (int64_t)((uint64_t)pithi_tensor_get_s64(x, j) ^ flip);
    return sign * ((a > b) - (a < b));
}

static int64_t best_of(const pith_tensor *x, int64_t base, int64_t n, int64_t stride, int sign, bool last)
{
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++) {
        const int order = compare(x, base + k * stride, base + best * stride, sign);
        best = order > 0 || (order == 0 && last) ? k : best;
    }
    return best;
}

/* The same for floats without the detours. */
static int64_t best_of_f32(const float *x, int64_t n, int64_t stride, int sign, bool last)
{
    int64_t best = 0;
    float best_x = n > 0 ? x[0] : 0.0f;
    for (int64_t k = 1; k < n; k++) {
        const float candidate = x[k * stride];
        const bool is_better = isnan(best_x) ? last && isnan(candidate)
                                             : isnan(candidate) || (last && candidate == best_x) ||
                                                   (sign > 0 ? candidate > best_x : candidate < best_x);
        best = is_better ? k : best;
        best_x = is_better ? candidate : best_x;
    }
    return best;
}

/* A long row: the extreme by its kernel, then where it is. */
static int64_t best_of_row(const pith_reduce_f32 *kernel, const float *x, int64_t n, int sign, bool last)
{
    const float best = kernel->rows[sign > 0 ? PITH_REDUCE_MAX : PITH_REDUCE_MIN](x, (size_t)n);
    int64_t at = last ? n - 1 : 0;
    if (isnan(best)) {
        return best_of_f32(x, n, 1, sign, last);
    }
    while (x[at] != best) {
        at += last ? -1 : 1;
    }
    return at;
}

#define LONG_ROW 32
#define COLUMNS 64

/* n_columns results side by side, which compilers turn into vectors. */
static void best_of_columns(const float *x, int64_t n, int64_t stride, int64_t n_columns, int sign, bool last,
                            int64_t *y)
{
    float best_x[COLUMNS];
    int32_t best[COLUMNS] = { 0 };
    for (int64_t c = 0; c < n_columns; c++) {
        best_x[c] = (float)sign * x[c];
    }
    for (int64_t k = 1; k < n; k++) {
        for (int64_t c = 0; c < n_columns; c++) {
            const float candidate = (float)sign * x[k * stride + c], old = best_x[c];
            const int is_better = (candidate > old) | ((candidate != candidate) & (old == old)) |
                                  (last & ((candidate == old) | ((candidate != candidate) & (old != old))));
            best[c] = is_better ? (int32_t)k : best[c];
            best_x[c] = is_better ? candidate : old;
        }
    }
    for (int64_t c = 0; c < n_columns; c++) {
        y[c] = best[c];
    }
}

/* kernel NULL: the reference, of any dtype. */
static void apply(const pith_run *run, int sign, int64_t begin, int64_t end, const pith_reduce_f32 *kernel)
{
    const pithi_arg_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    const int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    const int64_t n = x->shape.dims[axis];
    int64_t stride = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) {
        stride *= x->shape.dims[i];
    }
    const bool last = attrs->select_last_index != 0, in_columns = kernel && stride > 1 && n < INT32_MAX;
    int64_t *y = run->outputs[0].data;
    for (int64_t i = begin, n_columns = 1; i < end; i += n_columns) {
        const int64_t base = i / stride * n * stride + i % stride;
        if (in_columns) {
            n_columns = pithi_min_s64(COLUMNS, pithi_min_s64(end - i, stride - i % stride));
            best_of_columns((const float *)x->data + base, n, stride, n_columns, sign, last, y + i);
            continue;
        }
        if (kernel && n >= LONG_ROW && stride == 1) {
            y[i] = best_of_row(kernel, (const float *)x->data + base, n, sign, last);
        } else {
            y[i] = kernel ? best_of_f32((const float *)x->data + base, n, stride, sign, last)
                          : best_of(x, base, n, stride, sign, last);
        }
    }
}

void pithi_arg_ref(const pith_run *run, int sign)
{
    apply(run, sign, 0, pith_shape_elements(&run->outputs[0].shape), NULL);
}

typedef struct arg_state {
    const pith_reduce_f32 *kernel;
} arg_state;

pith_status pithi_arg_prepare(pith_prepare *prepare)
{
    const int64_t n_results = pith_shape_elements(&prepare->outputs[0].shape);
    const int n_parts = pithi_element_parts(pith_shape_elements(&prepare->inputs[0].shape));
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_results, n_parts));
    void *block = NULL;
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(arg_state), &block));
    ((arg_state *)block)->kernel = pithi_reduce_f32(prepare->isa_limit);
    prepare->state = block;
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_arg_run(const pith_run *run, const pith_part *part, int sign)
{
    int64_t begin, end;
    pithi_part_range(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    const arg_state *state = run->state;
    apply(run, sign, begin, end, state->kernel);
}

bool pithi_arg_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_arg_attrs *attrs = node->attrs;
    if (!attrs->keepdims) {
        return false;
    }
    attrs->axis = pithi_channels_last_axis(attrs->axis, node->inputs[0]->shape.rank);
    return true;
}
