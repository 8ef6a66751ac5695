/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_layer_normalization: normalisation over the last dimension, from quantised to quantised; with `rms` without
 * taking off the mean. Of pith alone. Of a row of n numbers d = x - x_zero, or d = x with a mean; sums are exact:
 *
 *   mean = sum d / n (rms: 0),  variance = (n sum d^2 - (sum d)^2) / n^2 (rms: sum d^2 / n),
 *   factor = x_scale / sqrt(variance x_scale^2 + epsilon), in double, mean and factor then rounded to float32;
 *
 *   y = saturate(round_half_even((d - mean) * factor * (scale / y_scale) + (bias / y_scale + y_zero)))
 *
 * with every operation rounded to float32. */
#include <math.h>

#include "kernels/norm_u8.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_lookup.h"

typedef struct norm_attrs {
    float epsilon;
    int64_t rms;
} norm_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_FLOAT(norm_attrs, epsilon, "epsilon", 1e-5),
    PITH_ATTR_OWN_INT(norm_attrs, rms, "rms", 0),
};

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO, SCALE, BIAS };

/* Numbers are read as they are; `zero` belongs to them. */
static void find_line(const norm_attrs *attrs, const pithi_quant_pair *x, int64_t n, int64_t sum, int64_t squares,
                      float *mean_out, float *factor_out)
{
    const double count = (double)n, scale = (double)x->scale;
    double mean = (double)sum / count, variance = (double)(n * squares - sum * sum) / (count * count);
    if (attrs->rms) {
        mean = (double)x->zero;
        variance = (double)(squares - 2 * x->zero * sum + n * x->zero * x->zero) / count;
    }
    *mean_out = (float)mean;
    *factor_out = (float)(scale / sqrt(variance * scale * scale + (double)attrs->epsilon));
}

static float shift_of(const pith_tensor *inputs, int n_inputs, const pithi_quant_pair *y, int64_t i)
{
    const float bias = pithi_has_operand(inputs, n_inputs, BIAS) ? ((const float *)inputs[BIAS].data)[i] : 0.0f;
    return bias / y->scale + (float)y->zero;
}

static void ref(const pith_run *run)
{
    const pith_tensor *from = &run->inputs[X];
    const float *scale = run->inputs[SCALE].data;
    pith_tensor *to = &run->outputs[0];
    pithi_quant_pair x, y;
    int64_t n = from->shape.dims[from->shape.rank - 1];
    pithi_quant_unary_pairs(run, &x, &y);
    for (int64_t first = 0; first < pith_shape_elements(&from->shape); first += n) {
        int64_t sum = 0, squares = 0;
        float mean, factor;
        for (int64_t i = 0; i < n; i++) {
            int64_t number = pithi_tensor_get_s64(from, first + i);
            sum += number;
            squares += number * number;
        }
        find_line(run->attrs, &x, n, sum, squares, &mean, &factor);
        for (int64_t i = 0; i < n; i++) {
            float value = ((float)pithi_tensor_get_s64(from, first + i) - mean) * factor * (scale[i] / y.scale);
            value += shift_of(run->inputs, run->n_inputs, &y, i);
            pithi_tensor_set_s64(to, first + i, pithi_quantize((double)value, 0, to->dtype));
        }
    }
}

/* ---- run ------------------------------------------------------------------------------------ */

typedef struct norm_state {
    const pith_norm_u8 *kernel;
    pith_norm_u8_row row;
    pithi_quant_pair x;
} norm_state;

static void run_part(const pith_run *run, const pith_part *part)
{
    const norm_state *state = run->state;
    pith_norm_u8_row row = state->row;
    const int64_t n = (int64_t)row.n;
    int64_t begin, end, sum, squares;
    pithi_part_range(part, pith_shape_elements(&run->inputs[X].shape) / n, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        row.x = (const uint8_t *)run->inputs[X].data + i * n;
        row.y = (uint8_t *)run->outputs[0].data + i * n;
        state->kernel->moments(row.x, row.n, row.flip, &sum, &squares);
        find_line(run->attrs, &state->x, n, sum, squares, &row.mean, &row.factor);
        state->kernel->affine(&row);
    }
}

static pith_status fill_lists(pith_prepare *prepare, norm_state *state, const pithi_quant_pair *y)
{
    const float *given = prepare->inputs[SCALE].data;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, 2 * state->row.n, sizeof(float), &block));
    float *scale = block, *shift = scale + state->row.n;
    for (size_t i = 0; i < state->row.n; i++) {
        scale[i] = given[i] / y->scale;
        shift[i] = shift_of(prepare->inputs, prepare->n_inputs, y, (int64_t)i);
    }
    state->row.scale = scale;
    state->row.shift = shift;
    return PITH_OK;
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_run run = { .inputs = prepare->inputs, .n_inputs = prepare->n_inputs };
    const pith_tensor *x = &prepare->inputs[X];
    const int64_t worthwhile = 16384, n = x->shape.dims[x->shape.rank - 1], n_elements = pith_shape_elements(&x->shape);
    pithi_quant_pair y;
    int64_t low, high;
    void *block = NULL;
    for (int i = X_SCALE; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_NONE && !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    if (n_elements == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(norm_state), &block));
    norm_state *state = block;
    pithi_quant_unary_pairs(&run, &state->x, &y);
    pithi_quant_range(x->dtype, &low, &high);
    state->kernel = pithi_norm_u8(prepare->isa_limit);
    state->row = (pith_norm_u8_row){ .n = (size_t)n, .flip = x->dtype == PITH_DTYPE_S8 ? 0x80 : 0,
                                     .low = (int32_t)low, .high = (int32_t)high };
    PITH_TRY(fill_lists(prepare, state, &y));
    prepare->state = state;
    prepare->use_run = true;
    prepare->max_parts =
        (int)pithi_max_s64(pithi_min_s64(pithi_min_s64(n_elements / worthwhile, n_elements / n), 1024), 1);
    prepare->kernel = state->kernel->head.name;
    return PITH_OK;
}

/* ---- infer ---------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[X].shape;
    PITH_CHECK(infer->ctx, x->rank > 0, PITH_STATUS_SHAPE, "x has rank 0, there is no dimension to normalise over");
    const int64_t n = x->dims[x->rank - 1];
    for (int i = SCALE; i < infer->n_inputs; i++) {
        PITH_CHECK(infer->ctx,
                   infer->inputs[i].dtype == PITH_DTYPE_NONE || pith_shape_elements(&infer->inputs[i].shape) == n,
                   PITH_STATUS_SHAPE, "input %d has %lld elements, the rows have %lld", i,
                   (long long)pith_shape_elements(&infer->inputs[i].shape), (long long)n);
    }
    PITH_CHECK(infer->ctx, n < INT32_MAX / 256, PITH_STATUS_LIMIT, "rows of %lld numbers", (long long)n);
    return pithi_quant_unary_infer(infer);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_8BIT, PITH_ONE },
    { "x_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "bias", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },
};
static const char *const samples[] = {
    "u8[3,70]{0:256} f32[]{0.05} u8[]{128} f32[]{0.02} u8[]{120} f32[70]{-1:2} f32[70]{-1:1}",
    "s8[2,5,37]{-128:128} f32[]{0.05} s8[]{28} f32[]{0.03} s8[]{-12} f32[37]{0.5:1} | rms=1",
    "s8[300,9]{-128:128} f32[]{0.05} - f32[]{0.02} - f32[9]{0.5:1} - | epsilon=0.1",
    "u8[2,4]{200:201} f32[]{0.05} - f32[]{0.02} - f32[4] f32[4]",
    "u8[0,4] f32[]{0.05} - f32[]{0.02} - f32[4] -",
};

const pith_op pith_op_qlinear_layer_normalization = {
    .head = { "qlinear_layer_normalization", 1, PITH_ATTRS(attr_table, norm_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_quant_unary_outputs, .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run_part,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
