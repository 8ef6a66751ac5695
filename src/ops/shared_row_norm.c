/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_row_norm.h"

#include <math.h>

#include "ops/shared_broadcast.h"
#include "ops/shared_moments.h"
#include "ops/shared_source.h"
#include "ops/shared_unary.h"

const pith_attr_spec pithi_row_norm_attrs_table[3] = {
    PITH_ATTR_INT(pithi_row_norm_attrs, axis, "axis", -1),
    PITH_ATTR_INT(pithi_row_norm_attrs, stash_type, "stash_type", 1),
    PITH_ATTR_FLOAT(pithi_row_norm_attrs, epsilon, "epsilon", 1e-5),
};

enum { X, SCALE, BIAS };

/* x as n_rows rows; the dimensions of a row, to which scale and bias broadcast. */
typedef struct extent {
    int64_t n_rows, n;
    pith_shape row;
} extent;

static extent extent_of(const pith_shape *x, const pithi_row_norm_attrs *attrs)
{
    const int64_t axis = attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis;
    extent e = { .n_rows = 1, .n = 1 };
    for (int i = 0; i < x->rank; i++) {
        if (i < axis) {
            e.n_rows *= x->dims[i];
        } else {
            e.n *= x->dims[i];
            e.row.dims[e.row.rank++] = x->dims[i];
        }
    }
    return e;
}

/* Leading ones are allowed. */
static bool broadcasts(const pith_shape *from, const pith_shape *to)
{
    for (int i = from->rank - 1, k = to->rank - 1; i >= 0; i--, k--) {
        if (from->dims[i] != 1 && (k < 0 || from->dims[i] != to->dims[k])) {
            return false;
        }
    }
    return true;
}

pith_status pithi_row_norm_infer(pith_infer *infer)
{
    const pithi_row_norm_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[X].shape;
    char text[PITHI_SHAPE_TEXT_BYTES], row[PITHI_SHAPE_TEXT_BYTES];
    int axis = 0;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->rank, &axis));
    const extent e = extent_of(x, attrs);
    for (int i = SCALE; i < infer->n_inputs; i++) {
        const pith_tensor *operand = &infer->inputs[i];
        PITH_CHECK(infer->ctx, operand->dtype == PITH_DTYPE_NONE || broadcasts(&operand->shape, &e.row),
                   PITH_STATUS_SHAPE,
                   "%s %s doesn't broadcast to the normalised dimensions %s", i == SCALE ? "scale" : "bias",
                   pithi_shape_text(&operand->shape, text), pithi_shape_text(&e.row, row));
    }
    for (int k = 1; k < infer->n_outputs; k++) {
        infer->outputs[k].dtype = attrs->stash_type == 1 ? PITH_DTYPE_F32 : infer->inputs[X].dtype;
        infer->outputs[k].shape = *x;
        for (int i = axis; i < x->rank; i++) {
            infer->outputs[k].shape.dims[i] = 1;
        }
    }
    infer->outputs[0].dtype = infer->inputs[X].dtype;
    infer->outputs[0].shape = *x;
    return PITH_OK;
}

void pithi_row_norm_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = 5 * (uint64_t)pith_shape_elements(&infer->inputs[X].shape);
}

/* ---- reference ---------------------------------------------------------------------------- */

static bool has(const pith_tensor *tensors, int count, int index)
{
    return index < count && tensors[index].data;
}

static double operand_or(const pith_run *run, int index, const extent *e, int64_t at, double otherwise)
{
    if (!has(run->inputs, run->n_inputs, index)) {
        return otherwise;
    }
    /* A scale of higher rank than the row has leading ones, which don't move the offset. */
    return pithi_tensor_get_f64(&run->inputs[index], pithi_broadcast_offset(&run->inputs[index].shape, &e->row, at));
}

static void ref_row(const pith_run *run, const extent *e, int64_t row, bool is_centred)
{
    const pithi_row_norm_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[X];
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < e->n && is_centred; i++) {
        sum += pithi_tensor_get_f64(x, row * e->n + i);
    }
    const double mean = is_centred ? sum / (double)e->n : 0.0;
    for (int64_t i = 0; i < e->n; i++) {
        const double centred = pithi_tensor_get_f64(x, row * e->n + i) - mean;
        squares += centred * centred;
    }
    const double factor = 1.0 / sqrt(squares / (double)e->n + (double)attrs->epsilon);
    for (int64_t i = 0; i < e->n && run->outputs[0].data; i++) {
        const double value = (pithi_tensor_get_f64(x, row * e->n + i) - mean) * factor;
        pithi_tensor_set_f64(&run->outputs[0], row * e->n + i,
                             value * operand_or(run, SCALE, e, i, 1.0) + operand_or(run, BIAS, e, i, 0.0));
    }
    if (has(run->outputs, run->n_outputs, 1)) {
        pithi_tensor_set_f64(&run->outputs[1], row, mean);
    }
    if (has(run->outputs, run->n_outputs, 2)) {
        pithi_tensor_set_f64(&run->outputs[2], row, factor);
    }
}

void pithi_row_norm_ref(const pith_run *run, bool is_centred)
{
    const extent e = extent_of(&run->inputs[X].shape, run->attrs);
    for (int64_t row = 0; row < e.n_rows; row++) {
        ref_row(run, &e, row, is_centred);
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

typedef struct row_norm_state {
    int64_t n_rows, n;
    bool is_centred;
    pithi_moments_kernels kernels;
} row_norm_state;

pith_status pithi_row_norm_prepare(pith_prepare *prepare, bool is_centred)
{
    const extent e = extent_of(&prepare->inputs[X].shape, prepare->attrs);
    bool is_fast = e.n_rows > 0 && e.n > 0;
    for (int i = X; i < prepare->n_inputs; i++) {
        const pith_tensor *operand = &prepare->inputs[i];
        const bool is_whole = i == X || pith_shape_elements(&operand->shape) == e.n;
        is_fast = is_fast && (operand->dtype == PITH_DTYPE_NONE || (operand->dtype == PITH_DTYPE_F32 && is_whole));
    }
    for (int k = 0; k < prepare->n_outputs; k++) {
        const pith_dtype dtype = prepare->outputs[k].dtype;
        is_fast = is_fast && (dtype == PITH_DTYPE_F32 || (k > 0 && dtype == PITH_DTYPE_NONE));
    }
    if (!is_fast) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(row_norm_state), &block));
    row_norm_state *state = block;
    *state = (row_norm_state){ e.n_rows, e.n, is_centred, pithi_moments_kernels_of(prepare->isa_limit) };
    prepare->state = state;
    prepare->max_parts = (int)pithi_min_s64(e.n_rows, pithi_element_parts(3 * e.n_rows * e.n));
    prepare->kernel = state->kernels.norm->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

static pith_norm_line root_mean_square(const pithi_moments_kernels *kernels, const float *x, size_t n, float epsilon)
{
    const float squares = kernels->reduce->rows[PITH_REDUCE_SUM_SQUARE](x, n);
    return (pith_norm_line){ .factor = 1.0f / sqrtf(squares / (float)n + epsilon) };
}

void pithi_row_norm_run(const pith_run *run, const pith_part *part)
{
    const row_norm_state *state = run->state;
    const pithi_row_norm_attrs *attrs = run->attrs;
    const size_t n = (size_t)state->n;
    const float *scale = has(run->inputs, run->n_inputs, SCALE) ? run->inputs[SCALE].data : NULL;
    const float *bias = has(run->inputs, run->n_inputs, BIAS) ? run->inputs[BIAS].data : NULL;
    int64_t begin, end;
    pithi_part_range(part, state->n_rows, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const float *x = (const float *)run->inputs[X].data + row * state->n;
        float mean = 0.0f;
        const pith_norm_line line = state->is_centred ? pithi_moments(&state->kernels, x, n, attrs->epsilon, &mean)
                                                      : root_mean_square(&state->kernels, x, n, attrs->epsilon);
        state->kernels.norm->affine(x, (float *)run->outputs[0].data + row * state->n, n, &line, scale, bias);
        if (has(run->outputs, run->n_outputs, 1)) {
            ((float *)run->outputs[1].data)[row] = mean;
        }
        if (has(run->outputs, run->n_outputs, 2)) {
            ((float *)run->outputs[2].data)[row] = line.factor;
        }
    }
}

/* ---- spellings ---------------------------------------------------------------------------- */

pith_status pithi_map_skip_norm(pith_ctx *ctx, pith_source *source, int bias)
{
    const bool has_bias = source->n_inputs > bias && source->inputs[bias];
    pith_value *sum = source->n_outputs > 3 ? source->outputs[3] : NULL;
    PITH_CHECK(ctx, source->n_inputs >= 3, PITH_STATUS_FORMAT, "%s has %d inputs, not at least 3", source->type,
               source->n_inputs);
    PITH_TRY(pithi_source_add_inputs(ctx, source, 1, has_bias ? NULL : sum));
    if (has_bias) {
        PITH_TRY(pithi_source_add_inputs(ctx, source, bias, sum));
    }
    source->inputs[1] = source->inputs[2];
    source->inputs[2] = bias == 4 && source->n_inputs > 3 ? source->inputs[3] : NULL; /* beta, where there is one */
    source->n_inputs = source->inputs[2] ? 3 : 2;
    source->n_outputs = source->n_outputs > 3 ? 3 : source->n_outputs;
    return PITH_OK;
}
