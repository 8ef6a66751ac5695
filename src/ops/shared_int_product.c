/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_int_product.h"

#include "ops/shared_index.h"
#include "ops/shared_quant.h"
#include "ops/shared_unary.h"

pithi_int_product pithi_int_operands(const pith_tensor *inputs, int n_inputs, pith_tensor *outputs,
                                     bool is_qlinear)
{
    const pith_tensor *given[9] = { NULL };
    for (int i = 0; i < n_inputs && i < PITH_COUNT(given); i++) {
        given[i] = inputs[i].dtype == PITH_DTYPE_NONE ? NULL : &inputs[i];
    }
    if (!is_qlinear) {
        return (pithi_int_product){ .a = given[0],
                                    .b = given[1],
                                    .a_zero = given[2],
                                    .b_zero = given[3],
                                    .a_factor = given[4],
                                    .b_factor = given[5],
                                    .offset = given[6],
                                    .residual = given[PITHI_INT_RESIDUAL],
                                    .y = outputs,
                                    .limits = { PITHI_LIMIT_LOW, PITHI_LIMIT_HIGH } };
    }
    return (pithi_int_product){ .a = given[0],
                                .a_scale = given[1],
                                .a_zero = given[2],
                                .b = given[3],
                                .b_scale = given[4],
                                .b_zero = given[5],
                                .y_scale = given[6],
                                .y_zero = given[7],
                                .bias = given[8],
                                .y = outputs,
                                .limits = { PITHI_LIMIT_LOW, PITHI_LIMIT_HIGH } };
}

bool pithi_int_is_wide(const pith_tensor *inputs, const pith_tensor *outputs)
{
    return pithi_is_16bit(inputs[0].dtype) || pithi_is_16bit(outputs[0].dtype);
}

static int64_t index_in(const pith_tensor *list, int64_t index)
{
    int64_t count = pith_shape_elements(&list->shape);
    return count == 1 ? 0 : index % count; /* one list may serve all batches */
}

int32_t pithi_int_zero(const pith_tensor *zero, int64_t index)
{
    return zero ? (int32_t)pithi_tensor_get_s64(zero, index_in(zero, index)) : 0;
}

static float scale_at(const pith_tensor *scale, int64_t index)
{
    return (float)pithi_tensor_get_f64(scale, index_in(scale, index));
}

float pithi_int_scale(const pithi_int_product *product, int64_t row, int64_t column)
{
    if (product->a_factor) {
        return scale_at(product->a_factor, 0) * scale_at(product->b_factor, column);
    }
    float scale = scale_at(product->a_scale, row) * scale_at(product->b_scale, column);
    return scale / scale_at(product->y_scale, row);
}

void pithi_int_fold_factors(const pithi_int_product *product, int64_t begin, int64_t end, float *to)
{
    const float factor = *(const float *)product->a_factor->data, *factors = product->b_factor->data;
    const bool moves = pith_shape_elements(&product->b_factor->shape) > 1;
    for (int64_t i = begin; i < end; i++) {
        to[i - begin] = factor * factors[moves ? i : 0];
    }
}

void pithi_int_finish(const pithi_int_product *product, int64_t position, int64_t row,
                      int64_t column, int64_t sum)
{
    sum += product->bias ? ((const int32_t *)product->bias->data)[column] : 0;
    if (!pithi_is_16bit(product->a->dtype)) {
        sum = (int32_t)(uint32_t)(uint64_t)sum;
    }
    if (product->a_factor) {
        float value = (float)sum * pithi_int_scale(product, row, column);
        value = product->offset ? value + scale_at(product->offset, column) : value;
        value = product->residual ? value + ((const float *)product->residual->data)[position] : value;
        ((float *)product->y->data)[position] =
            product->activation ? (float)pithi_activation_f64(product->activation, (double)value) : value;
        return;
    }
    if (!product->y_scale) {
        ((int32_t *)product->y->data)[position] = (int32_t)sum;
        return;
    }
    float scale = pithi_int_scale(product, row, column);
    int64_t value = pithi_quantize((double)((float)sum * scale),
                                   pithi_int_zero(product->y_zero, row), product->y->dtype);
    pithi_tensor_set_s64(product->y, position, pithi_limit(&product->limits, value));
}

/* As in kernels/quantize_f32: bounds are integers, so clamping may come before rounding. */
static int32_t quantize_small(float value, int32_t low, int32_t high)
{
    value = value > (float)low ? value : (float)low;
    value = value < (float)high ? value : (float)high;
    float shifted = value + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

static void quantize_line(const pithi_int_product *product, const pithi_int_line *line)
{
    float a_scale = scale_at(product->a_scale, line->row), y_scale = scale_at(product->y_scale, line->row);
    int32_t zero = pithi_int_zero(product->y_zero, line->row);
    pithi_limits limits = pithi_limits_in(&product->limits, product->y->dtype);
    int32_t low = (int32_t)limits.low - zero, high = (int32_t)limits.high - zero;
    int64_t n_scales = pith_shape_elements(&product->b_scale->shape);
    const float *b_scale = (const float *)product->b_scale->data + (n_scales == 1 ? 0 : line->column % n_scales);
    int64_t scale_step = n_scales == 1 ? 0 : line->column_step;
    const int32_t *bias = product->bias ? (const int32_t *)product->bias->data + line->column : NULL;
    uint8_t *y = (uint8_t *)product->y->data + line->position;
    for (int64_t i = 0; i < line->n; i++) {
        uint32_t sum = (uint32_t)line->sums[i * line->sum_step] + (bias ? (uint32_t)bias[i * line->column_step] : 0);
        float scale = a_scale * b_scale[i * scale_step] / y_scale;
        y[i] = (uint8_t)(quantize_small((float)(int32_t)sum * scale, low, high) + zero);
    }
}

void pithi_int_finish_line(const pithi_int_product *product, const pithi_int_line *line)
{
    if (product->y_scale && product->b_scale->dtype == PITH_DTYPE_F32) {
        quantize_line(product, line);
        return;
    }
    for (int64_t i = 0; i < line->n; i++) {
        pithi_int_finish(product, line->position + i, line->row, line->column + i * line->column_step,
                         line->sums[i * line->sum_step]);
    }
}

static pith_status check_list(pith_infer *infer, const char *name, const pith_tensor *list, int64_t count)
{
    int64_t n_items = list ? pith_shape_elements(&list->shape) : 1;
    int64_t last = list && list->shape.rank > 0 ? list->shape.dims[list->shape.rank - 1] : 1;
    bool is_batch = list && list->shape.rank > 1 && (last == 1 || last == count); /* for each of a batch */
    bool fits = n_items == 1 || n_items == count ||
                (is_batch && count > 0 && n_items > 0 && n_items % count == 0);
    PITH_CHECK(infer->ctx, fits, PITH_STATUS_SHAPE,
               "%s has %lld elements; one, or one for each of %lld, is needed", name,
               (long long)n_items, (long long)count);
    return PITH_OK;
}

pith_status pithi_int_check(pith_infer *infer, const pithi_int_product *product, int64_t n_rows,
                            int64_t n_columns)
{
    PITH_TRY(check_list(infer, "zero point of the left operand", product->a_zero, n_rows));
    PITH_TRY(check_list(infer, "zero point of the right operand", product->b_zero, n_columns));
    PITH_CHECK(infer->ctx,
               (!product->a_zero || product->a_zero->dtype == product->a->dtype) &&
                   (!product->b_zero || product->b_zero->dtype == product->b->dtype),
               PITH_STATUS_DTYPE, "zero points must have the dtypes of their operands");
    if (product->y_scale) {
        PITH_TRY(check_list(infer, "scale of the left operand", product->a_scale, n_rows));
        PITH_TRY(check_list(infer, "scale of the right operand", product->b_scale, n_columns));
        PITH_TRY(check_list(infer, "scale of the result", product->y_scale, n_rows));
        PITH_TRY(check_list(infer, "zero point of the result", product->y_zero, n_rows));
        PITH_CHECK(infer->ctx,
                   !product->bias || pith_shape_elements(&product->bias->shape) == n_columns,
                   PITH_STATUS_SHAPE, "the bias must have %lld elements", (long long)n_columns);
    }
    product->y->dtype = product->y_scale ? product->y_zero->dtype : PITH_DTYPE_S32;
    if (product->a_factor) {
        PITH_CHECK(infer->ctx, product->b_factor, PITH_STATUS_FORMAT, "factors come for both operands");
        PITH_CHECK(infer->ctx, !product->residual || pith_shape_equal(&product->residual->shape, &product->y->shape),
                   PITH_STATUS_SHAPE, "the residual must have the shape of the result");
        PITH_TRY(check_list(infer, "factor of the left operand", product->a_factor, 1));
        PITH_TRY(check_list(infer, "factor of the right operand", product->b_factor, n_columns));
        PITH_CHECK(infer->ctx, !product->offset || pith_shape_elements(&product->offset->shape) == n_columns,
                   PITH_STATUS_SHAPE, "the offset must have %lld elements", (long long)n_columns);
        product->y->dtype = PITH_DTYPE_F32;
    }
    return PITH_OK;
}
