/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_lookup.h"

#include "ops/shared_copy.h"
#include "ops/shared_index.h"

const pith_operand_spec pithi_quant_unary_inputs[5] = {
    { "x", PITH_DTYPES_8BIT, PITH_ONE },
    { "x_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
};
const pith_operand_spec pithi_quant_wide_inputs[5] = {
    { "x", PITH_DTYPES_8OR16, PITH_ONE },
    { "x_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
};
const pith_operand_spec pithi_quant_wide_outputs[1] = { { "y", PITH_DTYPES_8OR16, PITH_ONE } };
const pith_operand_spec pithi_quant_unary_outputs[1] = { { "y", PITH_DTYPES_8BIT, PITH_ONE } };

pith_status pithi_quant_unary_infer(pith_infer *infer)
{
    PITH_TRY(pithi_infer_quant_pair(infer, 1, infer->inputs[0].dtype));
    const bool is_wide = pithi_is_16bit(infer->inputs[0].dtype);
    const bool has_zero = pithi_has_operand(infer->inputs, infer->n_inputs, 4);
    PITH_TRY(pithi_infer_quant_pair(infer, 3, is_wide ? PITH_DTYPE_NONE : infer->inputs[0].dtype));
    infer->outputs[0].dtype = is_wide && has_zero ? infer->inputs[4].dtype : infer->inputs[0].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

void pithi_quant_unary_pairs(const pith_run *run, pithi_quant_pair *x_out, pithi_quant_pair *y_out)
{
    *x_out = pithi_quant_pair_of(
        &run->inputs[1], pithi_has_operand(run->inputs, run->n_inputs, 2) ? &run->inputs[2] : NULL);
    *y_out = pithi_quant_pair_of(
        &run->inputs[3], pithi_has_operand(run->inputs, run->n_inputs, 4) ? &run->inputs[4] : NULL);
}

void pithi_lookup_fill(const pith_run *run, float (*function)(const void *attrs, float x),
                       uint8_t table[256])
{
    pithi_quant_pair x, y;
    pithi_quant_unary_pairs(run, &x, &y);
    for (int i = 0; i < 256; i++) {
        int32_t number = run->inputs[0].dtype == PITH_DTYPE_S8 ? (int8_t)i : i;
        float value = function(run->attrs, x.scale * (float)(number - x.zero));
        table[i] =
            (uint8_t)pithi_quantize((double)(value / y.scale), y.zero, run->outputs[0].dtype);
    }
}

void pithi_lookup_apply(const pith_run *run, const uint8_t *table)
{
    const uint8_t *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[0].shape); i++) {
        y[i] = table[x[i]];
    }
}

int pithi_lookup_parts(const pith_tensor *x)
{
    return pithi_copy_max_parts(4 * pith_shape_elements(&x->shape));
}
