/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_quant.h"

#include <math.h>

#include "ops/shared_copy.h"
#include "ops/shared_index.h"

#define SINGLE_ROW 4096 /* elements of a row where one scale serves all: a unit of work */

static pith_status check_scales(pith_infer *infer, int index, bool divides)
{
    const pith_tensor *scale = &infer->inputs[index];
    for (int64_t i = 0; scale->data && i < pith_shape_elements(&scale->shape); i++) {
        double s = scale->dtype == PITH_DTYPE_F32 ? (double)((const float *)scale->data)[i]
                                                  : pithi_tensor_get_f64(scale, i);
        PITH_CHECK(infer->ctx, isfinite(s), PITH_STATUS_FORMAT,
                   "element %lld of the scale (input %d) is %g; scales must be finite: quantise the network again",
                   (long long)i, index, s);
        PITH_CHECK(infer->ctx, !divides || s != 0.0, PITH_STATUS_FORMAT,
                   "element %lld of the scale is 0, which is divided by; quantise the network again", (long long)i);
    }
    return PITH_OK;
}

pith_status pithi_infer_quant(pith_infer *infer, int scale_index, int64_t axis, int64_t block_size, bool divides)
{
    const pith_shape *x = &infer->inputs[0].shape, *scale = &infer->inputs[scale_index].shape;
    char text[PITHI_SHAPE_TEXT_BYTES];
    int positive;
    PITH_TRY(check_scales(infer, scale_index, divides));
    if (pithi_has_operand(infer->inputs, infer->n_inputs, scale_index + 1)) {
        const pith_shape *zero = &infer->inputs[scale_index + 1].shape;
        PITH_CHECK(infer->ctx, pith_shape_elements(zero) == pith_shape_elements(scale),
                   PITH_STATUS_SHAPE, "%lld zero points, but %lld scales",
                   (long long)pith_shape_elements(zero), (long long)pith_shape_elements(scale));
    }
    if (pith_shape_elements(scale) == 1 &&
        (scale->rank <= 1 || block_size == 0)) { /* one for all */
        return PITH_OK;
    }
    PITH_CHECK(infer->ctx, block_size >= 0, PITH_STATUS_SHAPE, "block_size is %lld",
               (long long)block_size);
    PITH_TRY(pithi_infer_axis(infer, axis, x->rank, &positive));
    if (block_size == 0) {
        PITH_CHECK(infer->ctx, scale->rank == 1 && scale->dims[0] == x->dims[positive],
                   PITH_STATUS_SHAPE,
                   "scale has shape %s; it must be a list of %lld, one for each index of axis %d",
                   pithi_shape_text(scale, text), (long long)x->dims[positive], positive);
        return PITH_OK;
    }
    pith_shape wanted = *x;
    wanted.dims[positive] = pithi_div_up(x->dims[positive], block_size);
    PITH_CHECK(
        infer->ctx, pith_shape_equal(scale, &wanted), PITH_STATUS_SHAPE,
        "scale has shape %s; it must have the input's shape with %lld blocks of %lld on axis %d",
        pithi_shape_text(scale, text), (long long)wanted.dims[positive], (long long)block_size,
        positive);
    return PITH_OK;
}

bool pithi_quant_to_channels_last(pith_graph *graph, pith_node *node)
{
    if (pithi_attr_int(node, "block_size") > 0) {
        return false; /* the scales have the layout of x */
    }
    return pithi_axis_to_channels_last(graph, node);
}

pithi_quant_rows pithi_quant_rows_make(const pith_shape *x, const pith_shape *scale, int64_t axis,
                                       int64_t block_size)
{
    pithi_quant_rows rows = {
        .total = pith_shape_elements(x), .length = SINGLE_ROW, .inner = 1, .dim = 1, .block = 1
    };
    if (pith_shape_elements(scale) != 1 || (scale->rank > 1 && block_size > 0)) {
        int positive = (int)(axis < 0 ? axis + x->rank : axis);
        rows.inner = pithi_dims_product(x, positive + 1, x->rank);
        rows.dim = x->dims[positive];
        rows.kind = block_size ? PITHI_QUANT_BLOCKED : PITHI_QUANT_PER_AXIS;
        rows.block = block_size ? block_size : 1;
        bool is_last = rows.inner == 1, is_even = rows.dim % rows.block == 0;
        rows.step = rows.kind == PITHI_QUANT_BLOCKED ? !is_last : is_last;
        rows.length = !is_last ? rows.inner : rows.step ? rows.dim : is_even ? rows.block : 1;
    }
    rows.count = rows.total ? pithi_div_up(rows.total, rows.length) : 0;
    return rows;
}

int64_t pithi_quant_scale_at(const pithi_quant_rows *rows, int64_t position)
{
    int64_t on_axis = position / rows->inner % rows->dim;
    if (rows->kind != PITHI_QUANT_BLOCKED) {
        return rows->kind == PITHI_QUANT_SINGLE ? 0 : on_axis;
    }
    int64_t n_blocks = pithi_div_up(rows->dim, rows->block),
            outer = position / rows->inner / rows->dim;
    return (outer * n_blocks + on_axis / rows->block) * rows->inner + position % rows->inner;
}

void pithi_quant_range(pith_dtype dtype, int64_t *low_out, int64_t *high_out)
{
    bool is_signed = dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_S16 || dtype == PITH_DTYPE_S4 ||
                     dtype == PITH_DTYPE_S2;
    int64_t span = INT64_C(1) << pith_dtype_bits(dtype);
    *low_out = is_signed ? -span / 2 : 0;
    *high_out = is_signed ? span / 2 - 1 : span - 1;
}

int64_t pithi_quantize(double value, int64_t zero_point, pith_dtype dtype)
{
    int64_t low, high;
    pithi_quant_range(dtype, &low, &high);
    double shifted = nearbyint(value) + (double)zero_point;
    return !(shifted > (double)low) ? low : shifted > (double)high ? high : (int64_t)shifted;
}

pith_status pithi_infer_quant_pair(pith_infer *infer, int scale_index, pith_dtype dtype)
{
    const pith_tensor *scale = &infer->inputs[scale_index];
    PITH_CHECK(infer->ctx, pith_shape_elements(&scale->shape) == 1, PITH_STATUS_SHAPE,
               "the scale in input %d has %lld elements, it must be one for the whole tensor",
               scale_index, (long long)pith_shape_elements(&scale->shape));
    PITH_TRY(check_scales(infer, scale_index, false));
    if (pithi_has_operand(infer->inputs, infer->n_inputs, scale_index + 1)) {
        const pith_tensor *zero = &infer->inputs[scale_index + 1];
        PITH_CHECK(infer->ctx,
                   pith_shape_elements(&zero->shape) == 1 &&
                       (dtype == PITH_DTYPE_NONE || zero->dtype == dtype),
                   PITH_STATUS_SHAPE, "the zero point in input %d must be one %s", scale_index + 1,
                   dtype == PITH_DTYPE_NONE ? "element" : pith_dtype_name(dtype));
    }
    return PITH_OK;
}
