/* SPDX-License-Identifier: Apache-2.0 */
/* bit_cast: the same bytes read as another element type of the same size. ONNX BitCast. */
#include "ops/shared_cast.h"
#include "ops/shared_onnx.h"

typedef struct bit_cast_attrs {
    int64_t to; /* a number of TensorProto.DataType */
} bit_cast_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_REQUIRED_INT(bit_cast_attrs, to, "to") };

static void ref(const pith_run *run)
{
    memmove(run->outputs[0].data, run->inputs[0].data, pith_tensor_bytes(&run->inputs[0]));
}

static pith_status infer(pith_infer *infer)
{
    const bit_cast_attrs *attrs = infer->attrs;
    const pith_dtype from = infer->inputs[0].dtype;
    pith_dtype to = PITH_DTYPE_NONE;
    PITH_TRY(pithi_infer_onnx_dtype(infer, "to", attrs->to, &to));
    PITH_CHECK(infer->ctx, pith_dtype_bytes(from) == pith_dtype_bytes(to), PITH_STATUS_DTYPE,
               "%s and %s have elements of different sizes", pith_dtype_name(from), pith_dtype_name(to));
    PITH_CHECK(infer->ctx, to != PITH_DTYPE_BOOL || from == PITH_DTYPE_BOOL, PITH_STATUS_UNSUPPORTED,
               "bytes of %s as bool: pith's bools are 0 or 1", pith_dtype_name(from));
    infer->outputs[0].dtype = to;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static const pith_spelling spellings[] = { { "onnx", "", "BitCast", 26, NULL } };
static const char *const samples[] = { "f32[2,3] | to=6", "s64[]{-1} | to=13", "u16[4]{0:15000} | to=10",
                                       "u8[0,2] | to=3" };

const pith_op pith_op_bit_cast = {
    .head = { "bit_cast", 1, PITH_ATTRS(attrs_table, bit_cast_attrs) },
    .flags = PITH_OP_INPLACE, /* no view: those keep the dtype */
    .inputs = pithi_x_any, .n_inputs = 1,
    .outputs = pithi_y_any, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
