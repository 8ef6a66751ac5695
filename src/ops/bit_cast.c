/* SPDX-License-Identifier: Apache-2.0 */
/* bit_cast: the same bytes read as another element type of the same size. ONNX BitCast. */
#include "ops/sample.h"
#include "ops/shared_onnx.h"

typedef struct bit_cast_attrs {
    int64_t to; /* a number of TensorProto.DataType */
} bit_cast_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_REQUIRED_INT(bit_cast_attrs, to, "to") };

static void ref(const pith_run *run)
{
    const size_t n_bytes = pith_tensor_bytes(&run->inputs[0]);
    const uint8_t *from = run->inputs[0].data;
    for (size_t i = 0; i < n_bytes && run->outputs[0].dtype == PITH_DTYPE_BOOL; i++) {
        if (from[i] > 1) {
            pithi_run_fault(run, "byte %zu is %d: a bool is 0 or 1", i, from[i]);
            return;
        }
    }
    if (n_bytes > 0) {
        memmove(run->outputs[0].data, from, n_bytes);
    }
}

static pith_status infer(pith_infer *infer)
{
    const bit_cast_attrs *attrs = infer->attrs;
    const pith_dtype from = infer->inputs[0].dtype;
    pith_dtype to = PITH_DTYPE_NONE;
    PITH_TRY(pithi_infer_onnx_dtype(infer, "to", attrs->to, &to));
    PITH_CHECK(infer->ctx, pith_dtype_bits(from) == pith_dtype_bits(to), PITH_STATUS_DTYPE,
               "%s and %s have elements of different sizes", pith_dtype_name(from), pith_dtype_name(to));
    infer->outputs[0].dtype = to;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

#define BITS (PITH_DTYPES_STORED & ~PITH_DTYPES_STRING)
static const pith_operand_spec inputs[] = { { "x", BITS, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", BITS, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "BitCast", 26, NULL } };
static const char *const samples[] = { "f32[2,3] | to=6", "s64[]{-1} | to=13", "u16[4]{0:15000} | to=10",
                                       "u8[0,2] | to=3",
                                       "u4[5] | to=22", "u8[3]{0:2} | to=9", "c64[2,2] | to=7", "f8e5m2[3] | to=2" };

const pith_op pith_op_bit_cast = {
    .head = { "bit_cast", 1, PITH_ATTRS(attrs_table, bit_cast_attrs) },
    .flags = PITH_OP_INPLACE, /* no view: those keep the dtype */
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
