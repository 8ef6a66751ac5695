/* SPDX-License-Identifier: Apache-2.0 */
/* unpack_bits: bytes of packed unsigned integers of `bits` bits, lowest first (high_first: highest first), as one byte
 * each: the last dimension grows 8 / bits times. Quantised weights of ONNX Runtime (MatMulNBits) are such. */
#include "ops/sample.h"

typedef struct unpack_attrs {
    int64_t bits, high_first;
} unpack_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_INT(unpack_attrs, bits, "bits", 4),
    PITH_ATTR_INT(unpack_attrs, high_first, "high_first", 0),
};

static void ref(const pith_run *run)
{
    const unpack_attrs *attrs = run->attrs;
    const int64_t n_bytes = pith_shape_elements(&run->inputs[0].shape), n_items = 8 / attrs->bits;
    const uint8_t *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    for (int64_t i = 0; i < n_bytes; i++) {
        for (int64_t k = 0; k < n_items; k++) {
            const int64_t place = attrs->high_first ? n_items - 1 - k : k;
            y[i * n_items + k] = (uint8_t)((x[i] >> (place * attrs->bits)) & ((1 << attrs->bits) - 1));
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const unpack_attrs *attrs = infer->attrs;
    pith_shape *shape = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, attrs->bits == 1 || attrs->bits == 2 || attrs->bits == 4 || attrs->bits == 8,
               PITH_STATUS_UNSUPPORTED, "weights of %lld bits; pith unpacks 1, 2, 4 and 8", (long long)attrs->bits);
    PITH_TRY(pithi_infer_same(infer));
    PITH_CHECK(infer->ctx, shape->rank > 0, PITH_STATUS_SHAPE, "packed weights are a scalar");
    PITH_CHECK(infer->ctx,
               !__builtin_mul_overflow(shape->dims[shape->rank - 1], 8 / attrs->bits, &shape->dims[shape->rank - 1]),
               PITH_STATUS_SHAPE, "packed weights have too many elements");
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "pith", "UnpackBits", 1, NULL } };
static const char *const samples[] = { "u8[3,2]", "u8[2,3]{0:256} | bits=2", "u8[5] | bits=8", "u8[0]",
                                       "u8[2,3]{0:256} | bits=4 high_first=1" };

const pith_op pith_op_unpack_bits = {
    .head = { "unpack_bits", 1, PITH_ATTRS(attrs_table, unpack_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
