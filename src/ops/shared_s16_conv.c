/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_conv of 16-bit images. */
#include "ops/shared_int_product.h"
#include "ops/shared_s16.h"

/* All but x known, scales in float32. */
static bool is_known(const pith_prepare *prepare)
{
    for (int i = 1; i < prepare->n_inputs; i++) {
        const pith_tensor *input = &prepare->inputs[i];
        const bool is_scale = i == 1 || i == 4 || i == 6;
        if (input->dtype != PITH_DTYPE_NONE && (!input->data || (is_scale && input->dtype != PITH_DTYPE_F32))) {
            return false;
        }
    }
    return true;
}

pith_status pithi_s16_conv_prepare(pith_prepare *prepare)
{
    const pithi_qlinear_conv_attrs *attrs = prepare->attrs;
    pith_tensor y = prepare->outputs[0];
    const pithi_int_product p = pithi_int_operands(prepare->inputs, prepare->n_inputs, &y, true);
    const pithi_limits limits = pithi_limits_in(&attrs->limits, y.dtype);
    void *block = NULL;
    pithi_conv_geometry g;
    PITH_TRY(pithi_conv_geometry_of(prepare->ctx, &attrs->conv, &p.a->shape, &p.b->shape, false, &g));
    if (!is_known(prepare)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)g.out_channels, sizeof(float), &block));
    float *scales = block;
    for (int64_t i = 0; i < g.out_channels; i++) {
        scales[i] = pithi_int_scale(&p, 0, i);
    }
    const int64_t n_taps = g.kernel[0] * g.kernel[1] * g.kernel[2], n_channels = g.in_channels / g.group;
    const int64_t n = g.out_channels / g.group;
    const pithi_s16_task task = {
        .g = g,
        .source = { .weights = p.b, .zero = p.b_zero, .bias = p.bias, .n_groups = g.group, .n = n,
                    .n_channels = n_channels, .n_taps = n_taps, .group_stride = n * n_channels * n_taps,
                    .n_stride = n_channels * n_taps, .c_stride = n_taps, .t_stride = 1, .a_dtype = p.a->dtype,
                    .a_zero = pithi_int_zero(p.a_zero, 0) },
        .scales = scales,
        .y_dtype = y.dtype,
        .finish = { pithi_int_zero(p.y_zero, 0), (int32_t)limits.low, (int32_t)limits.high },
    };
    return pithi_s16_prepare(prepare, &task);
}
