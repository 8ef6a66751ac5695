/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_cast.h"

#include "ops/shared_unary.h"

const pith_operand_spec pithi_x_any[1] = { { "x", PITH_DTYPES_ANY, PITH_ONE } };
const pith_operand_spec pithi_y_any[1] = { { "y", PITH_DTYPES_ANY, PITH_ONE } };

/* One rounding only: 64-bit integers go to float directly, not through double. */
static void cast_range(const pith_tensor *x, pith_tensor *y, int64_t begin, int64_t end)
{
    if (x->dtype == y->dtype) {
        const size_t n_bytes = pith_dtype_bytes(x->dtype);
        memcpy((char *)y->data + (size_t)begin * n_bytes, (const char *)x->data + (size_t)begin * n_bytes,
               (size_t)(end - begin) * n_bytes);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        if (pithi_dtype_is_float(x->dtype)) {
            pithi_tensor_set_f64(y, i, pithi_tensor_get_f64(x, i));
        } else if (y->dtype == PITH_DTYPE_F32 && x->dtype == PITH_DTYPE_U64) {
            ((float *)y->data)[i] = (float)((const uint64_t *)x->data)[i];
        } else if (y->dtype == PITH_DTYPE_F32) {
            ((float *)y->data)[i] = (float)pithi_tensor_get_s64(x, i);
        } else if (x->dtype == PITH_DTYPE_U64 && pithi_dtype_is_float(y->dtype)) {
            pithi_tensor_set_f64(y, i, pithi_tensor_get_f64(x, i));
        } else {
            pithi_tensor_set_s64(y, i, pithi_tensor_get_s64(x, i));
        }
    }
}

void pithi_cast_ref(const pith_run *run)
{
    cast_range(&run->inputs[0], &run->outputs[0], 0, pith_shape_elements(&run->outputs[0].shape));
}

pith_status pithi_cast_prepare(pith_prepare *prepare)
{
    return pithi_unary_prepare_parts(prepare);
}

void pithi_cast_run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    cast_range(&run->inputs[0], &run->outputs[0], begin, end);
}

pith_status pithi_map_cast_rounding(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)attrs;
    (void)pithi_source_attr(source, "saturate");
    (void)pithi_source_attr(source, "round_mode");
    return PITH_OK;
}
