/* SPDX-License-Identifier: Apache-2.0 */
/* where: y = condition ? a : b, numpy broadcasting of all three. ONNX Where. */
#include "ops/shared_broadcast.h"
#include "ops/sample.h"

static pith_status infer(pith_infer *infer)
{
    PITH_CHECK(infer->ctx, infer->inputs[1].dtype == infer->inputs[2].dtype, PITH_STATUS_DTYPE,
               "both choices must have one dtype, but they are %s and %s", pith_dtype_name(infer->inputs[1].dtype),
               pith_dtype_name(infer->inputs[2].dtype));
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    return pithi_infer_broadcast(infer, &infer->outputs[0].shape);
}

static void ref(const pith_run *run)
{
    const pith_tensor *condition = &run->inputs[0];
    const pith_shape *to = &run->outputs[0].shape;
    const size_t n_bytes = pith_dtype_bytes(run->outputs[0].dtype);
    for (int64_t i = 0; i < pith_shape_elements(to); i++) {
        bool is_first = pithi_tensor_get_s64(condition, pithi_broadcast_offset(&condition->shape, to, i)) != 0;
        const pith_tensor *from = &run->inputs[is_first ? 1 : 2];
        const int64_t offset = pithi_broadcast_offset(&from->shape, to, i);
        memcpy((char *)run->outputs[0].data + (size_t)i * n_bytes, (const char *)from->data + (size_t)offset * n_bytes,
               n_bytes);
    }
}

/* One row for elements of an unsigned integer type of the dtype's size. */
#define WHERE_ROW(name, type)                                                                      \
    static void name(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)      \
    {                                                                                              \
        const uint8_t *condition = operands[0];                                                    \
        const type *a = operands[1], *b = operands[2];                                             \
        const int64_t c_stride = rows->inner_strides[0], a_stride = rows->inner_strides[1];         \
        const int64_t b_stride = rows->inner_strides[2];                                           \
        type *to = y;                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            to[i] = condition[i * c_stride] ? a[i * a_stride] : b[i * b_stride];                   \
        }                                                                                          \
    }

WHERE_ROW(row_1, uint8_t)
WHERE_ROW(row_2, uint16_t)
WHERE_ROW(row_4, uint32_t)
WHERE_ROW(row_8, uint64_t)
WHERE_ROW(row_16, pith_string)

static pith_status prepare(pith_prepare *prepare)
{
    pithi_rows *rows = NULL;
    const size_t n_bytes = pith_dtype_bytes(prepare->outputs[0].dtype);
    PITH_TRY(pithi_rows_prepare(prepare, &rows));
    rows->row = n_bytes == 1 ? row_1 : n_bytes == 2 ? row_2 : n_bytes == 4 ? row_4 : n_bytes == 8 ? row_8 : row_16;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "condition", PITH_DTYPES_BOOL, PITH_ONE },
                                            { "a", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "b", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Where", 9, NULL } };
static const char *const samples[] = {
    "bool[2,33] f32[2,33] f32[]{-1e9}", "bool[3,1,4] f32[2,1] f32[4]", "bool[] s64[5] s64[5]", "bool[7] f16[7] f16[1]",
    "bool[4] bool[4] bool[4]", "bool[2,1] f64[1,3] f64[2,3]", "bool[0] u8[1] u8[0]",
    "bool[2,1,40,3] f32[2,7,1,3] f32[40,1]", "bool[2,1] string[3]{x,,yz} string[2,3]", "bool[2,3] c128[2,3] c128[1]"
};

const pith_op pith_op_where = {
    .head = { "where", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
